import { crc32 } from 'node:zlib'
import type { Position } from './journal.ts'
import type { LogQueue } from './log-queue.ts'
import type { Ahead, EntryState, Span } from './unread.ts'

/*
 * A checkpoint: the queues as they stood, so that recovery replays only what came after. Each queue is written
 * down at a moment of its own and says which (`asOf`), so that a thousand queues need no long pause.
 *
 *   | 'BUSBARC3' | crc32 of the rest u32 | next sequence f64 | next queue id u32 | begun at f64 | queues u32 | queue ... |
 *
 * `begun at` is the journal's end when the first queue was written: queues opened or dropped since are replayed.
 */

const magic = 'BUSBARC3'
/**
 * Those of older checkpoints: the first says nothing of locks, as entries could not be locked then; both have spans
 * that lie in fixed stretches of the journal.
 */
const magics = ['BUSBARC1', 'BUSBARC2', magic]
const olderStretchBytes = 16 * 1024 * 1024
const headerBytes = 12

export interface SavedEntry {
  readonly sequence: number
  readonly recordAt: Position
  readonly index: number
  readonly offset: number
  readonly length: number
  readonly attempts: number
  readonly dueAt: number
  readonly note: string
  readonly lockedAs: number
}

export interface SavedQueue {
  readonly id: number
  readonly name: string
  /** The state holds everything before this position, and nothing from it on. */
  readonly asOf: Position
  readonly unread: number
  readonly cursorAt: Position
  readonly cursorIndex: number
  readonly cursorSequence: number
  readonly bytes: number
  readonly spans: readonly Span[]
  readonly ahead: readonly (readonly [number, Ahead])[]
  readonly window: readonly SavedEntry[]
}

export interface Checkpoint {
  readonly nextSequence: number
  readonly nextQueueId: number
  readonly begunAt: Position
  readonly queues: readonly SavedQueue[]
}

/** Writes a checkpoint queue by queue. */
export class CheckpointWriter {
  readonly #bytes = new ByteWriter()
  #queues = 0
  readonly #queuesAt: number
  readonly begunAt: Position
  /** Recovery replays from here. */
  replayFrom: Position
  /** The oldest position that any queue needed when it was written down. */
  oldestAt: Position

  constructor(head: Omit<Checkpoint, 'queues'>) {
    const bytes = this.#bytes
    bytes.ascii(magic)
    bytes.u32(0)
    bytes.f64(head.nextSequence)
    bytes.u32(head.nextQueueId)
    bytes.f64(head.begunAt)
    this.#queuesAt = bytes.length
    bytes.u32(0)
    this.begunAt = head.begunAt
    this.replayFrom = head.begunAt
    this.oldestAt = head.begunAt
  }

  add(queue: LogQueue, asOf: Position): void {
    const bytes = this.#bytes
    this.#queues++
    this.oldestAt = Math.min(this.oldestAt, queue.oldestAt)
    bytes.u32(queue.id)
    bytes.text(queue.name)
    bytes.f64(asOf)
    const { unread } = queue
    bytes.f64(unread.count)
    bytes.f64(unread.at)
    bytes.u32(unread.index)
    bytes.f64(unread.sequence)
    bytes.f64(queue.bytes)
    bytes.u32(unread.spans.length)
    for (const { entries, firstAt, lastAt } of unread.spans) {
      bytes.u32(entries)
      bytes.f64(firstAt)
      bytes.f64(lastAt)
    }
    bytes.u32(unread.ahead.size)
    for (const [sequence, ahead] of unread.ahead) {
      bytes.f64(sequence)
      bytes.u8(ahead === 'finished' ? 0 : 1)
      if (ahead !== 'finished') bytes.state(ahead)
    }
    bytes.u32(queue.window.size)
    for (const entry of queue.window) {
      bytes.f64(entry.sequence)
      bytes.f64(entry.recordAt)
      bytes.u32(entry.index)
      bytes.u32(entry.offset)
      bytes.u32(entry.length)
      bytes.state(entry)
    }
  }

  finish(): Buffer {
    this.#bytes.patch32(this.#queuesAt, this.#queues)
    const bytes = this.#bytes.take()
    bytes.writeUInt32LE(crc32(bytes.subarray(headerBytes)), 8)
    return bytes
  }
}

/** Whether these bytes are a whole checkpoint. */
export const isCheckpoint = (buffer: Buffer): boolean =>
  buffer.length >= headerBytes &&
  magics.includes(buffer.toString('latin1', 0, 8)) &&
  crc32(buffer.subarray(headerBytes)) === buffer.readUInt32LE(8)

