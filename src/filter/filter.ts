import type { GridEvent } from '../event/event.ts'

/** The wire's `filter.advancedFilters[]` entry, checked when it was stored. */
export interface AdvancedFilter {
  readonly operatorType: string
  readonly key: string
  readonly value?: number | boolean
  readonly values?: readonly string[] | readonly number[] | readonly (readonly [number, number])[]
}

/** An event subscription's `filter` with every default filled in. */
export interface FilterSettings {
  readonly subjectBeginsWith: string
  readonly subjectEndsWith: string
  readonly isSubjectCaseSensitive: boolean
  /** Undefined: every type. Never empty. */
  readonly includedEventTypes: readonly string[] | undefined
  readonly enableAdvancedFilteringOnArrays: boolean
  /** Of a namespace topic: a number that is not there lies outside of every range. */
  readonly isMissingOutOfRange?: boolean | undefined
  readonly advancedFilters: readonly AdvancedFilter[]
}

/** A filter compiled once per event subscription. */
export interface Filter {
  readonly settings: FilterSettings
  matches(event: GridEvent): boolean
  /** Undefined when the event passes; else which predicate said no and why, for a person to read. */
  explain(event: GridEvent): string | undefined
}
