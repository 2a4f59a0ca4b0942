/**
 * Where a receiver of Event Hubs' protocol begins, as its selector filter says.
 *
 * Source: learn.microsoft.com/azure/event-hubs/event-hubs-amqp-protocol-guide; the official clients
 */
export type StartPosition =
  | { readonly kind: 'latest' | 'earliest' }
  | {
      readonly kind: 'sequence' | 'offset' | 'time'
      readonly value: number
      /** From that one on, and not from the one behind it. */
      readonly isInclusive: boolean
    }

const kinds = {
  'x-opt-offset': 'offset',
  'x-opt-sequence-number': 'sequence',
  'x-opt-enqueued-time': 'time',
  // Older clients.
  'x-opt-enqueuedtimeutc': 'time',
} as const

const form = /^\s*amqp\.annotation\.([a-z-]+)\s*(>=?)\s*'?(@latest|-?\d{1,16})'?\s*$/i

/** Undefined where it is not of a form that is known. @param selector undefined: the receiver has none */
export function decodeSelector(selector: string | undefined): StartPosition | undefined {
  if (selector === undefined) return { kind: 'earliest' }
  const [, name = '', operator, value = ''] = form.exec(selector) ?? []
  const lower = name.toLowerCase()
  const kind = Object.hasOwn(kinds, lower) ? kinds[lower as keyof typeof kinds] : undefined
  if (kind === undefined) return undefined
  if (value.toLowerCase() === '@latest') return kind === 'offset' ? { kind: 'latest' } : undefined
  if (kind === 'offset' && value === '-1') return { kind: 'earliest' }
  return { kind, value: Number(value), isInclusive: operator === '>=' }
}
