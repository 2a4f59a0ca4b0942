import type { HttpRequest } from '../http/http.ts'

/*
 * The six operations on namespace topics, all of them POST:
 *
 *   {endpoint}/topics/{topic}:publish
 *   {endpoint}/topics/{topic}/eventsubscriptions/{name}:receive, acknowledge, release, reject, renewLock
 *
 * Source: the published API description of Event Grid namespaces (azure-rest-api-specs, eventgrid data plane)
 */

export const operations = ['publish', 'receive', 'acknowledge', 'release', 'reject', 'renewLock'] as const
export type Operation = (typeof operations)[number]

/** What a request's URL says. */
export interface Route {
  readonly operation: Operation
  /** The path up to `/topics/`, as sent. */
  readonly prefix: string
  readonly topic: string
  /** Empty for publish. */
  readonly eventSubscription: string
  /** Parameters of the query, by their names in lower case; of two of one name, the first. */
  readonly query: ReadonlyMap<string, string>
}

/** How many URLs are remembered; beyond it, all are forgotten. Clients use a few each for as long as they live. */
const rememberedUrls = 4_000
/** Longer ones are read every time, so that what is remembered has a bound in bytes too. */
const rememberedCharacters = 512

const pattern =
  /^(.*)\/topics\/([^/]+?)(?:\/eventsubscriptions\/([^/]+?))?(?::|%3a)(publish|receive|acknowledge|release|reject|renewlock)\/?$/i

const byName = new Map<string, Operation>(operations.map((name) => [name.toLowerCase(), name]))

/** Reads URLs, once each. Answers with undefined for what is none of these operations. */
export function createRoutes(): (request: HttpRequest) => Route | undefined {
  const remembered = new Map<string, Route>()
  return (request) => {
    const known = remembered.get(request.url)
    if (known) return known
    const route = readRoute(request)
    if (route && request.url.length <= rememberedCharacters) {
      if (remembered.size >= rememberedUrls) remembered.clear()
      remembered.set(request.url, route)
    }
    return route
  }
}

function readRoute(request: HttpRequest): Route | undefined {
  // Most paths are other doors': the colon tells at once.
  if (!/:|%3a/i.test(request.path)) return undefined
  const found = pattern.exec(request.path)
  if (!found) return undefined
  const [, prefix = '', topic = '', eventSubscription = '', verb = ''] = found
  const operation = byName.get(verb.toLowerCase()) as Operation
  if ((operation === 'publish') !== (eventSubscription === '')) return undefined
  try {
    return {
      operation,
      prefix,
      topic: decodeURIComponent(topic),
      eventSubscription: decodeURIComponent(eventSubscription),
      query: queryOf(request),
    }
  } catch {
    return undefined
  }
}

function queryOf({ query }: HttpRequest): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>()
  for (const [name, value] of query) {
    const lower = name.toLowerCase()
    if (!parameters.has(lower)) parameters.set(lower, value)
  }
  return parameters
}
