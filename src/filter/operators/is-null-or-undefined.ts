import type { Operator } from '../operator.ts'

/**
 * True when the key is missing or its value is null.
 *
 * Source: learn.microsoft.com/azure/event-grid/event-filtering, "IsNullOrUndefined"
 */
export const isNullOrUndefined: Operator = () => ({ kind: 'presence', test: (present) => !present })
