import type { Connection } from '../connection.ts'
import type { PacketOf } from '../packets/packet.ts'
import { forbiddenUserProperties } from './acknowledged.ts'

/** The client has released a QoS 2 message: its packet id is free. */
export function onPubcomp(connection: Connection, { packetId, properties }: PacketOf<'pubcomp'>): void {
  if (forbiddenUserProperties(connection, 'PUBCOMP', properties.userProperties)) return
  connection.session?.complete(packetId)
}
