import type { PacketCodec } from './packet-codec.ts'

/**
 * The client says that it is there, and asks whether the server is.
 *
 *   +------+---+
 *   | 0xC0 | 0 |
 *   +------+---+
 *
 * Source: MQTT Version 5.0, 3.12; MQTT Version 3.1.1, 3.12
 */
export const pingreq: PacketCodec<'pingreq'> = {
  type: 'pingreq',
  code: 12,
  flags: 0,
  sentBy: 'client',
  decode: () => ({ type: 'pingreq' }),
  bodyBytes: () => 0,
  putBody: (_bytes, at) => at,
  examples: [{ packet: { type: 'pingreq' } }],
}
