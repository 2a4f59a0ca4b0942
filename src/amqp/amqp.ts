import type { Duplex } from 'node:stream'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { AmqpConnection, type ConnectionFacts } from './connection.ts'
import type { AmqpGuest, AmqpPeer } from './guest.ts'
import type { AmqpLimits } from './limits.ts'
import { loadRhea } from './rhea.ts'

/*
 * AMQP 1.0 as a server: in come connections, over TLS (`listener.ts`) and WebSocket (`websocket.ts`), bare or behind SASL.
 * Out go links, handed to the guest of their connection, and tokens that were put to `$cbs`. It promises that a peer costs
 * no more than the limits say, and that one who breaks the rules loses its own connection alone.
 *
 * Source: OASIS AMQP 1.0
 */

export interface AmqpServer {
  accept(stream: Duplex, facts: ConnectionFacts): void
  readonly connections: number
  /** Ends every connection; one that comes later is ended at once. */
  close(): void
}

export interface AmqpServerOptions {
  /** Who a new connection is dealt with by. */
  readonly guestOf: (peer: AmqpPeer) => AmqpGuest
  readonly limits: AmqpLimits
  readonly clock: Clock
  readonly log: Log
}

export function createAmqpServer({ guestOf, limits, clock, log }: AmqpServerOptions): AmqpServer {
  const streams = new Set<Duplex>()
  const connections = new Set<AmqpConnection>()
  let isClosing = false
  const begin = async (stream: Duplex, facts: ConnectionFacts) => {
    const rhea = await loadRhea()
    if (isClosing) stream.destroy()
    if (stream.destroyed) return
    const connection = new AmqpConnection({ rhea, stream, facts, guestOf, limits, clock, log })
    connections.add(connection)
    await connection.closed
    connections.delete(connection)
  }
  return {
    accept(stream, facts) {
      if (isClosing || streams.size >= limits.connections) {
        stream.destroy()
        return
      }
      streams.add(stream)
      stream.once('close', () => streams.delete(stream))
      stream.on('error', () => stream.destroy())
      begin(stream, facts).catch((error: unknown) => {
        log.error({ err: error }, 'An AMQP connection could not be begun, or ended.')
        stream.destroy()
      })
    },
    get connections() {
      return streams.size
    },
    close() {
      isClosing = true
      for (const connection of connections) connection.stop()
    },
  }
}
