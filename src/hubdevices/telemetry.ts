import { isUtf8 } from 'node:buffer'
import type { EpochMs } from '../base/clock.ts'
import { newGuid } from '../base/ids.ts'
import type { IotHub } from '../catalog/iot-hub.ts'
import type { GridEvent } from '../event/event.ts'
import type { StoredIdentity } from '../registry/identity.ts'
import { buildEvent } from '../sources/build-event.ts'
import { devices } from '../sources/devices.ts'
import type { OwnProperty, PropertyBag } from './property-bag.ts'

/** A message that a device has sent. */
export interface Telemetry {
  readonly payload: Buffer
  readonly bag: PropertyBag
  readonly retain: boolean
  readonly isWill: boolean
  readonly receivedAt: EpochMs
}

/** What the event calls them; others of the message's own properties it does not have. */
const told: Readonly<Partial<Record<OwnProperty, string>>> = {
  '$.mid': 'message-id',
  '$.cid': 'correlation-id',
  '$.uid': 'user-id',
  '$.ifid': 'iothub-interface-id',
  '$.sub': 'dt-subject',
}

/**
 * The DeviceTelemetry event of a message. Its body stands there as it came where the message says that it is JSON in
 * UTF-8 and it is; else as base64.
 *
 * Source: learn.microsoft.com/azure/event-grid/event-schema-iot-hub and learn.microsoft.com/azure/iot-hub/iot-hub-devguide-messages-construct
 */
export function encodeTelemetry(
  hub: IotHub,
  { deviceId, moduleId, generationId }: StoredIdentity,
  method: string,
  { payload, bag: { own, properties }, retain, isWill, receivedAt }: Telemetry,
): GridEvent {
  const contentType = own.get('$.ct')
  const encoding = own.get('$.ce')
  const enqueued = new Date(receivedAt).toISOString().replace(/\.?0+Z$/, 'Z')
  const systemProperties: Record<string, string> = {
    ...(contentType !== undefined && { 'iothub-content-type': contentType }),
    ...(encoding !== undefined && { 'iothub-content-encoding': encoding }),
    'iothub-connection-device-id': deviceId,
    ...(moduleId !== undefined && { 'iothub-connection-module-id': moduleId }),
    'iothub-connection-auth-method': method,
    'iothub-connection-auth-generation-id': generationId,
    'iothub-enqueuedtime': enqueued,
    'iothub-message-source': 'Telemetry',
  }
  for (const [name, value] of own) {
    const called = told[name]
    if (called !== undefined) systemProperties[called] = value
  }
  const said = {
    properties: {
      ...properties,
      ...(retain && { 'mqtt-retain': 'true' }),
      ...(isWill && { 'iothub-MessageType': 'Will' }),
    },
    systemProperties,
  }
  const isJson = contentType?.toLowerCase() === 'application/json' && encoding?.toLowerCase() === 'utf-8'
  const parsed = isJson ? decodeJson(payload) : undefined
  const body = parsed ? parsed.value : payload.toString('base64')
  return buildEvent(devices, 'Microsoft.Devices.DeviceTelemetry', {
    sourceId: hub.id,
    subject: `devices/${deviceId}`,
    data: { ...said, body },
    // Numbers keep their digits.
    ...(parsed && {
      dataBytes: Buffer.concat([
        Buffer.from(`${JSON.stringify(said).slice(0, -1)},"body":`),
        payload,
        closing,
      ]),
    }),
    id: newGuid(),
    eventTime: enqueued,
  })
}

const closing = Buffer.from('}')

export function decodeJson(bytes: Buffer): { readonly value: unknown } | undefined {
  if (!isUtf8(bytes)) return undefined
  try {
    return { value: JSON.parse(bytes.toString()) as unknown }
  } catch {
    return undefined
  }
}
