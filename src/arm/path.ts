import { gatewayError } from './errors.ts'

/*
 * A request path as Resource Manager reads it. Literals and names match in any letter case, runs of slashes count
 * as one, a scope may come percent-encoded, one trailing slash is tolerated: clients send all of these.
 */

const claimed = /^(?:\/|%2f)+(?:subscriptions|providers|tenants|eventsubscriptions|batch)(?:\/|%2f|$)/i

/** Whether the path belongs to the control plane at all; cheap, for it is asked for every request. */
export const isControlPlanePath = (path: string): boolean => claimed.test(path)

const pathCharacters = 8192

/** The decoded segments of a path. */
export function splitPath(path: string): readonly string[] {
  if (path.length > pathCharacters)
    throw gatewayError(414, 'RequestUriTooLong', `The path is longer than ${pathCharacters} characters.`)
  try {
    return decodeURIComponent(path)
      .split('/')
      .filter((segment) => segment !== '')
  } catch {
    throw gatewayError(
      400,
      'BadRequest',
      'The path holds a percent sign that does not begin a UTF-8 character.',
    )
  }
}

/** One `/providers/{namespace}/{type}/{name}…` of a path. The last type has no name where a collection is meant. */
export interface ProviderBlock {
  readonly namespace: string
  readonly types: readonly string[]
  readonly names: readonly string[]
}

/** A path below `/subscriptions/{id}`, or at tenant level, taken apart. */
export interface ParsedPath {
  readonly subscriptionId: string | undefined
  readonly group: string | undefined
  readonly blocks: readonly ProviderBlock[]
  /** What follows the scope when it is not `providers`. */
  readonly rest: readonly string[]
}

export function parsePath(segments: readonly string[]): ParsedPath {
  let at = 0
  const literal = (word: string) => segments[at]?.toLowerCase() === word
  let subscriptionId: string | undefined
  let group: string | undefined
  if (literal('subscriptions') && segments.length > 1) {
    subscriptionId = segments[1]
    at = 2
    if (literal('resourcegroups') && segments.length > 3) {
      group = segments[3]
      at = 4
    }
  }
  const blocks: ProviderBlock[] = []
  while (literal('providers') && at + 1 < segments.length) {
    const namespace = segments[at + 1] as string
    const types: string[] = []
    const names: string[] = []
    at += 2
    while (at < segments.length && !literal('providers')) {
      types.push(segments[at] as string)
      const name = segments[at + 1]
      if (name !== undefined) names.push(name)
      at += 2
    }
    blocks.push({ namespace, types, names })
    at = Math.min(at, segments.length)
  }
  return { subscriptionId, group, blocks, rest: segments.slice(at) }
}
