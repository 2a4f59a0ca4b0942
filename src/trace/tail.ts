import { once } from 'node:events'
import type { Clock, EpochMs } from '../base/clock.ts'
import { dataMember, fieldOf } from '../event/delivery.ts'
import type { GridEvent, StoredEvent } from '../event/event.ts'
import type { TracedAttempt, TracedDeadLetter, TracedEnd } from './progress.ts'
import type { AcceptedEvents } from './trace.ts'

/*
 * What happens to events, told live to those who follow: a topic's events as they are accepted, or an event
 * subscription's attempts and their outcomes. Nothing is made while nobody follows. A follower that does not keep
 * up is told how many lines it missed; what waits for it has a bound.
 */

export interface TailLimits {
  /** At a time. */
  readonly followers: number
  /** Lines that wait for one follower. */
  readonly pendingLines: number
  readonly pendingBytes: number
  /** Of an event's data; a larger one is told of by its size. */
  readonly dataBytes: number
}

export const defaultTailLimits: TailLimits = {
  followers: 16,
  pendingLines: 1_000,
  pendingBytes: 1024 * 1024,
  dataBytes: 16 * 1024,
}

/** How long a stream is silent at most. */
export const heartbeatMs = 15_000

export type Followed =
  /** A domain's id stands for all of its topics. */
  | { readonly kind: 'topic'; readonly id: string }
  | { readonly kind: 'eventSubscription'; readonly id: string; readonly uid: string }

/** What a line says of an event that is in a queue. */
export type ToldEvent = Pick<StoredEvent, 'schema' | 'id' | 'body'>

export interface TailOptions {
  readonly clock: Clock
  /** For the names of those that wanted an event. */
  readonly eventSubscriptions: () => Iterable<{ readonly uid: string; readonly name: string }>
  readonly limits?: Partial<TailLimits>
}

export class Tail {
  readonly #options: TailOptions
  readonly #limits: TailLimits
  readonly #followers = new Set<Follower>()
  /** By uid, as they are needed. */
  readonly #names = new Map<string, string>()
  #followed = false

  constructor(options: TailOptions) {
    this.#options = options
    this.#limits = { ...defaultTailLimits, ...options.limits }
  }

  /** Whether anybody follows; asked for every request and attempt. */
  get followed(): boolean {
    return this.#followed
  }

  get followers(): number {
    return this.#followers.size
  }

  /** One more follower would be too many. */
  get full(): boolean {
    return this.#followers.size >= this.#limits.followers
  }

