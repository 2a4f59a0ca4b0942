import type { Connection } from '../connection.ts'
import type { PacketOf } from '../packets/packet.ts'
import { reasonCodes } from '../packets/reason-codes.ts'
import { forbiddenUserProperties } from './acknowledged.ts'

/** The client will not send the QoS 2 message of that packet id again. [MQTT-4.3.3-11] */
export function onPubrel(connection: Connection, { packetId, properties }: PacketOf<'pubrel'>): void {
  if (forbiddenUserProperties(connection, 'PUBREL', properties.userProperties)) return
  const known = connection.session?.endIncoming(packetId) ?? false
  connection.sendAcknowledgement(0x70, packetId, known ? 0 : reasonCodes.packetIdentifierNotFound)
}
