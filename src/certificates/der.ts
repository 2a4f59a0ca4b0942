/*
 * Bytes of ASN.1 values in DER, as far as certificates need them. Writing only: Node's own crypto reads.
 *
 *   +-----+--------+----------+
 *   | tag | length | contents |   length: one byte below 128; else 0x80 + n, then n bytes, big-endian
 *   +-----+--------+----------+
 *
 * Source: ITU-T X.690, clauses 8 and 10
 */

export type Der = Buffer

export const sequence = (...parts: readonly Der[]): Der => encode(0x30, Buffer.concat(parts))
export const set = (...parts: readonly Der[]): Der => encode(0x31, Buffer.concat(parts))
export const boolean = (value: boolean): Der => encode(0x01, Buffer.of(value ? 0xff : 0))
export const utf8String = (value: string): Der => encode(0x0c, Buffer.from(value, 'utf8'))
export const octetString = (contents: Uint8Array): Der => encode(0x04, contents)

/** `[number] EXPLICIT`: the whole value within a tag of its own. */
export const explicit = (number: number, value: Der): Der => encode(0xa0 + number, value)
/** `[number] IMPLICIT` of a primitive type: the contents under another tag. */
export const implicit = (number: number, contents: Uint8Array): Der => encode(0x80 + number, contents)

/** A whole number from its bytes, big-endian and not negative. */
export function integer(bytes: Uint8Array): Der {
  let start = 0
  while (start < bytes.length - 1 && bytes[start] === 0) start++
  const shortest = bytes.subarray(start)
  // A first bit that is set would make it negative.
  const signed = (shortest[0] as number) >= 0x80 ? Buffer.concat([Buffer.of(0), shortest]) : shortest
  return encode(0x02, signed)
}

/** @param unusedBits how many of the last byte's low bits are padding */
export const bitString = (contents: Uint8Array, unusedBits = 0): Der =>
  encode(0x03, Buffer.concat([Buffer.of(unusedBits), contents]))

/** From dotted form, such as `2.5.29.17`. */
export function objectIdentifier(dotted: string): Der {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  const bytes = [first * 40 + second, ...rest].flatMap((arc) => {
    const groups = [arc & 0x7f]
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128))
      groups.unshift((left & 0x7f) | 0x80)
    return groups
  })
  return encode(0x06, Buffer.from(bytes))
}

/**
 * A moment to the second: UTCTime up to the year 2049, GeneralizedTime from then on.
 *
 * Source: RFC 5280, section 4.1.2.5
 */
export function time(moment: Date): Der {
  const digits = moment.toISOString().replaceAll(/[-:T]|\.\d+/g, '')
  return moment.getUTCFullYear() < 2050
    ? encode(0x17, Buffer.from(digits.slice(2), 'latin1'))
    : encode(0x18, Buffer.from(digits, 'latin1'))
}

function encode(tag: number, contents: Uint8Array): Der {
  const length = contents.length
  const bytes: number[] = []
  if (length < 0x80) bytes.push(length)
  else {
    for (let left = length; left > 0; left = Math.floor(left / 256)) bytes.unshift(left & 0xff)
    bytes.unshift(0x80 + bytes.length)
  }
  return Buffer.concat([Buffer.of(tag, ...bytes), contents])
}
