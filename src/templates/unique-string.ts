import { createHash } from 'node:crypto'
import { murmurHash64 } from './murmur-hash.ts'

const alphabet = 'abcdefghijklmnopqrstuvwxyz234567'

/** What `uniqueString` makes of its arguments: 13 characters, the most significant bits first. */
export function uniqueString(parts: readonly string[]): string {
  let rest = murmurHash64(Buffer.from(parts.join('-'), 'utf8'))
  let text = ''
  for (let count = 0; count < 13; count++) {
    text += alphabet[Number(rest >> 59n)]
    rest = (rest << 5n) & 0xffff_ffff_ffff_ffffn
  }
  return text
}

/** The namespace in which `guid` makes its names. */
const namespace = Buffer.from('11fb06fb712d4ddd98c7e71bbd588830', 'hex')

/**
 * What `guid` makes of its arguments: a version 5 UUID (RFC 4122, SHA-1).
 *
 * Source: learn.microsoft.com/azure/azure-resource-manager/bicep/bicep-functions-string, "guid"
 */
export function nameGuid(parts: readonly string[]): string {
  const bytes = createHash('sha1').update(namespace).update(parts.join('-'), 'utf8').digest()
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x50
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80
  const hex = bytes.toString('hex', 0, 16)
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
