import type { EpochMs } from '../base/clock.ts'
import type { DestinationSettings } from '../destinations/destination.ts'
import type { DeliverySchema, InputSchema } from '../event/event.ts'
import type { InputSchemaMapping } from '../event/mapping.ts'
import type { FilterSettings } from '../filter/filter.ts'
import type { MqttAccess, MqttAccessChange } from './mqtt-access.ts'
import type { Namespace, Namespaces, NamespaceTopic } from './namespace.ts'
import type { Partners } from './partners.ts'

/*
 * What the data plane knows of stored resources: typed, checked, in memory. The control plane writes records;
 * each write that changes one of these values is shown to the listeners, and is answered to the client only
 * after they have taken it in. So an event published after the answer is matched by it.
 */

/** Who may publish to a topic, or to another resource that takes events, and how. */
export interface PublisherAccess {
  readonly disableLocalAuth: boolean
  readonly publicNetworkAccess: boolean
  /** Whether events may come from that address; undefined: from any. */
  readonly allowsAddress: ((address: string) => boolean) | undefined
  /** A minimum TLS version was asked for: then nothing is taken over a plain connection. */
  readonly requiresTls: boolean
}

/** What publishers send events to. */
export interface Topic extends PublisherAccess {
  readonly kind: 'topic' | 'domain' | 'partnerNamespace'
  /** Of a partner namespace: how an event says which channel it is for. */
  readonly routing?: 'SourceEventAttribute' | 'ChannelNameHeader' | undefined
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
}

/** What the events of an Azure service stand under; no publisher sends to it. */
export interface SystemTopic {
  readonly id: string
  /** ARM id of what the events are about, in the casing of whoever made the system topic. */
  readonly source: string
  readonly topicType: string
}

export interface EventSubscription {
  /** Canonical ARM id: in the extension form, or where there is no such form, as a child. */
  readonly id: string
  readonly name: string
  /** Stable for the life of the event subscription and never used again: names its queue. */
  readonly uid: string
  /** ARM id of what it stands on: a topic, domain, domain topic, system topic, partner topic, or an Azure source. */
  readonly topicId: string
  /** Undefined where events are received: `queue` is there then. */
  readonly destination: DestinationSettings | undefined
  /** Its events are received from its queue, and nothing delivers them. */
  readonly queue?: QueueSettings | undefined
  /** It stands on a topic of a namespace, whose rules of retry and dead-lettering are its own. */
  readonly ofNamespaceTopic?: true | undefined
  readonly deliverySchema: DeliverySchema
  readonly filter: FilterSettings
  readonly maxDeliveryAttempts: number
  readonly eventTimeToLiveMs: number
  readonly deadLetter: DeadLetterSettings | undefined
  readonly expiresAt: EpochMs | undefined
}

export interface QueueSettings {
  /** For how long what was received is locked. */
  readonly lockMs: number
}

export interface DeadLetterSettings {
  /** ARM id of the storage account; the configuration maps it to a connection string. */
  readonly storageAccountId: string
  readonly containerName: string
  /** Policy time for which a record is tried that cannot be written; undefined: as the server's limits say. */
  readonly retryMs?: number | undefined
}

export interface Catalog {
  /** By ARM id, in any letter case. */
  topic(id: string): Topic | undefined
  topics(): Iterable<Topic>
  /** By the path of its own endpoint (`topicEndpointPath`), or by the host name of its host-based endpoint. */
  topicByEndpoint(host: string, path: string): Topic | undefined
  /** The ARM id that a topic has by now which had this one when it was looked up; undefined: it has not moved. */
  movedTo(id: string): string | undefined
  /** By ARM id, in any letter case. */
  systemTopic(id: string): SystemTopic | undefined
  /** By the ARM id of its source and its topic type, both in any letter case. */
  systemTopicOf(sourceId: string, topicType: string): SystemTopic | undefined
  readonly partners: Partners
  readonly mqtt: MqttAccess
  readonly namespaces: Namespaces
  /** Those that are to receive events now: provisioned, validated, not expired. */
  eventSubscriptions(): Iterable<EventSubscription>
  eventSubscriptionsOf(topicId: string): readonly EventSubscription[]
  /** Whether a role assignment for one of the principals, on the resource or above it, permits the data action. */
  permits(principalIds: readonly string[], dataAction: string, resourceId: string): boolean
  /** The listener's promise is awaited before the write is answered. */
  onChange(listener: CatalogListener): void
}

export interface CatalogChange {
  /** Topics; of system topics, partner topics and namespace topics only that one is gone. */
  readonly topics: readonly { readonly id: string; readonly topic: Topic | undefined }[]
  /** What namespaces let MQTT clients do. */
  readonly mqtt?: readonly MqttAccessChange[]
  /** Role assignments are others now. */
  readonly grants?: boolean
  /** Undefined: none. */
  readonly namespaces?: readonly {
    readonly id: string
    readonly before: Namespace | undefined
    readonly after: Namespace | undefined
  }[]
  /** Undefined: none. */
  readonly namespaceTopics?: readonly {
    readonly id: string
    readonly before: NamespaceTopic | undefined
    readonly after: NamespaceTopic | undefined
  }[]
  readonly eventSubscriptions: readonly {
    readonly uid: string
    readonly before: EventSubscription | undefined
    readonly after: EventSubscription | undefined
  }[]
}

export type CatalogListener = (change: CatalogChange) => Promise<void> | void
