import type { AmqpError, Delivery, EventContext, Sender, Session, TargetTerminusOptions } from 'rhea'
import type { Rhea } from '../amqp/rhea.ts'
import type { EpochMs } from '../base/clock.ts'
import type { AmqpBroker, OpenConnection } from './amqp-broker.ts'
import type { AmqpAnswer, AmqpMessage } from './amqp-sender.ts'
import type { Expiring } from './deadlines.ts'

/** Links of one entity that did not answer in time and have not ended either; one more, and the connection is cut. */
const mostRetired = 2

/** `terminus-durability`: also what has not been settled outlives a restart. Source: OASIS AMQP 1.0, part 3, 3.5.5 */
const unsettledState = 2

/** All messages to one entity of a broker. */
export class AmqpLink {
  readonly address: string
  readonly #broker: AmqpBroker
  #users = 0
  /** Not handed to the broker yet, in order. */
  #waiting: Attempt[] = []
  readonly #attempts = new Set<Attempt>()
  #attachment: Attachment | undefined
  readonly #retired = new Set<Attachment>()
  /** Each event subscription that sends here has a signal of its own. */
  readonly #watched = new WeakSet<AbortSignal>()
  #onIdle: (() => void)[] = []
  #left = false

  constructor(address: string, broker: AmqpBroker) {
    this.address = address
    this.#broker = broker
  }

  retain(): void {
    this.#users++
  }

