import { assert } from '../base/assert.ts'
import type { EpochMs } from '../base/clock.ts'
import type { Journal, Position } from './journal.ts'
import { Chunk, DueHeap, Entry, EntryList, Fifo } from './queue-entry.ts'
import { readWholeQueue } from './read-queue.ts'
import { readRecord } from './read-record.ts'
import { RecordWalk } from './record-format.ts'
import type { Lease, LockName, Queue, QueueCounts, Urgency } from './store.ts'
import { type Ahead, type EntryState, Unread } from './unread.ts'

/*
 * One queue over the journal: a window of entries that were read and are not finished, and behind it a cursor
 * into the journal with a count of what has not been read. A queue that keeps up never uses the cursor: its
 * events go from the append straight into the window, with their bytes. A queue that does not costs a number.
 */

export interface QueueLimits {
  /** Entries in memory that are not postponed, over all queues. */
  readonly windowEntries: number
  /** Entries in memory of one queue that are not postponed, as long as `windowEntries` allows it. */
  readonly windowEntriesPerQueue: number
  /**
   * Postponed entries, which have no bytes in memory, over all queues, and of one: many more than those, so that
   * what a receiver refuses for hours does not keep new events from it.
   */
  readonly postponedEntries: number
  readonly postponedEntriesPerQueue: number
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
  postponedEntries: 262_144,
  postponedEntriesPerQueue: 65_536,
  windowEntriesAlways: 64,
  cachedBytes: 48 * 1024 * 1024,
  readBytes: 512 * 1024,
}

/** What the queues of one journal share. */
export interface QueueOwner {
  readonly journal: Journal
  readonly limits: QueueLimits
  /** Its files are being closed: what is read at this moment is for nobody. */
  readonly closing: boolean
  /** Everything before it has been shown to the queues. */
  readonly appliedEnd: Position
  windowEntries: number
  postponedEntries: number
  cachedBytes: number
  /** Queues that would read on if all queues together had less in memory. */
  readonly starved: Set<LogQueue>
  /** The queue has something to be written with the next commit; resolves when it is durable. */
  written(queue: LogQueue, urgency: Urgency): Promise<void>
  /** The journal could not be read where this queue stands. */
  damaged(queue: LogQueue, error: Error): void
}

export interface Postponement extends EntryState {
  readonly sequence: number
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

/**
 * Of a locked entry that lies among what is unread, as some do that were locked before the last start: where is not
 * known, so nothing is moved there, and what becomes of it is noted beside it.
 */
class UnreadLease implements Lease {
  readonly sequence: number
  readonly attempts: number
  readonly note: string
  readonly lockedAs: number
  readonly bytes = noBytes
  isEnded = false

  constructor(sequence: number, { attempts, note, lockedAs }: EntryState) {
    this.sequence = sequence
    this.attempts = attempts
    this.note = note
    this.lockedAs = lockedAs
  }
}

const noBytes = Buffer.alloc(0)
const noLeases: readonly Lease[] = []
const mostNoteCharacters = 20_000

export class LogQueue implements Queue {
  readonly id: number
  readonly name: string
  readonly #owner: QueueOwner
  onReady: (() => void) | undefined
  isAside = false
  dropped = false

  // The window. Every entry of it is in `window` and in one of: ready, again, postponed, cold, or leased.
  readonly window = new EntryList()
  readonly #ready = new Fifo()
  /** Due for another time: handed out before what was never tried, which would else starve them. */
  readonly #again = new Fifo()
  readonly #postponed = new DueHeap()
  /** Due, but their bytes must be read again first. */
  #cold: Entry[] = []
  #leased = 0

  readonly unread = new Unread()

  /** The locked entries of the window, by the names of their locks. */
  readonly #locks = new Map<number, Entry>()
  /** Sequences of the locked entries among what is unread, by the names of their locks. */
  readonly #unreadLocks = new Map<number, number>()
  /** Entries that are just being moved, and those who wait until none is. */
  #moving = 0
  #settled: (() => void)[] = []

  /** Stored bytes of all entries; by them it is decided when the journal is worth cleaning, too. */
  bytes = 0
  // To be written with the next commit.
  finished: number[] = []
  postponements: Postponement[] = []
  #filling: Promise<void> | undefined
  #damaged = false
  /** A reader was given less than it asked for, because the window is full. */
  #starved = false

