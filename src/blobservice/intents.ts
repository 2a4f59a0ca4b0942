import type { EpochMs } from '../base/clock.ts'
import type { Lease, Queue, Queues } from '../store/store.ts'
import type { Change } from './change.ts'
import type { Facts } from './facts.ts'

/** What is about to be asked of the service, with what there was before, so that what became of it can be told later. */
export interface Intent {
  /** A guid: the id of the event. */
  readonly id: string
  readonly change: Change
  readonly before: Facts | undefined
  readonly at: EpochMs
  readonly clientRequestId: string | undefined
}

export interface OpenIntent extends Intent {
  readonly sequence: number
}

const nothing = Buffer.alloc(0)
/** Read at once when a start looks for what a crash left. */
const leaseBytes = 4 * 1024 * 1024

/**
 * The changes that are under way, on disk from before the service is asked until their events are. A start finds here
 * what a crash has left open.
 */
export class Intents {
  readonly #queues: Queues
  readonly #queue: Queue
  readonly #now: () => EpochMs
  readonly #leases = new Map<number, Lease>()
  /** Ended before the queue has handed them out. */
  readonly #ended = new Set<number>()
  #reading = false
  /** There may be more to read than the last look has found. */
  #more = false

  private constructor(queues: Queues, queue: Queue, now: () => EpochMs) {
    this.#queues = queues
    this.#queue = queue
    this.#now = now
  }

  /** @returns also what was open when the last process ended */
  static async open(
    queues: Queues,
    name: string,
    now: () => EpochMs,
  ): Promise<{ readonly intents: Intents; readonly left: readonly OpenIntent[] }> {
    const queue = await queues.open(name)
    const intents = new Intents(queues, queue, now)
    const left: OpenIntent[] = []
    for (;;) {
      const leases = await intents.#lease()
      if (leases.length === 0) break
      for (const lease of leases) {
        intents.#leases.set(lease.sequence, lease)
        const intent = JSON.parse(lease.bytes.toString()) as Intent
        left.push({ ...intent, sequence: lease.sequence })
      }
    }
    queue.onReady = () => {
      intents.#read().catch(() => {})
    }
    return { intents, left }
  }

  /** Resolves when they are durable; rejects with `StoreUnavailable` when they cannot be. */
  async begin(intents: readonly Intent[]): Promise<readonly OpenIntent[]> {
    const { firstSequence, durable } = this.#queues.append(
      intents.map((intent) => ({
        head: Buffer.from(JSON.stringify(intent)),
        source: nothing,
        start: 0,
        end: 0,
        tail: nothing,
        queues: [this.#queue],
      })),
    )
    await durable
    return intents.map((intent, n) => ({ ...intent, sequence: firstSequence + n }))
  }

  end({ sequence }: OpenIntent): void {
    const lease = this.#leases.get(sequence)
    if (!lease) {
      this.#ended.add(sequence)
      return
    }
    this.#leases.delete(sequence)
    this.#forget(lease)
  }

  /** Not awaited: after a crash it would only be looked at once more. */
  #forget(lease: Lease): void {
    this.#queue.done([lease]).catch(() => {})
  }

  async #read(): Promise<void> {
    this.#more = true
    if (this.#reading) return
    this.#reading = true
    try {
      while (this.#more) {
        const leases = await this.#lease()
        this.#more = this.#more || leases.length > 0
        for (const lease of leases)
          if (this.#ended.delete(lease.sequence)) this.#forget(lease)
          else this.#leases.set(lease.sequence, lease)
      }
    } finally {
      this.#reading = false
    }
  }

  #lease(): Promise<readonly Lease[]> {
    this.#more = false
    return this.#queue.lease(1_000, leaseBytes, this.#now())
  }
}
