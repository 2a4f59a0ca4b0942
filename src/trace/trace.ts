import type { EpochMs } from '../base/clock.ts'

/*
 * What happened to an event: for each event subscription matched or which filter said no and why; each attempt;
 * when the next one is due; how it ended. Fan-out and delivery write here, a door reads. Bounded: see `TraceLimits`.
 */

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
  | { readonly kind: 'delivered'; readonly at: EpochMs }
  | { readonly kind: 'deadLettered'; readonly at: EpochMs; readonly reason: string; readonly blob: string }
  | { readonly kind: 'dropped'; readonly at: EpochMs; readonly reason: string }

/** Delivery's side. `sequence` is the lease's; `uid` the event subscription's. Cheap, and a no-op for an event
 * that is no longer kept. */
export interface DeliveryTrace {
  attempt(sequence: number, uid: string, attempt: TracedAttempt): void
  /** The next attempt is due then. */
  postponed(sequence: number, uid: string, dueAt: EpochMs): void
  /** Given up; the dead-letter record is to be written then. */
  deadLettering(sequence: number, uid: string, reason: string, dueAt: EpochMs): void
  ended(sequence: number, uid: string, end: TracedEnd): void
}
