import type { Clock, EpochMs, Timer } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { EventSubscription } from '../catalog/catalog.ts'
import type { Destination, Outcome } from '../destinations/destination.ts'
import type { Diagnostics } from '../diagnostics/diagnostics.ts'
import type { Lease, Queue, Queues } from '../store/store.ts'
import type { DeliveryTrace } from '../trace/trace.ts'
import type { Budget } from './budget.ts'
import type { Containers } from './containers.ts'
import type { DeliveryCounters } from './counters.ts'
import type { DeadLetterStore } from './dead-letter.ts'
import { DeadLetterBox, deadLetterQueueOf } from './dead-letter-box.ts'
import { type DeadLetterLimits, DeadLetterWriter, defaultDeadLetterLimits } from './dead-letter-writer.ts'
import { Entry } from './entry.ts'
import { Health, type HealthLimits } from './health.ts'
import { LateDeliveries } from './late-deliveries.ts'
import { afterFailure, expired, type Failure, type Jitter } from './policy.ts'
import { Settlement } from './settlement.ts'

export interface PumpLimits extends DeadLetterLimits {
  readonly health: HealthLimits
  /** Leased and not yet sent, of one event subscription. */
  readonly windowEvents: number
  readonly windowBytes: number
}

export const defaultPumpLimits: Omit<PumpLimits, 'health'> = {
  ...defaultDeadLetterLimits,
  windowEvents: 10_000,
  windowBytes: 8 * 1024 * 1024,
}

/** Entries leased on probation at most, to be ready for the probe. */
const probationLease = 256
/** Until a queue that could not be read is read again. */
const readAgainMs = 1000

export interface PumpOptions {
  readonly eventSubscription: EventSubscription
  readonly destination: Destination
  readonly queue: Queue
  readonly queues: Pick<Queues, 'open' | 'append'>
  /** Of this event subscription, where there is one already; it is made when it is needed. */
  readonly deadLetterQueue: Queue | undefined
  readonly clock: Clock
  readonly trace: DeliveryTrace
  readonly log: Log
  readonly counters: DeliveryCounters
  readonly budget: Budget
  /** What writing dead-letter records takes, apart from what is delivered. */
  readonly deadLetterBudget: Budget
  readonly containers: Containers
  readonly deadLetterStore: DeadLetterStore
  readonly jitter: Jitter
  /** Told of each event of a failed attempt, where diagnostic logs ask for it. */
  readonly diagnostics?: Pick<Diagnostics, 'deliveryFailed'>
  readonly limits: PumpLimits
  /** Called whenever the pump has nothing left to do at this moment. */
  readonly onQuiet: () => void
}

