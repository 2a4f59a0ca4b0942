import type { PacketCodec } from './packet-codec.ts'

/**
 * The server's answer to PINGREQ.
 *
 *   +------+---+
 *   | 0xD0 | 0 |
 *   +------+---+
 *
 * Source: MQTT Version 5.0, 3.13; MQTT Version 3.1.1, 3.13
 */
export const pingresp: PacketCodec<'pingresp'> = {
  type: 'pingresp',
  code: 13,
  flags: 0,
  sentBy: 'server',
  decode: () => ({ type: 'pingresp' }),
  bodyBytes: () => 0,
  putBody: (_bytes, at) => at,
  examples: [{ packet: { type: 'pingresp' } }],
}
