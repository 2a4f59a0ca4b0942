import type { EpochMs } from '../base/clock.ts'

/*
 * The durable contract. Three kinds of state with different needs: records (resources, keys), queues (events
 * on their way) and streams (what many may read, from wherever they like). Every operation is asynchronous and may
 * fail for a while; a record write and an append are never one transaction. Engines on the shelf `engines/` implement it and one contract test judges them all.
 */

export interface Store {
  readonly records: Records
  readonly queues: Queues
  readonly streams: Streams
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
  /**
   * The same without waiting: events may be appended to the queue at once, and become durable no sooner than it is. Of
   * no use when `durable` rejects.
   */
  begin(name: string): { readonly queue: Queue; readonly durable: Promise<void> }
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

/** A claim on one entry. Ends with `done`, `postpone`, `release` or `lock`, or when this process ends. */
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

/**
 * What a lock is called by whoever holds it. No two locks of a queue have the same name, whatever became of the first:
 * each lock of an entry has one attempt more than the one before.
 */
export interface LockName {
  /** `Lease.sequence` of the lease that became the lock. The entry's own may have changed since. */
  readonly sequence: number
  /** The entry's attempts, with this one. */
  readonly attempts: number
}

export interface QueueCounts {
  /** Entries that are not finished, in whatever state. */
  readonly entries: number
  readonly leased: number
  /** Waiting for a moment in the future, which of a locked entry is the end of its lock. */
  readonly postponed: number
  /** Of the postponed ones, those that are locked, or were until just now. */
  readonly locked: number
}

/** How soon what is said of entries must be durable. */
export type Urgency = 'awaited' | 'lazy'

export interface Queue {
  readonly name: string
  /**
   * Set while nobody leases from it: what is appended is then not kept in memory, where others have use for the room.
   */
  isAside: boolean
  /** Stored bytes of all entries; after a start maybe too many, until the queue has been read to its end. */
  readonly bytes: number
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
   *
   * @param urgency `'awaited'`: somebody waits for it, so that a commit begins at the end of this turn
   */
  done(leases: readonly Lease[], urgency?: Urgency): Promise<void>
  /** Ends the lease; the entry is due again at `dueAt`. Durable like `done`. */
  postpone(lease: Lease, attempts: number, dueAt: EpochMs, note: string, urgency?: Urgency): Promise<void>
  /** Ends the leases as if they had not been: the entries are due at once. Nothing is written. */
  release(leases: readonly Lease[]): void
  /**
   * Turns leases into locks: claims that end at `until` and not with this process. Each counts as one more attempt,
   * and gives its entry this note.
   * Resolves when the locks are durable: whoever is told of one only then finds it after a crash as well. When it
   * rejects they are locks all the same, until the end of this process or of the lock.
   */
  lock(leases: readonly Lease[], until: EpochMs, note: string): Promise<void>
  /**
   * Takes locks back as leases, whose bytes are empty; undefined for one that has ended, in whatever way. Nothing is
   * written: to whoever comes after a crash the entry is still locked. A promise is made only where entries are just
   * being moved within the store.
   */
  unlock(
    names: readonly LockName[],
    now: EpochMs,
  ): readonly (Lease | undefined)[] | Promise<readonly (Lease | undefined)[]>
  /** Moves the ends of locks, whose names stay; false for one that has ended. Resolves when that is durable. */
  renew(names: readonly LockName[], until: EpochMs, now: EpochMs): Promise<readonly boolean[]>
  /**
   * Shows the stored bytes of every entry, in no particular order, and claims none: for who keeps a state in a queue
   * and makes it again at a start. Nothing else may be done with the queue before it resolves; the bytes are valid
   * during the call.
   */
  read(visit: (bytes: Buffer) => void): Promise<void>
  /** When the next postponed entry is due, or the next lock ends; undefined when there is none. */
  nextDueAt(): EpochMs | undefined
  /** Called, without arguments, when entries may have become available to `lease`. One listener. */
  onReady: (() => void) | undefined
}

// ---------------------------------------------------------------- streams

/** What one may append to a stream. */
export interface StreamEntry {
  /** From 0. */
  readonly partition: number
  readonly at: EpochMs
  /** At least one byte. */
  readonly bytes: Buffer
}

/** An entry as it is read. */
export interface ReadEntry {
  /** Grows by one with each entry of its partition, for as long as the stream is there. */
  readonly sequence: number
  /** Its place in the stream; grows too, though not by one. */
  readonly offset: number
  readonly at: EpochMs
  /** Not to be changed: others read the same. */
  readonly bytes: Buffer
}

/** How much is kept; whole pieces of the stream go, so that somewhat more may be there. */
export interface Retention {
  /** Longer ago, and an entry may go. */
  readonly ageMs: number
  /** On disk, of all partitions together; beyond it the oldest entries go, however new they are. */
  readonly bytes: number
}

export interface StreamOptions {
  /** Of a stream that is new. */
  readonly partitions: number
  readonly retention: Retention
}

/** What there is of a partition. */
export interface PartitionFacts {
  /** Of the oldest entry that is still there; `nextSequence` where there is none. */
  readonly firstSequence: number
  readonly nextSequence: number
  /** Of the newest entry, even when it is gone; undefined where there never was one. */
  readonly last: { readonly offset: number; readonly at: EpochMs } | undefined
}

/** A log of entries that reading does not consume. */
export interface Stream {
  readonly name: string
  readonly partitions: number
  /**
   * Resolves when all of these are durable, and only then are they shown to readers; rejects with `StoreUnavailable`,
   * and then none of them ever is. Those of one partition stand in the order given, behind those of earlier calls.
   */
  append(entries: readonly StreamEntry[]): Promise<void>
  /**
   * Up to `max` entries of a partition, in order, from that sequence on, or from the first that is still there; stops
   * early once `maxBytes` of them are read. Empty at the end alone.
   */
  read(
    partition: number,
    sequence: number,
    max: number,
    maxBytes: number,
  ): readonly ReadEntry[] | Promise<readonly ReadEntry[]>
  /** The sequence of the first entry whose offset, or moment, is greater; `nextSequence` where there is none yet. */
  firstAfter(partition: number, what: 'offset' | 'at', value: number): Promise<number>
  facts(partition: number): PartitionFacts
  /** From now on; what is too old or too much goes at the next chance. */
  retain(retention: Retention): void
  /** Frees what is too old at `now`. */
  expire(now: EpochMs): Promise<void>
  /** Called when entries of these partitions may be read. One listener. */
  onAppend: ((partitions: readonly number[]) => void) | undefined
}

export interface Streams {
  /** Opens the stream of that name, made if it is new. The same object for the same name. */
  open(name: string, options: StreamOptions): Promise<Stream>
  /** Deletes the stream and every entry of it. */
  drop(name: string): Promise<void>
  /** Names of all streams that exist, opened or not. */
  names(): readonly string[]
  /** Of those that are open. */
  stat(): StreamsStat
}

export interface StreamsStat {
  readonly streams: number
  /** On disk. */
  readonly bytes: number
  readonly segments: number
  /** Since the start: */
  readonly appends: number
  readonly commits: number
  readonly writtenBytes: number
  /** Entries that have gone because they were too many, before they were too old. */
  readonly crowdedOut: number
}
