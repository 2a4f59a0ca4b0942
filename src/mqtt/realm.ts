import type { EpochMs } from '../base/clock.ts'
import type { MqttFeatures, MqttLimits, Profile } from './limits.ts'

/*
 * What the broker does not decide by itself. One engine serves several realms: one set of clients, sessions, topics
 * and rules each, such as an Event Grid namespace. Who a client is, what it may do, what is kept beyond a restart
 * and what a message or a connection sets off elsewhere is handed in through a realm.
 */

export interface Realm {
  /** In logs, metrics and traces. */
  readonly name: string
  /** Lower-case host names by which TLS clients (SNI) and WebSockets (Host) reach it. */
  readonly hosts: readonly string[]
  /** Lower case, without a slash at its end: a WebSocket to `{path}/mqtt` reaches it too. */
  readonly path?: string | undefined
  /** Whose diagnostic records these are; undefined: nobody's. */
  readonly resource?: { readonly id: string; readonly location: string } | undefined
  readonly profile: Profile
  readonly limits: MqttLimits
  readonly features: MqttFeatures
  /** Messages with RETAIN are passed on like any other, and none is kept. */
  readonly keepsNoRetained?: boolean | undefined

  /** Whether a client that says so in its CONNECT belongs here, wherever its connection has come in. */
  claims?(userName: string): boolean
  /** Never rejects for what a client sends: that is a refusal. A rejection is answered as server unavailable. */
  authenticate(request: ConnectRequest, signal: AbortSignal): Promise<Admission>
  reauthenticate(identity: ClientIdentity, request: ConnectRequest, signal: AbortSignal): Promise<Admission>
  /** The identity of a stored session, after a start. */
  restore(record: unknown): ClientIdentity
  /** Undefined while the client is still good; else why it is not, and it is disconnected. Time is not asked. */
  standing(identity: ClientIdentity): { readonly text: string } | undefined
  mayPublish(identity: ClientIdentity, topicName: string): boolean
  /** `$share/group/` is taken off. */
  maySubscribe(identity: ClientIdentity, topicFilter: string): boolean
  /** Nobody may subscribe to these, whatever the rights: unspecified error, which is 3.1.1's only code. */
  readonly refusedFilters?: readonly string[] | undefined
  /** The listener is called when the rights of some clients, by `ownerKey`, may have changed. Synchronous. */
  onRightsChanged(listener: (whom: 'everyone' | ReadonlySet<string>) => void): void

  /** Undefined: nothing is kept beyond the process. */
  readonly sessions: SessionStore | undefined

  /** Whether a client at that address may be here at all; asked again when rights have changed. Undefined: all may. */
  readonly mayConnect?: ((remoteAddress: string) => boolean) | undefined
  /**
   * Once for every accepted message, wills and HTTP publishes too; undefined while nobody wants to know. What it
   * returns is the same for all of a turn: acknowledgements wait for it. Where it rejects, they are not given.
   */
  readonly accepted: ((message: Message, publisher: Publisher) => Promise<void> | undefined) | undefined
  /** A client that was behind takes more again; of sessions of which something was refused for that, see `offer`. */
  readonly drained?: ((sessionName: string) => void) | undefined
  /** The sequence number of this connection of the session. */
  connected(session: SessionName): number
  disconnected(ended: EndedConnection): void
}

export interface ConnectRequest {
  readonly protocolVersion: 4 | 5
  /** What the engine assigned, when it was empty. */
  readonly clientId: string
  readonly userName: string | undefined
  readonly password: Uint8Array | undefined
  readonly authenticationMethod: string | undefined
  readonly authenticationData: Uint8Array | undefined
  /** DER: the client's own first, then what it sent along; empty without. */
  readonly certificates: readonly Uint8Array[]
  readonly remoteAddress: string
  /** Over TLS. */
  readonly secure: boolean
}

export type Admission =
  | {
      readonly kind: 'admitted'
      readonly identity: ClientIdentity
      readonly authenticationData?: Uint8Array | undefined
    }
  /** `reasonCode` is that of MQTT 5; 3.1.1 clients get its nearest. `text` says why, for logs and traces. */
  | {
      readonly kind: 'refused'
      readonly reasonCode: number
      readonly text: string
      /** What the client itself may read of it; default: all. */
      readonly told?: string | undefined
    }

export interface ClientIdentity {
  readonly authenticationName: string
  /** Whose sessions these are: equal for the same client. */
  readonly ownerKey: string
  readonly attributes: Readonly<Record<string, unknown>>
  readonly expiresAt: EpochMs | undefined
  /** Plain JSON, kept with a persistent session; `restore` reads it. */
  readonly record: unknown
  /** `identity` of diagnostic records. */
  readonly log: Readonly<Record<string, string>>
}

export interface Publisher {
  readonly authenticationName: string
  readonly attributes: Readonly<Record<string, unknown>>
}

