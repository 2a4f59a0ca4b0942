import { assert } from '../base/assert.ts'
import type { EpochMs } from '../base/clock.ts'
import { AppendWalk } from './append-format.ts'
import type { Journal, Position } from './journal.ts'
import { Chunk, DueHeap, Entry, EntryList, Fifo } from './queue-entry.ts'
import { RecordType, RecordWalk, recordHeaderBytes } from './record-format.ts'
import type { Lease, Queue, QueueCounts } from './store.ts'

/*
 * One queue over the journal: a window of entries that were read and are not finished, and behind it a cursor
 * into the journal with a count of what has not been read. A queue that keeps up never uses the cursor: its
 * events go from the append straight into the window, with their bytes. A queue that does not costs a number.
 */

export interface QueueLimits {
  /** Entries in memory, over all queues. */
  readonly windowEntries: number
  /** Entries in memory of one queue, as long as `windowEntries` allows it. */
  readonly windowEntriesPerQueue: number
  /** What every queue may have in memory, however many there are. */
  readonly windowEntriesAlways: number
  /** Stored bytes kept in memory for entries that wait, over all queues. */
  readonly cachedBytes: number
  /** Read from the journal at a time by a queue that catches up. */
  readonly readBytes: number
}

export const defaultQueueLimits: QueueLimits = {
  windowEntries: 200_000,
  windowEntriesPerQueue: 4096,
  windowEntriesAlways: 64,
  cachedBytes: 48 * 1024 * 1024,
  readBytes: 512 * 1024,
}

/** What the queues of one journal share. */
export interface QueueOwner {
  readonly journal: Journal
  readonly limits: QueueLimits
  /** Everything before it has been shown to the queues. */
  readonly appliedEnd: Position
  windowEntries: number
  cachedBytes: number
  /** The queue has something to be written with the next commit; resolves when it is durable. */
  written(queue: LogQueue): Promise<void>
  /** The journal could not be read where this queue stands. */
  damaged(queue: LogQueue, error: Error): void
}

/** Where unread entries lie: so many within this stretch of the journal, the first one there. */
export interface Span {
  readonly stretch: number
  entries: number
  readonly firstAt: Position
}

/** Stretches are this long; a queue with few entries skips the stretches between them. */
const stretchBytes = 16 * 1024 * 1024

/** What is known of an entry that has not been read again since the last start. */
export type Ahead = 'finished' | { readonly attempts: number; readonly dueAt: EpochMs; readonly note: string }

export interface Postponement {
  readonly sequence: number
  readonly attempts: number
  readonly dueAt: EpochMs
  readonly note: string
}

class EntryLease implements Lease {
  readonly entry: Entry
  readonly sequence: number
  readonly bytes: Buffer
  readonly attempts: number
  readonly note: string

  constructor(entry: Entry, bytes: Buffer) {
    this.entry = entry
    this.sequence = entry.sequence
    this.bytes = bytes
    this.attempts = entry.attempts
    this.note = entry.note
  }
}

const noLeases: readonly Lease[] = []

export class LogQueue implements Queue {
  readonly id: number
  readonly name: string
  readonly #owner: QueueOwner
  onReady: (() => void) | undefined
  dropped = false

  // The window. Every entry of it is in `window` and in one of: ready, postponed, cold, or leased.
  readonly window = new EntryList()
  readonly #ready = new Fifo()
  readonly #postponed = new DueHeap()
  /** Due, but their bytes must be read again first. */
  #cold: Entry[] = []
  #leased = 0

  // What has not been read. While `unread` is 0 the rest means nothing.
  unread = 0
  cursorAt: Position = 0
  cursorIndex = 0
  /** Every entry of the window has a lower sequence, every unread one this or a higher one. */
  cursorSequence = 0
  spans: Span[] = []
  readonly ahead = new Map<number, Ahead>()

  /** Stored bytes of all entries, for deciding when the journal is worth cleaning. */
  bytes = 0
  // To be written with the next commit.
  finished: number[] = []
  postponements: Postponement[] = []
  #filling: Promise<void> | undefined
  #damaged = false

  constructor(id: number, name: string, owner: QueueOwner) {
    this.id = id
    this.name = name
    this.#owner = owner
  }

  // ------------------------------------------------------------------------------------------- the reader's side

  counts(): QueueCounts {
    return {
      entries: this.window.size + this.unread,
      leased: this.#leased,
      postponed: this.#postponed.size,
    }
  }

