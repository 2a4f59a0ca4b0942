import type { Clock, EpochMs, Timer } from '../base/clock.ts'
import { resourceKey } from '../catalog/stored-catalog.ts'
import type { ResourceType, StoredResource } from '../resources/resource-type.ts'

/**
 * Removes resources when their time has come. What is in force decides: a change that waits to be verified does
 * not move the moment.
 *
 * Source: learn.microsoft.com/azure/event-grid/concepts, "Event subscription expiration"
 */
export class Expirations {
  readonly #clock: Clock
  readonly #remove: (type: ResourceType, id: string, uid: string) => void
  readonly #timers = new Map<string, { readonly dueAt: EpochMs; readonly timer: Timer }>()

  constructor(clock: Clock, remove: (type: ResourceType, id: string, uid: string) => void) {
    this.#clock = clock
    this.#remove = remove
  }

  /** To be called with every version of a resource. */
  watch(type: ResourceType, resource: StoredResource): void {
    const dueAt = type.expiresAt?.(resource.live ?? resource)
    const key = resourceKey(resource.id)
    const known = this.#timers.get(key)
    if (known?.dueAt === dueAt) return
    this.forget(resource.id)
    if (dueAt === undefined) return
    const timer = this.#clock.at(dueAt, () => {
      this.#timers.delete(key)
      this.#remove(type, resource.id, resource.uid)
    })
    this.#timers.set(key, { dueAt, timer })
  }

  forget(id: string): void {
    const key = resourceKey(id)
    this.#timers.get(key)?.timer.cancel()
    this.#timers.delete(key)
  }

  close(): void {
    for (const { timer } of this.#timers.values()) timer.cancel()
    this.#timers.clear()
  }
}
