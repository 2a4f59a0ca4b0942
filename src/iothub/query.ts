import { compileQuery, type Query } from '../hubquery/query.ts'
import { QueryError } from '../hubquery/tokens.ts'
import { encodeTwin, type Presence } from '../registry/encode.ts'
import { HubError, invalid } from '../registry/errors.ts'
import type { StoredIdentity } from '../registry/identity.ts'
import type { IdentityName, Registry } from '../registry/registry.ts'

/** Results of one page. Source: learn.microsoft.com/azure/iot-hub/iot-hub-devguide-query-language */
export const pageMost = 1_000
export const pageDefault = 100

export interface QueryPage {
  readonly results: readonly unknown[]
  /** Present where there is more. */
  readonly continuation: string | undefined
  readonly itemType: 'Twin' | 'Raw'
}

/** Where the next page begins, as clients send it back. */
interface Continuation {
  readonly after?: IdentityName | undefined
  /** What is left of TOP. */
  readonly left?: number | undefined
  /** Of a query with aggregates: results that were on the pages before. */
  readonly skip?: number
}

/** One page of what a query gives; walks over identities, and holds no more than a page of them. */
export async function runQuery(
  registry: Registry,
  text: unknown,
  { size, continuation }: { readonly size: number; readonly continuation: string | undefined },
  presenceOf: (identity: StoredIdentity) => Presence,
): Promise<QueryPage> {
  if (typeof text !== 'string') throw invalid('query', 'a string', text)
  const query = compiled(text)
  if (query.from === 'devices.jobs') return { results: [], continuation: undefined, itemType: 'Raw' }
  const start = decodeContinuation(continuation)
  const kind = query.from === 'devices' ? 'device' : 'module'
  if (query.aggregate) return aggregated(query, registry, start, size, presenceOf)

  const left = start.left ?? query.top ?? Number.POSITIVE_INFINITY
  const results: unknown[] = []
  let last: IdentityName | undefined
  let hasMore = false
  for await (const identity of registry.walk(kind, start.after)) {
    const twin = encodeTwin(identity, presenceOf(identity))
    if (!query.matches(twin)) continue
    // Known to have more only when the next one is found: the last page must not promise another.
    if (results.length === Math.min(size, left)) {
      hasMore = left > size
      break
    }
    results.push(query.project(twin))
    last = { deviceId: identity.deviceId, moduleId: identity.moduleId }
  }
  return {
    results,
    itemType: query.isWhole ? 'Twin' : 'Raw',
    continuation: hasMore
      ? encodeContinuation({ after: last, left: Number.isFinite(left) ? left - size : undefined })
      : undefined,
  }
}

async function aggregated(
  query: Query,
  registry: Registry,
  { skip = 0 }: Continuation,
  size: number,
  presenceOf: (identity: StoredIdentity) => Presence,
): Promise<QueryPage> {
  const aggregation = query.aggregate?.()
  for await (const identity of registry.walk('device')) {
    const twin = encodeTwin(identity, presenceOf(identity))
    if (query.matches(twin)) aggregation?.add(twin)
  }
  const all = (aggregation?.results() ?? []).slice(0, query.top)
  const results = all.slice(skip, skip + size)
  return {
    results,
    itemType: 'Raw',
    continuation: skip + size < all.length ? encodeContinuation({ skip: skip + size }) : undefined,
  }
}

function compiled(text: string): Query {
  try {
    return compileQuery(text)
  } catch (error) {
    if (error instanceof QueryError) throw new HubError('ArgumentInvalid', error.message)
    throw error
  }
}

const encodeContinuation = (continuation: Continuation): string =>
  Buffer.from(JSON.stringify(continuation)).toString('base64url')

function decodeContinuation(text: string | undefined): Continuation {
  if (text === undefined || text === '') return {}
  try {
    const { after, left, skip } = JSON.parse(Buffer.from(text, 'base64url').toString()) as Continuation
    if (after !== undefined && typeof after.deviceId !== 'string') throw new Error('no device')
    return {
      ...(after && { after: { deviceId: after.deviceId, moduleId: after.moduleId } }),
      ...(typeof left === 'number' && { left }),
      ...(typeof skip === 'number' && { skip }),
    }
  } catch {
    throw invalid('x-ms-continuation', 'what a page before has given', text)
  }
}
