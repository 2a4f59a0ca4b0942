import { timingSafeEqual } from 'node:crypto'
import type { Credential } from './credential.ts'

/**
 * The access key itself, as the client holds it. Takes the same time however much of the key is right.
 *
 * Source: learn.microsoft.com/azure/event-grid/authenticate-with-access-keys-shared-access-signatures
 */
export function createAccessKeys(): Credential {
  return {
    refusal(presented, { keys }) {
      const given = Buffer.from(presented)
      const first = isSame(given, keys[0])
      const second = isSame(given, keys[1])
      return first || second ? undefined : 'The access key is not one of the keys of this resource.'
    },
  }
}

function isSame(given: Buffer, key: string): boolean {
  const wanted = Buffer.from(key)
  return given.length === wanted.length && given.length > 0 && timingSafeEqual(given, wanted)
}
