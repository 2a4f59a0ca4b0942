export interface BudgetLimits {
  /** Attempts under way, over all event subscriptions. */
  readonly attempts: number
  /** Bytes of events that are leased, over all event subscriptions. */
  readonly bytes: number
}

export const defaultBudgetLimits: BudgetLimits = { attempts: 1024, bytes: 256 * 1024 * 1024 }

/** How many of those who wait are told when something comes free: each looks again, and most find nothing. */
const toldAtOnce = 8

/**
 * What all event subscriptions share: attempts under way, and bytes in memory.
 *
 * Nobody may hold more than what is left over. So the more hold much, the less each may hold, and something is
 * always left for whoever comes new: a hundred slow endpoints do not keep a quick one waiting. (The dynamic
 * threshold of shared-memory switches: Choudhury and Hahne, 1998.)
 */
export class Budget {
  #attemptsLeft: number
  #bytesLeft: number
  readonly #waiting = new Set<() => void>()

  constructor(limits: BudgetLimits = defaultBudgetLimits) {
    this.#attemptsLeft = limits.attempts
    this.#bytesLeft = limits.bytes
  }

  /** Takes one attempt; false when it may not, and `retry` is called when that may have changed. */
  takeAttempt(held: number, retry: () => void): boolean {
    if (held >= this.#attemptsLeft) {
      this.#waiting.add(retry)
      return false
    }
    this.#attemptsLeft--
    return true
  }

  /** How many bytes may be leased now; 0 means none, and `retry` is called when that may have changed. */
  allowance(held: number, wanted: number, retry: () => void): number {
    const allowed = Math.min(wanted, this.#bytesLeft - held)
    if (allowed > 0) return allowed
    this.#waiting.add(retry)
    return 0
  }

  /** Bytes were leased; the last event of a lease may have gone over what was allowed. */
  takeBytes(bytes: number): void {
    this.#bytesLeft -= bytes
  }

  giveAttempt(): void {
    this.#attemptsLeft++
    if (this.#waiting.size > 0) this.#tell()
  }

  giveBytes(bytes: number): void {
    this.#bytesLeft += bytes
    if (this.#waiting.size > 0) this.#tell()
  }

  #tell(): void {
    let told = 0
    for (const retry of this.#waiting) {
      if (told++ === toldAtOnce) return
      this.#waiting.delete(retry)
      retry()
    }
  }
}
