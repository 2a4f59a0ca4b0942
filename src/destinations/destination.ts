import type { Clock } from '../base/clock.ts'
import type { DeliverySchema, GridEvent, StoredEvent } from '../event/event.ts'
import type { WireObject } from '../wire/shape.ts'
import type { AmqpSender } from './amqp-sender.ts'
import type { Connections } from './connections.ts'
import type { Sender } from './sender.ts'

/** `lastDeliveryOutcome` of a dead-letter record. Source: learn.microsoft.com/azure/event-grid/delivery-and-retry */
export type OutcomeName =
  | 'NotFound'
  | 'Disabled'
  | 'Full'
  | 'Unauthorized'
  | 'BadRequest'
  | 'TimedOut'
  | 'Busy'
  | 'PayloadTooLarge'
  | 'Probation'
  | 'Canceled'
  | 'Aborted'
  | 'SocketError'
  | 'ResolutionError'
  | 'Forbidden'
  | 'SessionQueueNotSupported'
  | 'InvalidAzureFunctionDestination'
  | 'GenericError'

/** What became of one attempt. */
export type Outcome =
  /** `status` is undefined where the destination's protocol has none. */
  | { readonly kind: 'delivered'; readonly status: number | undefined }
  | {
      /** Worth another attempt, but not before `minimumDelayMs` (policy time, from the status's own rule). */
      readonly kind: 'retry'
      readonly name: OutcomeName
      readonly status: number | undefined
      readonly error: string
      readonly minimumDelayMs: number
      /** Whether the endpoint took the events after all, where it may still say so. Resolves in some minutes. */
      readonly late?: Promise<boolean>
    }
  | {
      /** No retry can help. */
      readonly kind: 'hopeless'
      readonly name: OutcomeName
      readonly status: number | undefined
      readonly error: string
    }

/** A custom header of each delivery; `value` is given, or read from `sourceField` of the event. */
export type DeliveryAttribute =
  | { readonly name: string; readonly type: 'Static'; readonly value: string; readonly isSecret: boolean }
  | { readonly name: string; readonly type: 'Dynamic'; readonly sourceField: string }

/** Where an event subscription delivers to, as its type decoded it: each type reads its own properties and secrets. */
export interface DestinationSettings {
  /** A name of the shelf. */
  readonly endpointType: string
  /** As GET prints them. */
  readonly properties: WireObject
  readonly secrets: Readonly<Record<string, string>>
}

/** What the assembled server can do, as far as a destination may ask for it. */
export interface DestinationCapabilities {
  /** Development: endpoints may be reached without TLS. */
  readonly allowHttpWebhooks: boolean
  /** True when the configuration says how that resource is reached, by its own connection or one around it. */
  hasConnection(resourceId: string): boolean
  /** True when the topic of a namespace of that id is one of this server's own. */
  isNamespaceTopic?(resourceId: string): boolean
  /** True when the configuration says where the alerts go whose action groups have no connection. */
  readonly takesAlerts?: boolean
}

export interface DestinationDecoding {
  /** Takes in what GET may not print. */
  readonly secrets: Record<string, string>
  /** The destination as it is, where it has the same type; undefined when it is made. */
  readonly before: DestinationSettings | undefined
  readonly patching: boolean
  readonly capabilities: DestinationCapabilities
}

/** What the shelf holds of a destination type: from the wire's words to working behaviour. */
export interface DestinationType {
  /**
   * Reads `destination.properties`: checked, every default filled in, secrets apart.
   *
   * @param path of the properties, for refusals
   */
  decode(wire: unknown, path: string, decoding: DestinationDecoding): WireObject
  /** The delivery schemas that it carries; undefined: all. */
  readonly deliverySchemas: readonly DeliverySchema[] | undefined
  /**
   * May be reached with the managed identity of the topic.
   *
   * Source: learn.microsoft.com/azure/event-grid/add-identity-roles
   */
  readonly takesIdentity?: true
  /** What `getFullUrl` answers. */
  fullUrl(settings: DestinationSettings): string | null
  /** Whether `next` may not replace `live` before the endpoint agreed; the delivery schema is asked beside it. */
  needsConsent(live: DestinationSettings, next: DestinationSettings): boolean
  create(
    settings: DestinationSettings,
    context: DeliveryContext,
    environment: DestinationEnvironment,
  ): Destination
  /** Asks the endpoint whether it wants these events. Never rejects for what the endpoint did. */
  verify(
    request: VerificationRequest,
    environment: DestinationEnvironment,
    signal: AbortSignal,
  ): Promise<Verification>
  /** Properties that `decode` accepts, for documentation and for the contract test. */
  readonly example: WireObject
}

