import type { Clock, EpochMs } from '../base/clock.ts'
import { newGuid } from '../base/ids.ts'
import type { Log } from '../base/log.ts'
import type { RecordChange, Records } from '../store/store.ts'
import type { WireObject } from '../wire/shape.ts'
import type { LockedNotice, Refuse, ServiceQueue } from './devicebound.ts'
import { Due, type DueItem } from './due.ts'
import { keyOfNumber, type Writer } from './writer.ts'

/*
 * A queue of what the hub tells the service side: what became of messages, in batches; and which files were uploaded, one
 * by one. What is told is durable before it is said, and told again where its lock ends without a word.
 */

export interface NoticesOptions {
  /** Of its records, with a slash at its end. */
  readonly prefix: string
  readonly records: Records
  readonly writer: Writer
  readonly settings: () => {
    readonly lockMs: number
    readonly ttlMs: number
    readonly maxDeliveryCount: number
  }
  /** Undefined: each by itself, as an object. */
  readonly batch: { readonly most: number; readonly waitMs: number } | undefined
  readonly contentType: string
  readonly follow: (work: Promise<unknown>) => void
  readonly refuse: Refuse
  readonly clock: Clock
  readonly log: Log
}

/** As it is stored. */
interface StoredNotice {
  readonly deviceId: string
  readonly value: WireObject
  readonly enqueuedAt: EpochMs
  readonly expiresAt: EpochMs
  readonly deliveryCount: number
}

interface Notice extends StoredNotice, DueItem {
  readonly sequence: number
  deliveryCount: number
  isGone: boolean
}

interface Lock extends DueItem {
  readonly notices: readonly Notice[]
  readonly until: EpochMs
}

/** What is told and not durable yet. */
export interface NewNotice {
  readonly change: RecordChange
  /** To be called when that is written. */
  readonly stored: () => void
}

/** Notices of one queue; above it the oldest give way to new ones. */
export const noticesMost = 50_000
const readAtOnce = 500

