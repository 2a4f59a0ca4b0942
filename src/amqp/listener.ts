import type { AddressInfo, Socket } from 'node:net'
import { createServer, type TLSSocket, type TlsOptions } from 'node:tls'
import type { Clock } from '../base/clock.ts'
import { peerCertificates } from '../base/peer-certificates.ts'
import type { AmqpServer } from './amqp.ts'

/* AMQP over TLS. A certificate is asked for and never required, and none is refused here: see `AmqpPeer.certificates`. */

export interface AmqpListener {
  /** `amqps://host:port`. */
  readonly url: string
  /** New certificate and key for connections from now on. */
  renew(tls: TlsOptions): void
  /** Takes no more connections; resolves once none is left, and cuts those that are after `graceMs`. */
  close(graceMs: number): Promise<void>
}

export interface AmqpListenOptions {
  readonly server: AmqpServer
  readonly host: string
  /** 0 picks a free port. */
  readonly port: number
  readonly tls: TlsOptions
  readonly connections: number
  readonly clock: Clock
}

/** How long a TLS handshake may take. */
const openingMs = 10_000

/** Rejects when the port cannot be had. */
export async function listenAmqp(options: AmqpListenOptions): Promise<AmqpListener> {
  const { server: amqp, host, port, tls, connections, clock } = options
  const sockets = new Set<Socket>()
  const server = createServer({
    ...{ minVersion: 'TLSv1.2', ...tls, requestCert: true, rejectUnauthorized: false, noDelay: true },
    ...{ keepAlive: true, handshakeTimeout: openingMs },
  } as TlsOptions)
  server.maxConnections = connections
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  server.on('tlsClientError', (_error, socket) => socket.destroy())
  server.on('secureConnection', (socket: TLSSocket) => {
    const { servername } = socket as { readonly servername?: string | false | null }
    amqp.accept(socket, {
      remoteAddress: socket.remoteAddress ?? '',
      isTls: true,
      serverName: typeof servername === 'string' && servername !== '' ? servername.toLowerCase() : undefined,
      certificates: peerCertificates(socket),
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port, backlog: 1024 }, () => {
      server.off('error', reject)
      resolve()
    })
  })
  const { port: bound } = server.address() as AddressInfo
  return {
    url: `amqps://${host.includes(':') ? `[${host}]` : host}:${bound}`,
    renew: (next) => server.setSecureContext(next),
    async close(graceMs) {
      const closing = new Promise<void>((resolve) => server.close(() => resolve()))
      const cut = clock.at(clock.now() + graceMs, () => {
        for (const socket of sockets) socket.destroy()
      })
      amqp.close()
      await closing
      cut.cancel()
    },
  }
}
