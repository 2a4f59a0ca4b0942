import { numbersOf, type Operator } from '../operator.ts'

/**
 * True when the number equals any of the values.
 *
 * Source: learn.microsoft.com/azure/event-grid/event-filtering, "NumberIn"
 */
export const numberIn: Operator = (filter) => {
  const values = new Set(numbersOf(filter))
  return { kind: 'number', whenMissing: false, array: 'some', test: (actual) => values.has(actual) }
}
