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
 * The answer to a PUBLISH with QoS 2: the first of three.
 *
 * Source: MQTT Version 5.0, 3.5; MQTT Version 3.1.1, 3.5
 */
export const pubrec: PacketCodec<'pubrec'> = {
  type: 'pubrec',
  code: 5,
  flags: 0,
  sentBy: 'both',

  decode(reader) {
    const { packetId, reasonCode, properties } = decodeAcknowledgement(reader, kind)
    return { type: 'pubrec', packetId, reasonCode, properties }
  },

  bodyBytes: acknowledgementBytes,
  putBody: putAcknowledgement,

  examples: [
    { packet: { type: 'pubrec', packetId: 1, reasonCode: 0, properties: noProperties } },
    {
      packet: {
        type: 'pubrec',
        packetId: 65_535,
        reasonCode: reasonCodes.noMatchingSubscribers,
        properties: noProperties,
      },
      versions: [5],
    },
    {
      packet: {
        type: 'pubrec',
        packetId: 258,
        reasonCode: 0,
        properties: { reasonString: 'as it should be', userProperties: [['a', 'b']] },
      },
      versions: [5],
    },
  ],
}

const kind: AcknowledgementKind = { name: 'PUBREC', reasonCodes: receiptCodes, clause: 'MQTT-3.5.2-1' }
