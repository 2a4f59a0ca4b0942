import { TokenBucket } from '../../base/token-bucket.ts'
import type { Connection } from '../connection.ts'
import { ownedCopy } from '../message.ts'
import { noProperties, type PacketOf, type PublishProperties } from '../packets/packet.ts'
import { reasonCodes } from '../packets/reason-codes.ts'
import type { DisconnectionReason, Message, Qos } from '../realm.ts'
import type { Route } from '../route.ts'
import type { Session } from '../session.ts'
import type { MetricError, Throttle } from '../stats.ts'
import { isTopicName, segmentsOf } from '../topics.ts'

type Publish = PacketOf<'publish'>

/**
 * A message from a client: checked, sent to everyone who wants it, and answered once that is done. What a client may
 * not do ends its connection where MQTT has no other way to say so: at QoS 0, and in 3.1.1.
 *
 * Source: learn.microsoft.com/azure/event-grid/mqtt-support and mqtt-troubleshoot-errors
 */
export function onPublish(connection: Connection, packet: Publish): void {
  const { session, realm, broker } = connection
  if (!session) return
  const topicName = packet.properties === noProperties ? packet.topicName : resolveAlias(connection, packet)
  if (topicName === undefined) return
  const { qos, packetId } = packet
  if (qos !== 0 && tooManyInFlight(connection, session, packet)) return
  // A client says the same topic name many times: what was found for it holds until something changes.
  let route = connection.lastRoute as Route
  if (topicName !== connection.lastTopic || connection.lastGeneration !== realm.generation) {
    const found = routeOf(connection, session, packet, topicName)
    if (!found) return
    route = found
  }
  if (
    (packet.retain || packet.properties !== noProperties || qos === 2) &&
    refuseForm(connection, packet, topicName)
  )
    return
  if (connection.rated && throttled(connection, packet, topicName)) return
  if (qos === 2 && session.incoming.has(packetId)) {
    // It has been passed on already. [MQTT-4.3.3-10]
    acknowledge(connection, session, packet, session.durable !== undefined)
    return
  }
  const message = incoming.from(packet, topicName, broker.now)
  // Source: learn.microsoft.com/azure/event-grid/mqtt-support, "Message expiry interval"
  if (message.messageExpiryInterval === 0 && realm.realm.features.expiryZeroIsNever)
    message.messageExpiryInterval = undefined
  const { realm: rules, stats } = realm
  let durable = false
  let owned: Message | undefined
  if (packet.retain && !rules.keepsNoRetained) {
    const refusal = realm.retainRefusal(message)
    if (refusal) {
      const code = qos === 0 ? refusal.code : reasonCodes.quotaExceeded
      const what = { code, error: 'QuotaExceeded', reason: 'QuotaExceeded', text: refusal.text } as const
      refuse(
        connection,
        packet,
        topicName,
        refusal.code === reasonCodes.packetTooLarge ? { ...what, reason: 'ClientError' } : what,
      )
      return
    }
    owned = ownedCopy(message)
    durable = realm.retain(owned)
  }
  if (realm.publish(route, message, session, owned)) durable = true
  if (rules.accepted !== undefined && realm.pass(realm.owned(message), session.identity)) durable = true
  // What it was told of the message may have ended it.
  if (connection.closed) return
  const counter = connection.protocol * 3 + qos
  stats.published[counter] = (stats.published[counter] as number) + 1
  if (qos === 0) return
  if (qos === 2) {
    session.startIncoming(packetId)
    if (session.durable) durable = true
  }
  acknowledge(connection, session, packet, durable)
}

/** One message at a time, for all connections: nobody keeps it, so that a message costs no object. */
class Incoming implements Message {
  topicName = ''
  payload: Buffer = Buffer.alloc(0)
  qos: Qos = 0
  retain = false
  receivedAt = 0
  payloadFormatIndicator: number | undefined = undefined
  messageExpiryInterval: number | undefined = undefined
  contentType: string | undefined = undefined
  responseTopic: string | undefined = undefined
  correlationData: Buffer | undefined = undefined
  userProperties: PublishProperties['userProperties'] = undefined
  #hasProperties = false

