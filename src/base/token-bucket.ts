import type { EpochMs } from './clock.ts'

/** A rate per second, with a burst of one second unless it is said otherwise. */
export class TokenBucket {
  readonly #perSecond: number
  readonly #burst: number
  #tokens: number
  #at: EpochMs

  /** @param perSecond 0: no limit */
  constructor(perSecond: number, now: EpochMs, burst = perSecond) {
    this.#perSecond = perSecond
    this.#burst = burst
    this.#tokens = burst
    this.#at = now
  }

  /** False, and nothing taken, when the rate is used up. */
  take(amount: number, now: EpochMs): boolean {
    if (this.#perSecond === 0) return true
    if (now > this.#at) {
      this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#at) * this.#perSecond) / 1000)
      this.#at = now
    }
    // One that is larger than a burst is let through a full bucket, and the next wait for it.
    if (this.#tokens < Math.min(amount, this.#burst)) return false
    this.#tokens -= amount
    return true
  }
}
