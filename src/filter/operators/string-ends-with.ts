import { foldedStringsOf, type Operator } from '../operator.ts'
import { endsWithFolded } from '../text.ts'

/**
 * True when the string ends with any of the values, ignoring case.
 *
 * Source: learn.microsoft.com/azure/event-grid/event-filtering, "StringEndsWith"
 */
export const stringEndsWith: Operator = (filter) => {
  const values = foldedStringsOf(filter)
  const test = (actual: string) => values.some((value) => endsWithFolded(actual, value))
  return { kind: 'string', whenMissing: false, array: 'some', test }
}