/**
 * Moves the entries of one queue to one destination: leases what is due, makes attempts, and settles each with
 * the queue: done, postponed until the next attempt, or moved to the dead-letter queue.
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
  readonly #settlement: Settlement
  readonly #deadLetters: DeadLetterBox
  #deadLetterQueue: Promise<Queue> | undefined
  #deadLetterWriter: DeadLetterWriter | undefined

  readonly #late = new LateDeliveries()

  /** Leased, waiting to be sent. */
  #window: Entry[] = []
  #inFlight = 0
  /** The queue may have something to lease. */
  #available = true
  #leasing = false
  /** On probation something fell due. */
  #seeking = false
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
    this.#settlement = new Settlement(options.queue, options.budget, this.#wake)
    this.#deadLetters = new DeadLetterBox({
      ...options,
      settlement: this.#settlement,
      openQueue: this.#openDeadLetters,
      deadLetterDelayMs: options.limits.deadLetterDelayMs,
    })
    if (options.deadLetterQueue) this.#readDeadLetters(options.deadLetterQueue)
    this.#queue.onReady = () => {
      this.#available = true
      this.#wake()
    }
    this.#wake()
  }

  /** False when everything that can be done at this moment has been done. */
  get busy(): boolean {
    return this.#delivers || this.#deadLetterWriter?.busy === true
  }

  /** From now on events go there; attempts under way end where they began. */
  update(eventSubscription: EventSubscription, destination: Destination): Destination {
    const before = this.#destination
    this.#eventSubscription = eventSubscription
    this.#options.counters.relabel(eventSubscription)
    this.#destination = destination
    this.#health = new Health(this.#clock, this.#options.limits.health)
    this.#deadLetters.update(eventSubscription)
    this.#deadLetterWriter?.update(eventSubscription)
    this.#wake()
    return before
  }

  /** Events given up whose record is not written yet. */
  get waitingDeadLetters(): number {
    return this.#deadLetterWriter?.waiting ?? 0
  }

  get destination(): Destination {
    return this.#destination
  }

  /** Leases nothing more. Resolves when attempts under way have ended, or `graceMs` later have been cut. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true
    this.#queue.onReady = undefined
    this.#timer?.cancel()
    this.#letGo()
    await Promise.all([this.#stopDelivering(graceMs), this.#deadLetterWriter?.stop(graceMs)])
    // Exchanges that go on for the sake of a late answer.
    this.#abort.abort()
  }

  async #stopDelivering(graceMs: number): Promise<void> {
    if (!this.#delivers) return
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

  /** Something is under way here, apart from what the writer of dead letters does. */
  get #delivers(): boolean {
    return this.#scheduled || this.#leasing || this.#inFlight > 0 || this.#settlement.busy
  }

  // ---------------------------------------------------------------- dead letters

  #openDeadLetters = (): Promise<Queue> => {
    const { queues, eventSubscription } = this.#options
    this.#deadLetterQueue ??= queues.open(deadLetterQueueOf(eventSubscription.uid)).then(
      (queue) => this.#readDeadLetters(queue),
      (error: unknown) => {
        this.#deadLetterQueue = undefined
        throw error
      },
    )
    return this.#deadLetterQueue
  }

  #readDeadLetters(queue: Queue): Queue {
    this.#deadLetterQueue = Promise.resolve(queue)
    this.#options.counters.watchDeadLetters(queue)
    if (this.#stopping) return queue
    this.#deadLetterWriter = new DeadLetterWriter({
      ...this.#options,
      eventSubscription: this.#eventSubscription,
      queue,
      budget: this.#options.deadLetterBudget,
      onQuiet: this.#wake,
    })
    return queue
  }

  // ---------------------------------------------------------------- the one place where things begin

  #wake = (): void => {
    if (this.#scheduled) return
    this.#scheduled = true
    queueMicrotask(this.#run)
  }

  #run = (): void => {
    this.#scheduled = false
    if (!this.#stopping) {
      const leasing = this.#lease()
      // A batch that can still be filled waits for the lease, which resolves at once.
      if (!leasing || this.#window.length >= this.#destination.maxEvents) this.#sendWindow()
      this.#watch()
    }
    if (this.#delivers) return
    this.#onStopped?.()
    if (!this.busy) this.#options.onQuiet()
  }

  // ---------------------------------------------------------------- leasing

  /** Begins a lease when there is room and something may be there; true while one is under way. */
  #lease(): boolean {
    if (this.#leasing) return true
    const max = this.#available ? this.#room() : 0
    if (max <= 0) return false
    const { budget, limits } = this.#options
    const allowed = budget.allowance(this.#settlement.bytes, limits.windowBytes, this.#wake)
    if (allowed === 0) return false
    budget.takeBytes(allowed)
    this.#available = false
    this.#leasing = true
    this.#queue.lease(max, allowed, this.#clock.now()).then(
      (leases) => this.#leased(leases, max, allowed),
      (error: unknown) => {
        budget.giveBytes(allowed)
        this.#leaseFailed(error)
      },
    )
    return true
  }

  /** The store could not be read; it is asked again after a while. */
  #leaseFailed(error: unknown): void {
    const { id } = this.#eventSubscription
    this.#options.log.error({ err: error, eventSubscription: id }, 'queued events could not be read')
    this.#leasing = false
    this.#watchAt(this.#clock.now() + readAgainMs)
    this.#wake()
  }

  /** How many entries to ask for: enough to keep the attempts that may be under way supplied, no more. */
  #room(): number {
    const { limits } = this.#options
    const waiting = this.#window.length
    const { maxEvents } = this.#destination
    const { concurrency } = this.#health
    // Nothing can be sent on probation, but what falls due meanwhile makes the better probe, or is given up.
    if (concurrency === 0) {
      this.#seeking ||= this.#isDue(this.#clock.now())
      return this.#seeking ? probationLease - waiting : 0
    }
    this.#seeking = false
    const wanted = Math.min(maxEvents * concurrency, limits.windowEvents)
    return waiting * 2 <= wanted || waiting < maxEvents ? wanted - waiting : 0
  }

  /** What was tried before goes first: it has waited longest, and as a probe it says more than a new event. */
  #line(entry: Entry): void {
    const fresh = entry.attempts > 0 ? this.#window.findIndex(({ attempts }) => attempts === 0) : -1
    if (fresh < 0) this.#window.push(entry)
    else this.#window.splice(fresh, 0, entry)
  }

  #leased(leases: readonly Lease[], asked: number, allowedBytes: number): void {
    let bytes = 0
    for (const lease of leases) bytes += lease.bytes.length
    this.#settlement.leased(bytes, allowedBytes)
    for (const lease of leases) {
      const entry = new Entry(lease, this.#eventSubscription.uid)
      const { note, attempts } = entry
      if (this.#late.hasDelivered(entry)) {
        this.#late.take(entry)
        this.#settlement.finish(lease)
      } else if (note?.givenUp !== undefined) this.#deadLetters.giveUp(entry, note.givenUp, attempts, note)
      else this.#line(entry)
    }
    this.#leasing = false
    if (leases.length >= asked || bytes >= allowedBytes) this.#available = true
    if (this.#stopping) this.#letGo()
    this.#wake()
  }

  #letGo(): void {
    this.#settlement.release(this.#window.splice(0))
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
    this.#watchAt(dueAt)
  }

  #watchAt(dueAt: EpochMs): void {
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
        const { attempts, note } = first
        this.#late.take(first)
        this.#deadLetters.giveUp(first, 'TimeToLiveExceeded', attempts, note)
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
    if (!this.#late.isEmpty) for (const entry of entries) this.#late.began(entry)
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
    const waiting = this.#late.isEmpty ? entries : this.#withoutLate(entries, outcome)
    if (outcome.kind !== 'delivered' && this.#abort.signal.aborted) {
      // Cut off by ourselves: as if it had not been.
      health.cut(probe)
      this.#settlement.release(waiting)
      return
    }
    const now = this.#clock.now()
    const durationMs = now - startedAt
    const wasHeld = health.onProbation
    if (outcome.kind !== 'delivered') this.#diagnose(entries, outcome, startedAt, durationMs, health)
    health.ended(outcome, probe)
    if (health.onProbation !== wasHeld) this.#logProbation(health, outcome)
    counters.attempted(outcome, entries.length, durationMs)
    if (log.isLevelEnabled('debug')) this.#logAttempt(entries, outcome, durationMs)
    if (outcome.kind === 'delivered') this.#delivered(entries, outcome.status, startedAt, durationMs)
    else {
      const postponed = waiting.filter((entry) => this.#failed(entry, outcome, startedAt, durationMs))
      if (outcome.kind === 'retry' && outcome.late) this.#listenFor(outcome.late, postponed)
    }
  }

  /** Entries of an attempt that has ended, less those that need no other: the one before was answered meanwhile. */
  #withoutLate(entries: Entry[], outcome: Outcome): Entry[] {
    return entries.filter((entry) => {
      const isDelivered = this.#late.take(entry) && outcome.kind !== 'delivered'
      if (isDelivered) this.#endLate(entry.lease.sequence, entry)
      return !isDelivered
    })
  }

  /** When an attempt that had failed turns out not to have, what still waits for another one needs none. */
  #listenFor(late: Promise<boolean>, entries: readonly Entry[]): void {
    // Not the entries: their bytes are gone with their leases.
    const tries = entries.map(({ lease: { sequence }, attempts }) => ({ sequence, attempts: attempts + 1 }))
    for (const { sequence, attempts } of tries) this.#late.expect(sequence, attempts)
    void late.then((isDelivered) => {
      for (const { sequence, attempts } of tries)
        if (!isDelivered || this.#stopping) this.#late.missed(sequence, attempts)
        else if (this.#late.delivered(sequence, attempts)) this.#deliveredLate(sequence)
    })
  }

  #deliveredLate(sequence: number): void {
    const next = this.#window.findIndex(({ lease }) => lease.sequence === sequence)
    const [waiting] = next < 0 ? [] : this.#window.splice(next, 1)
    if (waiting) this.#late.take(waiting)
    this.#endLate(sequence, waiting)
    this.#wake()
  }

  /** @param entry undefined: it is finished when it is due */
  #endLate(sequence: number, entry: Entry | undefined): void {
    const { trace, counters } = this.#options
    counters.deliveredLate()
    const end = { kind: 'delivered', at: this.#clock.now() } as const
    trace.ended(sequence, this.#eventSubscription.uid, end, entry?.event)
    if (entry) this.#settlement.finish(entry.lease)
  }

  #delivered(entries: Entry[], status: number | undefined, at: EpochMs, durationMs: number): void {
    const { trace } = this.#options
    const { uid } = this.#eventSubscription
    const attempt = { at, status, outcome: 'delivered', error: undefined, durationMs }
    for (const { lease, event } of entries) {
      trace.attempt(lease.sequence, uid, attempt, event)
      this.#settlement.finish(lease)
    }
  }

  /** False when the event was given up. */
  #failed(entry: Entry, failure: Failure, at: EpochMs, durationMs: number): boolean {
    const { trace, jitter } = this.#options
    const { uid } = this.#eventSubscription
    const { lease, event } = entry
    const { name, status, error } = failure
    trace.attempt(lease.sequence, uid, { at, status, outcome: name, error, durationMs }, event)
    const attempts = entry.attempts + 1
    const note = { lastAttemptAt: at, lastOutcome: name, lastStatus: status, givenUp: undefined }
    const next = afterFailure(failure, attempts, this.#eventSubscription, jitter)
    if (typeof next === 'string') {
      this.#deadLetters.giveUp(entry, next, attempts, note)
      return false
    }
    const dueAt = this.#clock.after(next)
    this.#settlement.postpone(entry, attempts, dueAt, note)
    trace.postponed(lease.sequence, uid, dueAt, event)
    return true
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

  #diagnose(
    entries: readonly Entry[],
    { name, error }: Failure,
    startedAt: EpochMs,
    durationMs: number,
    { probations }: Health,
  ): void {
    const deliveryFailed = this.#options.diagnostics?.deliveryFailed
    if (!deliveryFailed) return
    const {
      name: eventSubscriptionName,
      topicId,
      deliverySchema,
      eventTimeToLiveMs,
    } = this.#eventSubscription
    for (const { event, outputEventId, attempts } of entries)
      deliveryFailed({
        ...{ resourceId: topicId, eventSubscriptionName, deliverySchema },
        ...{ event, outputEventId, attempts, probations },
        ...{ outcome: name, response: error, startedAt, durationMs },
        expiresAt: this.#clock.after(eventTimeToLiveMs, event.publishedAt),
        url: this.#destination.origin,
      })
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
