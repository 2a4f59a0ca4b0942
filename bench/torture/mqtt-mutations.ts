import { encode } from '../../src/mqtt/packets/encoder.ts'
import { Output } from '../../src/mqtt/packets/output.ts'
import type { ProtocolVersion } from '../../src/mqtt/packets/packet.ts'
import type { Sender } from '../../src/mqtt/packets/reader.ts'
import type { createRandom } from '../../src/testing/random.ts'
import { createRandomPackets } from '../../src/testing/random-packets.ts'

type Random = ReturnType<typeof createRandom>

/** Packets as bytes, every one allowed: what mutations begin with. */
export function createCorpus(
  random: Random,
  sender: Sender,
  version: ProtocolVersion,
  count: number,
): readonly Buffer[] {
  const chance = createRandomPackets(random, sender, version)
  return Array.from({ length: count }, (_, index) => {
    const output = new Output()
    encode(output, chance.next(chance.types[index % chance.types.length]), version)
    return output.take()
  })
}

/** A copy of the packet with up to four changes that chance chose; about one in sixteen comes back as it was. */
export function mutate(packet: Buffer, corpus: readonly Buffer[], random: Random): Buffer {
  let bytes: Buffer = Buffer.from(packet)
  if (random.chance(1 / 16)) return bytes
  for (let changes = 1 + random.below(4); changes > 0; changes--) bytes = mutateOnce(bytes, corpus, random)
  // Most changes of the length would only be refused for it: half of them get the length that they have.
  return random.chance(0.5) ? withItsLength(bytes) : bytes
}

function mutateOnce(bytes: Buffer, corpus: readonly Buffer[], random: Random): Buffer {
  const at = random.below(bytes.length + 1)
  switch (random.below(8)) {
    case 0:
      bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8))
      return bytes
    case 1:
      bytes[at] = interesting[random.below(interesting.length)] ?? 0
      return bytes
    case 2:
      bytes[at] = random.below(256)
      return bytes
    case 3:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random.below(8))])
    case 4:
      return Buffer.concat([
        bytes.subarray(0, at),
        Buffer.alloc(1 + random.below(8), random.below(256)),
        bytes.subarray(at),
      ])
    case 5:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(random.below(bytes.length + 1))])
    case 6:
      return bytes.subarray(0, at)
    default: {
      const other = corpus[random.below(corpus.length)] ?? bytes
      return Buffer.concat([bytes.subarray(0, at), other.subarray(random.below(other.length))])
    }
  }
}

/** Bytes that stand at a border of something in MQTT. */
const interesting = [0, 1, 2, 3, 4, 0x0b, 0x23, 0x26, 0x2b, 0x7f, 0x80, 0xc0, 0xd8, 0xed, 0xf4, 0xff]

function withItsLength(bytes: Buffer): Buffer {
  let bodyAt = 1
  while (bodyAt < 4 && (bytes[bodyAt] ?? 0) >= 0x80) bodyAt++
  const body = bytes.subarray(bodyAt + 1)
  const { length } = body
  const head =
    length < 128
      ? [length]
      : length < 16_384
        ? [(length & 0x7f) | 0x80, length >> 7]
        : [(length & 0x7f) | 0x80, ((length >> 7) & 0x7f) | 0x80, length >> 14]
  return Buffer.concat([bytes.subarray(0, 1), Buffer.from(head), body])
}
