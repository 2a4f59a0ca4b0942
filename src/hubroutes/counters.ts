import type { Metrics } from '../base/metrics.ts'
import type { Queue } from '../store/store.ts'

/** What became of a message on its way to an endpoint. */
export type Ending = 'delivered' | 'expired' | 'rejected' | 'backlogFull' | 'tooLarge'

/** The series of one endpoint. */
export interface EndpointCounters {
  ended(ending: Ending, messages?: number): void
  failed(): void
  /** The endpoint is gone. */
  forget(): void
}

/** @param endpoint with its hub's name, so that no two are called the same */
export function createCounters(
  metrics: Metrics,
  hub: string,
  endpoint: string,
  queue: Queue,
): EndpointCounters {
  const labels = { hub, routing_endpoint: endpoint }
  const help = 'Messages that have left the queue of a routing endpoint, by what became of them.'
  metrics.gauge(
    'busbar_hub_route_messages_waiting',
    'Messages that wait for a routing endpoint.',
    () => queue.counts().entries,
    labels,
  )
  const failures = metrics.counter(
    'busbar_hub_route_attempts_failed_total',
    'Attempts after which messages wait for a routing endpoint once more.',
    labels,
  )
  return {
    ended: (outcome, messages = 1) =>
      metrics.counter('busbar_hub_route_messages_total', help, { ...labels, outcome }).add(messages),
    failed: () => failures.add(),
    forget: () => metrics.forget('routing_endpoint', endpoint),
  }
}
