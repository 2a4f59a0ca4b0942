import { foldedStringsOf, type Operator } from '../operator.ts'
import { startsWithFolded } from '../text.ts'

/**
 * True when the string begins with any of the values, ignoring case.
 *
 * Source: learn.microsoft.com/azure/event-grid/event-filtering, "StringBeginsWith"
 */
export const stringBeginsWith: Operator = (filter) => {
  const values = foldedStringsOf(filter)
  const test = (actual: string) => values.some((value) => startsWithFolded(actual, value))
  return { kind: 'string', whenMissing: false, array: 'some', test }
}
