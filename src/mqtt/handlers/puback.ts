import type { Connection } from '../connection.ts'
import type { PacketOf } from '../packets/packet.ts'
import { negative } from './acknowledged.ts'

/** The client has a QoS 1 message. One for a packet id that is not in use is ignored. */
export function onPuback(
  connection: Connection,
  { packetId, reasonCode, properties }: PacketOf<'puback'>,
): void {
  const { session } = connection
  if (!session) return
  if (negative(connection, 'PUBACK', reasonCode, properties.userProperties)) return
  session.acknowledge(packetId, 1)
}
