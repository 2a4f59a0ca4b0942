import type { EpochMs } from '../base/clock.ts'
import type { GridEvent } from '../event/event.ts'

/*
 * What happened to an event: for each event subscription matched or which filter said no and why; each attempt;
 * when the next one is due; how it ended. Fan-out and delivery write here, a door reads. Bounded: see `TraceLimits`.
 */

export interface TracedAttempt {
  readonly at: EpochMs
  /** HTTP status or undefined when there was none. */
  readonly status: number | undefined
  /** `delivered`, or an `OutcomeName`. */
  readonly outcome: string
  readonly error: string | undefined
  readonly durationMs: number
}

export type TracedEnd =
  | { readonly kind: 'delivered'; readonly at: EpochMs }
  | { readonly kind: 'deadLettered'; readonly at: EpochMs; readonly reason: string; readonly blob: string }
  | { readonly kind: 'dropped'; readonly at: EpochMs; readonly reason: string }

/** Delivery's side. `sequence` is the lease's; `uid` the event subscription's. Cheap, and a no-op for an event
 * that is no longer kept. */
export interface DeliveryTrace {
  attempt(sequence: number, uid: string, attempt: TracedAttempt): void
  /** The next attempt is due then. */
  postponed(sequence: number, uid: string, dueAt: EpochMs): void
  /** Given up; the dead-letter record is to be written then. */
  deadLettering(sequence: number, uid: string, reason: string, dueAt: EpochMs): void
  ended(sequence: number, uid: string, end: TracedEnd): void
}

export interface TraceLimits {
  /** Newest events kept; as many again that nobody wanted, and as many again that still wait after a failure. */
  readonly events: number
  /** Estimated memory of each of these three. */
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

/** Evaluated when somebody reads: made once per request, it costs an event nothing when it is accepted. */
export type Explain = (event: GridEvent) => readonly Explained[]

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
    readonly end:
      | { readonly kind: 'delivered'; readonly at: string }
      | { readonly kind: 'deadLettered'; readonly at: string; readonly reason: string; readonly blob: string }
      | { readonly kind: 'dropped'; readonly at: string; readonly reason: string }
      | undefined
  }[]
}

/** What became of the events of one request when they were accepted. */
export interface AcceptedEvents {
  readonly topicId: string
  readonly at: EpochMs
  readonly events: readonly GridEvent[]
  /** For each event the uids of the event subscriptions that want it; arrays may be shared. */
  readonly matched: readonly (readonly string[])[]
  /** For each event its sequence in the store; undefined for one that nobody wants. */
  readonly sequences: readonly (number | undefined)[]
  readonly explain: Explain
}

export interface Trace extends DeliveryTrace {
  readonly accepted: (accepted: AcceptedEvents) => void
  /** What happened to the newest event with that id that is still kept. */
  read(eventId: string): TraceAnswer | undefined
  /** Estimated memory of the newest events. */
  readonly bytes: number
}

export function createTrace(limits: TraceLimits = defaultTraceLimits): Trace {
  const matchedEvents = new Ring(limits)
  const unmatchedEvents = new Ring(limits)
  const survivors = new Survivors(limits)
  matchedEvents.onEvict = (kept) => survivors.take(kept)
  let unmatchedSequence = 0

  const progressOf = (sequence: number, uid: string): Progress | undefined => {
    const kept = matchedEvents.get(sequence) ?? survivors.get(sequence)
    if (!kept) return undefined
    for (let progress = kept.progress; progress; progress = progress.next)
      if (progress.uid === uid) return progress
    kept.progress = { uid, attempts: [], dueAt: undefined, end: undefined, next: kept.progress }
    return kept.progress
  }
  return {
    accepted(accepted) {
      const { events, matched, sequences } = accepted
      for (let n = 0; n < events.length; n++) {
        const event = events[n] as GridEvent
        const sequence = sequences[n]
        const kept = { event, matched: matched[n] ?? nobody, accepted, progress: undefined }
        if (sequence === undefined) unmatchedEvents.put({ sequence: ++unmatchedSequence, ...kept })
        else matchedEvents.put({ sequence, ...kept })
      }
    },
    attempt(sequence, uid, attempt) {
      const progress = progressOf(sequence, uid)
      if (!progress) return
      if (progress.attempts.length === attemptsKept) progress.attempts.shift()
      progress.attempts.push(attempt)
      progress.dueAt = undefined
    },
    postponed(sequence, uid, dueAt) {
      const progress = progressOf(sequence, uid)
      if (progress) progress.dueAt = dueAt
    },
    deadLettering(sequence, uid, _reason, dueAt) {
      const progress = progressOf(sequence, uid)
      if (progress) progress.dueAt = dueAt
    },
    ended(sequence, uid, end) {
      const progress = progressOf(sequence, uid)
      if (!progress) return
      progress.end = end
      progress.dueAt = undefined
    },
    read(eventId) {
      const found = [matchedEvents.find(eventId), unmatchedEvents.find(eventId), survivors.find(eventId)]
      let newest: Kept | undefined
      for (const kept of found) if (kept && (!newest || kept.accepted.at > newest.accepted.at)) newest = kept
      return newest && encodeAnswer(newest)
    },
    get bytes() {
      return matchedEvents.bytes
    },
  }
}

