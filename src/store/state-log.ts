import { later } from '../base/later.ts'
import type { Log } from '../base/log.ts'
import type { Appendable, Queue, Queues } from './store.ts'

/*
 * A map that lives in memory and is kept in a queue: each change is one entry, appended together with whatever events
 * it belongs to, so that both are durable or neither. Of each key the newest entry counts. When most entries are of
 * no use any more the whole map is written to another queue, which then takes the place of the first.
 *
 *   entry:  | kind u8 | number u48 | key length u32 | key | value |
 *
 * The number grows with each entry, for the store may move old entries behind newer ones. The entry `complete` says
 * that its queue holds all of the map; a queue without it is what a crash left of the writing.
 */

export interface StateLogOptions {
  readonly queues: Queues
  /** The queues are called so, and a slash and a number. */
  readonly name: string
  /** All of the map as it is now; read step by step while it goes on changing. */
  readonly entries: () => Iterable<readonly [key: string, value: Buffer]>
  readonly log: Log
  readonly limits?: Partial<StateLogLimits>
}

export interface StateLogLimits {
  /** The map is written anew when so many entries, and more than half of all, are of no use. */
  readonly spareEntries: number
  readonly spareBytes: number
  /** Written at a time, so that other work goes on. */
  readonly sliceEntries: number
  readonly sliceBytes: number
  /** How long a map that could not be written waits for the next try. */
  readonly retryMs: number
}

const defaultLimits: StateLogLimits = {
  spareEntries: 20_000,
  spareBytes: 16 * 1024 * 1024,
  sliceEntries: 2_000,
  sliceBytes: 1024 * 1024,
  retryMs: 500,
}

const kinds = { set: 1, unset: 2, complete: 3 } as const
const headBytes = 11
const noBytes = Buffer.alloc(0)

export class StateLog {
  readonly #options: StateLogOptions
  readonly #limits: StateLogLimits
  /** The queue of the whole map, and while it is written anew the next one, too. */
  #targets: readonly Queue[] = []
  #generation = 0
  #number = 0
  #entries = 0
  #bytes = 0
  /** What all of it was when it was last written anew. */
  #fewestEntries = 0
  #fewestBytes = 0
  #rewriting: Promise<void> | undefined
  #retry: { cancel(): void } | undefined
  #closed = false

  private constructor(options: StateLogOptions) {
    this.#options = options
    this.#limits = { ...defaultLimits, ...options.limits }
  }

  /** Resolves once every key has been shown to `load`. Queues of the same name that are of no use are dropped. */
  static async open(options: StateLogOptions, load: (key: string, value: Buffer) => void): Promise<StateLog> {
    const log = new StateLog(options)
    await log.#recover(load)
    return log
  }

  /** One change, to be appended with what belongs to it; `undefined` forgets the key. */
  entry(key: string, value: Buffer | undefined): Appendable {
    const kind = value ? kinds.set : kinds.unset
    return this.#encode(kind, key, value ?? noBytes, this.#targets)
  }

