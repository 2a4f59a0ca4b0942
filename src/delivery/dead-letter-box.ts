import type { Clock, EpochMs } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { EventSubscription } from '../catalog/catalog.ts'
import type { Queue, Queues } from '../store/store.ts'
import type { DeliveryTrace } from '../trace/trace.ts'
import type { DeliveryCounters } from './counters.ts'
import type { Entry } from './entry.ts'
import { encodeFarewell, type Farewell } from './letter.ts'
import type { EntryNote } from './note.ts'
import type { GiveUpReason } from './policy.ts'
import type { Settlement } from './settlement.ts'

/** Moments at which records are due are moved up to the next multiple of this, in policy time, to meet there. */
const grainMs = 1000
/** Real time until what could not be moved to the dead-letter queue is moved again. */
const moveAgainMs = 1000
/** Moved with one append. */
const moveBytes = 4 * 1024 * 1024

/** The dead-letter queue of the event subscription whose queue has that name. */
export const deadLetterQueueOf = (uid: string): string => `${uid}/deadletter`

export interface DeadLetterBoxOptions {
  readonly eventSubscription: EventSubscription
  readonly clock: Clock
  readonly trace: DeliveryTrace
  readonly log: Log
  readonly counters: DeliveryCounters
  readonly queues: Pick<Queues, 'append'>
  /** Opens the dead-letter queue, made if it is new, and whatever reads it. */
  readonly openQueue: () => Promise<Queue>
  /** Of the queue that events are delivered from. */
  readonly settlement: Settlement
  /** Policy time from giving up to writing the record, so that records are written together. */
  readonly deadLetterDelayMs: number
}

interface GivenUp {
  readonly entry: Entry
  readonly note: EntryNote
  readonly farewell: Farewell
}

/**
 * What becomes of the events of one event subscription that are given up: each is moved to a queue of its own, where
 * it waits until its record is written. So however many wait there, and for however long, what is to be delivered
 * does not wait behind them. An event leaves its first queue when it is durable on the second: a crash at any moment
 * loses none, and at worst gives one up twice.
 */
export class DeadLetterBox {
  readonly #options: DeadLetterBoxOptions
  #eventSubscription: EventSubscription
  /** Given up in this turn of the event loop. */
  #givenUp: GivenUp[] = []

  constructor(options: DeadLetterBoxOptions) {
    this.#options = options
    this.#eventSubscription = options.eventSubscription
  }

  update(eventSubscription: EventSubscription): void {
    this.#eventSubscription = eventSubscription
  }

  /** @param attempts made; @param note of the last one, undefined when there was none */
  giveUp(entry: Entry, reason: GiveUpReason, attempts: number, note: EntryNote | undefined): void {
    const { settlement, trace, clock, counters, deadLetterDelayMs } = this.#options
    const { uid, deadLetter } = this.#eventSubscription
    const { sequence } = entry.lease
    if (!deadLetter) {
      counters.dropped(reason)
      trace.ended(sequence, uid, { kind: 'dropped', at: clock.now(), reason }, entry.event)
      settlement.finish(entry.lease)
      return
    }
    // An event that was never tried has been waiting for its endpoint to recover.
    const last = note ?? { lastAttemptAt: undefined, lastOutcome: 'Probation', lastStatus: undefined }
    const { lastAttemptAt, lastOutcome, lastStatus } = last
    const dueAt = this.#dueAt(deadLetterDelayMs)
    const given: GivenUp = {
      entry,
      note: { ...last, givenUp: reason },
      farewell: { sequence, reason, attempts, dueAt, lastAttemptAt, lastOutcome, lastStatus },
    }
    if (this.#givenUp.push(given) > 1) return
    settlement.track(
      new Promise((resolve) => {
        setImmediate(() => resolve(this.#moveAll()))
      }),
    )
  }

  async #moveAll(): Promise<void> {
    const givenUp = this.#givenUp
    this.#givenUp = []
    let first = 0
    let bytes = 0
    const moves: Promise<void>[] = []
    for (const [n, { entry }] of givenUp.entries()) {
      bytes += entry.lease.bytes.length
      if (bytes < moveBytes && n < givenUp.length - 1) continue
      moves.push(this.#move(givenUp.slice(first, n + 1)))
      first = n + 1
      bytes = 0
    }
    await Promise.all(moves)
  }

  async #move(givenUp: readonly GivenUp[]): Promise<void> {
    const { settlement, trace, queues, openQueue } = this.#options
    const { uid } = this.#eventSubscription
    try {
      const to = [await openQueue()]
      const appendables = givenUp.map(({ entry: { lease }, farewell }) => ({
        head: encodeFarewell(farewell),
        ...{ source: lease.bytes, start: 0, end: lease.bytes.length, tail: nothing, queues: to },
      }))
      await queues.append(appendables, { moving: true }).durable
    } catch (error) {
      this.#notMoved(givenUp, error)
      return
    }
    for (const { entry, farewell } of givenUp) {
      const { reason, dueAt } = farewell
      trace.deadLettering(entry.lease.sequence, uid, { reason, dueAt, error: undefined }, entry.event)
      settlement.finish(entry.lease)
    }
  }

  /** The store takes nothing now: they stay where they are, and are moved later. */
  #notMoved(givenUp: readonly GivenUp[], error: unknown): void {
    const { settlement, clock, log } = this.#options
    const { id } = this.#eventSubscription
    log.error(
      { err: error, eventSubscription: id, events: givenUp.length },
      'events given up are kept queued',
    )
    const dueAt = clock.now() + moveAgainMs
    for (const { entry, farewell, note } of givenUp)
      settlement.postpone(entry, farewell.attempts, dueAt, note)
  }

  #dueAt(delayMs: number): EpochMs {
    const { clock } = this.#options
    const dueAt = clock.after(delayMs)
    if (delayMs === 0) return dueAt
    const grain = clock.after(grainMs, 0)
    return Math.ceil(dueAt / grain) * grain
  }
}

const nothing = Buffer.alloc(0)
