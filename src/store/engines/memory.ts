import type { EpochMs } from '../../base/clock.ts'
import {
  type Appendable,
  type Appended,
  type Lease,
  type LockName,
  type PartitionFacts,
  type Queue,
  type QueueCounts,
  type Queues,
  type QueuesStat,
  type ReadEntry,
  type RecordChange,
  RecordConflict,
  type Records,
  type Retention,
  type Store,
  type StoredRecord,
  type Stream,
  type StreamEntry,
  type StreamOptions,
  type Streams,
  type StreamsStat,
} from '../store.ts'

/*
 * The contract in its plainest form, kept in memory: what the other engines are judged against, and what tests
 * of the rooms above use. "Durable" means here that it outlives `close`: `openMemoryStore(disk)` with the same
 * disk finds everything again, with every lease void.
 */

/** What a memory store leaves behind when it is closed. */
export class MemoryDisk {
  readonly records = new Map<string, StoredRecord>()
  readonly queues = new Map<string, MemoryQueue>()
  readonly streams = new Map<string, MemoryStream>()
  sequence = 0
  version = 0
}

export function openMemoryStore(disk: MemoryDisk = new MemoryDisk()): Store {
  for (const queue of disk.queues.values()) queue.reopen()
  for (const stream of disk.streams.values()) stream.onAppend = undefined
  return {
    records: new MemoryRecords(disk),
    queues: new MemoryQueues(disk),
    streams: new MemoryStreams(disk),
    recovery: [],
    close: async () => {},
  }
}

class MemoryRecords implements Records {
  readonly #disk: MemoryDisk

  constructor(disk: MemoryDisk) {
    this.#disk = disk
  }

  async get(key: string): Promise<StoredRecord | undefined> {
    return structuredClone(this.#disk.records.get(key))
  }

  async list(prefix: string): Promise<readonly StoredRecord[]> {
    const found = [...this.#disk.records.values()].filter((record) => record.key.startsWith(prefix))
    return structuredClone(found.toSorted((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key))))
  }

  async put(key: string, value: unknown, expected?: number): Promise<number> {
    this.#check(key, expected)
    const version = ++this.#disk.version
    this.#disk.records.set(key, { key, value: structuredClone(value), version })
    return version
  }

  async delete(key: string, expected?: number): Promise<boolean> {
    this.#check(key, expected)
    return this.#disk.records.delete(key)
  }

  async write(changes: readonly RecordChange[]): Promise<readonly number[]> {
    const { records } = this.#disk
    const before = new Map(records)
    try {
      return changes.map(({ key, value, expected }) => {
        this.#check(key, expected)
        if (value === undefined) {
          records.delete(key)
          return 0
        }
        const version = ++this.#disk.version
        records.set(key, { key, value: structuredClone(value), version })
        return version
      })
    } catch (error) {
      records.clear()
      for (const [key, record] of before) records.set(key, record)
      throw error
    }
  }

  async page(prefix: string, after: string | undefined, limit: number): Promise<readonly StoredRecord[]> {
    const all = await this.list(prefix)
    const isAfter = ({ key }: StoredRecord) =>
      after === undefined || Buffer.compare(Buffer.from(key), Buffer.from(after)) > 0
    return all.filter(isAfter).slice(0, limit)
  }

  #check(key: string, expected: number | undefined): void {
    const found = this.#disk.records.get(key)?.version ?? 0
    if (expected !== undefined && expected !== found) throw new RecordConflict(key, expected, found)
  }
}

interface MemoryEntry {
  readonly sequence: number
  readonly bytes: Buffer
  attempts: number
  note: string
  dueAt: EpochMs
  locked: boolean
  lease: Lease | undefined
}

class MemoryQueue implements Queue {
  readonly name: string
  readonly entries = new Map<number, MemoryEntry>()
  onReady: (() => void) | undefined
  isAside = false

  constructor(name: string) {
    this.name = name
  }

  reopen(): void {
    this.onReady = undefined
    this.isAside = false
    for (const entry of this.entries.values()) entry.lease = undefined
  }

  get bytes(): number {
    let bytes = 0
    for (const entry of this.entries.values()) bytes += entry.bytes.length
    return bytes
  }

  counts(): QueueCounts {
    let leased = 0
    let postponed = 0
    let locked = 0
    for (const entry of this.entries.values()) {
      if (entry.lease) leased++
      else if (entry.dueAt > 0) postponed++
      if (entry.locked) locked++
    }
    return { entries: this.entries.size, leased, postponed, locked }
  }

