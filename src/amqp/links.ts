import type { Delivery, EventContext, Message } from 'rhea'
import { type AmqpCondition, conditionOf } from './errors.ts'
import {
  decodeBatch,
  decodeMessage,
  encodeMessage,
  type IncomingMessage,
  type OutgoingMessage,
} from './message.ts'
import type { Rhea } from './rhea.ts'
import {
  answerAttach,
  forget,
  holdAttach,
  type InnerReceiver,
  type InnerSender,
  innerOf,
} from './rhea-guards.ts'

/*
 * The links of a connection, as their nodes see them: those on which messages come in, and those on which they go out.
 * Flow control is here: no more is asked for than is settled, and no more is sent than the peer has room for.
 */

/** What links need of their connection. */
export interface LinkHost {
  readonly rhea: Rhea
  /** The network takes more. */
  readonly mayWrite: boolean
  readonly unsettledPerLink: number
  /** Bytes of messages that have come and are not settled. */
  hold(bytes: number): void
}

/** Of the peer's attach. */
abstract class Link {
  readonly name: string
  readonly address: string
  /** Of the peer's attach. */
  readonly properties: Readonly<Record<string, unknown>>
  /** Hears once that the link is over, whoever has ended it. */
  onClosed: () => void = () => {}
  protected readonly host: LinkHost
  readonly #link: InnerReceiver | InnerSender
  #isClosed = false

  constructor(link: InnerReceiver | InnerSender, address: string, host: LinkHost) {
    this.#link = link
    this.name = link.name
    this.address = address
    this.properties = (link.properties ?? {}) as Record<string, unknown>
    this.host = host
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** The peer's attach is answered when it is known whether the link is taken: by `open` or `close`. */
  hold(): void {
    holdAttach(this.#link)
  }

  /** Ends the link from here, with the reason where there is one. */
  close(error?: AmqpCondition): void {
    if (this.#isClosed) return
    answerAttach(this.#link)
    this.#link.close(error && conditionOf(error))
    this.ended()
  }

  /** The link is over: closed from here, by the peer, or gone with its connection. */
  ended(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.release()
    this.onClosed()
  }

  /** Lets go of what is under way. */
  protected abstract release(): void
}

export interface IncomingOptions {
  /** Messages that may be under way. */
  readonly credit: number
  /** Largest message; a larger one ends the link. */
  readonly messageBytes: number
  /** More than one where they were sent as one. To be settled as a whole. */
  readonly received: (messages: readonly IncomingMessage[], delivery: IncomingDelivery) => void
}

/** What came, until it is settled; each of these once. */
export interface IncomingDelivery {
  accept(): void
  reject(error: AmqpCondition): void
  /** The peer may send it again. */
  release(): void
}

/** Messages come from the peer. */
export class IncomingLink extends Link {
  readonly kind = 'incoming'
  readonly #receiver: InnerReceiver
  #options: IncomingOptions | undefined
  #heldBytes = 0
  /** Settled, and not asked for anew. */
  #owed = 0
  comingBytes = 0

  constructor(receiver: InnerReceiver, host: LinkHost) {
    super(receiver, (receiver.target as { address?: string } | undefined)?.address ?? '', host)
    this.#receiver = receiver
  }

  /** Takes the link: while it is being attached, or after `hold`. */
  open(options: IncomingOptions): void {
    this.#options = options
    const receiver = this.#receiver
    const { attach } = (receiver as unknown as { local: { attach: { max_message_size?: number } } }).local
    attach.max_message_size = options.messageBytes
    receiver.set_target({ address: this.address })
    const from = (receiver.source as { address?: string } | undefined)?.address
    receiver.set_source(typeof from === 'string' ? { address: from } : ({} as never))
    receiver.on('message', ({ message, delivery, ...context }: EventContext) =>
      this.#received(
        message as Message | Buffer,
        delivery as Delivery,
        (context as { format?: number }).format,
      ),
    )
    answerAttach(receiver)
    receiver.add_credit(options.credit)
  }

  get messageBytes(): number {
    return this.#options?.messageBytes ?? 0
  }

  #received(message: Message | Buffer, delivery: Delivery, format: number | undefined): void {
    if (this.isClosed || !this.#options) {
      // It was on its way when the link was closed from here.
      forget(delivery)
      return
    }
    if (format !== undefined && format !== 0 && format !== batchFormat) {
      this.close({ condition: 'amqp:not-implemented', description: `There is no message format ${format}.` })
      return
    }
    const bytes = this.comingBytes
    this.#hold(bytes)
    let isSettled = false
    const settle = (act: () => void) => {
      if (isSettled) return
      isSettled = true
      this.#hold(-bytes)
      if (this.isClosed) return
      act()
      this.#settled()
    }
    const messages = Buffer.isBuffer(message)
      ? decodeBatch(this.host.rhea, message)
      : [decodeMessage(message)]
    this.#options.received(messages, {
      accept: () => settle(() => delivery.accept()),
      reject: (error) => settle(() => delivery.reject(conditionOf(error))),
      release: () => settle(() => delivery.release()),
    })
  }

