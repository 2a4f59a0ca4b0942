import type { EpochMs } from '../base/clock.ts'

/**
 * The moment that a SAS token's expiry names, whichever SDK wrote it; undefined when it names none. Without an
 * offset it is UTC.
 *
 * - US English with a twelve-hour clock, padded or not: `1/2/2030 3:04:05 AM`, `1/2/2030 3:04:05 AM +00:00`
 * - ISO 8601 with `T` or a space: `2030-01-02 03:04:05.678901+00:00`, `2030-01-02T03:04:05Z`
 *
 * Source: learn.microsoft.com/azure/event-grid/authenticate-with-access-keys-shared-access-signatures, and the
 * official SDKs
 */
export function decodeExpiry(text: string): EpochMs | undefined {
  // Some runtimes put a narrow or a no-break space before AM and PM.
  const plain = text.replace(/[\u202f\u00a0]/g, ' ').trim()
  return decodeAmerican(plain) ?? decodeIso(plain)
}

function decodeAmerican(text: string): EpochMs | undefined {
  const parts =
    /^(\d{1,2})\/(\d{1,2})\/(\d{4}) (\d{1,2}):(\d{1,2}):(\d{1,2}) ([AP])M(?: ?([+-]\d{2}:\d{2}))?$/i.exec(
      text,
    )
  if (!parts) return undefined
  const [, month, day, year, hour, minute, second, half, offset] = parts
  if (Number(hour) < 1 || Number(hour) > 12) return undefined
  const hours = (Number(hour) % 12) + (half?.toUpperCase() === 'P' ? 12 : 0)
  return moment([year, month, day, hours, minute, second].map(Number), 0, offset)
}

function decodeIso(text: string): EpochMs | undefined {
  const parts =
    /^(\d{4})-(\d{2})-(\d{2})[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d+))?)? ?(Z|[+-]\d{2}:?\d{2})?$/i.exec(text)
  if (!parts) return undefined
  const [, year, month, day, hour, minute, second = '0', fraction = '0', offset] = parts
  const ms = Math.floor(Number(`0.${fraction}`) * 1000)
  return moment([year, month, day, hour, minute, second].map(Number), ms, offset)
}

function moment(parts: readonly number[], ms: number, offset = 'Z'): EpochMs | undefined {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts
  const at = new Date(Date.UTC(year, month - 1, day, hour, minute, second, ms))
  // A date that does not exist, such as 2/30, comes back as another one.
  const exists =
    at.getUTCFullYear() === year &&
    at.getUTCMonth() === month - 1 &&
    at.getUTCDate() === day &&
    at.getUTCHours() === hour &&
    at.getUTCMinutes() === minute &&
    at.getUTCSeconds() === second
  const offsetMs = offsetOf(offset)
  return exists && offsetMs !== undefined ? at.getTime() - offsetMs : undefined
}

function offsetOf(text: string): number | undefined {
  if (/^z$/i.test(text)) return 0
  const hours = Number(text.slice(1, 3))
  const minutes = Number(text.slice(-2))
  if (hours > 23 || minutes > 59) return undefined
  return (text.startsWith('-') ? -1 : 1) * (hours * 60 + minutes) * 60_000
}
