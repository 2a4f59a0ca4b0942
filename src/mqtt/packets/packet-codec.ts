import type { Packet, PacketOf, PacketType, ProtocolVersion } from './packet.ts'
import type { Reader, Sender } from './reader.ts'

/** One control packet: what an item of this shelf tells. */
export interface PacketCodec<T extends PacketType = PacketType> {
  readonly type: T
  /** The high four bits of the first byte. */
  readonly code: number
  /** The low four bits that the standard demands; undefined where they carry something. */
  readonly flags?: number | undefined
  readonly sentBy: Sender | 'both'
  /** Reads what follows the fixed header, to its end. */
  decode(reader: Reader, flags: number): PacketOf<T>
  /** The low four bits of the first byte of this packet, where they carry something. */
  flagsOf?(packet: PacketOf<T>): number
  /** Remaining Length: of all that follows the fixed header. */
  bodyBytes(packet: PacketOf<T>, version: ProtocolVersion): number
  /** Writes that many bytes. */
  putBody(bytes: Buffer, at: number, packet: PacketOf<T>, version: ProtocolVersion): number
  /** Judged by the contract test: each is encoded and decoded, cut at every byte, and held beside another codec. */
  readonly examples: readonly Example<T>[]
}

export interface Example<T extends PacketType = PacketType> {
  readonly packet: PacketOf<T>
  /** The versions that can say this; both when absent. */
  readonly versions?: readonly ProtocolVersion[]
}

/** Any packet's codec, for the decoder: the first byte has chosen it. */
export interface AnyCodec {
  readonly type: PacketType
  readonly code: number
  readonly flags?: number | undefined
  readonly sentBy: Sender | 'both'
  decode(reader: Reader, flags: number): Packet
}
