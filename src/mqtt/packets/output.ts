/**
 * Bytes on their way out: one growing buffer that encoders write into, so that no packet costs a buffer of its own.
 * The one who holds it takes all that was written in one piece, once per turn of the event loop.
 */
export class Output {
  /** Where encoders write: read it again after `reserve`, which may have replaced it by a larger one. */
  bytes: Buffer
  /** How many bytes are written; an encoder moves it on. */
  length = 0
  readonly #firstBytes: number

  constructor(firstBytes = 1024) {
    this.#firstBytes = firstBytes
    this.bytes = empty
  }

  /** Makes room for `count` more bytes and says where they begin; the caller writes them and moves `length` on. */
  reserve(count: number): number {
    const needed = this.length + count
    if (needed > this.bytes.length) this.#grow(needed)
    return this.length
  }

  /** Appends bytes as they are. */
  write(bytes: Uint8Array): void {
    const at = this.reserve(bytes.length)
    this.bytes.set(bytes, at)
    this.length = at + bytes.length
  }

  /** All that was written, which now belongs to the caller; the next packet begins a new buffer. */
  take(): Buffer {
    const taken = this.bytes.subarray(0, this.length)
    this.bytes = empty
    this.length = 0
    return taken
  }

  #grow(needed: number): void {
    const larger = Buffer.allocUnsafe(Math.max(needed, this.bytes.length * 2, this.#firstBytes))
    larger.set(this.bytes.subarray(0, this.length))
    this.bytes = larger
  }
}

const empty = Buffer.alloc(0)
