import type { GridEvent } from '../event/event.ts'
import type { CompiledFilter } from './compile.ts'

/*
 * Who wants this event? Filters are found by event type, then by subject prefix, so that only those that might
 * pass are asked: with 10,000 event subscriptions that name their types, an event visits the few that name its own.
 */

export interface Matcher<T> {
  /** Adds a filter; the entry returned is what `remove` takes. Costs the same however many there are. */
  add(filter: CompiledFilter, target: T): MatcherEntry<T>
  remove(entry: MatcherEntry<T>): void
  /** Appends the target of every filter that the event passes, each once. */
  match(event: GridEvent, into: T[]): void
  readonly entries: number
  /** How many filters have been asked since the start. */
  readonly evaluations: number
}

export interface MatcherEntry<T> {
  readonly filter: CompiledFilter
  readonly target: T
}

/** @param entries what to begin with; more may be added later */
export function createMatcher<T>(entries: Iterable<MatcherEntry<T>> = []): Matcher<T> {
  const byType = new Map<string, PrefixIndex<T>>()
  const anyType = new PrefixIndex<T>()
  let count = 0
  let evaluations = 0
  const add = (filter: CompiledFilter, target: T) => {
    const entry = { filter, target }
    for (const type of typesOf(filter)) {
      let index = type === undefined ? anyType : byType.get(type)
      if (!index) byType.set(type as string, (index = new PrefixIndex()))
      index.add(entry)
    }
    count++
    return entry
  }
  for (const { filter, target } of entries) add(filter, target)
  return {
    add,
    remove(entry) {
      let found = false
      for (const type of typesOf(entry.filter)) {
        const index = type === undefined ? anyType : byType.get(type)
        if (index?.remove(entry)) found = true
        if (type !== undefined && index?.isEmpty) byType.delete(type)
      }
      if (found) count--
    },
    match(event, into) {
      if (byType.size > 0) {
        const index = byType.get(event.type.toLowerCase())
        if (index) evaluations += index.match(event, into)
      }
      evaluations += anyType.match(event, into)
    },
    get entries() {
      return count
    },
    get evaluations() {
      return evaluations
    },
  }
}

function typesOf({ settings }: CompiledFilter): Iterable<string | undefined> {
  const { includedEventTypes } = settings
  return includedEventTypes === undefined
    ? [undefined]
    : new Set(includedEventTypes.map((type) => type.toLowerCase()))
}

/** Entries by the beginning of the subject that they ask for. */
class PrefixIndex<T> {
  readonly #anySubject = new Set<MatcherEntry<T>>()
  readonly #exact = new PrefixTable<T>()
  readonly #folded = new PrefixTable<T>()

  get isEmpty(): boolean {
    return this.#anySubject.size === 0 && this.#exact.isEmpty && this.#folded.isEmpty
  }

  add(entry: MatcherEntry<T>): void {
    const { subjectBeginsWith: prefix, isSubjectCaseSensitive } = entry.filter.settings
    if (prefix === '') this.#anySubject.add(entry)
    else if (isSubjectCaseSensitive) this.#exact.add(prefix, entry)
    else this.#folded.add(prefix.toLowerCase(), entry)
  }

  remove(entry: MatcherEntry<T>): boolean {
    const { subjectBeginsWith: prefix, isSubjectCaseSensitive } = entry.filter.settings
    if (prefix === '') return this.#anySubject.delete(entry)
    return isSubjectCaseSensitive
      ? this.#exact.remove(prefix, entry)
      : this.#folded.remove(prefix.toLowerCase(), entry)
  }

  /** Answers with the number of filters asked. */
  match(event: GridEvent, into: T[]): number {
    let asked = askAll(this.#anySubject, event, into)
    if (!this.#exact.isEmpty) asked += this.#exact.match(event.subject, event, into)
    if (!this.#folded.isEmpty) asked += this.#folded.match(event.subject.toLowerCase(), event, into)
    return asked
  }
}

/** Prefixes grouped by length: a subject is looked up once for each length that is in use. */
class PrefixTable<T> {
  readonly #byLength = new Map<number, Map<string, Set<MatcherEntry<T>>>>()

  get isEmpty(): boolean {
    return this.#byLength.size === 0
  }

  add(prefix: string, entry: MatcherEntry<T>): void {
    let prefixes = this.#byLength.get(prefix.length)
    if (!prefixes) this.#byLength.set(prefix.length, (prefixes = new Map()))
    const entries = prefixes.get(prefix)
    if (entries) entries.add(entry)
    else prefixes.set(prefix, new Set([entry]))
  }

  remove(prefix: string, entry: MatcherEntry<T>): boolean {
    const prefixes = this.#byLength.get(prefix.length)
    const entries = prefixes?.get(prefix)
    if (!prefixes || !entries?.delete(entry)) return false
    if (entries.size === 0) prefixes.delete(prefix)
    if (prefixes.size === 0) this.#byLength.delete(prefix.length)
    return true
  }

  match(subject: string, event: GridEvent, into: T[]): number {
    let asked = 0
    for (const [length, prefixes] of this.#byLength) {
      if (length > subject.length) continue
      const entries = prefixes.get(subject.slice(0, length))
      if (entries) asked += askAll(entries, event, into)
    }
    return asked
  }
}

function askAll<T>(entries: ReadonlySet<MatcherEntry<T>>, event: GridEvent, into: T[]): number {
  for (const { filter, target } of entries) if (filter.matchesRest(event)) into.push(target)
  return entries.size
}
