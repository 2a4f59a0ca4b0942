import type { EpochMs } from '../base/clock.ts'
import type { DestinationSettings } from '../destinations/destination.ts'
import type { DeliverySchema, InputSchema } from '../event/event.ts'
import type { InputSchemaMapping } from '../event/mapping.ts'
import type { FilterSettings } from '../filter/filter.ts'

/*
 * What the data plane knows of stored resources: typed, checked, in memory. The control plane writes records;
 * each write that changes one of these values is shown to the listeners, and is answered to the client only
 * after they have taken it in. So an event published after the answer is matched by it.
 */

export interface Topic {
  /** Canonical ARM id, with the user's casing of names. */
  readonly id: string
  readonly name: string
  /** Normalised, such as `westus2`. */
  readonly location: string
  readonly inputSchema: InputSchema
  /** Of `CustomEventSchema`, where one was given. */
  readonly inputSchemaMapping: InputSchemaMapping | undefined
  /** key1 and key2, base64 as shown by `listKeys`. */
  readonly keys: readonly [string, string]
  readonly disableLocalAuth: boolean
  readonly publicNetworkAccess: boolean
}

export interface EventSubscription {
  /** Canonical ARM id in the extension form. */
  readonly id: string
  readonly name: string
  /** Stable for the life of the event subscription and never used again: names its queue. */
  readonly uid: string
  readonly topicId: string
  readonly destination: DestinationSettings
  readonly deliverySchema: DeliverySchema
  readonly filter: FilterSettings
  readonly maxDeliveryAttempts: number
  readonly eventTimeToLiveMs: number
  readonly deadLetter: DeadLetterSettings | undefined
  readonly expiresAt: EpochMs | undefined
}

export interface DeadLetterSettings {
  /** ARM id of the storage account; the configuration maps it to a connection string. */
  readonly storageAccountId: string
  readonly containerName: string
}

export interface Catalog {
  /** By ARM id, in any letter case. */
  topic(id: string): Topic | undefined
  topics(): Iterable<Topic>
  /** By the path of its own endpoint (`topicEndpointPath`), or by the host name of its host-based endpoint. */
  topicByEndpoint(host: string, path: string): Topic | undefined
  /** Those that are to receive events now: provisioned, validated, not expired. */
  eventSubscriptions(): Iterable<EventSubscription>
  eventSubscriptionsOf(topicId: string): readonly EventSubscription[]
  /** The listener's promise is awaited before the write is answered. */
  onChange(listener: CatalogListener): void
}

export interface CatalogChange {
  readonly topics: readonly { readonly id: string; readonly topic: Topic | undefined }[]
  readonly eventSubscriptions: readonly {
    readonly uid: string
    readonly before: EventSubscription | undefined
    readonly after: EventSubscription | undefined
  }[]
}

export type CatalogListener = (change: CatalogChange) => Promise<void> | void
