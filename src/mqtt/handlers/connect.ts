import { newGuid } from '../../base/ids.ts'
import type { Connection } from '../connection.ts'
import { type ConnackPacket, noProperties, type PacketOf } from '../packets/packet.ts'
import { reasonCodes } from '../packets/reason-codes.ts'
import type { Admission, ConnectRequest, Realm, Will } from '../realm.ts'
import type { Session } from '../session.ts'
import { isTopicName, segmentsOf } from '../topics.ts'
import { forbiddenUserProperties } from './acknowledged.ts'
import { propertyFault } from './publish.ts'

type Connect = PacketOf<'connect'>

/**
 * A client asks to be let in. Whatever it sends after CONNECT waits until that is decided. The order of the checks
 * decides which reason a client sees.
 *
 * Source: learn.microsoft.com/azure/event-grid/mqtt-establishing-multiple-sessions-per-client and mqtt-support
 */
export function onConnect(connection: Connection, packet: Connect): void {
  const { transport } = connection
  const claimant = connection.broker.claimant(packet.userName)
  if (claimant) connection.move(claimant)
  const { realm } = connection
  connection.version = packet.protocolVersion
  connection.protocol = (packet.protocolVersion === 5 ? 1 : 0) + (transport.webSocket ? 2 : 0)
  connection.clientId = packet.clientId
  const { properties } = packet
  if (properties.maximumPacketSize !== undefined) connection.maximumPacketBytes = properties.maximumPacketSize
  connection.problemInformation = properties.requestProblemInformation ?? true
  if (properties.userProperties && !realm.realm.features.userPropertiesAnywhere) {
    connection.refuse(
      reasonCodes.implementationSpecificError,
      'User properties are taken in PUBLISH and wills alone: they came in CONNECT.',
      'ClientError',
    )
    return
  }
  forbiddenUserProperties(connection, 'CONNECT', properties.userProperties)
  const refusal = firstRefusal(connection, packet)
  if (refusal) {
    connection.refuse(refusal.code, refusal.text, refusal.error)
    return
  }
  if (packet.clientId === '') connection.clientId = newGuid()
  connection.phase = 'deciding'
  connection.hold()
  decide(connection, packet, requestOf(connection, packet)).catch((error: unknown) =>
    connection.broken(error),
  )
}

type RefusalError = Parameters<Connection['refuse']>[2]

interface Refusal {
  readonly code: number
  readonly text: string
  readonly error: RefusalError
}

/** What is judged before anybody is asked who the client is. */
function firstRefusal(connection: Connection, packet: Connect): Refusal | undefined {
  const { realm, broker, version } = connection
  const { limits, features } = realm.realm
  const { clientId, properties } = packet
  if (broker.stopping || realm.closed)
    return { code: reasonCodes.serverUnavailable, text: 'The server is stopping.', error: 'ServiceError' }
  const bytes = Buffer.byteLength(clientId)
  if (bytes > limits.clientIdBytes)
    return identifier(`A client identifier has at most ${limits.clientIdBytes} bytes: one of ${bytes} came.`)
  if (bytes > 128)
    realm.wouldFail(clientId, 'long client identifiers', `a client identifier of ${bytes} bytes`)
  if (clientId === '' && version === 4) {
    if (!packet.cleanStart)
      return identifier('A session that is kept needs a client identifier. [MQTT-3.1.3-8]')
    if (!features.assignedClientIdFor311) return identifier('A 3.1.1 client needs a client identifier.')
  }
  const { authenticationData } = properties
  if (authenticationData && authenticationData.length > limits.authenticationDataBytes)
    return {
      code: reasonCodes.packetTooLarge,
      text: `Authentication data has at most ${limits.authenticationDataBytes} bytes.`,
      error: 'ClientError',
    }
  if (!realm.connects.take(1, broker.now)) {
    realm.stats.throttle('ConnectPacketsPerNamespace')
    const text = `At most ${limits.connectsPerSecond} clients a second may connect here.`
    return { code: reasonCodes.connectionRateExceeded, text, error: 'QuotaExceeded' }
  }
  if (realm.realm.mayConnect?.(connection.remoteAddress) === false)
    return notAuthorized(`The address ${connection.remoteAddress} is not allowed here.`)
  return undefined
}

