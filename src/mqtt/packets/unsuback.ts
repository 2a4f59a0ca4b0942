import { reasonProperties } from './acknowledgement.ts'
import { noProperties, type UnsubackPacket } from './packet.ts'
import type { PacketCodec } from './packet-codec.ts'
import { decodeProperties, propertySectionBytes, putPropertySection } from './properties.ts'
import type { Reader } from './reader.ts'
import { putUint16 } from './writer.ts'

/**
 * The server's answer to UNSUBSCRIBE: in 5.0 with one code for each filter, in order [MQTT-3.11.3-1].
 *
 *   +------+------+-----------+------------------+------------+------------+----
 *   | 0xB0 | left | packet id | properties (5.0) | code (5.0) | code (5.0) | ...
 *   +------+------+-----------+------------------+------------+------------+----
 *
 * Source: MQTT Version 5.0, 3.11; MQTT Version 3.1.1, 3.11
 */
export const unsuback: PacketCodec<'unsuback'> = {
  type: 'unsuback',
  code: 11,
  flags: 0,
  sentBy: 'server',
  decode: decodeUnsuback,

  bodyBytes: ({ reasonCodes, properties }, version) =>
    2 +
    propertySectionBytes(unsubackProperties, properties, version) +
    (version === 5 ? reasonCodes.length : 0),

  putBody(bytes, at, packet, version) {
    let next = putUint16(bytes, at, packet.packetId)
    if (version === 4) return next
    next = putPropertySection(bytes, next, unsubackProperties, packet.properties, version)
    for (const code of packet.reasonCodes) bytes[next++] = code
    return next
  },

  examples: [
    {
      packet: { type: 'unsuback', packetId: 12, reasonCodes: [], properties: noProperties },
      versions: [4],
    },
    {
      packet: { type: 'unsuback', packetId: 12, reasonCodes: [0, 0x11, 0x87], properties: noProperties },
      versions: [5],
    },
    {
      packet: {
        type: 'unsuback',
        packetId: 13,
        reasonCodes: [0],
        properties: { reasonString: 'gone', userProperties: [['a', 'b']] },
      },
      versions: [5],
    },
  ],
}

const unsubackProperties = reasonProperties('UNSUBACK')

const codes: ReadonlySet<number> = new Set([0, 0x11, 0x80, 0x83, 0x87, 0x8f, 0x91])

function decodeUnsuback(reader: Reader): UnsubackPacket {
  const packetId = reader.packetId()
  const reasonCodes: number[] = []
  if (reader.version === 4) {
    reader.finish('UNSUBACK')
    return { type: 'unsuback', packetId, reasonCodes, properties: noProperties }
  }
  const properties: UnsubackPacket['properties'] = decodeProperties(reader, unsubackProperties)
  while (reader.at < reader.end) {
    const code = reader.byte()
    if (!codes.has(code))
      throw reader.protocolError(`0x${code.toString(16)} is no code of UNSUBACK`, 'MQTT-3.11.3-2')
    reasonCodes.push(code)
  }
  if (reasonCodes.length === 0) throw reader.malformed('an UNSUBACK has no code', 'MQTT-3.11.3-1')
  return { type: 'unsuback', packetId, reasonCodes, properties }
}
