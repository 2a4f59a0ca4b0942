import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Counter, Metrics } from '../base/metrics.ts'
import type { Catalog, CatalogChange, EventSubscription, Topic } from '../catalog/catalog.ts'
import type { NamespaceTopic } from '../catalog/namespace.ts'
import { createInternalIds, encodeHead } from '../event/encode.ts'
import type { GridEvent, InputSchema } from '../event/event.ts'
import { type CompiledFilter, compileFilter } from '../filter/compile.ts'
import { createMatcher, type Matcher, type MatcherEntry } from '../filter/matcher.ts'
import { isTopicTypeOf } from '../resources/topic-type.ts'
import { type Appendable, ownerOfQueue, type Queue, type Queues } from '../store/store.ts'
import type { Explained, ExplainedTopic, Trace } from '../trace/trace.ts'
import { type Backlog, createBacklog } from './backlog.ts'

/*
 * From an accepted event to one queue entry per event subscription that wants it. In come checked events of one
 * topic, domain or Azure source; each is matched while it is decoded, and appended once with the list of queues that
 * want it. It promises that `accept` and `raise` resolve only when all of the events are durable, or that none was
 * taken.
 *
 * An event meets the event subscriptions of at most two scopes: those of the domain and of its domain topic, or those
 * of a source and of its system topic. What others stand on costs it nothing.
 */

export interface Fanout {
  /**
   * Takes what was published to a topic, domain, partner namespace or topic of a namespace. Rejects with `StoreUnavailable` when the events
   * cannot be made durable; none of them is kept then.
   *
   * @param topicOf the ARM id of the domain topic or partner topic that an event is for; by default the one it names
   */
  accept(topic: Topic | NamespaceTopic, events: readonly GridEvent[], topicOf?: TopicOf): Promise<void>
  /**
   * Takes events that an Azure service raises of one of its resources, of a subscription or of a resource group. They
   * reach the event subscriptions on the source and on its system topic; where there is neither, nothing is done.
   *
   * @param sourceId ARM id of the source, in any letter case
   * @param topicType such as `Microsoft.Storage.StorageAccounts`, in any letter case
   */
  raise(sourceId: string, topicType: string, events: readonly GridEvent[]): Promise<void>
  /** Whether `raise` would do anything; costs next to nothing, so that an event need not be built for nobody. */
  isHeard(sourceId: string, topicType: string): boolean
  /**
   * Puts events that were dead-lettered back on the queue of their event subscription, whatever its filter says, and
   * on no other. Resolves when they are durable, with false where there is no such event subscription any more;
   * rejects as `accept` does.
   */
  replay(eventSubscription: EventSubscription, events: readonly GridEvent[]): Promise<boolean>
}

export type TopicOf = (event: GridEvent) => string | undefined

export interface FanoutOptions {
  readonly catalog: Catalog
  readonly queues: Queues
  readonly clock: Clock
  /** Learns of every event, matched or not, before any delivery of it. */
  readonly trace: Pick<Trace, 'accepted'>
  readonly metrics: Metrics
  readonly log: Log
  /** Events that may wait for one event subscription of a namespace's topic; default: any number. */
  readonly backlogEvents?: number
}

/** An event subscription as events meet it. */
interface Target {
  readonly eventSubscription: EventSubscription
  readonly queue: Queue
  readonly filter: CompiledFilter
  readonly matched: Counter
  /** Advanced filters asked, also of the filters that it had before. */
  readonly evaluated: () => number
  /** Of a namespace's topic. */
  readonly backlog: Backlog | undefined
}

/** The event subscriptions that stand on one thing. There while any does. */
interface Scope {
  readonly id: string
  /** `id` in lower case. */
  readonly key: string
  readonly matcher: Matcher<Target>
  /** By uid. */
  readonly entries: Map<string, MatcherEntry<Target>>
  /** Who wanted the last event. Most events of a scope go the same way: one list then serves them all. */
  last: TargetList
  /** The last list of this scope joined to one of the scope around it. */
  joined: { readonly outer: TargetList; readonly inner: TargetList; readonly list: TargetList } | undefined
  /** What the trace is told of events that met this scope within another; made with the first. */
  traced: ExplainedTopic | undefined
  /** Events that came here through a domain or a partner namespace; made with the first. */
  received: Counter | undefined
}

