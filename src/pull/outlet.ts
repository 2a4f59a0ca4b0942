import type { Clock, EpochMs, Timer } from '../base/clock.ts'
import type { GivenUpEvent } from '../delivery/dead-letter-desk.ts'
import { decodeNote } from '../delivery/note.ts'
import type { GiveUpReason } from '../delivery/policy.ts'
import { decodeStored } from '../event/encode.ts'
import type { StoredEvent } from '../event/event.ts'
import type { Lease, LockName, Queue } from '../store/store.ts'
import { LockTokens, type ReadToken } from './lock-tokens.ts'

/*
 * The queue of one event subscription as receivers see it. They stand in line, first come, first served, and are
 * woken by what comes: an event, a lock that ends, an event that was put back. Nobody is answered before the locks
 * are durable, so whatever a receiver holds it also holds after a crash, and each of its deliveries was counted.
 *
 * What must not be delivered any more, because its time to live is over or because it was delivered too often or
 * rejected, is found when it would be handed out, and given up; where nobody receives, a sweep looks for it.
 */

/** What can be asked of an event subscription whose events are received; durations are policy time. */
export interface OutletSettings {
  readonly lockMs: number
  readonly maxDeliveryCount: number
  readonly eventTimeToLiveMs: number
}

/** An event as it is handed to a receiver. */
export interface ReceivedEvent {
  /** The name of its lock. */
  readonly sequence: number
  /** How often it has been received, this time included. */
  readonly attempts: number
  readonly event: StoredEvent
}

export interface Batch {
  readonly events: readonly ReceivedEvent[]
  /** Each of `tokenCharacters`, one behind the other. */
  readonly tokens: string
}

/** Somebody who wants events. */
export interface Receiving {
  /** Empty when none came in time. */
  readonly batch: Promise<Batch>
  /** Whoever asked has gone: nothing is locked for it. */
  leave(): void
}

/** Why a token was refused. */
export type TokenRefusal = 'BadToken' | 'TokenLost'
/** For each token undefined, when what was asked is done. */
export type TokenResults = readonly (TokenRefusal | undefined)[]

export interface OutletOptions {
  readonly queue: Queue
  readonly clock: Clock
  readonly settings: OutletSettings
  readonly tokenSecret: Buffer
  /** Takes leases and ends them, when the events are dead-lettered or dropped. Never rejects. */
  readonly giveUp: (givenUp: readonly GivenUpEvent[]) => Promise<void>
  readonly observer: OutletObserver
  /** Most bytes of events in one batch, unless a single one is larger. */
  readonly batchBytes: number
  /** Called when nothing is under way any more. */
  readonly onQuiet: () => void
}

/** Told what becomes of events; in batches. */
export interface OutletObserver {
  received(events: readonly ReceivedEvent[]): void
  acknowledged(leases: readonly Lease[]): void
  released(leases: readonly Lease[], dueAt: EpochMs): void
  rejected(leases: readonly Lease[]): void
}

interface Waiter {
  readonly max: number
  readonly resolve: (batch: Batch) => void
  readonly reject: (error: Error) => void
  timer: Timer | undefined
  isGone: boolean
}

interface Held {
  readonly lease: Lease
  readonly event: StoredEvent
}

const noBatch: Batch = { events: [], tokens: '' }
const rejectedMark = ' rejected'
/** Looked at by one step of a sweep. */
const sweepEvents = 256
const sweepBytes = 1024 * 1024
/** Real time between two sweeps. */
const sweepPauseMs = 250

export class Outlet {
  readonly #options: OutletOptions
  readonly #queue: Queue
  readonly #clock: Clock
  readonly #tokens: LockTokens
  #settings: OutletSettings
  /** In the order in which they came. */
  readonly #line = new Set<Waiter>()
  /** Something may have become available since the queue was last asked. */
  #isWoken = false
  #isRunning = false
  #wakeTimer: Timer | undefined
  #sweepTimer: Timer | undefined
  #sweepAt: EpochMs = Infinity
  #sweptAt: EpochMs = 0
  #isSweepDue = false
  /** Locks and ends of events that are being written. */
  #writes = 0
  #ended: Error | undefined
  #endsWaits = false
  #quiet: (() => void)[] = []

