import { later } from '../base/later.ts'
import type { Log } from '../base/log.ts'
import { AppendWalk, appendBytes, mostQueuesPerEvent, writeQueueIds } from './append-format.ts'
import { CheckpointWriter } from './checkpoint.ts'
import type { Journal, Position } from './journal.ts'
import { defaultQueueLimits, LogQueue, type QueueLimits, type QueueOwner } from './log-queue.ts'
import { Chunk, Entry } from './queue-entry.ts'
import { appendBody, readRecord } from './read-record.ts'
import { BatchWriter, largestRecordBytes, RecordType, RecordWalk } from './record-format.ts'
import { recoverQueues } from './recovery.ts'
import {
  type MovedLock,
  type Said,
  type SaidOfQueue,
  writeFinished,
  writeMovedLocks,
  writePostponement,
  writeSaid,
} from './said-format.ts'
import {
  type Appendable,
  type Appended,
  type AppendOptions,
  type Queue,
  type Queues,
  type QueuesStat,
  StoreUnavailable,
  type Urgency,
} from './store.ts'

/*
 * Queues over a journal. Appends, and what readers say of entries, gather in one batch while the batch before is
 * being made durable: so many publishers share one sync. Nothing is shown to a queue before it is durable.
 */

export interface LogQueuesOptions {
  readonly journal: Journal
  readonly log: Log
  readonly limits?: Partial<JournalLimits>
}

export interface JournalLimits extends QueueLimits {
  /** Appended and not yet durable; beyond it `append` refuses. */
  readonly pendingBytes: number
  /** A batch is closed when it has grown to this, so that no commit keeps others waiting for long. */
  readonly commitBytes: number
  /** On disk; beyond it `append` refuses until old segments are freed. 0 for no limit but the disk's. */
  readonly journalBytes: number
  /** What readers said waits at most so long for a commit to ride in. */
  readonly lazyCommitMs: number
  /** A checkpoint is written when the journal has grown by so much since the last, */
  readonly checkpointBytes: number
  /** or, if it has grown at all, after this long. */
  readonly checkpointMs: number
  /** Journal beyond which old segments with few unfinished entries are cleaned. */
  readonly cleanAboveBytes: number
  /** How much of the journal's front is cleaned at a time. */
  readonly cleanBytes: number
  /** A full disk is asked again after this long. */
  readonly fullRetryMs: number
}

export const defaultJournalLimits: JournalLimits = {
  ...defaultQueueLimits,
  pendingBytes: 64 * 1024 * 1024,
  commitBytes: 2 * 1024 * 1024,
  journalBytes: 0,
  lazyCommitMs: 5,
  checkpointBytes: 32 * 1024 * 1024,
  checkpointMs: 30_000,
  cleanAboveBytes: 256 * 1024 * 1024,
  cleanBytes: 64 * 1024 * 1024,
  fullRetryMs: 250,
}

/** Where the journal may only take so much room, its front is cleaned long before it takes that. */
function withinJournalBytes(limits: JournalLimits): JournalLimits {
  const { journalBytes, checkpointBytes, checkpointMs, cleanAboveBytes, cleanBytes } = limits
  if (journalBytes === 0) return limits
  return {
    ...limits,
    checkpointBytes: Math.min(checkpointBytes, journalBytes / 8),
    // Segments are freed with a checkpoint, and who is refused waits for that.
    checkpointMs: Math.min(checkpointMs, 2000),
    cleanAboveBytes: Math.min(cleanAboveBytes, journalBytes / 2),
    cleanBytes: Math.min(cleanBytes, journalBytes / 4),
  }
}

interface PendingEntry {
  readonly entry: Entry
  readonly queues: readonly LogQueue[]
}

interface Waiter {
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** One batch on its way: what its commit will show to the queues, and who waits for it. */
class Batch {
  readonly writer: BatchWriter
  readonly entries: PendingEntry[] = []
  /**
   * Run when the batch is durable, with the position of its first byte, in the order of the records: each behind
   * the first `after` entries.
   */
  readonly effects: { readonly after: number; readonly act: (at: Position) => void }[] = []
  /** Runs instead when it will never be. */
  readonly undo: (() => void)[] = []
  readonly waiters: Waiter[] = []

  constructor(buffer: Buffer) {
    this.writer = new BatchWriter(buffer)
  }

