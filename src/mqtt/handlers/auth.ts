import type { Connection } from '../connection.ts'
import { noProperties, type PacketOf } from '../packets/packet.ts'
import { reasonCodes } from '../packets/reason-codes.ts'
import { forbiddenUserProperties } from './acknowledged.ts'
import { admissionOf } from './connect.ts'

/** A client that is connected proves anew who it is, before what it said last runs out. [MQTT-4.12.1-1] */
export function onAuth(connection: Connection, { reasonCode, properties }: PacketOf<'auth'>): void {
  const { session, authenticationMethod: method } = connection
  if (!session) return
  if (forbiddenUserProperties(connection, 'AUTH', properties.userProperties)) return
  const misuse =
    method === undefined
      ? 'AUTH came, and CONNECT had no authentication method.'
      : properties.authenticationMethod !== method
        ? `AUTH has another authentication method than CONNECT, which had '${method}'.`
        : reasonCode !== reasonCodes.reauthenticate
          ? 'AUTH may only begin a re-authentication (0x19).'
          : undefined
  if (misuse !== undefined) {
    connection.close('ClientError', reasonCodes.protocolError, misuse)
    return
  }
  void reauthenticate(connection, properties.authenticationData)
}

async function reauthenticate(connection: Connection, data: Uint8Array | undefined): Promise<void> {
  const { session, realm, clientId, authenticationMethod, transport, broker } = connection
  if (!session) return
  const request = {
    ...{ protocolVersion: 5 as const, clientId, userName: undefined, password: undefined },
    ...{ authenticationMethod, authenticationData: data && Buffer.from(data) },
    ...{
      certificates: transport.certificates(),
      remoteAddress: transport.remoteAddress,
      secure: transport.secure,
    },
  }
  const deciding = new AbortController()
  connection.deciding = deciding
  const admission = await admissionOf(connection, () =>
    realm.realm.reauthenticate(session.identity, request, deciding.signal),
  )
  if (!connection.open) return
  broker.tick()
  if (admission.kind === 'refused') {
    connection.close('ClientAuthenticationError', admission.reasonCode, admission.text)
    return
  }
  session.identity = admission.identity
  session.durable?.update({ identity: admission.identity.record })
  connection.lastGeneration = 0
  connection.watchIdentity()
  realm.trace.note(clientId, 're-authenticated', admission.identity.authenticationName)
  connection.send({
    type: 'auth',
    reasonCode: reasonCodes.success,
    properties: {
      ...noProperties,
      authenticationMethod,
      ...(admission.authenticationData && { authenticationData: admission.authenticationData }),
    },
  })
}
