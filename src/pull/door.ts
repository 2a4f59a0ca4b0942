import type { Bearer } from '../auth/bearer-token.ts'
import type { Clock } from '../base/clock.ts'
import { RequestError } from '../base/errors.ts'
import { newGuid } from '../base/ids.ts'
import type { Metrics } from '../base/metrics.ts'
import { type Diagnostics, noDiagnostics } from '../diagnostics/diagnostics.ts'
import type { GridEvent } from '../event/event.ts'
import { createNamespaceDecoder } from '../event/schemas/cloud-event.ts'
import { hostOf, withoutPort } from '../http/host.ts'
import { type Door, errorResponse, type HttpRequest, type HttpResponse } from '../http/http.ts'
import type { Peer } from '../http/peer.ts'
import { createPressure } from '../http/pressure.ts'
import { StoreUnavailable } from '../store/store.ts'
import { type Asked, createAuthenticate, type Identity } from './authenticate.ts'
import type { Directory, NamespaceFacts, NamespaceTopicFacts } from './directory.ts'
import {
  cannotStore,
  eventSubscriptionNotFound,
  forbidden,
  methodNotAllowed,
  namespaceNotFound,
  notAQueue,
  tooManyRequests,
  topicNotFound,
} from './errors.ts'
import type { PullLimits } from './limits.ts'
import type { TokenResults } from './outlet.ts'
import type { Outlets, Stand } from './outlets.ts'
import {
  type ApiVersion,
  apiVersionOf,
  hasFlatErrors,
  lockTokensOf,
  receiveParameters,
  releaseDelayMs,
} from './parameters.ts'
import { encodeReceived } from './receive-answer.ts'
import { createRoutes, type Operation, type Route } from './routes.ts'
import { createThroughputs, type Throughput } from './throughput.ts'
import { createTopicCounters } from './topic-counters.ts'

/*
 * The door of namespace topics: CloudEvents in by publish, and out of the queues of event subscriptions by receive,
 * acknowledge, release, reject and renewLock. A publisher is answered when its events are durable, a receiver when its
 * locks are, and whoever settles a lock when that is: so what was answered holds after a crash.
 *
 * A request is judged in this order: route, method, version, namespace, network, credential, topic and event
 * subscription, quota, size, content.
 *
 * Source: learn.microsoft.com/azure/event-grid/pull-delivery-overview; the published API description of Event Grid
 * namespaces
 */

export interface PullDoorOptions {
  readonly directory: Directory
  readonly outlets: Outlets
  /** Resolves when all of these events are durable; rejects with `StoreUnavailable` when none is. */
  readonly accept: (topic: NamespaceTopicFacts, events: readonly GridEvent[]) => Promise<void>
  readonly clock: Clock
  readonly metrics: Metrics
  readonly diagnostics?: Pick<Diagnostics, 'operated'>
  readonly limits: PullLimits
  /** Host names by which clients know this server, besides those that their requests come to. */
  readonly publicHosts: readonly string[]
  readonly readBearer: (token: string) => Bearer | Promise<Bearer>
  readonly peerOf: (request: HttpRequest) => Peer
}

/** A request on its way through the door; what is known of it grows. */
interface Call {
  readonly request: HttpRequest
  readonly route: Route
  readonly version: ApiVersion
  readonly namespace: NamespaceFacts
  readonly topic: NamespaceTopicFacts
  readonly throughput: Throughput
  readonly startedAt: number
}

