import type { EpochMs } from '../base/clock.ts'
import { encodeMoment } from '../base/moment.ts'
import { connectionOf } from '../destinations/connections.ts'
import type { Outcome } from '../destinations/destination.ts'
import { resourceOutcomeOf, retry } from '../destinations/outcome.ts'
import type { Answer, Channel, Keep } from '../destinations/sender.ts'
import {
  decodeStorageConnection,
  type StorageService,
  signRequest,
} from '../destinations/storage-connection.ts'
import { noConnection } from '../destinations/unreachable.ts'
import type { HubMessage } from '../hubmessage/message.ts'
import { partitionOf } from '../hubmessage/partition.ts'
import { storedSystemProperties } from '../hubmessage/system-properties.ts'
import { decodeJson } from '../hubmessage/telemetry-event.ts'
import type { StorageEndpoint } from '../resources/hub-routing.ts'
import type { EndpointContext, OpenEndpoint } from './endpoint.ts'
import { unreachable } from './unreachable.ts'

/** A blob is made in memory: this bounds it, whatever the endpoint allows. */
const blobBytesMost = 32 * 1024 * 1024
/** As many as a queue of the store shows at a time. */
const blobMessagesMost = 4_000
/** Blobs of one name before something is wrong. */
const namesakesMost = 1_000
const answers: Keep = { bytes: 1024, onlyFailures: true }

/**
 * Block blobs of a container, each with the messages of some minutes and of one partition: a line of JSON for each.
 *
 * Source: learn.microsoft.com/azure/iot-hub/iot-hub-devguide-endpoints, "Azure Storage as a routing endpoint"
 */
export function storageEndpoint(endpoint: StorageEndpoint, context: EndpointContext): OpenEndpoint {
  const { name, access, containerName, fileNameFormat, batchFrequencyMs, maxChunkBytes } = endpoint
  const { transports, hubName, partitions, clock } = context
  const text =
    access.kind === 'key'
      ? access.connectionString
      : connectionOf(transports.connections, access.resourceId)?.connectionString
  if (text === undefined) return unreachable(name, noConnection)
  const service = decodeStorageConnection(text, 'blob')
  if (typeof service === 'string') return unreachable(name, `Its connectionString ${service}.`)
  const { sender } = access.kind === 'key' ? transports.guarded : transports.trusted
  const channel = sender.open(service.url.origin)
  const container = { service, channel, containerName }
  /** By partition, what was written last: while much waits, many blobs of one minute follow each other. */
  const written = new Map<number, { readonly blobName: string; readonly namesake: number }>()
  return {
    origin: `${service.url.origin}/${containerName}`,
    gatherMs: batchFrequencyMs,
    batchBytes: Math.min(maxChunkBytes, blobBytesMost),
    batchMessages: blobMessagesMost,
    async deliver(messages, signal) {
      const now = clock.now()
      const byPartition = Map.groupBy(messages, ({ deviceId }) => partitionOf(deviceId, partitions))
      const outcomes = new Map<number, Outcome>()
      for (const [partition, some] of byPartition) {
        const blobName = encodeFileName(fileNameFormat, hubName, partition, now)
        const last = written.get(partition)
        const body = Buffer.concat(some.flatMap(encodeLine))
        const first = last?.blobName === blobName ? last.namesake + 1 : 0
        const { outcome, namesake } = await writeBlob(container, { blobName, body, first }, now, signal)
        if (outcome.kind === 'delivered') written.set(partition, { blobName, namesake })
        outcomes.set(partition, outcome)
      }
      return messages.map(({ deviceId }) => outcomes.get(partitionOf(deviceId, partitions)) as Outcome)
    },
    close: () => channel.close(),
  }
}

interface Container {
  readonly service: StorageService
  readonly channel: Channel
  readonly containerName: string
}

interface Blob {
  readonly blobName: string
  readonly body: Buffer
  /** Its number, where blobs before it are known to be there; 0: none is. */
  readonly first: number
}

/** A blob that is there keeps what it has: the next one of its name gets a number. */
async function writeBlob(
  { service, channel, containerName }: Container,
  { blobName, body, first }: Blob,
  now: EpochMs,
  signal: AbortSignal,
): Promise<{ readonly outcome: Outcome; readonly namesake: number }> {
  let namesake = first
  for (; namesake < namesakesMost; namesake++) {
    const path = `/${containerName}/${encodePath(namesake === 0 ? blobName : `${blobName}-${namesake}`)}`
    const request = signRequest(service, {
      ...{ method: 'PUT', path, query: {}, contentType: 'application/json', now, bodyBytes: body.length },
      ifNoneMatch: '*',
      own: { 'x-ms-blob-type': 'BlockBlob' },
    })
    const answer = await channel.send({ method: 'PUT', body, ...request }, answers, signal)
    if (answer.kind === 'response' && isTaken(answer)) continue
    return { outcome: outcomeOf(answer, now), namesake }
  }
  const text = `There are ${namesakesMost} blobs named '${blobName}' already.`
  return { outcome: retry('GenericError', text), namesake }
}

const isTaken = ({ status, headers }: Extract<Answer, { kind: 'response' }>) =>
  (status === 409 && headers['x-ms-error-code'] !== 'ContainerBeingDeleted') || status === 412

/** Whoever runs the account may yet allow what it refuses, so that messages wait. */
function outcomeOf(answer: Answer, now: EpochMs): Outcome {
  const code = answer.kind === 'response' ? answer.headers['x-ms-error-code'] : undefined
  const told = code === undefined || answer.kind !== 'response' ? answer : { ...answer, text: String(code) }
  const outcome = resourceOutcomeOf(told, now)
  return outcome.kind === 'hopeless' ? retry(outcome.name, outcome.error) : outcome
}

const encodePath = (name: string) => name.split('/').map(encodeURIComponent).join('/')

/** In UTC. */
export function encodeFileName(format: string, hubName: string, partition: number, now: EpochMs): string {
  const moment = new Date(now).toISOString()
  return format
    .replaceAll('{iothub}', hubName)
    .replaceAll('{partition}', String(partition))
    .replaceAll('{YYYY}', moment.slice(0, 4))
    .replaceAll('{MM}', moment.slice(5, 7))
    .replaceAll('{DD}', moment.slice(8, 10))
    .replaceAll('{HH}', moment.slice(11, 13))
    .replaceAll('{mm}', moment.slice(14, 16))
}

/** Source: learn.microsoft.com/azure/iot-hub/iot-hub-devguide-messages-d2c, "Azure Storage" */
export function encodeLine(message: HubMessage): readonly Buffer[] {
  const { properties, payload, system, enqueuedAt } = message
  const head = JSON.stringify({
    EnqueuedTimeUtc: encodeMoment(enqueuedAt),
    Properties: properties,
    SystemProperties: storedSystemProperties(message),
  })
  const isJson =
    system.contentType?.toLowerCase() === 'application/json' &&
    system.contentEncoding?.toLowerCase() === 'utf-8' &&
    decodeJson(payload) !== undefined
  const body = isJson ? onOneLine(payload) : Buffer.from(JSON.stringify(payload.toString('base64')))
  return [Buffer.from(`${head.slice(0, -1)},"Body":`), body, lineEnd]
}

const lineEnd = Buffer.from('}\n')

/** Line breaks stand between the tokens of JSON alone. */
const onOneLine = (json: Buffer) =>
  json.includes('\n') || json.includes('\r') ? Buffer.from(json.toString().replace(/[\r\n]/g, ' ')) : json
