import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeAll, encodeAll, owned } from '../../testing/mqtt-packets.ts'
import { createRandom } from '../../testing/random.ts'
import { createRandomPackets } from '../../testing/random-packets.ts'
import { encodedBytes } from './encoder.ts'
import type { Packet } from './packet.ts'

/* What holds for every packet, shown on many that chance made. A failure names its seed. */

for (const version of [4, 5] as const)
  for (const sender of ['client', 'server'] as const) {
    const title = `packets of a ${sender} in MQTT ${version === 4 ? '3.1.1' : '5.0'}`

    test(`${title} come back as they were, in any number and cut anywhere`, () => {
      for (let seed = 1; seed <= 300; seed++) {
        const random = createRandom(seed)
        const chance = createRandomPackets(random, sender, version)
        const packets: Packet[] = []
        for (let count = random.below(20); count >= 0; count--) {
          const packet = chance.next()
          if (packet.type !== 'connect') packets.push(packet)
        }
        const bytes = encodeAll(packets, version)
        assert.equal(
          packets.reduce((sum, packet) => sum + encodedBytes(packet, version), 0),
          bytes.length,
          `seed ${seed}`,
        )
        assert.deepEqual(decodeAll(cutUp(bytes, random), sender, version), owned(packets), `seed ${seed}`)
      }
    })

    test(`${title} are refused or understood when bytes of them change, and what is understood is allowed`, () => {
      for (let seed = 1; seed <= 3000; seed++) {
        const random = createRandom(seed)
        const packet = createRandomPackets(random, sender, version).next()
        const bytes = encodeAll([packet], version)
        for (let changes = 1 + random.below(3); changes > 0; changes--)
          bytes[random.below(bytes.length)] = random.below(256)
        const before = packet.type === 'connect' ? undefined : version
        const understood = orRefused(() => decodeAll([bytes], sender, before))
        for (const other of understood ?? []) {
          const spoken = other.type === 'connect' ? other.protocolVersion : version
          const again = decodeAll([encodeAll([other], spoken)], sender, before)
          assert.deepEqual(again, [other], `seed ${seed}`)
        }
      }
    })
  }

function orRefused<T>(decode: () => T): T | undefined {
  try {
    return decode()
  } catch (error) {
    if (error instanceof Error && error.name === 'MalformedPacket') return undefined
    throw error
  }
}

function cutUp(bytes: Buffer, random: ReturnType<typeof createRandom>): readonly Buffer[] {
  const chunks: Buffer[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = at + 1 + random.below(random.chance(0.3) ? 4 : 400)
    chunks.push(bytes.subarray(at, end))
    at = end
  }
  return chunks
}