  from(packet: Publish, topicName: string, now: number): Incoming {
    this.topicName = topicName
    this.payload = packet.payload as Buffer
    this.qos = packet.qos
    this.retain = packet.retain
    this.receivedAt = now
    const { properties } = packet
    if (properties !== noProperties || this.#hasProperties) this.#setProperties(properties)
    return this
  }

  #setProperties(properties: PublishProperties): void {
    this.payloadFormatIndicator = properties.payloadFormatIndicator
    this.messageExpiryInterval = properties.messageExpiryInterval
    this.contentType = properties.contentType
    this.responseTopic = properties.responseTopic
    this.correlationData = properties.correlationData as Buffer | undefined
    this.userProperties = properties.userProperties
    this.#hasProperties = properties !== noProperties
  }
}

const incoming = new Incoming()

function acknowledge(connection: Connection, session: Session, packet: Publish, durable: boolean): void {
  const { packetId, qos } = packet
  const header = qos === 1 ? 0x40 : 0x50
  if (!durable) {
    connection.sendAcknowledgement(header, packetId, reasonCodes.success)
    return
  }
  const { length } = packet.payload
  connection.awaitStore(qos, length)
  connection.broker.whenStored(connection.realm, {
    act() {
      connection.stored(qos, length)
      if (connection.open) connection.sendAcknowledgement(header, packetId, reasonCodes.success)
    },
    fail() {
      connection.stored(qos, length)
      if (qos === 2) session.endIncoming(packetId)
      if (connection.version === 5 && connection.open)
        connection.sendAcknowledgement(header, packetId, reasonCodes.unspecifiedError)
      else connection.notStored()
    },
  })
}

/** [MQTT-3.3.4-9] */
function tooManyInFlight(connection: Connection, session: Session, packet: Publish): boolean {
  const { receiveMaximum } = connection.realm.realm.limits
  if (connection.version === 4 || connection.unacknowledged + session.incoming.size < receiveMaximum)
    return false
  if (session.incoming.has(packet.packetId)) return false
  const text = `More than ${receiveMaximum} messages of QoS 1 and 2 are not acknowledged.`
  connection.close('ClientError', reasonCodes.receiveMaximumExceeded, text)
  return true
}

/** The topic name that the packet says or its alias stands for; undefined: the connection has ended. */
function resolveAlias(connection: Connection, packet: Publish): string | undefined {
  const { topicAlias } = packet.properties
  if (topicAlias === undefined) return packet.topicName
  const { topicAliases } = connection.realm.realm.limits
  if (topicAlias > topicAliases) {
    const text = `A topic alias is 1 to ${topicAliases}: ${topicAlias} came.`
    connection.close('ClientError', reasonCodes.topicAliasInvalid, text)
    return undefined
  }
  connection.inboundAliases ??= []
  if (packet.topicName !== '') {
    if (topicAlias > 10)
      connection.realm.wouldFail(connection.clientId, 'topic aliases above 10', `topic alias ${topicAlias}`)
    connection.inboundAliases[topicAlias] = packet.topicName
    return packet.topicName
  }
  const known = connection.inboundAliases[topicAlias]
  if (known !== undefined) return known
  connection.close('ClientError', reasonCodes.protocolError, `Topic alias ${topicAlias} has not been set.`)
  return undefined
}

interface PublishRefusal {
  readonly code: number
  readonly error: MetricError
  readonly reason: DisconnectionReason
  readonly text: string
}

const clientError = (code: number, text: string): PublishRefusal => ({
  ...{ code, error: 'ClientError', reason: 'ClientError', text },
})

/** Says that the message was not taken: in the acknowledgement where there is one, else the connection ends. */
function refuse(connection: Connection, packet: Publish, topicName: string, refusal: PublishRefusal): void {
  const { realm, broker } = connection
  const { code, error, reason, text } = refusal
  const { qos, packetId } = packet
  realm.stats.publishError(connection.protocol, qos, error)
  realm.trace.note(
    connection.clientId,
    'message refused',
    `QoS ${qos} to '${topicName.slice(0, 256)}': ${text}`,
  )
  broker.observer.publishFailed?.(connection, topicName, qos, { signature: error, description: text })
  if (connection.version === 5 && qos > 0)
    connection.sendAcknowledgement(qos === 1 ? 0x40 : 0x50, packetId, code)
  else connection.close(reason, code, text)
}

