import { packets } from './index.ts'
import { MalformedPacket } from './malformed-packet.ts'
import type { Packet, PacketOf, PacketType, ProtocolVersion } from './packet.ts'
import type { AnyCodec } from './packet-codec.ts'
import { Reader, type Sender } from './reader.ts'
import { reasonCodes } from './reason-codes.ts'

/** What is to be done with each packet. A packet that has no method here is refused as a protocol error. */
export type PacketHandler = { [T in PacketType]?: (packet: PacketOf<T>) => void }

export interface DecoderOptions {
  /** Who sends what is decoded. */
  readonly from: Sender
  readonly handler: PacketHandler
  /** Of a whole packet, its fixed header included. A larger one is refused before its body is kept. */
  readonly maxPacketBytes: number
  /** For a client, which chose it. A server learns it from CONNECT, which must come first and only once. */
  readonly protocolVersion?: ProtocolVersion
}

/**
 * The bytes of one connection become packets, however they were cut on the way. Every packet has a fixed header:
 *
 *     bit   7 6 5 4        3 2 1 0
 *         +--------------+---------+--------------------------+---
 *         | packet type  | flags   | Remaining Length (1..4)  | variable header, payload
 *         +--------------+---------+--------------------------+---
 *
 * What breaks the standard is thrown as `MalformedPacket`, and the decoder takes nothing after it.
 *
 * Source: MQTT Version 5.0, 2.1 "Structure of an MQTT Control Packet"; MQTT Version 3.1.1, 2
 */
export class Decoder {
  /** It may change while the connection lasts: a server may know its limit only after CONNECT. */
  maxPacketBytes: number
  protocolVersion: ProtocolVersion | undefined
  readonly #handler: PacketHandler
  readonly #reader: Reader
  /** The beginning of a packet whose end has not come, or all that came while paused. Ours: nobody else sees it. */
  #rest: Buffer = nothing
  #restBytes = 0
  /** How many bytes the packet in `rest` has in all; 0 while its length has not come. */
  #awaitedBytes = 0
  #paused = false
  #stopped = false
  #decoding = false
  #overlong = false

  constructor({ from, handler, maxPacketBytes, protocolVersion }: DecoderOptions) {
    this.#handler = handler
    this.maxPacketBytes = maxPacketBytes
    this.protocolVersion = protocolVersion
    this.#reader = new Reader(from)
    this.#reader.agreed = protocolVersion
    if (protocolVersion !== undefined) this.#reader.version = protocolVersion
  }

  /** How much has come and was not decoded yet. */
  get bufferedBytes(): number {
    return this.#restBytes
  }