const identifier = (text: string): Refusal => ({
  code: reasonCodes.clientIdentifierNotValid,
  text,
  error: 'ClientError',
})
const notAuthorized = (text: string): Refusal => ({
  code: reasonCodes.notAuthorized,
  text,
  error: 'AuthorizationError',
})

function requestOf(connection: Connection, { userName, password, properties }: Connect): ConnectRequest {
  const { transport, version, clientId } = connection
  const { authenticationData } = properties
  return {
    ...{ protocolVersion: version, clientId, userName },
    // Views of the chunk, which is used again before the client is known.
    password: password && Buffer.from(password),
    authenticationMethod: properties.authenticationMethod,
    authenticationData: authenticationData && Buffer.from(authenticationData),
    certificates: transport.certificates(),
    ...{ remoteAddress: transport.remoteAddress, secure: transport.secure },
  }
}

/** A realm that fails instead of deciding is unavailable. */
export async function admissionOf(connection: Connection, ask: () => Promise<Admission>): Promise<Admission> {
  try {
    return await ask()
  } catch (error) {
    const { realm, broker, clientId } = connection
    broker.log.error(
      { err: error, realm: realm.realm.name, client: clientId },
      'a client could not be authenticated',
    )
    return {
      kind: 'refused',
      reasonCode: reasonCodes.serverUnavailable,
      text: 'Authentication is not available.',
    }
  }
}

async function decide(connection: Connection, packet: Connect, request: ConnectRequest): Promise<void> {
  const { realm, broker } = connection
  // Views of the chunk too.
  const will = packet.will && willOf(packet.will, realm.realm)
  const deciding = new AbortController()
  connection.deciding = deciding
  const admission = await admissionOf(connection, () => realm.realm.authenticate(request, deciding.signal))
  connection.deciding = undefined
  if (connection.closed) return
  broker.tick()
  if (admission.kind === 'refused') {
    const { reasonCode, text, told } = admission
    const service = reasonCode === reasonCodes.serverUnavailable || reasonCode === reasonCodes.serverBusy
    connection.refuse(reasonCode, text, service ? 'ServiceError' : 'AuthenticationError', told)
    return
  }
  const refusal = sessionRefusal(connection, admission) ?? willRefusal(connection, will)
  if (refusal) {
    connection.refuse(refusal.code, refusal.text, refusal.error)
    return
  }
  admit(connection, packet, admission, will)
}

/** The session name may be taken, and a client has only so many. */
function sessionRefusal(
  connection: Connection,
  { identity }: Extract<Admission, { kind: 'admitted' }>,
): Refusal | undefined {
  const { realm, clientId } = connection
  const { limits } = realm.realm
  const known = realm.sessions.get(clientId)
  if (known) {
    if (known.identity.ownerKey === identity.ownerKey) return undefined
    return notAuthorized(`The session name '${clientId}' is in use by another client.`)
  }
  if (realm.sessionsOf(identity.ownerKey) >= limits.sessionsPerClient)
    return {
      code: reasonCodes.quotaExceeded,
      text: `A client has at most ${limits.sessionsPerClient} sessions.`,
      error: 'QuotaExceeded',
    }
  if (realm.sessions.size >= limits.sessions)
    return {
      code: reasonCodes.quotaExceeded,
      text: `At most ${limits.sessions} sessions are held here.`,
      error: 'QuotaExceeded',
    }
  return undefined
}

