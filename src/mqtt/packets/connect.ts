import { MalformedPacket } from './malformed-packet.ts'
import {
  type ConnectPacket,
  type ConnectProperties,
  noProperties,
  type ProtocolVersion,
  type QoS,
  type Will,
  type WillProperties,
} from './packet.ts'
import type { PacketCodec } from './packet-codec.ts'
import { decodeProperties, propertySectionBytes, propertySet, putPropertySection } from './properties.ts'
import { type Reader, shown } from './reader.ts'
import { reasonCodes } from './reason-codes.ts'
import { binaryBytes, putBinary, putText, putUint16, textBytes } from './writer.ts'

/**
 * The first packet of every connection, from the client.
 *
 *   +------+------+-----+-----+-----+-----+-------+-------+------------+
 *   | 0x10 | left | 0 4 |'M' 'Q' 'T' 'T' | level | flags | keep alive | variable header
 *   +------+------+-----+-----+-----+-----+-------+-------+------------+
 *   | properties (5.0)                                                 |
 *   +------------------------------------------------------------------+
 *   | client id | will: properties (5.0), topic, payload | user name | password |   payload, all but the first optional
 *   +-----------+----------------------------------------+-----------+----------+
 *
 *   flags:    7          6          5            4 3         2           1            0
 *         user name | password | will retain | will QoS | will flag | clean start | reserved, 0
 *
 * Source: MQTT Version 5.0, 3.1; MQTT Version 3.1.1, 3.1
 */
export const connect: PacketCodec<'connect'> = {
  type: 'connect',
  code: 1,
  flags: 0,
  sentBy: 'client',
  decode: decodeConnect,

  bodyBytes({ clientId, will, userName, password, properties }, version) {
    let bytes = 10 + propertySectionBytes(connectProperties, properties, version) + textBytes(clientId)
    if (will !== undefined)
      bytes +=
        propertySectionBytes(willProperties, will.properties, version) +
        textBytes(will.topicName) +
        binaryBytes(will.payload)
    if (userName !== undefined) bytes += textBytes(userName)
    if (password !== undefined) bytes += binaryBytes(password)
    return bytes
  },

  putBody(bytes, at, packet, version) {
    const { will, userName, password } = packet
    let next = putText(bytes, at, 'MQTT')
    bytes[next++] = version
    bytes[next++] = flagsOf(packet)
    next = putUint16(bytes, next, packet.keepAliveSeconds)
    next = putPropertySection(bytes, next, connectProperties, packet.properties, version)
    next = putText(bytes, next, packet.clientId)
    if (will !== undefined) {
      next = putPropertySection(bytes, next, willProperties, will.properties, version)
      next = putBinary(bytes, putText(bytes, next, will.topicName), will.payload)
    }
    if (userName !== undefined) next = putText(bytes, next, userName)
    if (password !== undefined) next = putBinary(bytes, next, password)
    return next
  },

  examples: [
    {
      packet: {
        type: 'connect',
        protocolVersion: 4,
        clientId: 'thermometer-1',
        cleanStart: false,
        keepAliveSeconds: 60,
        userName: 'thermometer',
        password: Buffer.from('21 °C'),
        will: {
          topicName: 'thermometers/1',
          payload: Buffer.from('gone'),
          qos: 2,
          retain: true,
          properties: noProperties,
        },
        properties: noProperties,
      },
      versions: [4],
    },
    {
      packet: {
        type: 'connect',
        protocolVersion: 4,
        clientId: '',
        cleanStart: true,
        keepAliveSeconds: 0,
        properties: noProperties,
      },
      versions: [4],
    },
    {
      packet: {
        type: 'connect',
        protocolVersion: 5,
        clientId: 'thermometer-1',
        cleanStart: true,
        keepAliveSeconds: 65_535,
        userName: 'thermometer',
        password: Buffer.from('21 °C'),
        will: {
          topicName: 'thermometers/1',
          payload: Buffer.from('gone'),
          qos: 1,
          retain: false,
          properties: {
            willDelayInterval: 30,
            payloadFormatIndicator: 1,
            messageExpiryInterval: 3600,
            contentType: 'text/plain',
            responseTopic: 'thermometers/1/answer',
            correlationData: Buffer.from([1, 2, 3]),
            userProperties: [['why', 'unknown']],
          },
        },
        properties: {
          sessionExpiryInterval: 0xffffffff,
          receiveMaximum: 20,
          maximumPacketSize: 1_048_576,
          topicAliasMaximum: 10,
          requestResponseInformation: true,
          requestProblemInformation: false,
          authenticationMethod: 'OAUTH2-JWT',
          authenticationData: Buffer.from('header.claims.signature'),
          userProperties: [
            ['building', '7'],
            ['building', '8'],
          ],
        },
      },
      versions: [5],
    },
    {
      packet: {
        type: 'connect',
        protocolVersion: 5,
        clientId: 'ключ',
        cleanStart: true,
        keepAliveSeconds: 10,
        password: Buffer.from('a password alone'),
        properties: noProperties,
      },
      versions: [5],
    },
  ],
}

