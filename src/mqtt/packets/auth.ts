import { type AuthPacket, type AuthProperties, noProperties } from './packet.ts'
import type { PacketCodec } from './packet-codec.ts'
import { decodeProperties, propertySectionBytes, propertySet, putPropertySection } from './properties.ts'
import type { Reader } from './reader.ts'
import { reasonCodes } from './reason-codes.ts'

/**
 * One step of an enhanced authentication, in either direction, in 5.0 alone.
 *
 *   +------+------+-------------+------------+
 *   | 0xF0 | left | reason code | properties |
 *   +------+------+-------------+------------+
 *                  both left out when the reason code is 0 and there are no properties
 *
 * Source: MQTT Version 5.0, 3.15
 */
export const auth: PacketCodec<'auth'> = {
  type: 'auth',
  code: 15,
  flags: 0,
  sentBy: 'both',
  decode: decodeAuth,

  bodyBytes({ reasonCode, properties }, version) {
    const section = propertySectionBytes(authProperties, properties, version)
    return reasonCode === 0 && section <= 1 ? 0 : 1 + section
  },

  putBody(bytes, at, packet, version) {
    if (auth.bodyBytes(packet, version) === 0) return at
    bytes[at] = packet.reasonCode
    return putPropertySection(bytes, at + 1, authProperties, packet.properties, version)
  },

  examples: [
    {
      packet: {
        type: 'auth',
        reasonCode: reasonCodes.continueAuthentication,
        properties: { authenticationMethod: 'SCRAM-SHA-256', authenticationData: Buffer.from('n,,n=user') },
      },
      versions: [5],
    },
    {
      packet: {
        type: 'auth',
        reasonCode: reasonCodes.continueAuthentication,
        properties: {
          authenticationMethod: 'OAUTH2-JWT',
          reasonString: 'a newer token, please',
          userProperties: [['a', 'b']],
        },
      },
      versions: [5],
    },
  ],
}

const authProperties = propertySet<AuthProperties>('AUTH', [
  'authenticationMethod',
  'authenticationData',
  'reasonString',
  'userProperties',
])

/** Only the server says that it succeeded, and only the client that it begins again [MQTT-3.15.2-1]. */
const clientCodes: readonly number[] = [reasonCodes.continueAuthentication, reasonCodes.reauthenticate]
const serverCodes: readonly number[] = [reasonCodes.success, reasonCodes.continueAuthentication]

function decodeAuth(reader: Reader): AuthPacket {
  const short = reader.at === reader.end
  const reasonCode = short ? reasonCodes.success : reader.byte()
  if (!(reader.sender === 'client' ? clientCodes : serverCodes).includes(reasonCode))
    throw reader.protocolError(
      `0x${reasonCode.toString(16)} is no reason code of an AUTH from a ${reader.sender}`,
      'MQTT-3.15.2-1',
    )
  if (short) return { type: 'auth', reasonCode, properties: noProperties }
  const properties: AuthPacket['properties'] = decodeProperties(reader, authProperties)
  if (properties.authenticationMethod === undefined)
    throw reader.protocolError('an AUTH names no authentication method', 'MQTT 5.0, 3.15.2.2.2')
  return { type: 'auth', reasonCode, properties }
}
