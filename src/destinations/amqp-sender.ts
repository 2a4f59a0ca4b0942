import type { Clock } from '../base/clock.ts'
import { AmqpBroker } from './amqp-broker.ts'
import { Deadlines } from './deadlines.ts'
import { createSocketConnector, type NetworkRules } from './network.ts'

/** A broker: a namespace of Event Hubs or Service Bus, an emulator of one, or whatever else speaks AMQP 1.0. */
export interface AmqpEndpoint {
  /** Without brackets. */
  readonly hostname: string
  readonly port: number
  readonly secure: boolean
  /** For SASL PLAIN; undefined: ANONYMOUS. */
  readonly credentials: { readonly user: string; readonly password: string } | undefined
  /** Asks that entities outlive a restart: brokers that make them when they are named need to be told; Azure's do not. */
  readonly durable: boolean
}

/** Text members are UTF-8 strings of AMQP; absent ones are not written. */
export interface AmqpMessage {
  readonly message_id?: string
  readonly to?: string
  readonly subject?: string
  readonly reply_to?: string
  readonly correlation_id?: string
  readonly content_type?: string
  readonly content_encoding?: string
  /** Bytes in the protocol. */
  readonly user_id?: Buffer
  readonly group_id?: string
  readonly reply_to_group_id?: string
  /** A date is a timestamp of AMQP. */
  readonly message_annotations?: Readonly<Record<string, string | Date>>
  readonly application_properties?: Readonly<Record<string, string | null>>
  /** One data section. */
  readonly body: Buffer
}

/** What came of one message. */
export type AmqpAnswer =
  | { readonly kind: 'accepted' }
  /**
   * The broker said no, of the message or of everything sent there. `condition` is its error condition, or where
   * it gave none the name of the delivery state: `rejected`, `released`, `modified`.
   */
  | { readonly kind: 'refused'; readonly condition: string; readonly description: string }
  /** The broker has not said what became of it within the time limit. */
  | { readonly kind: 'timeout' }
  /** The signal was raised. */
  | { readonly kind: 'aborted' }
  /** The connection could not be made, or broke. */
  | { readonly kind: 'failed'; readonly code: string; readonly message: string }

export interface AmqpLimits {
  /** Policy time from handing over a message to the broker's answer. */
  readonly responseMs: number
  /** Real time that a broker has at least, however fast policy time runs: it does not run faster itself. */
  readonly leastResponseMs: number
  /** Real time to connect, TLS and sign-in included. */
  readonly connectMs: number
  /** Messages of one entity that the broker has not answered; more wait. */
  readonly outstandingPerEntity: number
}

/** As for webhooks. Source: learn.microsoft.com/azure/event-grid/delivery-and-retry, "30 seconds for a response" */
export const defaultAmqpLimits: AmqpLimits = {
  responseMs: 30_000,
  leastResponseMs: 5_000,
  connectMs: 30_000,
  outstandingPerEntity: 1000,
}

/** Messages to one entity: a queue, a topic, an event hub. */
export interface AmqpChannel {
  /** Never rejects. */
  send(message: AmqpMessage, signal: AbortSignal): Promise<AmqpAnswer>
  /** Asks whether messages may be sent there; `accepted` is a yes. Never rejects. */
  probe(signal: AbortSignal): Promise<AmqpAnswer>
  /** Says that this user is done. Resolves when what it sent has been answered. */
  close(): Promise<void>
}

/** AMQP 1.0: one connection per broker and credentials, one sending link per entity, shared by all who send there. */
export interface AmqpSender {
  /** @param address the entity's name in its namespace */
  open(endpoint: AmqpEndpoint, address: string): AmqpChannel
  /** Cuts whatever is under way. */
  close(): Promise<void>
}

export function createAmqpSender(
  clock: Clock,
  rules: NetworkRules,
  limits: AmqpLimits = defaultAmqpLimits,
): AmqpSender {
  const brokers = new Map<string, AmqpBroker>()
  const deadlines = new Deadlines(clock, limits.responseMs, limits.leastResponseMs)
  const connect = createSocketConnector(rules)
  return {
    open(endpoint, address) {
      const key = JSON.stringify(endpoint)
      let broker = brokers.get(key)
      if (!broker) {
        const onUnused = () => brokers.delete(key)
        brokers.set(key, (broker = new AmqpBroker({ endpoint, clock, connect, deadlines, limits, onUnused })))
      }
      const link = broker.open(address)
      let closed = false
      return {
        send: (message, signal) => link.send(message, signal),
        probe: (signal) => link.send(undefined, signal),
        async close() {
          if (closed) return
          closed = true
          await link.release()
        },
      }
    },
    async close() {
      const open = [...brokers.values()]
      brokers.clear()
      await Promise.all(open.map((broker) => broker.close()))
    },
  }
}