  /**
   * Hands every packet that is complete to the handler, before it returns. What a packet shows of the chunk (a payload,
   * a password, correlation data) is a view, good until the handler's method returns: the chunk may be used again.
   */
  push(chunk: Buffer): void {
    if (this.#stopped) return
    let at = 0
    while (this.#restBytes > 0 && at < chunk.length && !this.#paused) {
      at = this.#fill(chunk, at)
      if (this.#awaitedBytes !== 0 && this.#restBytes === this.#awaitedBytes) this.#decodeRest()
      if (this.#stopped) return
    }
    if (at === chunk.length) return
    if (this.#paused) this.#keep(chunk, at)
    else this.#decode(chunk, at, chunk.length)
  }

  /** From inside the handler: nothing after this packet is decoded until `resume`. */
  pause(): void {
    this.#paused = true
  }

  /** Goes on with what came meanwhile, at once, unless it is called from the handler. */
  resume(): void {
    this.#paused = false
    if (this.#decoding || this.#restBytes === 0 || this.#stopped) return
    this.#decodeRest()
  }

  /** The connection ends: whatever came or comes is dropped. */
  stop(): void {
    this.#stopped = true
    this.#rest = nothing
    this.#restBytes = 0
  }

  #decodeRest(): void {
    const { buffer, byteOffset } = this.#rest
    const bytes = Buffer.from(buffer, byteOffset, this.#restBytes)
    this.#rest = nothing
    this.#restBytes = 0
    this.#awaitedBytes = 0
    this.#decode(bytes, 0, bytes.length)
  }

  #decode(bytes: Buffer, from: number, end: number): void {
    this.#decoding = true
    try {
      const at = this.#decodePackets(bytes, from, end)
      if (at < end && !this.#stopped) this.#keep(bytes, at)
    } catch (error) {
      this.stop()
      throw error
    } finally {
      this.#decoding = false
      // An idle connection must not keep the chunk that came last.
      this.#reader.bytes = nothing
    }
  }

  /** Says where the first byte stands that belongs to no complete packet. */
  #decodePackets(bytes: Buffer, from: number, end: number): number {
    let at = from
    while (at < end && !this.#paused && !this.#stopped) {
      const first = bytes[at] as number
      const codec = this.#admit(first)
      const bodyAt = this.#bodyAt(bytes, at, end)
      if (bodyAt === 0) break
      const bodyEnd = bodyAt + this.#bodyBytes
      this.#checkSize(bodyEnd - at)
      if (bodyEnd > end) {
        this.#awaitedBytes = bodyEnd - at
        return at
      }
      this.#decodePacket(codec, first, bytes, bodyAt, bodyEnd)
      at = bodyEnd
    }
    this.#awaitedBytes = 0
    return at
  }

  #decodePacket(codec: AnyCodec, first: number, bytes: Buffer, from: number, end: number): void {
    const reader = this.#reader
    reader.bytes = bytes
    reader.at = from
    reader.end = end
    const packet = codec.decode(reader, first & 0x0f)
    if (reader.at !== end) reader.finish(packet.type.toUpperCase())
    if (packet.type === 'publish') this.#handler.publish?.(packet)
    else if (packet.type === 'puback') this.#handler.puback?.(packet)
    else this.#hand(packet)
  }

  #hand(packet: Packet): void {
    if (packet.type === 'connect') this.#agree(packet.protocolVersion)
    const method = this.#handler[packet.type] as ((packet: Packet) => void) | undefined
    method?.call(this.#handler, packet)
  }

  #agree(version: ProtocolVersion): void {
    this.protocolVersion = version
    // Only 5.0 forbids it, and which version it is comes after the length.
    if (this.#overlong && version === 5) throw this.#overlongLength()
  }

  /** Judges the first byte alone, before anything else of the packet has come. */
  #admit(first: number): AnyCodec {
    const codec = codecs[first >>> 4]
    const version = this.protocolVersion
    const reader = this.#reader
    if (codec === undefined || (codec.code === 15 && version === 4))
      throw reader.malformed(`there is no packet type ${first >>> 4}`, 'MQTT 5.0, 2.1.2', 'MQTT 3.1.1, 2.2.1')
    const { type } = codec
    if (version === undefined) {
      if (codec.code !== 1) throw this.#notConnect(type)
    } else if (codec.code === 1 && reader.sender === 'client') {
      throw reader.protocolError('a second CONNECT came', 'MQTT-3.1.0-2')
    }
    if (codec.flags !== undefined && codec.flags !== (first & 0x0f))
      throw reader.malformed(
        `the flags of ${type.toUpperCase()} are ${first & 0x0f}: ${codec.flags} was expected`,
        'MQTT-2.1.3-1',
        'MQTT-2.2.2-2',
      )
    if (this.#handler[type] === undefined || (codec.sentBy !== 'both' && codec.sentBy !== reader.sender))
      throw reader.protocolError(
        `${type.toUpperCase()} is not for a ${reader.sender} to send`,
        'MQTT 5.0, 2.1.2',
      )
    return codec
  }

  #notConnect(type: PacketType): MalformedPacket {
    return new MalformedPacket(`the first packet is ${type.toUpperCase()}, not CONNECT`, {
      reasonCode: reasonCodes.protocolError,
      clause: 'MQTT-3.1.0-1',
    })
  }

  #bodyBytes = 0

  /** Reads Remaining Length into `bodyBytes` and says where the body begins, or 0 when the length has not all come. */
  #bodyAt(bytes: Buffer, at: number, end: number): number {
    let value = 0
    for (let index = 0; index < 4; index++) {
      const from = at + 1 + index
      if (from >= end) return 0
      const byte = bytes[from] as number
      value |= (byte & 0x7f) << (7 * index)
      if (byte < 0x80) {
        this.#overlong = byte === 0 && index > 0
        if (this.#overlong && this.protocolVersion === 5) throw this.#overlongLength()
        this.#bodyBytes = value
        return from + 1
      }
    }
    throw this.#reader.malformed(
      'Remaining Length has more than four bytes',
      'MQTT 5.0, 1.5.5',
      'MQTT 3.1.1, 2.2.3',
    )
  }

  #checkSize(packetBytes: number): void {
    if (packetBytes <= this.maxPacketBytes) return
    throw this.#reader.refusal(
      reasonCodes.packetTooLarge,
      `a packet has ${packetBytes} bytes: ${this.maxPacketBytes} is the most`,
      'MQTT 5.0, 3.2.2.3.6',
    )
  }

  #overlongLength(): MalformedPacket {
    return this.#reader.malformed('Remaining Length is longer than its value needs', 'MQTT-1.5.5-1')
  }

  /** Takes as much of the chunk as completes the packet in `rest`, or its header; says where the chunk goes on. */
  #fill(chunk: Buffer, at: number): number {
    if (this.#awaitedBytes === 0) {
      this.#keep(chunk, at, at + 1)
      const bodyAt = this.#bodyAt(this.#rest, 0, this.#restBytes)
      if (bodyAt === 0) return at + 1
      this.#checkSize(bodyAt + this.#bodyBytes)
      this.#awaitedBytes = bodyAt + this.#bodyBytes
      return at + 1
    }
    const end = Math.min(chunk.length, at + this.#awaitedBytes - this.#restBytes)
    this.#keep(chunk, at, end)
    return end
  }

  /** Memory grows with what really came, not with what a length promises. */
  #keep(bytes: Buffer, from: number, end = bytes.length): void {
    const needed = this.#restBytes + end - from
    if (needed > this.#rest.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, Math.min(this.#rest.length * 2, this.#awaitedBytes)))
      larger.set(this.#rest.subarray(0, this.#restBytes))
      this.#rest = larger
    }
    this.#rest.set(bytes.subarray(from, end), this.#restBytes)
    this.#restBytes = needed
  }
}

const nothing = Buffer.alloc(0)

/** By the high four bits of the first byte. */
const codecs: readonly (AnyCodec | undefined)[] = Array.from({ length: 16 }, (_, code) =>
  Object.values<AnyCodec>(packets).find((codec) => codec.code === code),
)
