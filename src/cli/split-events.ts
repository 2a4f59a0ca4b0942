import { OperatorError } from '../base/operator-error.ts'

const [space, quote, comma, openArray, backslash, closeArray, openObject, closeObject] = [
  ...Buffer.from(' ",[\\]{}'),
] as [number, number, number, number, number, number, number, number]

/** What was given to be published is not what it should be. */
export class InputError extends OperatorError {}

/** A larger one is no event that any server takes. */
const eventBytes = 64 * 1024 * 1024

/**
 * Cuts a stream of JSON into its objects, as they come: one object, an array of them, one a line, or any of these
 * after another. What is inside an object is not looked at, and goes on byte for byte.
 */
export class EventSplitter {
  /** The beginning of an object that has not ended. */
  #open: Buffer[] = []
  #openBytes = 0
  #depth = 0
  #inText = false
  #escaped = false
  #arrays = 0
  #position = 0

  /** Nothing more comes. Throws when something has begun and not ended. */
  end(): void {
    if (this.#depth > 0) throw new InputError('The input ends in the middle of an event.')
    if (this.#arrays > 0) throw new InputError('The input ends in the middle of an array of events.')
  }

  /** The objects that end in this chunk; to be taken to the end before the next chunk. */
  *add(chunk: Buffer): Generator<Buffer> {
    let start = 0
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at] as number
      if (this.#depth === 0) {
        if (byte === openObject) {
          start = at
          this.#depth = 1
        } else this.#between(byte, at)
        continue
      }
      if (this.#inText) {
        if (this.#escaped) this.#escaped = false
        else if (byte === backslash) this.#escaped = true
        else if (byte === quote) this.#inText = false
      } else if (byte === quote) this.#inText = true
      else if (byte === openObject || byte === openArray) this.#depth++
      else if ((byte === closeObject || byte === closeArray) && --this.#depth === 0) {
        yield this.#close(chunk.subarray(start, at + 1))
        start = at + 1
      }
    }
    if (this.#depth > 0) this.#keep(chunk.subarray(start))
    this.#position += chunk.length
  }

  #between(byte: number, at: number): void {
    if (byte <= space || byte === comma) return
    // A mark of byte order.
    if (this.#position + at < 3 && (byte === 0xef || byte === 0xbb || byte === 0xbf)) return
    if (byte === openArray && this.#arrays === 0) this.#arrays++
    else if (byte === closeArray && this.#arrays > 0) this.#arrays--
    else
      throw new InputError(
        `Events are JSON objects: at byte ${this.#position + at} of the input stands '${String.fromCharCode(byte)}'.`,
      )
  }

  #keep(part: Buffer): void {
    this.#openBytes += part.length
    if (this.#openBytes > eventBytes)
      throw new InputError(`An event of the input is larger than ${eventBytes} bytes.`)
    this.#open.push(Buffer.from(part))
  }

  #close(part: Buffer): Buffer {
    if (this.#open.length === 0) return Buffer.from(part)
    const event = Buffer.concat([...this.#open, part])
    this.#open = []
    this.#openBytes = 0
    return event
  }
}
