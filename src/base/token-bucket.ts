import type { EpochMs } from './clock.ts'

/** A rate per second with one second of burst. */
export class TokenBucket {
  readonly #perSecond: number
  #tokens: number
  #at: EpochMs

  /** @param perSecond 0: no limit */
  constructor(perSecond: number, now: EpochMs) {
    this.#perSecond = perSecond
    this.#tokens = perSecond
    this.#at = now
  }

  /** False, and nothing taken, when the rate is used up. */
  take(amount: number, now: EpochMs): boolean {
    if (this.#perSecond === 0) return true
    if (now > this.#at) {
      this.#tokens = Math.min(this.#perSecond, this.#tokens + ((now - this.#at) * this.#perSecond) / 1000)
      this.#at = now
    }
    // One that is larger than a second's worth is let through a full bucket, and the next wait for it.
    if (this.#tokens < Math.min(amount, this.#perSecond)) return false
    this.#tokens -= amount
    return true
  }
}