/** The number of attempts that a retry policy can ask for is 30; of more, the last are kept. */
const attemptsKept = 32
const nobody: readonly string[] = []

/** What is known of one event for one event subscription; a list, as most events have one. */
interface Progress {
  readonly uid: string
  readonly attempts: TracedAttempt[]
  dueAt: EpochMs | undefined
  end: TracedEnd | undefined
  readonly next: Progress | undefined
}

interface Kept {
  readonly sequence: number
  readonly event: GridEvent
  readonly matched: readonly string[]
  readonly accepted: AcceptedEvents
  progress: Progress | undefined
}

/** The bytes as published, and about twice that for the decoded envelope. */
const bytesOf = ({ event }: Kept): number => 256 + 3 * (event.end - event.start) + event.tail.length

/** The newest events, each in the place that its sequence says. */
class Ring {
  onEvict: ((kept: Kept) => void) | undefined
  bytes = 0
  readonly #limits: TraceLimits
  readonly #slots: (Kept | undefined)[]
  #newest = 0
  /** No event before this one is kept. */
  #oldest = 1

  constructor(limits: TraceLimits) {
    this.#limits = limits
    this.#slots = Array.from({ length: limits.events })
  }

  get(sequence: number): Kept | undefined {
    const kept = this.#slots[sequence % this.#limits.events]
    return kept?.sequence === sequence ? kept : undefined
  }

  put(kept: Kept): void {
    const { events, bytes } = this.#limits
    const { sequence } = kept
    const first = Math.max(sequence - events + 1, this.#oldest)
    // Over a gap in the sequence no slot is visited twice.
    for (let n = Math.max(this.#oldest, first - events); n < first; n++) this.#evict(n % events)
    this.#oldest = first
    this.#slots[sequence % events] = kept
    this.#newest = Math.max(this.#newest, sequence)
    this.bytes += bytesOf(kept)
    while (this.bytes > bytes && this.#oldest <= this.#newest) this.#evict(this.#oldest++ % events)
  }

  find(eventId: string): Kept | undefined {
    for (let sequence = this.#newest; sequence >= this.#oldest; sequence--) {
      const kept = this.get(sequence)
      if (kept?.event.id === eventId) return kept
    }
    return undefined
  }

  #evict(place: number): void {
    const kept = this.#slots[place]
    if (!kept) return
    this.#slots[place] = undefined
    this.bytes -= bytesOf(kept)
    this.onEvict?.(kept)
  }
}

/** Events that the ring let go of while they still waited for another attempt. */
class Survivors {
  readonly #limits: TraceLimits
  readonly #kept = new Map<number, Kept>()
  #bytes = 0

  constructor(limits: TraceLimits) {
    this.#limits = limits
  }

  get(sequence: number): Kept | undefined {
    return this.#kept.size === 0 ? undefined : this.#kept.get(sequence)
  }

  take(kept: Kept): void {
    if (!waits(kept)) return
    this.#kept.set(kept.sequence, kept)
    this.#bytes += bytesOf(kept)
    for (const [sequence, oldest] of this.#kept) {
      if (this.#kept.size <= this.#limits.events && this.#bytes <= this.#limits.bytes) return
      this.#kept.delete(sequence)
      this.#bytes -= bytesOf(oldest)
    }
  }

  find(eventId: string): Kept | undefined {
    let found: Kept | undefined
    for (const kept of this.#kept.values()) if (kept.event.id === eventId) found = kept
    return found
  }
}

/** Whether an attempt failed and the event has not ended. */
function waits(kept: Kept): boolean {
  for (let progress = kept.progress; progress; progress = progress.next)
    if (progress.attempts.length > 0 && !progress.end) return true
  return false
}

function encodeAnswer({ event, matched, accepted, progress }: Kept): TraceAnswer {
  const byUid = new Map<string, Progress>()
  for (let next = progress; next; next = next.next) byUid.set(next.uid, next)
  return {
    id: event.id,
    type: event.type,
    subject: event.subject,
    topicId: accepted.topicId,
    acceptedAt: iso(accepted.at),
    eventSubscriptions: accepted.explain(event).map(({ uid, name, id, refusedBy }) => {
      const { attempts = [], dueAt, end } = byUid.get(uid) ?? {}
      const wanted = matched.includes(uid)
      return {
        name,
        id,
        matched: wanted,
        refusedBy: wanted ? undefined : refusedBy,
        attempts: attempts.map((attempt) => ({ ...attempt, at: iso(attempt.at) })),
        nextAttemptAt: dueAt === undefined ? undefined : iso(dueAt),
        end: end && { ...end, at: iso(end.at) },
      }
    }),
  }
}

const iso = (moment: EpochMs) => new Date(moment).toISOString()
