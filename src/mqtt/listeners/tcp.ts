import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket, type TlsOptions } from 'node:tls'
import type { Clock } from '../../base/clock.ts'
import type { Broker } from '../broker.ts'
import type { BrokerRealm } from '../broker-realm.ts'
import { decodeProxyHeader } from './proxy-protocol.ts'
import { attach, SocketTransport } from './socket-transport.ts'

/*
 * MQTT over TCP and over TLS. Of a TLS client a certificate is asked for and never required, and none is refused here:
 * whether it is good is decided at CONNECT, where the client can be told.
 */

export interface MqttListener {
  /** `mqtt://host:port` or `mqtts://host:port`. */
  readonly url: string
  readonly port: number
  /** New certificate and key for connections from now on; only on a TLS listener. */
  renew(tls: TlsOptions): void
  /** Takes no more connections. */
  stop(): void
  /** Resolves once no connection is left; cuts those that are after `graceMs`. */
  close(graceMs: number): Promise<void>
}

export interface MqttListenOptions {
  readonly host: string
  /** 0 picks a free port. */
  readonly port: number
  readonly broker: Broker
  /** The realm of a TLS client by the name that it asked for, of any other without; undefined: none. */
  readonly realmOf: (serverName: string | undefined) => BrokerRealm | undefined
  /** Present on a TLS listener. */
  readonly tls?: TlsOptions
  /** Every connection begins with a PROXY header. */
  readonly proxyProtocol?: boolean
  /** Open connections; one more is closed at once. */
  readonly connections: number
  readonly clock: Clock
}

/** How long a proxy's header or a TLS handshake may take. */
const openingMs = 10_000

/** Opens a listener; rejects when the port cannot be had. */
export async function listenMqtt(options: MqttListenOptions): Promise<MqttListener> {
  const { host, port, broker, realmOf, tls, proxyProtocol = false, connections, clock } = options
  const sockets = new Set<Socket>()
  const open = (socket: Socket, address: string | undefined, secure: boolean, rest?: Buffer) => {
    const name = tls ? (socket as TLSSocket).servername || undefined : undefined
    const realm = realmOf(typeof name === 'string' ? name.toLowerCase() : undefined)
    if (!realm) {
      socket.destroy()
      return
    }
    const transport = new SocketTransport(socket, address, secure)
    const connection = broker.accept(transport, realm)
    attach(socket, connection)
    if (rest && rest.length > 0) connection.received(rest)
  }
  const onSocket = (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', forget)
  }
  function forget(this: Socket) {
    sockets.delete(this)
  }
  const tlsServer = tls && tlsServerOf(tls, (socket, address) => open(socket, address, true))
  const server = createServer({ noDelay: true, keepAlive: true }, (socket) => {
    onSocket(socket)
    if (proxyProtocol)
      readProxyHeader(socket, clock, (address, secure, rest) => {
        if (!tlsServer) open(socket, address, secure, rest)
        else {
          if (rest.length > 0) socket.unshift(rest)
          addresses.set(socket, address)
          tlsServer.emit('connection', socket)
        }
      })
    else if (tlsServer) tlsServer.emit('connection', socket)
    else open(socket, undefined, false)
  })
  server.maxConnections = connections
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port, backlog: 4096 }, () => {
      server.off('error', reject)
      resolve()
    })
  })
  const bound = (server.address() as AddressInfo).port
  let closing: Promise<void> | undefined
  const stop = () => {
    closing ??= new Promise((resolve) => server.close(() => resolve()))
  }
  return {
    port: bound,
    url: `${tls ? 'mqtts' : 'mqtt'}://${host.includes(':') ? `[${host}]` : host}:${bound}`,
    renew: (next) => tlsServer?.setSecureContext(next),
    stop,
    async close(graceMs) {
      stop()
      const cut = clock.at(clock.now() + graceMs, () => {
        for (const socket of sockets) socket.destroy()
      })
      await closing
      cut.cancel()
    },
  }
}

/** Client addresses that a proxy has said, until the TLS handshake is done. */
const addresses = new WeakMap<object, string | undefined>()

type TlsServer = Server & { setSecureContext(next: TlsOptions): void }

function tlsServerOf(
  tls: TlsOptions,
  onSecure: (socket: TLSSocket, address: string | undefined) => void,
): TlsServer {
  const server = createTlsServer({
    minVersion: 'TLSv1.2',
    ...tls,
    requestCert: true,
    rejectUnauthorized: false,
    handshakeTimeout: openingMs,
  })
  server.on('secureConnection', (socket: TLSSocket) => {
    const { _parent: parent } = socket as TLSSocket & { readonly _parent?: object }
    onSecure(socket, parent && addresses.get(parent))
  })
  // A handshake that fails is over: the socket is closed by Node.
  server.on('tlsClientError', (_error, socket) => socket.destroy())
  return server
}

function readProxyHeader(
  socket: Socket,
  clock: Clock,
  then: (address: string | undefined, secure: boolean, rest: Buffer) => void,
): void {
  let seen = Buffer.alloc(0)
  const late = clock.at(clock.now() + openingMs, () => socket.destroy())
  const end = () => {
    late.cancel()
    socket.off('data', onData).off('error', end).off('close', end)
  }
  const onData = (bytes: Buffer) => {
    seen = Buffer.concat([seen, bytes])
    const header = decodeProxyHeader(seen)
    if (header === 'more') return
    end()
    if (header === 'wrong') {
      socket.destroy()
      return
    }
    socket.pause()
    then(header.address, header.secure, seen.subarray(header.bytes))
  }
  socket.on('data', onData).on('error', end).on('close', end)
}
