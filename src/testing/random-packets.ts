import { packets } from '../mqtt/packets/index.ts'
import {
  noProperties,
  type Packet,
  type PacketType,
  type ProtocolVersion,
  type QoS,
  type UserProperties,
} from '../mqtt/packets/packet.ts'
import type { Sender } from '../mqtt/packets/reader.ts'
import type { createRandom } from './random.ts'

type Random = ReturnType<typeof createRandom>

/**
 * Makes control packets by chance, every one of them allowed: any type that this sender may send, any field that may be
 * absent absent or there. Names of user properties come once each, since other codecs keep them in an object.
 */
export function createRandomPackets(random: Random, sender: Sender, version: ProtocolVersion) {
  const types = (Object.keys(packets) as PacketType[]).filter(
    (type) =>
      (packets[type].sentBy === 'both' || packets[type].sentBy === sender) &&
      (version === 5 || (type !== 'auth' && (type !== 'disconnect' || sender === 'client'))),
  )

  const oneOf = <T>(values: readonly T[]): T => values[random.below(values.length)] as T
  const bit = () => random.chance(0.5)
  const bytes = (below = 40) =>
    Buffer.from(Array.from({ length: random.below(below) }, () => random.below(256)))
  const text = (below = 12) =>
    Array.from({ length: random.below(below) }, () =>
      oneOf(['a', 'Z', '7', ' ', '/', 'é', '水', '😀', '\u{feff}']),
    ).join('')
  const topicName = () => `${oneOf(['a', 'thermometers', '/', '水/'])}${text()}`
  const topicFilter = () => `${oneOf(['', '$share/g/'])}${oneOf(['#', '+', 'a/+/b', '+/#', topicName()])}`
  const uint32 = () => oneOf([0, 1, 60, 65_536, 0x7fffffff, 0x80000000, 0xffffffff])
  const uint16 = () => oneOf([0, 1, 255, 256, 65_535])
  const notZero = (value: number) => value || 1
  const packetId = () => 1 + random.below(65_535)
  const varint = () => oneOf([1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 268_435_455])
  const qos = () => random.below(3) as QoS
  const maybe = <T>(value: () => T): T | undefined => (bit() ? value() : undefined)

  /** Only in 5.0, and without the members that chance left out. */
  function properties<P extends object>(all: () => P): P {
    if (version === 4 || random.chance(0.3)) return noProperties as P
    const kept = Object.entries(all()).filter(([, value]) => value !== undefined)
    return Object.fromEntries(kept) as P
  }

  function userProperties(): UserProperties {
    return Array.from({ length: 1 + random.below(3) }, (_, index) => [`n${index}${text()}`, text()] as const)
  }

  const message = () => ({
    payloadFormatIndicator: maybe(() => oneOf([0, 1] as const)),
    messageExpiryInterval: maybe(uint32),
    contentType: maybe(text),
    responseTopic: maybe(topicName),
    correlationData: maybe(bytes),
    userProperties: maybe(userProperties),
  })
  const reason = () => ({ reasonString: maybe(text), userProperties: maybe(userProperties) })
  const codeOf = (...codes: readonly number[]) => (version === 5 ? oneOf(codes) : 0)
  const acknowledgement = (...codes: readonly number[]) => ({
    packetId: packetId(),
    reasonCode: codeOf(...codes),
    properties: properties(reason),
  })
  const receipt = () => acknowledgement(0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99)

  const make: { readonly [T in PacketType]: () => Packet } = {
    connect: () => {
      const userName = maybe(text)
      const method = maybe(text)
      const willing = bit()
      return {
        type: 'connect',
        protocolVersion: version,
        clientId: text(),
        cleanStart: bit(),
        keepAliveSeconds: uint16(),
        ...(userName !== undefined && { userName }),
        ...((userName !== undefined || version === 5) && bit() && { password: bytes() }),
        ...(willing && {
          will: {
            topicName: topicName(),
            payload: bytes(),
            qos: qos(),
            retain: bit(),
            properties: properties(() => ({ willDelayInterval: maybe(uint32), ...message() })),
          },
        }),
        properties: properties(() => ({
          sessionExpiryInterval: maybe(uint32),
          receiveMaximum: maybe(() => notZero(uint16())),
          maximumPacketSize: maybe(() => notZero(uint32())),
          topicAliasMaximum: maybe(uint16),
          requestResponseInformation: maybe(bit),
          requestProblemInformation: maybe(bit),
          authenticationMethod: method,
          authenticationData: method === undefined ? undefined : maybe(bytes),
          userProperties: maybe(userProperties),
        })),
      }
    },
    connack: () => {
      const reasonCode = version === 5 ? oneOf([0, 0, 0x80, 0x87, 0x8c, 0x9f]) : random.below(6)
      return {
        type: 'connack',
        sessionPresent: reasonCode === 0 && bit(),
        reasonCode,
        properties: properties(() => ({
          sessionExpiryInterval: maybe(uint32),
          receiveMaximum: maybe(() => notZero(uint16())),
          maximumQos: maybe(() => oneOf([0, 1] as const)),
          retainAvailable: maybe(bit),
          maximumPacketSize: maybe(() => notZero(uint32())),
          assignedClientIdentifier: maybe(text),
          topicAliasMaximum: maybe(uint16),
          wildcardSubscriptionAvailable: maybe(bit),
          subscriptionIdentifiersAvailable: maybe(bit),
          sharedSubscriptionAvailable: maybe(bit),
          serverKeepAlive: maybe(uint16),
          responseInformation: maybe(text),
          serverReference: maybe(text),
          authenticationMethod: maybe(text),
          authenticationData: maybe(bytes),
          ...reason(),
        })),
      }
    },
    publish: () => {
      const level = qos()
      return {
        type: 'publish',
        dup: level > 0 && bit(),
        qos: level,
        retain: bit(),
        topicName: topicName(),
        packetId: level === 0 ? 0 : packetId(),
        properties: properties(() => ({
          ...message(),
          topicAlias: maybe(() => notZero(uint16())),
          subscriptionIdentifiers:
            sender === 'server'
              ? maybe(() => Array.from({ length: 1 + random.below(3) }, varint))
              : undefined,
        })),
        payload: bytes(random.chance(0.05) ? 20_000 : 100),
      }
    },
    puback: () => ({ type: 'puback', ...receipt() }),
    pubrec: () => ({ type: 'pubrec', ...receipt() }),
    pubrel: () => ({ type: 'pubrel', ...acknowledgement(0, 0x92) }),
    pubcomp: () => ({ type: 'pubcomp', ...acknowledgement(0, 0x92) }),
    subscribe: () => ({
      type: 'subscribe',
      packetId: packetId(),
      subscriptions: Array.from({ length: 1 + random.below(4) }, () => {
        const filter = topicFilter()
        const five = version === 5
        return {
          topicFilter: filter,
          qos: qos(),
          noLocal: five && !filter.startsWith('$share/') && bit(),
          retainAsPublished: five && bit(),
          retainHandling: (five ? random.below(3) : 0) as 0 | 1 | 2,
        }
      }),
      properties: properties(() => ({
        subscriptionIdentifier: maybe(varint),
        userProperties: maybe(userProperties),
      })),
    }),
    suback: () => ({
      type: 'suback',
      packetId: packetId(),
      reasonCodes: Array.from({ length: 1 + random.below(4) }, () =>
        oneOf(version === 5 ? [0, 1, 2, 0x80, 0x87, 0x8f, 0xa2] : [0, 1, 2, 0x80]),
      ),
      properties: properties(reason),
    }),
    unsubscribe: () => ({
      type: 'unsubscribe',
      packetId: packetId(),
      topicFilters: Array.from({ length: 1 + random.below(4) }, topicFilter),
      properties: properties(() => ({ userProperties: maybe(userProperties) })),
    }),
    unsuback: () => ({
      type: 'unsuback',
      packetId: packetId(),
      reasonCodes:
        version === 4 ? [] : Array.from({ length: 1 + random.below(4) }, () => oneOf([0, 0x11, 0x87])),
      properties: properties(reason),
    }),
    pingreq: () => ({ type: 'pingreq' }),
    pingresp: () => ({ type: 'pingresp' }),
    disconnect: () => ({
      type: 'disconnect',
      reasonCode: codeOf(...(sender === 'client' ? [0, 0x04, 0x80, 0x99] : [0, 0x8b, 0x8e, 0xa2])),
      properties: properties(() => ({
        ...reason(),
        ...(sender === 'client'
          ? { sessionExpiryInterval: maybe(uint32) }
          : { serverReference: maybe(text) }),
      })),
    }),
    auth: () => ({
      type: 'auth',
      reasonCode: sender === 'client' ? oneOf([0x18, 0x19]) : oneOf([0, 0x18]),
      properties: {
        authenticationMethod: text(),
        ...properties(() => ({ authenticationData: maybe(bytes), ...reason() })),
      },
    }),
  }

  return {
    types,
    next: (type: PacketType = oneOf(types)): Packet => make[type](),
  }
}
