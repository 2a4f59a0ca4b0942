import { createHash, randomBytes, randomUUID } from 'node:crypto'

/** A new version 4 UUID, lower case with dashes. */
export const newGuid = (): string => randomUUID()

/** A new access key: 32 random bytes as base64 (44 characters), the form that `listKeys` answers with. */
export const newAccessKey = (): string => randomBytes(32).toString('base64')

/** The same guid for the same text, and as good as never for another. */
export function guidOf(text: string): string {
  const bytes = createHash('sha256').update(text).digest().subarray(0, 16)
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x80
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}
