import type { EpochMs } from '../base/clock.ts'
import type { Position } from './journal.ts'
import { type BatchWriter, RecordType, type RecordWalk, recordHeaderBytes } from './record-format.ts'
import type { ReadEntry } from './store.ts'

/*
 * Bodies of the records of streams.
 *
 *   streamHead:     | partitions u16 | state ... |
 *   state:          | next sequence u48 | last offset u48 | last moment u48 |     of a partition; offset 0: none yet
 *
 *   streamEntries:  | partition u16 | first sequence u48 | entries u32 | entry ... |
 *   entry:          | moment u48 | length u32 | bytes |
 *
 * Each segment begins with a head: so a start reads of all segments but the last one record. The offset of an entry is
 * the position of its bytes in the journal.
 */

export interface PartitionState {
  nextSequence: number
  /** 0: there never was an entry. */
  lastOffset: number
  lastAt: EpochMs
}

const stateBytes = 18
const entriesHeadBytes = 12
const entryHeadBytes = 10

export const streamHeadBytes = (partitions: number): number =>
  recordHeaderBytes + 1 + 2 + stateBytes * partitions

export const streamEntriesBytes = (entries: number, bytes: number): number =>
  recordHeaderBytes + 1 + entriesHeadBytes + entryHeadBytes * entries + bytes

export function writeStreamHead(writer: BatchWriter, states: readonly PartitionState[]): void {
  writer.begin(RecordType.streamHead, 2 + stateBytes * states.length)
  writer.u16(states.length)
  for (const { nextSequence, lastOffset, lastAt } of states) {
    writer.u48(nextSequence)
    writer.u48(lastOffset)
    writer.u48(lastAt)
  }
  writer.end()
}

/** Undefined where the record is no head. */
export function readStreamHead({ type, buffer, bodyStart }: RecordWalk): PartitionState[] | undefined {
  if (type !== RecordType.streamHead) return undefined
  return Array.from({ length: buffer.readUInt16LE(bodyStart) }, (_, n) => {
    const at = bodyStart + 2 + n * stateBytes
    return {
      nextSequence: buffer.readUIntLE(at, 6),
      lastOffset: buffer.readUIntLE(at + 6, 6),
      lastAt: buffer.readUIntLE(at + 12, 6),
    }
  })
}

/**
 * Writes entries of one partition, whose bytes are `bytes` in all. The record that came of it, whose positions count
 * from the beginning of the batch.
 */
export function writeStreamEntries(
  writer: BatchWriter,
  partition: number,
  firstSequence: number,
  entries: readonly { readonly at: EpochMs; readonly bytes: Buffer }[],
  bytes: number,
): { readonly entriesAt: number; readonly lastAt: number } {
  writer.begin(RecordType.streamEntries, entriesHeadBytes + entryHeadBytes * entries.length + bytes)
  writer.u16(partition)
  writer.u48(firstSequence)
  writer.u32(entries.length)
  const entriesAt = writer.bytes
  let lastAt = entriesAt
  for (const { at, bytes: own } of entries) {
    writer.u48(at)
    writer.u32(own.length)
    lastAt = writer.bytes
    writer.bytesOf(own, 0, own.length)
  }
  writer.end()
  return { entriesAt, lastAt }
}

/** Entries of one partition, one behind the other. */
export class Block {
  readonly partition: number
  readonly firstSequence: number
  readonly count: number
  readonly #buffer: Buffer
  /** Of the first entry, in the buffer. */
  readonly #start: number
  /** Of the buffer's first byte. */
  readonly #position: Position

  constructor(
    partition: number,
    firstSequence: number,
    count: number,
    place: { readonly buffer: Buffer; readonly start: number; readonly position: Position },
  ) {
    this.partition = partition
    this.firstSequence = firstSequence
    this.count = count
    this.#buffer = place.buffer
    this.#start = place.start
    this.#position = place.position
  }

  /** Undefined where the record that `walk` stands on holds no entries. @param position of the buffer's first byte */
  static of({ type, buffer, bodyStart }: RecordWalk, position: Position): Block | undefined {
    if (type !== RecordType.streamEntries) return undefined
    const start = bodyStart + entriesHeadBytes
    return new Block(
      buffer.readUInt16LE(bodyStart),
      buffer.readUIntLE(bodyStart + 2, 6),
      buffer.readUInt32LE(bodyStart + 8),
      { buffer, start, position },
    )
  }

  get nextSequence(): number {
    return this.firstSequence + this.count
  }

  /** Shows entries in order, until `visit` answers false. */
  each(visit: (entry: ReadEntry) => boolean): void {
    this.#walk((sequence, at, start, end) =>
      visit({ sequence, offset: this.#position + start, at, bytes: this.#buffer.subarray(start, end) }),
    )
  }

  /** Adds entries from `sequence` on; false once there are `max`, or `maxBytes` of them. */
  take(sequence: number, room: Room): boolean {
    let isRoom = true
    this.#walk((own, at, start, end) => {
      if (own < sequence) return true
      room.entries.push({
        sequence: own,
        offset: this.#position + start,
        at,
        bytes: this.#buffer.subarray(start, end),
      })
      room.bytes += end - start
      isRoom = room.entries.length < room.max && room.bytes < room.maxBytes
      return isRoom
    })
    return isRoom
  }

  #walk(visit: (sequence: number, at: EpochMs, start: number, end: number) => boolean): void {
    let at = this.#start
    for (let n = 0; n < this.count; n++) {
      const moment = this.#buffer.readUIntLE(at, 6)
      const start = at + entryHeadBytes
      at = start + this.#buffer.readUInt32LE(at + 6)
      if (!visit(this.firstSequence + n, moment, start, at)) return
    }
  }
}

/** Where entries that are read gather. */
export interface Room {
  readonly entries: ReadEntry[]
  bytes: number
  readonly max: number
  readonly maxBytes: number
}