const connectProperties = propertySet<ConnectProperties>('CONNECT', [
  'sessionExpiryInterval',
  'receiveMaximum',
  'maximumPacketSize',
  'topicAliasMaximum',
  'requestResponseInformation',
  'requestProblemInformation',
  'authenticationMethod',
  'authenticationData',
  'userProperties',
])

const willProperties = propertySet<WillProperties>('a will', [
  'willDelayInterval',
  'payloadFormatIndicator',
  'messageExpiryInterval',
  'contentType',
  'responseTopic',
  'correlationData',
  'userProperties',
])

const bits = {
  userName: 0x80,
  password: 0x40,
  willRetain: 0x20,
  will: 0x04,
  cleanStart: 0x02,
  reserved: 0x01,
}

function decodeConnect(reader: Reader): ConnectPacket {
  const version = decodeVersion(reader)
  reader.version = version
  reader.agreed = version
  const flags = decodeFlags(reader)
  const keepAliveSeconds = reader.uint16()
  const properties: ConnectPacket['properties'] =
    version === 5 ? decodeProperties(reader, connectProperties) : noProperties
  if (properties.authenticationData !== undefined && properties.authenticationMethod === undefined)
    throw reader.protocolError('authentication data comes without a method', 'MQTT 5.0, 3.1.2.11.10')
  return {
    type: 'connect',
    protocolVersion: version,
    cleanStart: (flags & bits.cleanStart) !== 0,
    keepAliveSeconds,
    properties,
    clientId: reader.text(),
    will: (flags & bits.will) === 0 ? undefined : decodeWill(reader, flags),
    userName: (flags & bits.userName) === 0 ? undefined : reader.text(),
    password: (flags & bits.password) === 0 ? undefined : reader.binary(),
  }
}

/**
 * A client of another version is told so in the words of the nearest that we speak [MQTT-3.1.2-2]; who speaks no MQTT
 * at all gets no answer [MQTT-3.1.2-1].
 */
function decodeVersion(reader: Reader): ProtocolVersion {
  const name = reader.text()
  if (name !== 'MQTT' && name !== 'MQIsdp')
    throw new MalformedPacket(
      `the protocol name is ${JSON.stringify(shown(name))}: only MQTT is spoken here`,
      {
        reasonCode: reasonCodes.unsupportedProtocolVersion,
        clause: 'MQTT-3.1.2-1',
      },
    )
  const level = reader.byte()
  if (name === 'MQTT' && (level === 4 || level === 5)) return level
  throw new MalformedPacket(
    `the protocol version is ${name} ${level}: MQTT 4 (3.1.1) and 5 are spoken here`,
    {
      reasonCode: reasonCodes.unsupportedProtocolVersion,
      clause: 'MQTT-3.1.2-2',
      answerIn: level <= 5 ? 4 : 5,
    },
  )
}

function decodeFlags(reader: Reader): number {
  const flags = reader.byte()
  if ((flags & bits.reserved) !== 0)
    throw reader.malformed('the reserved flag of CONNECT is set', 'MQTT-3.1.2-3')
  if ((flags & bits.will) === 0) {
    if (willQos(flags) !== 0)
      throw reader.malformed('CONNECT has a will QoS and no will', 'MQTT-3.1.2-11', 'MQTT-3.1.2-13')
    if ((flags & bits.willRetain) !== 0)
      throw reader.malformed('CONNECT has will retain and no will', 'MQTT-3.1.2-13', 'MQTT-3.1.2-15')
  }
  if (willQos(flags) === 3)
    throw reader.malformed('the QoS of the will is 3', 'MQTT-3.1.2-12', 'MQTT-3.1.2-14')
  if (reader.version === 4 && (flags & bits.password) !== 0 && (flags & bits.userName) === 0)
    throw reader.malformed('CONNECT has a password and no user name', 'MQTT-3.1.2-22')
  return flags
}

const willQos = (flags: number) => (flags >> 3) & 3

function decodeWill(reader: Reader, flags: number): Will {
  const properties = reader.version === 5 ? decodeProperties(reader, willProperties) : noProperties
  const topicName = reader.topicName()
  if (topicName === '')
    throw reader.refusal(reasonCodes.topicNameInvalid, 'the topic name of the will is empty', 'MQTT-4.7.3-1')
  return {
    properties,
    topicName,
    payload: reader.binary(),
    qos: willQos(flags) as QoS,
    retain: (flags & bits.willRetain) !== 0,
  }
}

function flagsOf({ userName, password, will, cleanStart }: ConnectPacket): number {
  let flags = cleanStart ? bits.cleanStart : 0
  if (userName !== undefined) flags |= bits.userName
  if (password !== undefined) flags |= bits.password
  if (will !== undefined) flags |= bits.will | (will.qos << 3) | (will.retain ? bits.willRetain : 0)
  return flags
}
