import { hex } from '../codes.ts'
import type { Connection } from '../connection.ts'
import type { PacketOf } from '../packets/packet.ts'
import { reasonCodes } from '../packets/reason-codes.ts'
import { forbiddenUserProperties } from './acknowledged.ts'

/** The client leaves; with any code but 0x00 it wants its will published. [MQTT-3.14.4-3] */
export function onDisconnect(connection: Connection, packet: PacketOf<'disconnect'>): void {
  const { session, realm } = connection
  const { reasonCode, properties } = packet
  if (!session) return
  if (forbiddenUserProperties(connection, 'DISCONNECT', properties.userProperties)) return
  const { sessionExpiryInterval } = properties
  if (sessionExpiryInterval !== undefined) {
    // [MQTT-3.14.2-2]
    if (session.expiryMs === 0 && sessionExpiryInterval > 0) {
      const text = 'DISCONNECT may not give a session an expiry that its CONNECT did not give it.'
      connection.close('ClientError', reasonCodes.protocolError, text)
      return
    }
    session.expiryMs = Math.min(sessionExpiryInterval, realm.realm.limits.sessionExpirySeconds) * 1000
  }
  const withWill = reasonCode !== reasonCodes.normalDisconnection
  connection.left(withWill, `the client sent DISCONNECT with ${hex(reasonCode)}`)
}
