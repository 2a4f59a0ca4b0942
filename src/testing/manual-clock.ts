import type { Clock, EpochMs, Timer } from '../base/clock.ts'

interface Waiting extends Timer {
  readonly dueAt: EpochMs
  readonly order: number
  readonly fire: () => void
}

/**
 * A clock moved by hand. Policy time and real time run alike.
 *
 * `settle` is awaited after every callback, so that what one timer started has ended before the next one fires:
 * give it the `settle` of what is under test.
 */
export class ManualClock implements Clock {
  settle: () => Promise<void> = turnOfTheLoop
  #now: EpochMs
  #order = 0
  readonly #waiting = new Set<Waiting>()

  /** @param start an arbitrary whole second, unless a test cares */
  constructor(start: EpochMs = Date.UTC(2026, 0, 2, 3, 4, 5)) {
    this.#now = start
  }

  now(): EpochMs {
    return this.#now
  }

  after(policyMs: number, from = this.#now): EpochMs {
    return from + policyMs
  }

  since(moment: EpochMs): number {
    return this.#now - moment
  }

  at(dueAt: EpochMs, fire: () => void): Timer {
    const waiting: Waiting = {
      dueAt,
      order: this.#order++,
      fire,
      cancel: () => this.#waiting.delete(waiting),
    }
    this.#waiting.add(waiting)
    return waiting
  }

  /** When the next callback is due; undefined when nothing waits. */
  get nextDueAt(): EpochMs | undefined {
    return this.#next()?.dueAt
  }

  /** Moves time on, calling back whoever waits for a moment on the way, in the order of their moments. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms
    await this.settle()
    for (let next = this.#next(); next && next.dueAt <= end; next = this.#next()) {
      this.#now = Math.max(this.#now, next.dueAt)
      this.#waiting.delete(next)
      next.fire()
      await this.settle()
    }
    this.#now = end
    await this.settle()
  }

  #next(): Waiting | undefined {
    let first: Waiting | undefined
    for (const waiting of this.#waiting)
      if (
        !first ||
        waiting.dueAt < first.dueAt ||
        (waiting.dueAt === first.dueAt && waiting.order < first.order)
      )
        first = waiting
    return first
  }
}

/** Lets everything run that is ready to run now. */
export function turnOfTheLoop(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}
