import type { Clock, Timer } from '../base/clock.ts'

/*
 * Timers for very many connections, which are moved far more often than they fire: one real timer turns a wheel of
 * slots, one slot each tick. A deadline is met within one tick after it, never before.
 */

/** What can be on the wheel; the wheel alone writes the fields. */
export interface WheelItem {
  wheelPrevious: WheelItem | undefined
  wheelNext: WheelItem | undefined
  /** The tick at which it is due; 0 while it is not on the wheel. */
  wheelTick: number
  /** Called once when it is due; it is off the wheel by then. */
  onDue(): void
}

const slots = 512

export class TimerWheel {
  readonly #clock: Clock
  readonly #tickMs: number
  readonly #startedAt: number
  /** Heads of rings; the head itself is no item. */
  readonly #heads: WheelItem[] = []
  #tick = 0
  #count = 0
  #timer: Timer | undefined

  constructor(clock: Clock, tickMs: number) {
    this.#clock = clock
    this.#tickMs = tickMs
    this.#startedAt = clock.now()
  }

  /** Puts the item on the wheel, or moves it. */
  set(item: WheelItem, delayMs: number): void {
    if (item.wheelTick !== 0) this.#unlink(item)
    if (this.#count === 0) this.#tick = this.#tickNow()
    item.wheelTick = Math.max(
      this.#tick + 1,
      Math.ceil((this.#clock.now() - this.#startedAt + delayMs) / this.#tickMs),
    )
    const head = this.#head(item.wheelTick % slots)
    item.wheelPrevious = head.wheelPrevious
    item.wheelNext = head
    ;(head.wheelPrevious as WheelItem).wheelNext = item
    head.wheelPrevious = item
    this.#count++
    this.#timer ??= this.#arm()
  }

  clear(item: WheelItem): void {
    if (item.wheelTick !== 0) this.#unlink(item)
  }

  close(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#heads.length = 0
    this.#count = 0
  }

  #tickNow(): number {
    return Math.floor((this.#clock.now() - this.#startedAt) / this.#tickMs)
  }

  #arm(): Timer {
    return this.#clock.at(this.#startedAt + (this.#tick + 1) * this.#tickMs, () => this.#turn())
  }

  #turn(): void {
    this.#timer = undefined
    const now = this.#tickNow()
    // After a long sleep of the machine each slot is looked at once.
    const last = Math.min(now, this.#tick + slots)
    for (let tick = this.#tick + 1; tick <= last; tick++) this.#fire(tick % slots, now)
    this.#tick = Math.max(now, this.#tick)
    if (this.#count > 0) this.#timer ??= this.#arm()
  }

  #fire(slot: number, now: number): void {
    const head = this.#heads[slot]
    if (!head) return
    const due: WheelItem[] = []
    for (let item = head.wheelNext as WheelItem; item !== head; item = item.wheelNext as WheelItem)
      if (item.wheelTick <= now) due.push(item)
    for (const item of due) {
      // One that fired before it may have taken it off, or moved it.
      if (item.wheelTick === 0 || item.wheelTick > now) continue
      this.#unlink(item)
      item.onDue()
    }
  }

  #unlink(item: WheelItem): void {
    ;(item.wheelPrevious as WheelItem).wheelNext = item.wheelNext
    ;(item.wheelNext as WheelItem).wheelPrevious = item.wheelPrevious
    item.wheelPrevious = undefined
    item.wheelNext = undefined
    item.wheelTick = 0
    this.#count--
  }

  #head(slot: number): WheelItem {
    const known = this.#heads[slot]
    if (known) return known
    const head: WheelItem = { wheelPrevious: undefined, wheelNext: undefined, wheelTick: 0, onDue() {} }
    head.wheelPrevious = head
    head.wheelNext = head
    this.#heads[slot] = head
    return head
  }
}
