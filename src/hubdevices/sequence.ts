import type { Clock, EpochMs } from '../base/clock.ts'
import type { Records } from '../store/store.ts'

/** Hundreds of nanoseconds since the year 1601. */
const fileTimeOf = (moment: EpochMs): bigint => BigInt(moment) * 10_000n + 116_444_736_000_000_000n

/**
 * Numbers of 64 hexadecimal digits, each above every one before, of this run of the server and of those before it: by
 * plain comparison of the texts. What is kept is when the hub was opened, always later than the last time, whatever
 * the clock says.
 *
 * Source: learn.microsoft.com/azure/iot-hub/iot-hub-how-to-order-connection-state-events
 */
export async function openSequence(records: Records, hubUid: string, clock: Clock): Promise<() => string> {
  const key = `hub/${hubUid}/sequence`
  const stored = (await records.get(key))?.value as { readonly openedAt: EpochMs } | undefined
  const openedAt = Math.max(clock.now(), (stored?.openedAt ?? 0) + 1)
  await records.put(key, { openedAt })
  const start = `${'0'.repeat(16)}${hex(fileTimeOf(openedAt), 16)}00000002`
  let count = 0n
  return () => start + hex(++count, 24)
}

const hex = (value: bigint, digits: number): string => value.toString(16).toUpperCase().padStart(digits, '0')