  /** To be called when entries could not be appended: what they said is then written with the whole map. */
  missed(): void {
    if (!this.#closed) this.#retry ??= later(this.#limits.retryMs, () => this.#rewrite())
  }

  /** Ends the writing of the map; what was appended is durable already. */
  async close(): Promise<void> {
    this.#closed = true
    this.#retry?.cancel()
    await this.#rewriting
  }

  #encode(kind: number, key: string, value: Buffer, queues: readonly Queue[]): Appendable {
    const keyBytes = Buffer.byteLength(key)
    const head = Buffer.allocUnsafe(headBytes + keyBytes)
    head[0] = kind
    head.writeUIntLE(++this.#number, 1, 6)
    head.writeUInt32LE(keyBytes, 7)
    head.write(key, headBytes)
    this.#entries++
    this.#bytes += head.length + value.length
    this.#rewriteIfGrown()
    return { head, source: value, start: 0, end: value.length, tail: noBytes, queues }
  }

  async #recover(load: (key: string, value: Buffer) => void): Promise<void> {
    const { queues, name } = this.#options
    const generations = queues
      .names()
      .filter((each) => each.startsWith(`${name}/`))
      .map((each) => Number(each.slice(name.length + 1)))
      .toSorted((a, b) => b - a)
    this.#generation = generations[0] ?? 0
    for (const generation of generations) {
      const queue = await queues.open(`${name}/${generation}`)
      const found = await readState(queue)
      this.#number = Math.max(this.#number, found.number)
      if (this.#targets.length > 0 || !found.isComplete) {
        await queues.drop(queue.name)
        continue
      }
      queue.isAside = true
      this.#targets = [queue]
      this.#entries = found.entries
      this.#bytes = found.bytes
      for (const [key, { value }] of found.newest) {
        if (!value) continue
        this.#fewestEntries++
        this.#fewestBytes += value.length
        load(key, value)
      }
    }
    if (this.#targets.length > 0) return
    const first = await queues.open(`${name}/${++this.#generation}`)
    first.isAside = true
    await queues.append([this.#encode(kinds.complete, '', noBytes, [first])]).durable
    this.#targets = [first]
  }

  #rewriteIfGrown(): void {
    const { spareEntries, spareBytes } = this.#limits
    const isLong = this.#entries > 2 * this.#fewestEntries + spareEntries
    const isLarge = this.#bytes > 2 * this.#fewestBytes + spareBytes
    if (isLong || isLarge) this.#rewrite()
  }

  #rewrite(): void {
    if (this.#rewriting || this.#closed) return
    this.#retry = undefined
    this.#rewriting = this.#writeAnew()
      .catch((error: unknown) => {
        this.#options.log.error(
          { err: error, queue: this.#options.name },
          'a state could not be written anew',
        )
        this.missed()
      })
      .finally(() => {
        this.#rewriting = undefined
      })
  }

  async #writeAnew(): Promise<void> {
    const { queues, name, entries } = this.#options
    const [old] = this.#targets as readonly [Queue]
    // A try that failed left its queue behind, without what changed since.
    const next = await queues.open(`${name}/${++this.#generation}`)
    next.isAside = true
    this.#targets = [old, next]
    const only = [next]
    let written = 0
    let bytes = 0
    try {
      let slice: Appendable[] = []
      let sliceBytes = 0
      const { sliceEntries, sliceBytes: mostBytes } = this.#limits
      for (const [key, value] of entries()) {
        if (this.#closed) throw new Error('The store is closing.')
        const entry = this.#encode(kinds.set, key, value, only)
        slice.push(entry)
        written++
        sliceBytes += entry.head.length + value.length
        if (slice.length < sliceEntries && sliceBytes < mostBytes) continue
        bytes += sliceBytes
        await queues.append(slice).durable
        slice = []
        sliceBytes = 0
      }
      bytes += sliceBytes
      slice.push(this.#encode(kinds.complete, '', noBytes, only))
      await queues.append(slice).durable
    } catch (error) {
      this.#targets = [old]
      await queues.drop(next.name).catch(() => {})
      if (this.#closed) return
      throw error
    }
    this.#targets = only
    this.#entries = this.#fewestEntries = written
    this.#bytes = this.#fewestBytes = bytes
    await queues.drop(old.name)
  }
}

interface FoundState {
  readonly newest: Map<string, { readonly number: number; readonly value: Buffer | undefined }>
  readonly number: number
  readonly entries: number
  readonly bytes: number
  readonly isComplete: boolean
}

async function readState(queue: Queue): Promise<FoundState> {
  const newest: FoundState['newest'] = new Map()
  const state = { number: 0, entries: 0, bytes: 0, isComplete: false }
  await queue.read((bytes) => {
    const kind = bytes[0]
    const number = bytes.readUIntLE(1, 6)
    state.entries++
    state.bytes += bytes.length
    state.number = Math.max(state.number, number)
    if (kind === kinds.complete) {
      state.isComplete = true
      return
    }
    const valueAt = headBytes + bytes.readUInt32LE(7)
    const key = bytes.toString('utf8', headBytes, valueAt)
    if ((newest.get(key)?.number ?? 0) > number) return
    newest.set(key, { number, value: kind === kinds.set ? Buffer.from(bytes.subarray(valueAt)) : undefined })
  })
  return { newest, ...state }
}
