import type { AdvancedFilter } from './filter.ts'

/** Reads an advanced filter's value or values once and returns what is asked of every event. */
export type Operator = (filter: AdvancedFilter) => Test

/** What an operator wants to know of the value under its key. */
export type Test =
  | ValueTest<'string', string>
  | ValueTest<'number', number>
  | ValueTest<'boolean', boolean>
  | PresenceTest

interface ValueTest<Kind, Value> {
  /** A value of another kind counts as missing; in an array it is passed over. */
  readonly kind: Kind
  /** The answer where the key is missing or null. */
  readonly whenMissing: boolean
  /** How an array passes, where filtering on arrays is on: some element passes, or every one does. */
  readonly array: 'some' | 'every'
  readonly test: (value: Value) => boolean
}

interface PresenceTest {
  readonly kind: 'presence'
  readonly test: (present: boolean) => boolean
}

export const numbersOf = ({ values = [] }: AdvancedFilter): readonly number[] => values as readonly number[]

export const rangesOf = ({ values = [] }: AdvancedFilter) => values as readonly (readonly [number, number])[]

/** Filter values in lower case: all comparisons of strings ignore case. */
export const foldedStringsOf = ({ values = [] }: AdvancedFilter): readonly string[] =>
  (values as readonly string[]).map((value) => value.toLowerCase())
