import type { Operator } from '../operator.ts'

/**
 * True when the number is greater than or equal to the value.
 *
 * Source: learn.microsoft.com/azure/event-grid/event-filtering, "NumberGreaterThanOrEquals"
 */
export const numberGreaterThanOrEquals: Operator = (filter) => {
  const bound = filter.value as number
  return { kind: 'number', whenMissing: false, array: 'some', test: (actual) => actual >= bound }
}
