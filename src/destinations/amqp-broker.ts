import { randomUUID } from 'node:crypto'
import type { Socket } from 'node:net'
import type { AmqpError, Connection, ConnectionOptions, EventContext } from 'rhea'
import { loadRhea, type Rhea } from '../amqp/rhea.ts'
import type { Clock, EpochMs, Timer } from '../base/clock.ts'
import { AmqpLink } from './amqp-link.ts'
import type { AmqpAnswer, AmqpEndpoint, AmqpLimits } from './amqp-sender.ts'
import type { Deadlines } from './deadlines.ts'
import type { SocketConnector } from './network.ts'

/**
 * Real time after a failed try to connect in which there is no other, doubled by each failure in a row: what would be
 * sent meanwhile has failed for the same reason. The retry schedule waits longer; this is for many event
 * subscriptions with one broker, each with a schedule of its own.
 */
const backOffMs = { first: 100, longest: 2_000 }
/** A broker that sends nothing for twice this long is gone; asked to, it sends empty frames where it has no others. */
const idleMs = 30_000
/** Real time that a broker has to answer our goodbye. */
const goodbyeMs = 1_000

export interface BrokerOptions {
  readonly endpoint: AmqpEndpoint
  readonly clock: Clock
  readonly connect: SocketConnector
  readonly deadlines: Deadlines
  readonly limits: AmqpLimits
  /** No entity of it is used any more. */
  readonly onUnused: () => void
}

/**
 * The one connection to a broker, made when first something is to be sent and made again when it is lost.
 *
 * Reconnecting is ours and not rhea's: an attempt must end when its connection does, so that the retry schedule
 * decides what happens next.
 */
export class AmqpBroker {
  readonly options: BrokerOptions
  readonly #links = new Map<string, AmqpLink>()
  #live: Live | undefined
  #failures = 0
  #failure: AmqpAnswer | undefined
  #connectAt: EpochMs = 0
  #closed = false

  constructor(options: BrokerOptions) {
    this.options = options
  }

  open(address: string): AmqpLink {
    let link = this.#links.get(address)
    if (!link) this.#links.set(address, (link = new AmqpLink(address, this)))
    link.retain()
    return link
  }

