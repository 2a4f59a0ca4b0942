import type { EpochMs } from '../base/clock.ts'

export interface TracedAttempt {
  readonly at: EpochMs
  /** HTTP status or undefined when there was none. */
  readonly status: number | undefined
  /** `delivered`, or an `OutcomeName`. */
  readonly outcome: string
  readonly error: string | undefined
  readonly durationMs: number
}

export type TracedEnd =
  /** By whoever received it. */
  | { readonly kind: 'acknowledged'; readonly at: EpochMs }
  | { readonly kind: 'delivered'; readonly at: EpochMs }
  | { readonly kind: 'deadLettered'; readonly at: EpochMs; readonly reason: string; readonly blob: string }
  | { readonly kind: 'dropped'; readonly at: EpochMs; readonly reason: string }

/** Of an event that was given up: its dead-letter record waits. */
export interface TracedDeadLetter {
  readonly reason: string
  readonly dueAt: EpochMs
  /** Why it could not be written, where that was tried. */
  readonly error: string | undefined
}

/** The number of attempts that a retry policy can ask for is 30; of more, the last are kept. */
const attemptsKept = 32

/** What is known of one event for one event subscription; a list, as most events have one. */
export class Progress {
  readonly uid: string
  readonly next: Progress | undefined
  /** The last attempt; those before it, which most events do not have, lie in `earlier`. */
  last: TracedAttempt | undefined
  earlier: TracedAttempt[] | undefined
  dueAt: EpochMs | undefined
  deadLetter: TracedDeadLetter | undefined
  /** When it was put back on its queue after it had been dead-lettered. */
  replayedAt: EpochMs | undefined
  /** How it ended, when that was not by its last attempt. */
  givenUp: TracedEnd | undefined

  constructor(uid: string, next: Progress | undefined) {
    this.uid = uid
    this.next = next
  }

  attempt(attempt: TracedAttempt): void {
    if (this.last) {
      this.earlier ??= []
      if (this.earlier.length === attemptsKept - 1) this.earlier.shift()
      this.earlier.push(this.last)
    }
    this.last = attempt
    this.dueAt = undefined
    this.deadLetter = undefined
  }

  get attempts(): readonly TracedAttempt[] {
    const { earlier = [], last } = this
    return last ? [...earlier, last] : earlier
  }

  get end(): TracedEnd | undefined {
    if (this.givenUp) return this.givenUp
    const { last } = this
    return last?.outcome === 'delivered' ? { kind: 'delivered', at: last.at + last.durationMs } : undefined
  }
}

/** Whether an attempt failed and the event has not ended. */
export function waits(progress: Progress | undefined): boolean {
  for (let each = progress; each; each = each.next)
    if (each.last && each.last.outcome !== 'delivered' && !each.givenUp) return true
  return false
}
