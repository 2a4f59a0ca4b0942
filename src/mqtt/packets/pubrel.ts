import {
  type AcknowledgementKind,
  acknowledgementBytes,
  decodeAcknowledgement,
  putAcknowledgement,
  releaseCodes,
} from './acknowledgement.ts'
import { noProperties } from './packet.ts'
import type { PacketCodec } from './packet-codec.ts'
import { reasonCodes } from './reason-codes.ts'

/**
 * The answer to a PUBREC: the sender has let go of the message [MQTT-3.6.1-1].
 *
 * Source: MQTT Version 5.0, 3.6; MQTT Version 3.1.1, 3.6
 */
export const pubrel: PacketCodec<'pubrel'> = {
  type: 'pubrel',
  code: 6,
  flags: 0b0010,
  sentBy: 'both',

  decode(reader) {
    const { packetId, reasonCode, properties } = decodeAcknowledgement(reader, kind)
    return { type: 'pubrel', packetId, reasonCode, properties }
  },

  bodyBytes: acknowledgementBytes,
  putBody: putAcknowledgement,

  examples: [
    { packet: { type: 'pubrel', packetId: 1, reasonCode: 0, properties: noProperties } },
    {
      packet: {
        type: 'pubrel',
        packetId: 65_535,
        reasonCode: reasonCodes.packetIdentifierNotFound,
        properties: noProperties,
      },
      versions: [5],
    },
    {
      packet: {
        type: 'pubrel',
        packetId: 258,
        reasonCode: 0,
        properties: { reasonString: 'as it should be', userProperties: [['a', 'b']] },
      },
      versions: [5],
    },
  ],
}

const kind: AcknowledgementKind = { name: 'PUBREL', reasonCodes: releaseCodes, clause: 'MQTT-3.6.2-1' }
