import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Connection, EventContext, Session } from 'rhea'
import type { Clock, Timer } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { Cbs, cbsAddress } from './cbs.ts'
import { type AmqpCondition, AmqpRefusal, conditionOf } from './errors.ts'
import { amqpHeader, decodeProtocolHeader, FrameCutter } from './frames.ts'
import type { AmqpGuest, AmqpPeer } from './guest.ts'
import type { AmqpLimits } from './limits.ts'
import { type AmqpLink, IncomingLink, type LinkHost, OutgoingLink } from './links.ts'
import type { Rhea } from './rhea.ts'
import {
  forget,
  guardConnection,
  guardReader,
  guardSession,
  type InnerReceiver,
  type InnerSender,
  innerConnectionOf,
} from './rhea-guards.ts'
import { saslMechanisms } from './sasl.ts'

/*
 * One connection: bytes are cut into frames, rhea speaks the protocol, and links are handed to the guest. A peer that
 * breaks the rules, or does not read what it has asked for, loses its own connection and nothing else.
 */

export interface ConnectionFacts {
  readonly remoteAddress: string
  readonly isTls: boolean
  readonly serverName: string | undefined
  readonly certificates: readonly Uint8Array[]
}

export interface ConnectionOptions {
  readonly rhea: Rhea
  readonly stream: Duplex
  readonly facts: ConnectionFacts
  readonly guestOf: (peer: AmqpPeer) => AmqpGuest
  readonly limits: AmqpLimits
  readonly clock: Clock
  readonly log: Log
}

/** How long a peer that is told that its connection is closed has for its answer. */
const closingMs = 5_000
/** How long a peer whose links are closed has to leave by itself. */
const leavingMs = 1_000
/** How long a connection that is closed on both sides is left to the peer to end. */
const lingeringMs = 1_000
/** Of the peer's open. A shorter one would be answered with next to nothing but empty frames. */
const shortestIdleMs = 1_000
/** Source: OASIS AMQP 1.0, part 2, 2.7.1: no peer may ask for less. */
const smallestFrame = 512

export class AmqpConnection implements AmqpPeer, LinkHost {
  readonly rhea: Rhea
  readonly remoteAddress: string
  readonly isTls: boolean
  readonly serverName: string | undefined
  readonly certificates: readonly Uint8Array[]
  readonly unsettledPerLink: number
  /** Resolves when nothing is left of it. */
  readonly closed: Promise<void>
  readonly #options: ConnectionOptions
  readonly #cutter: FrameCutter
  readonly #connection: Connection
  readonly #guest: AmqpGuest
  readonly #cbs: Cbs
  readonly #links = new Map<InnerReceiver | InnerSender, AmqpLink>()
  readonly #proof: Timer
  #hostName: string | undefined
  #phase: 'header' | 'sasl' | 'amqp' = 'header'
  /** Of the SASL layer: undefined before a mechanism is chosen. */
  #signingIn: Promise<boolean> | undefined
  #sessions = 0
  #held = 0
  #isFeeding = false
  #isEnded = false
  #isClosing = false
  #isCorked = false
  #isLingering = false
  #receive: (bytes: Buffer) => void = () => {}
  #eof: () => void = () => {}