  lease(max: number, maxBytes: number, now: EpochMs): Promise<readonly Lease[]> {
    const leases = this.#take(max, maxBytes, now)
    if (leases.length > 0) {
      // What follows is read while these are delivered.
      if (this.#wantsMore(max)) this.#fillThenSignal()
      return Promise.resolve(leases)
    }
    if (!this.#wantsMore(max)) return Promise.resolve(noLeases)
    return this.#fill().then(() => this.#take(max, maxBytes, now))
  }

  done(leases: readonly Lease[]): Promise<void> {
    for (const lease of leases) {
      const { entry } = lease as EntryLease
      if (entry.lease !== lease || this.dropped) continue
      entry.lease = undefined
      this.#leased--
      this.finished.push(entry.sequence)
      this.#forget(entry)
    }
    return this.#owner.written(this)
  }

  postpone(lease: Lease, attempts: number, dueAt: EpochMs, note: string): Promise<void> {
    const { entry } = lease as EntryLease
    if (entry.lease !== lease || this.dropped) return Promise.resolve()
    entry.lease = undefined
    this.#leased--
    entry.attempts = attempts
    entry.dueAt = dueAt
    entry.note = note
    // A wait is long compared to reading the bytes again, and memory is better spent on what is prompt.
    this.#releaseChunk(entry)
    this.#postponed.push(entry)
    this.postponements.push({ sequence: entry.sequence, attempts, dueAt, note })
    const durable = this.#owner.written(this)
    this.onReady?.()
    return durable
  }

  release(leases: readonly Lease[]): void {
    for (const lease of leases) {
      const { entry } = lease as EntryLease
      if (entry.lease !== lease || this.dropped) continue
      entry.lease = undefined
      this.#leased--
      this.#ready.push(entry)
    }
    this.onReady?.()
  }

  nextDueAt(): EpochMs | undefined {
    return this.#postponed.first?.dueAt
  }

  #take(max: number, maxBytes: number, now: EpochMs): readonly Lease[] {
    for (let due = this.#postponed.first; due && due.dueAt <= now; due = this.#postponed.first) {
      this.#postponed.pop()
      due.dueAt = 0
      if (due.chunk) this.#ready.push(due)
      else this.#cold.push(due)
    }
    if (this.#ready.size === 0) return noLeases
    const leases: Lease[] = []
    let bytes = 0
    while (leases.length < max && bytes < maxBytes) {
      const entry = this.#ready.shift()
      if (!entry) break
      const { chunk } = entry
      if (!chunk) {
        this.#cold.push(entry)
        continue
      }
      const at = entry.recordAt - chunk.position + entry.offset
      const lease = new EntryLease(entry, chunk.buffer.subarray(at, at + entry.length))
      entry.lease = lease
      this.#leased++
      bytes += entry.length
      leases.push(lease)
    }
    return leases
  }

  // ---------------------------------------------------------------------------------------- the journal's side

  /**
   * An entry that has become durable; `chunk` holds its bytes where it was appended by this process.
   * Whether it went into the window.
   */
  admit(entry: Entry, chunk: Chunk | undefined): boolean {
    if (this.dropped) return false
    this.bytes += entry.length
    const enters = this.unread === 0 && this.#hasRoom(chunk !== undefined)
    if (enters) this.#enter(entry, chunk)
    else this.#leaveUnread(entry)
    return enters
  }

  #hasRoom(withBytes: boolean): boolean {
    const { limits, windowEntries, cachedBytes } = this.#owner
    const few = this.window.size < limits.windowEntriesAlways
    // Beyond the budget only queues that have next to nothing in memory get more of it, up to twice the budget.
    if (withBytes && cachedBytes >= limits.cachedBytes && !(few && cachedBytes < 2 * limits.cachedBytes))
      return false
    return few || (windowEntries < limits.windowEntries && this.window.size < limits.windowEntriesPerQueue)
  }

  #enter(entry: Entry, chunk: Chunk | undefined): void {
    this.window.add(entry)
    this.#owner.windowEntries++
    if (chunk) this.#holdChunk(entry, chunk)
    if (entry.dueAt > 0) this.#postponed.push(entry)
    else this.#ready.push(entry)
  }

