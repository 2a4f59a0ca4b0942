import { isUtf8 } from 'node:buffer'
import type { EpochMs } from '../base/clock.ts'
import { newGuid } from '../base/ids.ts'
import type { GridEvent } from '../event/event.ts'
import { buildEvent } from '../sources/build-event.ts'
import { devices } from '../sources/devices.ts'
import type { HubMessage } from './message.ts'

/**
 * The DeviceTelemetry event of a message. Its body stands there as it came where the message says that it is JSON in
 * UTF-8 and it is; else as base64.
 *
 * Source: learn.microsoft.com/azure/event-grid/event-schema-iot-hub and learn.microsoft.com/azure/iot-hub/iot-hub-devguide-messages-construct
 */
export function encodeTelemetryEvent(hubId: string, message: HubMessage): GridEvent {
  const { deviceId, moduleId, payload, system, properties } = message
  const { contentType, contentEncoding, messageId, correlationId, userId, interfaceId, component } = system
  const enqueued = encodeEnqueued(message.enqueuedAt)
  const systemProperties: Record<string, string> = {
    ...(contentType !== undefined && { 'iothub-content-type': contentType }),
    ...(contentEncoding !== undefined && { 'iothub-content-encoding': contentEncoding }),
    'iothub-connection-device-id': deviceId,
    ...(moduleId !== undefined && { 'iothub-connection-module-id': moduleId }),
    'iothub-connection-auth-method': message.authMethod,
    'iothub-connection-auth-generation-id': message.generationId,
    'iothub-enqueuedtime': enqueued,
    'iothub-message-source': message.source,
    ...(messageId !== undefined && { 'message-id': messageId }),
    ...(correlationId !== undefined && { 'correlation-id': correlationId }),
    ...(userId !== undefined && { 'user-id': userId }),
    ...(interfaceId !== undefined && { 'iothub-interface-id': interfaceId }),
    ...(component !== undefined && { 'dt-subject': component }),
  }
  const said = { properties, systemProperties }
  const isJson =
    contentType?.toLowerCase() === 'application/json' && contentEncoding?.toLowerCase() === 'utf-8'
  const parsed = isJson ? decodeJson(payload) : undefined
  const body = parsed ? parsed.value : payload.toString('base64')
  return buildEvent(devices, 'Microsoft.Devices.DeviceTelemetry', {
    sourceId: hubId,
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

/** Without zeros at the end of its fraction. */
export const encodeEnqueued = (moment: EpochMs): string =>
  new Date(moment).toISOString().replace(/\.?0+Z$/, 'Z')

const closing = Buffer.from('}')

export function decodeJson(bytes: Buffer): { readonly value: unknown } | undefined {
  if (!isUtf8(bytes)) return undefined
  try {
    return { value: JSON.parse(bytes.toString()) as unknown }
  } catch {
    return undefined
  }
}
