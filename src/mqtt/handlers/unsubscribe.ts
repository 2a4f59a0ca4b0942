import type { Connection } from '../connection.ts'
import { noProperties, type PacketOf } from '../packets/packet.ts'
import { reasonCodes } from '../packets/reason-codes.ts'
import { forbiddenUserProperties } from './acknowledged.ts'

/** Needs no right: who could not subscribe has nothing to unsubscribe. [MQTT-3.10.4-5] */
export function onUnsubscribe(connection: Connection, packet: PacketOf<'unsubscribe'>): void {
  const { session, realm, broker } = connection
  if (!session) return
  const { packetId, topicFilters, properties } = packet
  if (forbiddenUserProperties(connection, 'UNSUBSCRIBE', properties.userProperties)) return
  const codes = topicFilters.map((filter) => {
    realm.stats.subscription(connection.protocol, true)
    return realm.unsubscribe(session, filter) ? reasonCodes.success : reasonCodes.noSubscriptionExisted
  })
  realm.stats.done(connection.protocol, 'Unsubscribe')
  const answer = () =>
    connection.send({ type: 'unsuback', packetId, reasonCodes: codes, properties: noProperties })
  if (!session.durable) {
    answer()
    return
  }
  broker.whenStored(realm, {
    act: () => connection.open && answer(),
    fail: () => connection.notStored(),
  })
}
