import { numbersOf, type Operator } from '../operator.ts'

/**
 * True when the number equals none of the values, and where there is no number.
 *
 * Source: learn.microsoft.com/azure/event-grid/event-filtering, "NumberNotIn"
 */
export const numberNotIn: Operator = (filter) => {
  const values = new Set(numbersOf(filter))
  return { kind: 'number', whenMissing: true, array: 'every', test: (actual) => !values.has(actual) }
}
