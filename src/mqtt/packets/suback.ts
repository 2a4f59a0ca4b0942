import { reasonProperties } from './acknowledgement.ts'
import { noProperties, type SubackPacket } from './packet.ts'
import type { PacketCodec } from './packet-codec.ts'
import { decodeProperties, propertySectionBytes, putPropertySection } from './properties.ts'
import type { Reader } from './reader.ts'
import { putUint16 } from './writer.ts'

/**
 * The server's answer to SUBSCRIBE: one code for each filter, in order [MQTT-3.9.3-1].
 *
 *   +------+------+-----------+------------------+------+------+----
 *   | 0x90 | left | packet id | properties (5.0) | code | code | ...
 *   +------+------+-----------+------------------+------+------+----
 *
 * Source: MQTT Version 5.0, 3.9; MQTT Version 3.1.1, 3.9
 */
export const suback: PacketCodec<'suback'> = {
  type: 'suback',
  code: 9,
  flags: 0,
  sentBy: 'server',
  decode: decodeSuback,

  bodyBytes: ({ reasonCodes, properties }, version) =>
    2 + propertySectionBytes(subackProperties, properties, version) + reasonCodes.length,

  putBody(bytes, at, packet, version) {
    let next = putUint16(bytes, at, packet.packetId)
    next = putPropertySection(bytes, next, subackProperties, packet.properties, version)
    for (const code of packet.reasonCodes) bytes[next++] = code
    return next
  },

  examples: [
    { packet: { type: 'suback', packetId: 10, reasonCodes: [0, 1, 2, 0x80], properties: noProperties } },
    {
      packet: {
        type: 'suback',
        packetId: 11,
        reasonCodes: [0x87, 0x8f, 0x97],
        properties: { reasonString: 'not one of them', userProperties: [['a', 'b']] },
      },
      versions: [5],
    },
  ],
}

const subackProperties = reasonProperties('SUBACK')

const codes: ReadonlySet<number> = new Set([0, 1, 2, 0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2])
const codesOf311: ReadonlySet<number> = new Set([0, 1, 2, 0x80])

function decodeSuback(reader: Reader): SubackPacket {
  const packetId = reader.packetId()
  const properties: SubackPacket['properties'] =
    reader.version === 5 ? decodeProperties(reader, subackProperties) : noProperties
  const allowed = reader.version === 5 ? codes : codesOf311
  const reasonCodes: number[] = []
  while (reader.at < reader.end) {
    const code = reader.byte()
    if (!allowed.has(code))
      throw reader.protocolError(
        `0x${code.toString(16)} is no code of SUBACK`,
        'MQTT-3.9.3-2',
        'MQTT-3.9.3-2',
      )
    reasonCodes.push(code)
  }
  if (reasonCodes.length === 0)
    throw reader.malformed('a SUBACK has no code', 'MQTT-3.9.3-1', 'MQTT 3.1.1, 3.9.3')
  return { type: 'suback', packetId, reasonCodes, properties }
}
