import type { Clock, EpochMs, Timer } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { within } from '../base/within.ts'
import type { Outcome } from '../destinations/destination.ts'
import type { HubMessage } from '../hubmessage/message.ts'
import type { Lease, Queue } from '../store/store.ts'
import type { EndpointCounters } from './counters.ts'
import type { OpenEndpoint } from './endpoint.ts'
import { decodeEntry } from './entry.ts'
import { firstWaitMs, longestWaitMs, retentionMs } from './limits.ts'

/** Real time that an attempt under way has to end when the server stops; what is cut is sent again. */
const graceMs = 4_000

export interface PumpOptions {
  readonly queue: Queue
  readonly endpoint: OpenEndpoint
  readonly counters: EndpointCounters
  /** For logs. */
  readonly hub: string
  readonly name: string
  readonly clock: Clock
  readonly log: Log
}

/** How an endpoint takes what it is sent, since the server has started. */
export interface EndpointHealth {
  /** `unknown`: nothing has been sent to it. */
  readonly status: 'unknown' | 'healthy' | 'unhealthy'
  readonly lastError?: string
  readonly lastErrorAt?: EpochMs
  readonly lastDeliveredAt?: EpochMs
  readonly lastAttemptAt?: EpochMs
}

interface Entry {
  readonly lease: Lease
  readonly message: HubMessage
}

/**
 * What waits for one endpoint, in its order: delivered at least once. When an attempt fails all of it waits, longer each
 * time; what has waited for a day, or what the endpoint will never take, is dropped.
 */
export class Pump {
  readonly #options: PumpOptions
  #endpoint: OpenEndpoint
  readonly #stopping = new AbortController()
  #running: Promise<void> | undefined
  #timer: Timer | undefined
  #failures = 0
  /** Nothing is tried before. */
  #heldUntil: EpochMs = 0
  /** When what has been gathered is delivered; undefined: nothing is. */
  #gatheredAt: EpochMs | undefined
  /** The queue had nothing to lease; it says when it has. */
  #isStarved = false
  #health: EndpointHealth = { status: 'unknown' }

  constructor(options: PumpOptions) {
    this.#options = options
    this.#endpoint = options.endpoint
    options.queue.onReady = () => {
      this.#isStarved = false
      this.wake()
    }
    this.wake()
  }

  get health(): EndpointHealth {
    return this.#health
  }

  get queue(): Queue {
    return this.#options.queue
  }

  /** The endpoint is another one from now on; what waits goes there, at once. */
  async replace(endpoint: OpenEndpoint): Promise<void> {
    const before = this.#endpoint
    this.#endpoint = endpoint
    this.#failures = 0
    this.#heldUntil = 0
    this.#health = { status: 'unknown' }
    this.wake()
    await before.close()
  }

