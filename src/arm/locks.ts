import { resourceKey } from '../catalog/stored-catalog.ts'
import { levelsOf } from '../wire/arm-id.ts'

/** What to hold while working: `shared` with others who hold it so, or alone. */
export interface Hold {
  readonly key: string
  readonly shared: boolean
}

/**
 * What a write of that resource holds: everything above it shared, itself alone.
 *
 * @param withCompanion the write may bring a resource with it, or take it away: those on one parent follow each other
 */
export function holdsFor(id: string, parentId: string, withCompanion = false): readonly Hold[] {
  const parent = resourceKey(parentId)
  const above = levelsOf(parent)
    .slice(1)
    .map((level) => ({ key: level.id, shared: true }))
  const companion = withCompanion ? [companionHold(parentId)] : []
  return [...companion, ...above, { key: resourceKey(id), shared: false }]
}

/** Held before all others, whatever group the companion is in. */
export const companionHold = (parentId: string): Hold => ({
  key: `companion of ${resourceKey(parentId)}`,
  shared: false,
})

/**
 * Locks by name, first come first served. A write of a resource holds everything above it shared and itself alone,
 * so that a parent cannot go while something is put on it, and yet children do not wait for each other. All
 * callers take their locks from the top down; that is what keeps two of them from waiting for one another.
 */
export class Locks {
  readonly #locks = new Map<string, Lock>()

  /** Runs `work` once every lock is held; frees them when it has ended, however it ends. */
  async hold<Result>(holds: readonly Hold[], work: () => Promise<Result>): Promise<Result> {
    const held: (() => void)[] = []
    try {
      for (const hold of holds) held.push(await this.#acquire(hold))
      return await work()
    } finally {
      for (const free of held.toReversed()) free()
    }
  }

  async #acquire({ key, shared }: Hold): Promise<() => void> {
    let lock = this.#locks.get(key)
    if (!lock) this.#locks.set(key, (lock = new Lock()))
    const held = lock
    await held.acquire(shared)
    return () => {
      held.free()
      if (held.isIdle) this.#locks.delete(key)
    }
  }
}

class Lock {
  #holders = 0
  #alone = false
  readonly #waiting: { readonly shared: boolean; readonly grant: () => void }[] = []

  get isIdle(): boolean {
    return this.#holders === 0 && this.#waiting.length === 0
  }

  acquire(shared: boolean): Promise<void> {
    return new Promise((grant) => {
      this.#waiting.push({ shared, grant })
      this.#grantNext()
    })
  }

  free(): void {
    this.#holders--
    this.#alone = false
    this.#grantNext()
  }

  #grantNext(): void {
    for (let next = this.#waiting[0]; next; next = this.#waiting[0]) {
      if (this.#alone || (this.#holders > 0 && !next.shared)) return
      this.#waiting.shift()
      this.#holders++
      this.#alone = !next.shared
      next.grant()
    }
  }
}
