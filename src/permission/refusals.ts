import { reasonCodes } from './admission.ts'
import type { Attempt } from './attempt.ts'

export const refused = (
  text: string,
  reasonCode: number = reasonCodes.notAuthorized,
): Extract<Attempt, { kind: 'refused' }> => ({ kind: 'refused', reasonCode, text })

/** Source: RFC 7515, section 7.1: three parts of base64url. */
const compactToken = /^[\w-]+\.[\w-]+\.[\w-]+$/

/** The token in an Authentication Data; undefined when it is none. */
export function tokenOf(data: Uint8Array | undefined): string | undefined {
  if (data === undefined) return undefined
  const text = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('latin1')
  return compactToken.test(text) ? text : undefined
}