  constructor(id: number, name: string, owner: QueueOwner) {
    this.id = id
    this.name = name
    this.#owner = owner
  }

  // ------------------------------------------------------------------------------------------- the reader's side

  counts(): QueueCounts {
    return {
      entries: this.window.size + this.unread.count,
      leased: this.#leased,
      postponed: this.#postponed.size,
      locked: this.#locks.size + this.#unreadLocks.size,
    }
  }

  lease(max: number, maxBytes: number, now: EpochMs): Promise<readonly Lease[]> {
    const leases = this.#take(max, maxBytes, now)
    if (leases.length > 0) {
      // What follows is read while these are delivered.
      if (this.#wantsMore(max)) this.#fillThenSignal()
      else this.#noteStarved(leases.length, max)
      return Promise.resolve(leases)
    }
    if (this.#wantsMore(max)) return this.#leaseWhatIsRead(max, maxBytes, now)
    this.#noteStarved(0, max)
    return Promise.resolve(noLeases)
  }

  async #leaseWhatIsRead(max: number, maxBytes: number, now: EpochMs): Promise<readonly Lease[]> {
    let leases = noLeases
    // Once is not enough where what was read came without bytes.
    while (leases.length === 0 && this.#wantsMore(max)) {
      await this.#fill()
      leases = this.#take(max, maxBytes, now)
    }
    if (this.#wantsMore(max)) this.#fillThenSignal()
    else this.#noteStarved(leases.length, max)
    return leases
  }

  /** Remembers to call the reader when there is room, if that is why it was given less than it asked for. */
  #noteStarved(leased: number, max: number): void {
    if (leased >= max || this.unread.count === 0 || this.#damaged || this.#hasRoom(false)) return
    this.#starved = true
    this.#owner.starved.add(this)
  }

  /** Calls readers who may go on since this queue has less in memory. */
  #madeRoom(): void {
    const { starved, limits, windowEntries, postponedEntries } = this.#owner
    if (this.#starved) this.#feed()
    if (starved.size === 0) return
    if (windowEntries >= limits.windowEntries || postponedEntries >= limits.postponedEntries) return
    const waiting = [...starved]
    // Whoever has too much of its own waits for its own entries, and is not asked again by others.
    starved.clear()
    for (const queue of waiting) queue.#feed()
  }

  #feed(): void {
    if (!this.#starved || !this.#hasRoom(false)) return
    this.#starved = false
    this.#owner.starved.delete(this)
    this.onReady?.()
  }

  done(leases: readonly Lease[], urgency: Urgency = 'lazy'): Promise<void> {
    for (const lease of leases) {
      const entry = this.#ended(lease)
      if (entry === undefined) continue
      if (entry instanceof UnreadLease) {
        this.finished.push(entry.sequence)
        this.#finishUnread(entry.sequence)
        continue
      }
      this.finished.push(entry.sequence)
      this.#forget(entry)
    }
    const durable = this.#owner.written(this, urgency)
    this.#madeRoom()
    return durable
  }

  postpone(
    lease: Lease,
    attempts: number,
    dueAt: EpochMs,
    note: string,
    urgency: Urgency = 'lazy',
  ): Promise<void> {
    if (note.length > mostNoteCharacters)
      throw new RangeError(`A note has at most ${mostNoteCharacters} characters.`)
    const entry = this.#ended(lease)
    if (entry === undefined) return Promise.resolve()
    const { sequence } = entry
    const state: EntryState = { attempts, dueAt, note, lockedAs: 0 }
    if (entry instanceof UnreadLease) this.unread.ahead.set(sequence, state)
    else {
      Object.assign(entry, state)
      // A wait is long compared to reading the bytes again, and memory is better spent on what is prompt.
      this.#releaseChunk(entry)
      this.#park(entry)
    }
    this.postponements.push({ sequence, attempts, dueAt, note, lockedAs: 0 })
    const durable = this.#owner.written(this, urgency)
    this.#madeRoom()
    this.onReady?.()
    return durable
  }

  release(leases: readonly Lease[]): void {
    for (const lease of leases) {
      const entry = this.#ended(lease)
      if (entry instanceof Entry) this.#queueUp(entry, this.#again)
      else if (entry) {
        const { sequence, attempts, note } = entry
        this.unread.ahead.set(sequence, { attempts, note, dueAt: 0, lockedAs: 0 })
      }
    }
    this.onReady?.()
  }

  lock(leases: readonly Lease[], until: EpochMs, note: string): Promise<void> {
    for (const lease of leases) {
      const entry = this.#ended(lease)
      // What was unlocked by name is read before it is locked again.
      if (!(entry instanceof Entry)) continue
      const { sequence } = entry
      const attempts = ++entry.attempts
      entry.dueAt = until
      entry.note = note
      entry.lockedAs = sequence
      this.#releaseChunk(entry)
      this.#park(entry)
      this.postponements.push({ sequence, attempts, dueAt: until, note, lockedAs: sequence })
    }
    const durable = this.#owner.written(this, 'awaited')
    this.#madeRoom()
    return durable
  }

  unlock(
    names: readonly LockName[],
    now: EpochMs,
  ): readonly (Lease | undefined)[] | Promise<readonly (Lease | undefined)[]> {
    if (this.#moving > 0) return this.#whenSettled().then(() => this.unlock(names, now))
    return names.map((name) => {
      const entry = this.#lockedEntry(name, now)
      if (!entry) return this.#unreadLock(name, now, true)
      this.#postponed.delete(entry)
      this.#parked(-1)
      this.#locks.delete(name.sequence)
      entry.dueAt = 0
      entry.lockedAs = 0
      return this.#leaseOut(entry, noBytes)
    })
  }

  async renew(names: readonly LockName[], until: EpochMs, now: EpochMs): Promise<readonly boolean[]> {
    while (this.#moving > 0) await this.#whenSettled()
    const renewed = names.map((name) => {
      const entry = this.#lockedEntry(name, now)
      const unread = entry ? undefined : this.#unreadLock(name, now, false)
      if (!entry && !unread) return false
      const { sequence, note } = (entry ?? unread) as Entry | UnreadLease
      const { attempts, sequence: lockedAs } = name
      const state: EntryState = { attempts, dueAt: until, note, lockedAs }
      if (entry) {
        this.#postponed.delete(entry)
        entry.dueAt = until
        this.#postponed.push(entry)
      } else this.unread.ahead.set(sequence, state)
      this.postponements.push({ sequence, ...state })
      return true
    })
    await this.#owner.written(this, 'awaited')
    return renewed
  }

  /** The entry of the window that has that lock, unless the lock has ended. */
  #lockedEntry({ sequence, attempts }: LockName, now: EpochMs): Entry | undefined {
    const entry = this.#locks.get(sequence)
    return entry && entry.attempts === attempts && entry.dueAt > now ? entry : undefined
  }

  /** @param ends whether the lock is over with this */
  #unreadLock(
    { sequence: lockedAs, attempts }: LockName,
    now: EpochMs,
    ends: boolean,
  ): UnreadLease | undefined {
    const sequence = this.#unreadLocks.get(lockedAs)
    const ahead = sequence === undefined ? undefined : this.unread.ahead.get(sequence)
    if (sequence === undefined || ahead === undefined || ahead === 'finished') return undefined
    if (ahead.attempts !== attempts || ahead.dueAt <= now) return undefined
    if (ends) this.#unreadLocks.delete(lockedAs)
    return new UnreadLease(sequence, ahead)
  }

  /** Ends a lease; undefined when it had ended. What is unread may have been read since it was unlocked. */
  #ended(lease: Lease): Entry | UnreadLease | undefined {
    if (this.dropped) return undefined
    if (lease instanceof UnreadLease) {
      if (lease.isEnded) return undefined
      lease.isEnded = true
      const entry = this.#locks.get(lease.lockedAs)
      if (!entry || entry.attempts !== lease.attempts) return lease
      this.#postponed.delete(entry)
      this.#parked(-1)
      this.#locks.delete(lease.lockedAs)
      entry.dueAt = 0
      entry.lockedAs = 0
      return entry
    }
    const { entry } = lease as EntryLease
    if (entry.lease !== lease) return undefined
    entry.lease = undefined
    this.#leased--
    return entry
  }

  #finishUnread(sequence: number): void {
    if (!this.unread.replay(sequence, 'finished') || this.unread.count > 0) return
    // How long the finished ones were is not known without reading them.
    this.bytes = 0
    for (const waiting of this.window) this.bytes += waiting.length
  }

