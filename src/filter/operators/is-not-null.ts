import type { Operator } from '../operator.ts'

/**
 * True when the key is there and its value is not null.
 *
 * Source: learn.microsoft.com/azure/event-grid/event-filtering, "IsNotNull"
 */
export const isNotNull: Operator = () => ({ kind: 'presence', test: (present) => present })
