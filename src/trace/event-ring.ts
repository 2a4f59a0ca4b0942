import type { EpochMs } from '../base/clock.ts'
import type { GridEvent, InputSchema } from '../event/event.ts'
import type { Progress } from './progress.ts'

/** What the events of one topic have in common; one object for all of them. */
export interface TracedTopic {
  readonly topicId: string
  readonly schema: InputSchema
}

/** An event taken out of the ring to be told of, or to outlive it. */
export interface Kept<T extends TracedTopic> {
  readonly sequence: number
  readonly at: EpochMs
  readonly id: string
  /** The event in its input schema, one JSON object. */
  readonly bytes: Buffer
  readonly topic: T
  readonly matched: readonly string[]
  readonly progress: Progress | undefined
}

/** Of one ring, whatever the limits say: so many would take hundreds of mebibytes anyway. */
const mostEvents = 1_000_000

/**
 * The newest events, each in the place that its sequence says. Their bytes are copied into one buffer that goes
 * round, as objects kept for ten thousand events would cost every event a share of the garbage collector's work.
 */
export class EventRing<T extends TracedTopic> {
  /** Called with each event that makes room for newer ones and has been attempted. */
  onEvict: ((kept: Kept<T>) => void) | undefined
  readonly #size: number
  readonly #bytes: Buffer
  readonly #sequences: Float64Array
  readonly #at: Float64Array
  readonly #offsets: Float64Array
  readonly #lengths: Uint32Array
  readonly #ids: (string | undefined)[]
  readonly #topics: (T | undefined)[]
  readonly #matched: (readonly string[] | undefined)[]
  readonly #progress: (Progress | undefined)[]
  /** No event before this one is kept. */
  #oldest = 1
  #newest = 0
  /** Bytes ever written; the place in the buffer is what remains of it. */
  #written = 0

  constructor(limits: { readonly events: number; readonly bytes: number }) {
    const size = limits.bytes > 0 ? Math.min(limits.events, mostEvents) : 0
    this.#size = size
    // Memory is taken by the system when it is first written to, not here.
    this.#bytes = Buffer.allocUnsafeSlow(size > 0 ? limits.bytes : 0)
    this.#sequences = new Float64Array(size)
    this.#at = new Float64Array(size)
    this.#offsets = new Float64Array(size)
    this.#lengths = new Uint32Array(size)
    this.#ids = Array.from({ length: size })
    this.#topics = Array.from({ length: size })
    this.#matched = Array.from({ length: size })
    this.#progress = Array.from({ length: size })
  }

  put(sequence: number, at: EpochMs, event: GridEvent, topic: T, matched: readonly string[]): void {
    const { source, start, end, tail } = event
    const length = end - start + tail.length
    if (this.#size === 0 || length > this.#bytes.length) return
    const first = Math.max(sequence - this.#size + 1, this.#oldest)
    // Over a gap in the sequence no place is visited twice.
    for (let n = Math.max(this.#oldest, first - this.#size); n < first; n++) this.#evict(n)
    this.#oldest = first
    const offset = this.#makeRoom(length)
    source.copy(this.#bytes, offset, start, end)
    tail.copy(this.#bytes, offset + end - start)
    const place = sequence % this.#size
    this.#sequences[place] = sequence
    this.#at[place] = at
    this.#offsets[place] = this.#written
    this.#lengths[place] = length
    this.#ids[place] = event.id
    this.#topics[place] = topic
    this.#matched[place] = matched
    this.#written += length
    this.#newest = sequence
  }

  /** The place of that event, for `progress` and `setProgress`; undefined when it is no longer kept. */
  placeOf(sequence: number): number | undefined {
    if (this.#size === 0) return undefined
    const place = sequence % this.#size
    return this.#sequences[place] === sequence ? place : undefined
  }

  progress(place: number): Progress | undefined {
    return this.#progress[place]
  }

  setProgress(place: number, progress: Progress): void {
    this.#progress[place] = progress
  }

  /** The newest event with that id. */
  find(eventId: string): Kept<T> | undefined {
    for (let sequence = this.#newest; sequence >= this.#oldest; sequence--) {
      const place = this.placeOf(sequence)
      if (place !== undefined && this.#ids[place] === eventId) return this.#keep(place)
    }
    return undefined
  }

  /** Moves on to where `length` bytes fit in one piece, letting go of the events whose bytes lie there. */
  #makeRoom(length: number): number {
    const capacity = this.#bytes.length
    let offset = this.#written % capacity
    if (offset + length > capacity) {
      this.#written += capacity - offset
      offset = 0
    }
    const free = this.#written + length - capacity
    for (; this.#oldest <= this.#newest; this.#oldest++) {
      const place = this.placeOf(this.#oldest)
      if (place === undefined) continue
      if ((this.#offsets[place] as number) >= free) break
      this.#evict(this.#oldest)
    }
    return offset
  }

  #evict(sequence: number): void {
    const place = this.placeOf(sequence)
    if (place === undefined) return
    if (this.#progress[place]) {
      this.onEvict?.(this.#keep(place))
      this.#progress[place] = undefined
    }
    this.#sequences[place] = 0
    this.#ids[place] = undefined
  }

  #keep(place: number): Kept<T> {
    const offset = (this.#offsets[place] as number) % this.#bytes.length
    return {
      sequence: this.#sequences[place] as number,
      at: this.#at[place] as number,
      id: this.#ids[place] as string,
      bytes: Buffer.from(this.#bytes.subarray(offset, offset + (this.#lengths[place] as number))),
      topic: this.#topics[place] as T,
      matched: this.#matched[place] as readonly string[],
      progress: this.#progress[place],
    }
  }
}
