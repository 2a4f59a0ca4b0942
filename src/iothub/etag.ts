import { invalid } from '../registry/errors.ts'
import type { Etag } from '../registry/registry.ts'

/**
 * The number within an etag as clients send it: bare, in quotes, or escaped; a star, and nothing at all, stand for
 * whatever there is. What was never an etag here matches nothing.
 */
export function decodeEtag(given: string | undefined, kind: 'identity' | 'twin'): Etag {
  const text = given?.replace(/^W\//, '').replace(/^"(.*)"$/, '$1')
  if (text === undefined || text === '' || text === '*') return undefined
  const bytes = Buffer.from(text, 'base64')
  if (kind === 'twin') return bytes.length === 8 ? Number(bytes.readBigUInt64BE()) : never
  const number = bytes.toString('latin1')
  if (text.length > 100) throw invalid('The etag', 'one that was given', text)
  return /^\d{1,15}$/.test(number) ? Number(number) : never
}

const never = -1

/** An update says which version it is of; a creation does not. `""` is no version. */
export const isUpdate = (given: string | undefined): boolean =>
  given !== undefined && given !== '' && given !== '""'
