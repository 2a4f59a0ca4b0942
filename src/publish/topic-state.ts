import type { Clock } from '../base/clock.ts'
import { RequestError } from '../base/errors.ts'
import type { Metrics } from '../base/metrics.ts'
import type { Topic } from '../catalog/catalog.ts'
import { schemas } from '../event/schemas/index.ts'
import type { Decode, DecodeLimits } from '../event/schemas/schema.ts'

/** What is made once per topic rather than once per request. */
export interface TopicState {
  readonly decode: Decode
  /** Name of the input schema in headers. */
  readonly wireName: string
  succeeded(events: number, tookMs: number): void
  failed(error: unknown): void
}

export interface TopicStateOptions {
  readonly clock: Clock
  readonly metrics: Metrics
  readonly limits: DecodeLimits
}

/**
 * Keeps a state for each topic as the catalog knows it; a topic that changes is another object, and gets another.
 *
 * Source for the metrics: learn.microsoft.com/azure/event-grid/monitor-push-reference (PublishSuccessCount,
 * PublishFailCount, PublishSuccessLatencyInMs)
 */
export function createTopicStates({
  clock,
  metrics,
  limits,
}: TopicStateOptions): (topic: Topic) => TopicState {
  const states = new WeakMap<Topic, TopicState>()
  return (topic) => {
    let state = states.get(topic)
    if (!state) states.set(topic, (state = createTopicState(topic, { clock, metrics, limits })))
    return state
  }
}

function createTopicState(topic: Topic, { clock, metrics, limits }: TopicStateOptions): TopicState {
  const { kind, id, inputSchema, inputSchemaMapping: mapping } = topic
  const { wireName, createDecoder } = schemas[inputSchema]
  const labels = { topic: id }
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
    decode: createDecoder({
      topicId: id,
      domain: kind === 'domain',
      mapping,
      now: () => clock.now(),
      limits,
    }),
    wireName,
    succeeded(events, tookMs) {
      successes.add(events)
      latency.observe(tookMs)
    },
    failed(error) {
      const { errorType, detailCode = errorType } =
        error instanceof RequestError ? error : { errorType: 'InternalServerError', detailCode: undefined }
      metrics
        .counter('busbar_publish_fail_total', 'Publish requests refused or failed.', {
          ...labels,
          error_type: errorType,
          error: detailCode,
        })
        .add()
    },
  }
}