  #whenSettled(): Promise<void> {
    return new Promise((resolve) => this.#settled.push(resolve))
  }

  read(visit: (bytes: Buffer) => void): Promise<void> {
    const { journal, appliedEnd, limits } = this.#owner
    const { id, window } = this
    const { readBytes } = limits
    return readWholeQueue(
      { id, journal, window, unread: this.unread.copy(), end: appliedEnd, readBytes },
      visit,
    )
  }

  nextDueAt(): EpochMs | undefined {
    return this.#postponed.first?.dueAt
  }

  #take(max: number, maxBytes: number, now: EpochMs): readonly Lease[] {
    // No more of them than are asked for: the others need no place among what is in memory.
    while (this.#again.size + this.#cold.length < max) {
      const due = this.#postponed.first
      if (!due || due.dueAt > now) break
      this.#postponed.pop()
      this.#parked(-1)
      due.dueAt = 0
      this.#forgetLock(due)
      if (due.chunk) this.#again.push(due)
      else this.#cold.push(due)
    }
    if (this.#ready.size === 0 && this.#again.size === 0) return noLeases
    const leases: Lease[] = []
    let bytes = 0
    while (leases.length < max && bytes < maxBytes) {
      const entry = this.#again.shift() ?? this.#ready.shift()
      if (!entry) break
      const { chunk } = entry
      if (!chunk) {
        this.#cold.push(entry)
        continue
      }
      const at = entry.recordAt - chunk.position + entry.offset
      bytes += entry.length
      leases.push(this.#leaseOut(entry, chunk.buffer.subarray(at, at + entry.length)))
    }
    return leases
  }

  #leaseOut(entry: Entry, bytes: Buffer): Lease {
    const lease = new EntryLease(entry, bytes)
    entry.lease = lease
    this.#leased++
    return lease
  }

