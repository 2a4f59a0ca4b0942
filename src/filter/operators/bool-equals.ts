import type { Operator } from '../operator.ts'

/**
 * True when the boolean equals the value.
 *
 * Source: learn.microsoft.com/azure/event-grid/event-filtering, "BoolEquals"
 */
export const boolEquals: Operator = (filter) => {
  const wanted = filter.value as boolean
  return { kind: 'boolean', whenMissing: false, array: 'some', test: (actual) => actual === wanted }
}
