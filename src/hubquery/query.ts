import { type Expression, type Scope, valueAt } from './expression.ts'
import { Parser } from './parser.ts'
import { QueryError } from './tokens.ts'

/*
 * The hub's query language: text in, what to do with each document out. Pure functions: whoever asks walks over the
 * documents.
 *
 * Source: learn.microsoft.com/azure/iot-hub/iot-hub-devguide-query-language
 */

export type Collection = 'devices' | 'devices.modules' | 'devices.jobs'

export interface Query {
  readonly from: Collection
  /** At most so many results; undefined: all. */
  readonly top: number | undefined
  /** The documents come as they are. */
  readonly isWhole: boolean
  matches(document: object): boolean
  /** Of a query without aggregates. */
  project(document: object): unknown
  /** Present where documents are counted or added up: then there is one result for each group. */
  readonly aggregate: (() => Aggregation) | undefined
}

export interface Aggregation {
  add(document: object): void
  results(): readonly unknown[]
}

/** Groups of one query that are kept in memory. */
const groupsMost = 10_000

interface Column {
  readonly alias: string
  /** One value of each document; of an aggregate, what is added up. */
  readonly value: Expression
  readonly fold: Fold | undefined
}

type Fold = 'COUNT' | 'AVG' | 'SUM' | 'MIN' | 'MAX'
const folds: ReadonlySet<string> = new Set<Fold>(['COUNT', 'AVG', 'SUM', 'MIN', 'MAX'])

/** Throws a `QueryError` for what is not in the language. */
export function compileQuery(text: string): Query {
  const parser = new Parser(text)
  parser.expectWord('SELECT')
  const top = parser.takeWord('TOP') ? count(parser) : undefined
  const columns = parser.takeSign('*') ? undefined : columnsOf(parser)
  parser.expectWord('FROM')
  const from = collectionOf(parser)
  const where = parser.takeWord('WHERE') ? parser.condition() : undefined
  const groups = parser.takeWord('GROUP') ? groupsOf(parser) : undefined
  parser.expectEnd()

  const isAggregate = groups !== undefined || columns?.some(({ fold }) => fold)
  if (isAggregate && from !== 'devices')
    throw new QueryError(`Documents of ${from} cannot be counted or grouped; those of devices can.`)
  if (from === 'devices.jobs' && columns)
    throw new QueryError('Of devices.jobs only whole documents can be selected: SELECT * FROM devices.jobs.')
  if (groups && !columns)
    throw new QueryError('GROUP BY needs columns: SELECT tags.site, COUNT() AS devices ...')
  return {
    from,
    top,
    isWhole: columns === undefined,
    matches: (document) => where === undefined || where(scopeOf(document, from)) === true,
    project: (document) => (columns ? projected(columns, scopeOf(document, from)) : document),
    aggregate: isAggregate && columns ? () => createAggregation(columns, groups ?? [], from) : undefined,
  }
}

/** A condition alone, as in a target condition; for those of routes see `compileRouteCondition`. */
export function compileCondition(text: string): Expression {
  const parser = new Parser(text)
  const condition = parser.condition()
  parser.expectEnd()
  return condition
}

/** Jobs are written as `devices.jobs.status`, and modules and devices may be with their collection before them too. */
const scopeOf = (document: object, from: Collection): Scope => {
  const prefix = from.split('.')
  return {
    get(path) {
      const isPrefixed = prefix.every((name, n) => path[n]?.toLowerCase() === name)
      return valueAt(document, isPrefixed ? path.slice(prefix.length) : path)
    },
  }
}

function count(parser: Parser): number {
  const number = Number(parser.take('number', 'a number'))
  if (!Number.isSafeInteger(number) || number < 1) throw new QueryError('TOP takes a whole number from 1.')
  return number
}

function collectionOf(parser: Parser): Collection {
  const name = parser.path().join('.').toLowerCase()
  if (name === 'devices' || name === 'devices.modules' || name === 'devices.jobs') return name
  throw new QueryError(
    `There is no collection '${name}'. There are devices, devices.modules and devices.jobs.`,
  )
}

