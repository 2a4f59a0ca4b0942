/*
 * The extensions of a certificate, of which Node shows only some. DER: each element is
 *
 *   +-----+----------------------------------+---------+
 *   | tag | length, 1 byte below 128,        | content |
 *   |     | else 0x80 + n and n bytes        |         |
 *   +-----+----------------------------------+---------+
 *
 *   Certificate    ::= SEQUENCE { tbsCertificate SEQUENCE { …, extensions [3] { SEQUENCE OF Extension } }, … }
 *   Extension      ::= SEQUENCE { extnID OBJECT IDENTIFIER, critical BOOLEAN DEFAULT FALSE, extnValue OCTET STRING }
 *
 * Source: RFC 5280, sections 4.1 and 4.2
 */

export interface Extension {
  /** The object identifier's content in hex, such as `551d13` for 2.5.29.19. */
  readonly id: string
  readonly critical: boolean
  readonly value: Uint8Array
}

interface Element {
  readonly tag: number
  readonly content: Uint8Array
}

const tags = {
  boolean: 0x01,
  integer: 0x02,
  octetString: 0x04,
  identifier: 0x06,
  sequence: 0x30,
  extensions: 0xa3,
}

/** @param certificate DER of one that Node could read: its outer structure is sound */
export function extensionsOf(certificate: Uint8Array): readonly Extension[] {
  const [outer] = elements(certificate)
  const [tbs] = elements(outer?.content)
  const wrapped = elements(tbs?.content).find(({ tag }) => tag === tags.extensions)
  const [list] = elements(wrapped?.content)
  return elements(list?.content).map(({ content }) => {
    const parts = elements(content)
    const find = (tag: number) => parts.find((part) => part.tag === tag)?.content
    return {
      id: Buffer.from(find(tags.identifier) ?? []).toString('hex'),
      critical: (find(tags.boolean)?.[0] ?? 0) !== 0,
      value: find(tags.octetString) ?? new Uint8Array(),
    }
  })
}

/** How many intermediate certificates may stand below an authority; undefined: as many as there are. */
export function pathLengthOf(basicConstraints: Uint8Array): number | undefined {
  const [sequence] = elements(basicConstraints)
  const length = elements(sequence?.content).find(({ tag }) => tag === tags.integer)?.content
  return length?.reduce((sum, byte) => sum * 256 + byte, 0)
}

/** Those that stand one after the other; what is cut short ends the list. */
function elements(bytes: Uint8Array = new Uint8Array()): readonly Element[] {
  const found: Element[] = []
  for (let at = 0; at + 2 <= bytes.length; ) {
    const tag = bytes[at] as number
    let length = bytes[at + 1] as number
    at += 2
    if (length >= 0x80) {
      const count = length & 0x7f
      if (count > 4) return found
      length = 0
      for (let n = 0; n < count; n++) length = length * 256 + (bytes[at + n] ?? 0)
      at += count
    }
    if (at + length > bytes.length) return found
    found.push({ tag, content: bytes.subarray(at, at + length) })
    at += length
  }
  return found
}
