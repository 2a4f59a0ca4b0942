import type { EpochMs } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Position, SegmentedJournal } from './journal.ts'
import { BatchWriter, largestRecordBytes, RecordType, RecordWalk } from './record-format.ts'
import {
  type PartitionFacts,
  type ReadEntry,
  type Retention,
  StoreUnavailable,
  type Stream,
  type StreamEntry,
  type StreamOptions,
} from './store.ts'
import {
  Block,
  type PartitionState,
  type Room,
  readStreamHead,
  streamEntriesBytes,
  streamHeadBytes,
  writeStreamEntries,
  writeStreamHead,
} from './stream-format.ts'
import { StreamTail } from './stream-tail.ts'

/*
 * A stream over a journal of its own, all partitions in it, so that one wait for the disk serves them all. What is
 * appended while a batch is being made durable gathers for the next. Of each segment its head is in memory, and of
 * those that are read a mark every so many bytes: reading begins at the mark before. The newest entries are in memory.
 */

export interface StreamLimits {
  /** Appended and not yet durable; beyond it `append` refuses. */
  readonly pendingBytes: number
  /** A batch takes entries until it has so many bytes. */
  readonly commitBytes: number
  /** The newest entries of a stream, in memory; */
  readonly tailBytes: number
  /** and of all streams together, as long as there are not very many. */
  readonly tailBytesInAll: number
  readonly readBytes: number
  /** Between two marks. */
  readonly markBytes: number
  /** Segments whose marks are kept. */
  readonly markedSegments: number
  /** A segment ends when it spans so much of the time that entries are kept. */
  readonly segmentsPerAge: number
}

export const defaultStreamLimits: StreamLimits = {
  pendingBytes: 64 * 1024 * 1024,
  commitBytes: 4 * 1024 * 1024,
  tailBytes: 8 * 1024 * 1024,
  tailBytesInAll: 64 * 1024 * 1024,
  readBytes: 256 * 1024,
  markBytes: 128 * 1024,
  markedSegments: 64,
  segmentsPerAge: 8,
}

/** Places where readers are likely to go on. */
const rememberedPlaces = 1_000

interface Segment {
  readonly start: Position
  /** How the partitions stood where it begins. */
  readonly head: readonly PartitionState[]
  /** In order; undefined where they are not known. */
  marks: Mark[] | undefined
}

/** How the partitions stood at a position at which a record begins. */
interface Mark {
  readonly position: Position
  readonly nextSequences: Float64Array
  /** The latest moments so far. */
  readonly moments: Float64Array
}

interface Pending {
  readonly entries: readonly StreamEntry[]
  readonly bytes: number
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

export interface LogStreamOptions extends StreamOptions {
  readonly name: string
  readonly journal: SegmentedJournal
  readonly limits: StreamLimits
  /** What its newest entries may take in memory now. */
  readonly tailBytes: () => number
  readonly log: Log
}

/** Rejects where the journal is damaged, or holds another number of partitions. */
export async function openLogStream(options: LogStreamOptions): Promise<LogStream> {
  const stream = new LogStream(options)
  await stream.recover()
  return stream
}

export class LogStream implements Stream {
  readonly name: string
  readonly partitions: number
  readonly #journal: SegmentedJournal
  readonly #limits: StreamLimits
  readonly #log: Log
  #retention: Retention
  readonly #segments: Segment[] = []
  #states: PartitionState[]
  readonly #tail: StreamTail
  /** Of the first entry in the last segment. */
  #segmentSince: EpochMs | undefined
  /** Positions at which `partition/sequence` is to be looked for. */
  readonly #places = new Map<string, Position>()
  readonly #marked = new Set<Segment>()

  #pending: Pending[] = []
  #pendingBytes = 0
  #committing: Promise<void> | undefined
  #freeing: Promise<void> | undefined
  #closed = false
  #isRefusing = false

  appends = 0
  commits = 0
  crowdedOut = 0

  onAppend: ((partitions: readonly number[]) => void) | undefined

  constructor({ name, partitions, retention, journal, limits, tailBytes, log }: LogStreamOptions) {
    this.name = name
    this.partitions = partitions
    this.#retention = retention
    this.#journal = journal
    this.#limits = limits
    this.#log = log
    this.#states = newStates(partitions)
    this.#tail = new StreamTail(partitions, tailBytes)
  }

