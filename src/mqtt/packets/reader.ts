import { isUtf8 } from 'node:buffer'
import { MalformedPacket } from './malformed-packet.ts'
import type { ProtocolVersion } from './packet.ts'
import { reasonCodes } from './reason-codes.ts'

/** Who sent the packet: some packets, properties and reason codes are one side's alone. */
export type Sender = 'client' | 'server'

const nothing = Buffer.alloc(0)

/**
 * Reads the body of one packet from front to back. A decoder has one reader for all its packets. Whatever lies outside
 * of the packet is out of reach: each method throws `MalformedPacket` where the bytes end too early or break a rule.
 *
 * Source: MQTT Version 5.0, 1.5 "Data representation"; MQTT Version 3.1.1, 1.5
 */
export class Reader {
  bytes: Buffer = nothing
  at = 0
  end = 0
  version: ProtocolVersion = 5
  /** The version that both sides know; undefined until CONNECT has said it. */
  agreed: ProtocolVersion | undefined
  readonly sender: Sender
  #lastTopicName = ''
  #topicNames: string[] | undefined

  constructor(sender: Sender) {
    this.sender = sender
  }

  get left(): number {
    return this.end - this.at
  }

  byte(): number {
    if (this.at >= this.end) throw this.#short('a byte')
    return this.bytes[this.at++] as number
  }

  uint16(): number {
    const { at, bytes } = this
    if (at + 2 > this.end) throw this.#short('a two byte integer')
    this.at = at + 2
    return ((bytes[at] as number) << 8) | (bytes[at + 1] as number)
  }

  uint32(): number {
    const { at, bytes } = this
    if (at + 4 > this.end) throw this.#short('a four byte integer')
    this.at = at + 4
    return (
      (bytes[at] as number) * 0x1000000 +
      (((bytes[at + 1] as number) << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number))
    )
  }

  /**
   * Seven bits a byte, the lowest first; the eighth says that another follows; four bytes at most, and no more than
   * the value needs [MQTT-1.5.5-1].
   */
  varint(): number {
    let value = 0
    for (let shift = 0; shift <= 21; shift += 7) {
      const byte = this.byte()
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) {
        if (byte === 0 && shift > 0)
          throw this.malformed('a variable byte integer is longer than its value needs', 'MQTT-1.5.5-1')
        return value
      }
    }
    throw this.malformed('a variable byte integer has more than four bytes', 'MQTT 5.0, 1.5.5')
  }

  /** A view of the bytes: good as long as they are. */
  binary(): Buffer {
    const length = this.uint16()
    const from = this.at
    if (from + length > this.end) throw this.#short(`${length} bytes`)
    this.at = from + length
    return this.bytes.subarray(from, from + length)
  }

  text(): string {
    const length = this.uint16()
    const from = this.at
    const end = from + length
    if (end > this.end) throw this.#short(`a string of ${length} bytes`)
    this.at = end
    return this.#textBetween(from, end)
  }

  /**
   * A topic name: text without wildcards, empty or not. Names that came before on this connection are not decoded
   * again: they are found by their bytes, and come back as the very same string, whose hash a map has already.
   */
  topicName(): string {
    const length = this.uint16()
    const { bytes, at } = this
    const end = at + length
    if (end > this.end) throw this.#short(`a topic name of ${length} bytes`)
    this.at = end
    if (sameText(this.#lastTopicName, bytes, at, length)) return this.#lastTopicName
    if (length > longestKeptName) return this.#newTopicName(at, end)

    let hash = length
    for (let index = at; index < end; index++) hash = (Math.imul(hash, 31) + (bytes[index] as number)) | 0
    const slot = (hash ^ (hash >>> 15)) & (keptNames - 1)
    const kept = this.#topicNames?.[slot]
    if (kept !== undefined && sameText(kept, bytes, at, length)) {
      this.#lastTopicName = kept
      return kept
    }
    const name = this.#newTopicName(at, end)
    // Only ASCII is kept: then one character is one byte, and no copy of the bytes is needed to compare.
    if (name.length === length) {
      if (this.#lastTopicName !== '') {
        this.#topicNames ??= new Array<string>(keptNames).fill('')
        this.#topicNames[slot] = name
      }
      this.#lastTopicName = name
    }
    return name
  }

  /** [MQTT-2.2.1-3], [MQTT-2.2.1-4] of 5.0; [MQTT-2.3.1-1] of 3.1.1. */
  packetId(): number {
    const packetId = this.uint16()
    if (packetId === 0) throw this.protocolError('the packet identifier is 0', 'MQTT-2.2.1-3', 'MQTT-2.3.1-1')
    return packetId
  }

  /** Nothing may follow what a packet consists of. */
  finish(packet: string): void {
    if (this.at !== this.end)
      throw this.malformed(`${this.end - this.at} bytes follow the end of ${packet}`, 'MQTT 5.0, 2.1.4')
  }

  malformed(problem: string, clause: string, clauseOf311 = clause): MalformedPacket {
    return this.refusal(reasonCodes.malformedPacket, problem, clause, clauseOf311)
  }

  protocolError(problem: string, clause: string, clauseOf311 = clause): MalformedPacket {
    return this.refusal(reasonCodes.protocolError, problem, clause, clauseOf311)
  }

  refusal(reasonCode: number, problem: string, clause: string, clauseOf311 = clause): MalformedPacket {
    return new MalformedPacket(problem, {
      reasonCode,
      clause: this.version === 5 ? clause : clauseOf311,
      answerIn: this.agreed,
    })
  }

  #textBetween(from: number, end: number): string {
    const { bytes } = this
    let seen = 0
    let zero = false
    for (let index = from; index < end; index++) {
      const byte = bytes[index] as number
      seen |= byte
      if (byte === 0) zero = true
    }
    if (zero) throw this.malformed('a string contains U+0000', 'MQTT-1.5.4-2', 'MQTT-1.5.3-2')
    if (seen < 0x80) return bytes.toString('latin1', from, end)
    // Overlong forms, surrogates and what lies beyond U+10FFFF are no UTF-8. U+FEFF stays where it is [MQTT-1.5.4-3].
    if (!isUtf8(bytes.subarray(from, end)))
      throw this.malformed('a string is not UTF-8', 'MQTT-1.5.4-1', 'MQTT-1.5.3-1')
    return bytes.toString('utf8', from, end)
  }

  #newTopicName(from: number, end: number): string {
    const name = this.#textBetween(from, end)
    if (name.includes('#') || name.includes('+'))
      throw this.refusal(
        reasonCodes.topicNameInvalid,
        `the topic name ${JSON.stringify(shown(name))} contains a wildcard`,
        'MQTT-3.3.2-2',
      )
    return name
  }

  #short(expected: string): MalformedPacket {
    return this.malformed(`the packet ends where ${expected} should be`, 'MQTT 5.0, 2.1.4')
  }
}

/** A power of two. */
const keptNames = 64
const longestKeptName = 256

/** Whether the bytes are this text, which is ASCII and not empty. */
function sameText(text: string, bytes: Uint8Array, at: number, length: number): boolean {
  if (text.length !== length || length === 0) return false
  for (let index = 0; index < length; index++) {
    if (text.charCodeAt(index) !== bytes[at + index]) return false
  }
  return true
}

/** The beginning of a text that a stranger sent, for a message. */
export const shown = (text: string) => (text.length > 64 ? `${text.slice(0, 64)}…` : text)
