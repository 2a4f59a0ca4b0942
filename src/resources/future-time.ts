import type { EpochMs } from '../base/clock.ts'
import { invalidProperty } from '../wire/errors.ts'
import type { Fields } from '../wire/shape.ts'

const dateTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?$/i

/** @param kept the time as it is stored: clients send it back, and it may have passed meanwhile */
export function readFutureTime(
  from: Fields,
  name: string,
  now: EpochMs,
  kept?: string | null,
): string | undefined {
  const value = from.raw(name)
  if (value === undefined) return undefined
  // Without a zone the time is UTC, as the properties' names say.
  const text = typeof value === 'string' && dateTime.test(value) ? value.toUpperCase() : ''
  const moment = Date.parse(/(Z|[+-]\d\d:\d\d)$/.test(text) ? text : `${text}Z`)
  if (!Number.isFinite(moment))
    throw invalidProperty(from.at(name), 'a date and time such as 2030-01-31T00:00:00Z', value)
  const time = new Date(moment).toISOString()
  if (moment <= now && time !== kept) throw invalidProperty(from.at(name), 'in the future', value)
  return time
}
