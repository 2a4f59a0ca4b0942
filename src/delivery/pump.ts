import type { Clock, EpochMs, Timer } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { EventSubscription } from '../catalog/catalog.ts'
import type { Destination, Outcome } from '../destinations/destination.ts'
import type { Lease, Queue } from '../store/store.ts'
import type { DeliveryTrace } from '../trace/trace.ts'
import type { Budget } from './budget.ts'
import type { DeliveryCounters } from './counters.ts'
import { type DeadLetterStore, deadLetterBlobName, encodeDeadLetters } from './dead-letter.ts'
import { decodeEntry, type Entry } from './entry.ts'
import { Health, type HealthLimits } from './health.ts'
import { type EntryNote, encodeNote, type GivenUp } from './note.ts'
import { afterFailure, expired, type Failure, type GiveUpReason, type Jitter } from './policy.ts'

export interface PumpLimits {
  readonly health: HealthLimits
  /** Leased and not yet sent, of one event subscription. */
  readonly windowEvents: number
  readonly windowBytes: number
  /** Records in one dead-letter blob. */
  readonly deadLetterEvents: number
  readonly deadLetterBytes: number
  /** Policy time from giving up to writing the record, so that records are written together. */
  readonly deadLetterDelayMs: number
  /** Policy time for which the dead-letter container may be out of reach until records are dropped. */
  readonly deadLetterPatienceMs: number
}

/** Source: learn.microsoft.com/azure/event-grid/delivery-and-retry, "Dead-letter events". */
export const defaultPumpLimits: Omit<PumpLimits, 'health'> = {
  windowEvents: 10_000,
  windowBytes: 8 * 1024 * 1024,
  deadLetterEvents: 1000,
  deadLetterBytes: 4 * 1024 * 1024,
  deadLetterDelayMs: 5 * 60_000,
  deadLetterPatienceMs: 4 * 3_600_000,
}

/** Entries asked for at once while dead-letter records are being collected; so many wait on probation at most. */
const deadLetterLease = 256
/** Moments at which records are due are moved up to the next multiple of this, in policy time, to meet there. */
const deadLetterGrainMs = 1000

export interface PumpOptions {
  readonly eventSubscription: EventSubscription
  readonly destination: Destination
  readonly queue: Queue
  readonly clock: Clock
  readonly trace: DeliveryTrace
  readonly log: Log
  readonly counters: DeliveryCounters
  readonly budget: Budget
  readonly deadLetterStore: DeadLetterStore
  readonly jitter: Jitter
  readonly limits: PumpLimits
  /** Called whenever the pump has nothing left to do at this moment. */
  readonly onQuiet: () => void
}

/**
 * Moves the entries of one queue to one destination: leases what is due, makes attempts, and settles each with
 * the queue: done, postponed until the next attempt, or postponed until its dead-letter record is written.
 *
 * Everything it does begins in `#run`, which looks at the state and does what can be done now. Whatever changes
 * the state (an entry is ready, an attempt ended, a moment has come) only asks for another run.
 */
export class Pump {
  readonly #options: PumpOptions
  readonly #queue: Queue
  readonly #clock: Clock
  readonly #abort = new AbortController()
  #eventSubscription: EventSubscription
  #destination: Destination
  #health: Health

  /** Leased, waiting to be sent. */
  #window: Entry[] = []
  /** Given up, leased, waiting to be written. */
  #deadLetters: Entry[] = []
  /** Delivered in this turn of the event loop. */
  #finished: Lease[] = []
  #bytes = 0
  #deadLetterBytes = 0
  #inFlight = 0
  /** Writes to the queue or to the dead-letter store that are under way. */
  #writes = 0
  /** The queue may have something to lease. */
  #available = true
  #leasing = false
  #collecting = false
  #scheduled = false
  #stopping = false
  #timer: Timer | undefined
  #timerDueAt = Number.POSITIVE_INFINITY

