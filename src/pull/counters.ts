import type { Counter, Histogram, Labels, Metrics } from '../base/metrics.ts'
import type { QueueFacts } from './directory.ts'
import type { Outlet } from './outlet.ts'
import type { Operation } from './routes.ts'

/** The series of one event subscription, made with the first of what they count. */
export interface OutletCounters {
  /** Events that an operation was done to, and how long the request took. */
  done(operation: Exclude<Operation, 'publish'>, events: number, tookMs: number): void
  /** Events that it could not be done to, or a request that was refused. */
  failed(operation: Exclude<Operation, 'publish'>, error: string, events: number): void
}

const words = {
  receive: { name: 'received', what: 'handed to receivers' },
  acknowledge: { name: 'acknowledged', what: 'acknowledged' },
  release: { name: 'released', what: 'put back by receivers' },
  reject: { name: 'rejected', what: 'rejected by receivers' },
  renewLock: { name: 'renewed', what: 'whose lock was renewed' },
} as const

/**
 * Source: learn.microsoft.com/azure/event-grid/monitor-pull-reference (SuccessfulReceivedEvents,
 * FailedReceivedEvents, SuccessfulAcknowledgedEvents ... ReceiveLatencyInMilliseconds ...), in Prometheus' spelling
 */
export function createOutletCounters(
  metrics: Metrics,
  { id, topicId }: QueueFacts,
  outlet: Outlet,
): OutletCounters {
  const labels: Labels = { topic: topicId, event_subscription: id }
  metrics.gauge(
    'busbar_queued_entries',
    'Events waiting to be delivered, leased and postponed ones included.',
    () => outlet.queue.counts().entries,
    labels,
  )
  metrics.gauge(
    'busbar_locked_entries',
    'Events that receivers have locked.',
    () => outlet.queue.counts().locked,
    labels,
  )
  metrics.gauge(
    'busbar_waiting_receivers',
    'Requests to receive that wait for events.',
    () => outlet.waiting,
    labels,
  )
  const lazily = <Made>(make: (operation: keyof typeof words) => Made) => {
    const made = new Map<keyof typeof words, Made>()
    return (operation: keyof typeof words): Made => {
      let one = made.get(operation)
      if (one === undefined) made.set(operation, (one = make(operation)))
      return one
    }
  }
  const events = lazily((operation): Counter => {
    const { name, what } = words[operation]
    return metrics.counter(`busbar_${name}_events_total`, `Events ${what}.`, labels)
  })
  const latency = lazily(
    (operation): Histogram =>
      metrics.histogram(
        `busbar_${words[operation].name}_latency_ms`,
        `Milliseconds that requests took to have events ${words[operation].what}, waiting included.`,
        labels,
      ),
  )
  return {
    done(operation, count, tookMs) {
      events(operation).add(count)
      latency(operation).observe(tookMs)
    },
    failed(operation, error, count) {
      metrics
        .counter(
          `busbar_${words[operation].name}_fail_total`,
          `Events not ${words[operation].what} though that was asked, and requests refused.`,
          { ...labels, error },
        )
        .add(count)
    },
  }
}
