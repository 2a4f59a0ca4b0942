import type { Clock, EpochMs, Timer } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { DeadLetterSettings, EventSubscription } from '../catalog/catalog.ts'
import type { Lease, Queue } from '../store/store.ts'
import type { DeliveryTrace } from '../trace/trace.ts'
import type { Budget } from './budget.ts'
import type { Containers } from './containers.ts'
import type { DeliveryCounters } from './counters.ts'
import {
  type DeadLetterOutcome,
  type DeadLetterStore,
  deadLetterBlobName,
  encodeDeadLetters,
} from './dead-letter.ts'
import { decodeLetter, type Letter } from './letter.ts'

export interface DeadLetterLimits {
  /** Records in one blob. */
  readonly deadLetterEvents: number
  readonly deadLetterBytes: number
  /** Policy time from giving up to writing the record, so that records are written together. */
  readonly deadLetterDelayMs: number
  /** Policy time for which a record that is due waits for a container that is out of reach; 0: as long as it takes. */
  readonly deadLetterPatienceMs: number
}

/**
 * Azure drops records after four hours; here they wait, unless it is asked for.
 *
 * Source: learn.microsoft.com/azure/event-grid/delivery-and-retry, "Dead-letter events".
 */
export const defaultDeadLetterLimits: DeadLetterLimits = {
  deadLetterEvents: 1000,
  deadLetterBytes: 4 * 1024 * 1024,
  deadLetterDelayMs: 5 * 60_000,
  deadLetterPatienceMs: 0,
}

/** Real time until a queue that could not be read is read again, or records that met a fault are written again. */
const againAfterFaultMs = 60_000
/** Real time for which a letter that cannot be read is set aside at least; a newer version may be able to. */
const setAsideMs = 60 * 60_000

export interface DeadLetterWriterOptions {
  readonly eventSubscription: EventSubscription
  /** The dead-letter queue. */
  readonly queue: Queue
  readonly clock: Clock
  readonly trace: DeliveryTrace
  readonly log: Log
  readonly counters: DeliveryCounters
  /** Of dead letters alone: what is delivered does not wait for it. */
  readonly budget: Budget
  readonly containers: Containers
  readonly deadLetterStore: DeadLetterStore
  readonly limits: DeadLetterLimits
  /** Called when it has nothing left to do at this moment. */
  readonly onQuiet: () => void
}

/**
 * Writes the records of one event subscription's dead-letter queue, oldest first, as blobs of many. A record leaves the
 * queue when it is written: a crash loses none, and at worst writes one twice. While the container is out of reach
 * the records wait on the queue, of which the beginning alone is in memory.
 */
export class DeadLetterWriter {
  readonly #options: DeadLetterWriterOptions
  readonly #abort = new AbortController()
  #eventSubscription: EventSubscription
  /** Nothing on the queue is due before; 0 where that is not known. */
  #nextDueAt: EpochMs = 0
  /** When the oldest record on the queue, which could not be written, was due. */
  #oldestDueAt: EpochMs | undefined
  #pausedUntil: EpochMs = 0
  /** Something may be there to do. */
  #asked = false
  #working = false
  #stopping = false
  #timer: Timer | undefined
  #onStopped: (() => void) | undefined

  constructor(options: DeadLetterWriterOptions) {
    this.#options = options
    this.#eventSubscription = options.eventSubscription
    options.queue.onReady = this.#wake
    this.#wake()
  }

  get busy(): boolean {
    return this.#working
  }

  /** Records that wait. */
  get waiting(): number {
    return this.#options.queue.counts().entries
  }

  update(eventSubscription: EventSubscription): void {
    this.#eventSubscription = eventSubscription
    this.#wake()
  }

