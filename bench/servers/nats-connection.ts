import { connect, type Socket } from 'node:net'
import { until } from '../load/monotonic.ts'

/*
 * As much of the NATS client protocol as publishing needs: lines ended by CRLF, and behind MSG so many bytes.
 *
 * Source: docs.nats.io/reference/reference-protocols/nats-protocol
 */

const lineEnd = '\r\n'
const connectWithinMs = 5000
const answerWithinMs = 5000

export class NatsConnection {
  readonly #socket: Socket
  readonly #inbox = `_INBOX.${process.pid}.${Math.random().toString(36).slice(2)}`
  #rest: Buffer = Buffer.alloc(0)
  /** Called with the body of each message that answers a publish or a request. */
  onAnswer: (body: Buffer) => void = () => {}

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => this.#read(chunk))
    socket.write(`CONNECT {"verbose":false,"pedantic":false}${lineEnd}SUB ${this.#inbox} 1${lineEnd}`)
  }

  static async open(host: string, port: number): Promise<NatsConnection> {
    let socket: Socket | undefined
    const isOpen = async () => {
      socket = await tryConnect(host, port)
      return socket !== undefined
    }
    await until(isOpen, connectWithinMs, 10)
    if (!socket) throw new Error(`nats-server was expected to listen on port ${port}.`)
    return new NatsConnection(socket)
  }

  /** The bytes that publish `payload` once, to be answered in this connection's inbox. */
  encode(subject: string, payload: Buffer): Buffer {
    const head = Buffer.from(`PUB ${subject} ${this.#inbox} ${payload.length}${lineEnd}`)
    return Buffer.concat([head, payload, Buffer.from(lineEnd)])
  }

  write(bytes: Buffer): void {
    this.#socket.write(bytes)
  }

  /** Sends JSON and resolves to the answer; rejects when it holds an error. */
  async request(subject: string, body: unknown): Promise<void> {
    let answer: { readonly error?: unknown } | undefined
    this.onAnswer = (bytes) => {
      answer = JSON.parse(bytes.toString())
    }
    this.write(this.encode(subject, Buffer.from(JSON.stringify(body))))
    await until(() => answer !== undefined, answerWithinMs, 2)
    if (!answer || answer.error)
      throw new Error(`nats-server answered ${subject} with ${JSON.stringify(answer)}`)
  }

  close(): void {
    this.#socket.destroy()
  }

  #read(chunk: Buffer): void {
    const bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk
    let at = 0
    for (;;) {
      const lineStop = bytes.indexOf(lineEnd, at)
      if (lineStop < 0) break
      const line = bytes.toString('latin1', at, lineStop)
      const bodyAt = lineStop + lineEnd.length
      if (line.startsWith('MSG ')) {
        const length = Number(line.slice(line.lastIndexOf(' ') + 1))
        if (bodyAt + length + lineEnd.length > bytes.length) break
        this.onAnswer(bytes.subarray(bodyAt, bodyAt + length))
        at = bodyAt + length + lineEnd.length
        continue
      }
      if (line === 'PING') this.#socket.write(`PONG${lineEnd}`)
      if (line.startsWith('-ERR')) throw new Error(`nats-server said ${line}`)
      at = bodyAt
    }
    this.#rest = bytes.subarray(at)
  }
}

function tryConnect(host: string, port: number): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, noDelay: true })
    socket.once('error', () => resolve(undefined))
    socket.once('connect', () => resolve(socket))
  })
}
