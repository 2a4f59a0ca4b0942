import { assert } from '../base/assert.ts'
import type { Clock, EpochMs } from '../base/clock.ts'
import type { Lease, Queue } from '../store/store.ts'
import { type Delivery, decodeMessage, type KeptMessage, type Message } from './message.ts'

/*
 * One session that outlives its connection, and the process. What it says is written with the next append of its
 * store; what must be on disk first is awaited there, with `flushed`.
 */

export interface SessionFacts {
  readonly authenticationName: string
  readonly sessionName: string
  /** Whose session it is. */
  readonly ownerKey: string
  /** What the client's identity is made from again; plain JSON. */
  readonly identity: unknown
  readonly protocolVersion: 4 | 5
  /** How long the session lasts after its connection. */
  readonly expiryMs: number
  readonly will?: SessionWill | undefined
  /** Undefined while a client is connected. */
  readonly disconnectedAt?: EpochMs | undefined
}

export interface SessionWill {
  readonly message: Message
  readonly delaySeconds: number
}

export interface SubscriptionOptions {
  readonly qos: 0 | 1 | 2
  readonly noLocal: boolean
  readonly retainAsPublished: boolean
  readonly retainHandling: 0 | 1 | 2
  readonly subscriptionId?: number | undefined
}

/** A message on its way to the client. */
export interface Outbound {
  /** Its QoS and retain flag are those that it is sent with. */
  readonly message: KeptMessage
  readonly qos: 1 | 2
  readonly retain: boolean
  readonly subscriptionIds: readonly number[]
  /** That it was sent with before; 0: never, and one is to be chosen. */
  readonly packetId: number
  /** It was sent before. */
  readonly dup: boolean
}

/** What was sent and is not acknowledged yet. */
interface InFlight {
  readonly packetId: number
  /** Whether the log knows of it. */
  noted: boolean
}

export class TakenMessage implements Outbound {
  readonly message: KeptMessage
  readonly subscriptionIds: readonly number[]
  readonly number: number
  readonly lease: Lease
  readonly bytes: number
  packetId: number
  readonly dup: boolean
  isOver = false

  get qos(): 1 | 2 {
    return this.message.qos as 1 | 2
  }

  get retain(): boolean {
    return this.message.retain
  }

  constructor(lease: Lease, inFlight: ReadonlyMap<number, InFlight>) {
    const { message, number, subscriptionIds } = decodeMessage(lease.bytes)
    this.message = message
    this.subscriptionIds = subscriptionIds
    this.number = number
    this.lease = lease
    this.bytes = lease.bytes.length
    const known = inFlight.get(number)
    this.packetId = known?.packetId ?? 0
    this.dup = known !== undefined
  }
}

/** What a session asks of its store. */
export interface SessionOwner {
  readonly clock: Clock
  /** Writes one change with the next append. */
  note(key: string, value: Buffer | undefined): void
  /** Resolves when all that was noted in this turn is on disk. */
  flushed(): Promise<void>
  /** Finishes leases of the session with the next append. */
  finish(session: DurableSession): void
  /** The session has sent what the log does not know of yet. */
  sentUnnoted(session: DurableSession): void
  ended(session: DurableSession): void
  expired(messages: number): void
}

const factsKey = (id: number) => `s/${id}`
const subscriptionKey = (id: number, topicFilter: string) => `f/${id}/${topicFilter}`
const incomingKey = (id: number, packetId: number) => `i/${id}/${packetId}`
const outgoingKey = (id: number, number: number) => `o/${id}/${number}`
const releasingKey = (id: number, packetId: number) => `r/${id}/${packetId}`

/** Read ahead of the client, so that an acknowledgement is followed by the next message at once. */
const readMessages = 256
const readBytes = 1024 * 1024
const present = Buffer.from([1])

