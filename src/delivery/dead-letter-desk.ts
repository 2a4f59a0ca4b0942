import type { Clock, EpochMs } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Metrics } from '../base/metrics.ts'
import type { EventSubscription } from '../catalog/catalog.ts'
import type { StoredEvent } from '../event/event.ts'
import type { Lease, Queue, Queues } from '../store/store.ts'
import type { DeliveryTrace } from '../trace/trace.ts'
import { Budget } from './budget.ts'
import { Containers } from './containers.ts'
import { createCounters } from './counters.ts'
import type { DeadLetterStore } from './dead-letter.ts'
import { DeadLetterBox, deadLetterQueueOf } from './dead-letter-box.ts'
import { type DeadLetterLimits, DeadLetterWriter } from './dead-letter-writer.ts'
import { defaultDeliveryLimits } from './delivery.ts'
import { Entry } from './entry.ts'
import type { GiveUpReason } from './policy.ts'
import { Settlement } from './settlement.ts'

/*
 * What becomes of the events that nobody delivers and that are given up all the same: those of event subscriptions
 * that are received from. They are dead-lettered or dropped as those are that delivery gives up.
 */

export interface DeadLetterDesksOptions {
  readonly queues: Pick<Queues, 'open' | 'append' | 'drop' | 'names'>
  readonly clock: Clock
  readonly trace: DeliveryTrace
  readonly metrics: Metrics
  readonly log: Log
  readonly deadLetterStore: DeadLetterStore
  readonly limits?: Partial<DeadLetterLimits>
}

/** An event that is not to be delivered any more, leased. */
export interface GivenUpEvent {
  readonly lease: Lease
  readonly event: StoredEvent
  readonly reason: GiveUpReason
  /** When it was last handed to somebody; undefined when it never was. */
  readonly lastReceivedAt: EpochMs | undefined
}

/** Where the given up events of one event subscription go. */
export interface DeadLetterDesk {
  readonly busy: boolean
  update(eventSubscription: EventSubscription): void
  /** Dead-letters the events or drops them, and ends their leases. Resolves when that is done; never rejects. */
  giveUp(events: readonly GivenUpEvent[]): Promise<void>
  /** Writes no more records; what waits is written after the next start. */
  close(graceMs: number): Promise<void>
  /** The event subscription is gone: so is what waits to be written. */
  drop(): Promise<void>
}

export type OpenDeadLetterDesk = (
  eventSubscription: EventSubscription,
  queue: Queue,
  onQuiet: () => void,
) => Promise<DeadLetterDesk>

/** All desks share what is known of the containers, and what writing to them may take. */
export function createDeadLetterDesks(options: DeadLetterDesksOptions): OpenDeadLetterDesk {
  const { queues, clock, trace, metrics, log, deadLetterStore } = options
  const limits = { ...defaultDeliveryLimits, ...options.limits }
  const shared = {
    ...{ queues, clock, trace, log, deadLetterStore, limits },
    budget: new Budget(limits.deadLetterBudget),
    containers: new Containers(clock),
  }
  /** Queues that were there at the start. */
  const known = new Set(queues.names())
  return async (eventSubscription, queue, onQuiet) => {
    const { uid } = eventSubscription
    const name = deadLetterQueueOf(uid)
    const counters = createCounters(metrics, eventSubscription, queue)
    const budget = new Budget()
    let current = eventSubscription
    let writer: DeadLetterWriter | undefined
    let closing = false
    let waiting: (() => void)[] = []
    const quiet = () => {
      if (settlement.busy) return
      const resolves = waiting
      waiting = []
      for (const resolve of resolves) resolve()
      if (!writer?.busy) onQuiet()
    }
    const settlement = new Settlement(queue, budget, quiet)
    const read = (letters: Queue): Queue => {
      counters.watchDeadLetters(letters)
      if (!closing)
        writer = new DeadLetterWriter({
          ...{ ...shared, eventSubscription: current, queue: letters, counters },
          onQuiet: quiet,
        })
      return letters
    }
    let opened: Promise<Queue> | undefined
    const openQueue = () => {
      opened ??= queues.open(name).then(read, (error: unknown) => {
        opened = undefined
        throw error
      })
      return opened
    }
    if (known.has(name)) await openQueue()
    const box = new DeadLetterBox({
      ...{ eventSubscription, clock, trace, log, counters, queues, settlement, openQueue },
      deadLetterDelayMs: limits.deadLetterDelayMs,
    })
    return {
      get busy() {
        return settlement.busy || writer?.busy === true
      },
      update(changed) {
        current = changed
        box.update(changed)
        writer?.update(changed)
      },
      async giveUp(events) {
        for (const { lease, reason, lastReceivedAt } of events) {
          budget.takeBytes(lease.bytes.length)
          settlement.leased(lease.bytes.length, lease.bytes.length)
          box.giveUp(new Entry(lease, uid, false), reason, lease.attempts, noteOf(lastReceivedAt))
        }
        if (settlement.busy) await new Promise<void>((resolve) => waiting.push(resolve))
      },
      async close(graceMs) {
        closing = true
        await writer?.stop(graceMs)
      },
      async drop() {
        closing = true
        await writer?.stop(0)
        const letters = writer?.waiting ?? 0
        if (letters > 0)
          log.warn(
            { eventSubscription: current.id, events: letters },
            'dead-letter records end with their event subscription',
          )
        await queues.drop(name)
      },
    }
  }
}

/** An event that was received and not settled is like one whose endpoint did not answer. */
const noteOf = (lastReceivedAt: EpochMs | undefined) =>
  lastReceivedAt === undefined
    ? undefined
    : {
        lastAttemptAt: lastReceivedAt,
        lastOutcome: 'TimedOut' as const,
        lastStatus: undefined,
        givenUp: undefined,
      }
