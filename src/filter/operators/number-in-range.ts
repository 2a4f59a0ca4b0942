import { type Operator, rangesOf } from '../operator.ts'

/**
 * True when the number lies in any of the ranges, bounds included.
 *
 * Source: learn.microsoft.com/azure/event-grid/event-filtering, "NumberInRange"
 */
export const numberInRange: Operator = (filter) => {
  const ranges = rangesOf(filter)
  const test = (actual: number) => ranges.some(([low, high]) => actual >= low && actual <= high)
  return { kind: 'number', whenMissing: false, array: 'some', test }
}
