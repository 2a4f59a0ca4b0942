import type { Entry } from './entry.ts'

/** Listened for of one event subscription; beyond it a late answer is in vain. */
const most = 10_000

/** The last attempt of an entry, which was not answered in time. */
interface Unanswered {
  /** That one included. */
  readonly attempts: number
  /** The entry's next attempt. */
  isUnderWay: boolean
  isDelivered: boolean
}

/**
 * Which entries that wait for another attempt need none: their endpoint answered the last one after all, later than it
 * was waited for. Kept in memory only, and with best effort, as the service does it. What has ended in another way is
 * forgotten, whatever is answered then.
 *
 * Source: learn.microsoft.com/azure/event-grid/delivery-and-retry, "Event delivery timeout"
 */
export class LateDeliveries {
  /** By sequence. */
  readonly #unanswered = new Map<number, Unanswered>()

  get isEmpty(): boolean {
    return this.#unanswered.size === 0
  }

  /** The entry waits for its next attempt, and the last one may still be answered. */
  expect(sequence: number, attempts: number): void {
    if (this.#unanswered.size < most)
      this.#unanswered.set(sequence, { attempts, isUnderWay: false, isDelivered: false })
  }

  /** The entry's next attempt begins. */
  began({ lease: { sequence } }: Entry): void {
    const unanswered = this.#unanswered.get(sequence)
    if (unanswered) unanswered.isUnderWay = true
  }

  /** That attempt was answered with success. True when it ends the entry; its next attempt, once begun, must end first. */
  delivered(sequence: number, attempts: number): boolean {
    const unanswered = this.#unanswered.get(sequence)
    if (unanswered?.attempts !== attempts) return false
    unanswered.isDelivered = true
    return !unanswered.isUnderWay
  }

  /** That attempt will not be answered with success. */
  missed(sequence: number, attempts: number): void {
    if (this.#unanswered.get(sequence)?.attempts === attempts) this.#unanswered.delete(sequence)
  }

  /** Whether an entry whose next attempt is due has been delivered by its last one. */
  hasDelivered({ lease: { sequence } }: Entry): boolean {
    return this.#unanswered.get(sequence)?.isDelivered === true
  }

  /** Listens no longer: the next attempt of the entry has ended, or there is none. True where the last one delivered it. */
  take({ lease: { sequence } }: Pick<Entry, 'lease'>): boolean {
    const isDelivered = this.#unanswered.get(sequence)?.isDelivered === true
    this.#unanswered.delete(sequence)
    return isDelivered
  }
}