export class DurableSession {
  readonly id: number
  readonly #queue: Queue
  readonly #owner: SessionOwner
  #facts: SessionFacts
  readonly #subscriptions = new Map<string, SubscriptionOptions>()
  readonly #incoming = new Set<number>()
  readonly #releasing = new Set<number>()
  /** By the number of the message, the packet id: what may lie on the queue still, if it comes to a crash. */
  readonly #received = new Map<number, number>()
  /** By the number of the message. */
  readonly #inFlight = new Map<number, InFlight>()
  /** Read and not taken, oldest first, from `#nextAhead` on. */
  #ahead: TakenMessage[] = []
  #nextAhead = 0
  readonly #taken = new Set<TakenMessage>()
  #reading: Promise<number> | undefined
  /** Counted up whenever one ends. */
  #connection = 0
  /** Nothing was read since the last one ended. */
  #isResuming = true
  /** Finished and not yet said to the queue. */
  #finished: Lease[] = []
  #messages = 0
  #bytes = 0
  #isOver = false
  onReady: (() => void) | undefined

  constructor(id: number, facts: SessionFacts, queue: Queue, owner: SessionOwner) {
    this.id = id
    this.#facts = facts
    this.#queue = queue
    this.#owner = owner
    this.#messages = queue.counts().entries
    this.#bytes = queue.bytes
    queue.isAside = true
    queue.onReady = () => this.onReady?.()
  }

  get facts(): SessionFacts {
    return this.#facts
  }

  get subscriptions(): ReadonlyMap<string, SubscriptionOptions> {
    return this.#subscriptions
  }

  /** Packet ids of inbound QoS 2 messages that were taken and are not released. */
  get incoming(): ReadonlySet<number> {
    return this.#incoming
  }

  /** Packet ids of which a PUBREL was sent, or is to be, and no PUBCOMP came. */
  get releasing(): ReadonlySet<number> {
    return this.#releasing
  }

