import type { HttpRequest } from '../http/http.ts'

/** What a request's URL says. */
export interface Target {
  /** As sent, without a trailing slash. */
  readonly path: string
  readonly apiVersion: string | undefined
  readonly queryKey: string | undefined
}

/** How many URLs are remembered; beyond it, all are forgotten. Clients use one each for as long as they live. */
const rememberedUrls = 1_000

/** Longer ones are read every time, so that what is remembered has a bound in bytes too. */
const rememberedCharacters = 512

/** Reads URLs, once each. Answers with undefined for what is no endpoint of a topic. */
export function createTargets(): (request: HttpRequest) => Target | undefined {
  const remembered = new Map<string, Target>()
  return (request) => {
    const known = remembered.get(request.url)
    if (known) return known
    const path = endpointPath(request.path)
    if (path === undefined) return undefined
    const { query, url } = request
    const target = {
      path,
      apiVersion: query.get('api-version') ?? undefined,
      queryKey: query.get('aeg-sas-key') ?? undefined,
    }
    if (url.length <= rememberedCharacters) {
      if (remembered.size >= rememberedUrls) remembered.clear()
      remembered.set(url, target)
    }
    return target
  }
}

const suffix = '/api/events'

function endpointPath(path: string): string | undefined {
  const end = path.endsWith('/') ? path.length - 1 : path.length
  return path.slice(Math.max(0, end - suffix.length), end).toLowerCase() === suffix
    ? path.slice(0, end)
    : undefined
}
