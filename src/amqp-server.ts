import type { TLSSocket } from 'node:tls'
import { type AmqpServer, createAmqpServer } from './amqp/amqp.ts'
import type { AmqpGuest, AmqpPeer } from './amqp/guest.ts'
import { defaultAmqpLimits } from './amqp/limits.ts'
import { type AmqpListener, listenAmqp } from './amqp/listener.ts'
import { createAmqpUpgrade } from './amqp/websocket.ts'
import type { Clock } from './base/clock.ts'
import type { Log } from './base/log.ts'
import { type Options, settings } from './config.ts'
import type { HttpRequest, Upgrade } from './http/http.ts'
import type { Peer } from './http/peer.ts'

/* The listener of AMQP, and AMQP over WebSocket on the HTTP listeners. */

export interface RunningAmqp {
  readonly server: AmqpServer
  readonly upgrade: Upgrade
  /** `amqps://host:port`; undefined before `open`, and where the listener is off. */
  readonly amqps: string | undefined
  open(): Promise<void>
  renew(tls: { readonly cert: string; readonly key: string }): void
  close(graceMs: number): Promise<void>
}

export interface AmqpNeeds {
  readonly guestOf: (peer: AmqpPeer) => AmqpGuest
  readonly options: Options
  readonly tls: { readonly cert: string; readonly key: string }
  readonly clock: Clock
  readonly log: Log
  /** Who is behind the proxies that are trusted. */
  readonly peerOf: (request: HttpRequest) => Peer
  readonly allowsOrigin: (origin: string) => boolean
  /** What to say of a port that cannot be had. */
  readonly cannotListen: (error: NodeJS.ErrnoException, host: string, port: number, flag: string) => Error
}

export function createAmqp(needs: AmqpNeeds): RunningAmqp {
  const { guestOf, options, tls, clock, log, peerOf, allowsOrigin, cannotListen } = needs
  const limits = { ...defaultAmqpLimits, connections: options.limits.amqpConnections }
  const server = createAmqpServer({ guestOf, limits, clock, log })
  let listener: AmqpListener | undefined
  return {
    server,
    upgrade: createAmqpUpgrade({
      ...{ server, allowsOrigin, needsTls: options.profile === 'strict' },
      // As clients of IoT hubs ask for it, and those of Event Hubs.
      paths: [
        '/$iothub/websocket',
        '/%24iothub/websocket',
        '/$servicebus/websocket',
        '/%24servicebus/websocket',
      ],
      peerOf: ({ headers, socket }) => {
        const tlsVersion = (socket as Partial<TLSSocket>).getProtocol?.() ?? undefined
        return peerOf({ headers, remoteAddress: socket.remoteAddress ?? '', tlsVersion } as HttpRequest)
      },
    }),
    get amqps() {
      return listener?.url
    },
    async open() {
      const { host, amqpsPort: port, amqpsPortByDefault } = options
      if (port === 'off') return
      try {
        listener = await listenAmqp({ server, host, port, tls, clock, connections: limits.connections })
      } catch (error) {
        const refusal = cannotListen(error as NodeJS.ErrnoException, host, port, settings.amqpsPort.flag)
        if (!amqpsPortByDefault || (error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw refusal
        // Nobody asked for it: another broker may well be there.
        log.warn(`No AMQP listener: ${refusal.message}`)
      }
    },
    renew: (next) => listener?.renew(next),
    async close(graceMs) {
      server.close()
      await listener?.close(graceMs)
    },
  }
}
