/*
 * .NET's formats of dates, as far as they mean something in UTC and the invariant culture.
 *
 * Source: learn.microsoft.com/dotnet/standard/base-types/standard-date-and-time-format-strings,
 * custom-date-and-time-format-strings
 */

const days = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']
const months = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
]

/** What a format of one letter stands for. */
const standardFormats: Readonly<Record<string, string>> = {
  d: 'MM/dd/yyyy',
  D: 'dddd, dd MMMM yyyy',
  f: 'dddd, dd MMMM yyyy HH:mm',
  F: 'dddd, dd MMMM yyyy HH:mm:ss',
  g: 'MM/dd/yyyy HH:mm',
  G: 'MM/dd/yyyy HH:mm:ss',
  m: 'MMMM dd',
  M: 'MMMM dd',
  o: "yyyy'-'MM'-'dd'T'HH':'mm':'ss'.'fffffffK",
  O: "yyyy'-'MM'-'dd'T'HH':'mm':'ss'.'fffffffK",
  r: "ddd, dd MMM yyyy HH':'mm':'ss 'GMT'",
  R: "ddd, dd MMM yyyy HH':'mm':'ss 'GMT'",
  s: "yyyy'-'MM'-'dd'T'HH':'mm':'ss",
  t: 'HH:mm',
  T: 'HH:mm:ss',
  u: "yyyy'-'MM'-'dd HH':'mm':'ss'Z'",
  U: 'dddd, dd MMMM yyyy HH:mm:ss',
  y: 'yyyy MMMM',
  Y: 'yyyy MMMM',
}

const part =
  /'[^']*'|"[^"]*"|\\.|%|yyyy+|yy|y|MMMM|MMM|MM|M|dddd|ddd|dd|d|HH|H|hh|h|mm|m|ss|s|f{1,7}|F{1,7}|tt|t|K|zzz|zz|z|[^A-Za-z'"\\]|[A-Za-z]/gs
const partLetters = /^[A-Za-z]+$/

/** The moment in the format; undefined when there is no such format. */
export function formatDate(moment: number, format: string): string | undefined {
  if (format === '') return undefined
  const pattern = format.length === 1 ? standardFormats[format] : format
  if (pattern === undefined) return undefined
  const date = new Date(moment)
  let text = ''
  let end = 0
  for (const match of pattern.matchAll(part)) {
    if (match.index !== end) return undefined
    end += match[0].length
    const shown = showPart(date, match[0])
    if (shown === undefined) return undefined
    text += shown
  }
  return end === pattern.length ? text : undefined
}

function showPart(date: Date, word: string): string | undefined {
  if (word === '%') return ''
  if (word.startsWith('\\')) return word.slice(1)
  if (word.startsWith("'") || word.startsWith('"')) return word.length > 1 ? word.slice(1, -1) : undefined
  if (!partLetters.test(word)) return word
  const padded = (value: number) => String(value).padStart(word.length, '0')
  const hour = date.getUTCHours()
  const twelve = hour % 12 === 0 ? 12 : hour % 12
  const fraction = `${String(date.getUTCMilliseconds()).padStart(3, '0')}0000`.slice(0, word.length)
  switch (word[0]) {
    case 'y':
      return word.length > 2 ? padded(date.getUTCFullYear()) : padded(date.getUTCFullYear() % 100)
    case 'M':
      return word.length > 2 ? named(months, date.getUTCMonth(), word) : padded(date.getUTCMonth() + 1)
    case 'd':
      return word.length > 2 ? named(days, date.getUTCDay(), word) : padded(date.getUTCDate())
    case 'H':
      return padded(hour)
    case 'h':
      return padded(twelve)
    case 'm':
      return padded(date.getUTCMinutes())
    case 's':
      return padded(date.getUTCSeconds())
    case 'f':
      return fraction
    case 'F':
      return fraction.replace(/0+$/, '')
    case 't':
      return (hour < 12 ? 'AM' : 'PM').slice(0, word.length)
    case 'K':
      return 'Z'
    case 'z':
      return ['+0', '+00', '+00:00'][word.length - 1]
    default:
      // .NET copies a letter that means nothing.
      return word
  }
}

const named = (names: readonly string[], at: number, word: string) =>
  word.length === 3 ? names[at]?.slice(0, 3) : names[at]

/** The moment that a text names, in UTC unless it says otherwise; undefined when it names none. */
export function readDate(text: string): number | undefined {
  const compact = /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z$/.exec(text.trim())
  const iso = compact
    ? `${compact[1]}-${compact[2]}-${compact[3]}T${compact[4]}:${compact[5]}:${compact[6]}Z`
    : isoOf(text.trim())
  const moment = iso === undefined ? Number.NaN : Date.parse(iso)
  return Number.isNaN(moment) ? undefined : moment
}

function isoOf(text: string): string | undefined {
  const dashed =
    /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,7})?)?) ?(Z|[+-]\d{2}:\d{2})?)?$/i.exec(text)
  if (dashed) return `${dashed[1]}T${dashed[2] ?? '00:00:00'}${(dashed[3] ?? 'Z').toUpperCase()}`
  const american = /^(\d{1,2})\/(\d{1,2})\/(\d{4})(?: (\d{1,2}):(\d{2}):(\d{2})(?: ([AP]M))?)?$/i.exec(text)
  if (american) {
    const [, month = '', day = '', year, hour = '0', minute = '00', second = '00', half] = american
    const twelve =
      half === undefined ? Number(hour) : (Number(hour) % 12) + (half.toUpperCase() === 'PM' ? 12 : 0)
    const two = (value: string | number) => String(value).padStart(2, '0')
    return `${year}-${two(month)}-${two(day)}T${two(twelve)}:${minute}:${second}Z`
  }
  return /^\w{3}, \d{2} \w{3} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(text) ? text : undefined
}

const dayMs = 86_400_000

/**
 * Milliseconds of an ISO 8601 duration, which may be negative; undefined when it is none. A year has 365 days and
 * a month 30, as Azure counts them.
 */
export function readDuration(text: string): number | undefined {
  const match =
    /^(-)?P(?:(\d{1,6})Y)?(?:(\d{1,6})M)?(?:(\d{1,6})W)?(?:(\d{1,7})D)?(T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9}(?:\.\d{1,7})?)S)?)?$/.exec(
      text,
    )
  if (!match || text.endsWith('P') || text.endsWith('T')) return undefined
  const [, sign, ofYears, ofMonths, weeks, wholeDays, , hours, minutes, seconds] = match
  const of = (count: string | undefined, unitMs: number) => Number(count ?? 0) * unitMs
  const sum =
    of(ofYears, 365 * dayMs) +
    of(ofMonths, 30 * dayMs) +
    of(weeks, 7 * dayMs) +
    of(wholeDays, dayMs) +
    of(hours, 3_600_000) +
    of(minutes, 60_000) +
    of(seconds, 1_000)
  return sign === '-' ? -sum : sum
}