  /** Begins no further blob. Resolves when the one under way is written, or `graceMs` later has been cut. */
  async stop(graceMs: number): Promise<void> {
    const { clock, queue } = this.#options
    this.#stopping = true
    queue.onReady = undefined
    this.#timer?.cancel()
    if (!this.#working) return
    const cut =
      graceMs > 0
        ? clock.at(clock.now() + graceMs, () => this.#abort.abort())
        : (this.#abort.abort(), undefined)
    await new Promise<void>((resolve) => {
      this.#onStopped = resolve
    })
    cut?.cancel()
  }

  #wake = (): void => {
    this.#asked = true
    if (this.#working || this.#stopping) return
    this.#working = true
    void this.#work()
  }

  async #work(): Promise<void> {
    const { log } = this.#options
    while (this.#asked && !this.#stopping) {
      this.#asked = false
      try {
        await this.#step()
      } catch (error) {
        const { id } = this.#eventSubscription
        log.error({ err: error, eventSubscription: id }, 'dead-letter records wait: a fault of this server')
        this.#pauseUntil(this.#options.clock.now() + againAfterFaultMs)
      }
    }
    this.#working = false
    this.#onStopped?.()
    this.#options.onQuiet()
  }

  /** Takes one blob's worth from the queue, where there is anything to be done with it now. */
  async #step(): Promise<void> {
    const { clock, budget } = this.#options
    const until = this.#nothingUntil()
    if (until > clock.now()) {
      this.#watchAt(until)
      return
    }
    if (!budget.takeAttempt(0, this.#wake)) return
    try {
      const allowed = budget.allowance(0, this.#options.limits.deadLetterBytes, this.#wake)
      if (allowed === 0) return
      budget.takeBytes(allowed)
      try {
        await this.#take(allowed)
      } finally {
        budget.giveBytes(allowed)
      }
    } finally {
      budget.giveAttempt()
    }
  }

  /** The moment before which there is nothing to do, as far as is known. */
  #nothingUntil(): EpochMs {
    const { clock, containers } = this.#options
    const { deadLetter } = this.#eventSubscription
    const least = Math.max(this.#nextDueAt, this.#pausedUntil)
    const held = deadLetter && containers.heldUntil(deadLetter)
    // What waits for the container is looked at once, to say so, and again when it is to wait no longer.
    if (!deadLetter || held === undefined || least > held || this.#oldestDueAt === undefined) return least
    const patienceMs = this.#patienceMs(deadLetter)
    if (patienceMs === 0) return held
    const since = Math.max(this.#oldestDueAt, containers.failing(deadLetter)?.since ?? 0)
    return Math.min(held, Math.max(least, clock.after(patienceMs, since)))
  }

  /** For how long a record waits for that container; 0: as long as it takes. */
  #patienceMs({ retryMs }: DeadLetterSettings): number {
    return retryMs ?? this.#options.limits.deadLetterPatienceMs
  }

  async #take(allowedBytes: number): Promise<void> {
    const { clock, queue, limits } = this.#options
    const now = clock.now()
    const leases = await queue.lease(limits.deadLetterEvents, allowedBytes, now)
    if (leases.length === 0) return
    let settled: ReadonlySet<Lease> = new Set()
    const aside = new Map<Lease, unknown>()
    try {
      const letters = leases.flatMap((lease) => readable(lease, aside))
      this.#nextDueAt = letters.find(({ dueAt }) => dueAt > now)?.dueAt ?? 0
      this.#asked = true
      const due = letters.filter(({ dueAt }) => dueAt <= now)
      if (due.length === 0) return
      settled = new Set((await this.#settle(due, aside)).map(({ lease }) => lease))
      this.#oldestDueAt = due.find(({ lease }) => !settled.has(lease))?.dueAt
    } finally {
      queue.release(leases.filter((lease) => !settled.has(lease) && !aside.has(lease)))
      if (aside.size > 0) this.#setAside(aside)
      // A store that cannot write says so where events are accepted.
      if (settled.size > 0) await queue.done([...settled]).catch(() => {})
    }
  }

  /** Writes or drops what can be. Resolves with the letters that are dealt with. */
  async #settle(given: readonly Letter[], aside: Map<Lease, unknown>): Promise<readonly Letter[]> {
    const { containers } = this.#options
    const { deadLetter } = this.#eventSubscription
    if (!deadLetter) return this.#drop(given)
    let letters = given
    if (containers.heldUntil(deadLetter) === undefined) {
      const encoded = this.#encode(given, aside)
      letters = encoded.letters
      if (letters.length === 0) return []
      const outcome = await this.#write(letters, encoded.body, deadLetter)
      if (outcome.kind === 'written') return letters
      // Cut off by ourselves: as if it had not been.
      if (this.#abort.signal.aborted) return []
      containers.failed(deadLetter, outcome)
      this.#logWaiting(deadLetter, outcome.error)
    }
    return this.#keepWaiting(letters, deadLetter)
  }

  async #write(
    letters: readonly Letter[],
    body: Buffer,
    container: DeadLetterSettings,
  ): Promise<DeadLetterOutcome> {
    const { clock, trace, counters, containers, deadLetterStore } = this.#options
    const { uid, id } = this.#eventSubscription
    const name = deadLetterBlobName(this.#eventSubscription, clock.now())
    const blob = { name, body, eventSubscriptionId: id, reasons: letters.map(({ reason }) => reason) }
    const outcome = await deadLetterStore.write(container, blob, this.#abort.signal)
    if (outcome.kind !== 'written') return outcome
    containers.recovered(container)
    const at = clock.now()
    for (const { sequence, reason, event } of letters) {
      counters.deadLettered(reason)
      const end = { kind: 'deadLettered', at, reason, blob: `${container.containerName}/${name}` } as const
      trace.ended(sequence, uid, end, event)
    }
    return outcome
  }

  /** Says of letters that they wait for their container; drops those that are to wait no longer. */
  #keepWaiting(letters: readonly Letter[], container: DeadLetterSettings): readonly Letter[] {
    const { clock, trace, containers } = this.#options
    const { uid } = this.#eventSubscription
    const patienceMs = this.#patienceMs(container)
    const failing = containers.failing(container)
    if (!failing) return []
    const { kind, error, since, until } = failing
    const isOverdue = ({ dueAt }: Letter) =>
      patienceMs > 0 && clock.since(Math.max(dueAt, since)) >= patienceMs
    const overdue = letters.filter(isOverdue)
    for (const letter of letters) {
      const { sequence, reason, event } = letter
      if (!isOverdue(letter)) trace.deadLettering(sequence, uid, { reason, dueAt: until, error }, event)
    }
    if (overdue.length === 0) return []
    const why = kind === 'missing' ? 'DeadLetterContainerNotFound' : 'DeadLetterDestinationUnavailable'
    return this.#drop(overdue, why, error)
  }

  #logWaiting(container: DeadLetterSettings, error: string): void {
    const { log, containers, clock, queue } = this.#options
    const { id } = this.#eventSubscription
    const nextTryInMs = (containers.heldUntil(container) ?? 0) - clock.now()
    log.warn(
      { eventSubscription: id, ...container, events: queue.counts().entries, error, nextTryInMs },
      'dead-letter records wait for their container',
    )
  }

  /** @param why each is counted under; without it, the reason for which it was given up */
  #drop(letters: readonly Letter[], why?: string, error?: string): readonly Letter[] {
    const { clock, trace, log, counters } = this.#options
    const { uid, id } = this.#eventSubscription
    const at = clock.now()
    for (const { sequence, reason, event } of letters) {
      counters.dropped(why ?? reason)
      trace.ended(sequence, uid, { kind: 'dropped', at, reason: why ?? reason }, event)
    }
    log.error(
      { eventSubscription: id, events: letters.length, reason: why ?? noDestination, error },
      'dead-letter records dropped',
    )
    return letters
  }

  /** The records of those letters of which some can be made. */
  #encode(
    given: readonly Letter[],
    aside: Map<Lease, unknown>,
  ): { readonly letters: readonly Letter[]; readonly body: Buffer } {
    const encode = (letters: readonly Letter[]) => encodeDeadLetters(letters, this.#eventSubscription)
    try {
      return { letters: given, body: encode(given) }
    } catch {
      const letters = given.filter((letter) => {
        try {
          return encode([letter]).length > 0
        } catch (error) {
          aside.set(letter.lease, error)
          return false
        }
      })
      return { letters, body: encode(letters) }
    }
  }

  /** What cannot be read stays on the queue, and what comes behind it does not wait for it. */
  #setAside(letters: ReadonlyMap<Lease, unknown>): void {
    const { clock, queue, log, counters } = this.#options
    const { id } = this.#eventSubscription
    const dueAt = clock.now() + setAsideMs
    for (const [lease, error] of letters) {
      counters.setAside()
      log.error(
        { err: error, eventSubscription: id, sequence: lease.sequence, bytes: lease.bytes.length },
        'a dead letter cannot be read: it is set aside on its queue, and those behind it are written',
      )
      // A store that cannot write says so where events are accepted.
      queue.postpone(lease, lease.attempts + 1, dueAt, '').catch(() => {})
    }
    this.#asked = true
  }

  #pauseUntil(moment: EpochMs): void {
    this.#pausedUntil = moment
    this.#asked = true
  }

  #watchAt(moment: EpochMs): void {
    this.#timer?.cancel()
    this.#timer = this.#options.clock.at(moment, this.#wake)
  }
}

/** One letter, or none: then it is put aside with what is wrong with it. */
function readable(lease: Lease, aside: Map<Lease, unknown>): readonly Letter[] {
  try {
    return [decodeLetter(lease)]
  } catch (error) {
    aside.set(lease, error)
    return []
  }
}

const noDestination = 'the dead-letter destination was taken away'
