import { apiVersionMissing, badRequest, operationNotInVersion, unsupportedApiVersion } from './errors.ts'
import type { Operation, Route } from './routes.ts'

/** The newest one first, which is also what a request without a version gets. */
export const apiVersions = ['2024-06-01', '2023-11-01', '2023-10-01-preview', '2023-06-01-preview'] as const
export type ApiVersion = (typeof apiVersions)[number]

/** The versions of operations that some do not have. */
const versionsOf: Partial<Record<Operation, readonly ApiVersion[]>> = {
  reject: ['2024-06-01', '2023-11-01', '2023-10-01-preview'],
  renewLock: ['2024-06-01'],
}

/**
 * The version that a request asks for. Whoever is not strict is served without one, and every operation with each.
 *
 * Source: the published API description of Event Grid namespaces
 */
export function apiVersionOf({ query, operation }: Route, isStrict: boolean): ApiVersion {
  const given = query.get('api-version')
  if (given === undefined || given === '') {
    if (isStrict) throw apiVersionMissing(apiVersions)
    return apiVersions[0]
  }
  const version = apiVersions.find((each) => each === given.toLowerCase())
  if (!version) throw unsupportedApiVersion(given, apiVersions)
  const having = versionsOf[operation]
  if (isStrict && having && !having.includes(version))
    throw operationNotInVersion(operation, version, having.at(-1) as string)
  return version
}

/** How a token that failed is told of: the first two versions have other words for it than those after them. */
export const hasFlatErrors = (version: ApiVersion): boolean => version.endsWith('-preview')

/** Source: learn.microsoft.com/rest/api/eventgrid, "Receive Cloud Events" */
export function receiveParameters({ query }: Route): { readonly max: number; readonly waitMs: number } {
  const max = wholeNumber(query.get('maxevents'), 'maxEvents', { least: 1, most: 100, byDefault: 1 })
  const waitSeconds = wholeNumber(query.get('maxwaittime'), 'maxWaitTime', {
    ...{ least: 10, most: 120, byDefault: 60 },
  })
  return { max, waitMs: waitSeconds * 1000 }
}

function wholeNumber(
  given: string | undefined,
  name: string,
  { least, most, byDefault }: { readonly least: number; readonly most: number; readonly byDefault: number },
): number {
  if (given === undefined) return byDefault
  const value = /^\d{1,9}$/.test(given) ? Number(given) : Number.NaN
  if (value >= least && value <= most) return value
  throw badRequest(
    `The query parameter '${name}' must be a whole number from ${least} to ${most}: got '${given.slice(0, 100)}'.`,
  )
}

const releaseDelays: readonly string[] = ['0', '10', '60', '600', '3600']

/**
 * How long events that are put back are kept from receivers. The version before the last knows no delay, and does as
 * if none were given.
 *
 * Source: the published API description of Event Grid namespaces, ReleaseDelay
 */
export function releaseDelayMs({ query }: Route, version: ApiVersion): number {
  const given = query.get('releasedelayinseconds')
  if (given === undefined || version === '2023-11-01') return 0
  if (!releaseDelays.includes(given))
    throw badRequest(
      `The query parameter 'releaseDelayInSeconds' must be one of ${releaseDelays.join(', ')}: got '${given.slice(0, 100)}'.`,
    )
  return Number(given) * 1000
}

/** The tokens of a request's body, `{"lockTokens":["...", ...]}`. */
export function lockTokensOf(body: Buffer, most: number): readonly string[] {
  let root: unknown
  try {
    root = JSON.parse(body.toString('utf8'))
  } catch (error) {
    throw badRequest(`The request body is not valid JSON: ${(error as Error).message.slice(0, 200)}.`, error)
  }
  const tokens =
    typeof root === 'object' && root !== null ? (root as { lockTokens?: unknown }).lockTokens : root
  if (!Array.isArray(tokens) || tokens.length === 0)
    throw badRequest("The request body must have 'lockTokens', an array of at least one lock token.")
  if (tokens.length > most)
    throw badRequest(
      `The request holds ${tokens.length} lock tokens, which is more than the maximum of ${most}.`,
    )
  if (!tokens.every((token) => typeof token === 'string'))
    throw badRequest("Each of the 'lockTokens' must be a string.")
  return tokens
}