  /** Messages that wait or are in flight. */
  count(): { readonly messages: number; readonly bytes: number } {
    return { messages: this.#messages, bytes: this.#bytes }
  }

  /** Packet ids that must not be given to another message. */
  usesPacketId(packetId: number): boolean {
    if (this.#releasing.has(packetId)) return true
    for (const inFlight of this.#inFlight.values()) if (inFlight.packetId === packetId) return true
    return false
  }

  update(facts: Partial<SessionFacts>): void {
    if (this.#isOver) return
    this.#facts = { ...this.#facts, ...facts }
    this.#owner.note(factsKey(this.id), encodeFacts(this.#facts))
  }

  subscribe(topicFilter: string, options: SubscriptionOptions): void {
    if (this.#isOver) return
    this.#subscriptions.set(topicFilter, options)
    this.#owner.note(subscriptionKey(this.id, topicFilter), encodeJson(options))
  }

  unsubscribe(topicFilter: string): void {
    if (!this.#subscriptions.delete(topicFilter) || this.#isOver) return
    this.#owner.note(subscriptionKey(this.id, topicFilter), undefined)
  }

  /** The session is over, with its messages. */
  end(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.onReady = undefined
    for (const [key] of this.entries()) this.#owner.note(key, undefined)
    this.#owner.ended(this)
  }

  // ------------------------------------------------------------------------------------------------- to the client

  /**
   * Up to so many messages, oldest first, none of which was taken and not acknowledged since `parked`. Those that
   * have expired are left out and forgotten. Empty when there is none: `onReady` is called when there may be.
   */
  async take(max: number): Promise<readonly Outbound[]> {
    // What comes now is wanted soon.
    this.#queue.isAside = false
    for (;;) {
      const found = this.#takeAhead(max)
      if (found.length > 0 || this.#isOver) return found
      this.#reading ??= this.#readAhead().finally(() => {
        this.#reading = undefined
      })
      if ((await this.#reading) === 0) return found
    }
  }

  #takeAhead(max: number): readonly Outbound[] {
    const found: TakenMessage[] = []
    const now = this.#owner.clock.now()
    while (found.length < max) {
      const taken = this.#ahead[this.#nextAhead]
      if (!taken) break
      this.#nextAhead++
      const { expiresAt } = taken.message
      // What was sent before is sent again: whoever got it waits for the rest of the exchange.
      if (expiresAt > 0 && expiresAt <= now && !taken.dup) {
        this.#finish(taken)
        this.#owner.expired(1)
        continue
      }
      this.#taken.add(taken)
      found.push(taken)
    }
    return found
  }

  /** Answers how many were read. */
  async #readAhead(): Promise<number> {
    const connection = this.#connection
    // They make room for what comes next.
    if (this.#finished.length > 0) this.finishLeases()
    // All that was in flight comes first, whatever has become of its place in the store.
    const most = Math.max(readMessages, this.#inFlight.size)
    const leases = await this.#queue.lease(most, readBytes, this.#owner.clock.now())
    if (this.#isOver) return 0
    if (connection !== this.#connection) {
      this.#queue.release(leases)
      return leases.length
    }
    const found = leases.map((lease) => new TakenMessage(lease, this.#inFlight))
    // The store may have moved old ones behind newer ones.
    found.sort((a, b) => a.number - b.number)
    this.#ahead = found
    this.#nextAhead = 0
    if (this.#isResuming) this.#forgetWhatIsGone(found)
    this.#isResuming = false
    return leases.length
  }

  /** A crash may have kept a packet id of what was acknowledged, or a message that was received. */
  #forgetWhatIsGone(found: readonly TakenMessage[]): void {
    const numbers = new Set(found.map(({ number }) => number))
    const last = found.at(-1)?.number ?? Infinity
    for (const number of this.#inFlight.keys())
      if (number <= last && !numbers.has(number)) this.#forgetInFlight(number)
    for (const taken of found) if (this.#received.has(taken.number)) this.acknowledged(taken)
    this.#ahead = found.filter(({ isOver }) => !isOver)
  }

  /**
   * The message goes out with that packet id. A QoS 2 message must not before the promise has resolved: its id is
   * what tells a repetition from a new message.
   */
  sent(outbound: Outbound, packetId: number): Promise<void> | undefined {
    const taken = outbound as TakenMessage
    if (taken.isOver || this.#isOver || taken.packetId === packetId) return undefined
    taken.packetId = packetId
    const inFlight: InFlight = { packetId, noted: false }
    this.#inFlight.set(taken.number, inFlight)
    if (taken.message.qos < 2) {
      this.#owner.sentUnnoted(this)
      return undefined
    }
    this.#note(taken.number, inFlight)
    return this.#owner.flushed()
  }

  /** The client has it (PUBACK), or wants it no more (a failing PUBREC), or it was not sent at all. */
  acknowledged(outbound: Outbound): void {
    const taken = outbound as TakenMessage
    if (taken.isOver || this.#isOver) return
    this.#forgetInFlight(taken.number)
    this.#finish(taken)
  }

  /** PUBREC came: PUBREL may be sent when this has resolved. The message itself is of no use any more. */
  received(outbound: Outbound): Promise<void> {
    const taken = outbound as TakenMessage
    if (taken.isOver || this.#isOver) return Promise.resolve()
    this.#releasing.add(taken.packetId)
    this.#received.set(taken.number, taken.packetId)
    this.#owner.note(releasingKey(this.id, taken.packetId), encodeJson(taken.number))
    this.acknowledged(taken)
    return this.#owner.flushed()
  }

  /** PUBCOMP came. */
  completed(packetId: number): void {
    if (!this.#releasing.delete(packetId) || this.#isOver) return
    for (const [number, id] of this.#received) if (id === packetId) this.#received.delete(number)
    this.#owner.note(releasingKey(this.id, packetId), undefined)
  }

  /** The connection is gone: what was taken comes again, with the packet id that it was sent with. */
  parked(): void {
    if (this.#isOver) return
    this.noteInFlight()
    this.#queue.isAside = true
    const rest = this.#ahead.slice(this.#nextAhead)
    this.#ahead = []
    this.#nextAhead = 0
    this.#connection++
    this.#isResuming = true
    const leases = [...this.#taken, ...rest]
      .filter(({ isOver }) => !isOver)
      .toSorted((a, b) => a.number - b.number)
      .map(({ lease }) => lease)
    this.#taken.clear()
    this.#queue.release(leases)
  }

  /** Writes which packet ids are in use, of those that the log does not know. */
  noteInFlight(): void {
    if (this.#isOver) return
    for (const [number, inFlight] of this.#inFlight) if (!inFlight.noted) this.#note(number, inFlight)
  }

  #note(number: number, inFlight: InFlight): void {
    inFlight.noted = true
    this.#owner.note(outgoingKey(this.id, number), encodePacketId(inFlight.packetId))
  }

  #forgetInFlight(number: number): void {
    const inFlight = this.#inFlight.get(number)
    if (!inFlight) return
    this.#inFlight.delete(number)
    if (inFlight.noted) this.#owner.note(outgoingKey(this.id, number), undefined)
  }

  #finish(taken: TakenMessage): void {
    taken.isOver = true
    this.#taken.delete(taken)
    this.#messages--
    this.#bytes -= taken.bytes
    this.#finished.push(taken.lease)
    if (this.#finished.length === 1) this.#owner.finish(this)
  }

  // ---------------------------------------------------------------------------------------------- from the client

  /** An inbound QoS 2 message is taken; a repetition of its packet id is not, until `endIncoming`. */
  startIncoming(packetId: number): void {
    this.#incoming.add(packetId)
    this.#owner.note(incomingKey(this.id, packetId), present)
  }

  /** PUBREL came. False where no message has that packet id. */
  endIncoming(packetId: number): boolean {
    if (!this.#incoming.delete(packetId)) return false
    this.#owner.note(incomingKey(this.id, packetId), undefined)
    return true
  }

  // ------------------------------------------------------------------------------------------------ for the store

  get queue(): Queue {
    return this.#queue
  }

  queued(bytes: number): void {
    this.#messages++
    this.#bytes += bytes
  }

  unqueued(bytes: number): void {
    this.#messages--
    this.#bytes -= bytes
  }

  /** Tells the queue what is finished. */
  finishLeases(): void {
    const leases = this.#finished
    this.#finished = []
    void this.#queue.done(leases)
  }

  /** All that the log has to know of it. */
  *entries(): Generator<readonly [key: string, value: Buffer]> {
    const { id } = this
    yield [factsKey(id), encodeFacts(this.#facts)]
    for (const [topicFilter, options] of this.#subscriptions)
      yield [subscriptionKey(id, topicFilter), encodeJson(options)]
    for (const packetId of this.#incoming) yield [incomingKey(id, packetId), present]
    for (const [number, packetId] of this.#received) yield [releasingKey(id, packetId), encodeJson(number)]
    for (const [number, { packetId, noted }] of this.#inFlight)
      if (noted) yield [outgoingKey(id, number), encodePacketId(packetId)]
  }

  /** Puts one entry of the log back, of those behind the facts. */
  restore(kind: string, rest: string, value: Buffer): void {
    if (kind === 'f') this.#subscriptions.set(rest, JSON.parse(value.toString()) as SubscriptionOptions)
    else if (kind === 'i') this.#incoming.add(Number(rest))
    else if (kind === 'r') {
      this.#releasing.add(Number(rest))
      this.#received.set(JSON.parse(value.toString()) as number, Number(rest))
    } else {
      assert(kind === 'o', `the log of sessions has entries of kind ${kind}`)
      this.#inFlight.set(Number(rest), { packetId: value.readUInt16LE(0), noted: true })
    }
  }
}

const encodeJson = (value: unknown) => Buffer.from(JSON.stringify(value))

function encodePacketId(packetId: number): Buffer {
  const bytes = Buffer.allocUnsafe(2)
  bytes.writeUInt16LE(packetId)
  return bytes
}

function encodeFacts(facts: SessionFacts): Buffer {
  const { will } = facts
  return encodeJson({
    ...facts,
    will: will && {
      delaySeconds: will.delaySeconds,
      message: {
        ...will.message,
        payload: will.message.payload.toString('base64'),
        correlationData: will.message.correlationData?.toString('base64'),
      },
    },
  })
}

export function decodeFacts(bytes: Buffer): SessionFacts {
  const facts = JSON.parse(bytes.toString()) as SessionFacts
  if (!facts.will) return facts
  const { message, delaySeconds } = facts.will
  const { payload, correlationData, ...rest } = message as unknown as Message & {
    readonly payload: string
    readonly correlationData?: string
  }
  const decoded: Message = {
    ...rest,
    payload: Buffer.from(payload, 'base64'),
    ...(correlationData !== undefined && { correlationData: Buffer.from(correlationData, 'base64') }),
  }
  return { ...facts, will: { delaySeconds, message: decoded } }
}

/** What a delivery's QoS must be for a session to keep it. */
export type KeptDelivery = Delivery & { readonly qos: 1 | 2 }
