import type { Entry } from './entry.ts'

/** Remembered of one event subscription; beyond it a late answer is in vain. */
const most = 10_000

/**
 * Which entries that wait for another attempt need none: their endpoint answered the last one after all, later than it
 * was waited for. Kept in memory only, and with best effort, as the service does it.
 *
 * Source: learn.microsoft.com/azure/event-grid/delivery-and-retry, "Event delivery timeout"
 */
export class LateDeliveries {
  /** Attempts made by sequence. */
  readonly #attempts = new Map<number, number>()

  /** @param attempts the one that was answered late included */
  add(sequence: number, attempts: number): void {
    if (this.#attempts.size < most) this.#attempts.set(sequence, attempts)
  }

  /** The entry's next attempt had begun by then, and has ended. */
  forget({ lease: { sequence } }: Entry): void {
    if (this.#attempts.size > 0) this.#attempts.delete(sequence)
  }

  /** Whether the entry has been delivered by its last attempt; asked when its next one is due. */
  take({ lease: { sequence }, attempts }: Entry): boolean {
    if (this.#attempts.size === 0) return false
    const late = this.#attempts.get(sequence)
    this.#attempts.delete(sequence)
    return late === attempts
  }
}
