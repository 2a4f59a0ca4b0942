import { compileQuery, type Query } from '../hubquery/query.ts'
import { QueryError } from '../hubquery/tokens.ts'
import { encodeTwin, type Presence } from '../registry/encode.ts'
import { HubError, invalid } from '../registry/errors.ts'
import { checkId, type StoredIdentity } from '../registry/identity.ts'
import type { IdentityName, Registry } from '../registry/registry.ts'
import type { Page } from './route.ts'

export interface QueryPage {
  readonly results: readonly unknown[]
  /** Present where there is more. */
  readonly continuation: string | undefined
  readonly itemType: 'Twin' | 'DeviceJob' | 'Raw'
}

/** Where the next page begins, as clients send it back. */
interface Continuation {
  readonly after?: IdentityName | undefined
  /** What is left of TOP. */
  readonly left?: number | undefined
  /** Of a query with aggregates: results that were on the pages before. */
  readonly skip?: number
  /** Of a query for jobs. */
  readonly place?: string | undefined
}

/** What queries are asked of. */
export interface Queried {
  readonly registry: Registry
  readonly presenceOf: (identity: StoredIdentity) => Presence
  /** Documents of `devices.jobs` behind that place. */
  readonly deviceJobs: (
    after: string | undefined,
  ) => Promise<AsyncIterable<{ readonly place: string; readonly document: object }>>
}

/** One page of what a query gives; walks over identities, and holds no more than a page of them. */
export async function runQuery(
  text: unknown,
  { size, continuation }: Page,
  queried: Queried,
): Promise<QueryPage> {
  const { registry, presenceOf } = queried
  if (typeof text !== 'string') throw invalid('query', 'a string', text)
  const query = compiled(text)
  const start = decodeContinuation(continuation)
  if (query.from === 'devices.jobs') return pageOfJobs(query, start, size, queried)
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

async function pageOfJobs(
  query: Query,
  start: Continuation,
  size: number,
  { deviceJobs }: Queried,
): Promise<QueryPage> {
  const left = start.left ?? query.top ?? Number.POSITIVE_INFINITY
  const results: unknown[] = []
  let last: string | undefined
  let hasMore = false
  for await (const { place, document } of await deviceJobs(start.place)) {
    if (!query.matches(document)) continue
    if (results.length === Math.min(size, left)) {
      hasMore = left > size
      break
    }
    results.push(document)
    last = place
  }
  const next = { place: last, left: Number.isFinite(left) ? left - size : undefined }
  return { results, itemType: 'DeviceJob', continuation: hasMore ? encodeContinuation(next) : undefined }
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
    const { after, left, skip, place } = JSON.parse(Buffer.from(text, 'base64url').toString()) as Continuation
    if (after !== undefined) checkName(after)
    for (const count of [left, skip])
      if (count !== undefined && !(Number.isInteger(count) && count >= 0)) throw new Error('no count')
    return {
      ...(after && { after: { deviceId: after.deviceId, moduleId: after.moduleId } }),
      ...(left !== undefined && { left }),
      ...(skip !== undefined && { skip }),
      ...(typeof place === 'string' && { place }),
    }
  } catch {
    throw invalid('x-ms-continuation', 'what a page before has given', text)
  }
}

function checkName({ deviceId, moduleId }: IdentityName): void {
  checkId(deviceId, 'deviceId')
  if (moduleId !== undefined) checkId(moduleId, 'moduleId')
}
