import type { Outcome } from '../destinations/destination.ts'

const minuteMs = 60_000
const hourMs = 60 * minuteMs

/**
 * How long to wait after the first, second, ... failed attempt, in policy time. The last step repeats until the
 * time to live or the attempts run out.
 *
 * Source: learn.microsoft.com/azure/event-grid/delivery-and-retry, "Retry schedule"
 */
export const retryStepsMs: readonly number[] = [
  10_000,
  30_000,
  minuteMs,
  5 * minuteMs,
  10 * minuteMs,
  30 * minuteMs,
  hourMs,
  3 * hourMs,
  6 * hourMs,
  12 * hourMs,
]

/** Of event subscriptions of namespace topics. Source: learn.microsoft.com/azure/event-grid/push-delivery-overview */
export const namespaceRetryStepsMs: readonly number[] = retryStepsMs.slice(0, 4)

export interface RetryPolicy {
  readonly maxDeliveryAttempts: number
  readonly eventTimeToLiveMs: number
  readonly ofNamespaceTopic?: true | undefined
}

/** `deadLetterReason` of a dead-letter record, and the reason that a dropped event is counted under. */
export type GiveUpReason =
  | 'MaxDeliveryAttemptsExceeded'
  | 'TimeToLiveExceeded'
  | 'UndeliverableDueToClientError'
  /** By whoever received it. */
  | 'Rejected'

/** Adds to a wait, so that events that failed together do not all come back together. Never shortens it. */
export type Jitter = (waitMs: number) => number

/** Up to 2 percent longer, at most ten seconds. @param random from 0 to 1 */
export function createJitter(random: () => number): Jitter {
  return (waitMs) => waitMs + Math.min(waitMs * 0.02, 10_000) * random()
}

/** The same wait every time: for tests, and for those who want the schedule to the millisecond. */
export const noJitter: Jitter = (waitMs) => waitMs

export type Failure = Exclude<Outcome, { kind: 'delivered' }>

/**
 * What follows a failed attempt: the policy milliseconds until the next one, or why there is none.
 *
 * The time to live is not examined here but by `expired`, when the next attempt is due: that is when the service
 * does it, so an event may outlive its time to live by the length of one step.
 *
 * @param attempts made so far, the failed one included
 */
export function afterFailure(
  failure: Failure,
  attempts: number,
  policy: RetryPolicy,
  jitter: Jitter,
): number | GiveUpReason {
  if (failure.kind === 'hopeless') return 'UndeliverableDueToClientError'
  if (attempts >= policy.maxDeliveryAttempts) return 'MaxDeliveryAttemptsExceeded'
  const steps = policy.ofNamespaceTopic ? namespaceRetryStepsMs : retryStepsMs
  const step = steps[Math.min(attempts, steps.length) - 1] as number
  return jitter(Math.max(step, failure.minimumDelayMs))
}

/** Whether an event whose attempt is due has run out of time. @param ageMs policy time since it was published */
export const expired = (ageMs: number, { eventTimeToLiveMs }: RetryPolicy): boolean =>
  ageMs >= eventTimeToLiveMs