/** Undefined when these bytes are no whole checkpoint. */
export function readCheckpoint(buffer: Buffer): Checkpoint | undefined {
  if (!isCheckpoint(buffer)) return undefined
  const read = new ByteReader(buffer, headerBytes, magics.indexOf(buffer.toString('latin1', 0, 8)) + 1)
  const nextSequence = read.f64()
  const nextQueueId = read.u32()
  const begunAt = read.f64()
  return { nextSequence, nextQueueId, begunAt, queues: read.times(() => readQueue(read)) }
}

function readQueue(read: ByteReader): SavedQueue {
  return {
    id: read.u32(),
    name: read.text(),
    asOf: read.f64(),
    unread: read.f64(),
    cursorAt: read.f64(),
    cursorIndex: read.u32(),
    cursorSequence: read.f64(),
    bytes: read.f64(),
    spans: read.times(() => read.span()),
    ahead: read.times((): readonly [number, Ahead] => {
      const sequence = read.f64()
      return [sequence, read.u8() === 0 ? 'finished' : read.state()]
    }),
    window: read.times(() => ({
      sequence: read.f64(),
      recordAt: read.f64(),
      index: read.u32(),
      offset: read.u32(),
      length: read.u32(),
      ...read.state(),
    })),
  }
}

/** Everything before it was durable in the journal when the checkpoint was written. */
export function coveredBy({ begunAt, queues }: Checkpoint): Position {
  let covered = begunAt
  for (const { asOf } of queues) covered = Math.max(covered, asOf)
  return covered
}

class ByteWriter {
  #buffer = Buffer.allocUnsafe(64 * 1024)
  length = 0

  #room(bytes: number): void {
    if (this.length + bytes <= this.#buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.length + bytes))
    this.#buffer.copy(larger, 0, 0, this.length)
    this.#buffer = larger
  }

  ascii(text: string): void {
    this.#room(text.length)
    this.length += this.#buffer.write(text, this.length, 'latin1')
  }

  u8(value: number): void {
    this.#room(1)
    this.length = this.#buffer.writeUInt8(value, this.length)
  }

  u32(value: number): void {
    this.#room(4)
    this.length = this.#buffer.writeUInt32LE(value, this.length)
  }

  f64(value: number): void {
    this.#room(8)
    this.length = this.#buffer.writeDoubleLE(value, this.length)
  }

  text(value: string): void {
    const bytes = Buffer.byteLength(value)
    this.u32(bytes)
    this.#room(bytes)
    this.length += this.#buffer.write(value, this.length)
  }

  state({ attempts, dueAt, note, lockedAs }: EntryState): void {
    this.u32(attempts)
    this.f64(dueAt)
    this.text(note)
    this.f64(lockedAs)
  }

  patch32(at: number, value: number): void {
    this.#buffer.writeUInt32LE(value, at)
  }

  take(): Buffer {
    return this.#buffer.subarray(0, this.length)
  }
}

class ByteReader {
  readonly #buffer: Buffer
  readonly #version: number
  #at: number

  constructor(buffer: Buffer, at: number, version: number) {
    this.#buffer = buffer
    this.#at = at
    this.#version = version
  }

  u8(): number {
    return this.#buffer.readUInt8(this.#at++)
  }

  u32(): number {
    this.#at += 4
    return this.#buffer.readUInt32LE(this.#at - 4)
  }

  f64(): number {
    this.#at += 8
    return this.#buffer.readDoubleLE(this.#at - 8)
  }

  text(): string {
    const bytes = this.u32()
    this.#at += bytes
    return this.#buffer.toString('utf8', this.#at - bytes, this.#at)
  }

  state(): EntryState {
    const attempts = this.u32()
    const dueAt = this.f64()
    const note = this.text()
    return { attempts, dueAt, note, lockedAs: this.#version >= 2 ? this.f64() : 0 }
  }

  span(): Span {
    if (this.#version >= 3) return { entries: this.u32(), firstAt: this.f64(), lastAt: this.f64() }
    const stretch = this.u32()
    return { entries: this.u32(), firstAt: this.f64(), lastAt: (stretch + 1) * olderStretchBytes - 1 }
  }

  /** As many items as the count that stands there says. */
  times<T>(item: () => T): T[] {
    const items: T[] = []
    for (let left = this.u32(); left > 0; left--) items.push(item())
    return items
  }
}
