import assert from 'node:assert/strict'
import { Decoder, type PacketHandler } from '../../src/mqtt/packets/decoder.ts'
import { encode } from '../../src/mqtt/packets/encoder.ts'
import { packets } from '../../src/mqtt/packets/index.ts'
import { MalformedPacket } from '../../src/mqtt/packets/malformed-packet.ts'
import { Output } from '../../src/mqtt/packets/output.ts'
import type { Packet, PacketType, ProtocolVersion } from '../../src/mqtt/packets/packet.ts'
import type { Sender } from '../../src/mqtt/packets/reader.ts'
import { createRandom } from '../../src/testing/random.ts'
import { createCorpus, mutate } from './mqtt-mutations.ts'

export interface PacketFuzz {
  readonly packets: number
  readonly seed: number
}

export interface PacketFuzzResult {
  readonly understood: number
  readonly refused: number
}

/**
 * Mutated packets through the decoder, from clients and servers of both versions, whole and cut in two. Each is
 * refused with `MalformedPacket` or understood, and what was understood can be said again, in the same bytes as the
 * time before. Anything else is thrown, with the bytes that did it.
 */
export function fuzzPackets({ packets: count, seed }: PacketFuzz): PacketFuzzResult {
  const random = createRandom(seed)
  const kinds = (['client', 'server'] as const).flatMap((sender) =>
    ([4, 5] as const).map((version) => ({
      sender,
      version,
      corpus: createCorpus(random, sender, version, 1000),
    })),
  )
  let understood = 0
  for (let index = 0; index < count; index++) {
    const { sender, version, corpus } = kinds[index & 3] as (typeof kinds)[number]
    const bytes = mutate(corpus[random.below(corpus.length)] as Buffer, corpus, random)
    if (feed(bytes, sender, version, random.below(bytes.length + 1))) understood++
  }
  return { understood, refused: count - understood }
}

const maxPacketBytes = 100_000

/** Whether it was understood, or might be if more came. */
function feed(bytes: Buffer, sender: Sender, version: ProtocolVersion, cut: number): boolean {
  try {
    const decoder = decoderFor(bytes, sender, version, (packet, spoken) => checkAgain(packet, sender, spoken))
    decoder.push(bytes.subarray(0, cut))
    decoder.push(bytes.subarray(cut))
    return true
  } catch (error) {
    if (error instanceof MalformedPacket && error.clause !== '' && error.reasonCode >= 0x80) return false
    throw new Error(`MQTT ${version} from a ${sender}: ${bytes.toString('hex')}`, { cause: error })
  }
}

/** What was understood is encoded, understood again, and encoded to the same bytes. */
function checkAgain(packet: Packet, sender: Sender, version: ProtocolVersion): void {
  const first = encoded(packet, version)
  let again = 0
  const decoder = decoderFor(first, sender, version, (other) => {
    again++
    assert.ok(encoded(other, version).equals(first))
  })
  decoder.push(first)
  assert.equal(again, 1)
}

function encoded(packet: Packet, version: ProtocolVersion): Buffer {
  const output = new Output()
  encode(output, packet, version)
  return output.take()
}

function decoderFor(
  bytes: Buffer,
  sender: Sender,
  version: ProtocolVersion,
  handle: (packet: Packet, version: ProtocolVersion) => void,
): Decoder {
  const isConnect = sender === 'client' && (bytes[0] ?? 0) >>> 4 === 1
  const decoder: Decoder = new Decoder({
    from: sender,
    maxPacketBytes,
    handler: everyPacket((packet) => handle(packet, decoder.protocolVersion ?? version)),
    ...(!isConnect && { protocolVersion: version }),
  })
  return decoder
}

function everyPacket(handle: (packet: Packet) => void): PacketHandler {
  return Object.fromEntries((Object.keys(packets) as PacketType[]).map((type) => [type, handle]))
}