  constructor(options: OutletOptions) {
    this.#options = options
    this.#queue = options.queue
    this.#clock = options.clock
    this.#settings = options.settings
    this.#tokens = new LockTokens(options.tokenSecret, options.queue.name)
    this.#queue.onReady = () => this.#wake()
    if (this.#queue.counts().entries > 0) this.#sweepSoon()
  }

  get queue(): Queue {
    return this.#queue
  }

  get waiting(): number {
    return this.#line.size
  }

  get busy(): boolean {
    return this.#isRunning || this.#writes > 0
  }

  update(settings: OutletSettings): void {
    this.#settings = settings
    this.#sweepSoon()
  }

  /**
   * Ends every wait with this error, or with no events where there is none, and lets nobody in any more. Resolves
   * when what was under way has ended.
   */
  async end(error: Error | undefined): Promise<void> {
    this.#ended = error ?? new Error('The outlet is closed.')
    this.#queue.onReady = undefined
    this.#wakeTimer?.cancel()
    this.#sweepTimer?.cancel()
    for (const waiter of this.#line) {
      this.#leaveLine(waiter)
      if (error) waiter.reject(error)
      else waiter.resolve(noBatch)
    }
    while (this.busy) await new Promise<void>((resolve) => this.#quiet.push(resolve))
  }

  /** Answers everybody in line with no events, and whoever comes from now on. */
  endWaits(): void {
    this.#endsWaits = true
    for (const waiter of this.#line) {
      this.#leaveLine(waiter)
      waiter.resolve(noBatch)
    }
  }

  receive(max: number, waitMs: number): Receiving {
    const { promise, resolve, reject } = Promise.withResolvers<Batch>()
    const waiter: Waiter = { max, resolve, reject, timer: undefined, isGone: false }
    if (this.#ended || this.#endsWaits) resolve(noBatch)
    else {
      this.#line.add(waiter)
      waiter.timer = this.#clock.at(this.#clock.now() + waitMs, () => {
        if (this.#line.delete(waiter)) resolve(noBatch)
      })
      this.#wake()
    }
    return {
      batch: promise,
      leave: () => {
        waiter.isGone = true
        if (this.#line.has(waiter)) {
          this.#leaveLine(waiter)
          resolve(noBatch)
        }
      },
    }
  }

  /** The events are delivered: they are forgotten when it resolves. */
  async acknowledge(tokens: readonly string[]): Promise<TokenResults> {
    const { results, leases } = await this.#unlock(tokens)
    await this.#track(this.#queue.done(leases, 'awaited'))
    this.#options.observer.acknowledged(leases)
    return results
  }

  /** The events may be received again once `delayMs` of policy time are over. */
  async release(tokens: readonly string[], delayMs: number): Promise<TokenResults> {
    const { results, leases } = await this.#unlock(tokens)
    const now = this.#clock.now()
    const dueAt = delayMs === 0 ? now : this.#clock.after(delayMs)
    const { maxDeliveryCount } = this.#settings
    await this.#putBack(leases, (lease) => {
      // There is nothing to wait for where no delivery is left.
      const isSpent = lease.attempts >= maxDeliveryCount
      return { attempts: lease.attempts, dueAt: isSpent ? now : dueAt, note: lease.note }
    })
    this.#options.observer.released(leases, dueAt)
    return results
  }

  /** The events are not to be delivered any more. */
  async reject(tokens: readonly string[]): Promise<TokenResults> {
    const { results, leases } = await this.#unlock(tokens)
    const dueAt = this.#clock.now()
    await this.#putBack(leases, ({ attempts, note }) => ({ attempts, dueAt, note: note + rejectedMark }))
    this.#options.observer.rejected(leases)
    return results
  }

  /** The locks last as long from now on as they did when they were given. */
  async renew(tokens: readonly string[]): Promise<TokenResults> {
    const { results, names, places } = this.#read(tokens)
    const until = this.#clock.after(this.#settings.lockMs)
    const renewed = await this.#track(this.#queue.renew(names, until, this.#clock.now()))
    const seen = new Set<number>()
    for (const [n, isRenewed] of renewed.entries()) {
      const { sequence } = names[n] as LockName
      // Of two that name the same lock, the first counts.
      if (!isRenewed || seen.has(sequence)) results[places[n] as number] = 'TokenLost'
      seen.add(sequence)
    }
    return results
  }

  // ------------------------------------------------------------------------------------------------------- tokens