function willRefusal(connection: Connection, will: Will | undefined): Refusal | undefined {
  if (!will) return undefined
  const { limits, features } = connection.realm.realm
  const { message } = will
  const clientError = (code: number, text: string): Refusal => ({ code, text, error: 'ClientError' })
  if (message.qos > features.maximumQos)
    return clientError(
      connection.version === 5 ? reasonCodes.qosNotSupported : reasonCodes.notAuthorized,
      `A will has at most QoS ${features.maximumQos}.`,
    )
  if (message.retain && !features.retain)
    return clientError(reasonCodes.retainNotSupported, 'Retained messages are not available.')
  if (
    !isTopicName(message.topicName) ||
    Buffer.byteLength(message.topicName) > limits.topicBytes ||
    segmentsOf(message.topicName) > limits.topicSegments
  )
    return clientError(
      reasonCodes.topicNameInvalid,
      `The topic of a will is a topic name of at most ${limits.topicBytes} bytes and ${limits.topicSegments} segments.`,
    )
  if (message.retain && message.payload.length > limits.retainedMessageBytes)
    return clientError(
      reasonCodes.packetTooLarge,
      `A retained message has at most ${limits.retainedMessageBytes} bytes.`,
    )
  const fault = propertyFault(message, limits)
  return fault === undefined ? undefined : clientError(reasonCodes.implementationSpecificError, fault)
}

function willOf(will: NonNullable<Connect['will']>, { limits, features }: Realm): Will {
  const { willDelayInterval = 0, correlationData, messageExpiryInterval, ...properties } = will.properties
  const never = messageExpiryInterval === 0 && features.expiryZeroIsNever
  return {
    delaySeconds: Math.min(willDelayInterval, limits.willDelaySeconds),
    message: {
      ...properties,
      ...(messageExpiryInterval !== undefined && !never && { messageExpiryInterval }),
      ...{ topicName: will.topicName, qos: will.qos, retain: will.retain, receivedAt: 0 },
      payload: Buffer.from(will.payload),
      ...(correlationData && { correlationData: Buffer.from(correlationData) }),
    },
  }
}

function admit(
  connection: Connection,
  packet: Connect,
  admission: Extract<Admission, { kind: 'admitted' }>,
  will: Will | undefined,
): void {
  const { realm, broker, clientId, version } = connection
  const { limits } = realm.realm
  const { identity } = admission
  let session = realm.sessions.get(clientId)
  session?.connection?.close(
    'SessionTakenOver',
    reasonCodes.sessionTakenOver,
    'The session was taken over by another connection of its client.',
  )
  if (session && (packet.cleanStart || session.ended)) {
    realm.endSession(session)
    session = undefined
  }
  const sessionPresent = session !== undefined
  const expirySeconds = expiryOf(packet, limits.sessionExpirySeconds)
  if (session) realm.resume(session)
  else session = realm.createSession(clientId, identity, version)
  session.identity = identity
  session.version = version
  session.expiryMs = expirySeconds * 1000
  session.will = will
  session.connection = connection
  connection.session = session
  connection.authenticationMethod = packet.properties.authenticationMethod
  const durable = keepDurable(session)
  const properties = negotiate(connection, packet, expirySeconds)
  const answer: ConnackPacket = {
    type: 'connack',
    sessionPresent,
    reasonCode: reasonCodes.success,
    properties:
      version === 5
        ? {
            ...properties,
            ...(admission.authenticationData && { authenticationData: admission.authenticationData }),
          }
        : noProperties,
  }
  if (!durable) {
    welcome(connection, session, answer)
    return
  }
  const admitted = session
  broker.whenStored(realm, {
    act: () => !connection.closed && welcome(connection, admitted, answer),
    fail: () =>
      connection.refuse(reasonCodes.serverUnavailable, 'The session cannot be stored.', 'ServiceError'),
  })
}

/** Whether something of the session goes to the store, so that CONNACK must wait for it. */
function keepDurable(session: Session): boolean {
  const { realm } = session
  const store = realm.realm.sessions
  if (!store) return false
  const { identity, sessionName, version, expiryMs, will } = session
  const facts = {
    ...{ sessionName, authenticationName: identity.authenticationName, ownerKey: identity.ownerKey },
    ...{ identity: identity.record, protocolVersion: version, expiryMs, will, disconnectedAt: undefined },
  }
  if (session.durable) {
    session.durable.update(facts)
    return true
  }
  // A session in memory that is resumed stays there: it had an expiry of 0, and so cannot be resumed.
  if (expiryMs === 0) return false
  session.durable = store.create(facts)
  session.durable.onReady = () => session.pump()
  return true
}