function routeOf(
  connection: Connection,
  session: Session,
  packet: Publish,
  topicName: string,
): Route | undefined {
  const { realm } = connection
  const { features } = realm.realm
  // Where messages went to it before, its form has been judged.
  if (!realm.hasRoute(topicName) && refuseTopic(connection, packet, topicName)) return undefined
  const reserved = topicName.startsWith('$')
  if ((reserved && !features.reservedTopics) || !realm.realm.mayPublish(session.identity, topicName)) {
    refuse(connection, packet, topicName, {
      ...{ code: reasonCodes.notAuthorized, error: 'AuthorizationError', reason: 'ClientAuthorizationError' },
      text: `Topic name '${topicName}' does not match any topicspaces`,
    })
    return undefined
  }
  if (reserved) realm.wouldFail(connection.clientId, 'reserved topic names', `a message to '${topicName}'`)
  const route = realm.route(topicName)
  connection.lastTopic = topicName
  connection.lastRoute = route
  connection.lastGeneration = realm.generation
  return route
}

/** Whether that is no topic name, or too long a one. */
function refuseTopic(connection: Connection, packet: Publish, topicName: string): boolean {
  const { realm } = connection
  const { limits } = realm.realm
  if (!isTopicName(topicName)) {
    // Whatever the QoS. [MQTT-3.3.2-2]
    const text = `'${topicName.slice(0, 256)}' is no topic name.`
    realm.stats.publishError(connection.protocol, packet.qos, 'ClientError')
    connection.close('ClientError', reasonCodes.topicNameInvalid, text)
    return true
  }
  const bytes = Buffer.byteLength(topicName)
  const segments = segmentsOf(topicName)
  if (bytes > limits.topicBytes || segments > limits.topicSegments) {
    const text =
      `A topic name has at most ${limits.topicBytes} bytes and ${limits.topicSegments} segments: ` +
      `one of ${bytes} and ${segments} came.`
    refuse(connection, packet, topicName, clientError(reasonCodes.topicNameInvalid, text))
    return true
  }
  if (bytes > 256 || segments > 8)
    realm.wouldFail(
      connection.clientId,
      'long topic names',
      `a topic name of ${bytes} bytes and ${segments} segments`,
    )
  return false
}

/** Judges what few messages have: RETAIN, QoS 2 and properties. */
function refuseForm(connection: Connection, packet: Publish, topicName: string): boolean {
  const { realm, clientId } = connection
  const { limits, features } = realm.realm
  const { qos, retain, properties } = packet
  if (qos === 2) {
    if (features.maximumQos < 2) {
      // [MQTT-3.2.2-11]
      realm.stats.publishError(connection.protocol, qos, 'ClientError')
      connection.close('ClientError', reasonCodes.qosNotSupported, 'QoS 2 is not available.')
      return true
    }
    realm.wouldFail(clientId, 'QoS 2', 'a message with QoS 2')
  }
  if (retain && !features.retain) {
    realm.stats.publishError(connection.protocol, qos, 'ClientError')
    connection.close('ClientError', reasonCodes.retainNotSupported, 'Retained messages are not available.')
    return true
  }
  if (retain && packet.payload.length > 65_536)
    realm.wouldFail(
      clientId,
      'large retained messages',
      `a retained message of ${packet.payload.length} bytes`,
    )
  if (properties === noProperties) return false
  if (properties.responseTopic !== undefined && !isTopicName(properties.responseTopic)) {
    // [MQTT-3.3.2-14]
    realm.stats.publishError(connection.protocol, qos, 'ClientError')
    connection.close('ClientError', reasonCodes.protocolError, 'The response topic is no topic name.')
    return true
  }
  const text = propertyFault(properties, limits)
  if (text !== undefined) {
    refuse(connection, packet, topicName, clientError(reasonCodes.implementationSpecificError, text))
    return true
  }
  const azure = realm.realm.profile === 'open' ? propertyFault(properties, azureBounds) : undefined
  if (azure !== undefined) realm.wouldFail(clientId, 'large properties', azure)
  return false
}

