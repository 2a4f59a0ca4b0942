import type { EpochMs } from '../base/clock.ts'
import type { Lease, Queue } from '../store/store.ts'
import type { Budget } from './budget.ts'
import type { Entry } from './entry.ts'
import { type EntryNote, encodeNote } from './note.ts'

/**
 * Ends leases with the queue, and keeps count of what is leased and of what is still being written.
 *
 * A write that fails is not reported from here: the store says so where events are accepted, and the entry comes
 * again after the next start.
 */
export class Settlement {
  readonly #queue: Queue
  readonly #budget: Budget
  readonly #changed: () => void
  /** Finished in this turn of the event loop. */
  #finished: Lease[] = []
  #writes = 0
  #bytes = 0

  /** @param changed called when a write has ended */
  constructor(queue: Queue, budget: Budget, changed: () => void) {
    this.#queue = queue
    this.#budget = budget
    this.#changed = changed
  }

  get busy(): boolean {
    return this.#writes > 0 || this.#finished.length > 0
  }

  /** Bytes of the entries that are leased. */
  get bytes(): number {
    return this.#bytes
  }

  /** Entries were leased, of the `allowed` bytes that had been taken from the budget for them. */
  leased(bytes: number, allowed: number): void {
    this.#bytes += bytes
    this.#budget.giveBytes(allowed - bytes)
  }

  /** Removes the entry, together with whatever else is finished in this turn of the event loop. */
  finish(lease: Lease): void {
    this.#forget(lease)
    if (this.#finished.push(lease) > 1) return
    setImmediate(() => {
      const finished = this.#finished
      this.#finished = []
      this.track(this.#queue.done(finished))
    })
  }

  postpone({ lease }: Entry, attempts: number, dueAt: EpochMs, note: EntryNote): void {
    this.#forget(lease)
    this.track(this.#queue.postpone(lease, attempts, dueAt, encodeNote(note)))
  }

  release(entries: readonly Entry[]): void {
    if (entries.length === 0) return
    for (const { lease } of entries) this.#forget(lease)
    this.#queue.release(entries.map(({ lease }) => lease))
  }

  /** Counts a write as under way until it has ended. */
  track(write: Promise<void>): void {
    this.#writes++
    write.then(this.#ended, this.#ended)
  }

  #ended = (): void => {
    this.#writes--
    this.#changed()
  }

  #forget(lease: Lease): void {
    const { length } = lease.bytes
    this.#bytes -= length
    this.#budget.giveBytes(length)
  }
}
