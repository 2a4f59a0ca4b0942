import type { Counter, Histogram, Labels, Metrics } from '../base/metrics.ts'
import type { EventSubscription } from '../catalog/catalog.ts'
import type { Outcome, OutcomeName } from '../destinations/destination.ts'
import type { Queue } from '../store/store.ts'

/** Why an event without a dead-letter record is gone; a `GiveUpReason` where no dead-letter destination was set. */
export type DropReason = string

/** The series of one event subscription, looked up once. */
export interface DeliveryCounters {
  attempted(outcome: Outcome, events: number, durationMs: number): void
  /** The endpoint took an event after all, whose attempt had failed. */
  deliveredLate(): void
  deadLettered(reason: string): void
  dropped(reason: DropReason): void
  /** A dead letter cannot be read. */
  setAside(): void
  /** Shows how many records wait on the dead-letter queue, from when there is one. */
  watchDeadLetters(queue: Queue): void
  /** It has another id from now on. */
  relabel(eventSubscription: EventSubscription): void
}

export function createCounters(
  metrics: Metrics,
  eventSubscription: EventSubscription,
  queue: Queue,
): DeliveryCounters {
  let series = seriesOf(metrics, eventSubscription, queue)
  let { id } = eventSubscription
  let letters: Queue | undefined
  return {
    attempted: (outcome, events, durationMs) => series.attempted(outcome, events, durationMs),
    deliveredLate: () => series.deliveredLate(),
    deadLettered: (reason) => series.deadLettered(reason),
    dropped: (reason) => series.dropped(reason),
    setAside: () => series.setAside(),
    watchDeadLetters(waiting) {
      letters = waiting
      series.watchDeadLetters(waiting)
    },
    relabel(next) {
      if (next.id === id) return
      id = next.id
      series = seriesOf(metrics, next, queue)
      if (letters) series.watchDeadLetters(letters)
    },
  }
}

/** Source: learn.microsoft.com/azure/event-grid/monitor-push-reference, in Prometheus' spelling. */
function seriesOf(
  metrics: Metrics,
  eventSubscription: EventSubscription,
  queue: Queue,
): Omit<DeliveryCounters, 'relabel'> {
  const labels = { topic: eventSubscription.topicId, event_subscription: eventSubscription.id }
  const success = metrics.counter('busbar_delivery_success_total', 'Events delivered.', labels)
  // Its seventeen lines are the most of a scrape: only where there has been an attempt.
  let duration: Histogram | undefined
  const durations = () =>
    metrics.histogram(
      'busbar_destination_duration_ms',
      'Time that destinations took to answer an attempt, in milliseconds.',
      labels,
    )
  metrics.gauge(
    'busbar_queued_entries',
    'Events waiting to be delivered, leased and postponed ones included.',
    () => queue.counts().entries,
    labels,
  )
  const byValue = <Value extends string>(name: string, help: string, labelsOf: (value: Value) => Labels) => {
    const known = new Map<Value, Counter>()
    return (value: Value) => {
      let counter = known.get(value)
      if (!counter)
        known.set(value, (counter = metrics.counter(name, help, { ...labels, ...labelsOf(value) })))
      return counter
    }
  }
  const failed = byValue(
    'busbar_delivery_attempt_fail_total',
    'Events of failed attempts.',
    (error: OutcomeName) => ({ error_type: errorTypeOf(error), error }),
  )
  const byReason = (reason: string) => ({ reason })
  const deadLettered = byValue('busbar_dead_lettered_total', 'Events dead-lettered.', byReason)
  const dropped = byValue('busbar_dropped_events_total', 'Events dropped.', byReason)
  return {
    attempted(outcome, events, durationMs) {
      duration ??= durations()
      duration.observe(durationMs)
      if (outcome.kind === 'delivered') success.add(events)
      else failed(outcome.name).add(events)
    },
    deliveredLate: () => success.add(),
    deadLettered: (reason) => deadLettered(reason).add(),
    dropped: (reason) => dropped(reason).add(),
    setAside: () =>
      metrics
        .counter(
          'busbar_dead_letters_set_aside_total',
          'Dead letters that cannot be read, each time that it was tried.',
          labels,
        )
        .add(),
    watchDeadLetters(letters) {
      metrics.gauge(
        'busbar_dead_letters_waiting',
        'Events given up whose dead-letter record is not written yet.',
        () => letters.counts().entries,
        labels,
      )
    },
  }
}

/** Whose fault an outcome speaks of: the event or the event subscription, the way there, or the endpoint. */
function errorTypeOf(error: OutcomeName): string {
  switch (error) {
    case 'BadRequest':
    case 'Unauthorized':
    case 'Forbidden':
    case 'NotFound':
    case 'PayloadTooLarge':
      return 'ClientError'
    case 'SocketError':
    case 'ResolutionError':
    case 'TimedOut':
    case 'Aborted':
    case 'Canceled':
      return 'ConnectionError'
    default:
      return 'ServerError'
  }
}
