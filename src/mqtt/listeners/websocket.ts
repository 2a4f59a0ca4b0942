import { type IncomingMessage, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { type WebSocket, WebSocketServer } from 'ws'
import { peerCertificates } from '../../base/peer-certificates.ts'
import type { Broker } from '../broker.ts'
import type { BrokerRealm } from '../broker-realm.ts'
import type { Transport } from '../transport.ts'

/*
 * MQTT over WebSocket, on the HTTP listeners. Packets are in binary frames, cut however the client likes; a text frame
 * ends the connection. [MQTT-6.0.0-1] [MQTT-6.0.0-2]
 */

export interface WebSocketOptions {
  readonly broker: Broker
  /** The realm by the host name that the client asked for, or by the path before `/mqtt`, both in lower case. */
  readonly realmOf: (host: string | undefined, path: string) => BrokerRealm | undefined
  /** Largest frame. */
  readonly frameBytes: number
  readonly addressOf: (request: IncomingMessage) => string
  /** Paths beside `/` and those that end with `/mqtt`. */
  readonly ownPaths?: readonly string[]
  /** Whether a page of that origin may connect; left out: any may, as it must prove who it is. */
  readonly allowsOrigin?: ((origin: string) => boolean) | undefined
}

/** Takes the upgrade of a request; false leaves it to the next one who may want it. */
export type Upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => boolean

const ending = '/mqtt'
/** [MQTT-6.0.0-3] The second is what clients of MQTT 3.1 and some of 3.1.1 ask for. */
const subprotocols = ['mqtt', 'mqttv3.1']

export function createWebSocketUpgrade({
  broker,
  realmOf,
  frameBytes,
  addressOf,
  ownPaths = [],
  allowsOrigin = () => true,
}: WebSocketOptions): Upgrade {
  const server = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: frameBytes,
    handleProtocols: (offered) => subprotocols.find((known) => offered.has(known)) ?? false,
  })
  return (request, socket, head) => {
    const path = (request.url ?? '').split('?', 1)[0] as string
    const isOwn = path === '/' || ownPaths.includes(path)
    if (!isOwn && !path.endsWith(ending)) return false
    const { servername } = socket as TLSSocket
    const host =
      typeof servername === 'string' && servername !== '' ? servername : hostOf(request.headers.host)
    const realm = realmOf(host?.toLowerCase(), isOwn ? '' : path.slice(0, -ending.length).toLowerCase())
    if (!realm) {
      refuse(socket, 404)
      return true
    }
    const { origin } = request.headers
    if (origin !== undefined && !allowsOrigin(origin)) {
      refuse(socket, 403)
      return true
    }
    const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim())
    const speaks = subprotocols.some((known) => offered.includes(known))
    if (!speaks && (offered[0] !== '' || !realm.realm.features.webSocketWithoutSubprotocol)) {
      refuse(socket, 400)
      return true
    }
    const address = addressOf(request)
    server.handleUpgrade(request, socket, head, (webSocket) => {
      const transport = new WebSocketTransport(webSocket, socket as TLSSocket, address)
      transport.connect(broker, realm)
    })
    return true
  }
}

const hostOf = (header: string | undefined) => header?.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')

function refuse(socket: Duplex, status: number): void {
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
}

class WebSocketTransport implements Transport {
  readonly #webSocket: WebSocket
  readonly #socket: TLSSocket
  readonly remoteAddress: string

  constructor(webSocket: WebSocket, socket: TLSSocket, remoteAddress: string) {
    this.#webSocket = webSocket
    this.#socket = socket
    this.remoteAddress = remoteAddress
  }

  connect(broker: Broker, realm: BrokerRealm): void {
    const webSocket = this.#webSocket
    const connection = broker.accept(this, realm)
    let peerClosed = false
    // The receiver sees the close frame before 'close' says with which code it all ended.
    webSocket.on('message', (bytes: Buffer, isBinary) => {
      if (isBinary) connection.received(bytes)
      else connection.close('ClientError', undefined, 'MQTT is in binary frames: a text frame came.')
    })
    webSocket.on('close', (code) => {
      // 1005: a close frame without a code; 1006: no close frame.
      peerClosed = code !== 1006
      connection.gone(peerClosed)
    })
    webSocket.on('error', () => {})
    this.#socket.on('drain', () => connection.drained())
  }

  get webSocket(): boolean {
    return true
  }

  get secure(): boolean {
    return this.#socket.encrypted
  }

  get pending(): number {
    return this.#socket.writableLength
  }

  get taken(): number {
    return this.#socket.bytesWritten - this.#socket.writableLength
  }

  write(bytes: Buffer): void {
    this.#webSocket.send(bytes, binaryFrame)
  }

  pause(): void {
    this.#webSocket.pause()
  }

  resume(): void {
    this.#webSocket.resume()
  }

  end(): void {
    this.#webSocket.close(1000)
  }

  destroy(): void {
    this.#webSocket.terminate()
  }

  certificates(): readonly Uint8Array[] {
    return this.secure ? peerCertificates(this.#socket) : []
  }
}

const binaryFrame = { binary: true, compress: false, fin: true }
