import type { EpochMs } from '../base/clock.ts'
import type { Position } from './journal.ts'
import { Entry } from './queue-entry.ts'
import { appendBody } from './read-record.ts'
import type { RecordWalk } from './record-format.ts'

/*
 * What a queue has not read into memory: how many entries, where the first one is, and in which spans of the journal
 * they lie. However long the backlog, this is a bounded number of them: the longer it is the wider they are.
 */

/** Where unread entries lie: so many in records that begin within this part of the journal. */
export interface Span {
  entries: number
  readonly firstAt: Position
  lastAt: Position
}

/** Records so near to each other are read together. */
const nearBytes = 32 * 1024
/** A queue with few entries passes over what lies between them; one with many has them everywhere. */
const mostSpans = 128

/** What is known of an entry that has not been read again since the last start. */
export type Ahead = 'finished' | EntryState

/** What a reader has made of an entry. */
export interface EntryState {
  readonly attempts: number
  readonly dueAt: EpochMs
  readonly note: string
  /** See `Entry`. */
  readonly lockedAs: number
}

export class Unread {
  /** While it is 0 the rest means nothing. */
  count = 0
  /** Where to read on: this record, from the event of this index on. */
  at: Position = 0
  index = 0
  /** Every entry of the window has a lower sequence, every unread one this or a higher one. */
  sequence = 0
  spans: Span[] = []
  readonly ahead = new Map<number, Ahead>()
  #nearBytes = nearBytes

  add(entry: Entry): void {
    if (this.count === 0) {
      this.clear()
      this.moveTo(entry.recordAt, entry.index)
      this.sequence = entry.sequence
    }
    this.count++
    const { recordAt } = entry
    const last = this.spans.at(-1)
    if (last && recordAt - last.firstAt < this.#nearBytes) {
      last.entries++
      last.lastAt = Math.max(last.lastAt, recordAt)
    } else {
      this.spans.push({ entries: 1, firstAt: recordAt, lastAt: recordAt })
      if (this.spans.length > mostSpans) this.#widen()
    }
    const { attempts, dueAt, note, lockedAs } = entry
    if (attempts > 0 || dueAt > 0) this.ahead.set(entry.sequence, { attempts, dueAt, note, lockedAs })
  }

  copy(): Unread {
    const copy = new Unread()
    const { count, at, index, sequence } = this
    Object.assign(copy, { count, at, index, sequence })
    copy.spans = this.spans.map((span) => ({ ...span }))
    for (const [key, ahead] of this.ahead) copy.ahead.set(key, ahead)
    return copy
  }

  clear(): void {
    this.count = 0
    this.spans = []
    this.ahead.clear()
    this.#nearBytes = nearBytes
  }

  /** Makes one span of every two. */
  #widen(): void {
    this.#nearBytes *= 2
    const wide: Span[] = []
    for (const [n, span] of this.spans.entries()) {
      const last = wide.at(-1)
      if (n % 2 === 0 || !last) wide.push(span)
      else Object.assign(last, { entries: last.entries + span.entries, lastAt: span.lastAt })
    }
    this.spans = wide
  }

  moveTo(position: Position, index: number): void {
    this.at = position
    this.index = index
  }

  /** Passes over what lies between here and the next entry. */
  skip(): void {
    while (this.spans[0] && this.spans[0].lastAt < this.at) this.spans.shift()
    const span = this.spans[0]
    if (span && this.at < span.firstAt) this.moveTo(span.firstAt, 0)
  }

  /** How much of the journal is worth reading from here on, if no more than that is to be read. */
  readableBytes(mostBytes: number): number {
    const span = this.spans[0]
    return span ? Math.min(mostBytes, span.lastAt - this.at + nearBytes / 2) : mostBytes
  }

  /** Replays what was said of an entry; false when it is none of these. */
  replay(sequence: number, ahead: Ahead): boolean {
    if (this.count === 0 || sequence < this.sequence || this.ahead.get(sequence) === 'finished') return false
    this.ahead.set(sequence, ahead)
    if (ahead === 'finished' && --this.count === 0) this.clear()
    return true
  }

  /**
   * Hands over the entries of queue `id` in the whole records of `walk`, whose buffer begins at position `from`,
   * and moves on behind them. Stops before position `before`, and when `hasRoom` says no.
   */
  take(
    walk: RecordWalk,
    from: Position,
    id: number,
    limits: { readonly before: Position | undefined; readonly hasRoom: () => boolean },
    visit: { readonly entry: (entry: Entry) => void; readonly finished: (bytes: number) => void },
  ): 'stopped' | 'more' {
    const { before, hasRoom } = limits
    while (this.count > 0) {
      const step = walk.step()
      if (step === 'bad') throw new Error(`The event journal is damaged at position ${from + walk.at}.`)
      if (step !== 'record') return 'more'
      const recordAt = from + walk.at
      if (before !== undefined && recordAt >= before) return 'stopped'
      const events = appendBody(walk)
      const done = recordAt === this.at ? this.index : 0
      while (events?.next()) {
        if (events.index < done || !events.wants(id)) continue
        if (!hasRoom()) {
          this.moveTo(recordAt, events.index)
          return 'stopped'
        }
        const { sequence, index, bytes } = events
        this.#passed(recordAt)
        this.sequence = sequence + 1
        const ahead = this.ahead.get(sequence)
        this.ahead.delete(sequence)
        if (ahead === 'finished') {
          visit.finished(bytes)
          continue
        }
        this.count--
        const entry = new Entry(sequence, recordAt, index, events.bytesAt - walk.at, bytes)
        if (ahead) Object.assign(entry, ahead)
        visit.entry(entry)
      }
      this.moveTo(from + walk.next, 0)
    }
    return 'stopped'
  }

  #passed(recordAt: Position): void {
    while (this.spans[0] && this.spans[0].lastAt < recordAt) this.spans.shift()
    const span = this.spans[0]
    if (span && span.firstAt <= recordAt && --span.entries === 0) this.spans.shift()
  }
}