  /** Something may have come, or may be due. */
  wake(): void {
    const { queue, clock } = this.#options
    if (this.#running || this.#stopping.signal.aborted) return
    this.#timer?.cancel()
    const dueAt = this.#dueAt()
    if (dueAt === undefined) return
    if (dueAt > clock.now()) {
      this.#timer = clock.at(dueAt, () => this.wake())
      return
    }
    this.#gatheredAt = undefined
    this.#running = this.#drain(queue.counts().entries).finally(() => {
      this.#running = undefined
      this.wake()
    })
  }

  /** Undefined: nothing waits. */
  #dueAt(): EpochMs | undefined {
    const { queue, clock } = this.#options
    const { gatherMs, batchBytes } = this.#endpoint
    if (this.#isStarved || queue.counts().entries === 0) return undefined
    if (gatherMs === 0 || this.#failures > 0) return this.#heldUntil
    if (queue.bytes >= batchBytes) return this.#heldUntil
    this.#gatheredAt ??= clock.after(gatherMs)
    return Math.max(this.#heldUntil, this.#gatheredAt)
  }

  /** Delivers so many, batch by batch, until one fails. */
  async #drain(messages: number): Promise<void> {
    const { log, hub, name } = this.#options
    try {
      for (let left = messages; left > 0; ) {
        const leases = await this.#lease()
        if (leases.length === 0 || !(await this.#deliver(leases))) return
        left -= leases.length
      }
    } catch (error) {
      log.error({ err: error, hub, endpoint: name }, 'Messages of a routing endpoint could not be handled.')
      this.#hold()
    }
  }

  async #lease(): Promise<readonly Lease[]> {
    const { queue, clock } = this.#options
    const { batchBytes, batchMessages } = this.#endpoint
    const leases: Lease[] = []
    let bytes = 0
    this.#isStarved = true
    while (leases.length < batchMessages && bytes < batchBytes) {
      const some = await queue.lease(batchMessages - leases.length, batchBytes - bytes, clock.now())
      if (some.length === 0) break
      this.#isStarved = false
      leases.push(...some)
      for (const lease of some) bytes += lease.bytes.length
    }
    return leases
  }

  /** False: some of them wait. */
  async #deliver(leases: readonly Lease[]): Promise<boolean> {
    const { queue, clock, counters } = this.#options
    const entries: Entry[] = []
    const old: Lease[] = []
    for (const lease of leases) {
      const message = decodeEntry(lease.bytes)
      if (clock.since(message.enqueuedAt) > retentionMs) old.push(lease)
      else entries.push({ lease, message })
    }
    if (old.length > 0) {
      this.#drop('expired', old, undefined)
      counters.ended('expired', old.length)
    }
    if (entries.length === 0) return true
    const outcomes = await this.#attempt(entries)
    const delivered: Lease[] = []
    const hopeless: Lease[] = []
    const waiting: Lease[] = []
    let failure: Outcome | undefined
    let refusal: Outcome | undefined
    for (const [n, { lease }] of entries.entries()) {
      const outcome = outcomes[n] as Outcome
      if (outcome.kind === 'delivered') delivered.push(lease)
      else if (outcome.kind === 'hopeless') {
        hopeless.push(lease)
        refusal = outcome
      } else {
        waiting.push(lease)
        failure ??= outcome
      }
    }
    this.#learn(delivered.length > 0, failure ?? refusal)
    if (delivered.length > 0) {
      counters.ended('delivered', delivered.length)
      this.#finish(delivered)
    }
    if (hopeless.length > 0) {
      this.#drop('rejected', hopeless, refusal)
      counters.ended('rejected', hopeless.length)
    }
    if (!failure) {
      this.#failures = 0
      return true
    }
    queue.release(waiting)
    if (!this.#stopping.signal.aborted) this.#failed(waiting.length, failure)
    return false
  }

  #learn(hasDelivered: boolean, failure: Outcome | undefined): void {
    const now = this.#options.clock.now()
    this.#health = {
      ...this.#health,
      status: failure ? 'unhealthy' : 'healthy',
      lastAttemptAt: now,
      ...(hasDelivered && { lastDeliveredAt: now }),
      ...(failure && { lastError: reasonOf(failure), lastErrorAt: now }),
    }
  }

  async #attempt(entries: readonly Entry[]): Promise<readonly Outcome[]> {
    try {
      return await this.#endpoint.deliver(
        entries.map(({ message }) => message),
        this.#stopping.signal,
      )
    } catch (error) {
      this.#options.queue.release(entries.map(({ lease }) => lease))
      throw error
    }
  }

  #finish(leases: readonly Lease[]): void {
    // Where the store does not take it they come again, and appending says so.
    this.#options.queue.done(leases).catch(() => {})
  }

  #drop(why: 'expired' | 'rejected', leases: readonly Lease[], outcome: Outcome | undefined): void {
    const { log, hub, name } = this.#options
    log.warn(
      { hub, endpoint: name, origin: this.#endpoint.origin, messages: leases.length, why, outcome },
      'messages of a routing endpoint are dropped',
    )
    this.#finish(leases)
  }

  #failed(messages: number, outcome: Outcome): void {
    const { log, hub, name, counters } = this.#options
    const waitMs = this.#hold()
    counters.failed()
    log.warn(
      {
        hub,
        endpoint: name,
        origin: this.#endpoint.origin,
        messages,
        outcome,
        failures: this.#failures,
        waitMs,
      },
      'messages of a routing endpoint wait',
    )
  }

  #hold(): number {
    const waitMs = Math.min(firstWaitMs * 2 ** this.#failures, longestWaitMs)
    this.#failures = Math.min(this.#failures + 1, 16)
    this.#heldUntil = this.#options.clock.after(waitMs)
    return waitMs
  }

  /** Resolves when nothing is under way. */
  async settle(): Promise<void> {
    while (this.#running) await this.#running
  }

  async close(): Promise<void> {
    const { clock, queue } = this.#options
    queue.onReady = undefined
    await within(clock, graceMs, this.#running)
    await this.cut()
  }

  /** Ends at once, where what waits is not wanted any more. */
  async cut(): Promise<void> {
    this.#options.queue.onReady = undefined
    this.#stopping.abort()
    await this.#running
    this.#timer?.cancel()
    await this.#endpoint.close()
  }
}

const reasonOf = (outcome: Outcome): string => (outcome.kind === 'delivered' ? '' : outcome.error)
