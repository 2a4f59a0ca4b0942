const firstFactor = 0x239b961b
const secondFactor = 0xab0e9789

/**
 * The 64-bit hash behind `uniqueString` and the template hash: two 32-bit lanes with the constants of MurmurHash3
 * x86-128, seed 0. Microsoft does not document it; known values of the service fix it.
 */
export function murmurHash64(bytes: Uint8Array): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let first = 0
  let second = 0
  const blocks = bytes.length - (bytes.length % 8)
  for (let at = 0; at < blocks; at += 8) {
    first ^= Math.imul(rotate(Math.imul(view.getUint32(at, true), firstFactor), 15), secondFactor)
    first = (Math.imul((rotate(first, 19) + second) | 0, 5) + 0x561ccd1b) | 0
    second ^= Math.imul(rotate(Math.imul(view.getUint32(at + 4, true), secondFactor), 17), firstFactor)
    second = (Math.imul((rotate(second, 13) + first) | 0, 5) + 0x0bcaa747) | 0
  }
  if (blocks < bytes.length) {
    const tail = new Uint8Array(8)
    tail.set(bytes.subarray(blocks))
    const rest = new DataView(tail.buffer)
    second ^= Math.imul(rotate(Math.imul(rest.getUint32(4, true), secondFactor), 17), firstFactor)
    first ^= Math.imul(rotate(Math.imul(rest.getUint32(0, true), firstFactor), 15), secondFactor)
  }
  first ^= bytes.length
  second ^= bytes.length
  first = (first + second) | 0
  second = (second + first) | 0
  first = finish(first)
  second = finish(second)
  first = (first + second) | 0
  second = (second + first) | 0
  return (BigInt(second >>> 0) << 32n) | BigInt(first >>> 0)
}

const rotate = (value: number, bits: number) => (value << bits) | (value >>> (32 - bits))

function finish(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return mixed ^ (mixed >>> 16)
}