  #leaveUnread(entry: Entry): void {
    if (this.unread === 0) {
      this.cursorAt = entry.recordAt
      this.cursorIndex = entry.index
      this.cursorSequence = entry.sequence
      this.spans = []
      this.ahead.clear()
    }
    this.unread++
    const stretch = Math.floor(entry.recordAt / stretchBytes)
    const last = this.spans.at(-1)
    if (last?.stretch === stretch) last.entries++
    else this.spans.push({ stretch, entries: 1, firstAt: entry.recordAt })
    const { attempts, dueAt, note } = entry
    if (attempts > 0 || dueAt > 0) this.ahead.set(entry.sequence, { attempts, dueAt, note })
  }

  #forget(entry: Entry): void {
    this.window.remove(entry)
    this.#owner.windowEntries--
    this.#releaseChunk(entry)
    this.bytes -= entry.length
  }

  #holdChunk(entry: Entry, chunk: Chunk): void {
    entry.chunk = chunk
    if (chunk.holders++ === 0) this.#owner.cachedBytes += chunk.buffer.length
  }

  #releaseChunk(entry: Entry): void {
    const { chunk } = entry
    if (!chunk) return
    entry.chunk = undefined
    if (--chunk.holders === 0) this.#owner.cachedBytes -= chunk.buffer.length
  }

  /** Gives up everything: the queue was dropped. */
  clear(): void {
    this.dropped = true
    this.onReady = undefined
    for (const entry of [...this.window]) {
      entry.lease = undefined
      this.#forget(entry)
    }
    this.#ready.remove(() => true)
    this.#postponed.remove(() => true)
    this.#cold = []
    this.#leased = 0
    this.unread = 0
    this.spans = []
    this.ahead.clear()
    this.finished = []
    this.postponements = []
  }

  /** The oldest position that this queue still needs; Infinity when it needs none. */
  get oldestAt(): Position {
    return Math.min(this.window.first?.recordAt ?? Infinity, this.unread > 0 ? this.cursorAt : Infinity)
  }

  // -------------------------------------------------------------------------------------------- reading again

  #wantsMore(max: number): boolean {
    if (this.dropped || this.#damaged) return false
    return this.#cold.length > 0 || (this.unread > 0 && this.#ready.size < max && this.#hasRoom(false))
  }

  #fillThenSignal(): void {
    if (!this.#filling) void this.#fill().then(() => this.onReady?.())
  }

  /** Reads what is due and what comes next. One at a time. */
  #fill(): Promise<void> {
    this.#filling ??= this.#readMore(undefined).finally(() => {
      this.#filling = undefined
    })
    return this.#filling
  }

  /** @param before when given: takes in everything up to there, without bytes, instead of what comes next */
  async #readMore(before: Position | undefined): Promise<void> {
    try {
      if (before === undefined) await this.#warm()
      if (before !== undefined || (this.unread > 0 && this.#hasRoom(false))) await this.#advance(before)
    } catch (error) {
      if (this.dropped) return
      // What is in memory is still handed out; nothing more is read until the operator has decided.
      this.#damaged = true
      this.#owner.damaged(this, error as Error)
    }
  }

  /** Reads the bytes of due entries again, in the order in which they lie in the journal. */
  async #warm(): Promise<void> {
    const { limits } = this.#owner
    const entries = this.#cold.toSorted((a, b) => a.recordAt - b.recordAt || a.index - b.index)
    this.#cold = []
    let chunk: Chunk | undefined
    let readBytes = 0
    for (const [n, entry] of entries.entries()) {
      if (readBytes >= limits.readBytes || this.dropped) {
        // The rest waits for the next turn: the reader has enough to go on with.
        this.#cold.push(...entries.slice(n))
        return
      }
      if (chunk?.position !== entry.recordAt) {
        const record = await readRecord(this.#owner.journal, entry.recordAt, entry.offset + entry.length)
        if (this.dropped) return
        chunk = new Chunk(record, entry.recordAt)
        readBytes += record.length
      }
      if (chunk.buffer.length === 0) {
        this.#lose(entry)
        continue
      }
      this.#holdChunk(entry, chunk)
      this.#ready.push(entry)
    }
  }

  /** Its event was in what repair has blanked: there is nothing left to deliver. */
  #lose(entry: Entry): void {
    this.finished.push(entry.sequence)
    this.#forget(entry)
    void this.#owner.written(this)
  }

  /**
   * Moves the cursor on, taking entries into the window: a read's worth of them, or (`before` given) every one
   * whose record lies before that position.
   */
  async #advance(before: Position | undefined): Promise<void> {
    const { journal, limits } = this.#owner
    let bytes = limits.readBytes
    while (this.unread > 0) {
      const span = this.spans[0]
      if (span && this.cursorAt < span.firstAt) this.#cursorTo(span.firstAt, 0)
      const from = this.cursorAt
      if (before !== undefined && from >= before) return
      const buffer = await journal.read(from, Math.min(bytes, this.#owner.appliedEnd - from))
      if (this.dropped) return
      if (buffer.length === 0) {
        // Counted but not there: a repair has taken them out.
        this.unread = 0
        this.spans = []
        this.ahead.clear()
        return
      }
      const walk = new RecordWalk(buffer, true)
      if (!this.#takeIn(walk, from, before)) return
      if (walk.at === 0 && walk.next === 0) {
        // Not one whole record in what was read: it is larger than that, or is none.
        if (buffer.length >= walk.needed)
          throw new Error(`The event journal cannot be read at position ${from}.`)
        bytes = walk.needed
      } else bytes = limits.readBytes
    }
  }

  /**
   * Takes in the entries of this queue found in whole records; leaves the cursor behind what it has seen.
   * Whether to read on.
   */
  #takeIn(walk: RecordWalk, from: Position, before: Position | undefined): boolean {
    const { buffer } = walk
    const found: Entry[] = []
    let foundBytes = 0
    let full = false
    while (!full && this.unread > 0) {
      const step = walk.step()
      if (step !== 'record') {
        if (step === 'bad') throw new Error(`The event journal is damaged at position ${from + walk.at}.`)
        break
      }
      const recordAt = from + walk.at
      if (before !== undefined && recordAt >= before) break
      const events = appendBody(walk)
      const skip = recordAt === this.cursorAt ? this.cursorIndex : 0
      let stoppedAt = -1
      while (events?.next()) {
        if (events.index < skip || !events.wants(this.id)) continue
        if (before === undefined && !this.#hasRoom(false)) {
          full = true
          stoppedAt = events.index
          break
        }
        this.#passed(recordAt)
        this.cursorSequence = events.sequence + 1
        const ahead = this.ahead.get(events.sequence)
        this.ahead.delete(events.sequence)
        if (ahead === 'finished') {
          this.bytes -= events.bytes
          continue
        }
        const entry = new Entry(
          events.sequence,
          recordAt,
          events.index,
          events.bytesAt - walk.at,
          events.bytes,
        )
        if (ahead) Object.assign(entry, ahead)
        this.unread--
        this.window.add(entry)
        this.#owner.windowEntries++
        found.push(entry)
        foundBytes += entry.length
      }
      if (full) this.#cursorTo(recordAt, stoppedAt)
      else this.#cursorTo(from + walk.next, 0)
    }
    this.#place(found, foundBytes, buffer, from, before !== undefined)
    return before !== undefined || (!full && found.length === 0)
  }

  /** Gives the entries read from `buffer` their bytes, and their place among the ready or postponed. */
  #place(
    found: readonly Entry[],
    foundBytes: number,
    buffer: Buffer,
    from: Position,
    withoutBytes: boolean,
  ): void {
    const { cachedBytes, limits } = this.#owner
    // A piece of the journal of which little is this queue's is not worth keeping in memory whole.
    const dense = foundBytes * 2 >= buffer.length && cachedBytes < limits.cachedBytes
    const shared = dense && !withoutBytes ? new Chunk(buffer, from) : undefined
    let copies = cachedBytes
    for (const entry of found) {
      if (entry.dueAt > 0) {
        this.#postponed.push(entry)
        continue
      }
      if (shared) this.#holdChunk(entry, shared)
      else if (!withoutBytes && copies < 2 * limits.cachedBytes) {
        const at = entry.recordAt - from + entry.offset
        this.#holdChunk(
          entry,
          new Chunk(Buffer.from(buffer.subarray(at, at + entry.length)), entry.recordAt + entry.offset),
        )
        copies += entry.length
      }
      this.#ready.push(entry)
    }
  }

  #cursorTo(position: Position, index: number): void {
    this.cursorAt = position
    this.cursorIndex = index
  }

  #passed(recordAt: Position): void {
    const stretch = Math.floor(recordAt / stretchBytes)
    while (this.spans[0] && this.spans[0].stretch < stretch) this.spans.shift()
    const span = this.spans[0]
    if (span?.stretch === stretch && --span.entries === 0) this.spans.shift()
  }

  // ------------------------------------------------------------------------------- freeing the journal's front

  /**
   * Takes out every entry whose record lies before `position`, to be appended again; undefined when one of them
   * is leased. They count as leased until `moved` or `unmoved`.
   */
  async takeBefore(position: Position): Promise<readonly Entry[] | undefined> {
    await this.#filling
    if (this.#damaged) return undefined
    if (this.unread > 0 && this.cursorAt < position) {
      this.#filling = this.#readMore(position)
      await this.#filling
      this.#filling = undefined
      if (this.#damaged) return undefined
    }
    const entries: Entry[] = []
    for (const entry of this.window) {
      if (entry.recordAt >= position) break
      if (entry.lease) return undefined
      entries.push(entry)
    }
    if (entries.length === 0) return entries
    const leaves = (entry: Entry) => entry.recordAt < position
    this.#ready.remove(leaves)
    this.#postponed.remove(leaves)
    this.#cold = this.#cold.filter((entry) => !leaves(entry))
    for (const entry of entries) entry.lease = new EntryLease(entry, noBytes)
    this.#leased += entries.length
    return entries
  }

  /** The entry has been appended again, at its new place. */
  moved(entry: Entry, sequence: number, recordAt: Position, index: number, offset: number): void {
    if (!this.#endMove(entry)) return
    this.window.remove(entry)
    entry.sequence = sequence
    entry.recordAt = recordAt
    entry.index = index
    entry.offset = offset
    this.#releaseChunk(entry)
    if (this.unread === 0) {
      this.window.add(entry)
      this.#queueUp(entry)
    } else {
      this.#owner.windowEntries--
      this.#leaveUnread(entry)
    }
  }

  unmoved(entry: Entry): void {
    if (this.#endMove(entry)) this.#queueUp(entry)
  }

  #endMove(entry: Entry): boolean {
    if (this.dropped || !entry.lease) return false
    entry.lease = undefined
    this.#leased--
    return true
  }

  #queueUp(entry: Entry): void {
    if (entry.dueAt > 0) this.#postponed.push(entry)
    else if (entry.chunk) this.#ready.push(entry)
    else this.#cold.push(entry)
  }

  // ------------------------------------------------------------------------------------------------- recovery

  /** Puts an entry of a checkpoint back. */
  restore(entry: Entry): void {
    this.bytes += entry.length
    this.#enter(entry, undefined)
  }

  /** Replays that the entry was finished or postponed; `known` finds the entries of the window. */
  replay(sequence: number, ahead: Ahead, known: Map<number, Entry>): void {
    const entry = known.get(sequence)
    if (entry) {
      if (ahead === 'finished') {
        known.delete(sequence)
        this.#forget(entry)
      } else Object.assign(entry, ahead)
    } else if (
      this.unread > 0 &&
      sequence >= this.cursorSequence &&
      this.ahead.get(sequence) !== 'finished'
    ) {
      if (ahead === 'finished') {
        this.unread--
        if (this.unread === 0) {
          this.spans = []
          this.ahead.clear()
          this.bytes = 0
          for (const waiting of this.window) this.bytes += waiting.length
          return
        }
      }
      this.ahead.set(sequence, ahead)
    }
  }

  /** Ends recovery: what was finished or postponed during the replay takes its place. */
  settleReplay(): void {
    this.#ready.remove(() => true)
    this.#postponed.remove(() => true)
    this.#cold = []
    for (const entry of this.window) this.#queueUp(entry)
    assert(this.#leased === 0, 'a recovered queue has no leases')
  }
}

const noBytes = Buffer.alloc(0)

/** The events of an `append` or `moved` record; undefined for any other. */
export function appendBody(walk: RecordWalk): AppendWalk | undefined {
  if (walk.type === RecordType.append) return new AppendWalk(walk.buffer, walk.bodyStart)
  if (walk.type !== RecordType.moved) return undefined
  return new AppendWalk(walk.buffer, walk.bodyStart + 4 + walk.buffer.readUInt32LE(walk.bodyStart))
}

/**
 * Reads the record at `at` whole and checks it; `guess` is how much of it is needed at least. Empty when the record
 * was blanked by a repair.
 */
export async function readRecord(journal: Journal, at: Position, guess: number): Promise<Buffer> {
  let bytes = Math.max(guess, recordHeaderBytes)
  for (;;) {
    const buffer = await journal.read(at, bytes)
    const walk = new RecordWalk(buffer, true)
    const step = walk.step()
    if (step === 'record') return walk.type === RecordType.filler ? noBytes : buffer.subarray(0, walk.next)
    if (step !== 'short' || walk.needed <= buffer.length || buffer.length < bytes)
      throw new Error(`The event journal is damaged at position ${at}.`)
    bytes = walk.needed
  }
}