  async lease(max: number, maxBytes: number, now: EpochMs): Promise<readonly Lease[]> {
    const free = [...this.entries.values()].filter((entry) => !entry.lease && entry.dueAt <= now)
    const leases: Lease[] = []
    let bytes = 0
    for (const entry of free.toSorted((a, b) => a.dueAt - b.dueAt || a.sequence - b.sequence)) {
      if (leases.length >= max || bytes >= maxBytes) break
      leases.push(leaseOf(entry, entry.bytes))
      bytes += entry.bytes.length
    }
    return leases
  }

  async done(leases: readonly Lease[]): Promise<void> {
    for (const lease of leases) if (this.#held(lease)) this.entries.delete(lease.sequence)
  }

  async postpone(lease: Lease, attempts: number, dueAt: EpochMs, note: string): Promise<void> {
    const entry = this.#held(lease)
    if (!entry) return
    Object.assign(entry, { attempts, dueAt, note, lease: undefined })
    this.onReady?.()
  }

  async lock(leases: readonly Lease[], until: EpochMs, note: string): Promise<void> {
    for (const lease of leases) {
      const entry = this.#held(lease)
      if (!entry) continue
      const attempts = entry.attempts + 1
      Object.assign(entry, { attempts, note, dueAt: until, locked: true, lease: undefined })
    }
  }

  unlock(names: readonly LockName[], now: EpochMs): readonly (Lease | undefined)[] {
    return names.map((name) => {
      const entry = this.#locked(name, now)
      return entry && leaseOf(entry, noBytes)
    })
  }

  async renew(names: readonly LockName[], until: EpochMs, now: EpochMs): Promise<readonly boolean[]> {
    return names.map((name) => {
      const entry = this.#locked(name, now)
      if (entry) entry.dueAt = until
      return entry !== undefined
    })
  }

  release(leases: readonly Lease[]): void {
    for (const lease of leases) {
      const entry = this.#held(lease)
      if (entry) entry.lease = undefined
    }
    this.onReady?.()
  }

  async read(visit: (bytes: Buffer) => void): Promise<void> {
    for (const { bytes } of this.entries.values()) visit(bytes)
  }

  nextDueAt(): EpochMs | undefined {
    let next: EpochMs | undefined
    for (const entry of this.entries.values())
      if (!entry.lease && entry.dueAt > 0 && (next === undefined || entry.dueAt < next)) next = entry.dueAt
    return next
  }

  #held(lease: Lease): MemoryEntry | undefined {
    const entry = this.entries.get(lease.sequence)
    return entry?.lease === lease ? entry : undefined
  }

  #locked({ sequence, attempts }: LockName, now: EpochMs): MemoryEntry | undefined {
    const entry = this.entries.get(sequence)
    return entry?.locked && entry.attempts === attempts && entry.dueAt > now ? entry : undefined
  }
}

const noBytes = Buffer.alloc(0)

function leaseOf(entry: MemoryEntry, bytes: Buffer): Lease {
  const { sequence, attempts, note } = entry
  const lease: Lease = { sequence, bytes, attempts, note }
  Object.assign(entry, { lease, dueAt: 0, locked: false })
  return lease
}

class MemoryQueues implements Queues {
  readonly #disk: MemoryDisk

  constructor(disk: MemoryDisk) {
    this.#disk = disk
  }

  async open(name: string): Promise<Queue> {
    return this.begin(name).queue
  }

  begin(name: string): { readonly queue: Queue; readonly durable: Promise<void> } {
    let queue = this.#disk.queues.get(name)
    if (!queue) this.#disk.queues.set(name, (queue = new MemoryQueue(name)))
    return { queue, durable: Promise.resolve() }
  }

  async drop(name: string): Promise<void> {
    const queue = this.#disk.queues.get(name)
    queue?.entries.clear()
    this.#disk.queues.delete(name)
  }

  names(): readonly string[] {
    return [...this.#disk.queues.keys()]
  }

  append(events: readonly Appendable[]): Appended {
    const firstSequence = this.#disk.sequence + 1
    const wanted = new Set<Queue>()
    for (const { head, source, start, end, tail, queues } of events) {
      const sequence = ++this.#disk.sequence
      const bytes = Buffer.concat([head, source.subarray(start, end), tail])
      for (const queue of queues) {
        if (this.#disk.queues.get(queue.name) !== queue) continue
        const entry = { sequence, bytes, attempts: 0, note: '', dueAt: 0, locked: false, lease: undefined }
        ;(queue as MemoryQueue).entries.set(sequence, entry)
        wanted.add(queue)
      }
    }
    const durable = Promise.resolve().then(() => {
      for (const queue of wanted) queue.onReady?.()
    })
    return { firstSequence, durable }
  }

  stat(): QueuesStat {
    let entries = 0
    for (const queue of this.#disk.queues.values()) entries += queue.counts().entries
    return {
      queues: this.#disk.queues.size,
      entries,
      journalBytes: 0,
      segments: 0,
      commits: 0,
      appends: this.#disk.sequence,
      writtenBytes: 0,
    }
  }
}

interface MemoryPartition {
  entries: ReadEntry[]
  nextSequence: number
  last: PartitionFacts['last']
}

class MemoryStream implements Stream {
  readonly name: string
  readonly partitions: number
  readonly #partitions: readonly MemoryPartition[]
  #retention: Retention
  #offset = 0
  bytes = 0
  appends = 0
  commits = 0
  writtenBytes = 0
  crowdedOut = 0
  onAppend: ((partitions: readonly number[]) => void) | undefined

  constructor(name: string, { partitions, retention }: StreamOptions) {
    this.name = name
    this.partitions = partitions
    this.#retention = retention
    this.#partitions = Array.from({ length: partitions }, () => ({
      entries: [],
      nextSequence: 0,
      last: undefined,
    }))
  }

