import type { Clock, EpochMs } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { DeadLetterSettings, EventSubscription } from '../catalog/catalog.ts'
import type { DeliveryTrace } from '../trace/trace.ts'
import type { DeliveryCounters } from './counters.ts'
import {
  type DeadLetterOutcome,
  type DeadLetterStore,
  deadLetterBlobName,
  encodeDeadLetters,
} from './dead-letter.ts'
import type { Entry } from './entry.ts'
import type { EntryNote, GivenUp } from './note.ts'
import type { GiveUpReason } from './policy.ts'
import type { Settlement } from './settlement.ts'

export interface DeadLetterLimits {
  /** Records in one blob. */
  readonly deadLetterEvents: number
  readonly deadLetterBytes: number
  /** Policy time from giving up to writing the record, so that records are written together. */
  readonly deadLetterDelayMs: number
  /** Policy time for which the container may be out of reach until records are dropped. */
  readonly deadLetterPatienceMs: number
}

/** Source: learn.microsoft.com/azure/event-grid/delivery-and-retry, "Dead-letter events". */
export const defaultDeadLetterLimits: DeadLetterLimits = {
  deadLetterEvents: 1000,
  deadLetterBytes: 4 * 1024 * 1024,
  deadLetterDelayMs: 5 * 60_000,
  deadLetterPatienceMs: 4 * 3_600_000,
}

/** Moments at which records are due are moved up to the next multiple of this, in policy time, to meet there. */
const grainMs = 1000
/** Policy time between two tries to write records, at least. */
const leastRetryMs = 1000

export interface DeadLetterBoxOptions {
  readonly clock: Clock
  readonly trace: DeliveryTrace
  readonly log: Log
  readonly counters: DeliveryCounters
  readonly deadLetterStore: DeadLetterStore
  readonly settlement: Settlement
  readonly limits: DeadLetterLimits
}

/**
 * What becomes of the events of one event subscription that are given up.
 *
 * A given-up entry stays on its queue, postponed with the reason in its note; when it is leased again it is
 * collected here and written with others; and only when its record is written does it leave the queue. So a
 * restart at any moment loses no record, and at worst writes one twice.
 */
export class DeadLetterBox {
  readonly #options: DeadLetterBoxOptions
  #collected: Entry[] = []
  #bytes = 0

  constructor(options: DeadLetterBoxOptions) {
    this.#options = options
  }

  /** How many more entries may be collected before they must be written. */
  get room(): number {
    const { deadLetterEvents, deadLetterBytes } = this.#options.limits
    return this.#bytes >= deadLetterBytes ? 0 : deadLetterEvents - this.#collected.length
  }

  get isEmpty(): boolean {
    return this.#collected.length === 0
  }

  /** @param attempts made; @param note of the last one, undefined when there was none */
  giveUp(
    subscription: EventSubscription,
    entry: Entry,
    reason: GiveUpReason,
    attempts: number,
    note: EntryNote | undefined,
  ): void {
    if (!subscription.deadLetter) {
      this.#drop(subscription, entry, reason)
      return
    }
    const { settlement, trace } = this.#options
    const dueAt = this.#dueAt(this.#options.limits.deadLetterDelayMs)
    // An event that was never tried has been waiting for its endpoint to recover.
    const last = note ?? { lastAttemptAt: undefined, lastOutcome: 'Probation', lastStatus: undefined }
    settlement.postpone(entry, attempts, dueAt, { ...last, givenUp: { reason, unavailableSince: undefined } })
    trace.deadLettering(entry.lease.sequence, subscription.uid, reason, dueAt, entry.event)
  }

  /** @param entry whose note says that it was given up */
  collect(entry: Entry): void {
    this.#bytes += entry.lease.bytes.length
    this.#collected.push(entry)
  }

  /** Hands back what was collected and not written. */
  empty(): readonly Entry[] {
    this.#bytes = 0
    return this.#collected.splice(0)
  }

