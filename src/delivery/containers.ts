import type { Clock, EpochMs } from '../base/clock.ts'
import type { DeadLetterSettings } from '../catalog/catalog.ts'

/** Policy time from the first failure to the next try; each later wait is twice as long, up to the longest. */
const firstWaitMs = 10_000
const longestWaitMs = 5 * 60_000

/**
 * The same for what namespaces give up; the last repeats.
 *
 * Source: learn.microsoft.com/azure/event-grid/dead-letter-event-subscriptions-namespace-topics
 */
const namespaceWaitsMs = [10_000, 60_000, 5 * 60_000]

/** How a container failed the last time. */
export interface Failure {
  readonly kind: 'unavailable' | 'missing'
  readonly error: string
}

export interface Failing extends Failure {
  /** When the first of the failures came. */
  readonly since: EpochMs
  readonly waitMs: number
  readonly until: EpochMs
}

/**
 * Which dead-letter containers are out of reach. All event subscriptions that write to one share what is known of
 * it: one that is gone costs a few tries now and then, however many wait for it.
 */
export class Containers {
  readonly #clock: Clock
  readonly #failing = new Map<string, Failing>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Nothing is to be written there before `until`; undefined when something may be. */
  heldUntil(container: DeadLetterSettings): EpochMs | undefined {
    const failing = this.#failing.get(keyOf(container))
    return failing && failing.until > this.#clock.now() ? failing.until : undefined
  }

  /** Since when it has been failing, and how; undefined when it was in reach the last time. */
  failing(container: DeadLetterSettings): Failing | undefined {
    return this.#failing.get(keyOf(container))
  }

  /** What was tried together and failed together makes the wait longer once. */
  failed(container: DeadLetterSettings, { kind, error }: Failure): void {
    if (this.heldUntil(container) !== undefined) return
    const key = keyOf(container)
    const before = this.#failing.get(key)
    const waitMs = nextWaitMs(container, before?.waitMs)
    const since = before?.since ?? this.#clock.now()
    this.#failing.set(key, { kind, error, since, waitMs, until: this.#clock.after(waitMs) })
  }

  recovered(container: DeadLetterSettings): void {
    this.#failing.delete(keyOf(container))
  }
}

function nextWaitMs({ retryMs }: DeadLetterSettings, lastMs: number | undefined): number {
  if (lastMs === undefined) return firstWaitMs
  if (retryMs === undefined) return Math.min(lastMs * 2, longestWaitMs)
  return namespaceWaitsMs.find((waitMs) => waitMs > lastMs) ?? longestWaitMs
}

const keyOf = ({ storageAccountId, containerName }: DeadLetterSettings) =>
  `${storageAccountId.toLowerCase()}/${containerName}`
