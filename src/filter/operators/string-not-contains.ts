import { foldedStringsOf, type Operator } from '../operator.ts'
import { includesFolded } from '../text.ts'

/**
 * True when the string contains none of the values, ignoring case. False where the key is missing, as
 * documented, unlike StringNotIn.
 *
 * Source: learn.microsoft.com/azure/event-grid/event-filtering, "StringNotContains"
 */
export const stringNotContains: Operator = (filter) => {
  const values = foldedStringsOf(filter)
  const test = (actual: string) => !values.some((value) => includesFolded(actual, value))
  return { kind: 'string', whenMissing: false, array: 'every', test }
}
