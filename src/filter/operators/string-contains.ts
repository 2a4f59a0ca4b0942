import { foldedStringsOf, type Operator } from '../operator.ts'
import { includesFolded } from '../text.ts'

/**
 * True when the string contains any of the values, ignoring case.
 *
 * Source: learn.microsoft.com/azure/event-grid/event-filtering, "StringContains"
 */
export const stringContains: Operator = (filter) => {
  const values = foldedStringsOf(filter)
  const test = (actual: string) => values.some((value) => includesFolded(actual, value))
  return { kind: 'string', whenMissing: false, array: 'some', test }
}