export function createPullDoor(options: PullDoorOptions): Door {
  const { directory, outlets, accept, clock, metrics, limits, peerOf } = options
  const { operated } = options.diagnostics ?? noDiagnostics
  const routeOf = createRoutes()
  const authenticate = createAuthenticate(options)
  const decodeOpenly = createNamespaceDecoder(limits, false)
  const decodeStrictly = createNamespaceDecoder(limits, true)
  const pressure = createPressure(limits, () =>
    tooManyRequests('Too much is being published at this moment; try again.', 1),
  )
  const throughputOf = createThroughputs({ clock, metrics })
  const topicCountersOf = createTopicCounters(metrics)

  const publish = async (call: Call): Promise<HttpResponse> => {
    const { request, namespace, topic, throughput } = call
    const place = pressure.take(request)
    try {
      throughput.admit('ingress', namespace)
      const body = await request.body(limits.requestBytes)
      place.shrink(body.length)
      const { 'content-type': contentType } = request.headers
      const decode = namespace.isStrict ? decodeStrictly : decodeOpenly
      const events = decode({ body, contentType, rawHeaders: request.rawHeaders })
      throughput.spend('ingress', namespace, events.length, body.length)
      await accept(topic, events)
      topicCountersOf(topic.id).published(events.length, clock.now() - call.startedAt)
      return answer(request, emptyObject)
    } finally {
      place.release()
    }
  }

  const receive = async (call: Call, stand: Stand): Promise<HttpResponse> => {
    const { request, route, namespace, throughput } = call
    const { max, waitMs } = receiveParameters(route)
    throughput.admit('egress', namespace)
    // Some clients send a body, which says nothing.
    if (request.headers['content-length'] !== '0') await request.body(limits.requestBytes)
    if (outlets.waiting >= limits.waitingReceivers)
      throw tooManyRequests(`${limits.waitingReceivers} requests to receive wait already; try again.`, 1)
    const receiving = stand.outlet.receive(max, waitMs)
    request.onGone(() => receiving.leave())
    const batch = await receiving.batch
    const body = encodeReceived(batch)
    const { length } = batch.events
    if (length > 0) {
      throughput.spend('egress', namespace, length, body.length)
      stand.counters.done('receive', length, clock.now() - call.startedAt)
    }
    return answer(request, body)
  }

  const settle = async (
    call: Call,
    stand: Stand,
    operation: Exclude<Operation, 'publish' | 'receive'>,
  ): Promise<HttpResponse> => {
    const { request, route, version, namespace, throughput } = call
    const delayMs = operation === 'release' ? releaseDelayMs(route, version) : 0
    throughput.admit('settling', namespace)
    const body = await request.body(limits.requestBytes)
    const tokens = lockTokensOf(body, limits.lockTokens)
    throughput.spend('settling', namespace, tokens.length, body.length)
    const results = await stepOf(stand, operation, tokens, delayMs)
    const failed = results.filter((result) => result !== undefined)
    stand.counters.done(operation, tokens.length - failed.length, clock.now() - call.startedAt)
    for (const refusal of failed) stand.counters.failed(operation, refusal, 1)
    return answer(request, encodeResults(tokens, results, version))
  }

  const operate = async (call: Call, asked: Asked, stand: Stand | undefined, known: Known) => {
    const { request, route } = call
    const authenticated = authenticate(request, asked)
    // Waited for only where it must be: most requests carry a key.
    known.identity = authenticated instanceof Promise ? await authenticated : authenticated
    if (stand === undefined) return publish(call)
    return route.operation === 'receive'
      ? receive(call, stand)
      : settle(call, stand, route.operation as Exclude<Operation, 'publish' | 'receive'>)
  }

  const report = (request: HttpRequest, route: Route, known: Known, status: number) => {
    const { namespace, identity } = known
    if (!operated || !namespace) return
    operated({
      resourceId: namespace.id,
      region: namespace.location,
      operationName: `Microsoft.EventGrid/events/${route.operation === 'publish' ? 'send' : route.operation}`,
      clientIpAddress: peerOf(request).address,
      tlsVersion: request.tlsVersion,
      authenticationType: identity?.type ?? 'Unknown',
      objectId: identity?.objectId,
      status,
    })
  }

  const refuse = (request: HttpRequest, route: Route, known: Known, error: unknown): HttpResponse => {
    const refusal = error instanceof StoreUnavailable ? cannotStore(error, retryAfterSeconds(error)) : error
    const isRefusal = refusal instanceof RequestError
    const code = isRefusal ? refusal.code : 'InternalServerError'
    const { operation } = route
    if (operation === 'publish') {
      if (known.topic)
        topicCountersOf(known.topic.id).failed(code, isRefusal ? refusal.detailCode : undefined)
    } else known.stand?.counters.failed(operation, code, 1)
    report(request, route, known, isRefusal ? refusal.status : 500)
    if (!isRefusal) throw refusal
    return refused(request, refusal)
  }

  const serve = async (request: HttpRequest, route: Route): Promise<HttpResponse> => {
    const startedAt = clock.now()
    const known: Known = {}
    try {
      if (request.method !== 'POST') throw methodNotAllowed(request.method)
      const host = hostOf(request)
      const namespace = directory.namespaceAt(withoutPort(host), route.prefix)
      if (!namespace) throw namespaceNotFound(host + route.prefix)
      known.namespace = namespace
      const version = apiVersionOf(route, namespace.isStrict)
      admit(request, host, namespace, peerOf)
      const topic = directory.topic(namespace, route.topic)
      if (!topic) throw topicNotFound(route.topic, namespace.name)
      known.topic = topic
      let stand: Stand | undefined
      if (route.operation !== 'publish') {
        const queue = directory.queue(topic, route.eventSubscription)
        if (queue === 'push') throw notAQueue(route.eventSubscription)
        stand = queue && outlets.get(queue.uid)
        if (!stand) throw eventSubscriptionNotFound(route.eventSubscription, route.topic)
        known.stand = stand
      }
      const throughput = throughputOf(namespace.id)
      const call = { request, route, version, namespace, topic, throughput, startedAt }
      const asked = { route, namespace, topic, resourceId: stand?.facts.id ?? topic.id }
      const response = await operate(call, asked, stand, known)
      report(request, route, known, response.status)
      return response
    } catch (error) {
      return refuse(request, route, known, error)
    }
  }

  return (request) => {
    const route = routeOf(request)
    return route && serve(request, route)
  }
}