  #hold(bytes: number): void {
    if (this.isClosed && bytes < 0) return
    this.#heldBytes += bytes
    this.host.hold(bytes)
  }

  /** Asks for more, a few at a time. */
  #settled(): void {
    const { credit } = this.#options as IncomingOptions
    this.#owed++
    if (this.#owed * 4 < credit) return
    this.#receiver.add_credit(this.#owed)
    this.#owed = 0
  }

  protected release(): void {
    this.host.hold(-this.#heldBytes)
    this.#heldBytes = 0
  }
}

/** Source: learn.microsoft.com/azure/event-hubs/event-hubs-amqp-protocol-guide; of IoT hubs the same */
const batchFormat = 0x80013700

export type Outcome = 'accepted' | 'released' | 'modified' | 'rejected'

/** Messages go to the peer. */
export class OutgoingLink extends Link {
  readonly kind = 'outgoing'
  readonly #sender: InnerSender
  /** What the peer asks of the source: of its filter set. */
  readonly filter: ReadonlyMap<string, unknown>
  /** What the peer would have of the link, beyond what every link does. */
  readonly desiredCapabilities: readonly string[]
  readonly #settling = new Map<Delivery, (outcome: Outcome) => void>()
  #unsent: number[] = []
  #unsettled = 0
  #ready: () => void = () => {}

  constructor(sender: InnerSender, host: LinkHost) {
    const source = sender.source as { address?: string; filter?: object } | undefined
    super(sender, source?.address ?? '', host)
    this.#sender = sender
    this.filter = new Map(Object.entries(source?.filter ?? {}))
    const { desired_capabilities: desired } = sender as unknown as { readonly desired_capabilities?: unknown }
    const capabilities: readonly unknown[] = Array.isArray(desired) ? desired : [desired]
    this.desiredCapabilities = capabilities.filter((each) => typeof each === 'string')
  }

  /** Of the peer's target: where answers to it go. */
  get targetAddress(): string | null | undefined {
    return (this.#sender.target as { address?: string | null } | undefined)?.address
  }

  /**
   * Takes the link: while it is being attached, or after `hold`.
   *
   * @param ready a message may be sent again; also the first time
   */
  open(ready: () => void = () => {}): void {
    const sender = this.#sender
    this.#ready = ready
    const { local, source } = sender as unknown as {
      readonly local: { readonly attach: { snd_settle_mode?: number } }
      readonly source: { readonly filter?: object }
    }
    local.attach.snd_settle_mode = sender.snd_settle_mode
    sender.set_source({ address: this.address, ...(source.filter && { filter: source.filter }) })
    const to = this.targetAddress
    sender.set_target(typeof to === 'string' ? { address: to } : ({} as never))
    sender.on('sendable', () => this.wake())
    sender.on('sender_draining', () => {
      this.wake()
      // What is to be sent has been: the peer's credit is given back.
      sender.set_drained(true)
    })
    for (const outcome of ['accepted', 'released', 'modified', 'rejected'] as const)
      sender.on(outcome, ({ delivery }: EventContext) => this.#settled(delivery as Delivery, outcome))
    sender.on('settled', ({ delivery }: EventContext) => this.#settled(delivery as Delivery, 'released'))
    answerAttach(sender)
  }

  /** Something has changed that may let a message be sent. */
  wake(): void {
    if (!this.isClosed && this.canSend) this.#ready()
  }

  get canSend(): boolean {
    const { outgoing } = innerOf(this.#sender.session)
    const { next_pending_delivery: pending } = outgoing
    this.#unsent = this.#unsent.filter((id) => id >= pending)
    return (
      !this.isClosed &&
      this.host.mayWrite &&
      this.#sender.credit > this.#unsent.length &&
      // One link that the peer holds up holds up all of its session.
      outgoing.next_delivery_id - pending < unsentMost &&
      this.#unsettled < this.host.unsettledPerLink &&
      outgoing.available() > 0
    )
  }

  /**
   * To be asked before: `canSend`. Without `settled` it is sent at most once.
   *
   * @param message one in bytes is encoded already
   */
  send(message: OutgoingMessage | Buffer, settled?: (outcome: Outcome) => void): void {
    const sender = this.#sender
    const delivery = Buffer.isBuffer(message)
      ? sender.send(message, undefined, 0)
      : sender.send(encodeMessage(this.host.rhea, message))
    this.#unsent.push(delivery.id)
    if (!settled || sender.snd_settle_mode === 1) {
      const isSettled = sender.snd_settle_mode !== 0
      if (isSettled) forget(delivery)
      settled?.('accepted')
      if (isSettled) return
    }
    this.#unsettled++
    this.#settling.set(delivery, settled ?? (() => {}))
  }

  #settled(delivery: Delivery, outcome: Outcome): void {
    const settled = this.#settling.get(delivery)
    if (!settled) return
    this.#settling.delete(delivery)
    this.#unsettled--
    // A peer that settles second waits for this.
    if (!delivery.remote_settled) delivery.update(true)
    settled(outcome)
    this.wake()
  }

  protected release(): void {
    this.#settling.clear()
  }
}

/** Messages that a session may have that are not on their way. */
const unsentMost = 32

export type AmqpLink = IncomingLink | OutgoingLink
