import { hex } from '../codes.ts'
import type { Connection } from '../connection.ts'
import type { UserProperties } from '../packets/packet.ts'
import { reasonCodes } from '../packets/reason-codes.ts'

/**
 * Whether the answer to a message ends the connection: where negative answers, or user properties in other packets
 * than PUBLISH, are not taken.
 *
 * Source: learn.microsoft.com/azure/event-grid/mqtt-support, "MQTT v5 current limitations"
 */
export function negative(
  connection: Connection,
  packet: string,
  reasonCode: number,
  userProperties: UserProperties | undefined,
): boolean {
  if (forbiddenUserProperties(connection, packet, userProperties)) return true
  if (reasonCode < 0x80) return false
  const { realm, clientId } = connection
  const text = `The client answered a message with ${hex(reasonCode)} in ${packet}.`
  realm.trace.note(clientId, 'message refused by the client', text)
  if (realm.realm.features.negativeAcknowledgements) {
    realm.wouldFail(clientId, 'negative acknowledgement', text)
    return false
  }
  connection.close('ClientError', reasonCodes.implementationSpecificError, text)
  return true
}

/** Ends the connection, and says so, where user properties may be in PUBLISH alone. */
export function forbiddenUserProperties(
  connection: Connection,
  packet: string,
  userProperties: UserProperties | undefined,
): boolean {
  if (userProperties === undefined) return false
  const { realm, clientId } = connection
  const text = `User properties are taken in PUBLISH and wills alone: they came in ${packet}.`
  if (realm.realm.features.userPropertiesAnywhere) {
    realm.wouldFail(clientId, `user properties in ${packet}`, text)
    return false
  }
  connection.close('ClientError', reasonCodes.implementationSpecificError, text)
  return true
}