function columnsOf(parser: Parser): readonly Column[] {
  const columns: Column[] = []
  do columns.push(columnOf(parser, columns.length))
  while (parser.takeSign(','))
  return columns
}

function columnOf(parser: Parser, index: number): Column {
  const { kind, text } = parser.peek()
  const isFold = kind === 'word' && folds.has(text.toUpperCase())
  const call = isFold ? parser.takeCall() : undefined
  if (call !== undefined) {
    const fold = call as Fold
    const path = parser.takeSign(')') ? undefined : parser.path()
    if (path) parser.expectSign(')')
    if (!path && fold !== 'COUNT') throw new QueryError(`${fold} takes the path of what it is of.`)
    const alias = aliasOf(parser) ?? fold.toLowerCase()
    return { alias, fold, value: path ? (scope) => scope.get(path) : () => 1 }
  }
  const { value, name } = parser.column()
  return { alias: aliasOf(parser) ?? name ?? `column${index + 1}`, value, fold: undefined }
}

const aliasOf = (parser: Parser): string | undefined =>
  parser.takeWord('AS') ? parser.take('word', 'a name') : undefined

function groupsOf(parser: Parser): readonly (readonly string[])[] {
  parser.expectWord('BY')
  const groups: (readonly string[])[] = []
  do groups.push(parser.path())
  while (parser.takeSign(','))
  return groups
}

/** What is not there is left out. */
function projected(columns: readonly Column[], scope: Scope): Record<string, unknown> {
  const row: Record<string, unknown> = {}
  for (const { alias, value } of columns) {
    const found = value(scope)
    if (found !== undefined) row[alias] = found
  }
  return row
}

interface Total {
  documents: number
  numbers: number
  sum: number
  least: unknown
  most: unknown
}

function createAggregation(
  columns: readonly Column[],
  groups: readonly (readonly string[])[],
  from: Collection,
): Aggregation {
  const found = new Map<
    string,
    { readonly row: Record<string, unknown>; readonly totals: readonly Total[] }
  >()
  const begin = (): Total => ({ documents: 0, numbers: 0, sum: 0, least: undefined, most: undefined })
  const plain = columns.filter(({ fold }) => !fold)
  const groupOf = (scope: Scope) => {
    const key = JSON.stringify(groups.map((path) => scope.get(path) ?? null))
    let group = found.get(key)
    if (!group) {
      if (found.size === groupsMost) throw new QueryError(`A query has at most ${groupsMost} groups.`)
      found.set(key, (group = { row: projected(plain, scope), totals: columns.map(begin) }))
    }
    return group
  }
  return {
    add(document) {
      const scope = scopeOf(document, from)
      const { totals } = groupOf(scope)
      for (const [n, { fold, value }] of columns.entries()) if (fold) add(totals[n] as Total, value(scope))
    },
    results() {
      // Without groups there is one result, of no documents too.
      if (groups.length === 0 && found.size === 0) found.set('', { row: {}, totals: columns.map(begin) })
      return Array.from(found.values(), ({ row, totals }) => {
        const result: Record<string, unknown> = {}
        for (const [n, { alias, fold }] of columns.entries()) {
          const value = fold ? outcome(fold, totals[n] as Total) : row[alias]
          if (value !== undefined) result[alias] = value
        }
        return result
      })
    },
  }
}

function add(total: Total, value: unknown): void {
  if (value === undefined) return
  total.documents++
  if (typeof value === 'number') {
    total.numbers++
    total.sum += value
  }
  if (typeof value !== 'number' && typeof value !== 'string') return
  if (
    total.least === undefined ||
    (typeof value === typeof total.least && value < (total.least as typeof value))
  )
    total.least = value
  if (
    total.most === undefined ||
    (typeof value === typeof total.most && value > (total.most as typeof value))
  )
    total.most = value
}

function outcome(fold: Fold, { documents, numbers, sum, least, most }: Total): unknown {
  switch (fold) {
    case 'COUNT':
      return documents
    case 'SUM':
      return sum
    case 'AVG':
      return numbers === 0 ? undefined : sum / numbers
    case 'MIN':
      return least
    case 'MAX':
      return most
  }
}
