import { randomFillSync } from 'node:crypto'

const idBytes = 16

/** How many ids are made by one call for random bytes, whose price is per call. */
const poolIds = 256

/** Makes 16-byte random ids, many at a time. An id stays valid for as long as it is held. */
export function createInternalIds(): () => Buffer {
  let pool = Buffer.alloc(0)
  let at = 0
  return () => {
    if (at === pool.length) {
      pool = randomFillSync(Buffer.allocUnsafeSlow(idBytes * poolIds))
      at = 0
    }
    at += idBytes
    return pool.subarray(at - idBytes, at)
  }
}