  // ---------------------------------------------------------------------------------------- the journal's side

  /**
   * An entry that has become durable; `chunk` holds its bytes where it was appended by this process.
   * Whether it went into the window.
   */
  admit(entry: Entry, chunk: Chunk | undefined): boolean {
    if (this.dropped) return false
    this.bytes += entry.length
    const enters = !this.isAside && this.unread.count === 0 && this.#hasRoom(chunk !== undefined)
    if (enters) this.#enter(entry, chunk)
    else this.unread.add(entry)
    return enters
  }

  #hasRoom(withBytes: boolean): boolean {
    const { limits, windowEntries, postponedEntries, cachedBytes } = this.#owner
    const postponed = this.#postponed.size
    const prompt = this.window.size - postponed
    const few = prompt < limits.windowEntriesAlways
    // Beyond the budget only queues that have next to nothing in memory get more of it, up to twice the budget.
    if (withBytes && cachedBytes >= limits.cachedBytes && !(few && cachedBytes < 2 * limits.cachedBytes))
      return false
    if (postponed >= limits.postponedEntriesPerQueue) return false
    if (postponedEntries >= limits.postponedEntries && postponed >= limits.windowEntriesAlways) return false
    return few || (windowEntries < limits.windowEntries && prompt < limits.windowEntriesPerQueue)
  }

