import type { Clock } from '../base/clock.ts'
import { RequestError } from '../base/errors.ts'
import { newGuid } from '../base/ids.ts'
import type { Log } from '../base/log.ts'
import type { Metrics } from '../base/metrics.ts'
import type { Catalog, Topic } from '../catalog/catalog.ts'
import type { Diagnostics } from '../diagnostics/diagnostics.ts'
import type { GridEvent } from '../event/event.ts'
import { hostOf, withoutPort } from '../http/host.ts'
import { type Door, errorResponse, type HttpRequest, type HttpResponse } from '../http/http.ts'
import { createPeerOf, type Peer } from '../http/peer.ts'
import { createPressure } from '../http/pressure.ts'
import { StoreUnavailable } from '../store/store.ts'
import { createAuthenticate, type Identity, type ReadBearer } from './authenticate.ts'
import {
  cannotAccept,
  clientIpRejected,
  methodNotAllowed,
  networkAccessDenied,
  tlsRequired,
  tooManyRequests,
  topicNotFound,
  unsupportedApiVersion,
} from './errors.ts'
import { defaultPublishLimits, type PublishLimits } from './limits.ts'
import { createReport } from './report.ts'
import { routeOf, type TopicOf } from './routes.ts'
import { createTargets, type Target } from './target.ts'
import { createTopicStates } from './topic-state.ts'

/*
 * The door for events published over HTTP: `POST <topic endpoint>`. In comes a request; it is authenticated, its
 * events are decoded, and they are handed to `accept`. The publisher is answered 200 only after `accept` has
 * taken responsibility for all of them; otherwise none is taken and the answer says why.
 *
 * A request is judged in this order: route, network, credential, size, content type, JSON, events, their topics.
 *
 * Source: learn.microsoft.com/azure/event-grid/post-to-custom-topic
 */

export interface PublishDoorOptions {
  readonly catalog: Catalog
  /** Resolves when all of these events are durable; rejects with `StoreUnavailable` when none is. */
  readonly accept: (topic: Topic, events: readonly GridEvent[], topicOf?: TopicOf) => Promise<void>
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly diagnostics?: Pick<Diagnostics, 'publishFailed' | 'requested'>
  readonly limits?: PublishLimits
  /** Host names by which clients know this server, besides those that their requests come to. */
  readonly publicHosts?: readonly string[]
  readonly readBearer: ReadBearer
  /** Default: whoever opened the connection. */
  readonly peerOf?: (request: HttpRequest) => Peer
}

export function createPublishDoor(options: PublishDoorOptions): Door {
  const { catalog, accept, clock, log, metrics, limits = defaultPublishLimits, publicHosts = [] } = options
  const { readBearer, peerOf = createPeerOf(undefined) } = options
  const authenticate = createAuthenticate({ catalog, clock, publicHosts, readBearer })
  const stateOf = createTopicStates({ clock, metrics, limits })
  const pressure = createPressure(limits, tooManyRequests)
  const report = createReport(options.diagnostics, peerOf)
  const targetOf = createTargets()

  const publish = async (request: HttpRequest, topic: Topic, target: Target): Promise<HttpResponse> => {
    const startedAt = clock.now()
    const state = stateOf(topic)
    let identity: Identity | undefined
    let decoded: number | undefined
    try {
      admit(request, topic, target, peerOf)
      const authenticated = authenticate(request, topic, target.queryKey)
      // Waited for only where it must be: most requests carry a key.
      identity = authenticated instanceof Promise ? await authenticated : authenticated
      const topicOf = routeOf(catalog, request, topic)
      const place = pressure.take(request)
      try {
        const body = await request.body(limits.requestBytes)
        place.shrink(body.length)
        const { 'content-type': contentType } = request.headers
        const events = state.decode({ body, contentType, rawHeaders: request.rawHeaders })
        decoded = events.length
        await accept(topic, events, topicOf)
        const tookMs = clock.now() - startedAt
        state.succeeded(events.length, tookMs)
        report.answered(request, topic, identity, 200)
        if (log.isLevelEnabled('debug'))
          log.debug({ topic: topic.id, events: events.length, bytes: body.length, tookMs }, 'events accepted')
      } finally {
        place.release()
      }
      return { status: 200, headers: commonHeaders(request) }
    } catch (error) {
      const refusal =
        error instanceof StoreUnavailable ? cannotAccept(error, retryAfterSeconds(error)) : error
      state.failed(refusal)
      report.failed(request, topic, identity, decoded, refusal)
      if (refusal instanceof RequestError) return refuse(request, refusal)
      throw refusal
    }
  }

  return (request) => {
    const target = targetOf(request)
    if (!target) return undefined
    const topic = catalog.topicByEndpoint(withoutPort(hostOf(request)), target.path)
    if (!topic || request.method === 'HEAD')
      return refuse(request, topicNotFound(`${request.base}${request.path}`))
    switch (request.method) {
      case 'POST':
        return publish(request, topic, target)
      case 'OPTIONS': {
        const answer = describe(request, topic, target, stateOf(topic).wireName, peerOf)
        report.answered(request, topic, undefined, answer.status)
        return answer
      }
      default:
        return refuse(request, methodNotAllowed(request.method))
    }
  }
}

const apiVersion = '2018-01-01'

/** What is judged before the credential. */
function admit(
  request: HttpRequest,
  topic: Topic,
  target: Target,
  peerOf: (request: HttpRequest) => Peer,
): void {
  if (target.apiVersion !== undefined && target.apiVersion !== apiVersion)
    throw unsupportedApiVersion(target.apiVersion)
  if (!topic.publicNetworkAccess) throw networkAccessDenied(hostOf(request), peerOf(request).address)
  const { allowsAddress, requiresTls } = topic
  if (allowsAddress === undefined && !requiresTls) return
  const { address, isTls } = peerOf(request)
  if (allowsAddress && !allowsAddress(address)) throw clientIpRejected(hostOf(request), address)
  if (requiresTls && !isTls) throw tlsRequired(hostOf(request))
}

/**
 * OPTIONS tells the topic's input schema, and asks for no credential.
 *
 * Source: learn.microsoft.com/azure/event-grid/edge/api, and the how-to "get the type of schema"
 */
function describe(
  request: HttpRequest,
  topic: Topic,
  target: Target,
  schema: string,
  peerOf: (request: HttpRequest) => Peer,
): HttpResponse {
  try {
    admit(request, topic, target, peerOf)
  } catch (error) {
    if (error instanceof RequestError) return refuse(request, error)
    throw error
  }
  return {
    status: 200,
    headers: { ...commonHeaders(request), Allow: 'POST,OPTIONS', 'aeg-input-event-schema': schema },
  }
}

function refuse(request: HttpRequest, error: RequestError): HttpResponse {
  const response = errorResponse(error)
  return { ...response, headers: { ...commonHeaders(request), ...response.headers } }
}

function commonHeaders(request: HttpRequest): Record<string, string> {
  const headers: Record<string, string> = {
    'x-ms-request-id': newGuid(),
    'api-supported-versions': apiVersion,
    Server: 'Busbar',
  }
  // RFC 6797 forbids it on a plain connection.
  if (request.tlsVersion !== undefined)
    headers['Strict-Transport-Security'] = 'max-age=31536000; includeSubDomains'
  return headers
}

/** A full disk may be cleared in a moment; a store that has failed needs a restart. */
const retryAfterSeconds = ({ retryable }: StoreUnavailable) => (retryable ? 5 : 30)