  /** Begins to write what was collected, as one blob. */
  write(subscription: EventSubscription): void {
    const entries = this.empty()
    const { deadLetter } = subscription
    // Without one, the dead-letter destination was taken away after these had been given up.
    if (!deadLetter) {
      for (const entry of entries) this.#drop(subscription, entry, givenUpOf(entry).reason)
      return
    }
    const { settlement, log } = this.#options
    const recorded = this.#record(subscription, deadLetter, entries).catch((error: unknown) => {
      log.error(
        { err: error, eventSubscription: subscription.id, events: entries.length },
        'dead-letter records failed by a fault of this server; the events stay queued until the next start',
      )
    })
    settlement.track(recorded)
  }

  async #record(
    subscription: EventSubscription,
    settings: DeadLetterSettings,
    entries: readonly Entry[],
  ): Promise<void> {
    const { clock, deadLetterStore } = this.#options
    const { deliverySchema, topicId } = subscription
    const blob = deadLetterBlobName(subscription, clock.now())
    const body = encodeDeadLetters(entries.map(deadLetterOf), deliverySchema, topicId)
    const outcome = await deadLetterStore.write(settings, blob, body)
    if (outcome.kind === 'written') this.#recorded(subscription, entries, `${settings.containerName}/${blob}`)
    else this.#notRecorded(subscription, entries, outcome)
  }

  #recorded({ uid }: EventSubscription, entries: readonly Entry[], blob: string): void {
    const { clock, trace, counters, settlement } = this.#options
    const at = clock.now()
    for (const entry of entries) {
      const { reason } = givenUpOf(entry)
      counters.deadLettered(reason)
      trace.ended(entry.lease.sequence, uid, { kind: 'deadLettered', at, reason, blob }, entry.event)
      settlement.finish(entry.lease)
    }
  }

  #notRecorded(
    subscription: EventSubscription,
    entries: readonly Entry[],
    { kind, error }: Exclude<DeadLetterOutcome, { kind: 'written' }>,
  ): void {
    const { clock, limits, log, trace, settlement } = this.#options
    const { uid, id } = subscription
    const now = clock.now()
    const dueAt = this.#dueAt(Math.max(limits.deadLetterDelayMs, leastRetryMs))
    let dropped = 0
    for (const entry of entries) {
      const { reason, unavailableSince = now } = givenUpOf(entry)
      if (kind === 'missing' || clock.since(unavailableSince) >= limits.deadLetterPatienceMs) {
        dropped++
        const why = kind === 'missing' ? 'DeadLetterContainerNotFound' : 'DeadLetterDestinationUnavailable'
        this.#drop(subscription, entry, why)
        continue
      }
      const note = { ...(entry.note as EntryNote), givenUp: { reason, unavailableSince } }
      settlement.postpone(entry, entry.attempts, dueAt, note)
      trace.deadLettering(entry.lease.sequence, uid, reason, dueAt, entry.event)
    }
    if (dropped > 0)
      log.error({ eventSubscription: id, events: dropped, error }, 'dead-letter records dropped')
    else
      log.warn(
        { eventSubscription: id, events: entries.length, error },
        'dead-letter records wait for storage',
      )
  }

  #drop({ uid }: EventSubscription, { lease, event }: Entry, reason: string): void {
    const { clock, trace, counters, settlement } = this.#options
    counters.dropped(reason)
    trace.ended(lease.sequence, uid, { kind: 'dropped', at: clock.now(), reason }, event)
    settlement.finish(lease)
  }

  #dueAt(delayMs: number): EpochMs {
    const { clock } = this.#options
    const dueAt = clock.after(delayMs)
    if (delayMs === 0) return dueAt
    const grain = clock.after(grainMs, 0)
    return Math.ceil(dueAt / grain) * grain
  }
}

function deadLetterOf(entry: Entry) {
  const { event, attempts } = entry
  const { lastOutcome, lastAttemptAt, lastStatus } = entry.note as EntryNote
  return { event, attempts, reason: givenUpOf(entry).reason, lastOutcome, lastAttemptAt, lastStatus }
}

/** Of an entry that is among the dead letters, and so has been given up. */
const givenUpOf = ({ note }: Entry): GivenUp => (note as EntryNote).givenUp as GivenUp
