import { randomInt } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Metrics } from '../base/metrics.ts'
import type { Catalog, CatalogChange, EventSubscription } from '../catalog/catalog.ts'
import type { DeliveryContext, Destination, DestinationSettings } from '../destinations/destination.ts'
import type { Diagnostics } from '../diagnostics/diagnostics.ts'
import type { Queues } from '../store/store.ts'
import type { DeliveryTrace } from '../trace/trace.ts'
import { Budget, type BudgetLimits, defaultBudgetLimits } from './budget.ts'
import { Containers } from './containers.ts'
import { createCounters } from './counters.ts'
import type { DeadLetterStore } from './dead-letter.ts'
import { deadLetterQueueOf } from './dead-letter-box.ts'
import { defaultHealthLimits } from './health.ts'
import { createJitter, type Jitter } from './policy.ts'
import { defaultPumpLimits, Pump, type PumpLimits } from './pump.ts'

/*
 * From the queue to the destination. In come the entries of the queues of all event subscriptions, out go attempts; it
 * promises that an entry leaves its queue only when it was delivered, when its dead-letter record was written,
 * or when it was given up without one and counted; and that no event subscription waits for another's endpoint.
 */

export interface DeliveryLimits extends PumpLimits {
  readonly budget: BudgetLimits
  /** Blobs of dead-letter records that are being written, over all event subscriptions. */
  readonly deadLetterBudget: BudgetLimits
}

export const defaultDeliveryLimits: DeliveryLimits = {
  ...defaultPumpLimits,
  health: defaultHealthLimits,
  budget: defaultBudgetLimits,
  deadLetterBudget: { attempts: 32, bytes: 32 * 1024 * 1024 },
}

export interface DeliveryOptions {
  readonly catalog: Pick<Catalog, 'eventSubscriptions' | 'onChange'>
  readonly queues: Pick<Queues, 'open' | 'drop' | 'append' | 'names'>
  readonly clock: Clock
  readonly trace: DeliveryTrace
  readonly metrics: Metrics
  readonly log: Log
  readonly createDestination: (settings: DestinationSettings, context: DeliveryContext) => Destination
  readonly deadLetterStore: DeadLetterStore
  readonly diagnostics?: Pick<Diagnostics, 'deliveryFailed'>
  readonly limits?: Partial<DeliveryLimits>
  readonly jitter?: Jitter
}

export interface Delivery {
  /** Resolves when everything that is due has been tried, and what came of it is written. */
  settle(): Promise<void>
  /** Leases nothing more, lets attempts under way end within `graceMs`, then cuts them; no entry is lost. */
  close(graceMs: number): Promise<void>
}

/** Begins to deliver for every event subscription that is there, and for each that comes, until it goes. */
export async function startDelivery(options: DeliveryOptions): Promise<Delivery> {
  const { catalog, queues, clock, metrics, log, createDestination } = options
  const limits = { ...defaultDeliveryLimits, ...options.limits }
  const jitter = options.jitter ?? createJitter(() => randomInt(1 << 30) / (1 << 30))
  const budget = new Budget(limits.budget)
  const deadLetterBudget = new Budget(limits.deadLetterBudget)
  const containers = new Containers(clock)
  /** Queues that were there at the start. */
  const known = new Set(queues.names())
  const pumps = new Map<string, Pump>()
  /** Farewells to destinations, which nobody waits for. */
  const farewells = new Set<Promise<void>>()
  const stopping = new AbortController()
  let quiet: (() => void)[] = []

  const onQuiet = () => {
    const waiting = quiet
    quiet = []
    for (const resolve of waiting) resolve()
  }
  const start = async (eventSubscription: EventSubscription) => {
    const { uid, destination: settings } = eventSubscription
    // Its events are received by whoever asks for them.
    if (!settings) return
    const create = () => createDestination(settings, contextOf(eventSubscription))
    const running = pumps.get(uid)
    if (running) {
      // What is under way there ends there; the change does not wait for it.
      track(running.update(eventSubscription, create()).close())
      return
    }
    const queue = await queues.open(uid)
    const letters = deadLetterQueueOf(uid)
    const deadLetterQueue = known.has(letters) ? await queues.open(letters) : undefined
    const counters = createCounters(metrics, eventSubscription, queue)
    const destination = create()
    pumps.set(
      uid,
      new Pump({
        ...options,
        eventSubscription,
        destination,
        queue,
        deadLetterQueue,
        counters,
        budget,
        deadLetterBudget,
        containers,
        jitter,
        limits,
        onQuiet,
      }),
    )
  }

  const remove = async (uid: string, id: string | undefined) => {
    const pump = pumps.get(uid)
    if (!pump) return
    pumps.delete(uid)
    await pump.stop(0)
    await queues.drop(uid)
    const letters = pump.waitingDeadLetters
    if (letters > 0)
      log.warn(
        { eventSubscription: id, events: letters },
        'dead-letter records end with their event subscription',
      )
    await queues.drop(deadLetterQueueOf(uid))
    known.delete(deadLetterQueueOf(uid))
    if (id !== undefined) metrics.forget('event_subscription', id)
    track(announce(pump.destination))
  }

  const track = (farewell: Promise<void>) => {
    farewells.add(farewell)
    void farewell.finally(() => {
      farewells.delete(farewell)
      onQuiet()
    })
  }

  const announce = async (destination: Destination) => {
    try {
      await destination.announceDeletion(stopping.signal)
      await destination.close()
    } catch (error) {
      log.error({ err: error, origin: destination.origin }, 'a deletion could not be announced')
    }
  }

  const apply = async ({ eventSubscriptions }: Pick<CatalogChange, 'eventSubscriptions'>) => {
    for (const { uid, before, after } of eventSubscriptions) {
      if (after) await start(after)
      else await remove(uid, before?.id)
    }
  }

  // One change at a time, in the order in which they came; the first is everything that is there already.
  let changes = apply({
    eventSubscriptions: [...catalog.eventSubscriptions()].map((after) => ({
      uid: after.uid,
      before: undefined,
      after,
    })),
  })
  catalog.onChange((change) => {
    if (change.eventSubscriptions.length === 0 || stopping.signal.aborted) return undefined
    const applied = changes.then(() => apply(change))
    changes = applied.catch(() => {
      // Whoever made the change is told; the next one is none the worse for it.
    })
    return applied
  })
  await changes
  log.info({ eventSubscriptions: pumps.size }, 'delivery started')

  const busy = () => farewells.size > 0 || [...pumps.values()].some((pump) => pump.busy)
  return {
    async settle() {
      await turnOfTheLoop()
      while (busy()) {
        await new Promise<void>((resolve) => {
          quiet.push(resolve)
        })
        await turnOfTheLoop()
      }
    },
    async close(graceMs) {
      const cut = clock.at(clock.now() + graceMs, () => stopping.abort())
      await changes
      await Promise.all([...pumps.values()].map((pump) => pump.stop(graceMs)))
      if (graceMs > 0) await Promise.all(farewells)
      stopping.abort()
      cut.cancel()
      await Promise.all(farewells)
      await Promise.all([...pumps.values()].map((pump) => pump.destination.close()))
      pumps.clear()
    },
  }
}

/** Entries that became ready in this turn have been seen by their pumps in the next. */
function turnOfTheLoop(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

const contextOf = ({
  name,
  id,
  topicId,
  deliverySchema,
  ofNamespaceTopic,
}: EventSubscription): DeliveryContext => ({
  eventSubscriptionName: name,
  eventSubscriptionId: id,
  topicId,
  deliverySchema,
  ofNamespaceTopic,
})
