/*
 * The PROXY protocol: a proxy that ends connections says first of all for whom it speaks. Version 1 is a line of
 * text, version 2 has this header:
 *
 *   | 0D 0A 0D 0A 00 0D 0A 51 55 49 54 0A | version, command | family, protocol | length, 2 | addresses | TLVs |
 *
 * Source: haproxy.org/download/3.0/doc/proxy-protocol.txt
 */

export interface ProxyHeader {
  /** Undefined: the proxy speaks for itself, as in a health check. */
  readonly address: string | undefined
  /** The client spoke TLS with the proxy. */
  readonly secure: boolean
  /** How many bytes it takes. */
  readonly bytes: number
}

const signature = Buffer.from([0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a])
const textStart = Buffer.from('PROXY ')
const longestText = 107
const longestBinary = 16 + 4_096

/** 'more': it has not all come; 'wrong': no such header. */
export function decodeProxyHeader(bytes: Buffer): ProxyHeader | 'more' | 'wrong' {
  if (startsAs(bytes, signature)) return bytes.length < 16 ? 'more' : binary(bytes)
  if (startsAs(bytes, textStart)) return text(bytes)
  return 'wrong'
}

const startsAs = (bytes: Buffer, start: Buffer) => {
  const length = Math.min(bytes.length, start.length)
  return bytes.compare(start, 0, length, 0, length) === 0
}

function text(bytes: Buffer): ProxyHeader | 'more' | 'wrong' {
  const end = bytes.indexOf('\r\n')
  if (end < 0) return bytes.length >= longestText ? 'wrong' : 'more'
  const words = bytes.toString('latin1', 0, end).split(' ')
  const length = end + 2
  if (words[1] === 'UNKNOWN') return { address: undefined, secure: false, bytes: length }
  if (words.length !== 6 || !/^TCP[46]$/.test(words[1] as string)) return 'wrong'
  return { address: words[2] as string, secure: false, bytes: length }
}

function binary(bytes: Buffer): ProxyHeader | 'more' | 'wrong' {
  const versionAndCommand = bytes[12] as number
  if (versionAndCommand >> 4 !== 2) return 'wrong'
  const length = 16 + bytes.readUInt16BE(14)
  if (length > longestBinary) return 'wrong'
  if (bytes.length < length) return 'more'
  const command = versionAndCommand & 15
  if (command === 0) return { address: undefined, secure: false, bytes: length }
  if (command !== 1) return 'wrong'
  const family = (bytes[13] as number) >> 4
  const addressBytes = family === 1 ? 12 : family === 2 ? 36 : 0
  if (addressBytes === 0) return { address: undefined, secure: false, bytes: length }
  if (length < 16 + addressBytes) return 'wrong'
  const address =
    family === 1
      ? [...bytes.subarray(16, 20)].join('.')
      : Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(16 + index * 2).toString(16)).join(':')
  return { address, secure: hasTls(bytes.subarray(16 + addressBytes, length)), bytes: length }
}

/** PP2_TYPE_SSL with PP2_CLIENT_SSL. */
function hasTls(tlvs: Buffer): boolean {
  let at = 0
  while (at + 3 <= tlvs.length) {
    const length = tlvs.readUInt16BE(at + 1)
    if (tlvs[at] === 0x20 && length > 0 && at + 3 < tlvs.length) return ((tlvs[at + 3] as number) & 1) === 1
    at += 3 + length
  }
  return false
}