/** What counts and explains the events that come in by one topic, whoever wants them. */
interface Entrance {
  readonly unmatched: Counter
  /** Of what no publisher sends to. */
  readonly raised: Counter | undefined
  readonly traced: ExplainedTopic
}

const nobody: readonly string[] = []
/** Ids that events name of which it is remembered what stands there; beyond it, all are forgotten. */
const rememberedIds = 10_000
const ownTopic: TopicOf = ({ topicId }) => topicId

/** Its events meet nothing but what stands on it. */
const isAlone = ({ kind }: Topic | NamespaceTopic) => kind === 'topic' || kind === 'namespaceTopic'

export async function createFanout(options: FanoutOptions): Promise<Fanout> {
  const { catalog, queues, clock, trace, metrics, log, backlogEvents = Number.POSITIVE_INFINITY } = options
  /** By the id of what the event subscriptions stand on, in lower case. */
  const scopes = new Map<string, Scope>()
  /** By the id of the topic, in lower case. */
  const entrances = new Map<string, Entrance>()
  const scopesOf = new Map<string, Scope>()
  /** By ids as events name them, of what stands there and of what does not; emptied when `scopes` changes. */
  const named = new Map<string, Scope | null>()
  const nextInternalId = createInternalIds()
  let requests = 0

  /** Reused, as matching is never interrupted. */
  const wanting: Target[] = []

  const listOf = (scope: Scope, event: GridEvent): TargetList => {
    wanting.length = 0
    scope.matcher.match(event, wanting)
    if (wanting.length === 0) return emptyList
    if (!isList(scope.last, wanting)) scope.last = createList(wanting)
    return scope.last
  }

  const scopeOf = (id: string): Scope => {
    const key = id.toLowerCase()
    let scope = scopes.get(key)
    if (!scope) {
      const matcher = createMatcher<Target>()
      scope = {
        ...{ id, key, matcher, entries: new Map(), last: emptyList },
        ...{ joined: undefined, traced: undefined, received: undefined },
      }
      metrics.counterOf(
        'busbar_filter_evaluations_total',
        'Filters asked about an event.',
        () => matcher.evaluations,
        { topic: id },
      )
      scopes.set(key, scope)
      named.clear()
    }
    return scope
  }

  /** @param id in any letter case; most events name one that came before */
  const scopeNamed = (id: string): Scope | undefined => {
    const known = named.get(id)
    if (known !== undefined) return known ?? undefined
    const scope = scopes.get(id.toLowerCase())
    if (named.size >= rememberedIds) named.clear()
    named.set(id, scope ?? null)
    return scope
  }

  const deleteScope = (key: string) => {
    scopes.delete(key)
    named.clear()
  }

  /** @param key `id` in lower case */
  const entranceOf = (key: string, id: string, schema: InputSchema, isRaised = false): Entrance => {
    let entrance = entrances.get(key)
    if (!entrance) {
      const labels = { topic: id }
      entrance = {
        unmatched: metrics.counter(
          'busbar_unmatched_events_total',
          'Events that no event subscription wanted.',
          labels,
        ),
        raised: isRaised
          ? metrics.counter('busbar_publish_success_total', 'Events accepted from publishers.', labels)
          : undefined,
        traced: { topicId: id, schema, explain: (event) => explain(event, key) },
      }
      entrances.set(key, entrance)
    }
    return entrance
  }

  /** A series only where there are event subscriptions: a domain may have 100,000 topics. */
  const receivedBy = (id: string): Counter =>
    metrics.counter(
      'busbar_topic_received_events_total',
      'Events that came to a domain topic or a partner topic that has event subscriptions.',
      { topic: id },
    )

  const remove = (uid: string) => {
    const scope = scopesOf.get(uid)
    const entry = scope?.entries.get(uid)
    if (!scope || !entry) return
    scopesOf.delete(uid)
    scope.entries.delete(uid)
    scope.matcher.remove(entry)
    // A list holds on to its targets.
    scope.last = emptyList
    scope.joined = undefined
  }

  /** What nothing stands on any more is forgotten, with its series unless a topic lives on. */
  const forgetScope = (id: string) => {
    const key = id.toLowerCase()
    if (scopes.get(key)?.entries.size !== 0) return
    deleteScope(key)
    if (catalog.topic(id) || catalog.systemTopic(id) || catalog.namespaces.topic(id)) return
    entrances.delete(key)
    metrics.forget('topic', id)
  }

  /** Its series, under the ids that it has now. */
  const watch = (
    { topicId, id, filter }: EventSubscription,
    evaluated: Target['evaluated'],
  ): Target['matched'] => {
    const labels = { topic: topicId, event_subscription: id }
    if (filter.advancedFilters.length > 0)
      metrics.counterOf(
        'busbar_advanced_filter_evaluations_total',
        'Advanced filters asked about an event.',
        evaluated,
        labels,
      )
    return metrics.counter('busbar_matched_events_total', 'Events that an event subscription wanted.', labels)
  }

  const place = (target: Target) => {
    const { uid, topicId } = target.eventSubscription
    const scope = scopeOf(topicId)
    scopesOf.set(uid, scope)
    scope.entries.set(uid, scope.matcher.add(target.filter, target))
  }

  const add = async (eventSubscription: EventSubscription) => {
    const { uid } = eventSubscription
    // The queue is durable before the first event is matched to it.
    const queue = await queues.open(uid)
    const evaluatedBefore = scopesOf.get(uid)?.entries.get(uid)?.target.evaluated() ?? 0
    remove(uid)
    const filter = compileFilter(eventSubscription.filter)
    const evaluated = () => evaluatedBefore + filter.advancedEvaluations
    const backlog = eventSubscription.ofNamespaceTopic
      ? createBacklog({ eventSubscription, queue, limit: backlogEvents, metrics, log })
      : undefined
    const matched = watch(eventSubscription, evaluated)
    place({ eventSubscription, queue, filter, matched, evaluated, backlog })
  }

  /** What stands on something else from now on; its queue is the same. True when it was there. */
  const relocate = (after: EventSubscription, before: EventSubscription): boolean => {
    const known = scopesOf.get(after.uid)?.entries.get(after.uid)?.target
    if (!known) return false
    remove(after.uid)
    metrics.forget('event_subscription', before.id)
    place({ ...known, eventSubscription: after, matched: watch(after, known.evaluated) })
    return true
  }

  const follow = async (change: CatalogChange) => {
    // In the turn in which the catalog has changed, so that no event comes between.
    const relocated = new Set(
      change.eventSubscriptions.flatMap(({ uid, before, after }) =>
        before && after && before.topicId !== after.topicId && relocate(after, before) ? [uid] : [],
      ),
    )
    for (const { uid, before, after } of change.eventSubscriptions) {
      if (before && relocated.has(uid)) {
        forgetScope(before.topicId)
        continue
      }
      if (after) await add(after)
      else {
        remove(uid)
        if (!before) continue
        metrics.forget('event_subscription', before.id)
        forgetScope(before.topicId)
      }
    }
    for (const { id, topic } of change.topics)
      if (!topic) {
        deleteScope(id.toLowerCase())
        entrances.delete(id.toLowerCase())
        metrics.forget('topic', id)
      }
  }

  catalog.onChange(follow)
  await Promise.all(Array.from(catalog.eventSubscriptions(), add))
  // A crash between deleting an event subscription and its queue leaves a queue that nobody reads.
  for (const name of queues.names()) {
    const owner = ownerOfQueue(name)
    if (owner !== undefined && !scopesOf.has(owner)) {
      log.warn({ queue: name }, 'a queue without an event subscription was dropped')
      await queues.drop(name)
    }
  }

  const explain = (event: GridEvent, ...keys: readonly string[]): readonly Explained[] =>
    keys.flatMap((key) =>
      Array.from(scopes.get(key)?.entries.values() ?? [], ({ target }) => {
        const { uid, name, id } = target.eventSubscription
        return { uid, name, id, refusedBy: target.filter.explain(event) ?? target.backlog?.explanation }
      }),
    )

  /** Explains events that meet two scopes. */
  const tracedOf = (inner: Scope, outerKey: string, schema: InputSchema): ExplainedTopic => {
    inner.traced ??= {
      topicId: inner.id,
      schema,
      explain: (event) => explain(event, outerKey, inner.key),
    }
    return inner.traced
  }

  /**
   * @param outer met by every event
   * @param innerOf what else the event meets
   */
  const take = (
    entrance: Entrance,
    events: readonly GridEvent[],
    outer: Scope | undefined,
    outerKey: string,
    innerOf: ((event: GridEvent) => Scope | undefined) | undefined,
  ): Promise<void> => {
    const at = clock.now()
    const request = ++requests
    const appendables: Appendable[] = []
    const matched: (readonly string[])[] = []
    const topics: ExplainedTopic[] | undefined = innerOf && []
    for (const event of events) {
      const inner = innerOf?.(event)
      const wide = outer ? listOf(outer, event) : emptyList
      const list = withRoom(inner ? join(inner, wide, listOf(inner, event)) : wide, request)
      topics?.push(inner ? tracedOf(inner, outerKey, entrance.traced.schema) : entrance.traced)
      if (list.targets.length === 0) {
        matched.push(nobody)
        continue
      }
      for (const target of list.targets) target.matched.add()
      matched.push(list.uids)
      const { source, start, end, tail } = event
      const head = encodeHead(event, at, nextInternalId())
      appendables.push({ head, source, start, end, tail, queues: list.queues })
    }
    if (appendables.length < events.length) entrance.unmatched.add(events.length - appendables.length)
    const appended = appendables.length > 0 ? queues.append(appendables) : undefined
    const sequences = sequencesOf(matched, appended?.firstSequence ?? 0)
    trace.accepted({ topic: entrance.traced, topics, at, events, matched, sequences })
    return appended?.durable ?? Promise.resolve()
  }

  return {
    async accept(topic, events, topicOf = ownTopic) {
      // It may have moved while the request was read.
      const moved = catalog.movedTo(topic.id)
      const topicId = moved ?? topic.id
      const key = topicId.toLowerCase()
      const entrance = entranceOf(key, topicId, topic.inputSchema)
      const below = `${key}/topics/`
      const innerOf = (event: GridEvent) => {
        const given = topicOf(event)
        const id = moved === undefined ? given : given && withinMoved(given, topic.id, moved)
        const inner = id === undefined ? undefined : scopeNamed(id)
        // Whatever an event says, it does not leave its domain.
        if (!inner || (topic.kind === 'domain' && !inner.key.startsWith(below))) return undefined
        ;(inner.received ??= receivedBy(inner.id)).add()
        return inner
      }
      await take(entrance, events, scopes.get(key), key, isAlone(topic) ? undefined : innerOf)
    },
    async raise(sourceId, topicType, events) {
      const key = sourceId.toLowerCase()
      const source = isTopicTypeOf(sourceId, topicType) ? scopes.get(key) : undefined
      const systemTopic = catalog.systemTopicOf(sourceId, topicType)
      const id = systemTopic?.id ?? source?.id
      if (id === undefined || events.length === 0) return
      const entrance = entranceOf(id.toLowerCase(), id, 'EventGridSchema', true)
      const inner = systemTopic && scopes.get(systemTopic.id.toLowerCase())
      const durable = take(entrance, events, source, key, inner ? () => inner : undefined)
      await durable
      entrance.raised?.add(events.length)
    },
    isHeard(sourceId, topicType) {
      // In this order: most sources have nobody, and that costs least.
      const isOnSource = scopes.has(sourceId.toLowerCase()) && isTopicTypeOf(sourceId, topicType)
      return isOnSource || catalog.systemTopicOf(sourceId, topicType) !== undefined
    },
    async replay({ uid, topicId, id }, events) {
      const known = scopesOf.get(uid)?.entries.get(uid)
      if (!known || events.length === 0) return known !== undefined
      const at = clock.now()
      const to = [known.target.queue]
      const appended = queues.append(
        events.map((event) => {
          const { source, start, end, tail } = event
          return { head: encodeHead(event, at, nextInternalId()), source, start, end, tail, queues: to }
        }),
      )
      const wanted = [uid]
      // Their schema is that of their delivery, which need not be the topic's.
      const bySchema = Map.groupBy(events.entries(), ([, { schema }]) => schema)
      for (const [schema, replayed] of bySchema)
        trace.accepted({
          topic: { topicId, schema, explain: (event) => explain(event, topicId.toLowerCase()) },
          at,
          events: replayed.map(([, event]) => event),
          matched: replayed.map(() => wanted),
          sequences: replayed.map(([n]) => appended.firstSequence + n),
          replayedFor: uid,
        })
      await appended.durable
      metrics
        .counter('busbar_replayed_events_total', 'Dead-lettered events that were put back on their queue.', {
          topic: topicId,
          event_subscription: id,
        })
        .add(events.length)
      return true
    },
  }
}

