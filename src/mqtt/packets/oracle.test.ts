import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as oracle from 'mqtt-packet'
import { decodeAll, encodeAll, owned } from '../../testing/mqtt-packets.ts'
import { createRandom } from '../../testing/random.ts'
import { createRandomPackets } from '../../testing/random-packets.ts'
import type { Packet, ProtocolVersion } from './packet.ts'

/*
 * mqtt-packet, which MQTT.js is built on, is held beside our codec: it understands what we write, and we understand
 * what it writes. Both meet in its shape of a packet.
 */

for (const version of [4, 5] as const)
  for (const sender of ['client', 'server'] as const) {
    const title = `a packet of a ${sender} in MQTT ${version === 4 ? '3.1.1' : '5.0'}`
    const random = createRandom(version * 10 + sender.length)
    const chance = createRandomPackets(random, sender, version)
    const packets = Array.from({ length: 2000 }, () => chance.next())

    test(`${title} that we encode is the same to mqtt-packet`, () => {
      for (const packet of packets) {
        const theirs = parsed(encodeAll([packet], version), version)
        assert.deepEqual(shape(theirs), shape(toOracle(packet, version)), JSON.stringify(packet))
      }
    })

    test(`${title} that mqtt-packet encodes is the same to us`, () => {
      for (const packet of packets) {
        if (!expressible(packet)) continue
        const bytes = oracle.generate(toOracle(packet, version) as never, { protocolVersion: version })
        const before = packet.type === 'connect' ? undefined : version
        assert.deepEqual(decodeAll([bytes], sender, before), [owned(packet)])
      }
    })
  }

/** mqtt-packet makes no password without a user name, and no empty client id without a clean start. */
const expressible = (packet: Packet) =>
  packet.type !== 'connect' ||
  ((packet.password === undefined || packet.userName !== undefined) &&
    (packet.clientId !== '' || packet.cleanStart))

function parsed(bytes: Buffer, version: ProtocolVersion): object {
  const parser = oracle.parser({ protocolVersion: version })
  const found: object[] = []
  parser.on('packet', (packet) => found.push(packet))
  parser.on('error', (error) => {
    throw error
  })
  parser.parse(bytes)
  const [packet = {}] = found
  return packet
}

/** What both can be compared by: without lengths, without what is absent or empty. */
function shape(packet: object): unknown {
  const { length: _length, ...rest } = packet as { length?: number }
  return owned(without(rest))
}

function without(value: unknown): unknown {
  if (value instanceof Uint8Array || typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(without)
  const members = Object.entries(value)
    .map(([name, member]) => [name, without(member)] as const)
    .filter(([name, member]) => !ignored(name, member))
  return Object.fromEntries(members)
}

const ignored = (name: string, member: unknown) =>
  member === undefined ||
  member === null ||
  name === 'topicIdType' ||
  (name === 'properties' && Object.keys(member).length === 0) ||
  (name === 'reasonCode' && member === 0) ||
  (name === 'messageId' && member === 0)

const names: Readonly<Record<string, string>> = { maximumQos: 'maximumQoS' }

function properties(ours: object, publish = false): object {
  const members = Object.entries(ours).map(([name, value]) => {
    if (name === 'userProperties') return [name, Object.fromEntries(value as [string, string][])]
    if (name === 'payloadFormatIndicator') return [name, value === 1]
    if (name === 'subscriptionIdentifiers') {
      const [first, ...more] = value as number[]
      return ['subscriptionIdentifier', publish && more.length === 0 ? first : value]
    }
    return [names[name] ?? name, value]
  })
  return Object.fromEntries(members)
}

const fixed = { retain: false, qos: 0, dup: false }

function toOracle(packet: Packet, version: ProtocolVersion): object {
  const five = version === 5
  switch (packet.type) {
    case 'connect':
      return {
        cmd: 'connect',
        ...fixed,
        protocolId: 'MQTT',
        protocolVersion: version,
        clean: packet.cleanStart,
        clientId: packet.clientId,
        keepalive: packet.keepAliveSeconds,
        username: packet.userName,
        password: packet.password,
        properties: properties(packet.properties),
        will: packet.will && {
          topic: packet.will.topicName,
          payload: packet.will.payload,
          qos: packet.will.qos,
          retain: packet.will.retain,
          properties: properties(packet.will.properties),
        },
      }
    case 'connack':
      return {
        cmd: 'connack',
        ...fixed,
        sessionPresent: packet.sessionPresent,
        ...(five ? { reasonCode: packet.reasonCode } : { returnCode: packet.reasonCode }),
        properties: properties(packet.properties),
      }
    case 'publish':
      return {
        cmd: 'publish',
        retain: packet.retain,
        qos: packet.qos,
        dup: packet.dup,
        topic: packet.topicName,
        messageId: packet.packetId,
        payload: packet.payload,
        properties: properties(packet.properties, true),
      }
    case 'puback':
    case 'pubrec':
    case 'pubrel':
    case 'pubcomp':
      return {
        cmd: packet.type,
        ...fixed,
        qos: packet.type === 'pubrel' ? 1 : 0,
        messageId: packet.packetId,
        reasonCode: packet.reasonCode,
        properties: properties(packet.properties),
      }
    case 'subscribe':
      return {
        cmd: 'subscribe',
        ...fixed,
        qos: 1,
        messageId: packet.packetId,
        properties: properties(packet.properties),
        subscriptions: packet.subscriptions.map((subscription) => ({
          topic: subscription.topicFilter,
          qos: subscription.qos,
          ...(five && {
            nl: subscription.noLocal,
            rap: subscription.retainAsPublished,
            rh: subscription.retainHandling,
          }),
        })),
      }
    case 'suback':
      return {
        cmd: 'suback',
        ...fixed,
        messageId: packet.packetId,
        granted: packet.reasonCodes,
        properties: properties(packet.properties),
      }
    case 'unsubscribe':
      return {
        cmd: 'unsubscribe',
        ...fixed,
        qos: 1,
        messageId: packet.packetId,
        unsubscriptions: packet.topicFilters,
        properties: properties(packet.properties),
      }
    case 'unsuback':
      return {
        cmd: 'unsuback',
        ...fixed,
        messageId: packet.packetId,
        ...(five && { granted: packet.reasonCodes }),
        properties: properties(packet.properties),
      }
    case 'disconnect':
    case 'auth':
      return {
        cmd: packet.type,
        ...fixed,
        reasonCode: packet.reasonCode,
        properties: properties(packet.properties),
      }
    default:
      return { cmd: packet.type, ...fixed }
  }
}
