import { type ConnackPacket, type ConnackProperties, noProperties } from './packet.ts'
import type { PacketCodec } from './packet-codec.ts'
import { decodeProperties, propertySectionBytes, propertySet, putPropertySection } from './properties.ts'
import type { Reader } from './reader.ts'
import { reasonCodes, returnCodes } from './reason-codes.ts'

/**
 * The server's answer to CONNECT.
 *
 *   +------+------+---------------------------+-------------+------------------+
 *   | 0x20 | left | 0 0 0 0 0 0 0 | present   | reason code | properties (5.0) |
 *   +------+------+---------------------------+-------------+------------------+
 *
 * Source: MQTT Version 5.0, 3.2; MQTT Version 3.1.1, 3.2
 */
export const connack: PacketCodec<'connack'> = {
  type: 'connack',
  code: 2,
  flags: 0,
  sentBy: 'server',
  decode: decodeConnack,

  bodyBytes: ({ properties }, version) => 2 + propertySectionBytes(connackProperties, properties, version),

  putBody(bytes, at, { sessionPresent, reasonCode, properties }, version) {
    bytes[at] = sessionPresent ? 1 : 0
    bytes[at + 1] = reasonCode
    return putPropertySection(bytes, at + 2, connackProperties, properties, version)
  },

  examples: [
    { packet: { type: 'connack', sessionPresent: true, reasonCode: 0, properties: noProperties } },
    {
      packet: {
        type: 'connack',
        sessionPresent: false,
        reasonCode: returnCodes.notAuthorized,
        properties: noProperties,
      },
      versions: [4],
    },
    {
      packet: {
        type: 'connack',
        sessionPresent: false,
        reasonCode: reasonCodes.quotaExceeded,
        properties: { reasonString: 'one session too many', userProperties: [['sessions', '2']] },
      },
      versions: [5],
    },
    {
      packet: {
        type: 'connack',
        sessionPresent: false,
        reasonCode: 0,
        properties: {
          sessionExpiryInterval: 3600,
          receiveMaximum: 1000,
          maximumQos: 1,
          retainAvailable: false,
          maximumPacketSize: 524_288,
          assignedClientIdentifier: 'assigned-1',
          topicAliasMaximum: 10,
          wildcardSubscriptionAvailable: true,
          subscriptionIdentifiersAvailable: false,
          sharedSubscriptionAvailable: false,
          serverKeepAlive: 1160,
          responseInformation: 'answers/',
          serverReference: 'other.example',
          authenticationMethod: 'CUSTOM-JWT',
          authenticationData: Buffer.from([0, 255]),
        },
      },
      versions: [5],
    },
  ],
}

const connackProperties = propertySet<ConnackProperties>('CONNACK', [
  'sessionExpiryInterval',
  'receiveMaximum',
  'maximumQos',
  'retainAvailable',
  'maximumPacketSize',
  'assignedClientIdentifier',
  'topicAliasMaximum',
  'reasonString',
  'userProperties',
  'wildcardSubscriptionAvailable',
  'subscriptionIdentifiersAvailable',
  'sharedSubscriptionAvailable',
  'serverKeepAlive',
  'responseInformation',
  'serverReference',
  'authenticationMethod',
  'authenticationData',
])

const codes: ReadonlySet<number> = new Set([
  0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97, 0x99, 0x9a,
  0x9b, 0x9c, 0x9d, 0x9f,
])

function decodeConnack(reader: Reader): ConnackPacket {
  const flags = reader.byte()
  if (flags > 1)
    throw reader.malformed('reserved flags of CONNACK are set', 'MQTT-3.2.2-1', 'MQTT 3.1.1, 3.2.2.1')
  const sessionPresent = flags === 1
  const reasonCode = reader.byte()
  if (reader.version === 5 ? !codes.has(reasonCode) : reasonCode > returnCodes.notAuthorized)
    throw reader.protocolError(
      `0x${reasonCode.toString(16)} is no code of CONNACK`,
      'MQTT-3.2.2-8',
      'MQTT 3.1.1, 3.2.2.3',
    )
  if (sessionPresent && reasonCode !== 0)
    throw reader.protocolError('CONNACK refuses and has a session', 'MQTT-3.2.2-6', 'MQTT-3.2.2-4')
  const properties: ConnackPacket['properties'] =
    reader.version === 5 ? decodeProperties(reader, connackProperties) : noProperties
  return { type: 'connack', sessionPresent, reasonCode, properties }
}