interface PropertyBounds {
  readonly userPropertyBytes: number
  readonly contentTypeBytes: number
  readonly correlationDataBytes: number
  readonly responseTopicBytes: number
}

const azureBounds: PropertyBounds = {
  userPropertyBytes: 32_768,
  contentTypeBytes: 256,
  correlationDataBytes: 256,
  responseTopicBytes: 256,
}

/** What in the properties of a message or a will is over its bound; undefined: nothing. */
export function propertyFault(
  properties: Pick<PublishProperties, 'contentType' | 'correlationData' | 'responseTopic' | 'userProperties'>,
  bounds: PropertyBounds,
): string | undefined {
  const { contentType, correlationData, responseTopic, userProperties } = properties
  const over = (what: string, bytes: number, most: number) =>
    bytes > most ? `${what} has at most ${most} bytes: ${bytes} came.` : undefined
  let userBytes = 0
  if (userProperties)
    for (const [name, value] of userProperties)
      userBytes += Buffer.byteLength(name) + Buffer.byteLength(value)
  return (
    over(
      'The content type',
      contentType === undefined ? 0 : Buffer.byteLength(contentType),
      bounds.contentTypeBytes,
    ) ??
    over('The correlation data', correlationData?.length ?? 0, bounds.correlationDataBytes) ??
    over(
      'The response topic',
      responseTopic === undefined ? 0 : Buffer.byteLength(responseTopic),
      bounds.responseTopicBytes,
    ) ??
    over('All user properties together', userBytes, bounds.userPropertyBytes)
  )
}

/** A client that goes on so for more than a second's worth of refusals is disconnected. */
function throttled(connection: Connection, packet: Publish, topicName: string): boolean {
  const { realm, broker } = connection
  const { limits } = realm.realm
  const { now } = broker
  const bytes = packet.payload.length
  connection.publishRate ??= new TokenBucket(limits.sessionPublishesPerSecond, now)
  connection.publishByteRate ??= new TokenBucket(limits.sessionPublishBytesPerSecond, now)
  let kind: Throttle
  if (!connection.publishRate.take(1, now)) kind = 'IncomingPublishPacketsPerConnection'
  else if (!connection.publishByteRate.take(bytes, now)) kind = 'InboundBandwidthPerConnection'
  else if (!realm.publishes.take(1, now)) kind = 'IncomingPublishPacketsPerNamespace'
  else if (!realm.publishBytes.take(bytes, now)) kind = 'InboundBandwidthPerNamespace'
  else if (packet.retain && !realm.retainedPublishes.take(1, now)) kind = 'IncomingPublishPacketsPerNamespace'
  else return false
  realm.stats.throttle(kind)
  if (connection.throttledAt < now - 1000) {
    connection.throttledAt = now
    connection.throttledCount = 0
  }
  connection.throttledCount++
  const text = `The rate of messages is over its limit (${kind}).`
  const most = Math.max(limits.sessionPublishesPerSecond, 100)
  if (connection.throttledCount > most) {
    realm.stats.publishError(connection.protocol, packet.qos, 'QuotaExceeded')
    connection.close('QuotaExceeded', reasonCodes.messageRateTooHigh, text)
    return true
  }
  if (packet.qos === 0) {
    // Dropped without a word: MQTT has none for it.
    realm.stats.publishError(connection.protocol, 0, 'QuotaExceeded')
    if (connection.throttledCount === 1) realm.trace.note(connection.clientId, 'message dropped', text)
    return true
  }
  if (connection.version === 4) {
    // It is taken, and then nothing more until the rate allows it.
    connection.pauseFor(1000)
    return false
  }
  refuse(connection, packet, topicName, {
    ...{ code: reasonCodes.quotaExceeded, error: 'QuotaExceeded', reason: 'QuotaExceeded', text },
  })
  return true
}