  /** A link without users and without attempts. Resolves when the connection has ended, where it was the last. */
  async forget(link: AmqpLink): Promise<void> {
    this.#links.delete(link.address)
    if (this.#links.size > 0 || this.#closed) return
    this.#closed = true
    this.options.onUnused()
    await this.#live?.sayGoodbye()
  }

  /** The connection, once it is open; where there is none, one is begun and every link is told what came of it. */
  connection(): OpenConnection | undefined {
    if (!this.#live && !this.#closed) this.#connect()
    return this.#live?.opened
  }

  /** Why there can be no connection now; undefined where there may be one. */
  get failure(): AmqpAnswer | undefined {
    if (this.#closed) return { kind: 'aborted' }
    return !this.#live && this.options.clock.now() < this.#connectAt ? this.#failure : undefined
  }

  /** Gives up a connection that does not answer. */
  cut(message: string): void {
    this.#live?.fail({ kind: 'failed', code: 'EPIPE', message })
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const link of this.#links.values()) link.lost({ kind: 'aborted' })
    this.#live?.fail({ kind: 'aborted' })
  }

  #connect(): void {
    const live = new Live(this.options, {
      opened: (connection) => {
        this.#failures = 0
        for (const link of this.#links.values()) link.connected(connection)
      },
      lost: (answer) => {
        if (this.#live === live) this.#live = undefined
        if (!live.opened) {
          const waitMs = Math.min(backOffMs.first * 2 ** Math.min(this.#failures++, 30), backOffMs.longest)
          this.#connectAt = this.options.clock.now() + waitMs
          this.#failure = answer
        }
        for (const link of this.#links.values()) link.lost(answer)
      },
    })
    this.#live = live
    live.begin()
  }
}

export interface OpenConnection {
  readonly rhea: Rhea
  readonly connection: Connection
}

interface LiveEvents {
  opened(connection: OpenConnection): void
  /** Called once. */
  lost(answer: AmqpAnswer): void
}

/** One connection from its beginning to its end. */
class Live {
  readonly #options: BrokerOptions
  readonly #events: LiveEvents
  #connection: Connection | undefined
  #socket: Socket | undefined
  #timer: Timer | undefined
  #ended = false
  opened: OpenConnection | undefined

  constructor(options: BrokerOptions, events: LiveEvents) {
    this.#options = options
    this.#events = events
  }

  begin(): void {
    const { clock, limits } = this.#options
    this.#timer = clock.at(clock.now() + limits.connectMs, () =>
      this.fail({ kind: 'failed', code: 'ETIMEDOUT', message: 'The broker could not be reached in time.' }),
    )
    loadRhea().then(
      (rhea) => this.#open(rhea),
      (error: Error) => this.fail({ kind: 'failed', code: 'ERROR', message: error.message }),
    )
  }

  #open(rhea: Rhea): void {
    if (this.#ended) return
    const { endpoint, connect } = this.#options
    const { hostname, port, secure, credentials } = endpoint
    const target = { hostname, port, secure }
    const socketOf = (_port: number, _host: string, _options: unknown, connected: () => void) => {
      this.#socket = connect(target, connected)
      // Rhea listens for an end and an error only, and our own cut may be neither.
      return this.#socket.on('close', () => this.fail(closedByBroker))
    }
    const container = rhea.create_container({ id: `busbar-${randomUUID()}` })
    const connection = container.create_connection({
      host: hostname,
      hostname,
      port,
      reconnect: false,
      idle_time_out: idleMs,
      connection_details: () => ({ host: hostname, port, connect: socketOf }),
      sasl_mechanisms: mechanisms(credentials),
    } as unknown as ConnectionOptions)
    this.#connection = connection
    connection.on('connection_open', () => {
      if (this.#ended) return
      this.#timer?.cancel()
      this.opened = { rhea, connection }
      this.#events.opened(this.opened)
    })
    const refused = ({ connection: { error } }: EventContext) => this.fail(refusalOf(error))
    connection.on('connection_error', ({ error }: EventContext) => this.fail(refusalOf(error)))
    connection.on('connection_close', refused)
    connection.on('disconnected', ({ error }: EventContext) => this.fail(failureOf(error)))
    connection.on('protocol_error', (error: Error) => this.fail(failureOf(error)))
    connection.on('error', (error: Error) => this.fail(failureOf(error)))
    connection.connect()
  }

  /** Ends it at once; the first cause is the one that is told. */
  fail(answer: AmqpAnswer): void {
    if (this.#ended) return
    this.#end()
    // An error and not a plain end: rhea stops its heartbeat for that alone.
    this.#socket?.destroy(new Error('The connection was given up.'))
    this.#events.lost(answer)
  }

  /** Ends it in good order. Resolves when it has ended. */
  async sayGoodbye(): Promise<void> {
    if (this.#ended) return
    this.#end()
    const { clock } = this.#options
    const socket = this.#socket
    if (!socket) return
    if (!this.opened) {
      socket.destroy(new Error('The connection was given up.'))
      return
    }
    const timer = clock.at(clock.now() + goodbyeMs, () =>
      socket.destroy(new Error('The broker did not say goodbye.')),
    )
    const closed = new Promise((resolve) => {
      socket.once('close', resolve)
    })
    this.#connection?.close()
    await closed
    timer.cancel()
  }

  #end(): void {
    this.#ended = true
    this.#timer?.cancel()
  }
}

const closedByBroker: AmqpAnswer = {
  kind: 'failed',
  code: 'ECONNRESET',
  message: 'The broker closed the connection.',
}

function refusalOf(error: unknown): AmqpAnswer {
  const { condition, description } = (error ?? {}) as Partial<AmqpError>
  if (typeof condition !== 'string') return closedByBroker
  return { kind: 'refused', condition, description: description ?? '' }
}

function failureOf(error: unknown): AmqpAnswer {
  if (error === undefined || error === null) return closedByBroker
  const { code = 'ERROR', message } = error as NodeJS.ErrnoException
  return { kind: 'failed', code, message: message || code }
}

/**
 * SASL mechanisms by name, as rhea asks for them. Event Hubs and Service Bus take the name and the key of a shared
 * access policy by PLAIN. Rhea's own PLAIN counts characters where it must count bytes.
 *
 * Source: RFC 4616; RFC 4505
 */
function mechanisms(credentials: AmqpEndpoint['credentials']) {
  const start = (response: string) => ({
    start: (callback: (error: undefined, response: Buffer) => void) =>
      callback(undefined, Buffer.from(response)),
  })
  if (!credentials) return { ANONYMOUS: start('busbar') }
  return { PLAIN: start(`\0${credentials.user}\0${credentials.password}`) }
}
