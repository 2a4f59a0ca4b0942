import { TokenBucket } from '../../base/token-bucket.ts'
import type { Connection } from '../connection.ts'
import { noProperties, type PacketOf, type RequestedSubscription } from '../packets/packet.ts'
import { reasonCodes, subackFailure } from '../packets/reason-codes.ts'
import type { Message } from '../realm.ts'
import type { Session, Subscription } from '../session.ts'
import type { MetricError } from '../stats.ts'
import { decodeShared, isShared, isTopicFilter, segmentsOf } from '../topics.ts'
import { forbiddenUserProperties } from './acknowledged.ts'

/** Each filter is judged by itself, and answered in its place. [MQTT-3.8.4-6] */
export function onSubscribe(connection: Connection, packet: PacketOf<'subscribe'>): void {
  const { session, realm, broker } = connection
  if (!session) return
  const { packetId, subscriptions, properties } = packet
  const { limits, features } = realm.realm
  if (forbiddenUserProperties(connection, 'SUBSCRIBE', properties.userProperties)) return
  const { subscriptionIdentifier } = properties
  if (subscriptionIdentifier !== undefined) {
    if (!features.subscriptionIdentifiers) {
      const text = 'Subscription identifiers are not available.'
      connection.close('ClientError', reasonCodes.subscriptionIdentifiersNotSupported, text)
      return
    }
    realm.wouldFail(
      connection.clientId,
      'subscription identifiers',
      'SUBSCRIBE with a subscription identifier',
    )
  }
  for (const { topicFilter, noLocal } of subscriptions)
    if (noLocal && isShared(topicFilter)) {
      // [MQTT-3.8.3-4]
      const text = `No Local is not for a shared subscription: '${topicFilter}'.`
      connection.close('ClientError', reasonCodes.protocolError, text)
      return
    }
  // 3.1.1 has no answer for what is no filter. [MQTT-4.7.1-2] [MQTT-4.7.1-3]
  const broken =
    connection.version === 4 && subscriptions.find(({ topicFilter }) => !isTopicFilter(topicFilter))
  if (broken) {
    connection.close('ClientError', undefined, `'${broken.topicFilter}' is no topic filter.`)
    return
  }
  const whole = wholeRefusal(connection, subscriptions.length)
  const refused = new Map<string, { readonly error: MetricError; readonly filters: string[] }>()
  const replays: { readonly subscription: Subscription; readonly messages: readonly Message[] }[] = []
  const codes = subscriptions.map((requested) => {
    const refusal = whole ?? refusalOf(connection, session, requested)
    if (refusal) {
      realm.stats.subscriptionError(connection.protocol, false, refusal.error)
      const known = refused.get(refusal.text)
      if (known) known.filters.push(requested.topicFilter)
      else refused.set(refusal.text, { error: refusal.error, filters: [requested.topicFilter] })
      return connection.version === 5 ? refusal.code : subackFailure
    }
    if (requested.qos === 2 && features.maximumQos === 2)
      realm.wouldFail(connection.clientId, 'QoS 2', 'a subscription with QoS 2, of which Azure grants QoS 1')
    const qos = Math.min(requested.qos, features.maximumQos) as 0 | 1 | 2
    const { topicFilter, noLocal, retainAsPublished, retainHandling } = requested
    const isNew = realm.subscribe(session, topicFilter, {
      ...{ qos, noLocal, retainAsPublished, retainHandling },
      ...(subscriptionIdentifier !== undefined && { subscriptionId: subscriptionIdentifier }),
    })
    realm.stats.subscription(connection.protocol, false)
    if (retainHandling === 0 || (retainHandling === 1 && isNew)) {
      const messages = realm.retainedFor(topicFilter)
      const subscription = session.subscriptions.get(topicFilter)
      if (messages.length > 0 && subscription) replays.push({ subscription, messages })
    }
    return qos
  })
  for (const [text, { error, filters }] of refused) {
    realm.trace.note(connection.clientId, 'subscription refused', text)
    broker.observer.subscribeFailed?.(connection, 'subscribe', filters, {
      signature: error,
      description: text,
    })
  }
  realm.stats.done(connection.protocol, 'Subscribe')
  const answer = () => {
    connection.send({ type: 'suback', packetId, reasonCodes: codes, properties: noProperties })
    for (const { subscription, messages } of replays) replay(connection, subscription, messages)
  }
  if (!session.durable) {
    answer()
    return
  }
  broker.whenStored(realm, { act: () => connection.open && answer(), fail: () => connection.notStored() })

  function wholeRefusal(from: Connection, count: number): Refusal | undefined {
    if (count > limits.filtersPerSubscribe)
      return quota(`A SUBSCRIBE has at most ${limits.filtersPerSubscribe} filters: ${count} came.`)
    from.subscribeRate ??= new TokenBucket(limits.sessionSubscribesPerSecond, broker.now)
    if (!from.subscribeRate.take(1, broker.now)) {
      realm.stats.throttle('SubscribeOperationsPerConnection')
      return quota(`A session subscribes at most ${limits.sessionSubscribesPerSecond} times a second.`)
    }
    if (realm.subscribes.take(1, broker.now)) return undefined
    realm.stats.throttle('SubscribeOperationsPerNamespace')
    return quota(`At most ${limits.subscribesPerSecond} subscribe operations a second are taken here.`)
  }
}

