import type { HttpRequest } from '../http/http.ts'
import { invalidParameter } from './errors.ts'
import { type FieldReader, parseFilter } from './filter-expression.ts'
import { parameterOf } from './headers.ts'

/** One answer of a list, and where the next begins. */
export interface Page {
  readonly value: readonly unknown[]
  readonly nextLink?: string
}

export interface PageRules<Item> {
  readonly defaultTop: number
  readonly maxTop: number
  /** Fields that `$filter` may name, in lower case; undefined where `itemsAfter` has read the filter itself. */
  readonly filterFields: readonly string[] | undefined
  /** What an item is for the filter; where it is several things (one for each tag), one that passes is enough. */
  fields(item: Item): readonly FieldReader[]
  /** Where a list goes on after this item; given back to `itemsAfter`. */
  position(item: Item): string
  encode(item: Item): unknown
}

/** Source: learn.microsoft.com/rest/api/eventgrid/controlplane/topics/list-by-resource-group, "URI Parameters" */
export const eventGridPages = { defaultTop: 20, maxTop: 100, filterFields: ['name'] }

/** Takes one page of what `itemsAfter` yields. */
export function pageOf<Item>(
  request: HttpRequest,
  itemsAfter: (position: string | undefined) => Iterable<Item>,
  rules: PageRules<Item>,
): Page {
  const top = decodeTop(request, rules)
  const expression = parameterOf(request, '$filter')
  const passes = expression && rules.filterFields ? parseFilter(expression, rules.filterFields) : undefined
  const value: unknown[] = []
  let last: Item | undefined
  for (const item of itemsAfter(decodeSkipToken(request))) {
    if (passes && !rules.fields(item).some(passes)) continue
    if (value.length === top) return { value, nextLink: nextLink(request, rules.position(last as Item)) }
    value.push(rules.encode(item))
    last = item
  }
  return { value }
}

function decodeTop(
  request: HttpRequest,
  { defaultTop, maxTop }: { defaultTop: number; maxTop: number },
): number {
  const given = parameterOf(request, '$top')
  if (given === undefined) return defaultTop
  const top = /^\d{1,9}$/.test(given) ? Number(given) : 0
  if (top < 1 || top > maxTop)
    throw invalidParameter('$top', `an integer from 1 to ${maxTop}`, given.slice(0, 40))
  return top
}

function decodeSkipToken(request: HttpRequest): string | undefined {
  const given = parameterOf(request, '$skipToken')
  if (given === undefined) return undefined
  const position = Buffer.from(given, 'base64url').toString('utf8')
  if (!/^[A-Za-z0-9_-]+$/.test(given) || Buffer.from(position).toString('base64url') !== given)
    throw invalidParameter('$skipToken', 'one that a nextLink carried', given.slice(0, 40))
  return position
}

function nextLink(request: HttpRequest, position: string): string {
  const query = new URLSearchParams(
    [...request.query].filter(([name]) => name.toLowerCase() !== '$skiptoken'),
  )
  query.set('$skipToken', Buffer.from(position).toString('base64url'))
  return `${request.base}${request.path}?${query.toString()}`
}