  /** Resolves when every attempt has ended, where this was the last user. */
  async release(): Promise<void> {
    this.#users--
    if (this.#users > 0) return
    if (this.#attempts.size > 0)
      await new Promise<void>((resolve) => {
        this.#onIdle.push(resolve)
      })
    // Meanwhile somebody else may have come, and gone.
    if (this.#users > 0 || this.#left) return
    this.#left = true
    await this.#leave()
  }

  /** @param message undefined: only asks whether messages may be sent */
  send(message: AmqpMessage | undefined, signal: AbortSignal): Promise<AmqpAnswer> {
    if (signal.aborted) return Promise.resolve({ kind: 'aborted' })
    const { failure } = this.#broker
    if (failure) return Promise.resolve(failure)
    if (!this.#watched.has(signal)) this.#watch(signal)
    return new Promise((resolve) => {
      const attempt = new Attempt(message, signal, this, (answer) => {
        this.#broker.options.deadlines.delete(attempt)
        this.#attempts.delete(attempt)
        resolve(answer)
        if (this.#attempts.size === 0) for (const resolved of this.#onIdle.splice(0)) resolved()
      })
      this.#attempts.add(attempt)
      this.#broker.options.deadlines.add(attempt)
      this.#waiting.push(attempt)
      this.#flush()
    })
  }

  connected(connection: OpenConnection): void {
    if (this.#waiting.length > 0) this.#attach(connection)
  }

  /** The connection is gone, and with it every link. */
  lost(answer: AmqpAnswer): void {
    this.#attachment = undefined
    this.#retired.clear()
    this.#waiting = []
    for (const attempt of [...this.#attempts]) attempt.finish(answer)
  }

  /** The broker has not answered in time: what follows goes over a new link, and this one may end what it has. */
  expired(attempt: Attempt): void {
    const { attachment } = attempt
    this.#drop(attempt)
    attempt.finish({ kind: 'timeout' })
    if (attachment) this.#retire(attachment)
    else if (this.#attachment && !this.#attachment.isOpen) this.#retire(this.#attachment)
  }

  #drop(attempt: Attempt): void {
    const at = this.#waiting.indexOf(attempt)
    if (at >= 0) this.#waiting.splice(at, 1)
  }

  #retire(attachment: Attachment): void {
    if (this.#attachment !== attachment) return
    this.#attachment = undefined
    this.#retired.add(attachment)
    if (this.#retired.size > mostRetired) {
      this.#broker.cut(`The broker answers nothing that is sent to ${this.address}.`)
      return
    }
    attachment.retire()
    this.#flush()
  }

  /** One listener for a signal that many attempts share. */
  #watch(signal: AbortSignal): void {
    this.#watched.add(signal)
    const abort = () => {
      for (const attempt of [...this.#attempts])
        if (attempt.signal === signal) {
          this.#drop(attempt)
          attempt.finish({ kind: 'aborted' })
        }
    }
    signal.addEventListener('abort', abort, { once: true })
  }

  #leave(): Promise<void> {
    this.#attachment?.close()
    for (const attachment of this.#retired) attachment.close()
    this.#attachment = undefined
    this.#retired.clear()
    return this.#broker.forget(this)
  }

  #flush(): void {
    if (this.#waiting.length === 0) return
    if (this.#attachment) {
      if (this.#attachment.isOpen) this.#hand(this.#attachment)
      return
    }
    const connection = this.#broker.connection()
    if (connection) this.#attach(connection)
  }

  /** As many as the broker's credit and our own limit allow. */
  #hand(attachment: Attachment): void {
    const { outstandingPerEntity } = this.#broker.options.limits
    let count = 0
    for (const attempt of this.#waiting) {
      if (attempt.message && !attachment.hasRoom(outstandingPerEntity)) break
      count++
      attachment.hand(attempt)
    }
    this.#waiting.splice(0, count)
  }

  #attach({ rhea, connection }: OpenConnection): void {
    if (this.#attachment) return
    // A session of its own: in rhea an entity without credit holds up everything else in its session.
    const session = connection.create_session()
    session.begin()
    const { durable } = this.#broker.options.endpoint
    const target = { address: this.address, ...(durable && { durable: unsettledState }) }
    const attachment: Attachment = new Attachment(rhea, session, target, {
      ready: () => {
        if (this.#attachment === attachment) this.#flush()
      },
      ended: (answer, wasOpen) => {
        this.#retired.delete(attachment)
        if (this.#attachment !== attachment) return
        this.#attachment = undefined
        this.#ended(answer, wasOpen)
      },
    })
    this.#attachment = attachment
  }

  /** Whoever waited for a link that never opened has the answer; of one that was open, each may wait once more. */
  #ended(answer: AmqpAnswer, wasOpen: boolean): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const attempt of waiting)
      if (wasOpen && !attempt.waitsAgain) {
        attempt.waitsAgain = true
        this.#waiting.push(attempt)
      } else attempt.finish(answer)
    this.#flush()
  }
}

/** One message on its way, or one question. */
class Attempt implements Expiring {
  expiresAt: EpochMs = 0
  readonly message: AmqpMessage | undefined
  readonly signal: AbortSignal
  readonly #link: AmqpLink
  #end: ((answer: AmqpAnswer) => void) | undefined
  /** Where it was handed over. */
  attachment: Attachment | undefined
  waitsAgain = false

  constructor(
    message: AmqpMessage | undefined,
    signal: AbortSignal,
    link: AmqpLink,
    end: (answer: AmqpAnswer) => void,
  ) {
    this.message = message
    this.signal = signal
    this.#link = link
    this.#end = end
  }

  get isUnderWay(): boolean {
    return this.#end !== undefined
  }

  expire(): void {
    this.#link.expired(this)
  }

  finish(answer: AmqpAnswer): void {
    const end = this.#end
    this.#end = undefined
    end?.(answer)
  }
}

interface AttachmentEvents {
  /** It is open, or has room again. */
  ready(): void
  ended(answer: AmqpAnswer, wasOpen: boolean): void
}

const accepted: AmqpAnswer = { kind: 'accepted' }

/** What rhea counts and its types leave out. */
interface SenderCounts {
  readonly credit: number
  readonly delivery_count: number
}

/** One sending link, from `attach` to `detach`, in a session of its own. */
class Attachment {
  readonly #rhea: Rhea
  readonly #session: Session
  readonly #sender: Sender & SenderCounts
  readonly #events: AttachmentEvents
  /** Handed over and not answered; those that have ended meanwhile still count. */
  readonly #handed = new Map<Delivery, Attempt>()
  #count = 0
  #retired = false
  #ended = false
  isOpen = false

  constructor(rhea: Rhea, session: Session, target: TargetTerminusOptions, events: AttachmentEvents) {
    this.#rhea = rhea
    this.#session = session
    this.#events = events
    const sender = session.open_sender({
      target,
      snd_settle_mode: 0,
      rcv_settle_mode: 0,
      treat_modified_as_released: false,
    })
    this.#sender = sender as Sender & SenderCounts
    sender.on('sender_open', () => {
      // A broker that refuses a link attaches it without a target, and then detaches it with the reason.
      // (Rhea shows an absent target as an object without address.)
      if (typeof sender.target?.address !== 'string') return
      this.isOpen = true
      events.ready()
    })
    sender.on('sender_flow', () => {
      if (this.isOpen) events.ready()
    })
    const answered = (answerOf: (delivery: Delivery) => AmqpAnswer) => (context: EventContext) => {
      const delivery = context.delivery as Delivery
      this.#answered(delivery, answerOf(delivery))
    }
    const refused = (state: string) => answered(({ remote_state }) => refusalOf(state, remote_state))
    sender.on(
      'accepted',
      answered(() => accepted),
    )
    sender.on('rejected', refused('rejected'))
    sender.on('released', refused('released'))
    sender.on('modified', refused('modified'))
    sender.on('settled', refused('settled'))
    const end = (error: AmqpError | Error | undefined) => this.#end(endingOf(error))
    sender.on('sender_error', () => end(sender.error))
    sender.on('sender_close', () => end(sender.error))
    session.on('session_error', () => end(session.error))
    session.on('session_close', () => end(session.error))
  }

  hasRoom(most: number): boolean {
    // Rhea takes credit off when it writes, at the end of this turn; this counts what it has been given.
    const { credit, delivery_count } = this.#sender
    return this.#handed.size < most && this.#count < delivery_count + credit
  }

  hand(attempt: Attempt): void {
    const { message } = attempt
    if (!message) {
      attempt.finish(accepted)
      return
    }
    const { encode, data_section } = this.#rhea.message
    const encoded = encode({ ...message, durable: true, body: data_section(message.body) })
    const most = this.#sender.max_message_size
    if (most > 0 && encoded.length > most) {
      attempt.finish(tooLarge(encoded.length, most))
      return
    }
    attempt.attachment = this
    this.#count++
    this.#handed.set(this.#sender.send(encoded, undefined, 0), attempt)
  }

  /** Takes no more; ends when what it has is answered or has run out of time. */
  retire(): void {
    this.#retired = true
    this.#endWhenDone()
  }

  close(): void {
    this.#sender.close()
    this.#session.close()
  }

  #answered(delivery: Delivery, answer: AmqpAnswer): void {
    const attempt = this.#handed.get(delivery)
    if (!attempt) return
    this.#handed.delete(delivery)
    attempt.finish(answer)
    if (this.#retired) this.#endWhenDone()
    else this.#events.ready()
  }

  #endWhenDone(): void {
    for (const attempt of this.#handed.values()) if (attempt.isUnderWay) return
    this.close()
  }

  #end(answer: AmqpAnswer): void {
    if (this.#ended) return
    this.#ended = true
    for (const attempt of this.#handed.values()) attempt.finish(answer)
    this.#handed.clear()
    this.#events.ended(answer, this.isOpen)
  }
}

interface State {
  readonly error?: AmqpError
  readonly undeliverable_here?: boolean
}

function refusalOf(state: string, remote: State | undefined): AmqpAnswer {
  const { error, undeliverable_here } = remote ?? {}
  if (error)
    return { kind: 'refused', condition: String(error.condition), description: error.description ?? '' }
  const condition = state === 'modified' && undeliverable_here ? 'undeliverable-here' : state
  return { kind: 'refused', condition, description: '' }
}

function endingOf(error: AmqpError | Error | undefined): AmqpAnswer {
  const { condition, description } = (error ?? {}) as Partial<AmqpError>
  if (typeof condition !== 'string')
    return { kind: 'failed', code: 'ECONNRESET', message: 'The broker closed the link.' }
  return { kind: 'refused', condition, description: description ?? '' }
}

const tooLarge = (bytes: number, most: number): AmqpAnswer => ({
  kind: 'refused',
  condition: 'amqp:link:message-size-exceeded',
  description: `The message has ${bytes} bytes; its broker takes ${most}.`,
})