  #park(entry: Entry): void {
    this.#postponed.push(entry)
    this.#parked(1)
    const { lockedAs } = entry
    if (lockedAs === 0) return
    this.#locks.set(lockedAs, entry)
    this.#unreadLocks.delete(lockedAs)
  }

  #forgetLock(entry: Entry): void {
    if (entry.lockedAs === 0) return
    this.#locks.delete(entry.lockedAs)
    entry.lockedAs = 0
  }

  /** Keeps the owner's counts when so many entries of the window were postponed, or are so no more. */
  #parked(entries: number): void {
    this.#owner.windowEntries -= entries
    this.#owner.postponedEntries += entries
  }

  #enter(entry: Entry, chunk: Chunk | undefined): void {
    this.window.add(entry)
    this.#owner.windowEntries++
    if (chunk) this.#holdChunk(entry, chunk)
    if (entry.dueAt > 0) this.#park(entry)
    else this.#ready.push(entry)
  }

  #forget(entry: Entry): void {
    this.window.remove(entry)
    this.#owner.windowEntries--
    this.#releaseChunk(entry)
    this.bytes = this.window.size + this.unread.count === 0 ? 0 : this.bytes - entry.length
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
    this.#starved = false
    this.#owner.starved.delete(this)
    this.#parked(-this.#postponed.remove(() => true))
    for (const entry of [...this.window]) {
      entry.lease = undefined
      this.#forget(entry)
    }
    this.#ready.remove(() => true)
    this.#again.remove(() => true)
    this.#cold = []
    this.#leased = 0
    this.#locks.clear()
    this.#unreadLocks.clear()
    this.#endMoves(this.#moving)
    this.unread.clear()
    this.finished = []
    this.postponements = []
    this.#madeRoom()
  }

  /** The oldest position that this queue still needs; Infinity when it needs none. */
  get oldestAt(): Position {
    return Math.min(
      this.window.first?.recordAt ?? Infinity,
      this.unread.count > 0 ? this.unread.at : Infinity,
    )
  }

  // -------------------------------------------------------------------------------------------- reading again

  #wantsMore(max: number): boolean {
    if (this.dropped || this.#damaged) return false
    const atHand = this.#ready.size + this.#again.size
    if (atHand >= max || (atHand > 0 && this.#owner.cachedBytes >= this.#owner.limits.cachedBytes))
      return false
    return this.#cold.length > 0 || (this.unread.count > 0 && this.#hasRoom(false))
  }

  #fillThenSignal(): void {
    if (!this.#filling) void this.#fill().then(() => this.onReady?.())
  }

  /** Reads what is due and what comes next. One at a time. */
  #fill(before?: Position): Promise<void> {
    this.#filling ??= this.#readMore(before).finally(() => {
      this.#filling = undefined
    })
    return this.#filling
  }

  /** @param before when given: takes in everything up to there, without bytes, instead of what comes next */
  async #readMore(before: Position | undefined): Promise<void> {
    try {
      if (before === undefined) await this.#warm()
      if (before !== undefined || (this.unread.count > 0 && this.#hasRoom(false))) await this.#advance(before)
    } catch (error) {
      if (this.dropped || this.#owner.closing) return
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
        this.#cold = [...this.#cold, ...entries.slice(n)]
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
      this.#again.push(entry)
    }
  }

  /** Its event was in what repair has blanked: there is nothing left to deliver. */
  #lose(entry: Entry): void {
    this.finished.push(entry.sequence)
    this.#forget(entry)
    void this.#owner.written(this, 'lazy')
  }

  /**
   * Moves the cursor on, taking entries into the window: a read's worth of them, or (`before` given) every one
   * whose record lies before that position.
   */
  async #advance(before: Position | undefined): Promise<void> {
    const { unread } = this
    const { journal, limits } = this.#owner
    const within = { before, hasRoom: () => before !== undefined || this.#hasRoom(false) }
    let bytes: number | undefined
    while (unread.count > 0) {
      unread.skip()
      // A checkpoint that recovery fell back on may point to what was finished and freed after it.
      if (unread.at < journal.start) unread.moveTo(journal.start, 0)
      const from = unread.at
      if (before !== undefined && from >= before) return
      const wanted = bytes ?? unread.readableBytes(limits.readBytes)
      const buffer = await journal.read(from, Math.min(wanted, this.#owner.appliedEnd - from))
      if (this.dropped) return
      // What was to be read has been finished by its lock in the meantime, and others may have come.
      if (unread.count === 0 || unread.at !== from) continue
      // Counted but not there: a repair has taken them out.
      if (buffer.length === 0) return unread.clear()
      const walk = new RecordWalk(buffer, true)
      const found: Entry[] = []
      const next = unread.take(walk, from, this.id, within, {
        entry: (entry) => {
          this.window.add(entry)
          this.#owner.windowEntries++
          found.push(entry)
        },
        finished: (finishedBytes) => {
          this.bytes -= finishedBytes
        },
      })
      this.#place(found, buffer, from, before !== undefined)
      if (next === 'stopped' || (before === undefined && found.length > 0)) return
      // Not one whole record in what was read: the record is larger than that.
      bytes = walk.next === 0 ? walk.needed : undefined
      if (bytes !== undefined && bytes <= buffer.length)
        throw new Error(`The event journal cannot be read at position ${from}.`)
    }
  }

  /** Gives the entries read from `buffer` their bytes, and their place among the ready or postponed. */
  #place(found: readonly Entry[], buffer: Buffer, from: Position, withoutBytes: boolean): void {
    const { cachedBytes, limits } = this.#owner
    const foundBytes = found.reduce((sum, { length }) => sum + length, 0)
    // A piece of the journal of which little is this queue's is not worth keeping in memory whole.
    const dense = foundBytes * 2 >= buffer.length && cachedBytes < limits.cachedBytes
    const shared = dense && !withoutBytes ? new Chunk(buffer, from) : undefined
    let copies = cachedBytes
    for (const entry of found) {
      if (entry.dueAt > 0) {
        this.#park(entry)
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

  // ------------------------------------------------------------------------------- freeing the journal's front

  /**
   * Takes out the entries whose record lies before `position`, to be appended again; those that are leased stay.
   * They count as leased until `moved` or `unmoved`; who has locked one of them must wait for that.
   */
  async takeBefore(position: Position): Promise<readonly Entry[]> {
    // Again, for whoever waited for it too may have begun the next.
    while (this.#filling) await this.#filling
    if (this.#damaged || this.dropped) return []
    const reads = this.unread.count > 0 && this.unread.at < position
    if (reads) await this.#fill(position)
    const entries: Entry[] = []
    for (const entry of this.window) {
      if (entry.recordAt >= position) break
      if (!entry.lease) entries.push(entry)
    }
    if (entries.length > 0 && !this.#damaged) {
      const leaves = (entry: Entry) => entry.recordAt < position
      this.#ready.remove(leaves)
      this.#again.remove(leaves)
      this.#parked(-this.#postponed.remove(leaves))
      this.#cold = this.#cold.filter((entry) => !leaves(entry))
      for (const entry of entries) this.#leaseOut(entry, noBytes)
      this.#moving += entries.length
    }
    if (reads) this.onReady?.()
    return this.#damaged ? [] : entries
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
    if (this.unread.count === 0) {
      this.window.add(entry)
      this.#queueUp(entry, this.#ready)
    } else {
      this.#owner.windowEntries--
      this.unread.add(entry)
      const { lockedAs } = entry
      if (lockedAs > 0 && this.#locks.delete(lockedAs)) this.#unreadLocks.set(lockedAs, sequence)
    }
    this.#endMoves(1)
  }

  unmoved(entry: Entry): void {
    if (!this.#endMove(entry)) return
    this.#queueUp(entry, this.#ready)
    this.#endMoves(1)
    this.onReady?.()
  }

  #endMoves(entries: number): void {
    this.#moving -= entries
    if (this.#moving > 0) return
    const settled = this.#settled
    this.#settled = []
    for (const resolve of settled) resolve()
  }

  #endMove(entry: Entry): boolean {
    if (this.dropped || !entry.lease) return false
    entry.lease = undefined
    this.#leased--
    return true
  }

  /** @param prompt where it waits that is due and has its bytes in memory */
  #queueUp(entry: Entry, prompt: Fifo): void {
    if (entry.dueAt > 0) this.#park(entry)
    else if (entry.chunk) prompt.push(entry)
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
    } else if (ahead === 'finished') this.#finishUnread(sequence)
    else this.unread.replay(sequence, ahead)
  }

  /** Ends recovery: what was finished or postponed during the replay takes its place. */
  settleReplay(): void {
    this.#ready.remove(() => true)
    this.#again.remove(() => true)
    this.#parked(-this.#postponed.remove(() => true))
    this.#cold = []
    this.#locks.clear()
    for (const entry of this.window) this.#queueUp(entry, this.#ready)
    for (const [sequence, ahead] of this.unread.ahead)
      if (ahead !== 'finished' && ahead.lockedAs > 0) this.#unreadLocks.set(ahead.lockedAs, sequence)
    assert(this.#leased === 0, 'a recovered queue has no leases')
  }
}