  async append(entries: readonly StreamEntry[]): Promise<void> {
    if (entries.some(({ partition }) => !this.#partitions[partition]))
      throw new RangeError('No such partition.')
    for (const { partition, at, bytes } of entries) {
      const to = this.#partitions[partition] as MemoryPartition
      this.#offset += bytes.length
      to.entries.push({ sequence: to.nextSequence++, offset: this.#offset, at, bytes: Buffer.from(bytes) })
      to.last = { offset: this.#offset, at: Math.max(at, to.last?.at ?? 0) }
      this.bytes += bytes.length
      this.writtenBytes += bytes.length
    }
    this.appends += entries.length
    this.commits++
    this.retain(this.#retention)
    if (entries.length > 0) this.onAppend?.([...new Set(entries.map(({ partition }) => partition))])
  }

  async read(
    partition: number,
    sequence: number,
    max: number,
    maxBytes: number,
  ): Promise<readonly ReadEntry[]> {
    const found: ReadEntry[] = []
    let bytes = 0
    for (const entry of this.#partitions[partition]?.entries ?? []) {
      if (entry.sequence < sequence) continue
      if (found.length >= max || bytes >= maxBytes) break
      found.push(entry)
      bytes += entry.bytes.length
    }
    return found
  }

  async firstAfter(partition: number, what: 'offset' | 'at', value: number): Promise<number> {
    const { entries, nextSequence } = this.#partitions[partition] as MemoryPartition
    return entries.find((entry) => entry[what] > value)?.sequence ?? nextSequence
  }

  facts(partition: number): PartitionFacts {
    const { entries, nextSequence, last } = this.#partitions[partition] as MemoryPartition
    return { firstSequence: entries[0]?.sequence ?? nextSequence, nextSequence, last }
  }

  retain(retention: Retention): void {
    this.#retention = retention
    while (this.bytes > retention.bytes) {
      const [oldest] = this.#partitions
        .filter(({ entries }) => entries.length > 0)
        .toSorted((a, b) => (a.entries[0]?.offset ?? 0) - (b.entries[0]?.offset ?? 0))
      const gone = oldest?.entries.shift()
      if (!gone) return
      this.bytes -= gone.bytes.length
      this.crowdedOut++
    }
  }

  async expire(now: EpochMs): Promise<void> {
    for (const partition of this.#partitions) {
      partition.entries = partition.entries.filter(({ at }) => at >= now - this.#retention.ageMs)
    }
    this.bytes = 0
    for (const { entries } of this.#partitions) for (const { bytes } of entries) this.bytes += bytes.length
  }
}

class MemoryStreams implements Streams {
  readonly #disk: MemoryDisk

  constructor(disk: MemoryDisk) {
    this.#disk = disk
  }

  async open(name: string, options: StreamOptions): Promise<Stream> {
    const { streams } = this.#disk
    const known = streams.get(name) ?? new MemoryStream(name, options)
    if (known.partitions !== options.partitions)
      throw new Error(`The stream '${name}' does not have ${options.partitions} partitions.`)
    known.retain(options.retention)
    streams.set(name, known)
    return known
  }

  async drop(name: string): Promise<void> {
    this.#disk.streams.delete(name)
  }

  names(): readonly string[] {
    return [...this.#disk.streams.keys()]
  }

  stat(): StreamsStat {
    const sum = {
      ...{ streams: 0, bytes: 0, segments: 0, appends: 0, commits: 0, writtenBytes: 0, crowdedOut: 0 },
    }
    for (const stream of this.#disk.streams.values()) {
      sum.streams++
      sum.bytes += stream.bytes
      sum.appends += stream.appends
      sum.commits += stream.commits
      sum.writtenBytes += stream.writtenBytes
      sum.crowdedOut += stream.crowdedOut
    }
    return sum
  }
}
