import type { EpochMs } from '../base/clock.ts'
import type { BrokerRealm } from './broker-realm.ts'
import type { Connection } from './connection.ts'
import { Fifo } from './fifo.ts'
import type { ClientIdentity, DurableSession, Message, Outbound, SubscriptionOptions, Will } from './realm.ts'
import type { WheelItem } from './timer-wheel.ts'
import { slotReceived, slotReleased, slotSent, Window } from './window.ts'

/*
 * A session: what the broker keeps of a client beyond its connection. One with an expiry of 0, or in a realm that
 * keeps nothing, has its messages here; of any other they are on disk, and come from there when they can be sent.
 */

/** One message for one or several sessions, on its way at QoS 1 or 2. Never changed: many sessions share it. */
export interface Copy {
  readonly message: Message
  readonly qos: 1 | 2
  readonly retain: boolean
  readonly subscriptionIds: readonly number[] | undefined
  readonly expiresAt: EpochMs
  readonly bytes: number
  /** Of a durable session. */
  readonly outbound: Outbound | undefined
  /** Who waits for the client's acknowledgement. */
  readonly onAcknowledged: (() => void) | undefined
}

/** A subscription of one session; also the target of a message that no other subscription of the session matches. */
export interface Subscription extends SubscriptionOptions {
  readonly session: Session
  /** As subscribed. */
  readonly filter: string
  readonly subscriptionIds: readonly number[] | undefined
}

const none: ReadonlyMap<string, Subscription> = new Map()

export class Session implements WheelItem {
  readonly realm: BrokerRealm
  readonly sessionName: string
  identity: ClientIdentity
  version: 4 | 5
  /** From the end of the connection to the end of the session; Infinity never ends. */
  expiryMs: number
  connection: Connection | undefined = undefined
  durable: DurableSession | undefined = undefined
  will: Will | undefined = undefined
  /** Infinity: no will waits to be published. */
  willDueAt: EpochMs = Number.POSITIVE_INFINITY
  /** Infinity while connected. */
  expiresAt: EpochMs = Number.POSITIVE_INFINITY
  createdAt: EpochMs
  ended = false
  /** Of the topic that was matched last: tells whether another subscription of this session matched it too. */
  mark = 0
  /** A `take` of the durable queue is under way. */
  taking = false
  /** In flight and waiting. */
  queuedMessages = 0
  queuedBytes = 0
  #subscriptions: Map<string, Subscription> | undefined
  #window: Window<Copy> | undefined
  #waiting: Fifo<Copy> | undefined
  #incoming: Set<number> | undefined

  wheelPrevious: WheelItem | undefined = undefined
  wheelNext: WheelItem | undefined = undefined
  wheelTick = 0

  constructor(
    realm: BrokerRealm,
    sessionName: string,
    facts: { readonly identity: ClientIdentity; readonly version: 4 | 5; readonly createdAt: EpochMs },
  ) {
    this.realm = realm
    this.sessionName = sessionName
    this.identity = facts.identity
    this.version = facts.version
    this.createdAt = facts.createdAt
    this.expiryMs = 0
  }

  get online(): boolean {
    return this.connection?.open === true
  }

  get subscriptions(): ReadonlyMap<string, Subscription> {
    return this.#subscriptions ?? none
  }

  keepSubscription(subscription: Subscription): void {
    this.#subscriptions ??= new Map()
    this.#subscriptions.set(subscription.filter, subscription)
  }

