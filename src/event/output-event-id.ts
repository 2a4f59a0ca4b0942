const prime = 0x01000193

/**
 * The `aeg-output-event-id` of an event for one event subscription, as a guid: the same for every attempt, and
 * different for each pair. For one event subscription the internal id, which is random, is mixed by steps that
 * can be undone; so two events never share an output id by the mixing, and no hash function is needed.
 *
 * Source: learn.microsoft.com/azure/event-grid/receive-events, "Message headers"
 */
export function outputEventId(internalId: Buffer, eventSubscriptionUid: string): string {
  let a = internalId.readInt32LE(0)
  let b = internalId.readInt32LE(4)
  let c = internalId.readInt32LE(8)
  let d = internalId.readInt32LE(12)
  for (let at = 0; at < eventSubscriptionUid.length; at++) {
    const code = eventSubscriptionUid.charCodeAt(at)
    a = Math.imul(a ^ code ^ at, prime)
    b = Math.imul(b ^ code, prime) ^ a
    c = Math.imul(c ^ code, prime) ^ b
    d = Math.imul(d ^ code, prime) ^ c
  }
  // The version and variant bits of a random UUID, for receivers that check them.
  const timeHigh = ((b >>> 16) & 0x0fff) | 0x4000
  const clock = ((c >>> 16) & 0x3fff) | 0x8000
  return `${hex(a, 8)}-${hex(b & 0xffff, 4)}-${hex(timeHigh, 4)}-${hex(clock, 4)}-${hex(c & 0xffff, 4)}${hex(d, 8)}`
}

/** The digit above the ones wanted keeps leading zeros, and is cut off again. */
const hex = (value: number, digits: number) =>
  (digits === 8 ? 0x100000000 + (value >>> 0) : 0x10000 + value).toString(16).slice(1)
