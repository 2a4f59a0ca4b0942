import { type IncomingMessage, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { createWebSocketStream, WebSocketServer } from 'ws'
import { peerCertificates } from '../base/peer-certificates.ts'
import type { AmqpServer } from './amqp.ts'

/*
 * AMQP over WebSocket, on the HTTP listeners: frames are in binary frames, cut however the client likes.
 *
 * Source: OASIS AMQP WebSocket Binding 1.0; learn.microsoft.com/azure/iot-hub/iot-hub-devguide-protocols
 */

/** As Azure's clients ask for it. */
export const amqpSubprotocol = 'AMQPWSB10'

export interface AmqpUpgradeOptions {
  readonly server: AmqpServer
  readonly paths: readonly string[]
  /** Whether connections without TLS are refused. */
  readonly needsTls: boolean
  readonly peerOf: (request: IncomingMessage) => { readonly address: string; readonly isTls: boolean }
  /** Whether a page of that origin may connect. */
  readonly allowsOrigin: (origin: string) => boolean
}

/** Many frames may be in one of a WebSocket. */
const webSocketFrameBytes = 1024 * 1024

/** Takes the upgrade of a request; false leaves it to the next one who may want it. */
export function createAmqpUpgrade({ server: amqp, paths, ...options }: AmqpUpgradeOptions) {
  const server = new WebSocketServer({
    ...{ noServer: true, perMessageDeflate: false, maxPayload: webSocketFrameBytes },
    handleProtocols: () => amqpSubprotocol,
  })
  return (request: IncomingMessage, socket: Duplex, head: Buffer): boolean => {
    const path = (request.url ?? '').split('?', 1)[0] as string
    const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim())
    if (!paths.includes(path) || !offered.includes(amqpSubprotocol)) return false
    const { origin, host } = request.headers
    const isPlain = !(socket as Partial<TLSSocket>).encrypted
    if ((isPlain && options.needsTls) || (origin !== undefined && !options.allowsOrigin(origin))) {
      socket.end(`HTTP/1.1 403 ${STATUS_CODES[403]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
      return true
    }
    server.handleUpgrade(request, socket, head, (webSocket) => {
      const { servername, encrypted } = socket as Partial<TLSSocket> & { servername?: string | false | null }
      const named = typeof servername === 'string' && servername !== '' ? servername : host
      const { address, isTls } = options.peerOf(request)
      amqp.accept(createWebSocketStream(webSocket), {
        ...{ remoteAddress: address, isTls },
        serverName: named?.replace(/:\d+$/, '').toLowerCase(),
        certificates: encrypted ? peerCertificates(socket as TLSSocket) : [],
      })
    })
    return true
  }
}
