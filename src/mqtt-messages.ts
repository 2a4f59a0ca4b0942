import type { Clock } from './base/clock.ts'
import { TokenBucket } from './base/token-bucket.ts'
import type { HttpRequest } from './http/http.ts'
import type { Peer } from './http/peer.ts'
import type { Broker } from './mqtt/broker.ts'
import type { BrokerRealm } from './mqtt/broker-realm.ts'
import { propertyFault } from './mqtt/handlers/publish.ts'
import { bytesOf } from './mqtt/message.ts'
import { reasonCodes } from './mqtt/packets/reason-codes.ts'
import type { ClientIdentity, Message } from './mqtt/realm.ts'
import { httpPublish } from './mqtt/stats.ts'
import { segmentsOf } from './mqtt/topics.ts'
import type { Caller, HttpMessage, MessageBroker, Refusal, RetainedFacts } from './mqtthttp/mqtthttp.ts'

/*
 * The broker's realms as the door of messages over HTTP sees them: whoever asks is an MQTT client with a Microsoft
 * Entra token, without a session.
 */

/**
 * What a namespace and one caller may publish over HTTP in a second, where the service's limits hold, for each
 * throughput unit.
 *
 * Source: learn.microsoft.com/azure/event-grid/quotas-limits, "HTTP publish"
 */
const publishesPerSecond = 500
const bytesPerSecond = 512 * 1024
/** Callers whose rate is remembered. */
const rememberedCallers = 10_000

interface Rates {
  readonly publishes: TokenBucket
  readonly bytes: TokenBucket
  readonly callers: Map<string, TokenBucket>
}

export function createMessageBrokers(options: {
  readonly broker: Broker
  readonly peerOf: (request: HttpRequest) => Peer
  /** Throughput units of the namespace. */
  readonly capacityOf: (realm: BrokerRealm) => number
  readonly clock: Clock
}): (host: string, prefix: string) => MessageBroker | undefined {
  const { broker, peerOf, capacityOf, clock } = options
  const ratesOf = new WeakMap<BrokerRealm, Rates>()

  const rates = (realm: BrokerRealm): Rates => {
    let known = ratesOf.get(realm)
    if (known) return known
    const [units, now] = [capacityOf(realm), clock.now()]
    known = {
      publishes: new TokenBucket(publishesPerSecond * units, now),
      bytes: new TokenBucket(bytesPerSecond * units, now),
      callers: new Map(),
    }
    ratesOf.set(realm, known)
    return known
  }

  const throttle = (realm: BrokerRealm, name: string, bytes: number): string | undefined => {
    if (realm.realm.profile !== 'strict') return undefined
    const { publishes, bytes: byteRate, callers } = rates(realm)
    const now = clock.now()
    let own = callers.get(name)
    if (!own) {
      if (callers.size >= rememberedCallers) callers.clear()
      callers.set(name, (own = new TokenBucket(publishesPerSecond, now)))
    }
    if (!own.take(1, now)) return `More than ${publishesPerSecond} messages a second come from one caller.`
    if (!publishes.take(1, now)) return 'More messages come over HTTP than the namespace takes.'
    if (!byteRate.take(bytes, now)) return 'More bytes come over HTTP than the namespace takes.'
    return undefined
  }

  const publish = (
    realm: BrokerRealm,
    identity: ClientIdentity,
    message: Message,
  ): Promise<Refusal | undefined> => {
    const { stats } = realm
    broker.tick()
    const refusal = judge(realm, message)
    const excess = refusal ? undefined : throttle(realm, identity.authenticationName, message.payload.length)
    if (refusal || excess !== undefined) {
      stats.publishError(
        httpPublish,
        message.qos,
        refusal?.kind === 'malformed' ? 'ClientError' : 'QuotaExceeded',
      )
      return Promise.resolve(refusal ?? { kind: 'tooMany', reason: excess as string })
    }
    const waits = realm.publishOwned(message, identity, undefined)
    const counter = httpPublish * 3 + message.qos
    stats.published[counter] = (stats.published[counter] as number) + 1
    if (!waits) return Promise.resolve(undefined)
    return new Promise((resolve) =>
      broker.whenStored(realm, {
        act: () => resolve(undefined),
        fail: () => resolve({ kind: 'unavailable', reason: 'The message cannot be stored at this moment.' }),
      }),
    )
  }

  const callerOf = (realm: BrokerRealm, identity: ClientIdentity): Caller => ({
    mayPublish: (topicName) =>
      (realm.realm.features.reservedTopics || !topicName.startsWith('$')) &&
      realm.realm.mayPublish(identity, topicName),
    maySubscribe: (topicFilter) => realm.realm.maySubscribe(identity, topicFilter),
    publish: (message: HttpMessage) => publish(realm, identity, message),
    retained(topicName) {
      const message = realm.retained.get(topicName, broker.tick())
      return message && factsOf(message)
    },
    retainedMatching: (topicFilter) => realm.retained.match(topicFilter, broker.tick()).map(factsOf),
  })

  const messageBroker = (realm: BrokerRealm): MessageBroker => ({
    payloadBytes: realm.realm.limits.packetBytes,
    async admit(token, request) {
      const admission = await realm.realm.authenticate(
        {
          protocolVersion: 5,
          clientId: '',
          userName: undefined,
          password: undefined,
          authenticationMethod: 'OAUTH2-JWT',
          authenticationData: Buffer.from(token),
          certificates: [],
          remoteAddress: peerOf(request).address,
          secure: request.tlsVersion !== undefined,
        },
        new AbortController().signal,
      )
      if (admission.kind === 'admitted') return callerOf(realm, admission.identity)
      return { refused: admission.text, isOurs: admission.reasonCode === reasonCodes.serverUnavailable }
    },
  })

  return (host, prefix) => {
    const realm = realmOf(broker, host, prefix)
    return realm && messageBroker(realm)
  }
}

const factsOf = (message: Message): RetainedFacts => ({ message, bytes: bytesOf(message) })

/** By path, by host name, or the only one there is; of namespaces, for devices of IoT hubs publish otherwise. */
function realmOf(broker: Broker, host: string, prefix: string): BrokerRealm | undefined {
  const realms = [...broker.realms].filter(({ realm }) => !realm.claims)
  if (prefix !== '') return realms.find(({ realm }) => realm.path === prefix)
  return (
    realms.find(({ realm }) => realm.hosts.includes(host)) ?? (realms.length === 1 ? realms[0] : undefined)
  )
}

/** What the broker says of a message that a client sends, too. */
function judge(realm: BrokerRealm, message: Message): Refusal | undefined {
  const { limits, features } = realm.realm
  const { topicName, retain } = message
  if (Buffer.byteLength(topicName) > limits.topicBytes || segmentsOf(topicName) > limits.topicSegments)
    return {
      kind: 'malformed',
      reason: `A topic name has at most ${limits.topicBytes} bytes and ${limits.topicSegments} segments.`,
    }
  const fault = propertyFault(message, limits)
  if (fault !== undefined) return { kind: 'malformed', reason: fault }
  if (bytesOf(message) > limits.packetBytes)
    return { kind: 'tooLarge', reason: `A message has at most ${limits.packetBytes} bytes.` }
  if (!retain) return undefined
  if (!features.retain) return { kind: 'malformed', reason: 'Retained messages are not available.' }
  const refusal = realm.retainRefusal(message)
  if (!refusal) return undefined
  const isLarge = refusal.code === reasonCodes.packetTooLarge
  return { kind: isLarge ? 'tooLarge' : 'tooMany', reason: `${refusal.text}.` }
}
