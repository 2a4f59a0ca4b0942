import { type Member, membersOf } from './members.ts'

/**
 * The text of a string, number or boolean at a path from the object whose opening brace is at `open`; undefined
 * for anything else and where nothing is. Names are matched exactly first, then ignoring case. A number keeps the
 * digits that were published.
 */
export function textAt(bytes: Buffer, path: readonly string[], open = 0): string | undefined {
  let at = open
  let end = bytes.length
  for (const name of path) {
    if (bytes[at] !== 0x7b) return undefined
    const member = namedMember(membersOf(bytes, at), name)
    if (!member) return undefined
    at = member.start
    end = member.end
  }
  const raw = bytes.toString('utf8', at, end)
  if (raw.startsWith('"')) return JSON.parse(raw) as string
  return raw === 'null' || raw.startsWith('{') || raw.startsWith('[') ? undefined : raw
}

/** A name given twice means its last value, as it does to every JSON parser. */
const namedMember = (members: readonly Member[], name: string): Member | undefined =>
  members.findLast((member) => member.name === name) ??
  members.findLast((member) => member.name.toLowerCase() === name.toLowerCase())
