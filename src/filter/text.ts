/*
 * Comparisons that ignore case without making a lower-case copy of the event's text, which would be garbage for
 * every filter asked. `folded` is in lower case already. Text beyond ASCII, which is rare, takes the slow way:
 * there one letter's lower case may have another length.
 */

export function equalsFolded(text: string, folded: string): boolean {
  // No lower case is shorter than what it was made of.
  if (text.length > folded.length) return false
  if (text.length === folded.length && matchesAt(text, folded, 0)) return true
  return !isAscii(text, 0, text.length) && text.toLowerCase() === folded
}

export function startsWithFolded(text: string, folded: string): boolean {
  return (
    matchesAt(text, folded, 0) || (!isAscii(text, 0, folded.length) && text.toLowerCase().startsWith(folded))
  )
}

export function endsWithFolded(text: string, folded: string): boolean {
  const from = text.length - folded.length
  return (
    matchesAt(text, folded, from) ||
    (!isAscii(text, Math.max(0, from), text.length) && text.toLowerCase().endsWith(folded))
  )
}

/** From here on a copy costs less than a search that goes back after each near miss. */
const longTextCharacters = 256

export function includesFolded(text: string, folded: string): boolean {
  if (text.length > longTextCharacters) return text.toLowerCase().includes(folded)
  const last = text.length - folded.length
  for (let at = 0; at <= last; at++) if (matchesAt(text, folded, at)) return true
  return !isAscii(text, 0, text.length) && text.toLowerCase().includes(folded)
}

function matchesAt(text: string, folded: string, from: number): boolean {
  if (from < 0 || from + folded.length > text.length) return false
  for (let at = 0; at < folded.length; at++) {
    let code = text.charCodeAt(from + at)
    if (code >= 0x41 && code <= 0x5a) code |= 0x20
    if (code !== folded.charCodeAt(at)) return false
  }
  return true
}

function isAscii(text: string, from: number, to: number): boolean {
  const end = Math.min(to, text.length)
  for (let at = from; at < end; at++) if (text.charCodeAt(at) >= 0x80) return false
  return true
}