  stat(): { readonly bytes: number; readonly segments: number; readonly writtenBytes: number } {
    return this.#journal.stat()
  }

  // ------------------------------------------------------------------------------------------------- recovery

  /** Of each segment its head; of the last all. */
  async recover(): Promise<void> {
    const { end } = this.#journal
    for (const start of this.#journal.segments())
      if (start < end) this.#segments.push({ start, head: await this.#headOf(start, end), marks: undefined })
    const last = this.#segments.at(-1)
    if (!last) return
    const states = last.head.map((state) => ({ ...state }))
    last.marks = await this.#mark(last, states, (entry) => {
      this.#segmentSince ??= entry.at
    })
    this.#states = states
    this.#remember(last)
  }

  /** Where repair has blanked it, it is told by what stands before it, or else by what follows. */
  async #headOf(start: Position, end: Position): Promise<readonly PartitionState[]> {
    const head = await this.#readHead(start)
    if (head) return head
    const before = this.#segments.at(-1)
    const states = before ? before.head.map((state) => ({ ...state })) : newStates(this.partitions)
    if (before) {
      await this.#mark(before, states, () => {}, start)
      return states
    }
    const seen = new Set<number>()
    await this.#walk(start, end, ({ partition, firstSequence }) => {
      if (!seen.has(partition)) (states[partition] as PartitionState).nextSequence = firstSequence
      return seen.add(partition).size < this.partitions
    })
    return states
  }

  /** Undefined where it has been blanked. */
  async #readHead(start: Position): Promise<readonly PartitionState[] | undefined> {
    const buffer = await this.#journal.read(start, streamHeadBytes(this.partitions))
    const walk = new RecordWalk(buffer, true)
    const step = walk.step()
    if (step === 'record' && walk.type === RecordType.filler) return undefined
    const head = step === 'record' ? readStreamHead(walk) : undefined
    if (!head && step !== 'short') throw this.#damaged(start)
    if (head?.length !== this.partitions)
      throw new Error(`The stream '${this.name}' does not have ${this.partitions} partitions.`)
    return head
  }

  #damaged(position: Position): Error {
    return new Error(
      `The stream '${this.name}' is damaged at position ${position}. Nothing was changed: see 'busbar store check'.`,
    )
  }

  /** Reads a segment whole. `states` are those of its head, and become those of its end. */
  async #mark(
    segment: Segment,
    states: PartitionState[],
    show: (entry: ReadEntry) => void = () => {},
    end = this.#segments[this.#segments.indexOf(segment) + 1]?.start ?? this.#journal.end,
  ): Promise<Mark[]> {
    const marks: Mark[] = [markOf(segment.start, segment.head)]
    let markedAt = segment.start
    await this.#walk(segment.start, end, (block, recordAt) => {
      if (recordAt - markedAt >= this.#limits.markBytes) {
        marks.push(markOf(recordAt, states))
        markedAt = recordAt
      }
      const state = states[block.partition] as PartitionState
      block.each((entry) => {
        show(entry)
        state.lastOffset = entry.offset
        state.lastAt = Math.max(state.lastAt, entry.at)
        return true
      })
      state.nextSequence = block.nextSequence
      return true
    })
    return marks
  }

  // -------------------------------------------------------------------------------------------------- appending

  append(entries: readonly StreamEntry[]): Promise<void> {
    if (this.#closed) return Promise.reject(new StoreUnavailable('The store is closing.', true))
    if (entries.length === 0) return Promise.resolve()
    let bytes = streamEntriesBytes(entries.length, 0) + streamHeadBytes(this.partitions)
    for (const entry of entries) {
      if (!(entry.partition < this.partitions)) return Promise.reject(new RangeError('No such partition.'))
      bytes += entry.bytes.length
    }
    // It could be written, and never be read again.
    if (bytes >= largestRecordBytes)
      return Promise.reject(new RangeError(`Entries of ${bytes} bytes are more than one record holds.`))
    if (this.#pendingBytes > this.#limits.pendingBytes)
      return Promise.reject(
        new StoreUnavailable('More entries are waiting for the disk than are allowed to.', true),
      )
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#pending.push({ entries, bytes, resolve, reject })
    this.#pendingBytes += bytes
    // At the end of this turn's microtasks, so that all who append in them share the commit.
    this.#committing ??= Promise.resolve().then(() => this.#commitAll())
    return promise
  }

  async #commitAll(): Promise<void> {
    while (this.#pending.length > 0) {
      let bytes = 0
      let count = 0
      for (const pending of this.#pending) {
        if (count > 0 && bytes + pending.bytes > this.#limits.commitBytes) break
        bytes += pending.bytes
        count++
      }
      const batch = this.#pending.splice(0, count)
      this.#pendingBytes -= bytes
      try {
        await this.#commit(batch)
        this.#isRefusing = false
        for (const { resolve } of batch) resolve()
      } catch (error) {
        const failure =
          error instanceof StoreUnavailable
            ? error
            : new StoreUnavailable('The stream cannot be written.', false, error)
        if (!this.#isRefusing)
          this.#log.error({ err: failure, cause: failure.cause, stream: this.name }, 'entries are refused')
        this.#isRefusing = true
        for (const { reject } of batch) reject(failure)
      }
    }
    this.#committing = undefined
  }

  async #commit(batch: readonly Pending[]): Promise<void> {
    const groups = new Map<number, { readonly entries: StreamEntry[]; bytes: number }>()
    for (const { entries } of batch)
      for (const entry of entries) {
        let group = groups.get(entry.partition)
        if (!group) groups.set(entry.partition, (group = { entries: [], bytes: 0 }))
        group.entries.push(entry)
        group.bytes += entry.bytes.length
      }
    let entriesBytes = 0
    for (const { entries, bytes } of groups.values())
      entriesBytes += streamEntriesBytes(entries.length, bytes)
    const journal = this.#journal
    const begins = this.#beginsSegment(entriesBytes, batch)
    const headBytes = begins ? streamHeadBytes(this.partitions) : 0
    // A buffer of its own, which the tail keeps.
    const writer = new BatchWriter(Buffer.allocUnsafeSlow(headBytes + entriesBytes))
    if (begins) writeStreamHead(writer, this.#states)
    const position = journal.end
    const written: { readonly block: Block; readonly recordAt: Position; readonly state: PartitionState }[] =
      []
    for (const [partition, { entries, bytes }] of groups) {
      const { nextSequence, lastAt } = this.#states[partition] as PartitionState
      const recordAt = position + writer.bytes
      const places = writeStreamEntries(writer, partition, nextSequence, entries, bytes)
      const state = {
        nextSequence: nextSequence + entries.length,
        lastOffset: position + places.lastAt,
        lastAt: entries.reduce((latest, { at }) => Math.max(latest, at), lastAt),
      }
      const place = { buffer: writer.buffer, start: places.entriesAt, position }
      written.push({ block: new Block(partition, nextSequence, entries.length, place), recordAt, state })
    }
    await journal.append(writer.buffer.subarray(0, writer.bytes))
    if (begins) {
      const head = this.#states.map((state) => ({ ...state }))
      const segment: Segment = { start: position, head, marks: [markOf(position, head)] }
      this.#segments.push(segment)
      this.#remember(segment)
      this.#segmentSince = batch[0]?.entries[0]?.at
    }
    const { marks } = this.#segments.at(-1) as Segment
    for (const { block, recordAt, state } of written) {
      if (marks && recordAt - (marks.at(-1)?.position ?? 0) >= this.#limits.markBytes)
        marks.push(markOf(recordAt, this.#states))
      this.#states[block.partition] = state
      this.appends += block.count
    }
    this.commits++
    this.#tail.add(
      written.map(({ block }) => block),
      writer.bytes,
    )
    this.onAppend?.([...groups.keys()])
    if (begins) this.#freeCrowd()
  }

  #beginsSegment(bytes: number, batch: readonly Pending[]): boolean {
    const now = batch[0]?.entries[0]?.at ?? 0
    const span = this.#retention.ageMs / this.#limits.segmentsPerAge
    if (this.#segmentSince !== undefined && now - this.#segmentSince > span) this.#journal.closeSegment()
    return this.#journal.beginsSegment(bytes)
  }

  // --------------------------------------------------------------------------------------------------- reading

  read(
    partition: number,
    sequence: number,
    max: number,
    maxBytes: number,
  ): readonly ReadEntry[] | Promise<readonly ReadEntry[]> {
    const { firstSequence, nextSequence } = this.facts(partition)
    const from = Math.max(sequence, firstSequence)
    const room: Room = { entries: [], bytes: 0, max, maxBytes }
    if (from >= nextSequence || max < 1 || this.#tail.take(partition, from, room)) return room.entries
    return this.#readFromDisk(partition, from, room)
  }

  async #readFromDisk(partition: number, from: number, room: Room): Promise<readonly ReadEntry[]> {
    const place = `${partition}/${from}`
    const oldest = this.#segments[0]
    let position = this.#places.get(place)
    this.#places.delete(place)
    // The entry before may have gone.
    if (oldest && position !== undefined && position < oldest.start) position = undefined
    position ??= await this.#before(({ head }) => head[partition]?.nextSequence, {
      of: ({ nextSequences }) => nextSequences[partition],
      atMost: from,
    })
    const { nextSequence } = this.facts(partition)
    let lastAt = position
    await this.#walk(position, this.#journal.end, (block, recordAt) => {
      if (block.partition !== partition || block.nextSequence <= from) return true
      lastAt = recordAt
      return block.take(from, room) && block.nextSequence < nextSequence
    })
    const last = room.entries.at(-1)
    // What it began with went while it was read.
    if (!last && this.#segments[0] !== oldest) return this.read(partition, from, room.max, room.maxBytes)
    if (last) {
      if (this.#places.size >= rememberedPlaces) this.#places.clear()
      this.#places.set(`${partition}/${last.sequence + 1}`, lastAt)
    }
    return room.entries
  }

  async firstAfter(partition: number, what: 'offset' | 'at', value: number): Promise<number> {
    const { firstSequence, nextSequence, last } = this.facts(partition)
    if (!last || value >= (what === 'offset' ? last.offset : last.at)) return nextSequence
    const oldest = this.#segments[0]
    const position =
      what === 'offset'
        ? await this.#before(({ start }) => start, { of: (mark) => mark.position, atMost: value })
        : await this.#before(({ head }) => head[partition]?.lastAt, {
            of: ({ moments }) => moments[partition],
            atMost: value,
          })
    let found = nextSequence
    await this.#walk(position, this.#journal.end, (block) => {
      if (block.partition !== partition) return true
      block.each((entry) => {
        if (entry[what] <= value) return true
        found = entry.sequence
        return false
      })
      return found === nextSequence
    })
    // What it began with went while it was read: what is left must not be passed over.
    if (found === nextSequence && this.#segments[0] !== oldest) return this.firstAfter(partition, what, value)
    return Math.max(found, firstSequence)
  }

  /** The last known place of which what it tells is at most so much; before it nothing is that is looked for. */
  async #before(
    ofSegment: (segment: Segment) => number | undefined,
    mark: { readonly of: (mark: Mark) => number | undefined; readonly atMost: number },
  ): Promise<Position> {
    const segments = this.#segments
    const at = lastAtMost(segments, ofSegment, mark.atMost)
    const segment = segments[Math.max(at, 0)]
    if (!segment) return this.#journal.start
    const marks = await this.#marksOf(segment)
    return marks[Math.max(lastAtMost(marks, mark.of, mark.atMost), 0)]?.position ?? segment.start
  }

  async #marksOf(segment: Segment): Promise<readonly Mark[]> {
    segment.marks ??= await this.#mark(
      segment,
      segment.head.map((state) => ({ ...state })),
    )
    this.#remember(segment)
    return segment.marks
  }

  #remember(segment: Segment): void {
    this.#marked.delete(segment)
    this.#marked.add(segment)
    for (const oldest of this.#marked) {
      if (this.#marked.size <= this.#limits.markedSegments) break
      // The marks of the last segment grow with it, and are not read again.
      if (oldest === this.#segments.at(-1)) continue
      this.#marked.delete(oldest)
      oldest.marks = undefined
    }
  }

  /** Shows the blocks of [from, end) with the positions of their records, until `visit` answers false. */
  async #walk(
    from: Position,
    end: Position,
    visit: (block: Block, recordAt: Position) => boolean,
  ): Promise<void> {
    let position = from
    let { readBytes } = this.#limits
    while (position < end) {
      const buffer = await this.#journal.read(position, readBytes)
      // It has been freed.
      if (buffer.length === 0) return
      const walk = new RecordWalk(buffer, true)
      let step = walk.step()
      if (step === 'short' && walk.needed > readBytes) {
        readBytes = walk.needed
        continue
      }
      readBytes = this.#limits.readBytes
      for (; step === 'record'; step = walk.step()) {
        if (position + walk.at >= end) return
        const block = Block.of(walk, position)
        if (block && !visit(block, position + walk.at)) return
      }
      if (step === 'bad' || (step === 'short' && walk.at === 0)) throw this.#damaged(position + walk.at)
      position += step === 'end' ? buffer.length : walk.at
    }
  }

  facts(partition: number): PartitionFacts {
    const { nextSequence, lastOffset, lastAt } = this.#states[partition] as PartitionState
    return {
      firstSequence: this.#segments[0]?.head[partition]?.nextSequence ?? nextSequence,
      nextSequence,
      last: lastOffset === 0 ? undefined : { offset: lastOffset, at: lastAt },
    }
  }

  // -------------------------------------------------------------------------------------------------- retention

  retain(retention: Retention): void {
    this.#retention = retention
    this.#freeCrowd()
  }

  async expire(now: EpochMs): Promise<void> {
    const oldest = now - this.#retention.ageMs
    const isOld = (states: readonly PartitionState[]) => states.every(({ lastAt }) => lastAt < oldest)
    const freeOld = () =>
      this.#free(() => {
        const second = this.#segments[1]
        return second !== undefined && isOld(second.head)
      })
    // The disk may be full.
    await freeOld()
    if (this.#segmentSince === undefined || !isOld(this.#states)) return
    // A head alone takes the place of the last segment, so that numbers go on where they were.
    await this.#beginEmptySegment()
    await freeOld()
  }

  async #beginEmptySegment(): Promise<void> {
    while (this.#committing) await this.#committing
    const written = this.#writeHead()
    // What was appended meanwhile follows, whatever became of the head.
    this.#committing = written.catch(() => {}).then(() => this.#commitAll())
    await written
  }

  async #writeHead(): Promise<void> {
    const journal = this.#journal
    journal.closeSegment()
    const writer = new BatchWriter(Buffer.allocUnsafeSlow(streamHeadBytes(this.partitions)))
    writeStreamHead(writer, this.#states)
    const start = journal.end
    await journal.append(writer.buffer.subarray(0, writer.bytes))
    const head = this.#states.map((state) => ({ ...state }))
    this.#segments.push({ start, head, marks: [markOf(start, head)] })
    this.#segmentSince = undefined
  }

  #freeCrowd(): void {
    this.#free(() => {
      const second = this.#segments[1]
      if (!second || this.#journal.stat().bytes <= this.#retention.bytes) return false
      for (const [partition, { nextSequence }] of second.head.entries())
        this.crowdedOut += nextSequence - (this.#segments[0]?.head[partition]?.nextSequence ?? nextSequence)
      return true
    }).catch((error: unknown) =>
      this.#log.error({ err: error, stream: this.name }, 'what is too much of a stream could not be freed'),
    )
  }

  /** Frees the oldest segment for as long as it may go. */
  #free(mayGo: () => boolean): Promise<void> {
    const free = async () => {
      while (!this.#closed && mayGo()) {
        const gone = this.#segments.shift() as Segment
        this.#marked.delete(gone)
        await this.#journal.dropBefore((this.#segments[0] as Segment).start)
      }
    }
    const freeing = (this.#freeing ?? Promise.resolve()).catch(() => {}).then(free)
    this.#freeing = freeing
    return freeing
  }

  /** Ends when what was appended is durable. */
  async close(): Promise<void> {
    this.#closed = true
    while (this.#committing) await this.#committing
    await this.#freeing?.catch(() => {})
    await this.#journal.close()
  }
}

const newStates = (partitions: number): PartitionState[] =>
  Array.from({ length: partitions }, () => ({ nextSequence: 0, lastOffset: 0, lastAt: 0 }))

const markOf = (position: Position, states: readonly PartitionState[]): Mark => ({
  position,
  nextSequences: Float64Array.from(states, ({ nextSequence }) => nextSequence),
  moments: Float64Array.from(states, ({ lastAt }) => lastAt),
})

/** Index of the last item, of those in ascending order, of which it is at most that; -1: none. */
function lastAtMost<T>(items: readonly T[], of: (item: T) => number | undefined, most: number): number {
  let low = 0
  let high = items.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((of(items[middle] as T) ?? 0) <= most) low = middle + 1
    else high = middle
  }
  return low - 1
}
