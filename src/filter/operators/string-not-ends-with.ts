import { foldedStringsOf, type Operator } from '../operator.ts'
import { endsWithFolded } from '../text.ts'

/**
 * True when the string ends with none of the values, ignoring case. False where the key is missing, as
 * documented, unlike StringNotIn.
 *
 * Source: learn.microsoft.com/azure/event-grid/event-filtering, "StringNotEndsWith"
 */
export const stringNotEndsWith: Operator = (filter) => {
  const values = foldedStringsOf(filter)
  const test = (actual: string) => !values.some((value) => endsWithFolded(actual, value))
  return { kind: 'string', whenMissing: false, array: 'every', test }
}
