import { AmqpRefusal } from './errors.ts'

/*
 * Cuts what comes from the network into protocol headers and whole frames, so that what decodes them never sees half of
 * one, and no more is held than the largest frame.
 *
 *    header   "AMQP" | protocol | major | minor | revision        8 bytes
 *    frame    size, with itself, 4 bytes | offset | type | 2 bytes | ...
 *
 * Source: OASIS AMQP 1.0, part 2, 2.2 and 2.3
 */

export class FrameCutter {
  readonly #frameBytes: number
  #chunks: Buffer[] = []
  #held = 0
  #headerComes = true
  /** Of the frame that is coming. */
  #size: number | undefined

  constructor(frameBytes: number) {
    this.#frameBytes = frameBytes
  }

  push(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#held += chunk.length
  }

  /** What comes next is a protocol header. */
  expectHeader(): void {
    this.#headerComes = true
  }

  /** The next header or frame; undefined: more must come. Throws what no peer in its right mind sends. */
  next(): Buffer | undefined {
    if (this.#headerComes) {
      if (this.#held < headerBytes) return undefined
      this.#headerComes = false
      return this.#take(headerBytes)
    }
    if (this.#size === undefined) {
      if (this.#held < 4) return undefined
      const size = this.#joined().readUInt32BE(0)
      if (size < 8 || size > this.#frameBytes)
        throw new AmqpRefusal(
          'amqp:connection:framing-error',
          `A frame has from 8 to ${this.#frameBytes} bytes: one of ${size} came.`,
        )
      this.#size = size
    }
    if (this.#held < this.#size) return undefined
    const frame = this.#take(this.#size)
    this.#size = undefined
    return frame
  }

  #joined(): Buffer {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)]
    return this.#chunks[0] as Buffer
  }

  #take(bytes: number): Buffer {
    const all = this.#joined()
    this.#held -= bytes
    this.#chunks = this.#held === 0 ? [] : [all.subarray(bytes)]
    return all.subarray(0, bytes)
  }
}

export const headerBytes = 8

export type ProtocolId = 'amqp' | 'sasl'

/** Undefined: neither AMQP 1.0 nor its SASL layer. */
export function decodeProtocolHeader(header: Buffer): ProtocolId | undefined {
  if (header.toString('latin1', 0, 4) !== 'AMQP') return undefined
  if (header[5] !== 1 || header[6] !== 0 || header[7] !== 0) return undefined
  return header[4] === 0 ? 'amqp' : header[4] === 3 ? 'sasl' : undefined
}

/** What is answered to a peer that speaks something else. */
export const amqpHeader: Buffer = Buffer.from([0x41, 0x4d, 0x51, 0x50, 0, 1, 0, 0])
