import { packets } from './index.ts'
import type { Output } from './output.ts'
import type { Packet, ProtocolVersion, PublishPacket, ReasonProperties } from './packet.ts'
import type { PacketCodec } from './packet-codec.ts'
import { publish } from './publish.ts'
import { putUint16, putVarint, varintBytes } from './writer.ts'

/** Appends any packet. What the version cannot say (properties and reason codes in 3.1.1) is left out. */
export function encode(output: Output, packet: Packet, version: ProtocolVersion): void {
  const codec = codecOf(packet)
  append(output, codec, packet, version, codec.bodyBytes(packet, version))
}

/** As `encode`, for what there is most of. */
export function encodePublish(output: Output, packet: PublishPacket, version: ProtocolVersion): void {
  append(output, publish, packet, version, publish.bodyBytes(packet, version))
}

/** The whole packet with its fixed header, to hold beside a Maximum Packet Size. */
export function encodedBytes(packet: Packet, version: ProtocolVersion): number {
  const bodyBytes = codecOf(packet).bodyBytes(packet, version)
  return 1 + varintBytes(bodyBytes) + bodyBytes
}

const acknowledgements = { puback: 0x40, pubrec: 0x50, pubrel: 0x62, pubcomp: 0x70 }

/** PUBACK, PUBREC, PUBREL or PUBCOMP, without a packet object where it has no properties. */
export function encodeAck(
  output: Output,
  type: keyof typeof acknowledgements,
  version: ProtocolVersion,
  packetId: number,
  reasonCode = 0,
  properties?: ReasonProperties,
): void {
  if (properties !== undefined) {
    encode(output, { type, packetId, reasonCode, properties }, version)
    return
  }
  const bodyBytes = version === 4 || reasonCode === 0 ? 2 : 3
  const at = output.reserve(2 + bodyBytes)
  const { bytes } = output
  bytes[at] = acknowledgements[type]
  bytes[at + 1] = bodyBytes
  putUint16(bytes, at + 2, packetId)
  if (bodyBytes === 3) bytes[at + 4] = reasonCode
  output.length = at + 2 + bodyBytes
}

function append<P extends Packet>(
  output: Output,
  codec: Pick<PacketCodec<P['type']>, 'code' | 'flags' | 'flagsOf' | 'putBody'>,
  packet: P,
  version: ProtocolVersion,
  bodyBytes: number,
): void {
  if (bodyBytes > mostBodyBytes)
    throw new RangeError(`a ${packet.type} of ${bodyBytes} bytes: MQTT has at most ${mostBodyBytes}`)
  const at = output.reserve(1 + varintBytes(bodyBytes) + bodyBytes)
  const { bytes } = output
  bytes[at] = (codec.code << 4) | (codec.flags ?? codec.flagsOf?.(packet as never) ?? 0)
  output.length = codec.putBody(bytes, putVarint(bytes, at + 1, bodyBytes), packet as never, version)
}

/** What four bytes of Remaining Length can say. */
const mostBodyBytes = 0xfffffff

/** The packet's type has chosen the codec, which no type can follow. */
const codecOf = (packet: Packet) => packets[packet.type] as unknown as PacketCodec
