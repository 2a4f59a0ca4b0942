import { invalidProperty } from './errors.ts'
import { type Fields, readString } from './shape.ts'

const pattern =
  /^P(?=.)(?:(\d{1,4})D)?(?:T(?=.)(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,8})(?:\.(\d{1,7}))?S)?)?$/

/** A duration of ISO 8601 in days, hours, minutes and seconds, as milliseconds; undefined when it is none. */
export function durationMs(text: string): number | undefined {
  const found = pattern.exec(text.toUpperCase())
  if (!found) return undefined
  const [days = 0, hours = 0, minutes = 0, seconds = 0] = found.slice(1, 5).map((part) => Number(part ?? 0))
  const fraction = Math.floor(Number(`0.${found[5] ?? 0}`) * 1000)
  return (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000 + fraction
}

/**
 * The duration as it was given, in capitals.
 *
 * @param bounds in milliseconds, and in words for the refusal
 */
export function readDuration(
  from: Fields,
  name: string,
  bounds: { readonly least: number; readonly most: number; readonly text: string },
): string | undefined {
  const text = readString(from, name, 40)
  if (text === undefined) return undefined
  const duration = durationMs(text)
  if (duration === undefined || duration < bounds.least || duration > bounds.most)
    throw invalidProperty(from.at(name), `a duration ${bounds.text}`, text)
  return text.toUpperCase()
}
