import type { EpochMs } from '../base/clock.ts'
import type { GridEvent } from '../event/event.ts'
import { EventRing, type Kept, type TracedTopic } from './event-ring.ts'
import { Progress, type TracedAttempt, type TracedDeadLetter, type TracedEnd, waits } from './progress.ts'
import type { Tail, ToldEvent } from './tail.ts'

export type { TracedAttempt, TracedDeadLetter, TracedEnd } from './progress.ts'

/*
 * What happened to an event: for each event subscription matched or which filter said no and why; each attempt;
 * when the next one is due; how it ended. Fan-out and delivery write here, a door reads. Bounded: see `TraceLimits`.
 */

/**
 * Delivery's side. `sequence` is the lease's; `uid` the event subscription's; `event` is for those who follow.
 * Cheap, and a no-op for an event that is no longer kept.
 */
export interface DeliveryTrace {
  /** An attempt whose outcome is `delivered` is also the end. */
  attempt(sequence: number, uid: string, attempt: TracedAttempt, event?: ToldEvent): void
  /** The next attempt is due then. */
  postponed(sequence: number, uid: string, dueAt: EpochMs, event?: ToldEvent): void
  /** Given up; the dead-letter record is to be written then. */
  deadLettering(sequence: number, uid: string, waiting: TracedDeadLetter, event?: ToldEvent): void
  ended(sequence: number, uid: string, end: TracedEnd, event?: ToldEvent): void
}

export interface TraceLimits {
  /** Newest events kept, 0 for none; as many again that nobody wanted, and as many again that still wait after a failure. */
  readonly events: number
  /** Bytes of events kept: half for the newest, a quarter each for the other two. */
  readonly bytes: number
}

export const defaultTraceLimits: TraceLimits = { events: 10_000, bytes: 32 * 1024 * 1024 }

/** What the filter of one event subscription makes of an event. */
export interface Explained {
  readonly uid: string
  readonly name: string
  readonly id: string
  /** Which predicate said no and why; undefined when the event passed. */
  readonly refusedBy: string | undefined
}

/** One object for all events of a topic. Filters are asked when somebody reads: it costs an event nothing. */
export interface ExplainedTopic extends TracedTopic {
  explain(event: GridEvent): readonly Explained[]
}

/** Times are ISO 8601. */
export interface TraceAnswer {
  readonly id: string
  readonly type: string
  readonly subject: string
  readonly topicId: string
  readonly acceptedAt: string
  readonly eventSubscriptions: readonly {
    readonly name: string
    readonly id: string
    readonly matched: boolean
    readonly refusedBy: string | undefined
    readonly attempts: readonly {
      readonly at: string
      readonly status: number | undefined
      readonly outcome: string
      readonly error: string | undefined
      readonly durationMs: number
    }[]
    /** When the next attempt, or the writing of the dead-letter record, is due. */
    readonly nextAttemptAt: string | undefined
    /** When it was put back on the queue, of an event that had been dead-lettered. */
    readonly replayedAt: string | undefined
    /** Why it was given up, while its dead-letter record is not written; and what keeps it from being written. */
    readonly deadLetter: { readonly reason: string; readonly error: string | undefined } | undefined
    readonly end:
      | { readonly kind: 'delivered' | 'acknowledged'; readonly at: string }
      | { readonly kind: 'deadLettered'; readonly at: string; readonly reason: string; readonly blob: string }
      | { readonly kind: 'dropped'; readonly at: string; readonly reason: string }
      | undefined
  }[]
}

/** What became of the events of one request when they were accepted. */
export interface AcceptedEvents {
  readonly topic: ExplainedTopic
  /** For each event, where they meet different event subscriptions. */
  readonly topics?: readonly ExplainedTopic[] | undefined
  readonly at: EpochMs
  readonly events: readonly GridEvent[]
  /** For each event the uids of the event subscriptions that want it; arrays may be shared. */
  readonly matched: readonly (readonly string[])[]
  /** For each event its sequence in the store; undefined for one that nobody wants. */
  readonly sequences: readonly (number | undefined)[]
  /** They were dead-lettered for the event subscription of that uid, and are to be delivered to it once more. */
  readonly replayedFor?: string
}

export interface Trace extends DeliveryTrace {
  accepted(accepted: AcceptedEvents): void
  /** What happened to the newest event with that id that is still kept. */
  read(eventId: string): TraceAnswer | undefined
}

const nobody: readonly string[] = []