/** What destinations need of the world. */
export interface DestinationEnvironment {
  readonly clock: Clock
  /** Goes where the network rules allow: for endpoints that whoever makes an event subscription names. */
  readonly sender: Sender
  /** Goes anywhere: for what the operator's own configuration names. */
  readonly trustedSender: Sender
  /** Goes anywhere, as brokers are what the operator's own configuration names. */
  readonly amqp: AmqpSender
  readonly connections: Connections
  /** Where alerts go whose action groups have no connection; undefined: nowhere. */
  readonly monitorAlertsUrl: string | undefined
  /** A stored partner destination by its ARM id, in any letter case. */
  readonly partnerDestination: FindPartnerDestination
  /** A namespace's topic of this server by its ARM id, in any letter case. */
  readonly namespaceTopic: FindNamespaceTopic
  /** A bearer token of that tenant for that application. Rejects when it cannot be had. */
  readonly tokenFor: TokenFor
}

export type FindPartnerDestination = (id: string) => PartnerDestinationFacts | undefined

/** What takes the events of such a topic; resolves when they are durable there, and rejects when none is. */
export type FindNamespaceTopic = (id: string) => ((events: readonly GridEvent[]) => Promise<void>) | undefined

/** What delivery needs to know of a partner destination. */
export interface PartnerDestinationFacts {
  readonly endpointUrl: string
  readonly azureActiveDirectoryTenantId?: string | null | undefined
  readonly azureActiveDirectoryApplicationIdOrUri?: string | null | undefined
  readonly activated: boolean
}

export type TokenFor = (tenantId: string, applicationIdOrUri: string) => Promise<string>

/** What a delivery says of the event subscription that it is for. */
export interface DeliveryContext {
  readonly eventSubscriptionName: string
  readonly eventSubscriptionId: string
  /** ARM id of the topic; `source` of an Event Grid event delivered as a CloudEvent. */
  readonly topicId: string
  readonly deliverySchema: DeliverySchema
  /** Events of a namespace's topic, whose endpoints are asked and answer by rules of their own. */
  readonly ofNamespaceTopic?: true | undefined
}

/** One event with what the reader of its queue knows about it. */
export interface Delivery {
  readonly event: StoredEvent
  /** Attempts made before this one; 0 the first time. */
  readonly attempts: number
  /** `aeg-output-event-id`: constant over the retries of one event to one event subscription. */
  readonly outputEventId: string
}

/** What came of asking the endpoint whether it wants these events. */
export type Verification =
  | { readonly kind: 'verified' }
  /** It answered, without proof: whoever follows the validation URL completes it. */
  | { readonly kind: 'manual' }
  | {
      readonly kind: 'refused'
      readonly message: string
      /** Of the operation's error; undefined: a URL was asked and said no. */
      readonly code?: OutcomeName
    }

/** A destination made ready from its settings: created once per event subscription, used for every event. */
export interface Destination {
  /** Largest number of events in one attempt; 1 where output batching is off. */
  readonly maxEvents: number
  /** An attempt should not exceed this unless one event alone does; Infinity where output batching is off. */
  readonly preferredBytes: number
  /** Where connections go, such as `https://host:port`, for logs. */
  readonly origin: string
  /** One attempt for all of these events together. Never rejects for what the endpoint did. */
  deliver(deliveries: readonly Delivery[], signal: AbortSignal): Promise<Outcome>
  /** Announces, once and without retry, that the event subscription was deleted. */
  announceDeletion(signal: AbortSignal): Promise<void>
  close(): Promise<void>
}

/** One validation handshake. Source: reference articles end-point-validation-* of learn.microsoft.com/azure/event-grid */
export interface VerificationRequest {
  readonly settings: DestinationSettings
  readonly context: DeliveryContext
  /** What a synchronous answer must repeat. */
  readonly validationCode: string
  /** Where the owner of the endpoint may confirm by hand; carries its own token. */
  readonly validationUrl: string
}

/** Asks the endpoint. Never rejects for what the endpoint did. */
export type Verify = (request: VerificationRequest, signal: AbortSignal) => Promise<Verification>
