/*
 * Comparisons that ignore case without making a lower-case copy of the event's text, which would be garbage for
 * every filter asked. `folded` is in lower case already. Text beyond ASCII, which is rare, takes the slow way:
 * there one letter's lower case may have another length.
 */

export function equalsFolded(text: string, folded: string): boolean {
  return text.length === folded.length ? matchesAt(text, folded, 0) : slowly(text, folded, equals)
}

export function startsWithFolded(text: string, folded: string): boolean {
  return matchesAt(text, folded, 0) || slowly(text, folded, startsWith)
}

export function endsWithFolded(text: string, folded: string): boolean {
  return matchesAt(text, folded, text.length - folded.length) || slowly(text, folded, endsWith)
}

/** From here on a copy costs less than a search that goes back after each near miss. */
const longTextCharacters = 256

export function includesFolded(text: string, folded: string): boolean {
  if (text.length > longTextCharacters) return text.toLowerCase().includes(folded)
  const last = text.length - folded.length
  for (let at = 0; at <= last; at++) if (matchesAt(text, folded, at)) return true
  return slowly(text, folded, includes)
}

const equals = (text: string, folded: string) => text === folded
const startsWith = (text: string, folded: string) => text.startsWith(folded)
const endsWith = (text: string, folded: string) => text.endsWith(folded)
const includes = (text: string, folded: string) => text.includes(folded)

function matchesAt(text: string, folded: string, from: number): boolean {
  if (from < 0 || from + folded.length > text.length) return false
  for (let at = 0; at < folded.length; at++) {
    let code = text.charCodeAt(from + at)
    if (code >= 0x41 && code <= 0x5a) code |= 0x20
    if (code !== folded.charCodeAt(at)) return false
  }
  return true
}

function slowly(text: string, folded: string, compare: (text: string, folded: string) => boolean): boolean {
  for (let at = 0; at < text.length; at++)
    if (text.charCodeAt(at) >= 0x80) return compare(text.toLowerCase(), folded)
  return false
}
