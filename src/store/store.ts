import type { EpochMs } from '../base/clock.ts'

/*
 * The durable contract. Two kinds of state with different needs: records (resources, keys) and queues (events
 * on their way). Every operation is asynchronous and may fail for a while; a record write and an append are
 * never one transaction. Engines on the shelf `engines/` implement it and one contract test judges them all.
 */

export interface Store {
  readonly records: Records
  readonly queues: Queues
  /** What recovery found and did, in words for the operator; empty after a clean stop. */
  readonly recovery: readonly string[]
  /** Flushes and releases everything. Rejects if the last flush failed. */
  close(): Promise<void>
}

// ---------------------------------------------------------------- records

export interface StoredRecord {
  readonly key: string
  readonly value: unknown
  /** Changes with every write of this key; what an etag is made of. */
  readonly version: number
}

export interface Records {
  get(key: string): Promise<StoredRecord | undefined>
  /** Every record whose key begins with `prefix`, in key order. */
  list(prefix: string): Promise<readonly StoredRecord[]>
  /**
   * Writes durably. `expected` is the version that must be there now, 0 for "no record";
   * undefined writes whatever is there. Resolves to the new version; rejects with `RecordConflict`.
   */
  put(key: string, value: unknown, expected?: number): Promise<number>
  /** Deletes durably; false when there was nothing. */
  delete(key: string, expected?: number): Promise<boolean>
  /**
   * Makes all of these changes or none, durably and with one wait for the disk, in their order. Resolves to the new
   * version of each, 0 for what was deleted; rejects with the `RecordConflict` of the first that expected another.
   */
  write(changes: readonly RecordChange[]): Promise<readonly number[]>
  /**
   * At most `limit` records whose keys begin with `prefix` and come after `after`, itself such a key, in key order:
   * to walk over many without having them all in memory.
   */
  page(prefix: string, after: string | undefined, limit: number): Promise<readonly StoredRecord[]>
}

export interface RecordChange {
  readonly key: string
  /** Undefined: the record is deleted. */
  readonly value: unknown
  /** As for `put`. */
  readonly expected?: number | undefined
}

export class RecordConflict extends Error {
  constructor(key: string, expected: number, found: number) {
    super(`Record '${key}' was expected at version ${expected} and is at ${found}.`)
    this.name = 'RecordConflict'
  }
}

// ---------------------------------------------------------------- queues

/**
 * One event to append. Its stored bytes are `head`, then `source[start, end)`, then `tail`: given in pieces so
 * that they are copied once, into the write itself.
 */
export interface Appendable {
  readonly head: Buffer
  readonly source: Buffer
  readonly start: number
  readonly end: number
  readonly tail: Buffer
  /** The queues that want it; never empty. The same array object may serve many events and is then stored once. */
  readonly queues: readonly Queue[]
}

/**
 * A queue is named after the uid of the event subscription that it belongs to; a further queue of the same event
 * subscription has a suffix behind a slash. Queues of other rooms are named after the room, as `room:whatever`: each
 * room removes its own that nobody reads any more.
 *
 * @returns the uid; undefined where the queue belongs to another room
 */
export const ownerOfQueue = (name: string): string | undefined =>
  name.includes(':') ? undefined : name.split('/', 1)[0]

export interface Queues {
  /** Opens the queue of that name, made if it is new. The same object for the same name. */
  open(name: string): Promise<Queue>
  /** Deletes the queue and every entry on it. Leases of it become void. */
  drop(name: string): Promise<void>
  /** Names of all queues that exist. */
  names(): readonly string[]
  /** Appends all of these events or none. Throws `StoreUnavailable` when nothing can be accepted now. */
  append(events: readonly Appendable[], options?: AppendOptions): Appended
  stat(): QueuesStat
}

export interface AppendOptions {
  /**
   * These events are on disk already and only change their queue, so the limit on the journal's size, which is
   * there for those who bring new ones, does not stop them: what is stuck would else stay stuck.
   */
  readonly moving: boolean
}

export interface Appended {
  /** The first event's `Lease.sequence`; the others follow it one by one. */
  readonly firstSequence: number
  /**
   * Resolves when the events are durable, before any queue hands one out; rejects with `StoreUnavailable` when
   * they are not and will not be.
   */
  readonly durable: Promise<void>
}

export interface QueuesStat {
  readonly queues: number
  /** Entries waiting, leased or postponed, over all queues. */
  readonly entries: number
  /** Bytes on disk. */
  readonly journalBytes: number
  readonly segments: number
  readonly commits: number
  readonly appends: number
  /** Bytes written since the start. */
  readonly writtenBytes: number
}

/** The store cannot take the write: the disk is full, or a sync failed. `retryable` tells which. */
export class StoreUnavailable extends Error {
  readonly retryable: boolean
  constructor(message: string, retryable: boolean, cause?: unknown) {
    super(message, { cause })
    this.name = 'StoreUnavailable'
    this.retryable = retryable
  }
}

/** A claim on one entry. Ends with `done`, `postpone` or `release`, or when this process ends. */
export interface Lease {
  /** Position of the event in the order of all appends; the same on every queue that holds the event. */
  readonly sequence: number
  /** The stored bytes. Valid until the lease ends. */
  readonly bytes: Buffer
  /** As given to the last `postpone`; 0 before. */
  readonly attempts: number
  /** As given to the last `postpone`; empty before. The reader's own words, at most 20,000 characters. */
  readonly note: string
}

export interface QueueCounts {
  /** Entries that are not finished, in whatever state. */
  readonly entries: number
  readonly leased: number
  /** Waiting for a moment in the future. */
  readonly postponed: number
}

export interface Queue {
  readonly name: string
  counts(): QueueCounts
  /**
   * Leases up to `max` entries that are due at `now`, oldest first where nothing was postponed; and stops
   * early once `maxBytes` of them are leased. Resolves at once, to an empty list when nothing is due. An engine
   * keeps a bounded number of entries in memory: while so many are leased or postponed, it hands out no more.
   */
  lease(max: number, maxBytes: number, now: EpochMs): Promise<readonly Lease[]>
  /**
   * The entries are finished and forgotten. What follows is durable with the next commit, at the latest
   * a few milliseconds later: after a crash, an entry finished just before it may come again.
   * The promise resolves when it is durable; a reader that needs no such promise may ignore it (it never rejects
   * unless the store is unavailable, and is then safe to ignore: `append` reports the same).
   */
  done(leases: readonly Lease[]): Promise<void>
  /** Ends the lease; the entry is due again at `dueAt`. Durable like `done`. */
  postpone(lease: Lease, attempts: number, dueAt: EpochMs, note: string): Promise<void>
  /** Ends the leases as if they had not been: the entries are due at once. Nothing is written. */
  release(leases: readonly Lease[]): void
  /** When the next postponed entry is due; undefined when none is postponed. */
  nextDueAt(): EpochMs | undefined
  /** Called, without arguments, when entries may have become available to `lease`. One listener. */
  onReady: (() => void) | undefined
}
