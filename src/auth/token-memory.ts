import { hash } from 'node:crypto'
import type { Clock, EpochMs } from '../base/clock.ts'

/** What was found of a token, and until when it is good. */
export interface Verified<Value> {
  readonly value: Value
  readonly expiresAt: EpochMs
}

/**
 * Remembers verified tokens until they expire, by hash, so that each is verified once; beyond `limit`, the oldest
 * goes. What is found at once comes without a promise.
 *
 * @param verify rejects for a token that is not good; that is not remembered
 */
export function rememberTokens<Value>(
  limit: number,
  clock: Clock,
  verify: (token: string) => Promise<Verified<Value>>,
): (token: string) => Value | Promise<Value> {
  const remembered = new Map<string, Verified<Value>>()
  return (token) => {
    const digest = hash('sha256', token, 'base64')
    const known = remembered.get(digest)
    if (known !== undefined && known.expiresAt > clock.now()) return known.value
    return verify(token).then((verified) => {
      remembered.delete(digest)
      if (remembered.size >= limit) remembered.delete(remembered.keys().next().value as string)
      remembered.set(digest, verified)
      return verified.value
    })
  }
}
