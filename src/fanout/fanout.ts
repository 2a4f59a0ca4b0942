import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Counter, Metrics } from '../base/metrics.ts'
import type { Catalog, CatalogChange, EventSubscription, Topic } from '../catalog/catalog.ts'
import { createInternalIds, encodeHead } from '../event/encode.ts'
import type { GridEvent } from '../event/event.ts'
import { type CompiledFilter, compileFilter } from '../filter/compile.ts'
import { createMatcher, type Matcher, type MatcherEntry } from '../filter/matcher.ts'
import type { Appendable, Queue, Queues } from '../store/store.ts'
import type { Explained, ExplainedTopic, Trace } from '../trace/trace.ts'

/*
 * From an accepted event to one queue entry per event subscription that wants it. In come checked events of one
 * topic; each is matched while it is decoded, and appended once with the list of queues that want it. It promises
 * that `accept` resolves only when all of the request's events are durable, or that none was taken.
 */

export interface Fanout {
  /** Rejects with `StoreUnavailable` when the events cannot be made durable; none of them is kept then. */
  accept(topic: Topic, events: readonly GridEvent[]): Promise<void>
}

export interface FanoutOptions {
  readonly catalog: Catalog
  readonly queues: Queues
  readonly clock: Clock
  /** Learns of every event, matched or not, before any delivery of it. */
  readonly trace: Pick<Trace, 'accepted'>
  readonly metrics: Metrics
  readonly log: Log
}

/** An event subscription as events meet it. */
interface Target {
  readonly eventSubscription: EventSubscription
  readonly queue: Queue
  readonly filter: CompiledFilter
  readonly matched: Counter
  /** Advanced filters asked, also of the filters that it had before. */
  readonly evaluated: () => number
}

/** Everything that publishing to one topic needs. */
interface TopicTargets {
  readonly matcher: Matcher<Target>
  readonly unmatched: Counter
  /** Made with the first event, which tells the schema. */
  traced?: ExplainedTopic
  /** Who wanted the last event. Most events of a topic go the same way: one list then serves them all. */
  last: TargetList
}

const nobody: readonly string[] = []

export async function createFanout(options: FanoutOptions): Promise<Fanout> {
  const { catalog, queues, clock, trace, metrics, log } = options
  const topics = new Map<string, TopicTargets>()
  const entries = new Map<string, { readonly topicId: string; readonly entry: MatcherEntry<Target> }>()
  const nextInternalId = createInternalIds()

  const targetsOf = (topicId: string): TopicTargets => {
    const key = topicId.toLowerCase()
    let targets = topics.get(key)
    if (!targets) {
      const matcher = createMatcher<Target>()
      const labels = { topic: topicId }
      targets = {
        matcher,
        unmatched: metrics.counter(
          'busbar_unmatched_events_total',
          'Events that no event subscription wanted.',
          labels,
        ),
        last: emptyList,
      }
      metrics.counterOf(
        'busbar_filter_evaluations_total',
        'Filters asked about an event.',
        () => matcher.evaluations,
        labels,
      )
      topics.set(key, targets)
    }
    return targets
  }

  const remove = (uid: string) => {
    const known = entries.get(uid)
    if (!known) return
    entries.delete(uid)
    targetsOf(known.topicId).matcher.remove(known.entry)
  }

  const add = async (eventSubscription: EventSubscription) => {
    const { uid, topicId, id, filter } = eventSubscription
    // The queue is durable before the first event is matched to it.
    const queue = await queues.open(uid)
    const evaluatedBefore = entries.get(uid)?.entry.target.evaluated() ?? 0
    remove(uid)
    const compiled = compileFilter(filter)
    const target: Target = {
      eventSubscription,
      queue,
      filter: compiled,
      matched: metrics.counter('busbar_matched_events_total', 'Events that an event subscription wanted.', {
        topic: topicId,
        event_subscription: id,
      }),
      evaluated: () => evaluatedBefore + compiled.advancedEvaluations,
    }
    if (filter.advancedFilters.length > 0)
      metrics.counterOf(
        'busbar_advanced_filter_evaluations_total',
        'Advanced filters asked about an event.',
        target.evaluated,
        { topic: topicId, event_subscription: id },
      )
    entries.set(uid, { topicId, entry: targetsOf(topicId).matcher.add(target.filter, target) })
  }

  const follow = async (change: CatalogChange) => {
    for (const { uid, before, after } of change.eventSubscriptions) {
      if (after) await add(after)
      else {
        remove(uid)
        if (before) metrics.forget('event_subscription', before.id)
      }
    }
    for (const { id, topic } of change.topics)
      if (!topic) {
        topics.delete(id.toLowerCase())
        metrics.forget('topic', id)
      }
  }

  catalog.onChange(follow)
  await Promise.all(Array.from(catalog.eventSubscriptions(), add))
  // A crash between deleting an event subscription and its queue leaves a queue that nobody reads.
  for (const name of queues.names())
    if (!entries.has(name)) {
      log.warn({ queue: name }, 'a queue without an event subscription was dropped')
      await queues.drop(name)
    }

  const explain = (topicId: string, event: GridEvent): readonly Explained[] =>
    Array.from(entries.values())
      .filter((known) => known.topicId.toLowerCase() === topicId.toLowerCase())
      .map(({ entry: { target } }) => {
        const { uid, name, id } = target.eventSubscription
        return { uid, name, id, refusedBy: target.filter.explain(event) }
      })

  return {
    async accept(topic, events) {
      const at = clock.now()
      const targets = targetsOf(topic.id)
      const { matcher } = targets
      const appendables: Appendable[] = []
      const matched: (readonly string[])[] = []
      const wanting: Target[] = []
      for (const event of events) {
        wanting.length = 0
        matcher.match(event, wanting)
        if (wanting.length === 0) {
          matched.push(nobody)
          continue
        }
        if (!isList(targets.last, wanting)) targets.last = createList(wanting)
        for (const target of wanting) target.matched.add()
        matched.push(targets.last.uids)
        const { source, start, end, tail } = event
        const head = encodeHead(event, at, nextInternalId())
        appendables.push({ head, source, start, end, tail, queues: targets.last.queues })
      }
      if (appendables.length < events.length) targets.unmatched.add(events.length - appendables.length)
      const appended = appendables.length > 0 ? queues.append(appendables) : undefined
      targets.traced ??= {
        topicId: topic.id,
        schema: topic.inputSchema,
        explain: (event) => explain(topic.id, event),
      }
      const sequences = sequencesOf(matched, appended?.firstSequence ?? 0)
      trace.accepted({ topic: targets.traced, at, events, matched, sequences })
      await appended?.durable
    },
  }
}

interface TargetList {
  readonly targets: readonly Target[]
  readonly queues: readonly Queue[]
  readonly uids: readonly string[]
}

const emptyList: TargetList = { targets: [], queues: [], uids: [] }

const createList = (targets: readonly Target[]): TargetList => ({
  targets: [...targets],
  queues: targets.map(({ queue }) => queue),
  uids: targets.map(({ eventSubscription }) => eventSubscription.uid),
})

function isList({ targets }: TargetList, wanting: readonly Target[]): boolean {
  if (targets.length !== wanting.length) return false
  for (let n = 0; n < wanting.length; n++) if (targets[n] !== wanting[n]) return false
  return true
}

function sequencesOf(matched: readonly (readonly string[])[], firstSequence: number): (number | undefined)[] {
  let next = firstSequence
  return matched.map((uids) => (uids.length > 0 ? next++ : undefined))
}
