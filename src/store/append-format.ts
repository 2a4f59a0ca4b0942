import type { BatchWriter } from './record-format.ts'
import type { Appendable } from './store.ts'

/*
 * Body of an `append` record:
 *
 *   | first sequence u48 | events u32 | event ... |
 *   event:  | queues u16 | queue id u32 ... | length u32 | stored bytes |
 *
 * `queues` 0xffff stands for "the same queues as the event before": a batch for one event subscription, or for
 * a thousand, names them once.
 */

export const mostQueuesPerEvent = 0xfffe
const sameQueues = 0xffff

/** An upper bound of what `writeAppend` writes. */
export function appendBytes(events: readonly Appendable[]): number {
  let bytes = 10
  let previous: readonly unknown[] | undefined
  for (const { head, start, end, tail, queues } of events) {
    bytes += 6 + (queues === previous ? 0 : 4 * queues.length) + head.length + (end - start) + tail.length
    previous = queues
  }
  return bytes
}

/** Writes the queue list of one event, or that it is the one before. */
export function writeQueueIds(
  writer: BatchWriter,
  queues: readonly { readonly id: number }[],
  previous: readonly { readonly id: number }[] | undefined,
): void {
  if (queues === previous) {
    writer.u16(sameQueues)
    return
  }
  writer.u16(queues.length)
  for (const queue of queues) writer.u32(queue.id)
}

/** Walks over the events of an `append` record; the fields describe the event that `next()` went to. */
export class AppendWalk {
  readonly #buffer: Buffer
  #at: number
  #left: number
  sequence: number
  /** Index of the event in its record. */
  index = -1
  /** Offset of the first queue id. */
  queuesAt = 0
  queues = 0
  /** Offset and length of the stored bytes. */
  bytesAt = 0
  bytes = 0

  constructor(buffer: Buffer, bodyStart: number) {
    this.#buffer = buffer
    this.sequence = buffer.readUIntLE(bodyStart, 6) - 1
    this.#left = buffer.readUInt32LE(bodyStart + 6)
    this.#at = bodyStart + 10
  }

  next(): boolean {
    if (this.#left === 0) return false
    this.#left--
    this.sequence++
    this.index++
    const buffer = this.#buffer
    const count = buffer.readUInt16LE(this.#at)
    this.#at += 2
    if (count !== sameQueues) {
      this.queues = count
      this.queuesAt = this.#at
      this.#at += 4 * count
    }
    this.bytes = buffer.readUInt32LE(this.#at)
    this.bytesAt = this.#at + 4
    this.#at = this.bytesAt + this.bytes
    return true
  }

  /** Offset behind the events, once `next()` has answered false. */
  get end(): number {
    return this.#at
  }

  queueId(n: number): number {
    return this.#buffer.readUInt32LE(this.queuesAt + 4 * n)
  }

  wants(id: number): boolean {
    for (let n = 0; n < this.queues; n++) if (this.queueId(n) === id) return true
    return false
  }
}
