import { endOfString, isSpace } from './scan.ts'

/** One member of a JSON object, its value still in bytes: `bytes[start, end)`, without white space around it. */
export interface Member {
  readonly name: string
  readonly start: number
  readonly end: number
}

/**
 * The members of the object whose opening brace is at `open`, in the order of the text, repeated names included.
 * The bytes must be JSON that has been parsed before.
 */
export function membersOf(bytes: Buffer, open = 0): Member[] {
  const members: Member[] = []
  let at = skipSpace(bytes, open + 1)
  while (bytes[at] === 0x22) {
    const nameEnd = endOfString(bytes, at + 1)
    const name = JSON.parse(bytes.toString('utf8', at, nameEnd)) as string
    const start = skipSpace(bytes, skipSpace(bytes, nameEnd) + 1)
    const end = endOfValue(bytes, start)
    members.push({ name, start, end })
    at = skipSpace(bytes, end)
    if (bytes[at] === 0x2c) at = skipSpace(bytes, at + 1)
  }
  return members
}

/** The same object without some of its members; the values of the others are copied as bytes. */
export function withoutMembers(
  bytes: Buffer,
  isLeftOut: (member: Member, index: number) => boolean,
  open = 0,
): Buffer {
  const kept = membersOf(bytes, open).filter((member, index) => !isLeftOut(member, index))
  const parts = kept.flatMap(({ name, start, end }, index) => [
    Buffer.from(`${index === 0 ? '' : ','}${JSON.stringify(name)}:`),
    bytes.subarray(start, end),
  ])
  return Buffer.concat([Buffer.from('{'), ...parts, Buffer.from('}')])
}

export function skipSpace(bytes: Uint8Array, from: number): number {
  let at = from
  while (isSpace(bytes[at])) at++
  return at
}

function endOfValue(bytes: Uint8Array, start: number): number {
  let at = start
  let depth = 0
  do {
    const byte = bytes[at++] as number
    if (byte === 0x22) at = endOfString(bytes, at)
    else if (byte === 0x7b || byte === 0x5b) depth++
    else if (byte === 0x7d || byte === 0x5d) depth--
    else if (depth === 0) return endOfLiteral(bytes, at)
  } while (depth > 0)
  return at
}

/** A number, `true`, `false` or `null` goes on until something that cannot belong to it. */
function endOfLiteral(bytes: Uint8Array, from: number): number {
  let at = from
  for (; at < bytes.length; at++) {
    const byte = bytes[at]
    if (byte === 0x2c || byte === 0x7d || byte === 0x5d || isSpace(byte)) break
  }
  return at
}