/** @param tail told of everything while somebody follows */
export function createTrace(limits: TraceLimits = defaultTraceLimits, tail?: Tail): Trace {
  const { events: size, bytes } = limits
  const wanted = new EventRing<ExplainedTopic>({ events: size, bytes: bytes >> 1 })
  const unwanted = new EventRing<ExplainedTopic>({ events: size, bytes: bytes >> 2 })
  const survivors = new Survivors({ events: size, bytes: bytes >> 2 })
  wanted.onEvict = (kept) => survivors.take(kept)
  let unwantedSequence = 0

  const progressOf = (sequence: number, uid: string): Progress | undefined => {
    const place = wanted.placeOf(sequence)
    const first = place === undefined ? survivors.get(sequence)?.progress : wanted.progress(place)
    for (let progress = first; progress; progress = progress.next) if (progress.uid === uid) return progress
    if (place === undefined) return undefined
    const progress = new Progress(uid, first)
    wanted.setProgress(place, progress)
    return progress
  }
  const due = (sequence: number, uid: string, dueAt: EpochMs) => {
    const progress = progressOf(sequence, uid)
    if (progress) progress.dueAt = dueAt
  }
  return {
    accepted(accepted) {
      if (tail?.followed) tail.accepted(accepted)
      const { topic, topics, at, events, matched, sequences, replayedFor } = accepted
      for (let n = 0; n < events.length; n++) {
        const event = events[n] as GridEvent
        const sequence = sequences[n]
        const by = topics?.[n] ?? topic
        if (sequence === undefined) unwanted.put(++unwantedSequence, at, event, by, nobody)
        else wanted.put(sequence, at, event, by, matched[n] ?? nobody)
        if (sequence === undefined || replayedFor === undefined) continue
        const progress = progressOf(sequence, replayedFor)
        if (progress) progress.replayedAt = at
      }
    },
    attempt(sequence, uid, attempt, event) {
      if (tail?.followed) tail.attempt(uid, attempt, event)
      progressOf(sequence, uid)?.attempt(attempt)
    },
    postponed(sequence, uid, dueAt, event) {
      if (tail?.followed) tail.postponed(uid, dueAt, event)
      due(sequence, uid, dueAt)
    },
    deadLettering(sequence, uid, waiting, event) {
      if (tail?.followed) tail.deadLettering(uid, waiting, event)
      const progress = progressOf(sequence, uid)
      if (!progress) return
      progress.dueAt = waiting.dueAt
      progress.deadLetter = waiting
    },
    ended(sequence, uid, end, event) {
      if (tail?.followed) tail.ended(uid, end, event)
      const progress = progressOf(sequence, uid)
      if (!progress) return
      progress.givenUp = end
      progress.dueAt = undefined
      progress.deadLetter = undefined
    },
    read(eventId) {
      const found = [wanted.find(eventId), unwanted.find(eventId), survivors.find(eventId)]
      let newest: Kept<ExplainedTopic> | undefined
      for (const kept of found) if (kept && (!newest || kept.at > newest.at)) newest = kept
      return newest && encodeAnswer(newest)
    },
  }
}

/** Events that the ring let go of while they still waited for another attempt. */
class Survivors {
  readonly #limits: TraceLimits
  readonly #kept = new Map<number, Kept<ExplainedTopic>>()
  #bytes = 0

  constructor(limits: TraceLimits) {
    this.#limits = limits
  }

  get(sequence: number): Kept<ExplainedTopic> | undefined {
    return this.#kept.size === 0 ? undefined : this.#kept.get(sequence)
  }

  take(kept: Kept<ExplainedTopic>): void {
    if (!waits(kept.progress)) return
    this.#kept.set(kept.sequence, kept)
    this.#bytes += kept.bytes.length
    for (const [sequence, oldest] of this.#kept) {
      if (this.#kept.size <= this.#limits.events && this.#bytes <= this.#limits.bytes) return
      this.#kept.delete(sequence)
      this.#bytes -= oldest.bytes.length
    }
  }

  find(eventId: string): Kept<ExplainedTopic> | undefined {
    let found: Kept<ExplainedTopic> | undefined
    for (const kept of this.#kept.values()) if (kept.id === eventId) found = kept
    return found
  }
}

/** The event as it was when it was accepted, from its bytes. */
function eventOf({ bytes, topic: { schema } }: Kept<ExplainedTopic>): GridEvent {
  const envelope = JSON.parse(bytes.toString()) as Record<string, unknown>
  const text = (name: string) => (typeof envelope[name] === 'string' ? envelope[name] : '')
  return {
    schema,
    topicId: undefined,
    id: text('id'),
    type: text(schema === 'CloudEventSchemaV1_0' ? 'type' : 'eventType'),
    subject: text('subject'),
    dataVersion: text('dataVersion'),
    envelope,
    source: bytes,
    start: 0,
    end: bytes.length,
    tail: bytes.subarray(0, 0),
  }
}

function encodeAnswer(kept: Kept<ExplainedTopic>): TraceAnswer {
  const { topic, at, matched, progress } = kept
  const event = eventOf(kept)
  const byUid = new Map<string, Progress>()
  for (let each = progress; each; each = each.next) byUid.set(each.uid, each)
  return {
    id: event.id,
    type: event.type,
    subject: event.subject,
    topicId: topic.topicId,
    acceptedAt: iso(at),
    eventSubscriptions: topic.explain(event).map(({ uid, name, id, refusedBy }) => {
      const { attempts = [], dueAt, replayedAt, deadLetter, end } = byUid.get(uid) ?? {}
      const isWanted = matched.includes(uid)
      return {
        name,
        id,
        matched: isWanted,
        refusedBy: isWanted ? undefined : refusedBy,
        attempts: attempts.map((attempt) => ({ ...attempt, at: iso(attempt.at) })),
        nextAttemptAt: dueAt === undefined ? undefined : iso(dueAt),
        replayedAt: replayedAt === undefined ? undefined : iso(replayedAt),
        deadLetter: deadLetter && { reason: deadLetter.reason, error: deadLetter.error },
        end: end && { ...end, at: iso(end.at) },
      }
    }),
  }
}

const iso = (moment: EpochMs) => new Date(moment).toISOString()
