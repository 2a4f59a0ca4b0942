import { foldedStringsOf, type Operator } from '../operator.ts'
import { startsWithFolded } from '../text.ts'

/**
 * True when the string begins with none of the values, ignoring case. False where the key is missing, as
 * documented, unlike StringNotIn.
 *
 * Source: learn.microsoft.com/azure/event-grid/event-filtering, "StringNotBeginsWith"
 */
export const stringNotBeginsWith: Operator = (filter) => {
  const values = foldedStringsOf(filter)
  const test = (actual: string) => !values.some((value) => startsWithFolded(actual, value))
  return { kind: 'string', whenMissing: false, array: 'every', test }
}