function expiryOf({ cleanStart, protocolVersion, properties }: Connect, most: number): number {
  if (protocolVersion === 4) return cleanStart ? 0 : most
  return Math.min(properties.sessionExpiryInterval ?? 0, most)
}

/** What of the client's wishes is granted; only what CONNACK must say. */
function negotiate(
  connection: Connection,
  packet: Connect,
  expirySeconds: number,
): ConnackPacket['properties'] {
  const { realm, clientId } = connection
  const { limits, features } = realm.realm
  const { properties, keepAliveSeconds } = packet
  const { receiveMaximum = 65_535, topicAliasMaximum = 0, sessionExpiryInterval = 0 } = properties
  connection.sendMaximum = Math.min(receiveMaximum, limits.outboundInFlight)
  connection.outboundAliasMaximum = Math.min(topicAliasMaximum, limits.outboundTopicAliases)
  if (connection.outboundAliasMaximum > 0) connection.aliases = new Map()
  const tooLong = keepAliveSeconds === 0 || keepAliveSeconds > limits.keepAliveSeconds
  const asked = connection.version === 4 && features.anyKeepAliveFor311
  const seconds = tooLong && !asked ? limits.keepAliveSeconds : keepAliveSeconds
  connection.keepAliveMs = seconds * 1000
  if (connection.version === 4) return noProperties
  return {
    ...(expirySeconds !== sessionExpiryInterval && { sessionExpiryInterval: expirySeconds }),
    ...(limits.receiveMaximum < 65_535 && { receiveMaximum: limits.receiveMaximum }),
    ...(features.maximumQos < 2 && { maximumQos: features.maximumQos as 1 }),
    ...(!features.retain && { retainAvailable: false }),
    maximumPacketSize: limits.packetBytes,
    ...(packet.clientId === '' && { assignedClientIdentifier: clientId }),
    ...(limits.topicAliases > 0 && { topicAliasMaximum: limits.topicAliases }),
    ...(!features.subscriptionIdentifiers && { subscriptionIdentifiersAvailable: false }),
    ...(!features.sharedSubscriptions && { sharedSubscriptionAvailable: false }),
    ...(seconds !== keepAliveSeconds && { serverKeepAlive: seconds }),
    ...(properties.authenticationMethod !== undefined && {
      authenticationMethod: properties.authenticationMethod,
    }),
  }
}

/** The client is in: it is told so, and gets what waited for it. */
function welcome(connection: Connection, session: Session, answer: ConnackPacket): void {
  const { realm, broker } = connection
  if (!connection.send(answer)) {
    connection.close('ClientError', undefined, 'The client takes no packet that is as large as its CONNACK.')
    return
  }
  connection.phase = 'open'
  connection.rated = ratesOf(connection)
  connection.watchKeepAlive()
  connection.watchIdentity()
  const { connections } = realm.stats
  connections[connection.protocol] = (connections[connection.protocol] as number) + 1
  realm.stats.done(connection.protocol, 'Connect')
  realm.trace.note(
    connection.clientId,
    'connected',
    // Joined and not concatenated: the parts of a concatenation would be kept.
    [
      ...["as '", session.identity.authenticationName, "' from ", connection.remoteAddress],
      answer.sessionPresent ? ', session resumed' : ', new session',
    ].join(''),
  )
  connection.sequenceNumber = realm.realm.connected({
    authenticationName: session.identity.authenticationName,
    sessionName: session.sessionName,
  })
  broker.observer.connected?.(connection)
  if (answer.sessionPresent) session.resend(connection)
  session.pump()
  connection.resume()
}

function ratesOf({ realm }: Connection): boolean {
  const { limits } = realm.realm
  return (
    limits.publishesPerSecond +
      limits.publishBytesPerSecond +
      limits.sessionPublishesPerSecond +
      limits.sessionPublishBytesPerSecond +
      limits.retainedPerSecond >
    0
  )
}
