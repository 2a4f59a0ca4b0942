import { foldedStringsOf, type Operator } from '../operator.ts'
import { equalsFolded } from '../text.ts'

/**
 * True when the string equals any of the values, ignoring case.
 *
 * Source: learn.microsoft.com/azure/event-grid/event-filtering, "StringIn"
 */
export const stringIn: Operator = (filter) => {
  const values = foldedStringsOf(filter)
  const test = (actual: string) => values.some((value) => equalsFolded(actual, value))
  return { kind: 'string', whenMissing: false, array: 'some', test }
}
