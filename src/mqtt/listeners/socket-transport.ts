import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { peerCertificates } from '../../base/peer-certificates.ts'
import type { Transport, TransportEvents } from '../transport.ts'

/** TCP, or TLS over it. */
export class SocketTransport implements Transport {
  readonly #socket: Socket
  readonly #address: string | undefined
  readonly secure: boolean

  /** @param address of the client where a proxy has said it */
  constructor(socket: Socket, address: string | undefined, secure: boolean) {
    this.#socket = socket
    this.#address = address
    this.secure = secure
  }

  get webSocket(): boolean {
    return false
  }

  get remoteAddress(): string {
    return this.#address ?? this.#socket.remoteAddress ?? ''
  }

  get pending(): number {
    return this.#socket.writableLength
  }

  get taken(): number {
    return this.#socket.bytesWritten - this.#socket.writableLength
  }

  write(bytes: Buffer): void {
    this.#socket.write(bytes)
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  end(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  certificates(): readonly Uint8Array[] {
    return 'getPeerX509Certificate' in this.#socket ? peerCertificates(this.#socket as TLSSocket) : []
  }
}

interface Carrier extends Socket {
  mqtt?: TransportEvents
}

/** The socket's events go to the connection. One set of functions serves all sockets: nothing is made for each. */
export function attach(socket: Socket, events: TransportEvents): void {
  ;(socket as Carrier).mqtt = events
  socket.on('data', onData)
  socket.on('drain', onDrain)
  socket.on('error', onError)
  socket.on('close', onClose)
}

function onData(this: Socket, bytes: Buffer): void {
  ;(this as Carrier).mqtt?.received(bytes)
}

function onDrain(this: Socket): void {
  ;(this as Carrier).mqtt?.drained()
}

/** What went wrong is of no interest: 'close' follows, and says that the connection is gone. */
function onError(): void {}

function onClose(this: Socket): void {
  const carrier = this as Carrier
  carrier.mqtt?.gone(false)
  delete carrier.mqtt
}
