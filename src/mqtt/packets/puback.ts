import {
  type AcknowledgementKind,
  acknowledgementBytes,
  decodeAcknowledgement,
  putAcknowledgement,
  receiptCodes,
} from './acknowledgement.ts'
import { noProperties } from './packet.ts'
import type { PacketCodec } from './packet-codec.ts'
import { reasonCodes } from './reason-codes.ts'

/**
 * The answer to a PUBLISH with QoS 1.
 *
 * Source: MQTT Version 5.0, 3.4; MQTT Version 3.1.1, 3.4
 */
export const puback: PacketCodec<'puback'> = {
  type: 'puback',
  code: 4,
  flags: 0,
  sentBy: 'both',

  decode(reader) {
    const { packetId, reasonCode, properties } = decodeAcknowledgement(reader, kind)
    return { type: 'puback', packetId, reasonCode, properties }
  },

  bodyBytes: acknowledgementBytes,
  putBody: putAcknowledgement,

  examples: [
    { packet: { type: 'puback', packetId: 1, reasonCode: 0, properties: noProperties } },
    {
      packet: {
        type: 'puback',
        packetId: 65_535,
        reasonCode: reasonCodes.notAuthorized,
        properties: noProperties,
      },
      versions: [5],
    },
    {
      packet: {
        type: 'puback',
        packetId: 258,
        reasonCode: 0,
        properties: { reasonString: 'as it should be', userProperties: [['a', 'b']] },
      },
      versions: [5],
    },
  ],
}

const kind: AcknowledgementKind = { name: 'PUBACK', reasonCodes: receiptCodes, clause: 'MQTT-3.4.2-1' }
