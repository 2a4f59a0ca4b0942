import { endOfChunks, joinChunks } from './chunked-body.ts'

/** Called for each whole message. `body` is valid only during the call. */
export type OnMessage = (head: string, body: Buffer) => void

const endOfHead = Buffer.from('\r\n\r\n')
const noBody = Buffer.alloc(0)
const contentLength = /\r\ncontent-length: *(\d+)/i
const chunked = /\r\ntransfer-encoding: *chunked/i

/**
 * Cuts the bytes of a connection into HTTP/1.1 messages, requests or responses alike. Knows what a load generator
 * meets: a length, chunks, or no body.
 */
export class MessageReader {
  readonly #onMessage: OnMessage
  #pending: Buffer[] = []
  #pendingBytes = 0
  /** Nothing can be cut before so many bytes are there. */
  #neededBytes = 1

  constructor(onMessage: OnMessage) {
    this.#onMessage = onMessage
  }

  push(chunk: Buffer): void {
    this.#pending.push(chunk)
    this.#pendingBytes += chunk.length
    if (this.#pendingBytes < this.#neededBytes) return
    const bytes = this.#pending.length === 1 ? chunk : Buffer.concat(this.#pending, this.#pendingBytes)
    const rest = bytes.subarray(this.#cut(bytes))
    this.#pending = rest.length > 0 ? [rest] : []
    this.#pendingBytes = rest.length
  }

  /** Hands out every whole message and returns where the first unfinished one begins. */
  #cut(bytes: Buffer): number {
    let at = 0
    while (at < bytes.length) {
      const headEnd = bytes.indexOf(endOfHead, at)
      if (headEnd < 0) {
        this.#neededBytes = bytes.length - at + 1
        return at
      }
      const head = bytes.toString('latin1', at, headEnd + 2)
      const bodyAt = headEnd + endOfHead.length
      const length = contentLength.exec(head)
      if (length) {
        const end = bodyAt + Number(length[1])
        if (end > bytes.length) {
          this.#neededBytes = end - at
          return at
        }
        this.#onMessage(head, bytes.subarray(bodyAt, end))
        at = end
      } else if (chunked.test(head)) {
        const end = endOfChunks(bytes, bodyAt)
        if (end === undefined) {
          this.#neededBytes = bytes.length - at + 1
          return at
        }
        this.#onMessage(head, joinChunks(bytes, bodyAt))
        at = end
      } else {
        this.#onMessage(head, noBody)
        at = bodyAt
      }
    }
    this.#neededBytes = 1
    return at
  }
}
