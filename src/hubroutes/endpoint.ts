import type { Clock } from '../base/clock.ts'
import type { Outcome } from '../destinations/destination.ts'
import type { Transports } from '../destinations/index.ts'
import type { HubMessage } from '../hubmessage/message.ts'
import type { RoutingEndpoint } from '../resources/hub-routing.ts'
import { messagingEndpoint } from './messaging-endpoint.ts'
import { storageEndpoint } from './storage-endpoint.ts'

/** An endpoint made ready from its settings. */
export interface OpenEndpoint {
  /** Where connections go, for logs. */
  readonly origin: string
  /** Policy time for which messages are gathered, unless `batchBytes` of them wait before; 0: none. */
  readonly gatherMs: number
  /** An attempt has about so many bytes at most, unless one message alone has more. */
  readonly batchBytes: number
  /** And so many messages. */
  readonly batchMessages: number
  /** One attempt, with what became of each message. Never rejects for what the endpoint did. */
  deliver(messages: readonly HubMessage[], signal: AbortSignal): Promise<readonly Outcome[]>
  close(): Promise<void>
}

/** What endpoints need to know of the hub, and of the world. */
export interface EndpointContext {
  readonly hubName: string
  readonly partitions: number
  readonly transports: Transports
  readonly clock: Clock
}

export const openEndpoint = (endpoint: RoutingEndpoint, context: EndpointContext): OpenEndpoint =>
  endpoint.kind === 'storageContainer'
    ? storageEndpoint(endpoint, context)
    : messagingEndpoint(endpoint, context)