  constructor(options: ConnectionOptions) {
    const { rhea, stream, facts, guestOf, limits, clock } = options
    this.#options = options
    this.rhea = rhea
    this.remoteAddress = facts.remoteAddress
    this.isTls = facts.isTls
    this.serverName = facts.serverName
    this.certificates = facts.certificates
    this.unsettledPerLink = limits.unsettledPerLink
    this.#cutter = new FrameCutter(limits.frameBytes)
    this.#guest = guestOf(this)
    this.#cbs = new Cbs(this.#guest)
    guardReader(rhea)
    this.#connection = this.#open()
    this.#proof = clock.at(clock.now() + limits.unprovenMs, () => {
      if (!this.#guest.isProven)
        this.close({
          condition: 'amqp:unauthorized-access',
          description: `Nothing has proved who this is in ${limits.unprovenMs / 1000} seconds.`,
        })
    })
    this.closed = once(stream, 'close').then(
      () => this.#end(),
      () => this.#end(),
    )
    stream.on('error', () => stream.destroy())
    stream.on('end', () => stream.destroy())
    stream.on('drain', () => this.#drained())
    stream.on('data', (bytes: Buffer) => {
      if (this.#isEnded) return
      this.#cutter.push(bytes)
      void this.#feed()
    })
  }

  get hostName(): string | undefined {
    return this.#hostName
  }

  get links(): Iterable<AmqpLink> {
    return this.#links.values()
  }

  // ---------------------------------------------------------------- bytes

  #open(): Connection {
    const { rhea, limits } = { ...this.#options }
    const container = rhea.create_container({ id: 'busbar' })
    Object.assign(container, {
      sasl_server_mechanisms: saslMechanisms({
        signIn: (user, password) => this.#guest.signIn(user, password),
        began: (isIn) => {
          this.#signingIn = isIn
        },
      }),
    })
    const connection = container.create_connection({
      autoaccept: false,
      credit_window: 0,
      treat_modified_as_released: false,
      max_frame_size: limits.frameBytes,
      channel_max: limits.sessionsPerConnection - 1,
      idle_time_out: limits.idleMs,
      reconnect: false,
    } as never)
    this.#hear(connection)
    guardConnection(connection, (error) => this.#broken(error))
    innerConnectionOf(connection).accept(this.#socket())
    return connection
  }

  /** What rhea takes for its socket. */
  #socket(): object {
    const { stream } = this.#options
    const hear = (name: string, listener: (bytes?: Buffer) => void) => {
      if (name === 'data') this.#receive = listener
      else if (name === 'end') this.#eof = listener
    }
    return {
      on: hear,
      get_id_string: () => this.remoteAddress,
      write: (bytes: Buffer) => {
        if (!this.#isCorked) {
          // Frames of one turn go together.
          this.#isCorked = true
          stream.cork()
          process.nextTick(() => {
            this.#isCorked = false
            stream.uncork()
          })
        }
        if (!stream.destroyed && !stream.writableEnded) stream.write(bytes)
      },
      end: () => this.#linger(),
      destroy: () => stream.destroy(),
      removeAllListeners: () => {},
    }
  }

  get mayWrite(): boolean {
    return !this.#isEnded && this.#options.stream.writableLength < this.#options.limits.waitingBytes
  }

  hold(bytes: number): void {
    this.#held += bytes
    if (bytes < 0 && this.#options.stream.isPaused()) void this.#feed()
  }

  #drained(): void {
    void this.#feed()
    for (const link of this.#links.values()) if (link.kind === 'outgoing') link.wake()
  }

  /** Whether more may come of the peer before something of it is done with. */
  get #mayRead(): boolean {
    return this.mayWrite && this.#held < this.#options.limits.unsettledBytes
  }

  async #feed(): Promise<void> {
    if (this.#isFeeding) return
    this.#isFeeding = true
    const { stream } = this.#options
    try {
      while (!this.#isEnded) {
        if (!this.#mayRead) {
          stream.pause()
          return
        }
        const bytes = this.#cutter.next()
        if (!bytes) break
        if (this.#phase === 'amqp') this.#receive(bytes)
        else await this.#feedOpening(bytes)
      }
      if (!this.#isEnded) stream.resume()
    } catch (error) {
      this.#broken(error)
    } finally {
      this.#isFeeding = false
    }
  }

  async #feedOpening(bytes: Buffer): Promise<void> {
    const { stream } = this.#options
    if (this.#phase === 'header') {
      const protocol = decodeProtocolHeader(bytes)
      if (!protocol || (protocol === 'sasl' && this.#signingIn)) {
        stream.end(amqpHeader)
        this.#cutLater()
        this.#isEnded = true
        return
      }
      this.#phase = protocol
      this.#receive(bytes)
      return
    }
    // Nothing behind it may be read as if it were of the same layer.
    stream.pause()
    this.#receive(bytes)
    const isIn = (await this.#signingIn) === true
    // rhea answers behind this.
    await nextTurn()
    if (!isIn) {
      this.#isEnded = true
      stream.end()
      this.#cutLater()
      return
    }
    this.#phase = 'header'
    this.#cutter.expectHeader()
  }

  // ---------------------------------------------------------------- what rhea says

  #hear(connection: Connection): void {
    const { limits, log } = this.#options
    const on = (name: string, act: (context: EventContext) => void) => connection.on(name, act)
    on('connection_open', () => {
      const {
        hostname,
        max_frame_size: frameBytes,
        idle_time_out: idleMs,
      } = connection as unknown as Partial<Record<string, unknown>>
      this.#hostName = typeof hostname === 'string' ? hostname.toLowerCase().replace(/:\d+$/, '') : undefined
      if (typeof frameBytes === 'number' && frameBytes < smallestFrame)
        this.close({
          condition: 'amqp:invalid-field',
          description: `Frames have at least ${smallestFrame} bytes.`,
        })
      else if (typeof idleMs === 'number' && idleMs > 0 && idleMs < shortestIdleMs)
        this.close({
          condition: 'amqp:not-allowed',
          description: `An idle time-out has at least ${shortestIdleMs} ms.`,
        })
    })
    on('connection_close', () => this.#cutLater())
    on('session_open', ({ session }) => this.#sessionOpened(session as Session))
    on('session_close', () => {
      this.#sessions--
    })
    on('receiver_open', ({ receiver }) => this.#attached(receiver as unknown as InnerReceiver))
    on('sender_open', ({ sender }) => this.#attached(sender as unknown as InnerSender))
    on('receiver_close', ({ receiver }) => this.#detached(receiver as unknown as InnerReceiver))
    on('sender_close', ({ sender }) => this.#detached(sender as unknown as InnerSender))
    // What the peer says of its own troubles is told by the closing that comes with it.
    for (const name of [
      'connection_error',
      'session_error',
      'receiver_error',
      'sender_error',
      'disconnected',
    ])
      on(name, () => {})
    for (const name of ['protocol_error', 'error']) on(name, (error) => this.#broken(error))
    on('message', ({ delivery }) => {
      // Of a link that was refused.
      if (delivery) forget(delivery)
    })
    log.trace({ peer: this.remoteAddress, limits }, 'An AMQP connection begins.')
  }

  #sessionOpened(session: Session): void {
    const { limits } = this.#options
    if (++this.#sessions > limits.sessionsPerConnection)
      throw new AmqpRefusal(
        'amqp:resource-limit-exceeded',
        `A connection has at most ${limits.sessionsPerConnection} sessions.`,
      )
    const linkOf = (receiver: InnerReceiver) => this.#links.get(receiver) as IncomingLink | undefined
    guardSession(session, {
      mostBytesOf: (receiver) => linkOf(receiver)?.messageBytes ?? 0,
      comes: (receiver, bytes) => {
        const link = linkOf(receiver)
        if (link) link.comingBytes = bytes
      },
      tooLarge: (receiver) => {
        const link = linkOf(receiver)
        link?.close({
          condition: 'amqp:link:message-size-exceeded',
          description: `A message on this link has at most ${link.messageBytes} bytes.`,
        })
      },
    })
  }

  #attached(inner: InnerReceiver | InnerSender): void {
    const { limits } = this.#options
    if (this.#links.size >= limits.linksPerConnection)
      throw new AmqpRefusal(
        'amqp:resource-limit-exceeded',
        `A connection has at most ${limits.linksPerConnection} links.`,
      )
    if (this.#isClosing) throw new AmqpRefusal('amqp:connection:forced', 'The connection is being closed.')
    const link = inner.is_receiver()
      ? new IncomingLink(inner as unknown as InnerReceiver, this)
      : new OutgoingLink(inner as unknown as InnerSender, this)
    this.#links.set(inner, link)
    try {
      if (link.address === cbsAddress) this.#cbs.attach(link)
      else this.#guest.attach(link)
    } catch (error) {
      if (!(error instanceof AmqpRefusal)) throw error
      link.close(error)
    }
  }

  #detached(inner: InnerReceiver | InnerSender): void {
    const link = this.#links.get(inner)
    this.#links.delete(inner)
    link?.ended()
  }

  // ---------------------------------------------------------------- the end

  /**
   * Its links first, with the reason: the official clients then leave by themselves, and never come to an end of their
   * own where the connection is closed before its links are. Who does not leave is told so, and cut.
   */
  close(error: AmqpCondition): void {
    if (this.#isClosing || this.#isEnded) return
    this.#isClosing = true
    const { stream, clock } = this.#options
    if (this.#phase !== 'amqp' || !this.#connection.is_open()) {
      stream.destroy()
      return
    }
    const closeAll = () => {
      this.#connection.close(conditionOf(error))
      this.#cutLater()
    }
    if (this.#links.size === 0) {
      closeAll()
      return
    }
    for (const link of this.#links.values()) link.close(error)
    const timer = clock.at(clock.now() + leavingMs, closeAll)
    stream.once('close', () => timer.cancel())
  }

  /** The server stops: whoever comes again finds another one. */
  stop(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    for (const link of this.#links.values()) link.ended()
    // Behind what is still to be answered in this turn.
    setImmediate(() => this.#options.stream.end())
    this.#cutLater()
  }

  /** The peer, or something here that it has led to, has broken the rules. */
  #broken(error: unknown): void {
    const { log, stream } = this.#options
    if (this.#isEnded) return
    const text = error instanceof Error ? error.message : String(error)
    log.debug({ err: error, peer: this.remoteAddress }, 'An AMQP connection is closed: it broke the rules.')
    this.#isEnded = true
    for (const link of this.#links.values()) link.ended()
    if (this.#phase === 'amqp' && !stream.destroyed && this.#connection.is_open())
      this.#connection.close(
        error instanceof AmqpRefusal
          ? conditionOf(error)
          : { condition: 'amqp:decode-error', description: text },
      )
    // Whatever it says to that is not read any more.
    setImmediate(() => stream.end())
    this.#cutLater()
  }

  /**
   * Both sides have closed. The official clients still wait for answers to what they say then, and end the socket
   * themselves; who does not is cut.
   */
  #linger(): void {
    if (this.#isLingering) return
    this.#isLingering = true
    const { stream, clock } = this.#options
    const timer = clock.at(clock.now() + lingeringMs, () => stream.end())
    stream.once('close', () => timer.cancel())
    this.#cutLater()
  }

  #cutLater(): void {
    const { stream, clock } = this.#options
    const timer = clock.at(clock.now() + closingMs, () => stream.destroy())
    stream.once('close', () => timer.cancel())
  }

  #end(): void {
    this.#isEnded = true
    this.#proof.cancel()
    for (const link of this.#links.values()) link.ended()
    this.#links.clear()
    this.#eof()
    // What a node still says to it does not start its timers anew.
    Object.assign(this.#connection, { socket_ready: false })
    this.#guest.closed()
  }
}
