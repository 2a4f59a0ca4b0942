import type { EpochMs } from '../base/clock.ts'
import { TokenBucket } from '../base/token-bucket.ts'
import { largestInArena } from './arena.ts'
import type { Broker } from './broker.ts'
import { ClientTrace } from './client-trace.ts'
import type { Connection } from './connection.ts'
import { aged, bytesOf, ownedCopy } from './message.ts'
import { reasonCodes } from './packets/reason-codes.ts'
import { encodeProperties, publishBytes, writePublish } from './publish-encoder.ts'
import type {
  ClientIdentity,
  DurableSession,
  Message,
  Publisher,
  Realm,
  SubscriptionOptions,
} from './realm.ts'
import { RetainedMessages } from './retained.ts'
import { createRoute, durableGroups, type Route, type Target } from './route.ts'
import { type Copy, Session, type Subscription } from './session.ts'
import { type DropReason, Stats } from './stats.ts'
import { type SharedGroup, SubscriptionTree } from './subscription-tree.ts'
import { filterMatches, innerFilter, isShared } from './topics.ts'

/*
 * One realm in the engine: its sessions, subscriptions and retained messages, and the way of a message from the one
 * who publishes it to every session that wants it.
 */

/** What waits for the store: one of the two is called, once. */
export interface Stored {
  act(): void
  fail(): void
}

/** A message that was sent to one session. */
export interface Offered {
  /** The session is gone, and nothing comes of it any more. */
  readonly isLost: boolean
  /** It is not sent again, and its acknowledgement means nothing any more. */
  withdraw(): void
}

/** Routes that are remembered. */
const routesKept = 100_000
/** Longer topic names are matched anew whenever a client changes to one: a hundred thousand of them take memory. */
const routeLengthKept = 256

export class BrokerRealm {
  readonly broker: Broker
  readonly realm: Realm
  readonly stats: Stats
  readonly trace: ClientTrace
  readonly sessions = new Map<string, Session>()
  readonly retained = new RetainedMessages()
  /** Connections that are open or becoming so. */
  readonly connections = new Set<Connection>()
  readonly connects: TokenBucket
  readonly publishes: TokenBucket
  readonly publishBytes: TokenBucket
  readonly subscribes: TokenBucket
  readonly retainedPublishes: TokenBucket
  readonly #tree = new SubscriptionTree<Subscription>()
  readonly #routes = new Map<string, Route>()
  /** Sessions of each client, by owner. */
  readonly #sessionCounts = new Map<string, number>()
  /** What Azure would refuse, by client, that has been logged. */
  readonly #told = new Map<string, Set<string>>()
  /** Changes with every subscription and right: what a connection remembers of a topic is of one generation. */
  generation = 1
  closed = false

