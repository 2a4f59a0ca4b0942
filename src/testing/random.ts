/** A repeatable source of chance: the same seed gives the same numbers. (mulberry32) */
export function createRandom(seed: number) {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
  return {
    /** A whole number from 0 to `below` - 1. */
    below: (below: number) => Math.floor(next() * below),
    chance: (probability: number) => next() < probability,
  }
}
