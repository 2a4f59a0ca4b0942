import type { Connection } from '../connection.ts'
import type { PacketOf } from '../packets/packet.ts'
import { reasonCodes } from '../packets/reason-codes.ts'
import { negative } from './acknowledged.ts'

/** The client has a QoS 2 message, or refuses it. [MQTT-4.3.3-4] */
export function onPubrec(
  connection: Connection,
  { packetId, reasonCode, properties }: PacketOf<'pubrec'>,
): void {
  const { session } = connection
  if (!session) return
  if (negative(connection, 'PUBREC', reasonCode, properties.userProperties)) return
  if (reasonCode >= 0x80) {
    session.acknowledge(packetId, 2)
    return
  }
  const known = session.received(packetId, () => {
    if (session.connection === connection && connection.open) connection.sendPubrel(packetId)
  })
  if (!known) connection.sendAcknowledgement(0x62, packetId, reasonCodes.packetIdentifierNotFound)
}
