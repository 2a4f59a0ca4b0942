import { createCipheriv, createHash, timingSafeEqual } from 'node:crypto'
import type { LockName } from '../store/store.ts'

/*
 * The names of the locks of one queue as receivers hold them: nothing is kept of a token, and nobody can make one.
 *
 *   0         1          7          11    27
 *   | version | sequence | attempts | tag |        base64: 36 characters, without padding
 *   | 1       | 48 bits  | 32 bits  |     |
 *
 * The tag is the AES-256 encryption of everything before it, as one block, under a key of the queue's own: a
 * pseudorandom function of messages that all have the same length of one block, which is all that a message
 * authentication code for them must be. A code of a block costs next to nothing where a hundred tokens are made at a
 * time, which an HMAC does not. Big endian.
 */

const version = 1
const sequenceAt = 1
const attemptsAt = 7
const tagAt = 11
const blockBytes = 16
const tokenBytes = tagAt + blockBytes
/** Of a token as text; the bytes of one are a multiple of three, so that many in a row can be encoded as one. */
export const tokenCharacters = (tokenBytes / 3) * 4

const wellFormed = /^[A-Za-z0-9+/]{36}$/

/** What a token that came back says. */
export type ReadToken = LockName | 'malformed' | 'forged'

export class LockTokens {
  readonly #cipher: ReturnType<typeof createCipheriv>

  /** @param secret known to this server alone; @param queueName makes the tokens of each queue good for that queue */
  constructor(secret: Buffer, queueName: string) {
    const key = createHash('sha256').update(secret).update(queueName).digest()
    // One block is encrypted like any other, so that one cipher serves for as long as the queue lives.
    this.#cipher = createCipheriv('aes-256-ecb', key, null).setAutoPadding(false)
  }

  /** The tokens one behind the other, each of `tokenCharacters`. */
  encode(names: readonly LockName[]): string {
    const tokens = Buffer.alloc(tokenBytes * names.length)
    let at = 0
    for (const { sequence, attempts } of names) {
      tokens[at] = version
      tokens.writeUIntBE(sequence, at + sequenceAt, 6)
      tokens.writeUInt32BE(attempts, at + attemptsAt)
      at += tokenBytes
    }
    const tags = this.#tags(tokens)
    for (let n = 0; n < names.length; n++)
      tags.copy(tokens, n * tokenBytes + tagAt, n * blockBytes, (n + 1) * blockBytes)
    return tokens.toString('base64')
  }

  /** What each token says, in their order. Takes the same time however much of a tag is right. */
  decode(tokens: readonly string[]): readonly ReadToken[] {
    const formed = tokens.filter((token) => wellFormed.test(token))
    const bytes = Buffer.from(formed.join(''), 'base64')
    const tags = this.#tags(bytes)
    const given = Buffer.allocUnsafe(tags.length)
    for (let n = 0; n < formed.length; n++)
      bytes.copy(given, n * blockBytes, n * tokenBytes + tagAt, (n + 1) * tokenBytes)
    const areGood = timingSafeEqual(tags, given)
    let n = 0
    return tokens.map((token) => {
      // Both lists have the same order.
      if (formed[n] !== token) return 'malformed'
      const at = n * tokenBytes
      const tag = n * blockBytes
      n++
      if (bytes[at] !== version) return 'malformed'
      const isGood =
        areGood ||
        timingSafeEqual(tags.subarray(tag, tag + blockBytes), given.subarray(tag, tag + blockBytes))
      if (!isGood) return 'forged'
      return {
        sequence: bytes.readUIntBE(at + sequenceAt, 6),
        attempts: bytes.readUInt32BE(at + attemptsAt),
      }
    })
  }

  #tags(tokens: Buffer): Buffer {
    const count = tokens.length / tokenBytes
    const blocks = Buffer.alloc(blockBytes * count)
    for (let n = 0; n < count; n++)
      tokens.copy(blocks, n * blockBytes, n * tokenBytes, n * tokenBytes + tagAt)
    return this.#cipher.update(blocks)
  }
}
