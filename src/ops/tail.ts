import type { Access } from '../auth/access.ts'
import type { Caller } from '../auth/caller.ts'
import { RequestError } from '../base/errors.ts'
import type { Metrics } from '../base/metrics.ts'
import { withoutTrailingSlashes } from '../base/trailing-slashes.ts'
import type { Catalog } from '../catalog/catalog.ts'
import type { HttpRequest, HttpResponse } from '../http/http.ts'
import type { Followed, Tail } from '../trace/tail.ts'

export interface TailRouteOptions {
  readonly catalog: Pick<
    Catalog,
    'topic' | 'systemTopic' | 'eventSubscriptions' | 'eventSubscriptionsOf' | 'onChange'
  >
  readonly tail: Tail
  readonly access: Access
  readonly metrics: Metrics
}

/**
 * `GET /events/tail?topic=<ARM id>` or `?eventSubscription=<ARM id>`: JSON lines for as long as the client reads.
 * A topic's tell of every event accepted, an event subscription's of every attempt and of how each event ends. Whether
 * the caller may follow is asked when the stream begins.
 */
export function createTailRoute({
  catalog,
  tail,
  access,
  metrics,
}: TailRouteOptions): (request: HttpRequest, caller: Caller) => HttpResponse {
  metrics.gauge('busbar_tail_followers', 'Streams of /events/tail that are open.', () => tail.followers)
  catalog.onChange(({ topics, eventSubscriptions }) => {
    if (!tail.followed) return
    for (const { id, topic } of topics) if (!topic) tail.deleted(id)
    for (const { uid, after } of eventSubscriptions) if (!after) tail.deleted(uid)
  })
  return ({ query }, caller) => {
    const what = followedBy(query, catalog, (action, id) => access.check(caller, action, id))
    if (tail.full)
      throw new RequestError(
        429,
        'TooManyFollowers',
        'As many follow events already as may (limits.tailFollowers).',
        {
          headers: { 'Retry-After': '10' },
        },
      )
    return {
      status: 200,
      headers: {
        'Content-Type': 'application/x-ndjson; charset=utf-8',
        'Cache-Control': 'no-store',
        // Proxies that collect an answer before they pass it on would keep it for ever.
        'X-Accel-Buffering': 'no',
      },
      stream: (signal) => tail.follow(what, signal),
    }
  }
}

function followedBy(
  query: URLSearchParams,
  catalog: TailRouteOptions['catalog'],
  check: (action: string, id: string) => void,
): Followed {
  const [topicId, eventSubscriptionId] = [query.get('topic'), query.get('eventSubscription')]
  if ((topicId === null) === (eventSubscriptionId === null))
    throw new RequestError(
      400,
      'BadRequest',
      'Say what to follow, with one of the query parameters topic and eventSubscription, each an ARM id.',
    )
  if (topicId !== null) {
    const id = withoutTrailingSlashes(topicId)
    check('Microsoft.EventGrid/events/tail/action', id)
    const known = catalog.topic(id) ?? catalog.systemTopic(id)
    if (known) return { kind: 'topic', id: known.id }
    // A domain topic need not exist to take events, nor what raises events of its own.
    const isOfDomain = catalog.topic(id.replace(/\/topics\/[^/]+$/, ''))?.kind === 'domain'
    if (isOfDomain || catalog.eventSubscriptionsOf(id).length > 0) return { kind: 'topic', id }
    throw notFound('topic', topicId)
  }
  const ofOne = 'Microsoft.EventGrid/eventSubscriptions/tail/action'
  const wanted = extensionForm(eventSubscriptionId as string)
  for (const { id, uid } of catalog.eventSubscriptions())
    if (extensionForm(id) === wanted) {
      check(ofOne, id)
      return { kind: 'eventSubscription', id, uid }
    }
  check(ofOne, eventSubscriptionId as string)
  throw notFound('eventSubscription', eventSubscriptionId as string)
}

/** An event subscription's id in lower case and one form, whether it was given as a child or as an extension. */
const extensionForm = (id: string) =>
  withoutTrailingSlashes(id.toLowerCase()).replace(
    /(?<!\/providers\/microsoft\.eventgrid)\/eventsubscriptions\/([^/]+)$/,
    '/providers/microsoft.eventgrid/eventsubscriptions/$1',
  )

const notFound = (kind: string, id: string) =>
  new RequestError(
    404,
    'NotFound',
    `There is no ${kind} '${id.slice(0, 1000)}' that events go through now: it does not exist, or is not provisioned.`,
    { target: id.slice(0, 1000) },
  )
