import { type DisconnectPacket, type DisconnectProperties, noProperties } from './packet.ts'
import type { PacketCodec } from './packet-codec.ts'
import { decodeProperties, propertySectionBytes, propertySet, putPropertySection } from './properties.ts'
import type { Reader } from './reader.ts'
import { reasonCodes } from './reason-codes.ts'

/**
 * The last packet of a connection: from the client, and in 5.0 from the server too.
 *
 *   +------+------+---------------------+--------------------+
 *   | 0xE0 | left | reason code (5.0)   | properties (5.0)   |
 *   +------+------+---------------------+--------------------+
 *                  left out when 0 and    left out when
 *                  nothing follows        there are none
 *
 * Source: MQTT Version 5.0, 3.14; MQTT Version 3.1.1, 3.14
 */
export const disconnect: PacketCodec<'disconnect'> = {
  type: 'disconnect',
  code: 14,
  flags: 0,
  sentBy: 'both',
  decode: decodeDisconnect,

  bodyBytes({ reasonCode, properties }, version) {
    if (version === 4) return 0
    const section = propertySectionBytes(everyProperty, properties, version)
    if (section > 1) return 1 + section
    return reasonCode === 0 ? 0 : 1
  },

  putBody(bytes, at, packet, version) {
    const count = disconnect.bodyBytes(packet, version)
    if (count > 0) bytes[at] = packet.reasonCode
    if (count > 1) putPropertySection(bytes, at + 1, everyProperty, packet.properties, version)
    return at + count
  },

  examples: [
    { packet: { type: 'disconnect', reasonCode: 0, properties: noProperties } },
    {
      packet: { type: 'disconnect', reasonCode: reasonCodes.protocolError, properties: noProperties },
      versions: [5],
    },
    {
      packet: {
        type: 'disconnect',
        reasonCode: reasonCodes.quotaExceeded,
        properties: { reasonString: 'too much', userProperties: [['limit', '100']] },
      },
      versions: [5],
    },
  ],
}

/** What only the client says [MQTT-3.14.2-2], and what only the server says. */
const clientProperties = propertySet<DisconnectProperties>('DISCONNECT from a client', [
  'sessionExpiryInterval',
  'reasonString',
  'userProperties',
])
const serverProperties = propertySet<DisconnectProperties>('DISCONNECT from a server', [
  'reasonString',
  'userProperties',
  'serverReference',
])
const everyProperty = propertySet<DisconnectProperties>('DISCONNECT', [
  'sessionExpiryInterval',
  'reasonString',
  'userProperties',
  'serverReference',
])

const clientCodes: ReadonlySet<number> = new Set([
  0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99,
])
const serverCodes: ReadonlySet<number> = new Set([
  0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8b, 0x8d, 0x8e, 0x8f, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98,
  0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2,
])

function decodeDisconnect(reader: Reader): DisconnectPacket {
  const fromClient = reader.sender === 'client'
  if (reader.version === 4) {
    if (!fromClient) throw reader.protocolError('a 3.1.1 server sent DISCONNECT', 'MQTT 3.1.1, 3.14')
    reader.finish('DISCONNECT')
  }
  // Without a reason code it is 0x00 (3.14.2.1).
  if (reader.at === reader.end) return { type: 'disconnect', reasonCode: 0, properties: noProperties }
  const reasonCode = reader.byte()
  if (!(fromClient ? clientCodes : serverCodes).has(reasonCode))
    throw reader.protocolError(
      `0x${reasonCode.toString(16)} is no reason code of a DISCONNECT from a ${reader.sender}`,
      'MQTT-3.14.2-1',
    )
  const properties: DisconnectPacket['properties'] =
    reader.at === reader.end
      ? noProperties
      : decodeProperties(reader, fromClient ? clientProperties : serverProperties)
  return { type: 'disconnect', reasonCode, properties }
}
