import { foldedStringsOf, type Operator } from '../operator.ts'
import { equalsFolded } from '../text.ts'

/**
 * True when the string equals none of the values, ignoring case, and where there is no string.
 *
 * Source: learn.microsoft.com/azure/event-grid/event-filtering, "StringNotIn"
 */
export const stringNotIn: Operator = (filter) => {
  const values = foldedStringsOf(filter)
  const test = (actual: string) => !values.some((value) => equalsFolded(actual, value))
  return { kind: 'string', whenMissing: true, array: 'every', test }
}
