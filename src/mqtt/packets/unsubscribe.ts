import { noProperties, type UnsubscribePacket, type UnsubscribeProperties } from './packet.ts'
import type { PacketCodec } from './packet-codec.ts'
import { decodeProperties, propertySectionBytes, propertySet, putPropertySection } from './properties.ts'
import type { Reader } from './reader.ts'
import { putText, putUint16, textBytes } from './writer.ts'

/**
 * The client wants no more messages of these filters.
 *
 *   +------+------+-----------+------------------+--------------+--------------+----
 *   | 0xA2 | left | packet id | properties (5.0) | topic filter | topic filter | ...
 *   +------+------+-----------+------------------+--------------+--------------+----
 *
 * Source: MQTT Version 5.0, 3.10; MQTT Version 3.1.1, 3.10
 */
export const unsubscribe: PacketCodec<'unsubscribe'> = {
  type: 'unsubscribe',
  code: 10,
  flags: 0b0010,
  sentBy: 'client',
  decode: decodeUnsubscribe,

  bodyBytes({ topicFilters, properties }, version) {
    let bytes = 2 + propertySectionBytes(unsubscribeProperties, properties, version)
    for (const topicFilter of topicFilters) bytes += textBytes(topicFilter)
    return bytes
  },

  putBody(bytes, at, packet, version) {
    let next = putUint16(bytes, at, packet.packetId)
    next = putPropertySection(bytes, next, unsubscribeProperties, packet.properties, version)
    for (const topicFilter of packet.topicFilters) next = putText(bytes, next, topicFilter)
    return next
  },

  examples: [
    {
      packet: {
        type: 'unsubscribe',
        packetId: 12,
        topicFilters: ['a/+/c', '#', 'ж'],
        properties: noProperties,
      },
    },
    {
      packet: {
        type: 'unsubscribe',
        packetId: 13,
        topicFilters: ['a'],
        properties: { userProperties: [['why', 'enough']] },
      },
      versions: [5],
    },
  ],
}

const unsubscribeProperties = propertySet<UnsubscribeProperties>('UNSUBSCRIBE', ['userProperties'])

function decodeUnsubscribe(reader: Reader): UnsubscribePacket {
  const packetId = reader.packetId()
  const properties: UnsubscribePacket['properties'] =
    reader.version === 5 ? decodeProperties(reader, unsubscribeProperties) : noProperties
  if (reader.at === reader.end)
    throw reader.protocolError('an UNSUBSCRIBE has no topic filter', 'MQTT-3.10.3-2')
  const topicFilters: string[] = []
  while (reader.at < reader.end) {
    const topicFilter = reader.text()
    if (topicFilter === '') throw reader.malformed('a topic filter of UNSUBSCRIBE is empty', 'MQTT-4.7.3-1')
    topicFilters.push(topicFilter)
  }
  return { type: 'unsubscribe', packetId, topicFilters, properties }
}
