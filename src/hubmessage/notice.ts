import { randomBytes } from 'node:crypto'
import type { EpochMs } from '../base/clock.ts'
import { encodeMoment } from '../base/moment.ts'
import type { HubMessage, MessageSource } from './message.ts'

const schemas = {
  twinChangeEvents: 'twinChangeNotification',
  deviceLifecycleEvents: 'deviceLifecycleNotification',
  deviceConnectionStateEvents: 'deviceConnectionStateNotification',
} as const satisfies Partial<Record<MessageSource, string>>

export interface Notice {
  readonly hubName: string
  readonly source: keyof typeof schemas
  readonly opType:
    | 'createDeviceIdentity'
    | 'deleteDeviceIdentity'
    | 'updateTwin'
    | 'replaceTwin'
    | 'deviceConnected'
    | 'deviceDisconnected'
  readonly deviceId: string
  readonly moduleId: string | undefined
  readonly at: EpochMs
  readonly body: object
}

/**
 * What a hub says of itself: a message that no device has sent, for routes that have its source.
 *
 * Source: learn.microsoft.com/azure/iot-hub/iot-hub-non-telemetry-event-schema
 */
export function encodeNotice({ hubName, source, opType, deviceId, moduleId, at, body }: Notice): HubMessage {
  return {
    ...{ source, deviceId, moduleId, generationId: '', authMethod: '' },
    payload: Buffer.from(JSON.stringify(body)),
    enqueuedAt: at,
    system: {
      contentType: 'application/json',
      contentEncoding: 'utf-8',
      correlationId: randomBytes(6).toString('hex'),
      userId: hubName,
    },
    properties: {
      hubName,
      deviceId,
      ...(moduleId !== undefined && { moduleId }),
      operationTimestamp: encodeMoment(at),
      'iothub-message-schema': schemas[source],
      opType,
    },
  }
}
