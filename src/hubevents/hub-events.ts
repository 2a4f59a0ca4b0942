import type { Clock, EpochMs, Timer } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { HubMessage } from '../hubmessage/message.ts'
import { partitionOf } from '../hubmessage/partition.ts'
import type { PartitionFacts, ReadEntry, Stream, Streams } from '../store/store.ts'
import { AmqpWriter } from './amqp-writer.ts'
import { encodeStored } from './stored-message.ts'

/*
 * The built-in endpoint of one IoT hub. In come the messages that are routed to it; whoever may read them does so from
 * any place, as often as they like, and is woken by what comes. It promises that a message is there when `append`
 * resolves, that those of one device stay in their order, and that numbers grow for as long as the hub is there.
 *
 * Source: learn.microsoft.com/azure/iot-hub/iot-hub-devguide-messages-read-builtin
 */

export interface HubEventsSettings {
  readonly partitions: number
  readonly retentionDays: number
}

export interface HubEventsLimits {
  /** Of one hub's messages on disk. */
  readonly bytes: number
  /** Who may wait for messages at a time. */
  readonly waiting: number
}

export const defaultHubEventsLimits: HubEventsLimits = { bytes: 1024 * 1024 * 1024, waiting: 1_000 }

/** The sequence from which to read on, by partition. */
export type Positions = ReadonlyMap<number, number>

const dayMs = 86_400_000
/** How often, and how late at most, messages that are too old are freed. */
const sweepMs = 600_000

export interface HubEventsOptions {
  readonly streams: Streams
  readonly name: string
  readonly settings: HubEventsSettings
  readonly limits: HubEventsLimits
  readonly clock: Clock
  readonly log: Log
}

export async function openHubEvents(options: HubEventsOptions): Promise<HubEvents> {
  const { streams, name, settings, limits } = options
  const retention = retentionOf(settings, limits)
  return new HubEvents(await streams.open(name, { partitions: settings.partitions, retention }), options)
}

const retentionOf = ({ retentionDays }: HubEventsSettings, { bytes }: HubEventsLimits) => ({
  ageMs: retentionDays * dayMs,
  bytes,
})

interface Waiter {
  readonly partitions: Positions
  readonly wake: () => void
}

export class HubEvents {
  readonly #stream: Stream
  readonly #limits: HubEventsLimits
  readonly #clock: Clock
  readonly #log: Log
  readonly #writer = new AmqpWriter()
  readonly #waiters = new Set<Waiter>()
  /** Who reads along, by partition. */
  readonly #followers: readonly Set<() => void>[]
  #sweep: Timer | undefined
  #endsWaits = false

  constructor(stream: Stream, { limits, clock, log }: HubEventsOptions) {
    this.#stream = stream
    this.#limits = limits
    this.#clock = clock
    this.#log = log
    this.#followers = Array.from({ length: stream.partitions }, () => new Set())
    stream.onAppend = (partitions) => this.#wake(partitions)
    this.#sweepNow()
  }

  get partitions(): number {
    return this.#stream.partitions
  }

  /** Where the messages of a device are. */
  partitionOf(deviceId: string): number {
    return partitionOf(deviceId, this.#stream.partitions)
  }

  /** Resolves when they are durable. */
  async append(messages: readonly HubMessage[]): Promise<void> {
    await this.#stream.append(
      messages.map((message) => ({
        partition: this.partitionOf(message.deviceId),
        at: message.enqueuedAt,
        bytes: encodeStored(this.#writer, message),
      })),
    )
  }

  facts(partition: number): PartitionFacts {
    return this.#stream.facts(partition)
  }

  read(
    partition: number,
    sequence: number,
    max: number,
    maxBytes: number,
  ): readonly ReadEntry[] | Promise<readonly ReadEntry[]> {
    return this.#stream.read(partition, sequence, max, maxBytes)
  }

  /** The sequence of the first message whose place, or moment, is greater; the next one's where there is none. */
  firstAfter(partition: number, what: 'offset' | 'at', value: number): Promise<number> {
    return this.#stream.firstAfter(partition, what, value)
  }

  /** Calls `onMore` whenever there is more to read in a partition, until what it answers with is called. */
  follow(partition: number, onMore: () => void): () => void {
    const followers = this.#followers[partition]
    followers?.add(onMore)
    return () => followers?.delete(onMore)
  }

  /**
   * Resolves when there is something at any of these positions, at that moment, or when the server stops. False: too
   * many wait already.
   *
   * @param signal whoever waits is gone
   */
  async untilMore(positions: Positions, until: EpochMs, signal: AbortSignal): Promise<boolean> {
    const isThere = [...positions].some(([partition, next]) => next < this.facts(partition).nextSequence)
    if (isThere || this.#endsWaits || signal.aborted || until <= this.#clock.now()) return true
    if (this.#waiters.size >= this.#limits.waiting) return false
    const { promise, resolve } = Promise.withResolvers<void>()
    const waiter: Waiter = { partitions: positions, wake: resolve }
    this.#waiters.add(waiter)
    const timer = this.#clock.at(until, resolve)
    signal.addEventListener('abort', () => resolve(), { once: true })
    await promise
    this.#waiters.delete(waiter)
    timer.cancel()
    return true
  }

  #wake(partitions: readonly number[]): void {
    for (const waiter of this.#waiters)
      if (partitions.some((partition) => waiter.partitions.has(partition))) waiter.wake()
    for (const partition of partitions) for (const onMore of this.#followers[partition] ?? []) onMore()
  }

  /** The hub's settings have changed. */
  update(settings: HubEventsSettings): void {
    this.#stream.retain(retentionOf(settings, this.#limits))
  }

  #sweepNow(): void {
    const now = this.#clock.now()
    this.#sweep = this.#clock.at(now + sweepMs, () => this.#sweepNow())
    this.#stream
      .expire(now)
      .catch((error: unknown) =>
        this.#log.error({ err: error, stream: this.#stream.name }, 'Old messages could not be freed.'),
      )
  }

  /** Whoever waits is answered now, and nobody waits any more. */
  endWaits(): void {
    this.#endsWaits = true
    for (const { wake } of this.#waiters) wake()
  }

  close(): void {
    this.endWaits()
    this.#sweep?.cancel()
    this.#stream.onAppend = undefined
  }
}