  /** What the tokens name. `places` says where each name's token stands. */
  #read(tokens: readonly string[]) {
    const results: (TokenRefusal | undefined)[] = []
    const names: LockName[] = []
    const places: number[] = []
    const decoded = this.#tokens.decode(tokens)
    for (let n = 0; n < decoded.length; n++) {
      const read = decoded[n] as ReadToken
      if (read === 'malformed') results.push('BadToken')
      else if (read === 'forged') results.push('TokenLost')
      else {
        results.push(undefined)
        names.push(read)
        places.push(n)
      }
    }
    return { results, names, places }
  }

  async #unlock(
    tokens: readonly string[],
  ): Promise<{ readonly results: TokenResults; readonly leases: readonly Lease[] }> {
    const { results, names, places } = this.#read(tokens)
    const unlocked = this.#queue.unlock(names, this.#clock.now())
    const leases: Lease[] = []
    for (const [n, lease] of (unlocked instanceof Promise ? await unlocked : unlocked).entries())
      if (lease) leases.push(lease)
      else results[places[n] as number] = 'TokenLost'
    return { results, leases }
  }

  async #putBack(
    leases: readonly Lease[],
    stateOf: (lease: Lease) => { attempts: number; dueAt: EpochMs; note: string },
  ): Promise<void> {
    const writes = leases.map((lease) => {
      const { attempts, dueAt, note } = stateOf(lease)
      this.#ensureSweep(dueAt)
      return this.#queue.postpone(lease, attempts, dueAt, note, 'awaited')
    })
    await this.#track(Promise.all(writes))
  }

  // --------------------------------------------------------------------------------------------- handing out events

  #wake(): void {
    this.#isWoken = true
    if (this.#line.size > 0) this.#run()
    else if (this.#sweepAt === Infinity) this.#ensureSweep(this.#nextSweep(undefined))
  }

  #run(): void {
    if (this.#isRunning || this.#ended) return
    this.#isRunning = true
    void this.#serve().finally(() => {
      this.#isRunning = false
      // What came at the very end was not seen.
      if ((this.#isWoken && this.#line.size > 0) || this.#isSweepDue) this.#run()
      else this.#noteQuiet()
    })
  }

  async #serve(): Promise<void> {
    while (!this.#ended) {
      const [first] = this.#line
      if (!first && !this.#isSweepDue) return
      this.#isWoken = false
      const now = this.#clock.now()
      const leases = await (first
        ? this.#queue.lease(first.max, this.#options.batchBytes, now)
        : this.#queue.lease(sweepEvents, sweepBytes, now))
      if (leases.length > 0) {
        const { live, givingUp } = this.#living(leases)
        this.#hand(live, !first && !givingUp)
        // What is given up makes room in the queue for what comes behind it.
        if (live.length === 0) await givingUp
        continue
      }
      this.#sweptAt = now
      this.#isSweepDue = false
      this.#ensureSweep(this.#nextSweep(undefined))
      if (this.#isWoken && this.#line.size > 0) continue
      this.#wakeAt(this.#queue.nextDueAt())
      return
    }
  }

  /**
   * Gives leases to whoever is first in line now, which need not be the one they were taken for.
   *
   * @param isSwept they were taken for nobody, and there was nothing among them to give up
   */
  #hand(live: readonly Held[], isSwept: boolean): void {
    const [waiter] = this.#line
    if (!waiter || this.#ended) {
      this.#queue.release(live.map(({ lease }) => lease))
      if (isSwept) this.#swept(live)
      return
    }
    const batch = this.#fitting(live, waiter.max)
    if (batch.length < live.length) this.#queue.release(live.slice(batch.length).map(({ lease }) => lease))
    if (batch.length > 0) this.#lock(batch, waiter)
  }

  /** What may still be delivered; the others are given up. */
  #living(leases: readonly Lease[]): {
    readonly live: readonly Held[]
    readonly givingUp: Promise<void> | undefined
  } {
    const { maxDeliveryCount, eventTimeToLiveMs } = this.#settings
    const live: Held[] = []
    let givenUp: GivenUpEvent[] | undefined
    for (const lease of leases) {
      const event = decodeStored(lease.bytes)
      const { attempts, note } = lease
      let reason: GiveUpReason | undefined
      const before = givenUpBefore(note)
      if (before !== undefined) reason = before
      else if (note.endsWith(rejectedMark)) reason = 'Rejected'
      else if (attempts >= maxDeliveryCount) reason = 'MaxDeliveryAttemptsExceeded'
      else if (this.#clock.since(event.publishedAt) >= eventTimeToLiveMs) reason = 'TimeToLiveExceeded'
      if (reason === undefined) live.push({ lease, event })
      else (givenUp ??= []).push({ lease, event, reason, lastReceivedAt: receivedAt(note) })
    }
    return { live, givingUp: givenUp && this.#track(this.#options.giveUp(givenUp)) }
  }

  #fitting(live: readonly Held[], max: number): readonly Held[] {
    const { batchBytes } = this.#options
    let count = 0
    let bytes = 0
    for (const { lease } of live) {
      bytes += lease.bytes.length
      if (count === max || (count > 0 && bytes > batchBytes)) break
      count++
    }
    return count === live.length ? live : live.slice(0, count)
  }

  #lock(held: readonly Held[], waiter: Waiter): void {
    this.#leaveLine(waiter)
    const now = this.#clock.now()
    const until = this.#clock.after(this.#settings.lockMs, now)
    const leases = held.map(({ lease }) => lease)
    const events = held.map(({ lease: { sequence, attempts }, event }) => ({
      sequence,
      attempts: attempts + 1,
      event,
    }))
    this.#ensureSweep(until)
    void this.#track(this.#queue.lock(leases, until, String(now))).then(
      () => {
        if (waiter.isGone) this.#takeBack(leases, waiter)
        else {
          this.#options.observer.received(events)
          waiter.resolve({ events, tokens: this.#tokens.encode(events) })
        }
      },
      (error: Error) => {
        this.#takeBack(leases, waiter)
        waiter.reject(error)
      },
    )
  }

  /** Nobody learned of these locks: they are as if they had not been. */
  #takeBack(leases: readonly Lease[], waiter: Waiter): void {
    waiter.resolve(noBatch)
    const names = leases.map(({ sequence, attempts }) => ({ sequence, attempts: attempts + 1 }))
    void this.#track(
      Promise.resolve(this.#queue.unlock(names, this.#clock.now())).then((unlocked) => {
        for (const [n, lease] of unlocked.entries()) {
          const { attempts, note } = leases[n] as Lease
          // The store tells whoever appends that it cannot write.
          if (lease) this.#queue.postpone(lease, attempts, this.#clock.now(), note).catch(() => {})
        }
      }),
    )
  }

  #leaveLine(waiter: Waiter): void {
    this.#line.delete(waiter)
    waiter.timer?.cancel()
  }

  #wakeAt(dueAt: EpochMs | undefined): void {
    this.#wakeTimer?.cancel()
    this.#wakeTimer = undefined
    if (dueAt === undefined || this.#line.size === 0) return
    this.#wakeTimer = this.#clock.at(dueAt, () => this.#wake())
  }

  async #track<T>(write: Promise<T>): Promise<T> {
    this.#writes++
    try {
      return await write
    } finally {
      this.#writes--
      this.#noteQuiet()
    }
  }

  #noteQuiet(): void {
    if (this.busy) return
    const quiet = this.#quiet
    this.#quiet = []
    for (const resolve of quiet) resolve()
    this.#options.onQuiet()
  }

  // ------------------------------------------------------------------------------------------------------ sweeping

  /** A step of the sweep found nothing to give up: so does what lies behind it, which is younger. */
  #swept(live: readonly Held[]): void {
    this.#sweptAt = this.#clock.now()
    this.#isSweepDue = false
    let oldest = Infinity
    for (const { event } of live) oldest = Math.min(oldest, event.publishedAt)
    this.#ensureSweep(this.#nextSweep(oldest))
  }

  /** When there may be something to give up. @param oldest when the oldest event was published; default: now */
  #nextSweep(oldest: EpochMs | undefined): EpochMs {
    if (this.#queue.counts().entries === 0) return Infinity
    const expiry = this.#clock.after(this.#settings.eventTimeToLiveMs, oldest)
    return Math.min(expiry, this.#queue.nextDueAt() ?? Infinity)
  }

  #sweepSoon(): void {
    this.#ensureSweep(this.#clock.now())
  }

  #ensureSweep(at: EpochMs): void {
    if (at >= this.#sweepAt || this.#ended) return
    this.#sweepTimer?.cancel()
    this.#sweepAt = Math.max(at, this.#sweptAt + sweepPauseMs)
    this.#sweepTimer = this.#clock.at(this.#sweepAt, () => {
      this.#sweepAt = Infinity
      this.#isSweepDue = true
      this.#run()
    })
  }
}

/** It was given up, and could not be moved to the dead letters: then its note is theirs, which is JSON. */
const givenUpBefore = (note: string): GiveUpReason | undefined =>
  note.startsWith('[') ? decodeNote(note)?.givenUp : undefined

/** What the note of a lock says. */
function receivedAt(note: string): EpochMs | undefined {
  if (note.startsWith('[')) return decodeNote(note)?.lastAttemptAt
  const moment = Number.parseInt(note, 10)
  return Number.isNaN(moment) ? undefined : moment
}
