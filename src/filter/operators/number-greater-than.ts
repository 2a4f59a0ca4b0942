import type { Operator } from '../operator.ts'

/**
 * True when the number is greater than the value.
 *
 * Source: learn.microsoft.com/azure/event-grid/event-filtering, "NumberGreaterThan"
 */
export const numberGreaterThan: Operator = (filter) => {
  const bound = filter.value as number
  return { kind: 'number', whenMissing: false, array: 'some', test: (actual) => actual > bound }
}
