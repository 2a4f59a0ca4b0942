import type { Operator } from '../operator.ts'

/**
 * True when the number is less than the value.
 *
 * Source: learn.microsoft.com/azure/event-grid/event-filtering, "NumberLessThan"
 */
export const numberLessThan: Operator = (filter) => {
  const bound = filter.value as number
  return { kind: 'number', whenMissing: false, array: 'some', test: (actual) => actual < bound }
}
