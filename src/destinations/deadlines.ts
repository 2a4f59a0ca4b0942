import type { Clock, EpochMs } from '../base/clock.ts'

/** Something under way that must end by a moment. */
export interface Expiring {
  /** Set by `Deadlines`. */
  expiresAt: EpochMs
  expire(): void
}

/**
 * One timer for any number of waits of the same length: they end in the order in which they began, so only the
 * oldest needs watching. An attempt that ends in time costs an insertion and a deletion, and no timer.
 */
export class Deadlines {
  readonly #clock: Clock
  readonly #limitMs: number
  readonly #leastMs: number
  readonly #waiting = new Set<Expiring>()
  #armed = false

  /** @param limitMs in policy time; @param leastMs in real time, however fast policy time runs */
  constructor(clock: Clock, limitMs: number, leastMs: number) {
    this.#clock = clock
    this.#limitMs = limitMs
    this.#leastMs = leastMs
  }

  add(item: Expiring): void {
    const now = this.#clock.now()
    item.expiresAt = Math.max(this.#clock.after(this.#limitMs, now), now + this.#leastMs)
    this.#waiting.add(item)
    if (!this.#armed) this.#arm(item.expiresAt)
  }

  delete(item: Expiring): void {
    this.#waiting.delete(item)
  }

  #arm(dueAt: EpochMs): void {
    this.#armed = true
    this.#clock.at(dueAt, () => {
      this.#armed = false
      const now = this.#clock.now()
      for (const item of this.#waiting) {
        if (item.expiresAt > now) {
          this.#arm(item.expiresAt)
          return
        }
        this.#waiting.delete(item)
        item.expire()
      }
    })
  }
}
