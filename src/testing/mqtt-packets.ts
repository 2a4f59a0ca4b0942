import { Decoder, type PacketHandler } from '../mqtt/packets/decoder.ts'
import { encode } from '../mqtt/packets/encoder.ts'
import { packets } from '../mqtt/packets/index.ts'
import { Output } from '../mqtt/packets/output.ts'
import type { Packet, PacketType, ProtocolVersion } from '../mqtt/packets/packet.ts'
import type { Sender } from '../mqtt/packets/reader.ts'

/** Every packet type, handed to one function, with no view of the bytes that came in. */
export function everyPacket(handle: (packet: Packet) => void): PacketHandler {
  const types = Object.keys(packets) as PacketType[]
  return Object.fromEntries(types.map((type) => [type, (packet: Packet) => handle(owned(packet))]))
}

/** The packets that these chunks make, from who sends them. */
export function decodeAll(
  chunks: readonly Uint8Array[],
  from: Sender,
  protocolVersion?: ProtocolVersion,
  maxPacketBytes = 1_000_000,
): readonly Packet[] {
  const decoded: Packet[] = []
  const decoder = new Decoder({
    from,
    handler: everyPacket((packet) => decoded.push(packet)),
    maxPacketBytes,
    ...(protocolVersion && { protocolVersion }),
  })
  for (const chunk of chunks) decoder.push(Buffer.from(chunk))
  return decoded
}

export function encodeAll(several: readonly Packet[], version: ProtocolVersion): Buffer {
  const output = new Output()
  for (const packet of several) encode(output, packet, version)
  return output.take()
}

/** Without views, and without what is undefined: what a test compares. */
export function owned<T>(value: T): T {
  if (value instanceof Uint8Array) return Buffer.from(value) as T
  if (Array.isArray(value)) return value.map(owned) as T
  if (typeof value !== 'object' || value === null) return value
  const members = Object.entries(value).filter(([, member]) => member !== undefined)
  return Object.fromEntries(members.map(([name, member]) => [name, owned(member)])) as T
}
