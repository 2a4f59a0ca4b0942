import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Metrics } from '../base/metrics.ts'
import { type DeliveryFailure, encodeDeliveryFailure } from './delivery-failure.ts'
import { encodeMqttRecord, type MqttRecord, mqttCategories, mqttCategoryOf } from './mqtt-records.ts'
import { type NamespaceOperation, NamespaceOperations } from './namespace-operations.ts'
import { encodePublishFailure, type PublishFailure } from './publish-failure.ts'
import { type DataPlaneRequest, RequestTotals } from './request-totals.ts'
import { RotatedFile } from './rotated-file.ts'

/*
 * Azure's diagnostic logs: who was refused at the publish door, which deliveries failed and why, and how many
 * requests came from where. In come plain values from the doors and from delivery; out go files of JSON lines, one
 * for each category, written in the background and never larger than their bound. A category that is not asked
 * for has no function here, so that whoever would call it does nothing at all.
 *
 * Source: learn.microsoft.com/azure/event-grid/monitor-push-reference, "Resource logs"
 */

export const categories = [
  'PublishFailures',
  'DeliveryFailures',
  'DataPlaneRequests',
  'SuccessfulHttpDataPlaneOperations',
  'FailedHttpDataPlaneOperations',
  ...mqttCategories,
] as const
export type Category = (typeof categories)[number]

export interface DiagnosticSettings {
  /** Absolute. */
  readonly directory: string
  readonly categories: readonly Category[]
  /** When a file is this large, the next record goes into a new one. */
  readonly maxFileBytes: number
  /** Files of each category, the one being written included; older ones are deleted. */
  readonly files: number
}

export const defaultDiagnosticLimits = { maxFileBytes: 16 * 1024 * 1024, files: 4 }

export interface Diagnostics {
  readonly publishFailed: ((failure: PublishFailure) => void) | undefined
  readonly deliveryFailed: ((failure: DeliveryFailure) => void) | undefined
  readonly requested: ((request: DataPlaneRequest) => void) | undefined
  /** An operation on a topic of a namespace has ended. */
  readonly operated: ((operation: NamespaceOperation) => void) | undefined
  /** Something happened to an MQTT client. */
  readonly mqtt: ((record: MqttRecord) => void) | undefined
  /** Writes what waits. */
  close(): Promise<void>
}

export const noDiagnostics: Diagnostics = {
  publishFailed: undefined,
  deliveryFailed: undefined,
  requested: undefined,
  operated: undefined,
  mqtt: undefined,
  close: async () => {},
}

/** Rejects when the directory cannot be made. */
export async function openDiagnostics(
  settings: DiagnosticSettings | undefined,
  needs: { readonly clock: Clock; readonly log: Log; readonly metrics: Metrics },
): Promise<Diagnostics> {
  if (settings === undefined || settings.categories.length === 0) return noDiagnostics
  const { clock, log, metrics } = needs
  const files = new Map<Category, RotatedFile>()
  for (const category of settings.categories) {
    const file = await RotatedFile.open({ ...settings, name: category, log })
    files.set(category, file)
    const labels = { category }
    metrics.counterOf(
      'busbar_diagnostic_records_total',
      'Diagnostic records taken.',
      () => file.taken,
      labels,
    )
    metrics.counterOf(
      'busbar_diagnostic_records_dropped_total',
      'Diagnostic records lost: too many waited, or they could not be written.',
      () => file.dropped,
      labels,
    )
  }
  const now = () => clock.now()
  /** The record is made only where there is room for it. */
  const recorder = <Value>(category: Category, encode: (value: Value, at: number) => object) => {
    const file = files.get(category)
    return (
      file &&
      ((value: Value) => {
        if (file.hasRoom) file.add(`${JSON.stringify(encode(value, now()))}\n`)
        else file.drop()
      })
    )
  }
  const writerOf = (category: Category) => {
    const file = files.get(category)
    return (
      file &&
      ((record: object) => {
        if (file.hasRoom) file.add(`${JSON.stringify(record)}\n`)
        else file.drop()
      })
    )
  }
  const requests = writerOf('DataPlaneRequests')
  const totals = requests && new RequestTotals(clock, requests)
  const succeeded = writerOf('SuccessfulHttpDataPlaneOperations')
  const failed = writerOf('FailedHttpDataPlaneOperations')
  const operations = succeeded || failed ? new NamespaceOperations(clock, succeeded, failed) : undefined
  return {
    publishFailed: recorder('PublishFailures', encodePublishFailure),
    deliveryFailed: recorder('DeliveryFailures', encodeDeliveryFailure),
    requested: totals && ((request) => totals.add(request)),
    mqtt: mqttCategories.some((category) => files.has(category))
      ? (record) => {
          const file = files.get(mqttCategoryOf(record))
          if (file?.hasRoom) file.add(`${JSON.stringify(encodeMqttRecord(record, now()))}\n`)
          else file?.drop()
        }
      : undefined,
    operated: operations && ((operation) => operations.add(operation)),
    async close() {
      totals?.close()
      operations?.close()
      await Promise.all([...files.values()].map((file) => file.close()))
    },
  }
}
