import type { EpochMs } from '../base/clock.ts'
import type { Position } from './journal.ts'
import { Entry } from './queue-entry.ts'
import { appendBody } from './read-record.ts'
import type { RecordWalk } from './record-format.ts'

/*
 * What a queue has not read into memory: how many entries, where the first one is, and in which stretches of the
 * journal they lie. However long the backlog, this is a few numbers.
 */

/** Where unread entries lie: so many within this stretch of the journal, the first one there. */
export interface Span {
  readonly stretch: number
  entries: number
  readonly firstAt: Position
}

/** Stretches are this long; a queue with few entries skips the stretches between them. */
const stretchBytes = 16 * 1024 * 1024

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

  add(entry: Entry): void {
    if (this.count === 0) {
      this.clear()
      this.moveTo(entry.recordAt, entry.index)
      this.sequence = entry.sequence
    }
    this.count++
    const stretch = Math.floor(entry.recordAt / stretchBytes)
    const last = this.spans.at(-1)
    if (last?.stretch === stretch) last.entries++
    else this.spans.push({ stretch, entries: 1, firstAt: entry.recordAt })
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
  }

  moveTo(position: Position, index: number): void {
    this.at = position
    this.index = index
  }

  /** Passes over what lies between here and the next entry. */
  skip(): void {
    const span = this.spans[0]
    if (span && this.at < span.firstAt) this.moveTo(span.firstAt, 0)
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
    const stretch = Math.floor(recordAt / stretchBytes)
    while (this.spans[0] && this.spans[0].stretch < stretch) this.spans.shift()
    const span = this.spans[0]
    if (span?.stretch === stretch && --span.entries === 0) this.spans.shift()
  }
}