/** What is known of a request by the time that it is answered. */
interface Known {
  namespace?: NamespaceFacts
  topic?: NamespaceTopicFacts
  stand?: Stand
  identity?: Identity
}

/** What is judged before the credential. */
function admit(
  request: HttpRequest,
  host: string,
  { publicNetworkAccess, allowsAddress, requiresTls }: NamespaceFacts,
  peerOf: (request: HttpRequest) => Peer,
): void {
  if (publicNetworkAccess && allowsAddress === undefined && !requiresTls) return
  const { address, isTls } = peerOf(request)
  if (!publicNetworkAccess)
    throw forbidden(`Access to '${host}' from ${address} is denied: public network access is disabled.`)
  if (allowsAddress && !allowsAddress(address))
    throw forbidden(
      `Access to '${host}' by client ${address} is rejected due to IP filtering (inboundIpRules).`,
    )
  if (requiresTls && !isTls)
    throw forbidden(
      `Access to '${host}' takes TLS 1.2 or newer (minimumTlsVersionAllowed); this connection is not encrypted.`,
    )
}

function stepOf(
  { outlet }: Stand,
  operation: Exclude<Operation, 'publish' | 'receive'>,
  tokens: readonly string[],
  delayMs: number,
): Promise<TokenResults> {
  switch (operation) {
    case 'acknowledge':
      return outlet.acknowledge(tokens)
    case 'release':
      return outlet.release(tokens, delayMs)
    case 'reject':
      return outlet.reject(tokens)
    case 'renewLock':
      return outlet.renew(tokens)
  }
}

const messages = {
  TokenLost: 'Token has expired.',
  BadToken: 'The value is not a lock token.',
} as const

/** Source: the published API description of Event Grid namespaces, AcknowledgeResult and FailedLockToken */
function encodeResults(tokens: readonly string[], results: TokenResults, version: ApiVersion): string {
  const succeededLockTokens: string[] = []
  const failedLockTokens: object[] = []
  for (const [n, lockToken] of tokens.entries()) {
    const code = results[n]
    if (code === undefined) succeededLockTokens.push(lockToken)
    else if (hasFlatErrors(version))
      failedLockTokens.push({ lockToken, errorCode: code, errorDescription: messages[code] })
    else failedLockTokens.push({ lockToken, error: { code, message: messages[code] } })
  }
  return JSON.stringify({ succeededLockTokens, failedLockTokens })
}

const emptyObject = '{}'

function answer(request: HttpRequest, body: string | Buffer): HttpResponse {
  return { status: 200, headers: commonHeaders(request), body }
}

/** Source: Azure REST API guidelines, "x-ms-error-code" */
function refused(request: HttpRequest, error: RequestError): HttpResponse {
  const { headers, ...response } = errorResponse(error)
  return { ...response, headers: { ...commonHeaders(request), 'x-ms-error-code': error.code, ...headers } }
}

function commonHeaders(request: HttpRequest): Record<string, string> {
  const headers: Record<string, string> = {
    'Content-Type': 'application/json; charset=utf-8',
    'x-ms-request-id': newGuid(),
    Server: 'Busbar',
  }
  const clientRequestId = request.headers['x-ms-client-request-id']
  // Only what may stand in a header, and no more of it than an id needs.
  if (typeof clientRequestId === 'string' && /^[\x21-\x7e]{1,128}$/.test(clientRequestId))
    headers['x-ms-client-request-id'] = clientRequestId
  // RFC 6797 forbids it on a plain connection.
  if (request.tlsVersion !== undefined)
    headers['Strict-Transport-Security'] = 'max-age=31536000; includeSubDomains'
  return headers
}

/** A full disk may be cleared in a moment; a store that has failed needs a restart. */
const retryAfterSeconds = ({ retryable }: StoreUnavailable) => (retryable ? 5 : 30)