/** The id of something in a domain that has moved. */
const withinMoved = (id: string, from: string, to: string): string =>
  id.toLowerCase().startsWith(from.toLowerCase()) ? to + id.slice(from.length) : id

interface TargetList {
  readonly targets: readonly Target[]
  readonly queues: readonly Queue[]
  readonly uids: readonly string[]
  /** Those of namespaces' topics, whose queues may be full. */
  readonly bounded: readonly Backlog[]
  /** What became of `bounded` in the last request. */
  room: { readonly request: number; readonly full: readonly Backlog[]; readonly list: TargetList } | undefined
}

const createList = (targets: readonly Target[]): TargetList => ({
  targets: [...targets],
  queues: targets.map(({ queue }) => queue),
  uids: targets.map(({ eventSubscription }) => eventSubscription.uid),
  bounded: targets.flatMap(({ backlog }) => backlog ?? []),
  room: undefined,
})

const emptyList = createList([])

/** The list without those whose queues are full; they are asked once for all events of a request. */
function withRoom(list: TargetList, request: number): TargetList {
  if (list.bounded.length === 0) return list
  if (list.room?.request !== request) {
    const full = list.bounded.filter((backlog) => backlog.isFull())
    const open = ({ backlog }: Target) => !backlog || !full.includes(backlog)
    const rest = full.length === 0 ? list : createList(list.targets.filter(open))
    list.room = { request, full, list: rest }
  }
  for (const backlog of list.room.full) backlog.dropped()
  return list.room.list
}

/** Two lists as one; made once for as long as both stay the same. */
function join(scope: Scope, outer: TargetList, inner: TargetList): TargetList {
  if (outer === emptyList) return inner
  if (inner === emptyList) return outer
  const known = scope.joined
  if (known?.outer === outer && known.inner === inner) return known.list
  const list = createList([...outer.targets, ...inner.targets])
  scope.joined = { outer, inner, list }
  return list
}

function isList({ targets }: TargetList, wanting: readonly Target[]): boolean {
  if (targets.length !== wanting.length) return false
  for (let n = 0; n < wanting.length; n++) if (targets[n] !== wanting[n]) return false
  return true
}

function sequencesOf(matched: readonly (readonly string[])[], firstSequence: number): (number | undefined)[] {
  let next = firstSequence
  return matched.map((uids) => (uids.length > 0 ? next++ : undefined))
}