export class Notices implements ServiceQueue {
  readonly #options: NoticesOptions
  readonly #due: Due
  readonly #waiting = new Map<number, Notice>()
  /** Told before, and not heard. */
  readonly #returned = new Map<number, Notice>()
  readonly #locks = new Map<string, Lock>()
  readonly #listeners: (() => void)[] = []
  readonly #batchDue: DueItem = {
    dueAt: 0,
    place: -1,
    onDue: () => this.#ready(),
  }
  #sequence = 0
  #isDropping = false

  private constructor(options: NoticesOptions) {
    this.#options = options
    this.#due = new Due(options.clock)
  }

  static async open(options: NoticesOptions): Promise<Notices> {
    const notices = new Notices(options)
    let after: string | undefined
    for (;;) {
      const some = await options.records.page(options.prefix, after, readAtOnce)
      for (const { key, value } of some)
        notices.#keep(Number(key.slice(options.prefix.length)), value as StoredNotice)
      after = some.at(-1)?.key
      if (some.length < readAtOnce) break
    }
    notices.#arm()
    return notices
  }

  get size(): number {
    return this.#waiting.size + this.#returned.size
  }

  onReady(listener: () => void): void {
    this.#listeners.push(listener)
  }

  /** To be written with what it tells of. */
  prepare(deviceId: string, value: WireObject): NewNotice {
    const { clock, settings } = this.#options
    const enqueuedAt = clock.now()
    const stored: StoredNotice = {
      ...{ deviceId, value, enqueuedAt, deliveryCount: 0 },
      expiresAt: clock.after(settings().ttlMs, enqueuedAt),
    }
    const sequence = ++this.#sequence
    return {
      change: { key: this.#keyOf(sequence), value: stored },
      stored: () => {
        this.#keep(sequence, stored)
        if (this.size > noticesMost) this.#dropOldest()
        this.#arm()
        if (this.#waiting.size >= (this.#options.batch?.most ?? 1)) this.#ready()
      },
    }
  }

  /** Resolves when it is durable. */
  async tell(deviceId: string, value: WireObject, also: readonly RecordChange[] = []): Promise<void> {
    const notice = this.prepare(deviceId, value)
    await this.#options.writer.write([notice.change, ...also])
    notice.stored()
  }

  async receive(): Promise<LockedNotice | undefined> {
    const { batch, clock, settings, contentType } = this.#options
    const now = clock.now()
    this.#isDropping = false
    if (!this.#isReady(now)) return undefined
    const notices: Notice[] = []
    for (const queue of [this.#returned, this.#waiting])
      for (const [sequence, notice] of queue) {
        if (notices.length >= (batch?.most ?? 1)) break
        queue.delete(sequence)
        this.#due.clear(notice)
        if (notice.expiresAt > now) notices.push(notice)
        else this.#forgetDurably([notice])
      }
    this.#arm()
    const [first] = notices
    if (!first) return undefined
    const lockToken = newGuid()
    const until = clock.after(settings().lockMs)
    const lock: Lock = {
      ...{ notices, until, dueAt: 0, place: -1 },
      onDue: () => {
        this.#locks.delete(lockToken)
        this.#options.follow(this.#giveBack(notices))
      },
    }
    this.#locks.set(lockToken, lock)
    this.#due.set(lock, until)
    const values = notices.map(({ value }) => value)
    return {
      ...{ lockToken, contentType, messageId: newGuid() },
      body: Buffer.from(JSON.stringify(batch ? values : values[0])),
      enqueuedAt: first.enqueuedAt,
      deliveryCount: Math.max(...notices.map(({ deliveryCount }) => deliveryCount)),
    }
  }

  async complete(lockToken: string): Promise<void> {
    const notices = this.#unlock(lockToken)
    try {
      await this.#options.writer.write(notices.map(({ sequence }) => this.#removal(sequence)))
    } catch (error) {
      this.#putBack(notices)
      throw error
    }
  }

  async abandon(lockToken: string): Promise<void> {
    await this.#giveBack(this.#unlock(lockToken))
  }

  /** Nothing is told of a device that is gone. */
  forget(deviceId: string): readonly RecordChange[] {
    const gone: Notice[] = []
    for (const queue of [this.#waiting, this.#returned])
      for (const [sequence, notice] of queue)
        if (notice.deviceId === deviceId) {
          queue.delete(sequence)
          this.#due.clear(notice)
          gone.push(notice)
        }
    for (const { notices } of this.#locks.values())
      for (const notice of notices)
        if (notice.deviceId === deviceId && !notice.isGone) {
          notice.isGone = true
          gone.push(notice)
        }
    return gone.map(({ sequence }) => this.#removal(sequence))
  }

  close(): void {
    this.#due.close()
  }

  // ---------------------------------------------------------------- how it is kept

  #unlock(lockToken: string): readonly Notice[] {
    const lock = this.#locks.get(lockToken)
    if (!lock || lock.until <= this.#options.clock.now())
      throw this.#options.refuse('DeviceMessageLockLost', 'The lock of the message has ended.')
    this.#locks.delete(lockToken)
    this.#due.clear(lock)
    return lock.notices
  }

  async #giveBack(notices: readonly Notice[]): Promise<void> {
    const { settings, clock, writer } = this.#options
    const { maxDeliveryCount } = settings()
    const now = clock.now()
    for (const notice of notices) notice.deliveryCount++
    const kept = notices.filter(
      ({ deliveryCount, expiresAt, isGone }) =>
        !isGone && deliveryCount < maxDeliveryCount && expiresAt > now,
    )
    const changes = notices.map((notice) =>
      kept.includes(notice)
        ? { key: this.#keyOf(notice.sequence), value: storedOf(notice) }
        : this.#removal(notice.sequence),
    )
    try {
      await writer.write(changes)
    } finally {
      this.#putBack(kept)
    }
  }

  #putBack(notices: readonly Notice[]): void {
    for (const notice of notices) {
      if (notice.isGone) continue
      this.#returned.set(notice.sequence, notice)
      this.#due.set(notice, notice.expiresAt)
    }
    if (this.#returned.size > 0) this.#ready()
  }

  #keep(sequence: number, stored: StoredNotice): void {
    const notice: Notice = {
      ...{ ...stored, sequence, isGone: false, dueAt: 0, place: -1 },
      onDue: () => {
        this.#waiting.delete(sequence)
        this.#returned.delete(sequence)
        this.#forgetDurably([notice])
      },
    }
    this.#sequence = Math.max(this.#sequence, sequence)
    const queue = stored.deliveryCount > 0 ? this.#returned : this.#waiting
    queue.set(sequence, notice)
    this.#due.set(notice, stored.expiresAt)
  }

  #dropOldest(): void {
    const { log, prefix } = this.#options
    if (!this.#isDropping)
      log.warn({ queue: prefix }, 'Nobody reads what a hub tells: the oldest is dropped.')
    this.#isDropping = true
    for (const queue of [this.#returned, this.#waiting])
      for (const [sequence, notice] of queue) {
        queue.delete(sequence)
        this.#due.clear(notice)
        this.#forgetDurably([notice])
        return
      }
  }

  #forgetDurably(notices: readonly Notice[]): void {
    this.#options.follow(this.#options.writer.write(notices.map(({ sequence }) => this.#removal(sequence))))
  }

  #isReady(now: EpochMs): boolean {
    if (this.#returned.size > 0) return true
    const { batch } = this.#options
    const [oldest] = this.#waiting.values()
    if (!oldest) return false
    return !batch || this.#waiting.size >= batch.most || this.#wholeAt(oldest) <= now
  }

  /** When a batch that begins with that notice is as large as it will be. */
  #wholeAt({ enqueuedAt }: Notice): EpochMs {
    return this.#options.clock.after(this.#options.batch?.waitMs ?? 0, enqueuedAt)
  }

  #arm(): void {
    const [oldest] = this.#waiting.values()
    if (!oldest) this.#due.clear(this.#batchDue)
    else if (this.#options.batch) this.#due.set(this.#batchDue, this.#wholeAt(oldest))
  }

  #ready(): void {
    for (const listener of this.#listeners) listener()
  }

  #keyOf(sequence: number): string {
    return `${this.#options.prefix}${keyOfNumber(sequence)}`
  }

  #removal(sequence: number): RecordChange {
    return { key: this.#keyOf(sequence), value: undefined }
  }
}

const storedOf = ({ deviceId, value, enqueuedAt, expiresAt, deliveryCount }: Notice): StoredNotice => ({
  ...{ deviceId, value, enqueuedAt, expiresAt, deliveryCount },
})
