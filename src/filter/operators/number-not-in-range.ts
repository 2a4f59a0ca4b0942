import { type Operator, rangesOf } from '../operator.ts'

/**
 * True when the number lies in none of the ranges, bounds included. Not documented for a missing key: false, as for the
 * Not operators of strings that came with it.
 *
 * Source: learn.microsoft.com/azure/event-grid/event-filtering, "NumberNotInRange"
 */
export const numberNotInRange: Operator = (filter) => {
  const ranges = rangesOf(filter)
  const test = (actual: number) => !ranges.some(([low, high]) => actual >= low && actual <= high)
  return { kind: 'number', whenMissing: false, array: 'every', test }
}