  dropSubscription(filter: string): void {
    this.#subscriptions?.delete(filter)
    if (this.#subscriptions?.size === 0) this.#subscriptions = undefined
  }

  /** In flight towards the client. */
  get inFlight(): number {
    return this.#window?.count ?? 0
  }

  get window(): Window<Copy> {
    this.#window ??= new Window()
    return this.#window
  }

  get waiting(): number {
    return this.#waiting?.length ?? 0
  }

  /** Packet ids of QoS 2 messages that came and are not released. */
  get incoming(): ReadonlySet<number> {
    return this.#incoming ?? noIds
  }

  startIncoming(packetId: number): void {
    this.#incoming ??= new Set()
    this.#incoming.add(packetId)
    this.durable?.startIncoming(packetId)
  }

  /** After a start: the store knows it already. */
  restoreIncoming(packetId: number): void {
    this.#incoming ??= new Set()
    this.#incoming.add(packetId)
  }

  endIncoming(packetId: number): boolean {
    const had = this.#incoming?.delete(packetId) ?? false
    if (had) this.durable?.endIncoming(packetId)
    if (this.#incoming?.size === 0) this.#incoming = undefined
    return had
  }

  /** Whether one more message may be sent now, without any that waits before it. */
  get maySendNow(): boolean {
    const { connection } = this
    return (
      connection !== undefined &&
      connection.open &&
      !connection.congested &&
      this.queuedMessages < connection.sendMaximum &&
      this.waiting === 0
    )
  }

  /** Puts a message of a session that is kept in memory behind those that wait. */
  wait(copy: Copy): void {
    this.#waiting ??= new Fifo()
    this.#waiting.push(copy)
    this.queuedMessages++
    this.queuedBytes += copy.bytes
  }

  /** The client has the message, or will never get it. */
  settled(copy: Copy | undefined): void {
    this.queuedMessages--
    if (copy) this.queuedBytes -= copy.bytes
  }

  /** Sends what waits, as far as the client's window and its socket allow. */
  pump(): void {
    const { connection } = this
    if (!connection?.open || connection.congested) return
    if (this.durable) {
      this.#take(this.durable, connection)
      return
    }
    while (this.waiting > 0 && !connection.congested && this.inFlight < connection.sendMaximum) {
      const copy = this.#waiting?.shift() as Copy
      if (copy.expiresAt <= this.realm.broker.now) {
        this.settled(copy)
        this.realm.stats.expired++
        continue
      }
      connection.sendCopy(copy, this.realm.broker.nextPacketId(this.window), false)
    }
    if (this.waiting === 0) this.#waiting = undefined
  }

  #take(durable: DurableSession, connection: Connection): void {
    const room = connection.sendMaximum - this.inFlight
    if (this.taking || room <= 0) return
    this.taking = true
    durable.take(room).then(
      (taken) => {
        this.taking = false
        if (taken.length === 0) return
        // Taken for a connection that is gone: `parked` has put them back already.
        if (this.connection !== connection || !connection.open) return
        for (const outbound of taken) connection.sendDurable(durable, outbound)
        this.pump()
      },
      (error: unknown) => {
        this.taking = false
        this.realm.failed(this, error)
      },
    )
  }

  /**
   * After the client has come back: what it had not acknowledged is sent again with its packet id, oldest first.
   * [MQTT-4.4.0-1] Only messages in memory: those on disk come with `take`.
   */
  resend(connection: Connection): void {
    if (this.durable) {
      for (const packetId of this.durable.releasing) {
        this.window.push(packetId, undefined, fromElsewhere, slotReleased)
        this.queuedMessages++
        connection.sendPubrel(packetId)
      }
      return
    }
    this.#window?.forEach((packetId, state, copy) => {
      if (state === slotSent && copy) connection.resendCopy(copy, packetId)
      else connection.sendPubrel(packetId)
    })
  }

  /** The connection is gone. */
  park(): void {
    if (!this.durable) return
    this.#window = undefined
    this.queuedMessages = 0
    this.queuedBytes = 0
    this.durable.parked()
  }

  /** PUBACK, or a failing PUBREC. False when nothing waits for it. */
  acknowledge(packetId: number, qos: 1 | 2): boolean {
    const slot = this.#window?.find(packetId, slotSent) ?? -1
    if (slot < 0) return false
    const copy = this.window.itemAt(slot)
    if (copy?.qos !== qos) return false
    this.window.remove(slot)
    this.settled(copy)
    if (copy.outbound) this.durable?.acknowledged(copy.outbound)
    if (copy.onAcknowledged !== undefined) copy.onAcknowledged()
    if (this.durable || this.#waiting) this.pump()
    return true
  }

  /** A message that was sent and not acknowledged is not sent again: its acknowledgement means nothing any more. */
  withdraw(copy: Copy): void {
    const slot = this.#window?.slotOf(copy) ?? -1
    if (slot < 0) return
    this.window.remove(slot)
    this.settled(copy)
  }

  /** PUBREC: the message is with the client; `release` follows at once or once that is on disk. False: unknown. */
  received(packetId: number, release: () => void): boolean {
    const slot = this.#window?.find(packetId, slotSent) ?? -1
    if (slot < 0) return this.#window?.stateOf(packetId) === slotReleased ? (release(), true) : false
    const copy = this.window.itemAt(slot) as Copy
    if (copy.qos !== 2) return false
    this.queuedBytes -= copy.bytes
    if (!copy.outbound || !this.durable) {
      this.window.setState(slot, slotReleased)
      release()
      return true
    }
    this.window.setState(slot, slotReceived)
    this.durable.received(copy.outbound).then(
      () => {
        const now = this.#window?.find(packetId, slotReceived) ?? -1
        if (now < 0) return
        this.window.setState(now, slotReleased)
        release()
      },
      (error: unknown) => this.realm.failed(this, error),
    )
    return true
  }

  /** PUBCOMP. */
  complete(packetId: number): boolean {
    const slot = this.#window?.find(packetId, slotReleased) ?? -1
    if (slot < 0) return false
    this.window.remove(slot)
    this.settled(undefined)
    this.durable?.completed(packetId)
    this.pump()
    return true
  }

  /** The moment of the next thing that happens to it while nobody is connected. */
  get dueAt(): EpochMs {
    return Math.min(this.willDueAt, this.expiresAt)
  }

  onDue(): void {
    this.realm.sessionDue(this)
  }
}

/** The count of a packet id that this run of the broker did not give out. */
export const fromElsewhere = -65_535

const noIds: ReadonlySet<number> = new Set()
