import type { Metrics } from '../base/metrics.ts'

export interface TopicCounters {
  published(events: number, tookMs: number): void
  failed(code: string, detailCode: string | undefined): void
}

/** How many topics' series are remembered here; beyond it they are looked up again. */
const rememberedTopics = 10_000

/**
 * The series of publishing, which namespace topics share with other topics.
 *
 * Source: learn.microsoft.com/azure/event-grid/monitor-pull-reference (SuccessfulPublishedEvents, FailedPublishedEvents,
 * PublishLatencyInMilliseconds)
 */
export function createTopicCounters(metrics: Metrics): (topicId: string) => TopicCounters {
  const known = new Map<string, TopicCounters>()
  return (topicId) => {
    let counters = known.get(topicId)
    if (counters) return counters
    if (known.size >= rememberedTopics) known.clear()
    known.set(topicId, (counters = createCounters(metrics, topicId)))
    return counters
  }
}

function createCounters(metrics: Metrics, topic: string): TopicCounters {
  const labels = { topic }
  const successes = metrics.counter(
    'busbar_publish_success_total',
    'Events accepted from publishers.',
    labels,
  )
  const latency = metrics.histogram(
    'busbar_publish_latency_ms',
    'Milliseconds from the head of an accepted publish request to its answer.',
    labels,
  )
  return {
    published(events, tookMs) {
      successes.add(events)
      latency.observe(tookMs)
    },
    failed(code, detailCode = code) {
      const reasons = { ...labels, error_type: code, error: detailCode }
      metrics.counter('busbar_publish_fail_total', 'Publish requests refused or failed.', reasons).add()
    },
  }
}