  /**
   * JSON lines about that topic or event subscription from now on, several in a piece; the first says what is
   * followed. Ends when `signal` aborts and when what is followed is deleted.
   */
  follow(what: Followed, signal: AbortSignal): AsyncIterable<string> {
    const follower = new Follower(what, this.#limits)
    this.#followers.add(follower)
    this.#followed = true
    follower.push(encode({ kind: 'following', at: this.#iso(), [what.kind]: what.id }))
    return this.#lines(follower, signal)
  }

  accepted({ topic, topics, at, events, matched, replayedFor }: AcceptedEvents): void {
    const followers = [...this.#followers].filter(({ what }) => what.kind === 'topic')
    if (followers.length === 0) return
    const kind = replayedFor === undefined ? 'accepted' : 'replayed'
    events.forEach((event, index) => {
      const topicId = event.topicId ?? topics?.[index]?.topicId ?? topic.topicId
      let line: string | undefined
      const create = () => {
        const names = (matched[index] ?? []).map((uid) => this.#nameOf(uid))
        return encodeAccepted(event, { kind, topicId, at, matched: names }, this.#limits)
      }
      for (const follower of followers) {
        const { id } = follower.what
        // A partner topic's id does not begin with that of the namespace by which the event came.
        if (!covers(id, topicId) && !covers(id, topic.topicId)) continue
        if (follower.hasRoom) follower.push((line ??= create()))
        else follower.miss()
      }
    })
  }

  attempt(uid: string, attempt: TracedAttempt, event: ToldEvent | undefined): void {
    const { at, ...outcome } = attempt
    this.#tell(uid, () => ({ kind: 'attempt', at: iso(at), ...named(event), ...outcome }))
  }

  postponed(uid: string, dueAt: EpochMs, event: ToldEvent | undefined): void {
    this.#tell(uid, () => ({ kind: 'postponed', at: this.#iso(), ...named(event), dueAt: iso(dueAt) }))
  }

  deadLettering(uid: string, { reason, dueAt, error }: TracedDeadLetter, event: ToldEvent | undefined): void {
    this.#tell(uid, () => ({
      ...{ kind: 'givenUp', at: this.#iso(), ...named(event), reason, error },
      deadLetterDueAt: iso(dueAt),
    }))
  }

  ended(uid: string, { at, ...end }: TracedEnd, event: ToldEvent | undefined): void {
    this.#tell(uid, () => ({ ...end, at: iso(at), ...named(event) }))
  }

  /** The topic of that id with all in it, or the event subscription of that uid, is no more. */
  deleted(idOrUid: string): void {
    for (const follower of this.#followers) {
      const { what } = follower
      const isThat = what.kind === 'topic' ? covers(idOrUid, what.id) : what.uid === idOrUid
      if (isThat) follower.end(encode({ kind: 'deleted', at: this.#iso(), [what.kind]: what.id }))
    }
  }

  #tell(uid: string, create: () => object): void {
    let line: string | undefined
    for (const follower of this.#followers) {
      if (follower.what.kind !== 'eventSubscription' || follower.what.uid !== uid) continue
      if (follower.hasRoom) follower.push((line ??= encode(create())))
      else follower.miss()
    }
  }

  async *#lines(follower: Follower, signal: AbortSignal): AsyncGenerator<string> {
    const { clock } = this.#options
    try {
      while (!signal.aborted) {
        const lines = follower.take()
        if (lines !== '') yield lines
        else if (follower.hasEnded) return
        else {
          const heartbeat = clock.at(clock.now() + heartbeatMs, () =>
            follower.push(encode({ kind: 'heartbeat', at: this.#iso() })),
          )
          await follower.next(signal)
          heartbeat.cancel()
        }
      }
    } finally {
      this.#followers.delete(follower)
      this.#followed = this.#followers.size > 0
      if (!this.#followed) this.#names.clear()
    }
  }

  #nameOf(uid: string): string {
    if (!this.#names.has(uid))
      for (const each of this.#options.eventSubscriptions()) this.#names.set(each.uid, each.name)
    return this.#names.get(uid) ?? uid
  }

  #iso(): string {
    return iso(this.#options.clock.now())
  }
}

/** Lines that wait until they are taken. */
class Follower {
  readonly what: Followed
  readonly #limits: TailLimits
  readonly #changed = new EventTarget()
  #lines: string[] = []
  #characters = 0
  #missed = 0
  #ended = false

  constructor(what: Followed, limits: TailLimits) {
    this.what = what
    this.#limits = limits
  }

  get hasRoom(): boolean {
    const { pendingLines, pendingBytes } = this.#limits
    return this.#missed === 0 && this.#lines.length < pendingLines && this.#characters < pendingBytes
  }

  get hasEnded(): boolean {
    return this.#ended
  }

  push(line: string): void {
    this.#lines.push(line)
    this.#characters += line.length
    this.#changed.dispatchEvent(new Event('change'))
  }

  /** From the first line missed until what waits has been taken, nothing more is kept: the gap is in one place. */
  miss(): void {
    this.#missed++
  }

  end(line: string): void {
    this.#ended = true
    this.push(line)
  }

  take(): string {
    if (this.#missed > 0) this.#lines.push(encode({ kind: 'missed', lines: this.#missed }))
    const lines = this.#lines.join('')
    this.#lines = []
    this.#characters = 0
    this.#missed = 0
    return lines
  }

  /** Resolves when there is a line to take, or `signal` aborts. */
  async next(signal: AbortSignal): Promise<void> {
    const done = new AbortController()
    const stop = () => done.abort()
    signal.addEventListener('abort', stop)
    await once(this.#changed, 'change', { signal: done.signal }).catch(() => {
      // Aborted: who waits looks at its own signal.
    })
    signal.removeEventListener('abort', stop)
  }
}

function covers(followed: string, topicId: string): boolean {
  const [wanted, found] = [followed.toLowerCase(), topicId.toLowerCase()]
  return found === wanted || found.startsWith(`${wanted}/topics/`)
}

const encode = (line: object): string => `${JSON.stringify(line)}\n`

const iso = (moment: EpochMs) => new Date(moment).toISOString()

function named(event: ToldEvent | undefined): object {
  if (event === undefined) return {}
  const type = fieldOf(event, event.schema === 'CloudEventSchemaV1_0' ? 'type' : 'eventType')
  return { id: event.id, type, subject: fieldOf(event, 'subject') }
}

/** Data goes on as it was published: numbers beyond 2^53 too. */
function encodeAccepted(
  { schema, id, type, subject, envelope, source, start, end, tail }: GridEvent,
  {
    kind,
    topicId,
    at,
    matched,
  }: {
    readonly kind: string
    readonly topicId: string
    readonly at: EpochMs
    readonly matched: readonly string[]
  },
  { dataBytes }: TailLimits,
): string {
  const body = Buffer.concat([source.subarray(start, end), tail])
  const data = dataMember({ body })
  const head = JSON.stringify({
    ...{ kind, at: iso(at), id, type, subject, topic: topicId },
    ...(schema === 'CloudEventSchemaV1_0' ? { source: envelope.source } : {}),
    time: envelope.time ?? envelope.eventTime,
    matched,
    ...(data && data.length > dataBytes ? { dataBytes: data.length } : {}),
  })
  return data && data.length <= dataBytes
    ? `${head.slice(0, -1)},"data":${data.toString('utf8')}}\n`
    : `${head}\n`
}
