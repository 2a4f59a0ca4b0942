import type { Operator } from '../operator.ts'

/**
 * True when the number is less than or equal to the value.
 *
 * Source: learn.microsoft.com/azure/event-grid/event-filtering, "NumberLessThanOrEquals"
 */
export const numberLessThanOrEquals: Operator = (filter) => {
  const bound = filter.value as number
  return { kind: 'number', whenMissing: false, array: 'some', test: (actual) => actual <= bound }
}