  durable(): Promise<void> {
    return new Promise((resolve, reject) => this.waiters.push({ resolve, reject }))
  }
}

const smallestBatchBytes = 64 * 1024
/** A larger buffer was needed for a burst, and is not kept for the next one. */
const largestSpareBytes = 4 * 1024 * 1024

export class LogQueues implements Queues, QueueOwner {
  readonly journal: Journal
  readonly limits: JournalLimits
  readonly #log: Log
  readonly #byName = new Map<string, LogQueue>()
  readonly #byId = new Map<number, LogQueue>()
  /** Being made, not yet durable. */
  readonly #opening = new Map<string, Promise<Queue>>()
  /** Ids of dropped queues of which the journal does not know yet. */
  #undropped: number[] = []
  readonly recovery: string[] = []

  appliedEnd: Position = 0
  windowEntries = 0
  postponedEntries = 0
  cachedBytes = 0
  readonly starved = new Set<LogQueue>()

  #nextSequence = 1
  #nextQueueId = 1
  /** Closed batches that wait for the commit before theirs, oldest first. */
  readonly #closed: Batch[] = []
  #closedBytes = 0
  #batch: Batch
  #spare: Buffer | undefined
  #dirty = new Set<LogQueue>()
  /** All readers that wait for what they said since the last commit began. */
  #told: { readonly promise: Promise<void>; readonly waiter: Waiter } | undefined
  #committing = false
  #commitDue = false
  #lazy: { cancel(): void } | undefined
  /** The batch that was refused for want of space keeps what readers said; it is tried again. */
  #failed: StoreUnavailable | undefined
  closing = false
  #idle: (() => void) | undefined

  #checkpointedEnd: Position = 0
  #previousReplayFrom: Position = 0
  #checkpointAtBytes = 0
  #checkpointing: Promise<void> | undefined
  #checkpointTimer: { cancel(): void } | undefined

  #commits = 0
  #appends = 0

  constructor({ journal, log, limits }: LogQueuesOptions) {
    this.journal = journal
    this.limits = withinJournalBytes({ ...defaultJournalLimits, ...limits })
    this.#checkpointAtBytes = this.limits.checkpointBytes
    this.#log = log
    this.#batch = new Batch(Buffer.allocUnsafeSlow(smallestBatchBytes))
  }

  // ------------------------------------------------------------------------------------------------ the contract

