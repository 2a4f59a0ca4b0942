import type { Clock, EpochMs } from '../base/clock.ts'
import type { Outcome, OutcomeName } from '../destinations/destination.ts'

const minuteMs = 60_000

/**
 * How long an endpoint is left alone after repeated failures, by its last outcome; outcomes that speak of one
 * event rather than of the endpoint have no entry.
 *
 * Source: learn.microsoft.com/azure/event-grid/delivery-and-retry, "Delayed delivery". `GenericError` is not in
 * its table and is treated like `Busy`.
 */
const probationMs: Readonly<Partial<Record<OutcomeName, number>>> = {
  Busy: 10_000,
  TimedOut: 10_000,
  GenericError: 10_000,
  SocketError: 30_000,
  NotFound: 5 * minuteMs,
  ResolutionError: 5 * minuteMs,
  Disabled: 5 * minuteMs,
  Full: 5 * minuteMs,
  Unauthorized: 5 * minuteMs,
  Forbidden: 5 * minuteMs,
  InvalidAzureFunctionDestination: 10 * minuteMs,
}

export interface HealthLimits {
  /** Attempts at the same time to begin with. */
  readonly firstConcurrency: number
  readonly mostConcurrency: number
  /** Failures in a row that put an endpoint on probation. */
  readonly failuresBeforeProbation: number
  /** Probations in a row that last as the table says; each later one is twice as long as the one before. */
  readonly plainProbations: number
  /** A probation grows no longer than this, unless the table itself says so. Policy time. */
  readonly longestProbationMs: number
}

export const defaultHealthLimits: HealthLimits = {
  firstConcurrency: 4,
  mostConcurrency: 64,
  failuresBeforeProbation: 10,
  plainProbations: 3,
  longestProbationMs: 5 * minuteMs,
}

/**
 * The health of one event subscription's endpoint: how many attempts may be under way together, and whether any
 * may. Each event subscription has its own, so what fails for one delays no other.
 *
 * Concurrency grows by one per success up to where it last met failure, slowly from there, and halves with each
 * failure. On probation nothing is sent until the time is over; then one attempt is made as a probe, and only
 * its success opens the way again.
 */
export class Health {
  readonly #clock: Clock
  readonly #limits: HealthLimits
  #concurrency: number
  #threshold: number
  #failures = 0
  #probations = 0
  #heldUntil: EpochMs | undefined
  #probing = false

  constructor(clock: Clock, limits: HealthLimits = defaultHealthLimits) {
    this.#clock = clock
    this.#limits = limits
    this.#concurrency = limits.firstConcurrency
    this.#threshold = limits.mostConcurrency
  }

  /** How many attempts may be under way now: 0 on probation, 1 when its time is over. */
  get concurrency(): number {
    if (this.#heldUntil === undefined) return Math.floor(this.#concurrency)
    return this.#probing || this.#clock.now() < this.#heldUntil ? 0 : 1
  }

  /** While nothing may be sent: until when. Undefined as well while a probe is under way. */
  get heldUntil(): EpochMs | undefined {
    return this.#probing || this.#heldUntil === undefined || this.#clock.now() >= this.#heldUntil
      ? undefined
      : this.#heldUntil
  }

  get onProbation(): boolean {
    return this.#heldUntil !== undefined
  }

  /** In a row; 0 again when the endpoint is back. */
  get probations(): number {
    return this.#probations
  }

  /** An attempt begins; true when it is the probe, which `ended` must be told. */
  began(): boolean {
    if (this.#heldUntil === undefined) return false
    this.#probing = true
    return true
  }

  /** An attempt was cut off by us and says nothing about the endpoint. */
  cut(probe: boolean): void {
    if (probe) this.#probing = false
  }

  ended(outcome: Outcome, probe: boolean): void {
    if (probe) this.#probing = false
    const baseMs = outcome.kind === 'delivered' ? undefined : probationMs[outcome.name]
    if (baseMs === undefined) this.#succeeded(probe)
    else this.#failed(baseMs, probe)
  }

  /** The endpoint took the event, or refused that event alone: either way it is there. */
  #succeeded(probe: boolean): void {
    // Attempts that began before the probation prove nothing about now.
    if (this.#heldUntil !== undefined && !probe) return
    this.#failures = 0
    this.#probations = 0
    this.#heldUntil = undefined
    const grown = this.#concurrency + (this.#concurrency < this.#threshold ? 1 : 1 / this.#concurrency)
    this.#concurrency = Math.min(grown, this.#limits.mostConcurrency)
  }

  #failed(baseMs: number, probe: boolean): void {
    this.#concurrency = Math.max(1, this.#concurrency / 2)
    this.#threshold = this.#concurrency
    if (this.#heldUntil !== undefined && !probe) return
    if (!probe && ++this.#failures < this.#limits.failuresBeforeProbation) return
    const doublings = Math.max(0, ++this.#probations - this.#limits.plainProbations)
    const longestMs = Math.max(baseMs, this.#limits.longestProbationMs)
    this.#heldUntil = this.#clock.after(Math.min(baseMs * 2 ** Math.min(doublings, 30), longestMs))
  }
}