  // Where the message that is being sent lies in the arena, by form: see #formOf.
  readonly #starts = new Int32Array(12)
  readonly #ends = new Int32Array(12)
  readonly #wholes: (Buffer | undefined)[] = new Array(12).fill(undefined)
  readonly #copies: (Copy | undefined)[] = new Array(12).fill(undefined)
  readonly #form = {
    version: 4 as 4 | 5,
    qos: 0,
    retain: false,
    dup: false,
    packetId: 0,
    subscriptionIds: undefined as readonly number[] | undefined,
    topicAlias: 0,
  }

  constructor(broker: Broker, realm: Realm) {
    this.broker = broker
    this.realm = realm
    const { limits } = realm
    this.stats = new Stats(broker.metrics, realm.name)
    this.trace = new ClientTrace(broker.clock, limits)
    const now = broker.clock.now()
    this.connects = new TokenBucket(limits.connectsPerSecond, now)
    this.publishes = new TokenBucket(limits.publishesPerSecond, now)
    this.publishBytes = new TokenBucket(limits.publishBytesPerSecond, now)
    this.subscribes = new TokenBucket(limits.subscribesPerSecond, now)
    this.retainedPublishes = new TokenBucket(limits.retainedPerSecond, now)
    realm.onRightsChanged((whom) => this.#rightsChanged(whom))
  }

  get subscriptionCount(): number {
    return this.#tree.count
  }

  /** Puts back what outlived the last run. */
  recover(): void {
    const { sessions: store } = this.realm
    if (!store) return
    const now = this.broker.clock.now()
    for (const { message } of store.recovered.retained) {
      const expiresAt = this.expiryOf(message)
      if (expiresAt > now) this.retained.set(message, expiresAt)
      else store.retain(message.topicName, undefined, now)
    }
    for (const durable of store.recovered.sessions) this.#recoverSession(durable, now)
  }

  #recoverSession(durable: DurableSession, now: EpochMs): void {
    const { facts } = durable
    const session = new Session(this, facts.sessionName, {
      identity: this.realm.restore(facts.identity),
      version: facts.protocolVersion,
      createdAt: now,
    })
    session.durable = durable
    durable.onReady = () => session.pump()
    session.expiryMs = facts.expiryMs
    session.will = facts.will
    for (const packetId of durable.incoming) session.restoreIncoming(packetId)
    this.#keep(session)
    for (const [filter, options] of durable.subscriptions) this.#addSubscription(session, filter, options)
    const goneAt = facts.disconnectedAt ?? now
    if (facts.disconnectedAt === undefined) durable.update({ disconnectedAt: now })
    this.#goOffline(session, goneAt)
  }

  // ---------------------------------------------------------------- sessions

  /** How many sessions the client has, online and offline. */
  sessionsOf(ownerKey: string): number {
    return this.#sessionCounts.get(ownerKey) ?? 0
  }

  createSession(sessionName: string, identity: ClientIdentity, version: 4 | 5): Session {
    const session = new Session(this, sessionName, { identity, version, createdAt: this.broker.now })
    this.#keep(session)
    return session
  }

  #keep(session: Session): void {
    this.sessions.set(session.sessionName, session)
    const { ownerKey } = session.identity
    this.#sessionCounts.set(ownerKey, (this.#sessionCounts.get(ownerKey) ?? 0) + 1)
  }

  /** Forgets the session and all it has; its will, if one waits, is published. [MQTT-3.1.3-9] */
  endSession(session: Session): void {
    if (session.ended) return
    session.ended = true
    this.broker.wheel.clear(session)
    if (this.sessions.get(session.sessionName) === session) this.sessions.delete(session.sessionName)
    const { ownerKey } = session.identity
    const left = (this.#sessionCounts.get(ownerKey) ?? 1) - 1
    if (left > 0) this.#sessionCounts.set(ownerKey, left)
    else this.#sessionCounts.delete(ownerKey)
    if (session.subscriptions.size > 0) {
      for (const subscription of session.subscriptions.values()) this.#tree.remove(subscription)
      this.#forgetRoutes(session.subscriptions.values())
    }
    session.durable?.end()
    if (session.willDueAt !== Number.POSITIVE_INFINITY) this.publishWill(session)
  }

  /** A session that is dropped for another reason than its client's wish. */
  dropSession(session: Session, reason: DropReason): void {
    this.stats.dropped(reason)
    this.trace.note(session.sessionName, 'session dropped', reason)
    if (session.will) session.willDueAt = this.broker.now
    this.endSession(session)
  }

  /** The connection of the session has ended; `withWill` unless the client took its will back. */
  detach(session: Session, withWill: boolean): void {
    session.connection = undefined
    if (session.ended) return
    session.park()
    if (!withWill) session.will = undefined
    const { now } = this.broker
    session.durable?.update({ disconnectedAt: now, will: session.will, expiryMs: session.expiryMs })
    this.#goOffline(session, now)
  }

  #goOffline(session: Session, since: EpochMs): void {
    session.expiresAt = since + session.expiryMs
    session.willDueAt = session.will ? since + session.will.delaySeconds * 1000 : Number.POSITIVE_INFINITY
    if (session.expiryMs === 0) {
      if (session.will) session.willDueAt = since
      this.endSession(session)
      return
    }
    if (session.willDueAt <= this.broker.now) this.publishWill(session)
    this.#wait(session)
  }

  #wait(session: Session): void {
    const { dueAt } = session
    if (dueAt === Number.POSITIVE_INFINITY) this.broker.wheel.clear(session)
    else this.broker.wheel.set(session, Math.max(0, dueAt - this.broker.clock.now()))
  }

  sessionDue(session: Session): void {
    const now = this.broker.tick()
    if (session.ended || session.connection) return
    if (session.willDueAt <= now) this.publishWill(session)
    if (session.expiresAt <= now) {
      this.stats.dropped('SessionExpiry')
      this.trace.note(session.sessionName, 'session expired', `after ${session.expiryMs / 1000} s offline`)
      this.endSession(session)
    } else this.#wait(session)
  }

  /** The client is back in time: nothing of it is due any more. */
  resume(session: Session): void {
    this.broker.wheel.clear(session)
    session.expiresAt = Number.POSITIVE_INFINITY
    session.willDueAt = Number.POSITIVE_INFINITY
    session.will = undefined
  }

  /** A will whose client may not publish is dropped and said so. */
  publishWill(session: Session): void {
    const { will, identity } = session
    session.will = undefined
    session.willDueAt = Number.POSITIVE_INFINITY
    if (!will) return
    if (!session.ended) session.durable?.update({ will: undefined })
    const { topicName } = will.message
    if (!this.realm.mayPublish(identity, topicName)) {
      this.trace.note(session.sessionName, 'will dropped', `may not publish to '${topicName}'`)
      this.broker.log.debug(
        { realm: this.realm.name, session: session.sessionName, topicName },
        'will dropped: not authorized',
      )
      return
    }
    this.trace.note(session.sessionName, 'will published', topicName)
    // Not at once: a message may be on its way to its sessions, and one of them is this.
    this.broker.atEndOfTurn(() => {
      const message = { ...will.message, receivedAt: this.broker.tick(), isWill: true }
      // Nobody waits for its acknowledgement; it is stored with this turn all the same.
      if (this.publishOwned(message, identity, session)) this.broker.whenStored(this, { act() {}, fail() {} })
    })
  }

  // ---------------------------------------------------------------- subscriptions

  /** Adds or replaces; true when the session did not have that filter. */
  subscribe(session: Session, filter: string, options: SubscriptionOptions): boolean {
    const known = session.subscriptions.get(filter)
    if (known) this.#tree.remove(known)
    this.#addSubscription(session, filter, options)
    session.durable?.subscribe(filter, options)
    return known === undefined
  }

  #addSubscription(session: Session, filter: string, options: SubscriptionOptions): void {
    const subscription: Subscription = {
      ...options,
      session,
      filter,
      subscriptionIds: options.subscriptionId === undefined ? undefined : [options.subscriptionId],
    }
    session.keepSubscription(subscription)
    this.#tree.add(subscription)
    this.#forgetRoute(filter)
  }

  unsubscribe(session: Session, filter: string): boolean {
    const known = session.subscriptions.get(filter)
    if (!known) return false
    session.dropSubscription(filter)
    session.durable?.unsubscribe(filter)
    this.#tree.remove(known)
    this.#forgetRoute(filter)
    return true
  }

  #forgetRoutes(subscriptions: Iterable<Subscription>): void {
    for (const { filter } of subscriptions) this.#forgetRoute(filter)
  }

  #forgetRoute(filter: string): void {
    this.generation++
    const inner = innerFilter(filter)
    if (inner.includes('+') || inner.includes('#')) this.#routes.clear()
    else this.#routes.delete(inner)
  }

  hasRoute(topicName: string): boolean {
    return this.#routes.has(topicName)
  }

  /** Where messages of that topic name go. */
  route(topicName: string): Route {
    const known = this.#routes.get(topicName)
    if (known) return known
    const route = createRoute(topicName, this.#tree.match(topicName))
    if (topicName.length > routeLengthKept) return route
    if (this.#routes.size >= routesKept) this.#routes.clear()
    this.#routes.set(topicName, route)
    return route
  }

  /** Every subscription that the topic name matches, shared ones too. */
  matching(topicName: string): readonly Subscription[] {
    const { subscriptions, groups } = this.#tree.match(topicName)
    return [...subscriptions, ...groups.flatMap(({ members }) => members)]
  }

  // ---------------------------------------------------------------- publishing

  expiryOf(message: Message): EpochMs {
    const { messageExpiryInterval: seconds } = message
    return seconds === undefined ? Number.POSITIVE_INFINITY : message.receivedAt + seconds * 1000
  }

  /** A message that owns its bytes: a will, or one from HTTP. True when it is accepted once the store has it. */
  publishOwned(message: Message, publisher: Publisher, source: Session | undefined): boolean {
    const { features, keepsNoRetained } = this.realm
    const durable = message.retain && features.retain && !keepsNoRetained ? this.retain(message) : false
    const sent = this.publish(this.route(message.topicName), message, source, message)
    return this.pass(message, publisher) || durable || sent
  }

  /** Of this turn: what was passed on is safe when it resolves. */
  passed: Promise<void> | undefined = undefined

  /** Passes an accepted message on to whoever wants to know. True when its acknowledgement must wait. */
  pass(message: Message, publisher: Publisher): boolean {
    const passed = this.realm.accepted?.(message, publisher)
    if (!passed) return false
    this.passed = passed
    return true
  }

  /** Undefined when it may be kept as the retained message of its topic; else why not. */
  retainRefusal(message: Message): { readonly code: number; readonly text: string } | undefined {
    if (message.payload.length === 0) return undefined
    const { limits } = this.realm
    if (message.payload.length > limits.retainedMessageBytes)
      return {
        code: reasonCodes.packetTooLarge,
        text: `a retained message has at most ${limits.retainedMessageBytes} bytes`,
      }
    const { retained } = this
    if (retained.count < limits.retainedMessages && retained.bytes + bytesOf(message) <= limits.retainedBytes)
      return undefined
    const { now } = this.broker
    for (const topicName of retained.sweep(now)) this.realm.sessions?.retain(topicName, undefined, now)
    const known = retained.get(message.topicName, now)
    const count = retained.count - (known ? 1 : 0)
    const bytes = retained.bytes - (known ? bytesOf(known) : 0) + bytesOf(message)
    if (count < limits.retainedMessages && bytes <= limits.retainedBytes) return undefined
    return {
      code: reasonCodes.quotaExceeded,
      text: `at most ${limits.retainedMessages} messages of ${limits.retainedBytes} bytes together are retained`,
    }
  }

  /** Keeps the message, which owns its bytes, or forgets the one there is where it is empty. True: durably. */
  retain(message: Message): boolean {
    const { sessions: store } = this.realm
    if (message.payload.length === 0) {
      if (!this.retained.delete(message.topicName)) return false
      store?.retain(message.topicName, undefined, message.receivedAt)
    } else {
      this.retained.set(message, this.expiryOf(message))
      store?.retain(message.topicName, message, message.receivedAt)
    }
    return store !== undefined
  }

  /**
   * Sends to everyone whom the route names. `message` may be reused after the call: what is kept is a copy, made at
   * most once; `owned` is that copy where there is one already. True when the acknowledgement must wait for the store.
   */
  publish(route: Route, message: Message, source: Session | undefined, owned?: Message): boolean {
    const { targets, groups } = route
    this.#owned = owned
    if (targets.length === 0 && groups.length === 0) return false
    this.#begin(message)
    let durable = false
    for (let index = 0; index < targets.length; index++) {
      let target = targets[index] as Target
      const { session } = target
      if (route.local && session === source) {
        if (target.noLocal) continue
        if (target.own) target = target.own
      }
      const qos = message.qos < target.qos ? message.qos : target.qos
      if (qos === 0) this.#sendQos0(route, message, target)
      else if (session.durable === undefined) this.#sendInMemory(route, message, target, qos)
      else durable = true
    }
    if (durable) this.#enqueue(route, message, source)
    for (let index = 0; index < groups.length; index++)
      if (this.#sendShared(route, message, groups[index] as SharedGroup<Subscription>)) durable = true
    return durable
  }

  #owned: Message | undefined
  #properties: Buffer | undefined
  #propertiesKnown = false
  #epoch = 0

  #begin(message: Message): void {
    this.#starts.fill(-1)
    this.#propertiesKnown = false
    this.#properties = undefined
    this.#epoch = this.broker.epoch
    if (message.qos > 0) this.#copies.fill(undefined)
  }

  /** The message that was published last, with its own bytes. */
  owned(message: Message): Message {
    this.#owned ??= ownedCopy(message)
    return this.#owned
  }

  #sendQos0(route: Route, message: Message, target: Target): void {
    const { connection } = target.session
    if (connection === undefined || !connection.open) return
    if (connection.congested && connection.isFull) {
      this.#dropQos0(connection, message)
      return
    }
    const retain = message.retain && target.retainAsPublished
    if (target.subscriptionIds !== undefined || connection.aliases !== undefined) {
      connection.sendPublish(route.topic, route.topicName, message, this.#propertiesOf(message), {
        qos: 0,
        retain,
        dup: false,
        packetId: 0,
        subscriptionIds: connection.version === 5 ? target.subscriptionIds : undefined,
      })
      return
    }
    this.#sendForm(route, message, connection, 0, retain, 0)
  }

  #dropQos0(connection: Connection, message: Message): void {
    this.stats.droppedQos0++
    if (connection.droppedQos0++ === 0)
      this.trace.note(
        connection.clientId,
        'message dropped',
        `QoS 0 to '${message.topicName}': the client does not read what waits for it; further ones are only counted`,
      )
  }

  #sendInMemory(route: Route, message: Message, target: Target, qos: 1 | 2): void {
    const { session } = target
    const retain = message.retain && target.retainAsPublished
    const form = (retain ? 1 : 0) | (qos << 1)
    let copy: Copy
    if (target.subscriptionIds === undefined) {
      const known = this.#copies[form]
      copy = known ?? (this.#copies[form] = this.#copyOf(message, qos, retain, undefined))
    } else copy = this.#copyOf(message, qos, retain, target.subscriptionIds)
    this.deliver(session, copy, route)
  }

  /** Hands a message of QoS 1 or 2 to a session that is kept in memory: sends it, or lets it wait. */
  deliver(session: Session, copy: Copy, route?: Route): void {
    const { limits } = this.realm
    if (
      session.queuedMessages >= limits.sessionQueueMessages ||
      session.queuedBytes + copy.bytes > limits.sessionQueueBytes
    ) {
      this.overflow(session)
      return
    }
    if (!session.maySendNow) {
      // A transient session that is not there yet, or any more, keeps nothing that it could not send.
      session.wait(copy)
      return
    }
    const connection = session.connection as Connection
    const { window } = session
    session.queuedMessages++
    session.queuedBytes += copy.bytes
    const { broker } = this
    if (
      route === undefined ||
      copy.subscriptionIds !== undefined ||
      connection.aliases !== undefined ||
      !window.isFree(this.#sharedId, broker.packetCount)
    ) {
      connection.sendCopy(copy, broker.nextPacketId(window), false)
      return
    }
    if (!this.#sendForm(route, copy.message, connection, copy.qos, copy.retain, this.#sharedId)) {
      session.settled(copy)
      return
    }
    window.push(this.#sharedId, copy, broker.packetCount)
  }

  /** The packet id that this message has for every session where it is free. */
  #sharedId = 0

  #copyOf(
    message: Message,
    qos: 1 | 2,
    retain: boolean,
    subscriptionIds: readonly number[] | undefined,
  ): Copy {
    const owned = this.owned(message)
    const { broker } = this
    if (this.#sharedIdFor !== owned) {
      this.#sharedIdFor = owned
      this.#sharedId = broker.countPacket()
    }
    return {
      message: owned,
      qos,
      retain,
      subscriptionIds,
      expiresAt: this.expiryOf(owned),
      bytes: bytesOf(owned),
      outbound: undefined,
      onAcknowledged: undefined,
    }
  }

  #sharedIdFor: Message | undefined

  #propertiesOf(message: Message): Buffer | undefined {
    if (!this.#propertiesKnown) {
      this.#properties = encodeProperties(message)
      this.#propertiesKnown = true
    }
    return this.#properties
  }

  /** Sends bytes that are the same for every client of that version. False: the client takes no packet of that size. */
  #sendForm(
    route: Route,
    message: Message,
    connection: Connection,
    qos: number,
    retain: boolean,
    packetId: number,
  ): boolean {
    const { broker } = this
    if (this.#epoch !== broker.epoch) {
      this.#starts.fill(-1)
      this.#epoch = broker.epoch
    }
    const at = ((connection.version === 5 ? 1 : 0) | (retain ? 2 : 0)) + qos * 4
    if ((this.#starts[at] as number) < 0)
      this.#encode(route, message, connection.version, qos, retain, packetId, at)
    const start = this.#starts[at] as number
    const end = this.#ends[at] as number
    if (end - start > connection.maximumPacketBytes) {
      this.tooLarge(connection, message.topicName, end - start)
      return false
    }
    const whole = this.#wholes[at]
    if (whole === undefined) connection.addRange(start, end)
    else connection.addWhole(whole)
    const counter = connection.protocol * 3 + qos
    this.stats.delivered[counter] = (this.stats.delivered[counter] as number) + 1
    return true
  }

  #encode(
    route: Route,
    message: Message,
    version: 4 | 5,
    qos: number,
    retain: boolean,
    packetId: number,
    at: number,
  ): void {
    const { broker } = this
    const form = this.#form
    form.version = version
    form.qos = qos
    form.retain = retain
    form.packetId = packetId
    const properties = version === 5 ? this.#propertiesOf(message) : undefined
    const bytes = publishBytes(route.topic, message.payload, properties, form)
    if (bytes > largestInArena) {
      const whole = Buffer.allocUnsafeSlow(bytes)
      writePublish(whole, 0, route.topic, message.payload, properties, form)
      this.#wholes[at] = whole
      this.#starts[at] = 0
      this.#ends[at] = bytes
      return
    }
    this.#wholes[at] = undefined
    const arena = broker.room(bytes)
    if (this.#epoch !== broker.epoch) {
      this.#starts.fill(-1)
      this.#epoch = broker.epoch
    }
    const start = arena.offset
    arena.offset = writePublish(arena.buffer, start, route.topic, message.payload, properties, form)
    this.#starts[at] = start
    this.#ends[at] = arena.offset
  }

  tooLarge(connection: Connection, topicName: string, bytes: number): void {
    this.stats.tooLarge++
    this.trace.note(
      connection.clientId,
      'message not sent',
      `'${topicName}' makes a packet of ${bytes} bytes, and the client takes ${connection.maximumPacketBytes} [MQTT-3.1.2-24]`,
    )
  }

  #enqueue(route: Route, message: Message, source: Session | undefined): void {
    const store = this.realm.sessions
    if (!store) return
    const qos = message.qos as 1 | 2
    const at = qos * 2 + (message.retain ? 1 : 0)
    const ownIncluded = route.local && source?.durable !== undefined
    const groups = ownIncluded
      ? durableGroups(targetsWithout(route.targets, source), qos, message.retain)
      : (route.durableGroups[at] ??= durableGroups(route.targets, qos, message.retain))
    const owned = this.owned(message)
    const bytes = bytesOf(owned)
    let overflowed: Session[] | undefined
    for (const { sessions, owners, ...options } of groups) {
      for (const owner of owners) if (this.#overflows(owner, bytes)) (overflowed ??= []).push(owner)
      const gone = overflowed
      const wanted = gone ? sessions.filter((_, index) => !gone.includes(owners[index] as Session)) : sessions
      if (wanted.length > 0) store.enqueue(owned, owned.receivedAt, options, wanted)
    }
    if (overflowed) for (const session of overflowed) this.overflow(session)
  }

  #overflows(session: Session, bytes: number): boolean {
    const queued = (session.durable as DurableSession).count()
    const { limits } = this.realm
    return (
      queued.messages + 1 > limits.sessionQueueMessages || queued.bytes + bytes > limits.sessionQueueBytes
    )
  }

  /** More waits than may: the session ends, with all that waits. */
  overflow(session: Session): void {
    const { connection } = session
    const { limits } = this.realm
    const text = `More than ${limits.sessionQueueMessages} messages or ${limits.sessionQueueBytes} bytes wait for the session.`
    this.dropSession(session, 'SessionOverflow')
    connection?.close('SessionOverflow', reasonCodes.quotaExceeded, text)
  }

  /** One member of the group gets the message. [MQTT-4.8.2-4] */
  #sendShared(route: Route, message: Message, group: SharedGroup<Subscription>): boolean {
    const chosen = choose(group, message.qos)
    if (!chosen) return false
    const { session } = chosen
    const qos = message.qos < chosen.qos ? message.qos : chosen.qos
    if (qos === 0) {
      this.#sendQos0(route, message, chosen)
      return false
    }
    const { durable } = session
    if (!durable) {
      this.#sendInMemory(route, message, chosen, qos)
      return false
    }
    const owned = this.owned(message)
    if (this.#overflows(session, bytesOf(owned))) {
      this.overflow(session)
      return false
    }
    const retain = message.retain && chosen.retainAsPublished
    this.realm.sessions?.enqueue(
      owned,
      owned.receivedAt,
      { qos, retain, subscriptionIds: chosen.subscriptionIds },
      [durable],
    )
    return true
  }

  /**
   * Sends a message to one session, whatever others have subscribed to. False: its client is not connected, has no
   * subscription that the topic name matches, or reads too slowly. Nothing waits for a session that is offline.
   */
  sendTo(sessionName: string, message: Message): boolean {
    const session = this.sessions.get(sessionName)
    const connection = session?.connection
    if (!session || !connection?.open) return false
    const { topicName } = message
    const wanted = [...session.subscriptions.values()].find(({ filter }) => filterMatches(filter, topicName))
    if (!wanted) return false
    const qos = message.qos < wanted.qos ? message.qos : wanted.qos
    const { subscriptionIds } = wanted
    if (qos > 0) {
      const expiresAt = this.expiryOf(message)
      const copy = {
        message,
        qos: qos as 1 | 2,
        retain: false,
        subscriptionIds,
        expiresAt,
        outbound: undefined,
        onAcknowledged: undefined,
      }
      this.deliver(session, { ...copy, bytes: bytesOf(message) })
      return true
    }
    if (connection.congested && connection.isFull) {
      this.#dropQos0(connection, message)
      return false
    }
    return connection.sendPublish(Buffer.from(topicName), topicName, message, encodeProperties(message), {
      ...{ qos: 0, retain: false, dup: false, packetId: 0, subscriptionIds },
    })
  }

  /**
   * Sends a message to one session that is kept in memory, and calls `acknowledged` when its client has acknowledged
   * it; at QoS 0 at once. Undefined, and nothing is sent: the client is not connected, has no subscription that the topic
   * name matches, or takes no more now. A client that comes back to its session gets what it has not acknowledged once
   * more, unless that was withdrawn.
   */
  offer(sessionName: string, message: Message, acknowledged: () => void): Offered | undefined {
    const session = this.sessions.get(sessionName)
    const connection = session?.connection
    if (!session || session.durable || !connection?.open || connection.congested) return undefined
    const { topicName } = message
    const wanted = [...session.subscriptions.values()].find(({ filter }) => filterMatches(filter, topicName))
    if (!wanted) return undefined
    const { subscriptionIds } = wanted
    if (message.qos === 0 || wanted.qos === 0) {
      const form = { qos: 0, retain: false, dup: false, packetId: 0, subscriptionIds }
      if (!connection.sendPublish(Buffer.from(topicName), topicName, message, undefined, form))
        return undefined
      acknowledged()
      return { isLost: false, withdraw() {} }
    }
    const { limits } = this.realm
    const bytes = bytesOf(message)
    if (!session.maySendNow || session.queuedMessages >= limits.sessionQueueMessages) return undefined
    if (session.queuedBytes + bytes > limits.sessionQueueBytes) return undefined
    const copy: Copy = {
      ...{ message, qos: 1, retain: false, subscriptionIds, bytes, outbound: undefined },
      expiresAt: this.expiryOf(message),
      onAcknowledged: acknowledged,
    }
    this.deliver(session, copy)
    return {
      get isLost() {
        return session.ended
      },
      withdraw: () => session.withdraw(copy),
    }
  }

  // ---------------------------------------------------------------- retained messages to a new subscription

  /** Retained messages that a subscription gets when it is made; a shared one gets none (MQTT 5.0, 4.8.2). */
  retainedFor(filter: string): readonly Message[] {
    return isShared(filter) ? [] : this.retained.match(filter, this.broker.now)
  }

  /** Sends one retained message to the session that subscribed. True when it is on its way to the store. */
  replay(subscription: Subscription, message: Message): boolean {
    const { session, qos: granted, subscriptionIds } = subscription
    const qos = message.qos < granted ? message.qos : granted
    if (qos === 0) {
      session.connection?.sendPublish(
        Buffer.from(message.topicName),
        message.topicName,
        message,
        encodeProperties(aged(message, this.broker.now)),
        { qos: 0, retain: true, dup: false, packetId: 0, subscriptionIds },
      )
      return false
    }
    const store = this.realm.sessions
    if (session.durable && store) {
      if (this.#overflows(session, bytesOf(message))) {
        this.overflow(session)
        return false
      }
      store.enqueue(message, message.receivedAt, { qos, retain: true, subscriptionIds }, [session.durable])
      return true
    }
    const expiresAt = this.expiryOf(message)
    this.deliver(session, {
      ...{ message, qos, retain: true, subscriptionIds, expiresAt, outbound: undefined },
      onAcknowledged: undefined,
      bytes: bytesOf(message),
    })
    return false
  }

  // ---------------------------------------------------------------- rights

  #rightsChanged(whom: 'everyone' | ReadonlySet<string>): void {
    this.generation++
    this.broker.tick()
    for (const session of [...this.sessions.values()]) {
      const { identity, connection } = session
      if (whom !== 'everyone' && !whom.has(identity.ownerKey)) continue
      if (connection && this.realm.mayConnect?.(connection.remoteAddress) === false) {
        connection.close(
          'IpForbidden',
          reasonCodes.administrativeAction,
          'The address is not allowed any more.',
        )
        continue
      }
      const bad = connection && this.realm.standing(identity)
      if (bad) {
        connection.close('ClientAuthenticationError', reasonCodes.notAuthorized, bad.text)
        continue
      }
      if (!connection && this.realm.standing(identity)) continue
      const lost = [...session.subscriptions.keys()].find(
        (filter) => !this.realm.maySubscribe(identity, innerFilter(filter)),
      )
      if (lost === undefined) continue
      const text = `The client may not subscribe to '${lost}' any more.`
      this.dropSession(session, 'AuthorizationError')
      connection?.close('ClientAuthorizationError', reasonCodes.notAuthorized, text)
    }
  }

  /** In the open profile: says once for each client what Azure would not take. */
  wouldFail(clientId: string, feature: string, what: string): void {
    if (this.realm.profile !== 'open') return
    let features = this.#told.get(clientId)
    if (features?.has(feature)) return
    if (!features) {
      if (this.#told.size >= this.realm.limits.traceClients) this.#told.clear()
      this.#told.set(clientId, (features = new Set()))
    }
    features.add(feature)
    this.trace.note(clientId, 'would fail in Azure', what)
    this.broker.log.warn({ realm: this.realm.name, client: clientId, feature, what }, 'would fail in Azure')
  }

  /** The store has not taken what these waited for: their clients must not believe that it has. */
  storeFailed(waiting: readonly Stored[], error: unknown): void {
    this.broker.log.error({ err: error, realm: this.realm.name }, 'the session store does not take messages')
    this.broker.tick()
    for (const each of waiting) each.fail()
  }

  /** Ends every connection; sessions stay as they are, for the next start. */
  close(text: string): void {
    if (this.closed) return
    this.closed = true
    for (const connection of [...this.connections])
      connection.close('ServerInitiatedDisconnect', reasonCodes.serverShuttingDown, text)
    for (const session of this.sessions.values()) this.broker.wheel.clear(session)
    this.stats.close()
  }

  /** The store failed for this session: nothing more can be promised to its client. */
  failed(session: Session, error: unknown): void {
    this.broker.log.error(
      { err: error, realm: this.realm.name, session: session.sessionName },
      'the session store failed',
    )
    session.connection?.close('ServerError', reasonCodes.unspecifiedError, 'The session cannot be stored.')
  }
}

/** Prefers who can take it now, then who is there at all, then a session that keeps it. */
function choose(group: SharedGroup<Subscription>, qos: number): Subscription | undefined {
  const { members } = group
  const count = members.length
  let online: Subscription | undefined
  let kept: Subscription | undefined
  for (let step = 0; step < count; step++) {
    const index = (group.next + step) % count
    const member = members[index] as Subscription
    const { session } = member
    const granted = qos < member.qos ? qos : member.qos
    if (!session.online) {
      if (granted > 0) kept ??= member
      continue
    }
    const free =
      granted === 0 ? !session.connection?.congested : session.durable !== undefined || session.maySendNow
    if (!free) {
      online ??= member
      continue
    }
    group.next = (index + 1) % count
    return member
  }
  group.next = (group.next + 1) % Math.max(1, count)
  return online ?? kept
}

function targetsWithout(targets: readonly Target[], source: Session | undefined): readonly Target[] {
  return targets.flatMap((target) => {
    if (target.session !== source) return [target]
    if (target.noLocal) return []
    return [target.own ?? target]
  })
}
