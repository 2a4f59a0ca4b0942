import {
  noProperties,
  type ProtocolVersion,
  type QoS,
  type RequestedSubscription,
  type SubscribePacket,
  type SubscribeProperties,
} from './packet.ts'
import type { PacketCodec } from './packet-codec.ts'
import { decodeProperties, propertySectionBytes, propertySet, putPropertySection } from './properties.ts'
import type { Reader } from './reader.ts'
import { putText, putUint16, textBytes } from './writer.ts'

/**
 * The client asks for messages.
 *
 *   +------+------+-----------+------------------+--------------+---------+--------------+---------+----
 *   | 0x82 | left | packet id | properties (5.0) | topic filter | options | topic filter | options | ...
 *   +------+------+-----------+------------------+--------------+---------+--------------+---------+----
 *
 *   options:   7 6            5 4             3                  2        1 0
 *           reserved, 0 | retain handling | retain as published | no local | QoS      3.1.1: QoS alone, the rest 0
 *
 * Source: MQTT Version 5.0, 3.8; MQTT Version 3.1.1, 3.8
 */
export const subscribe: PacketCodec<'subscribe'> = {
  type: 'subscribe',
  code: 8,
  flags: 0b0010,
  sentBy: 'client',
  decode: decodeSubscribe,

  bodyBytes({ subscriptions, properties }, version) {
    let bytes = 2 + propertySectionBytes(subscribeProperties, properties, version)
    for (const { topicFilter } of subscriptions) bytes += textBytes(topicFilter) + 1
    return bytes
  },

  putBody(bytes, at, packet, version) {
    let next = putUint16(bytes, at, packet.packetId)
    next = putPropertySection(bytes, next, subscribeProperties, packet.properties, version)
    for (const subscription of packet.subscriptions) {
      next = putText(bytes, next, subscription.topicFilter)
      bytes[next++] = optionsOf(subscription, version)
    }
    return next
  },

  examples: [
    {
      packet: {
        type: 'subscribe',
        packetId: 10,
        subscriptions: [
          { topicFilter: 'a/+/c', qos: 1, noLocal: false, retainAsPublished: false, retainHandling: 0 },
          { topicFilter: '#', qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0 },
          {
            topicFilter: '$share/g/ж/#',
            qos: 2,
            noLocal: false,
            retainAsPublished: false,
            retainHandling: 0,
          },
        ],
        properties: noProperties,
      },
    },
    {
      packet: {
        type: 'subscribe',
        packetId: 11,
        subscriptions: [
          { topicFilter: 'a', qos: 2, noLocal: true, retainAsPublished: true, retainHandling: 2 },
          { topicFilter: 'b', qos: 0, noLocal: false, retainAsPublished: true, retainHandling: 1 },
        ],
        properties: { subscriptionIdentifier: 268_435_455, userProperties: [['why', 'curious']] },
      },
      versions: [5],
    },
  ],
}

const subscribeProperties = propertySet<SubscribeProperties>('SUBSCRIBE', [
  'subscriptionIdentifier',
  'userProperties',
])

const bits = { noLocal: 0x04, retainAsPublished: 0x08, reserved: 0xc0 }

function decodeSubscribe(reader: Reader): SubscribePacket {
  const packetId = reader.packetId()
  const properties: SubscribePacket['properties'] =
    reader.version === 5 ? decodeProperties(reader, subscribeProperties) : noProperties
  if (reader.at === reader.end)
    throw reader.protocolError('a SUBSCRIBE has no topic filter', 'MQTT-3.8.3-2', 'MQTT-3.8.3-3')
  const subscriptions: RequestedSubscription[] = []
  while (reader.at < reader.end) subscriptions.push(decodeSubscription(reader))
  return { type: 'subscribe', packetId, subscriptions, properties }
}

function decodeSubscription(reader: Reader): RequestedSubscription {
  const topicFilter = reader.text()
  if (topicFilter === '') throw reader.malformed('a topic filter of SUBSCRIBE is empty', 'MQTT-4.7.3-1')
  const options = reader.byte()
  if (reader.version === 4) {
    if (options > 2)
      throw reader.malformed(
        `the requested QoS byte is ${options}: 0, 1 or 2 were expected`,
        'MQTT-3.8.3-4',
        'MQTT-3-8.3-4',
      )
    return { topicFilter, qos: options as QoS, noLocal: false, retainAsPublished: false, retainHandling: 0 }
  }
  if ((options & bits.reserved) !== 0)
    throw reader.malformed('reserved bits of the subscription options are set', 'MQTT-3.8.3-5')
  const qos = options & 3
  if (qos === 3) throw reader.protocolError('the maximum QoS of a subscription is 3', 'MQTT 5.0, 3.8.3.1')
  const retainHandling = (options >> 4) & 3
  if (retainHandling === 3)
    throw reader.protocolError('the retain handling of a subscription is 3', 'MQTT 5.0, 3.8.3.1')
  const noLocal = (options & bits.noLocal) !== 0
  if (noLocal && topicFilter.startsWith('$share/'))
    throw reader.protocolError('a shared subscription has No Local set', 'MQTT-3.8.3-4')
  return {
    topicFilter,
    qos: qos as QoS,
    noLocal,
    retainAsPublished: (options & bits.retainAsPublished) !== 0,
    retainHandling: retainHandling as 0 | 1 | 2,
  }
}

function optionsOf(subscription: RequestedSubscription, version: ProtocolVersion): number {
  const { qos, noLocal, retainAsPublished, retainHandling } = subscription
  if (version === 4) return qos
  return (
    qos |
    (noLocal ? bits.noLocal : 0) |
    (retainAsPublished ? bits.retainAsPublished : 0) |
    (retainHandling << 4)
  )
}
