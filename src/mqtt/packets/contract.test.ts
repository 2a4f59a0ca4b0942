import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeAll, encodeAll, owned } from '../../testing/mqtt-packets.ts'
import { encodedBytes } from './encoder.ts'
import { packets } from './index.ts'
import { MalformedPacket } from './malformed-packet.ts'
import type { Packet, ProtocolVersion } from './packet.ts'
import type { PacketCodec } from './packet-codec.ts'
import type { Sender } from './reader.ts'

/* What every packet of the shelf keeps to, shown on its own examples. */

for (const codec of Object.values(packets) as unknown as readonly PacketCodec[])
  for (const version of [4, 5] as const)
    for (const [number, packet] of examplesOf(codec, version).entries()) {
      const name = `${codec.type} example ${number + 1} of MQTT ${version === 4 ? '3.1.1' : '5.0'}`
      const bytes = encodeAll([packet], version)
      for (const sender of sendersOf(codec, packet, version)) {
        const decode = (...chunks: Uint8Array[]) => decodeAll(chunks, sender, versionBefore(packet, version))

        test(`${name} from a ${sender} comes back as it was`, () => {
          assert.deepEqual(decode(bytes), [owned(packet)])
          assert.equal(encodedBytes(packet, version), bytes.length)
        })

        test(`${name} from a ${sender} may be cut anywhere`, () => {
          for (let cut = 0; cut <= bytes.length; cut++) {
            assert.deepEqual(decode(bytes.subarray(0, cut), bytes.subarray(cut)), [owned(packet)])
            if (cut < bytes.length) assert.deepEqual(decode(bytes.subarray(0, cut)), [])
          }
          assert.deepEqual(decode(...Array.from(bytes, (byte) => Uint8Array.of(byte))), [owned(packet)])
        })

        if (packet.type !== 'connect')
          test(`${name} from a ${sender} leaves the packets around it alone`, () => {
            assert.deepEqual(decode(Buffer.concat([bytes, bytes, bytes])), Array(3).fill(owned(packet)))
          })

        test(`${name} from a ${sender}, its end missing, is refused or is another whole packet`, () => {
          const [head, body] = parts(bytes)
          for (let cut = 0; cut < body.length; cut++) {
            const shorter = withLength(head, body.subarray(0, cut))
            const other = orRefused(() => decode(shorter))
            if (other !== undefined) assert.deepEqual(decode(encodeAll(other, version)), other)
          }
        })

        if (!['publish', 'suback', 'unsuback'].includes(packet.type))
          test(`${name} from a ${sender} is refused when something follows it`, () => {
            const [head, body] = parts(bytes)
            const longer = withLength(head, Buffer.concat([body, Buffer.of(0xfe)]))
            assert.throws(() => decode(longer), { name: 'MalformedPacket' })
          })
      }

      if (codec.flags !== undefined)
        test(`${name} is refused with any other flags`, () => {
          for (let flags = 0; flags < 16; flags++) {
            if (flags === codec.flags) continue
            const wrong = Buffer.from(bytes)
            wrong[0] = (codec.code << 4) | flags
            const [sender = 'client'] = sendersOf(codec, packet, version)
            assert.throws(() => decodeAll([wrong], sender, versionBefore(packet, version)), {
              reasonCode: 0x81,
              clause: versionBefore(packet, version) === 4 ? 'MQTT-2.2.2-2' : 'MQTT-2.1.3-1',
            })
          }
        })
    }

function examplesOf(codec: PacketCodec, version: ProtocolVersion): readonly Packet[] {
  return codec.examples
    .filter(({ versions = [4, 5] }) => versions.includes(version))
    .map(({ packet }) => packet)
}

function sendersOf(codec: PacketCodec, packet: Packet, version: ProtocolVersion): readonly Sender[] {
  if (codec.sentBy !== 'both') return [codec.sentBy]
  // Only the server names subscriptions, and in 3.1.1 it never says that it disconnects.
  if (packet.type === 'publish' && packet.properties.subscriptionIdentifiers) return ['server']
  if (packet.type === 'disconnect' && version === 4) return ['client']
  return ['client', 'server']
}

/** A server does not know the version before CONNECT. */
const versionBefore = (packet: Packet, version: ProtocolVersion) =>
  packet.type === 'connect' ? undefined : version

function orRefused<T>(decode: () => T): T | undefined {
  try {
    return decode()
  } catch (error) {
    assert.ok(error instanceof MalformedPacket, `${String(error)} is no refusal`)
    return undefined
  }
}

/** The fixed header and what follows it. */
function parts(bytes: Buffer): [head: Buffer, body: Buffer] {
  let at = 1
  while ((bytes[at] ?? 0) >= 0x80) at++
  return [bytes.subarray(0, at + 1), bytes.subarray(at + 1)]
}

/** The first byte, the length that this body has, and the body; four length bytes never come up here. */
function withLength(head: Buffer, body: Buffer): Buffer {
  const { length } = body
  const bytes = length < 128 ? [length] : [(length & 0x7f) | 0x80, length >> 7]
  return Buffer.concat([head.subarray(0, 1), Buffer.from(bytes), body])
}
