import type { Clock } from '../base/clock.ts'
import type { Metrics } from '../base/metrics.ts'
import type { GivenUpEvent } from '../delivery/dead-letter-desk.ts'
import type { Queues } from '../store/store.ts'
import type { DeliveryTrace } from '../trace/trace.ts'
import { createOutletCounters, type OutletCounters } from './counters.ts'
import type { QueueFacts } from './directory.ts'
import { eventSubscriptionNotFound } from './errors.ts'
import { createObserver } from './observer.ts'
import { Outlet } from './outlet.ts'

/** The outlet of one event subscription with all that goes with it. */
export interface Stand {
  readonly facts: QueueFacts
  readonly outlet: Outlet
  readonly counters: OutletCounters
  readonly giver: Giver
}

/** What becomes of the events of one event subscription that are not to be delivered any more. */
export interface Giver {
  readonly busy: boolean
  update(facts: QueueFacts): void
  /** Dead-letters or drops the events, and ends their leases. Never rejects. */
  giveUp(givenUp: readonly GivenUpEvent[]): Promise<void>
  close(graceMs: number): Promise<void>
  /** The event subscription has been deleted. */
  drop(): Promise<void>
}

export interface OutletsOptions {
  readonly queues: Pick<Queues, 'open'>
  readonly clock: Clock
  readonly trace: DeliveryTrace
  readonly metrics: Metrics
  /** Known to this server alone. */
  readonly tokenSecret: Buffer
  readonly createGiver: (facts: QueueFacts, queue: Outlet['queue']) => Giver | Promise<Giver>
  readonly batchBytes: number
  readonly onQuiet: () => void
}

/** The outlets of all event subscriptions that are received from, by their uids. */
export class Outlets {
  readonly #options: OutletsOptions
  readonly #stands = new Map<string, Stand>()

  constructor(options: OutletsOptions) {
    this.#options = options
  }

  get(uid: string): Stand | undefined {
    return this.#stands.get(uid)
  }

  get busy(): boolean {
    for (const { outlet, giver } of this.#stands.values()) if (outlet.busy || giver.busy) return true
    return false
  }

  /** Waits of all receivers. */
  get waiting(): number {
    let waiting = 0
    for (const { outlet } of this.#stands.values()) waiting += outlet.waiting
    return waiting
  }

  /** Opens the outlet of an event subscription that is new, or tells it what has changed. */
  async put(facts: QueueFacts): Promise<void> {
    const known = this.#stands.get(facts.uid)
    if (known) {
      known.outlet.update(facts.settings)
      known.giver.update(facts)
      this.#stands.set(facts.uid, { ...known, facts })
      return
    }
    const { queues, clock, trace, metrics, tokenSecret, createGiver, batchBytes, onQuiet } = this.#options
    const queue = await queues.open(facts.uid)
    const giver = await createGiver(facts, queue)
    const outlet = new Outlet({
      ...{ queue, clock, tokenSecret, batchBytes, onQuiet },
      settings: facts.settings,
      giveUp: (givenUp) => giver.giveUp(givenUp),
      observer: createObserver(facts.uid, trace, clock),
    })
    const counters = createOutletCounters(metrics, facts, outlet)
    this.#stands.set(facts.uid, { facts, outlet, counters, giver })
  }

  /** The event subscription is gone: whoever waits for its events is told so. */
  async remove(uid: string): Promise<void> {
    const stand = this.#stands.get(uid)
    if (!stand) return
    this.#stands.delete(uid)
    const { name, topicId } = stand.facts
    await stand.outlet.end(eventSubscriptionNotFound(name, topicId.slice(topicId.lastIndexOf('/') + 1)))
    await stand.giver.drop()
  }

  endWaits(): void {
    for (const { outlet } of this.#stands.values()) outlet.endWaits()
  }

  /** Ends all waits, with no events, and what waits to be dead-lettered within `graceMs`. */
  async close(graceMs: number): Promise<void> {
    const stands = [...this.#stands.values()]
    this.#stands.clear()
    await Promise.all(stands.map(({ outlet }) => outlet.end(undefined)))
    await Promise.all(stands.map(({ giver }) => giver.close(graceMs)))
  }
}
