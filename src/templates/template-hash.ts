import type { Value } from './language/value.ts'
import { murmurHash64 } from './murmur-hash.ts'

/** A template without the white space and the comments of its text. */
export const minifiedTemplate = (template: Value): string => JSON.stringify(template)

/**
 * A number, in decimal digits, that is the same for the same template and another for any other, as deployments
 * print it. How Azure computes its own is not published; clients only compare it.
 */
export const templateHash = (template: Value): string =>
  murmurHash64(Buffer.from(minifiedTemplate(template), 'utf8')).toString()
