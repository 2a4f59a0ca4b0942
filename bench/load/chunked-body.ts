/*
 * A body in chunks: each its length in hexadecimal, a line end, so many bytes, a line end; the last is empty.
 * Trailers are not expected.
 *
 * Source: RFC 9112, section 7.1
 */

const lineEnd = '\r\n'

/** Where a body that begins at `at` ends, or undefined when it has not come whole. */
export function endOfChunks(bytes: Buffer, at: number): number | undefined {
  for (;;) {
    const sizeEnd = bytes.indexOf(lineEnd, at)
    if (sizeEnd < 0) return undefined
    const size = Number.parseInt(bytes.toString('latin1', at, sizeEnd), 16)
    if (Number.isNaN(size)) throw new Error(`A chunk's length was expected at byte ${at} of the body.`)
    at = sizeEnd + lineEnd.length + size + lineEnd.length
    if (at > bytes.length) return undefined
    if (size === 0) return at
  }
}

/** The bytes of a body that has come whole. */
export function joinChunks(bytes: Buffer, at: number): Buffer {
  const parts: Buffer[] = []
  for (;;) {
    const sizeEnd = bytes.indexOf(lineEnd, at)
    const size = Number.parseInt(bytes.toString('latin1', at, sizeEnd), 16)
    if (size === 0) return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts)
    const start = sizeEnd + lineEnd.length
    parts.push(bytes.subarray(start, start + size))
    at = start + size + lineEnd.length
  }
}
