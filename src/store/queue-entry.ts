import type { EpochMs } from '../base/clock.ts'
import type { Position } from './journal.ts'
import type { Lease } from './store.ts'

/** A piece of the journal in memory, shared by the entries whose bytes lie in it. */
export class Chunk {
  readonly buffer: Buffer
  /** Position of the buffer's first byte. */
  position: Position
  /** Entries that hold on to it. */
  holders = 0

  constructor(buffer: Buffer, position: Position) {
    this.buffer = buffer
    this.position = position
  }
}

/** An event waiting on one queue: read into memory, with its bytes or without. */
export class Entry {
  sequence: number
  /** Position of the record that holds the event. */
  recordAt: Position
  /** Index of the event in that record. */
  index: number
  /** Offset of the stored bytes from the start of the record, and their length. */
  offset: number
  readonly length: number
  chunk: Chunk | undefined
  attempts = 0
  /** 0: due at once. */
  dueAt: EpochMs = 0
  note = ''
  /** Of a locked entry, what its lock is called: the sequence that it had when it was locked. 0: it is not locked. */
  lockedAs = 0
  /** Its place in the `DueHeap`; means nothing outside one. */
  heapAt = 0
  lease: Lease | undefined
  previous: Entry | undefined
  next: Entry | undefined

  constructor(sequence: number, recordAt: Position, index: number, offset: number, length: number) {
    this.sequence = sequence
    this.recordAt = recordAt
    this.index = index
    this.offset = offset
    this.length = length
  }
}

/** Entries in the order of their records, oldest first; joining at the end and leaving cost the same for any. */
export class EntryList {
  first: Entry | undefined
  #last: Entry | undefined
  size = 0

  add(entry: Entry): void {
    entry.previous = this.#last
    entry.next = undefined
    if (this.#last) this.#last.next = entry
    else this.first = entry
    this.#last = entry
    this.size++
  }

  remove(entry: Entry): void {
    const { previous, next } = entry
    if (previous) previous.next = next
    else this.first = next
    if (next) next.previous = previous
    else this.#last = previous
    entry.previous = undefined
    entry.next = undefined
    this.size--
  }

  *[Symbol.iterator](): Generator<Entry> {
    for (let entry = this.first; entry; entry = entry.next) yield entry
  }
}

/** Entries by the moment they are due: a binary heap. */
export class DueHeap {
  #items: Entry[] = []

  get size(): number {
    return this.#items.length
  }

  get first(): Entry | undefined {
    return this.#items[0]
  }

  push(entry: Entry): void {
    this.#items.push(entry)
    this.#rise(entry, this.#items.length - 1)
  }

  pop(): Entry | undefined {
    const { first } = this
    if (first) this.delete(first)
    return first
  }

  /** Takes out one entry, which must be in it, wherever it stands. */
  delete({ heapAt }: Entry): void {
    const items = this.#items
    const last = items.pop() as Entry
    if (heapAt === items.length) return
    const above = items[(heapAt - 1) >> 1]
    if (heapAt > 0 && (above as Entry).dueAt > last.dueAt) this.#rise(last, heapAt)
    else this.#sink(last, heapAt)
  }

  #rise(entry: Entry, from: number): void {
    const items = this.#items
    let at = from
    while (at > 0) {
      const above = (at - 1) >> 1
      const other = items[above] as Entry
      if (other.dueAt <= entry.dueAt) break
      this.#place(other, at)
      at = above
    }
    this.#place(entry, at)
  }

  #sink(entry: Entry, from: number): void {
    const items = this.#items
    let at = from
    for (;;) {
      let below = 2 * at + 1
      if (below >= items.length) break
      if (below + 1 < items.length && (items[below + 1] as Entry).dueAt < (items[below] as Entry).dueAt)
        below++
      const other = items[below] as Entry
      if (other.dueAt >= entry.dueAt) break
      this.#place(other, at)
      at = below
    }
    this.#place(entry, at)
  }

  #place(entry: Entry, at: number): void {
    this.#items[at] = entry
    entry.heapAt = at
  }

  /** Takes out every entry for which `leaves` says so, and answers how many. */
  remove(leaves: (entry: Entry) => boolean): number {
    const before = this.#items
    const stay = before.filter((entry) => !leaves(entry))
    if (stay.length === before.length) return 0
    this.#items = []
    for (const entry of stay) this.push(entry)
    return before.length - stay.length
  }
}

/** First in, first out, without moving what stays. */
export class Fifo {
  #items: (Entry | undefined)[] = []
  #head = 0

  get size(): number {
    return this.#items.length - this.#head
  }

  push(entry: Entry): void {
    this.#items.push(entry)
  }

  peek(): Entry | undefined {
    return this.#items[this.#head]
  }

  shift(): Entry | undefined {
    const entry = this.#items[this.#head]
    if (!entry) return undefined
    this.#items[this.#head++] = undefined
    if (this.#head === this.#items.length) {
      this.#items = []
      this.#head = 0
    } else if (this.#head >= 1024 && this.#head * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return entry
  }

  remove(leaves: (entry: Entry) => boolean): void {
    this.#items = this.#items.slice(this.#head).filter((entry) => entry && !leaves(entry))
    this.#head = 0
  }
}