  constructor(options: PumpOptions) {
    this.#options = options
    this.#queue = options.queue
    this.#clock = options.clock
    this.#eventSubscription = options.eventSubscription
    this.#destination = options.destination
    this.#health = new Health(options.clock, options.limits.health)
    this.#queue.onReady = () => {
      this.#available = true
      this.#wake()
    }
    this.#wake()
  }

  /** False when everything that can be done at this moment has been done. */
  get busy(): boolean {
    const { length } = this.#finished
    return this.#scheduled || this.#leasing || this.#inFlight > 0 || this.#writes > 0 || length > 0
  }

  /** From now on events go there; attempts under way end where they began. */
  update(eventSubscription: EventSubscription, destination: Destination): Destination {
    const before = this.#destination
    this.#eventSubscription = eventSubscription
    this.#destination = destination
    this.#health = new Health(this.#clock, this.#options.limits.health)
    this.#wake()
    return before
  }

  get destination(): Destination {
    return this.#destination
  }

  /** Leases nothing more. Resolves when attempts under way have ended, or `graceMs` later have been cut. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true
    this.#queue.onReady = undefined
    this.#timer?.cancel()
    this.#letGo(this.#window.splice(0))
    this.#letGo(this.#deadLetters.splice(0))
    if (!this.busy) return
    const cut =
      graceMs > 0
        ? this.#clock.at(this.#clock.now() + graceMs, () => this.#abort.abort())
        : (this.#abort.abort(), undefined)
    await new Promise<void>((resolve) => {
      this.#onStopped = resolve
      this.#wake()
    })
    cut?.cancel()
  }

  #onStopped: (() => void) | undefined

  #wake = (): void => {
    if (this.#scheduled) return
    this.#scheduled = true
    queueMicrotask(this.#run)
  }

  #run = (): void => {
    this.#scheduled = false
    if (!this.#stopping) {
      const leasing = this.#lease()
      if (!leasing && this.#deadLetters.length > 0) this.#writeDeadLetters()
      // A batch that can still be filled waits for the lease, which resolves at once.
      if (!leasing || this.#window.length >= this.#destination.maxEvents) this.#sendWindow()
      this.#watch()
    }
    if (this.busy) return
    this.#onStopped?.()
    this.#options.onQuiet()
  }

  // ---------------------------------------------------------------- leasing

  /** Begins a lease when there is room and something may be there; true while one is under way. */
  #lease(): boolean {
    if (this.#leasing) return true
    const max = this.#available ? this.#room() : 0
    if (max <= 0) return false
    const { budget, limits } = this.#options
    const allowed = budget.allowance(this.#bytes, limits.windowBytes, this.#wake)
    if (allowed === 0) return false
    budget.takeBytes(allowed)
    this.#available = false
    this.#leasing = true
    this.#queue.lease(max, allowed, this.#clock.now()).then(
      (leases) => this.#leased(leases, max, allowed),
      () => {
        // The store cannot be read for a while; it calls `onReady` when it can.
        budget.giveBytes(allowed)
        this.#leasing = false
        this.#wake()
      },
    )
    return true
  }

  /** How many entries to ask for: enough to keep the attempts that may be under way supplied, no more. */
  #room(): number {
    const { limits } = this.#options
    const waiting = this.#window.length
    if (
      this.#deadLetters.length >= limits.deadLetterEvents ||
      this.#deadLetterBytes >= limits.deadLetterBytes
    )
      return 0
    if (this.#collecting)
      return Math.min(deadLetterLease - waiting, limits.deadLetterEvents - this.#deadLetters.length)
    const { maxEvents } = this.#destination
    const concurrency = this.#health.concurrency
    // Nothing can be sent on probation, but among what was postponed may be dead-letter records to write.
    if (concurrency === 0) return this.#isDue(this.#clock.now()) ? deadLetterLease - waiting : 0
    const wanted = Math.min(maxEvents * concurrency, limits.windowEvents)
    return waiting * 2 <= wanted || waiting < maxEvents ? wanted - waiting : 0
  }

  #leased(leases: readonly Lease[], asked: number, allowedBytes: number): void {
    let bytes = 0
    let records = 0
    for (const lease of leases) {
      bytes += lease.bytes.length
      const entry = decodeEntry(lease, this.#eventSubscription.uid)
      if (entry.note?.givenUp) {
        records++
        this.#deadLetterBytes += lease.bytes.length
        this.#deadLetters.push(entry)
      } else this.#window.push(entry)
    }
    this.#bytes += bytes
    this.#options.budget.giveBytes(allowedBytes - bytes)
    this.#leasing = false
    if (leases.length >= asked || bytes >= allowedBytes) this.#available = true
    this.#collecting = records > 0
    if (this.#stopping) {
      this.#letGo(this.#window.splice(0))
      this.#letGo(this.#deadLetters.splice(0))
    }
    this.#wake()
  }

  #letGo(entries: readonly Entry[]): void {
    if (entries.length === 0) return
    this.#forget(entries)
    this.#queue.release(entries.map(({ lease }) => lease))
  }

  #forget(entries: readonly Entry[]): void {
    let bytes = 0
    for (const { lease } of entries) bytes += lease.bytes.length
    this.#bytes -= bytes
    this.#options.budget.giveBytes(bytes)
  }

  #isDue(now: EpochMs): boolean {
    const next = this.#queue.nextDueAt()
    return next !== undefined && next <= now
  }

  /** Makes sure of a run when the next moment comes at which there may be something to do. */
  #watch(): void {
    const now = this.#clock.now()
    let dueAt = this.#health.heldUntil ?? Number.POSITIVE_INFINITY
    const next = this.#queue.nextDueAt()
    if (next !== undefined) {
      if (next > now) dueAt = Math.min(dueAt, next)
      else if (!this.#available) {
        this.#available = true
        if (!this.#leasing && this.#room() > 0) this.#wake()
      }
    }
    if (dueAt >= this.#timerDueAt) return
    this.#timer?.cancel()
    this.#timerDueAt = dueAt
    this.#timer = this.#clock.at(dueAt, () => {
      this.#timerDueAt = Number.POSITIVE_INFINITY
      this.#available = true
      this.#wake()
    })
  }

  // ---------------------------------------------------------------- attempts

  #sendWindow(): void {
    while (this.#window.length > 0 && this.#inFlight < this.#health.concurrency) {
      const first = this.#window[0] as Entry
      if (expired(this.#clock.since(first.event.publishedAt), this.#eventSubscription)) {
        this.#window.shift()
        this.#giveUp(first, 'TimeToLiveExceeded', first.attempts, first.note)
        continue
      }
      if (!this.#options.budget.takeAttempt(this.#inFlight, this.#wake)) return
      this.#send(this.#takeBatch())
    }
  }

  /** The first entries of the window that go in one attempt; their number and size as output batching says. */
  #takeBatch(): Entry[] {
    const { maxEvents, preferredBytes } = this.#destination
    if (maxEvents === 1) return [this.#window.shift() as Entry]
    let count = 1
    let bytes = (this.#window[0] as Entry).event.body.length
    while (count < maxEvents && count < this.#window.length) {
      const { event } = this.#window[count] as Entry
      bytes += event.body.length
      if (bytes > preferredBytes || expired(this.#clock.since(event.publishedAt), this.#eventSubscription))
        break
      count++
    }
    return this.#window.splice(0, count)
  }

  #send(entries: Entry[]): void {
    const health = this.#health
    const probe = health.began()
    const startedAt = this.#clock.now()
    this.#inFlight++
    this.#destination.deliver(entries, this.#abort.signal).then(
      (outcome) => this.#attempted(entries, outcome, startedAt, health, probe),
      (error: unknown) => {
        this.#options.log.error(
          { err: error, eventSubscription: this.#eventSubscription.id },
          'an attempt failed by a fault of this server; the events stay queued',
        )
        const outcome: Outcome = {
          ...{ kind: 'retry', name: 'GenericError', status: undefined, minimumDelayMs: 10_000 },
          error: String(error),
        }
        this.#attempted(entries, outcome, startedAt, health, probe)
      },
    )
  }

  #attempted(entries: Entry[], outcome: Outcome, startedAt: EpochMs, health: Health, probe: boolean): void {
    const { budget, counters, log } = this.#options
    this.#inFlight--
    budget.giveAttempt()
    this.#wake()
    if (outcome.kind !== 'delivered' && this.#abort.signal.aborted) {
      // Cut off by ourselves: as if it had not been.
      health.cut(probe)
      this.#letGo(entries)
      return
    }
    const now = this.#clock.now()
    const durationMs = now - startedAt
    const wasHeld = health.onProbation
    health.ended(outcome, probe)
    if (health.onProbation !== wasHeld) this.#logProbation(health, outcome)
    counters.attempted(outcome, entries.length, durationMs)
    if (log.isLevelEnabled('debug')) this.#logAttempt(entries, outcome, durationMs)
    if (outcome.kind === 'delivered') this.#delivered(entries, outcome.status, startedAt, durationMs, now)
    else for (const entry of entries) this.#failed(entry, outcome, startedAt, durationMs)
  }

  #delivered(entries: Entry[], status: number, at: EpochMs, durationMs: number, now: EpochMs): void {
    const { trace } = this.#options
    const { uid } = this.#eventSubscription
    for (const { lease } of entries) {
      trace.attempt(lease.sequence, uid, { at, status, outcome: 'delivered', error: undefined, durationMs })
      trace.ended(lease.sequence, uid, { kind: 'delivered', at: now })
      this.#finish(lease)
    }
    this.#forget(entries)
  }

  #failed(entry: Entry, failure: Failure, at: EpochMs, durationMs: number): void {
    const { trace, jitter } = this.#options
    const { uid } = this.#eventSubscription
    const { lease } = entry
    const { name, status, error } = failure
    trace.attempt(lease.sequence, uid, { at, status, outcome: name, error, durationMs })
    const attempts = entry.attempts + 1
    const note = { lastAttemptAt: at, lastOutcome: name, lastStatus: status, givenUp: undefined }
    const next = afterFailure(failure, attempts, this.#eventSubscription, jitter)
    if (typeof next === 'string') {
      this.#giveUp(entry, next, attempts, note)
      return
    }
    const dueAt = this.#clock.after(next)
    this.#forget([entry])
    this.#write(this.#queue.postpone(lease, attempts, dueAt, encodeNote(note)))
    trace.postponed(lease.sequence, uid, dueAt)
  }

  // ---------------------------------------------------------------- giving up

  #giveUp(entry: Entry, reason: GiveUpReason, attempts: number, note: EntryNote | undefined): void {
    if (!this.#eventSubscription.deadLetter) {
      this.#drop(entry, reason)
      return
    }
    const { trace, limits } = this.#options
    const dueAt = this.#roundUp(this.#clock.after(limits.deadLetterDelayMs))
    // An event that was never tried has been waiting for its endpoint to recover.
    const last = note ?? { lastAttemptAt: undefined, lastOutcome: 'Probation', lastStatus: undefined }
    this.#postponeRecord(entry, attempts, dueAt, {
      ...last,
      givenUp: { reason, unavailableSince: undefined },
    })
    trace.deadLettering(entry.lease.sequence, this.#eventSubscription.uid, reason, dueAt)
  }

  #roundUp(dueAt: EpochMs): EpochMs {
    if (this.#options.limits.deadLetterDelayMs === 0) return dueAt
    const grain = this.#clock.after(deadLetterGrainMs, 0)
    return Math.ceil(dueAt / grain) * grain
  }

  #postponeRecord(entry: Entry, attempts: number, dueAt: EpochMs, note: EntryNote): void {
    this.#forget([entry])
    this.#write(this.#queue.postpone(entry.lease, attempts, dueAt, encodeNote(note)))
  }

  #drop(entry: Entry, reason: string): void {
    const { trace, counters } = this.#options
    const { sequence } = entry.lease
    counters.dropped(reason)
    trace.ended(sequence, this.#eventSubscription.uid, { kind: 'dropped', at: this.#clock.now(), reason })
    this.#forget([entry])
    this.#finish(entry.lease)
  }

  /** Writes the collected records as one blob, and only then forgets their events. */
  #writeDeadLetters(): void {
    const entries = this.#deadLetters.splice(0)
    const subscription = this.#eventSubscription
    this.#deadLetterBytes = 0
    if (!subscription.deadLetter) {
      // The dead-letter destination was taken away after they had been given up.
      for (const entry of entries) this.#drop(entry, givenUpOf(entry).reason)
      return
    }
    const { deadLetterStore } = this.#options
    const blob = deadLetterBlobName(subscription, this.#clock.now())
    const body = encodeDeadLetters(
      entries.map((entry) => {
        const { event, attempts, note } = entry
        const { lastOutcome, lastAttemptAt, lastStatus } = note as EntryNote
        const { reason } = givenUpOf(entry)
        return { event, attempts, reason, lastOutcome, lastAttemptAt, lastStatus }
      }),
      subscription.deliverySchema,
      subscription.topicId,
    )
    this.#writes++
    deadLetterStore
      .write(subscription.deadLetter, blob, body)
      .catch((error: unknown) => ({ kind: 'unavailable' as const, error: String(error) }))
      .then((outcome) => {
        this.#writes--
        if (outcome.kind === 'written')
          this.#recorded(entries, `${subscription.deadLetter?.containerName}/${blob}`)
        else this.#notRecorded(entries, outcome.error, outcome.kind === 'missing')
        this.#wake()
      })
      .catch(this.#bug)
  }

  #bug = (error: unknown): void => {
    this.#options.log.fatal({ err: error, eventSubscription: this.#eventSubscription.id }, 'delivery failed')
  }

  #recorded(entries: readonly Entry[], blob: string): void {
    const { trace, counters } = this.#options
    const { uid } = this.#eventSubscription
    const at = this.#clock.now()
    for (const entry of entries) {
      const { lease } = entry
      const { reason } = givenUpOf(entry)
      counters.deadLettered(reason)
      trace.ended(lease.sequence, uid, { kind: 'deadLettered', at, reason, blob })
      this.#finish(lease)
    }
    this.#forget(entries)
  }

  #notRecorded(entries: readonly Entry[], error: string, missing: boolean): void {
    const { limits, log, trace } = this.#options
    const { uid, id } = this.#eventSubscription
    const now = this.#clock.now()
    const dueAt = this.#roundUp(this.#clock.after(Math.max(limits.deadLetterDelayMs, deadLetterGrainMs)))
    let dropped = 0
    for (const entry of entries) {
      const note = entry.note as EntryNote
      const { reason, unavailableSince = now } = givenUpOf(entry)
      if (missing || this.#clock.since(unavailableSince) >= limits.deadLetterPatienceMs) {
        dropped++
        this.#drop(entry, missing ? 'DeadLetterContainerNotFound' : 'DeadLetterDestinationUnavailable')
        continue
      }
      this.#postponeRecord(entry, entry.attempts, dueAt, { ...note, givenUp: { reason, unavailableSince } })
      trace.deadLettering(entry.lease.sequence, uid, reason, dueAt)
    }
    if (dropped > 0)
      log.error({ eventSubscription: id, events: dropped, error }, 'dead-letter records dropped')
    else
      log.warn(
        { eventSubscription: id, events: entries.length, error },
        'dead-letter records wait for storage',
      )
  }

  // ---------------------------------------------------------------- the queue

  /** Removes the entry, together with whatever else is finished in this turn of the event loop. */
  #finish(lease: Lease): void {
    if (this.#finished.push(lease) > 1) return
    setImmediate(() => {
      const finished = this.#finished
      this.#finished = []
      this.#write(this.#queue.done(finished))
    })
  }

  /** Counts a write to the queue. A store that cannot write says so where events are accepted; here it is done. */
  #write(written: Promise<void>): void {
    this.#writes++
    written.then(this.#written, this.#written)
  }

  #written = (): void => {
    this.#writes--
    this.#wake()
  }

  // ---------------------------------------------------------------- the log

  #logProbation(health: Health, outcome: Outcome): void {
    const { id } = this.#eventSubscription
    const { origin } = this.#destination
    const reason = outcome.kind === 'delivered' ? undefined : outcome.name
    if (health.onProbation)
      this.#options.log.warn({ eventSubscription: id, origin, reason }, 'endpoint fails; deliveries are held')
    else this.#options.log.info({ eventSubscription: id, origin }, 'endpoint is back; deliveries go on')
  }

  #logAttempt(entries: readonly Entry[], outcome: Outcome, durationMs: number): void {
    const first = entries[0] as Entry
    this.#options.log.debug(
      {
        eventSubscription: this.#eventSubscription.id,
        event: first.event.id,
        events: entries.length,
        attempt: first.attempts + 1,
        outcome: outcome.kind === 'delivered' ? outcome.kind : outcome.name,
        status: outcome.status,
        error: outcome.kind === 'delivered' ? undefined : outcome.error,
        durationMs,
      },
      'attempt',
    )
  }
}

/** Of an entry that is among the dead letters, and so has been given up. */
const givenUpOf = ({ note }: Entry): GivenUp => (note as EntryNote).givenUp as GivenUp
