/*
 * Whether a text is a moment. Written by hand, not as a regular expression: this is asked for every event.
 */

/**
 * RFC 3339: date, `T`, time with seconds, optional fraction, `Z` or an offset with a colon.
 *
 * Source: CloudEvents 1.0, "time"
 */
export const isRfc3339 = (text: string): boolean => isMoment(text, false)

/**
 * ISO 8601 as publishers write it: also a space for the `T`, no seconds, no offset, an offset without colon or
 * minutes, or a date alone. `date +%Y-%m-%dT%H:%M:%S%z` of the quickstarts is one of these.
 *
 * Source: learn.microsoft.com/azure/event-grid/custom-event-to-queue-storage
 */
export const isLenientIso8601 = (text: string): boolean => isMoment(text, true)

function isMoment(text: string, lenient: boolean): boolean {
  const length = text.length
  const month = twoDigits(text, 5)
  const day = twoDigits(text, 8)
  if (!isYear(text) || text.charCodeAt(4) !== dash || text.charCodeAt(7) !== dash) return false
  if (month < 1 || month > 12 || day < 1 || day > daysOf(month, twoDigits(text, 0), twoDigits(text, 2)))
    return false
  if (length === 10) return lenient
  const between = text.charCodeAt(10)
  if (between !== 0x54 && between !== 0x74 && !(lenient && between === 0x20)) return false
  const hour = twoDigits(text, 11)
  const minute = twoDigits(text, 14)
  if (hour < 0 || hour > 23 || text.charCodeAt(13) !== colon || minute < 0 || minute > 59) return false
  let at = 16
  if (text.charCodeAt(at) === colon) {
    const second = twoDigits(text, 17)
    // A leap second is written as :60.
    if (second < 0 || second > 60) return false
    at = 19
    if (text.charCodeAt(at) === 0x2e) {
      const first = ++at
      while (isDigit(text.charCodeAt(at))) at++
      if (at === first) return false
    }
  } else if (!lenient) return false
  return isOffset(text, at, lenient)
}

function isOffset(text: string, at: number, lenient: boolean): boolean {
  const left = text.length - at
  if (left === 0) return lenient
  const sign = text.charCodeAt(at)
  if (sign === 0x5a || sign === 0x7a) return left === 1
  const hours = twoDigits(text, at + 1)
  if ((sign !== 0x2b && sign !== dash) || hours < 0 || hours > 23) return false
  if (left === 3) return lenient
  const withColon = text.charCodeAt(at + 3) === colon
  if (left !== (withColon ? 6 : 5) || !(withColon || lenient)) return false
  const minutes = twoDigits(text, at + (withColon ? 4 : 3))
  return minutes >= 0 && minutes <= 59
}

const dash = 0x2d
const colon = 0x3a

const isDigit = (code: number) => code >= 0x30 && code <= 0x39

const isYear = (text: string) => twoDigits(text, 0) >= 0 && twoDigits(text, 2) >= 0

/** The number that two digits make, or -1 where there are none. */
function twoDigits(text: string, at: number): number {
  const tens = text.charCodeAt(at)
  const ones = text.charCodeAt(at + 1)
  return isDigit(tens) && isDigit(ones) ? (tens - 0x30) * 10 + ones - 0x30 : -1
}

function daysOf(month: number, century: number, yearOfCentury: number): number {
  if (month === 2) {
    const leap = yearOfCentury === 0 ? century % 4 === 0 : yearOfCentury % 4 === 0
    return leap ? 29 : 28
  }
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
}
