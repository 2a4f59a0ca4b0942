import type { Log } from '../base/log.ts'
import type { Counter, Metrics } from '../base/metrics.ts'
import type { EventSubscription } from '../catalog/catalog.ts'
import type { Queue } from '../store/store.ts'

/** Why an event is dropped for one event subscription whose queue is full. */
export const backlogReason = 'BacklogLimitExceeded'

export interface BacklogOptions {
  readonly eventSubscription: EventSubscription
  readonly queue: Pick<Queue, 'counts'>
  /** Events that may wait. */
  readonly limit: number
  readonly metrics: Metrics
  readonly log: Log
}

/** How full the queue of one event subscription is; says so in the log when it fills, and when it is read again. */
export interface Backlog {
  /** Asked once for all events of a request. */
  isFull(): boolean
  /** An event that was wanted was not queued. */
  dropped(): void
  /** For whoever asks why an event was not queued; undefined where none has been dropped. */
  readonly explanation: string | undefined
}

/**
 * An event subscription that nobody reads must not fill the disk: beyond its limit it gets no more events, which is
 * counted and said, while all others go on. What waits already goes on waiting, for as long as its topic retains it.
 */
export function createBacklog({ eventSubscription, queue, limit, metrics, log }: BacklogOptions): Backlog {
  const { id, topicId } = eventSubscription
  const half = limit / 2
  let level: 'low' | 'half' | 'full' = 'low'
  let counter: Counter | undefined
  const say = (next: typeof level, events: number) => {
    if (next === level) return
    const facts = { eventSubscription: id, events, limit }
    if (next === 'full') log.error(facts, 'a queue is full: its event subscription gets no more events')
    else if (next === 'half' && level === 'low') log.warn(facts, 'a queue is half full: is it read?')
    else if (level === 'full') log.info(facts, 'a queue has room again')
    level = next
  }
  return {
    isFull() {
      const { entries } = queue.counts()
      if (entries < half) {
        if (level !== 'low') say('low', entries)
        return false
      }
      say(entries < limit ? 'half' : 'full', entries)
      return level === 'full'
    },
    dropped() {
      counter ??= metrics.counter('busbar_dropped_events_total', 'Events dropped.', {
        ...{ topic: topicId, event_subscription: id },
        reason: backlogReason,
      })
      counter.add()
    },
    get explanation() {
      return counter && `Its queue held ${limit} events or more, which is the limit 'backlogEvents'.`
    },
  }
}
