import type { GridEvent } from '../event/event.ts'
import type { AdvancedFilter, Filter, FilterSettings } from './filter.ts'
import { compileKey, type ReadKey } from './key.ts'
import type { Operator, Test } from './operator.ts'
import { operators } from './operators/index.ts'
import { endsWithFolded, startsWithFolded } from './text.ts'

/** A filter that can also be asked the part which an index by type and subject prefix cannot answer. */
export interface CompiledFilter extends Filter {
  /** As `matches`, for an event whose type and subject prefix are known to pass. */
  readonly matchesRest: (event: GridEvent) => boolean
  /** Advanced filters asked about an event since this was compiled; explaining does not count. */
  readonly advancedEvaluations: number
}

/**
 * Compiles an event subscription's filter: its event type, subject and every advanced filter must pass.
 * Asking it makes no garbage, but for the text of a number under a string operator.
 *
 * Source: learn.microsoft.com/azure/event-grid/event-filtering
 */
export function compileFilter(settings: FilterSettings): CompiledFilter {
  const types = settings.includedEventTypes && new Set(settings.includedEventTypes.map(lower))
  const begins = compileSubjectPart(settings, settings.subjectBeginsWith, startsWith, startsWithFolded)
  const ends = compileSubjectPart(settings, settings.subjectEndsWith, endsWith, endsWithFolded)
  const advanced = settings.advancedFilters.map((filter) => compileAdvanced(filter, settings))
  const passesType = ({ type }: GridEvent) => types === undefined || types.has(type.toLowerCase())
  let advancedEvaluations = 0
  const matchesRest = (event: GridEvent) => {
    if (!ends(event.subject)) return false
    for (const { passes } of advanced) {
      advancedEvaluations++
      if (!passes(event)) return false
    }
    return true
  }
  return {
    settings,
    matches: (event) => passesType(event) && begins(event.subject) && matchesRest(event),
    matchesRest,
    get advancedEvaluations() {
      return advancedEvaluations
    },
    explain(event) {
      if (!passesType(event)) return `The event type '${event.type}' is not among includedEventTypes.`
      if (!begins(event.subject))
        return `The subject '${event.subject}' does not begin with '${settings.subjectBeginsWith}' (subjectBeginsWith).`
      if (!ends(event.subject))
        return `The subject '${event.subject}' does not end with '${settings.subjectEndsWith}' (subjectEndsWith).`
      const index = advanced.findIndex(({ passes }) => !passes(event))
      return index < 0 ? undefined : explainAdvanced(event, index, advanced[index] as Advanced)
    },
  }
}

const lower = (text: string) => text.toLowerCase()
const startsWith = (text: string, prefix: string) => text.startsWith(prefix)
const endsWith = (text: string, suffix: string) => text.endsWith(suffix)

type Compare = (text: string, part: string) => boolean

function compileSubjectPart(
  { isSubjectCaseSensitive }: FilterSettings,
  part: string,
  exactly: Compare,
  ignoringCase: Compare,
): (subject: string) => boolean {
  if (part === '') return () => true
  if (isSubjectCaseSensitive) return (subject) => exactly(subject, part)
  const folded = part.toLowerCase()
  return (subject) => ignoringCase(subject, folded)
}

interface Advanced {
  readonly filter: AdvancedFilter
  readonly read: ReadKey
  readonly passes: (event: GridEvent) => boolean
}

function compileAdvanced(
  filter: AdvancedFilter,
  { enableAdvancedFilteringOnArrays, isMissingOutOfRange }: FilterSettings,
): Advanced {
  const operator = (operators as Readonly<Record<string, Operator | undefined>>)[filter.operatorType]
  if (!operator) throw new Error(`There is no filter operator '${filter.operatorType}'.`)
  const read = compileKey(filter.key)
  const test = operator(filter)
  const isOutside = isMissingOutOfRange === true && filter.operatorType === 'NumberNotInRange'
  const asked = isOutside && test.kind !== 'presence' ? { ...test, whenMissing: true } : test
  const judge = compileTest(asked, enableAdvancedFilteringOnArrays)
  return { filter, read, passes: (event) => judge(read(event)) }
}

type Judge = (value: unknown) => boolean

function compileTest(test: Test, onArrays: boolean): Judge {
  if (test.kind === 'presence') return (value) => test.test(value !== undefined && value !== null)
  const { kind, whenMissing } = test
  // `typeof` has just shown the value to be of the kind that the test takes.
  const passes = test.test as (value: unknown) => boolean
  const arrayPasses = test.array === 'some' ? somePasses(kind, passes) : everyPasses(kind, passes)
  return (value) => {
    if (typeof value === kind) return passes(value)
    if (Array.isArray(value)) return onArrays ? arrayPasses(value) : whenMissing
    if (kind === 'string' && (typeof value === 'number' || typeof value === 'boolean'))
      return passes(String(value))
    return whenMissing
  }
}

/** Elements of another kind are passed over, also where a lone number would be read as text. */
const somePasses = (kind: string, passes: Judge) => (values: readonly unknown[]) => {
  for (const value of values) if (typeof value === kind && passes(value)) return true
  return false
}

const everyPasses = (kind: string, passes: Judge) => (values: readonly unknown[]) => {
  for (const value of values) if (typeof value === kind && !passes(value)) return false
  return true
}

/** How much of a value is shown; events may be large. */
const shownCharacters = 100

function explainAdvanced(event: GridEvent, index: number, { filter, read }: Advanced): string {
  const found = read(event)
  const shown = found === undefined ? 'missing' : JSON.stringify(found).slice(0, shownCharacters)
  const { operatorType, key, value, values } = filter
  const wanted = JSON.stringify(value ?? values) ?? 'nothing more'
  return `advancedFilters[${index}]: ${operatorType} on '${key}' wants ${wanted}; the value is ${shown}.`
}