export interface SessionName {
  readonly authenticationName: string
  readonly sessionName: string
}

/**
 * Source: learn.microsoft.com/azure/event-grid/event-schema-event-grid-namespace, "MQTTClientSessionDisconnected"
 */
export const disconnectionReasons = [
  'ClientAuthenticationError',
  'ClientAuthorizationError',
  'ClientError',
  'ClientInitiatedDisconnect',
  'ConnectionLost',
  'IpForbidden',
  'QuotaExceeded',
  'ServerError',
  'ServerInitiatedDisconnect',
  'SessionOverflow',
  'SessionTakenOver',
] as const
export type DisconnectionReason = (typeof disconnectionReasons)[number]

export interface EndedConnection extends SessionName {
  readonly sequenceNumber: number
  readonly reason: DisconnectionReason
}

// ---------------------------------------------------------------- messages

export type Qos = 0 | 1 | 2

/** An application message. Property names are MQTT's. */
export interface Message {
  readonly topicName: string
  readonly payload: Buffer
  readonly qos: Qos
  readonly retain: boolean
  readonly payloadFormatIndicator?: number | undefined
  /** As it came, in seconds. */
  readonly messageExpiryInterval?: number | undefined
  readonly contentType?: string | undefined
  readonly responseTopic?: string | undefined
  readonly correlationData?: Buffer | undefined
  readonly userProperties?: readonly (readonly [string, string])[] | undefined
  readonly receivedAt: EpochMs
  /** Published for a client that is gone. */
  readonly isWill?: boolean | undefined
}

export interface RetainedMessage {
  readonly topicName: string
  readonly message: Message
}

export interface Will {
  readonly message: Message
  readonly delaySeconds: number
}

export interface SubscriptionOptions {
  readonly qos: Qos
  readonly noLocal: boolean
  readonly retainAsPublished: boolean
  readonly retainHandling: 0 | 1 | 2
  readonly subscriptionId?: number | undefined
}

// ---------------------------------------------------------------- what outlives the process

export interface SessionFacts extends SessionName {
  readonly ownerKey: string
  /** `ClientIdentity.record`. */
  readonly identity: unknown
  readonly protocolVersion: 4 | 5
  readonly expiryMs: number
  readonly will?: Will | undefined
  /** Undefined while connected. */
  readonly disconnectedAt?: EpochMs | undefined
}

/** Sessions with an expiry above 0, their messages, and retained messages. */
export interface SessionStore {
  readonly recovered: {
    readonly sessions: readonly DurableSession[]
    readonly retained: Iterable<RetainedMessage>
  }
  create(facts: SessionFacts): DurableSession
  /** Once per distinct options; the same array object for the same audience is stored once. */
  enqueue(
    message: Message,
    receivedAt: EpochMs,
    options: {
      readonly qos: 1 | 2
      readonly retain: boolean
      readonly subscriptionIds?: readonly number[] | undefined
    },
    sessions: readonly DurableSession[],
  ): void
  retain(topicName: string, message: Message | undefined, receivedAt: EpochMs): void
  /**
   * Resolves when all that was said in this turn is on disk; the same promise for all of a turn. Rejects when it is
   * not and will not be.
   */
  flushed(): Promise<void>
}

export interface DurableSession {
  readonly facts: SessionFacts
  readonly subscriptions: ReadonlyMap<string, SubscriptionOptions>
  update(facts: Partial<SessionFacts>): void
  subscribe(filter: string, options: SubscriptionOptions): void
  unsubscribe(filter: string): void
  /** The session and its queue are gone. */
  end(): void
  /** Queued, in flight included. */
  count(): { readonly messages: number; readonly bytes: number }
  /** Oldest first; resolves within the turn when they are in memory. */
  take(max: number): Promise<readonly Outbound[]>
  /** QoS 2: await before the PUBLISH goes out. */
  sent(outbound: Outbound, packetId: number): void | Promise<void>
  /** PUBACK, or a failing PUBREC. */
  acknowledged(outbound: Outbound): void
  /** PUBREC: await before PUBREL. */
  received(outbound: Outbound): Promise<void>
  /** PUBCOMP. */
  completed(packetId: number): void
  /** PUBRELs to send again at reconnect. */
  readonly releasing: ReadonlySet<number>
  /** The connection is gone: what was taken and not acknowledged is handed out again, with its packet id and dup. */
  parked(): void
  /** More may be taken. */
  onReady: (() => void) | undefined
  readonly incoming: ReadonlySet<number>
  startIncoming(packetId: number): void
  endIncoming(packetId: number): void
}

export interface Outbound {
  readonly message: Message
  readonly qos: 1 | 2
  readonly retain: boolean
  readonly subscriptionIds?: readonly number[] | undefined
  /** 0: choose one. */
  readonly packetId: number
  readonly dup: boolean
}
