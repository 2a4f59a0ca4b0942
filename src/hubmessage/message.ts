import type { EpochMs } from '../base/clock.ts'

/*
 * Messages of IoT hubs, whatever protocol they came by and wherever they go: those that devices send, and those that the
 * hub sends of itself. Each protocol's spelling of their properties is decoded once, at its door.
 *
 * Source: learn.microsoft.com/azure/iot-hub/iot-hub-devguide-messages-construct
 */

/** What a message says of itself. */
export interface SystemProperties {
  readonly messageId?: string | undefined
  readonly correlationId?: string | undefined
  readonly userId?: string | undefined
  readonly to?: string | undefined
  readonly contentType?: string | undefined
  readonly contentEncoding?: string | undefined
  /** As it came: ISO 8601. */
  readonly expiry?: string | undefined
  readonly interfaceId?: string | undefined
  /** `dt-subject`: the component of the device's model. */
  readonly component?: string | undefined
  /** Of a module. */
  readonly outputName?: string | undefined
}

export interface MessageProperties {
  readonly system: SystemProperties
  /** The application's; null where there is a name alone. */
  readonly properties: Readonly<Record<string, string | null>>
}

/** What the hub knows of where a message comes from: `iothub-message-source`. */
export type MessageSource =
  | 'Telemetry'
  | 'twinChangeEvents'
  | 'deviceLifecycleEvents'
  | 'deviceConnectionStateEvents'
  | 'deviceJobLifecycleEvents'
  | 'digitalTwinChangeEvents'

/** A message that the hub has taken, or made. */
export interface HubMessage extends MessageProperties {
  readonly source: MessageSource
  readonly deviceId: string
  readonly moduleId: string | undefined
  readonly generationId: string
  /** `iothub-connection-auth-method`: JSON. */
  readonly authMethod: string
  readonly payload: Buffer
  readonly enqueuedAt: EpochMs
}

/** As the service counts: the body, the values of its own properties, and names and values of the application's. */
export function bytesOfMessage(payload: Buffer, { system, properties }: MessageProperties): number {
  let bytes = payload.length
  for (const value of Object.values(system) as (string | undefined)[])
    if (value !== undefined) bytes += Buffer.byteLength(value)
  for (const [name, value] of Object.entries(properties))
    bytes += Buffer.byteLength(name) + Buffer.byteLength(value ?? '')
  return bytes
}
