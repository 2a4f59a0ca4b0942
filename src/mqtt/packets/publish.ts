import {
  noProperties,
  type ProtocolVersion,
  type PublishPacket,
  type PublishProperties,
  type QoS,
} from './packet.ts'
import type { PacketCodec } from './packet-codec.ts'
import { decodeProperties, propertySectionBytes, propertySet, putPropertySection } from './properties.ts'
import type { Reader } from './reader.ts'
import { putText, putUint16, textBytes } from './writer.ts'

/**
 * A message, in either direction.
 *
 *   +---------------------------+------+------------+--------------------+------------------+---------+
 *   | 0 0 1 1 | dup | QoS | ret | left | topic name | packet id, QoS > 0 | properties (5.0) | payload |
 *   +---------------------------+------+------------+--------------------+------------------+---------+
 *
 * Source: MQTT Version 5.0, 3.3; MQTT Version 3.1.1, 3.3
 */
export const publish: PacketCodec<'publish'> = {
  type: 'publish',
  code: 3,
  sentBy: 'both',
  decode: decodePublish,
  flagsOf: ({ dup, qos, retain }) => (dup ? 8 : 0) | (qos << 1) | (retain ? 1 : 0),
  bodyBytes: publishBodyBytes,

  putBody(bytes, at, packet, version) {
    let next = putText(bytes, at, packet.topicName)
    if (packet.qos !== 0) next = putUint16(bytes, next, packet.packetId)
    next = putPropertySection(bytes, next, publishProperties, packet.properties, version)
    bytes.set(packet.payload, next)
    return next + packet.payload.length
  },

  examples: [
    {
      packet: {
        type: 'publish',
        dup: false,
        qos: 0,
        retain: false,
        topicName: 'a',
        packetId: 0,
        properties: noProperties,
        payload: Buffer.alloc(0),
      },
    },
    {
      packet: {
        type: 'publish',
        dup: true,
        qos: 1,
        retain: true,
        topicName: 'thermometers/1/°C',
        packetId: 1,
        properties: noProperties,
        payload: Buffer.from('21'),
      },
    },
    {
      packet: {
        type: 'publish',
        dup: false,
        qos: 2,
        retain: false,
        topicName: '/',
        packetId: 65_535,
        properties: noProperties,
        payload: Buffer.alloc(200, 7),
      },
    },
    {
      packet: {
        type: 'publish',
        dup: false,
        qos: 1,
        retain: false,
        topicName: '',
        packetId: 7,
        properties: { topicAlias: 3 },
        payload: Buffer.from('{}'),
      },
      versions: [5],
    },
    {
      packet: {
        type: 'publish',
        dup: false,
        qos: 0,
        retain: false,
        topicName: 'thermometers/1',
        packetId: 0,
        properties: {
          payloadFormatIndicator: 1,
          messageExpiryInterval: 60,
          contentType: 'application/json',
          responseTopic: 'answers/1',
          correlationData: Buffer.from([9, 8, 7]),
          subscriptionIdentifiers: [1, 268_435_455],
          topicAlias: 65_535,
          userProperties: [
            ['unit', '°C'],
            ['unit', ''],
          ],
        },
        payload: Buffer.from('{"value":21}'),
      },
      versions: [5],
    },
  ],
}

export const publishProperties = propertySet<PublishProperties>('PUBLISH', [
  'payloadFormatIndicator',
  'messageExpiryInterval',
  'topicAlias',
  'responseTopic',
  'correlationData',
  'userProperties',
  'subscriptionIdentifiers',
  'contentType',
])

function decodePublish(reader: Reader, flags: number): PublishPacket {
  const qos = ((flags >> 1) & 3) as QoS
  const dup = flags >= 8
  if ((qos as number) === 3) throw reader.malformed('the QoS of a PUBLISH is 3', 'MQTT-3.3.1-4')
  if (dup && qos === 0) throw reader.malformed('a PUBLISH with QoS 0 has DUP set', 'MQTT-3.3.1-2')
  const topicName = reader.topicName()
  const packetId = qos === 0 ? 0 : reader.packetId()
  const properties: PublishPacket['properties'] =
    reader.version === 5 ? decodeProperties(reader, publishProperties) : noProperties
  if (topicName === '' && properties.topicAlias === undefined)
    throw reader.protocolError(
      'a PUBLISH has neither topic name nor topic alias',
      'MQTT 5.0, 3.3.2.1',
      'MQTT-4.7.3-1',
    )
  if (properties.subscriptionIdentifiers !== undefined && reader.sender === 'client')
    throw reader.protocolError('a PUBLISH from a client has a subscription identifier', 'MQTT-3.3.4-6')
  const payload = reader.bytes.subarray(reader.at, reader.end)
  reader.at = reader.end
  return { type: 'publish', dup, qos, retain: (flags & 1) === 1, topicName, packetId, properties, payload }
}

function publishBodyBytes(
  { topicName, qos, properties, payload }: PublishPacket,
  version: ProtocolVersion,
): number {
  return (
    textBytes(topicName) +
    (qos === 0 ? 0 : 2) +
    propertySectionBytes(publishProperties, properties, version) +
    payload.length
  )
}