  async open(name: string): Promise<Queue> {
    const known = this.#opening.get(name) ?? this.#byName.get(name)
    if (known) return known
    const opening = this.#make(name)
    this.#opening.set(name, opening)
    try {
      return await opening
    } finally {
      if (this.#opening.get(name) === opening) this.#opening.delete(name)
    }
  }

  begin(name: string): { readonly queue: Queue; readonly durable: Promise<void> } {
    // Known from here on, as its record lies before those of what is appended to it.
    const durable = this.open(name).then(() => {})
    return { queue: this.#byName.get(name) as LogQueue, durable }
  }

  async #make(name: string): Promise<Queue> {
    const queue = new LogQueue(this.#nextQueueId++, name, this)
    this.#byName.set(name, queue)
    this.#byId.set(queue.id, queue)
    const { writer } = this.#batch
    writer.begin(RecordType.queueOpened, 6 + 3 * name.length)
    writer.u32(queue.id)
    writer.text(name)
    writer.end()
    this.#batch.undo.push(() => {
      if (this.#byName.get(name) === queue) this.#byName.delete(name)
      this.#byId.delete(queue.id)
      queue.clear()
    })
    await this.#commitSoon()
    return queue
  }

  async drop(name: string): Promise<void> {
    const queue = this.#byName.get(name)
    if (!queue) return this.#undropped.length > 0 ? this.#commitSoon() : undefined
    this.#byName.delete(name)
    this.#opening.delete(name)
    this.#byId.delete(queue.id)
    this.#dirty.delete(queue)
    queue.clear()
    this.#undropped.push(queue.id)
    await this.#commitSoon()
  }

  names(): readonly string[] {
    return [...this.#byName.keys()]
  }

  append(events: readonly Appendable[], { moving }: AppendOptions = { moving: false }): Appended {
    if (this.#failed && !this.#failed.retryable) throw this.#failed
    if (this.closing) throw new StoreUnavailable('The store is closing.', true)
    const batch = this.#batch
    const { writer } = batch
    const pendingBytes = this.#closedBytes + writer.bytes
    if (pendingBytes > this.limits.pendingBytes)
      throw new StoreUnavailable('More events are waiting for the disk than are allowed to.', true)
    const { journalBytes } = this.limits
    if (!moving && journalBytes > 0 && this.journal.end - this.journal.start + pendingBytes > journalBytes) {
      // The next checkpoint may free more, even if nothing is written until then.
      this.#checkpointSoon(this.limits.checkpointMs)
      throw new StoreUnavailable(
        `The events on disk take the ${journalBytes} bytes that they may take.`,
        true,
      )
    }
    for (const { queues } of events)
      if (queues.length > mostQueuesPerEvent) throw new RangeError(`More than ${mostQueuesPerEvent} queues.`)
    const recordBytes = appendBytes(events)
    // It could be written, and never be read again.
    if (recordBytes >= largestRecordBytes)
      throw new RangeError(`Events of ${recordBytes} bytes are more than one record holds.`)
    const firstSequence = this.#nextSequence
    this.#nextSequence += events.length
    this.#appends += events.length
    const recordAt = writer.begin(RecordType.append, recordBytes)
    writer.u48(firstSequence)
    writer.u32(events.length)
    let previous: readonly Queue[] | undefined
    let index = 0
    for (const event of events) {
      const { head, source, start, end, tail, queues } = event
      writeQueueIds(writer, queues as readonly LogQueue[], previous as readonly LogQueue[] | undefined)
      previous = queues
      const length = head.length + (end - start) + tail.length
      writer.u32(length)
      const offset = writer.bytes - recordAt
      writer.bytesOf(head, 0, head.length)
      writer.bytesOf(source, start, end)
      writer.bytesOf(tail, 0, tail.length)
      const entry = new Entry(firstSequence + index, recordAt, index, offset, length)
      batch.entries.push({ entry, queues: queues as readonly LogQueue[] })
      index++
    }
    writer.end()
    const durable = batch.durable()
    if (writer.bytes >= this.limits.commitBytes) this.#closeBatch()
    this.#commitDueNow()
    return { firstSequence, durable }
  }

  stat(): QueuesStat {
    let entries = 0
    for (const queue of this.#byName.values()) entries += queue.window.size + queue.unread.count
    const { bytes, segments, writtenBytes } = this.journal.stat()
    return {
      queues: this.#byName.size,
      entries,
      journalBytes: bytes,
      segments,
      commits: this.#commits,
      appends: this.#appends,
      writtenBytes,
    }
  }

  /** Commits what is left, writes a checkpoint, and takes no more. */
  async close(): Promise<void> {
    this.closing = true
    this.#checkpointTimer?.cancel()
    this.#lazy?.cancel()
    while (this.#committing || this.#hasWork()) {
      if (this.#failed) break
      // Before the commit begins: one that has nothing to write ends at once.
      const idle = new Promise<void>((resolve) => (this.#idle = resolve))
      if (!this.#committing) void this.#commit()
      await idle
    }
    await this.#checkpointing
    if (!this.#failed) await this.#checkpoint()
  }

  // ------------------------------------------------------------------------------------------- the queues' owner

  written(queue: LogQueue, urgency: Urgency): Promise<void> {
    this.#dirty.add(queue)
    if (urgency === 'awaited') this.#commitDueNow()
    else this.#commitLazily()
    if (!this.#told) {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      // Readers may ignore it; then a failure is reported by the next append.
      promise.catch(() => {})
      this.#told = { promise, waiter: { resolve, reject } }
    }
    return this.#told.promise
  }

  damaged(queue: LogQueue, error: Error): void {
    this.#log.error(
      { err: error, queue: queue.name },
      'an event queue cannot be read on; see busbar store check',
    )
  }

  // ------------------------------------------------------------------------------------------------- group commit

  #hasWork(): boolean {
    return (
      this.#closed.length > 0 ||
      this.#batch.writer.bytes > 0 ||
      this.#dirty.size > 0 ||
      this.#undropped.length > 0
    )
  }

  #commitSoon(): Promise<void> {
    const durable = this.#batch.durable()
    this.#commitDueNow()
    return durable
  }

  /** At the end of this turn of the event loop, so that all requests of the turn share the commit. */
  #commitDueNow(): void {
    if (this.#commitDue) return
    this.#commitDue = true
    if (!this.#committing) setImmediate(() => void this.#commit())
  }

  #commitLazily(): void {
    if (this.#commitDue || this.#committing || this.#lazy) return
    this.#lazy = later(this.limits.lazyCommitMs, () => {
      this.#lazy = undefined
      if (!this.#commitDue && !this.#committing) void this.#commit()
    })
  }

  async #commit(): Promise<void> {
    if (this.#committing) return
    this.#commitDue = false
    if (!this.#hasWork()) return this.#idle?.()
    this.#committing = true
    const batch = this.#closed.shift() ?? this.#batch
    const isLast = batch === this.#batch
    if (!isLast) this.#closedBytes -= batch.writer.bytes
    const said = this.#writeWhatReadersSaid(batch.writer)
    if (this.#told) batch.waiters.push(this.#told.waiter)
    this.#told = undefined
    // Not before the last batch: a dropped queue may have been opened in any of them.
    if (isLast) this.#writeDropped(batch)
    const { buffer, bytes } = batch.writer
    if (isLast) this.#batch = this.#newBatch(bytes)
    else this.#commitDue = true
    const at = this.journal.end
    try {
      if (bytes > 0) await this.journal.append(buffer.subarray(0, bytes))
      this.#failed = undefined
      this.#commits++
      this.#apply(batch, at)
    } catch (error) {
      this.#refuse(batch, said, error)
    }
    this.#committing = false
    this.#afterCommit()
  }

  /** @param bytes how large the batch before was: the next one is likely to be alike */
  #newBatch(bytes: number): Batch {
    const buffer = this.#spare ?? Buffer.allocUnsafeSlow(Math.max(smallestBatchBytes, bytes + (bytes >> 2)))
    this.#spare = undefined
    return new Batch(buffer)
  }

  /** What comes next goes into another batch. */
  #closeBatch(): void {
    const { bytes } = this.#batch.writer
    this.#closed.push(this.#batch)
    this.#closedBytes += bytes
    this.#batch = this.#newBatch(bytes)
  }

  #afterCommit(): void {
    if (this.#commitDue) setImmediate(() => void this.#commit())
    else if (this.#failed) {
      // Finished and postponed entries are not forgotten: they are said again when there may be room.
      if (this.#failed.retryable && this.#hasWork() && !this.closing)
        later(this.limits.fullRetryMs, () => this.#commitDueNow())
    } else if (this.#dirty.size > 0) this.#commitLazily()
    this.#checkpointIfGrown()
    this.#idle?.()
  }

  #apply(batch: Batch, at: Position): void {
    const { buffer, bytes } = batch.writer
    const chunk = new Chunk(this.#kept(buffer, bytes), at)
    const touched = new Set<LogQueue>()
    const { effects } = batch
    let nextEffect = 0
    for (const [n, { entry, queues }] of batch.entries.entries()) {
      while (nextEffect < effects.length && (effects[nextEffect]?.after ?? 0) <= n)
        effects[nextEffect++]?.act(at)
      entry.recordAt += at
      let own = entry
      for (let q = 0; q < queues.length; q++) {
        const queue = queues[q] as LogQueue
        // Each queue has its own state of the event.
        if (q > 0) own = new Entry(entry.sequence, entry.recordAt, entry.index, entry.offset, entry.length)
        queue.admit(own, chunk)
        touched.add(queue)
      }
    }
    while (nextEffect < effects.length) effects[nextEffect++]?.act(at)
    // Nobody has it in memory: a backlog's events go to disk alone, and their buffer serves again.
    if (chunk.holders === 0 && buffer.length <= largestSpareBytes) this.#spare = buffer
    this.appliedEnd = at + bytes
    for (const { resolve } of batch.waiters) resolve()
    // After those who waited for the append, who are told in microtasks of their own, queued by `resolve`.
    queueMicrotask(() => {
      for (const queue of touched) queue.onReady?.()
    })
  }

  /** What entries hold on to: not a large buffer of which little was written; that serves the next batch. */
  #kept(buffer: Buffer, bytes: number): Buffer {
    if (bytes * 2 >= buffer.length) return buffer
    if (buffer.length <= largestSpareBytes) this.#spare = buffer
    return Buffer.from(buffer.subarray(0, bytes))
  }

  #refuse(batch: Batch, said: Said, error: unknown): void {
    const failure =
      error instanceof StoreUnavailable
        ? error
        : new StoreUnavailable('The event journal cannot be written.', false, error)
    if (!this.#failed) this.#log.error({ err: failure, cause: failure.cause }, 'events are refused')
    this.#failed = failure
    for (const { queue, finished, postponements } of said) {
      if (queue.dropped) continue
      queue.finished = [...finished, ...queue.finished]
      queue.postponements = [...postponements, ...queue.postponements]
      this.#dirty.add(queue)
    }
    for (const undo of batch.undo) undo()
    for (const { reject } of batch.waiters) reject(failure)
  }

  #writeWhatReadersSaid(writer: BatchWriter): Said {
    const said: SaidOfQueue[] = []
    for (const queue of this.#dirty) {
      const { finished, postponements } = queue
      if (finished.length === 0 && postponements.length === 0) continue
      queue.finished = []
      queue.postponements = []
      said.push({ queue, finished, postponements })
    }
    this.#dirty = new Set()
    if (said.length > 0) writeSaid(writer, said)
    return said
  }

  #writeDropped(batch: Batch): void {
    const dropped = this.#undropped
    if (dropped.length === 0) return
    this.#undropped = []
    for (const id of dropped) {
      batch.writer.begin(RecordType.queueDropped, 4)
      batch.writer.u32(id)
      batch.writer.end()
    }
    batch.undo.push(() => this.#undropped.push(...dropped))
  }

  // ---------------------------------------------------------------------------------------------- checkpoints

  #checkpointIfGrown(): void {
    const grown = this.journal.end - this.#checkpointedEnd
    if (grown > this.#checkpointAtBytes) this.#checkpointSoon(0)
    else if (grown > 0) this.#checkpointSoon(this.limits.checkpointMs)
  }

  #checkpointSoon(afterMs: number): void {
    if (this.closing || this.#checkpointing) return
    if (afterMs === 0) {
      this.#checkpointTimer?.cancel()
      this.#checkpointTimer = undefined
      this.#checkpointing = this.#checkpoint().then(
        () => this.#checkpointed(),
        (error: unknown) => {
          this.#log.error({ err: error }, 'writing a checkpoint failed')
          this.#checkpointing = undefined
          // Not with the next commit already: on a full disk each would fail.
          this.#checkpointAtBytes = Infinity
          this.#checkpointSoon(this.limits.checkpointMs)
        },
      )
    } else
      this.#checkpointTimer ??= later(afterMs, () => {
        this.#checkpointTimer = undefined
        this.#checkpointSoon(0)
      })
  }

  /** What was written since it began waits for the next one. */
  #checkpointed(): void {
    this.#checkpointing = undefined
    this.#checkpointIfGrown()
  }

  async #checkpoint(): Promise<void> {
    const writer = new CheckpointWriter({
      nextSequence: this.#nextSequence,
      nextQueueId: this.#nextQueueId,
      begunAt: this.appliedEnd,
    })
    let sliceEnd = performance.now() + sliceMs
    for (const queue of [...this.#byName.values()]) {
      if (queue.dropped) continue
      writer.add(queue, this.appliedEnd)
      if (performance.now() < sliceEnd) continue
      await new Promise<void>((resolve) => setImmediate(resolve))
      sliceEnd = performance.now() + sliceMs
    }
    const bytes = writer.finish()
    await this.journal.saveCheckpoint(bytes)
    // The one before is still there to fall back on, so what it replays is kept too.
    await this.journal.dropBefore(Math.min(writer.oldestAt, writer.replayFrom, this.#previousReplayFrom))
    this.#previousReplayFrom = writer.replayFrom
    this.#checkpointedEnd = writer.begunAt
    // Where a checkpoint is large, for much is postponed, the journal grows as much before the next.
    this.#checkpointAtBytes = Math.max(this.limits.checkpointBytes, bytes.length)
    if (!this.closing) await this.#clean()
  }

  /**
   * Frees the front of the journal when most of the journal is finished entries: what is left there is appended
   * again. So one entry that waits a day does not keep a day of everybody's events on disk.
   */
  async #clean(): Promise<void> {
    const { bytes } = this.journal.stat()
    if (bytes < this.limits.cleanAboveBytes) return
    let live = 0
    let oldest = Infinity
    for (const queue of this.#byName.values()) {
      live += queue.bytes
      oldest = Math.min(oldest, queue.oldestAt)
    }
    if (live * 2 > bytes || oldest === Infinity) return
    const until = Math.min(oldest + this.limits.cleanBytes, this.#previousReplayFrom)
    const moving = new Map<Position, { readonly queue: LogQueue; readonly entry: Entry }[]>()
    for (const queue of [...this.#byName.values()]) {
      if (queue.oldestAt >= until) continue
      for (const entry of await queue.takeBefore(until)) {
        const there = moving.get(entry.recordAt)
        if (there) there.push({ queue, entry })
        else moving.set(entry.recordAt, [{ queue, entry }])
      }
    }
    const groups = [...moving].toSorted(([a], [b]) => a - b)
    for (let n = 0; n < groups.length; n += movesAtOnce) {
      const moves = groups.slice(n, n + movesAtOnce).map(([recordAt, movers]) => this.#move(recordAt, movers))
      const failed = (await Promise.allSettled(moves)).find(({ status }) => status === 'rejected')
      if (!failed) continue
      // Nothing is lost: what could not be appended again is still where it was.
      for (const [, rest] of groups.slice(n + movesAtOnce))
        for (const { queue, entry } of rest) queue.unmoved(entry)
      throw (failed as PromiseRejectedResult).reason
    }
  }

  /** Appends what is left of one record again, with the state that its entries have. */
  async #move(
    recordAt: Position,
    movers: readonly { readonly queue: LogQueue; readonly entry: Entry }[],
  ): Promise<void> {
    const putBack = () => {
      for (const { queue, entry } of movers) queue.unmoved(entry)
    }
    let record: Buffer
    try {
      record = await readRecord(this.journal, recordAt, 4096)
    } catch (error) {
      putBack()
      throw error
    }
    if (record.length === 0) return putBack()
    const walk = new RecordWalk(record)
    walk.step()
    const events = appendBody(walk) as AppendWalk
    const byIndex = Map.groupBy(movers, ({ entry }) => entry.index)
    const batch = this.#batch
    const { writer } = batch
    const finishedBytes = 4 + 14 * movers.length
    let noteBytes = 0
    for (const { entry } of movers) noteBytes += 24 + 3 * entry.note.length
    const movedAt = writer.begin(
      RecordType.moved,
      8 + finishedBytes + 10 + record.length + 14 * movers.length + noteBytes + 4 + 16 * movers.length,
    )
    const sizeAt = writer.bytes
    writer.u32(0)
    writeFinished(
      writer,
      movers.map(({ queue, entry }) => ({ queue, finished: [entry.sequence], postponements: [] })),
    )
    writer.patch32(sizeAt, writer.bytes - sizeAt - 4)
    const firstSequence = this.#nextSequence
    this.#nextSequence += byIndex.size
    writer.u48(firstSequence)
    writer.u32(byIndex.size)
    let sequence = firstSequence - 1
    const places: { queue: LogQueue; entry: Entry; sequence: number; index: number; offset: number }[] = []
    while (events.next()) {
      const here = byIndex.get(events.index)
      if (!here) continue
      sequence++
      writeQueueIds(
        writer,
        here.map(({ queue }) => queue),
        undefined,
      )
      writer.u32(events.bytes)
      const offset = writer.bytes - movedAt
      writer.bytesOf(record, events.bytesAt, events.bytesAt + events.bytes)
      for (const { queue, entry } of here)
        places.push({ queue, entry, sequence, index: sequence - firstSequence, offset })
    }
    writer.u32(places.length)
    const locks: MovedLock[] = []
    for (const { queue, entry, sequence: next } of places) {
      const { attempts, dueAt, note, lockedAs } = entry
      writePostponement(writer, queue.id, { sequence: next, attempts, dueAt, note, lockedAs })
      if (lockedAs > 0) locks.push({ queueId: queue.id, sequence: next, lockedAs })
    }
    writeMovedLocks(writer, locks)
    writer.end()
    batch.effects.push({
      after: batch.entries.length,
      act: (at) => {
        for (const { queue, entry, sequence: next, index, offset } of places)
          queue.moved(entry, next, at + movedAt, index, offset)
      },
    })
    batch.undo.push(putBack)
    await this.#commitSoon()
    for (const queue of new Set(places.map((place) => place.queue))) queue.onReady?.()
  }

  // ------------------------------------------------------------------------------------------------- recovery

  /** Finds everything again that the journal holds. Once, before anything else. */
  async recover(): Promise<void> {
    const { queues, nextSequence, nextQueueId, replayedFrom, lines } = await recoverQueues(this)
    for (const queue of queues) {
      const older = this.#byName.get(queue.name)
      if (older) {
        // It was dropped and made again, and the crash came before the drop was written.
        older.clear()
        this.#byId.delete(older.id)
        this.#undropped.push(older.id)
      }
      this.#byName.set(queue.name, queue)
      this.#byId.set(queue.id, queue)
    }
    this.#nextSequence = nextSequence
    this.#nextQueueId = nextQueueId
    this.recovery.push(...lines)
    this.appliedEnd = this.journal.end
    this.#checkpointedEnd = replayedFrom
    this.#previousReplayFrom = replayedFrom
  }
}

/** Records whose rest is appended again in one commit. */
const movesAtOnce = 64

/** How long writing a checkpoint may hold up the event loop at a time. */
const sliceMs = 2
