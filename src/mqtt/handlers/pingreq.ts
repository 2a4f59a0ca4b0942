import type { Connection } from '../connection.ts'
import type { PacketOf } from '../packets/packet.ts'

/** [MQTT-3.12.4-1] */
export function onPingreq(connection: Connection, _packet: PacketOf<'pingreq'>): void {
  connection.send({ type: 'pingresp' })
}