interface Refusal {
  readonly code: number
  readonly error: MetricError
  readonly text: string
}

const quota = (text: string): Refusal => ({ code: reasonCodes.quotaExceeded, error: 'QuotaExceeded', text })
const clientError = (code: number, text: string): Refusal => ({ code, error: 'ClientError', text })

function refusalOf(
  connection: Connection,
  session: Session,
  { topicFilter }: RequestedSubscription,
): Refusal | undefined {
  const { realm, clientId } = connection
  const { limits, features } = realm.realm
  const shared = isShared(topicFilter)
  const parts = shared ? decodeShared(topicFilter) : undefined
  if (shared ? !parts : !isTopicFilter(topicFilter))
    return clientError(reasonCodes.topicFilterInvalid, `'${topicFilter}' is no topic filter.`)
  if (shared && !features.sharedSubscriptions)
    return clientError(
      reasonCodes.sharedSubscriptionsNotSupported,
      `Shared subscriptions are not available: '${topicFilter}'.`,
    )
  if (shared) realm.wouldFail(clientId, 'shared subscriptions', `a subscription to '${topicFilter}'`)
  const filter = parts?.filter ?? topicFilter
  const bytes = Buffer.byteLength(filter)
  if (bytes > limits.topicBytes)
    return clientError(
      reasonCodes.topicFilterInvalid,
      `A topic filter has at most ${limits.topicBytes} bytes: one of ${bytes} came.`,
    )
  const segments = segmentsOf(filter)
  if (segments > limits.topicSegments)
    return clientError(
      reasonCodes.topicFilterInvalid,
      `A topic filter has at most ${limits.topicSegments} segments: '${filter}' has ${segments}.`,
    )
  if (bytes > 256 || segments > 8)
    realm.wouldFail(
      clientId,
      'long topic filters',
      `a topic filter of ${bytes} bytes and ${segments} segments`,
    )
  if (realm.realm.refusedFilters?.includes(filter))
    return clientError(
      reasonCodes.unspecifiedError,
      `Nobody may subscribe to '${filter}': the configuration refuses it.`,
    )
  if (!realm.realm.maySubscribe(session.identity, filter))
    return {
      code: reasonCodes.notAuthorized,
      error: 'AuthorizationError',
      text: `Topic filter '${filter}' does not match any topicspaces`,
    }
  if (session.subscriptions.has(topicFilter)) return undefined
  if (session.subscriptions.size >= limits.subscriptionsPerSession)
    return quota(`A session has at most ${limits.subscriptionsPerSession} subscriptions.`)
  if (session.subscriptions.size >= 50)
    realm.wouldFail(clientId, 'many subscriptions', 'more than 50 subscriptions of one session')
  if (realm.subscriptionCount >= limits.subscriptionsPerNamespace)
    return quota(`At most ${limits.subscriptionsPerNamespace} subscriptions are held here.`)
  return undefined
}

/** Retained messages of a new subscription, as fast as the client takes them. */
function replay(connection: Connection, subscription: Subscription, messages: readonly Message[]): void {
  let at = 0
  connection.replay(() => {
    const message = messages[at++]
    // Unsubscribed meanwhile.
    if (!message || subscription.session.subscriptions.get(subscription.filter) !== subscription) return false
    if (connection.realm.replay(subscription, message))
      connection.broker.whenStored(connection.realm, { act() {}, fail: () => connection.notStored() })
    return at < messages.length
  })
}
