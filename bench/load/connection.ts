import { connect, type Socket } from 'node:net'
import { MessageReader } from './message-reader.ts'

/** What became of a request: the status of its answer, or why there was none. */
export type Answer = { readonly status: number; readonly text: string } | { readonly broken: string }

/** One keep-alive connection with one request on it at a time. Connects when first used, and again when cut. */
export class Connection {
  readonly #host: string
  readonly #port: number
  readonly #onAnswer: (answer: Answer) => void
  #socket: Socket | undefined
  #waiting = false

  constructor(url: string, onAnswer: (answer: Answer) => void) {
    const { hostname, port } = new URL(url)
    this.#host = hostname
    this.#port = Number(port)
    this.#onAnswer = onAnswer
  }

  send(request: Buffer): void {
    this.#waiting = true
    this.#socket ??= this.#connect()
    this.#socket.write(request)
  }

  close(): void {
    this.#waiting = false
    this.#socket?.destroy()
    this.#socket = undefined
  }

  #connect(): Socket {
    const socket = connect({ host: this.#host, port: this.#port, noDelay: true })
    const reader = new MessageReader((head, body) => {
      const status = Number(head.slice(9, 12))
      if (/\r\nconnection: *close/i.test(head)) this.#forget(socket)
      this.#answer(
        status < 300 ? { status, text: '' } : { status, text: `${head}\n${body.toString('utf8', 0, 400)}` },
      )
    })
    let reason = 'closed'
    socket.on('data', (chunk: Buffer) => reader.push(chunk))
    socket.on('error', (error: NodeJS.ErrnoException) => {
      reason = error.code ?? error.message
    })
    socket.on('close', () => {
      if (this.#socket !== socket) return
      this.#socket = undefined
      this.#answer({ broken: reason })
    })
    return socket
  }

  #forget(socket: Socket): void {
    this.#socket = undefined
    socket.destroy()
  }

  #answer(answer: Answer): void {
    if (!this.#waiting) return
    this.#waiting = false
    this.#onAnswer(answer)
  }
}
