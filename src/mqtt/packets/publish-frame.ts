import { encodePublish } from './encoder.ts'
import { Output } from './output.ts'
import type { ProtocolVersion, PublishPacket } from './packet.ts'
import { textBytes } from './writer.ts'

/**
 * A PUBLISH that goes to many: encoded once for a version, a QoS and a RETAIN, and then copied, where only the packet
 * id and DUP differ.
 */
export interface PublishFrame {
  /** The whole packet. Whoever changes them copies them first. */
  readonly bytes: Buffer
  /** Where the packet id stands; -1 at QoS 0, when `bytes` may go out as they are. */
  readonly packetIdAt: number
}

/** @param packet its packet id and DUP do not matter */
export function createPublishFrame(packet: PublishPacket, version: ProtocolVersion): PublishFrame {
  const output = new Output(0)
  encodePublish(output, packet, version)
  const bytes = output.take()
  if (packet.qos === 0) return { bytes, packetIdAt: -1 }
  return { bytes, packetIdAt: bodyAt(bytes) + textBytes(packet.topicName) }
}

export function writePublishFrame(
  output: Output,
  { bytes, packetIdAt }: PublishFrame,
  packetId: number,
  dup: boolean,
): void {
  const at = output.length
  output.write(bytes)
  if (packetIdAt < 0) return
  const written = output.bytes
  written[at] = dup ? (bytes[0] as number) | 8 : (bytes[0] as number) & ~8
  written[at + packetIdAt] = packetId >>> 8
  written[at + packetIdAt + 1] = packetId
}

/** The length is its bytes up to the first without the high bit. */
function bodyAt(bytes: Uint8Array): number {
  let at = 1
  while ((bytes[at] as number) >= 0x80) at++
  return at + 1
}
