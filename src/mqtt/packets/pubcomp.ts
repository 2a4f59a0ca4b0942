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
 * The answer to a PUBREL, and the end of a QoS 2 exchange.
 *
 * Source: MQTT Version 5.0, 3.7; MQTT Version 3.1.1, 3.7
 */
export const pubcomp: PacketCodec<'pubcomp'> = {
  type: 'pubcomp',
  code: 7,
  flags: 0,
  sentBy: 'both',

  decode(reader) {
    const { packetId, reasonCode, properties } = decodeAcknowledgement(reader, kind)
    return { type: 'pubcomp', packetId, reasonCode, properties }
  },

  bodyBytes: acknowledgementBytes,
  putBody: putAcknowledgement,

  examples: [
    { packet: { type: 'pubcomp', packetId: 1, reasonCode: 0, properties: noProperties } },
    {
      packet: {
        type: 'pubcomp',
        packetId: 65_535,
        reasonCode: reasonCodes.packetIdentifierNotFound,
        properties: noProperties,
      },
      versions: [5],
    },
    {
      packet: {
        type: 'pubcomp',
        packetId: 258,
        reasonCode: 0,
        properties: { reasonString: 'as it should be', userProperties: [['a', 'b']] },
      },
      versions: [5],
    },
  ],
}

const kind: AcknowledgementKind = { name: 'PUBCOMP', reasonCodes: releaseCodes, clause: 'MQTT-3.7.2-1' }
