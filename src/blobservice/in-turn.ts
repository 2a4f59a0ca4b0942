/** Runs `act` when all that was to run before it with any of those keys has ended. */
export type InTurn = <T>(keys: readonly string[], act: () => Promise<T>) => Promise<T>

/** Acts with a key in common run one after the other, in the order in which they came; others do not wait. */
export function inTurn(): InTurn {
  const last = new Map<string, Promise<unknown>>()
  return async (keys, act) => {
    const own = new Set(keys)
    const before = Array.from(own, (key) => last.get(key) ?? Promise.resolve())
    // Taken for all keys at once: so no two wait for each other.
    const done = Promise.all(before).then(act)
    const settled = done.catch(() => {})
    for (const key of own) last.set(key, settled)
    try {
      return await done
    } finally {
      for (const key of own) if (last.get(key) === settled) last.delete(key)
    }
  }
}
