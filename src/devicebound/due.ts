import type { Clock, EpochMs, Timer } from '../base/clock.ts'

/** What happens at a moment, unless the moment is moved or taken away before. */
export interface DueItem {
  dueAt: EpochMs
  /** Where it stands in its heap; -1 where it is in none. */
  place: number
  /** It is in the heap no more. */
  onDue(): void
}

/** Many moments with one timer: a binary heap, in which each item knows its place. */
export class Due {
  readonly #clock: Clock
  readonly #heap: DueItem[] = []
  #timer: Timer | undefined
  #timerAt: EpochMs = Number.POSITIVE_INFINITY

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Puts it there, or moves it. */
  set(item: DueItem, dueAt: EpochMs): void {
    item.dueAt = dueAt
    if (item.place < 0) {
      item.place = this.#heap.length
      this.#heap.push(item)
    }
    this.#sink(this.#rise(item))
    this.#arm()
  }

  clear(item: DueItem): void {
    const { place } = item
    if (place < 0) return
    item.place = -1
    const last = this.#heap.pop() as DueItem
    if (last === item) return
    this.#put(last, place)
    this.#sink(this.#rise(last))
  }

  close(): void {
    this.#timer?.cancel()
    this.#timerAt = Number.NEGATIVE_INFINITY
  }

  #arm(): void {
    const [first] = this.#heap
    if (!first || first.dueAt >= this.#timerAt) return
    this.#timer?.cancel()
    this.#timerAt = first.dueAt
    this.#timer = this.#clock.at(first.dueAt, () => this.#fire())
  }

  #fire(): void {
    this.#timerAt = Number.POSITIVE_INFINITY
    const now = this.#clock.now()
    for (let [first] = this.#heap; first && first.dueAt <= now; [first] = this.#heap) {
      this.clear(first)
      first.onDue()
    }
    this.#arm()
  }

  #put(item: DueItem, place: number): void {
    this.#heap[place] = item
    item.place = place
  }

  #rise(item: DueItem): DueItem {
    for (;;) {
      const above = (item.place - 1) >> 1
      const parent = this.#heap[above]
      if (item.place === 0 || !parent || parent.dueAt <= item.dueAt) return item
      this.#put(parent, item.place)
      this.#put(item, above)
    }
  }

  #sink(item: DueItem): void {
    for (;;) {
      const at = item.place * 2 + 1
      const [left, right] = [this.#heap[at], this.#heap[at + 1]]
      const least = right && left && right.dueAt < left.dueAt ? right : left
      if (!least || least.dueAt >= item.dueAt) return
      const { place } = least
      this.#put(least, item.place)
      this.#put(item, place)
    }
  }
}
