import type { Log } from '../base/log.ts'
import type { SegmentedJournal } from './journal.ts'
import { defaultStreamLimits, type LogStream, openLogStream, type StreamLimits } from './log-stream.ts'
import type { Stream, StreamOptions, Streams, StreamsStat } from './store.ts'

/** Where the journals of streams are. */
export interface StreamJournals {
  /** Names of those that there are. */
  readonly names: readonly string[]
  /** Made if it is new. @param mostBytes of the stream, which segments are a small part of */
  open(name: string, mostBytes: number): Promise<SegmentedJournal>
  /** Of one that is closed. */
  remove(name: string): Promise<void>
}

export interface LogStreamsOptions {
  readonly journals: StreamJournals
  readonly log: Log
  readonly limits?: Partial<StreamLimits> | undefined
}

/** However many streams there are, who reads along finds what has just come. */
const smallestTailBytes = 64 * 1024

/** Streams, each over a journal of its own. */
export class LogStreams implements Streams {
  readonly #journals: StreamJournals
  readonly #limits: StreamLimits
  readonly #log: Log
  readonly #names: Set<string>
  readonly #open = new Map<string, Promise<LogStream>>()
  readonly #opened = new Map<string, LogStream>()
  /** Of streams that are gone; what is counted never falls. */
  readonly #before = { appends: 0, commits: 0, writtenBytes: 0, crowdedOut: 0 }

  constructor({ journals, log, limits }: LogStreamsOptions) {
    this.#journals = journals
    this.#limits = { ...defaultStreamLimits, ...limits }
    this.#log = log
    this.#names = new Set(journals.names)
  }

  async open(name: string, options: StreamOptions): Promise<Stream> {
    let stream = this.#open.get(name)
    if (!stream) {
      stream = this.#make(name, options)
      this.#open.set(name, stream)
      stream.catch(() => this.#open.delete(name))
    }
    return stream
  }

  async #make(name: string, options: StreamOptions): Promise<LogStream> {
    const journal = await this.#journals.open(name, options.retention.bytes)
    try {
      const { tailBytes, tailBytesInAll } = this.#limits
      const stream = await openLogStream({
        ...{ ...options, name, journal, limits: this.#limits, log: this.#log },
        tailBytes: () => Math.min(tailBytes, Math.max(tailBytesInAll / this.#opened.size, smallestTailBytes)),
      })
      this.#names.add(name)
      this.#opened.set(name, stream)
      return stream
    } catch (error) {
      await journal.close()
      throw error
    }
  }

  async drop(name: string): Promise<void> {
    const stream = await this.#open.get(name)
    this.#open.delete(name)
    this.#opened.delete(name)
    if (stream) {
      await stream.close()
      this.#before.appends += stream.appends
      this.#before.commits += stream.commits
      this.#before.writtenBytes += stream.stat().writtenBytes
      this.#before.crowdedOut += stream.crowdedOut
    }
    if (!this.#names.delete(name)) return
    await this.#journals.remove(name)
  }

  names(): readonly string[] {
    return [...this.#names]
  }

  stat(): StreamsStat {
    const sum = { streams: 0, bytes: 0, segments: 0, ...this.#before }
    for (const stream of this.#opened.values()) {
      const { bytes, segments, writtenBytes } = stream.stat()
      sum.streams++
      sum.bytes += bytes
      sum.segments += segments
      sum.writtenBytes += writtenBytes
      sum.appends += stream.appends
      sum.commits += stream.commits
      sum.crowdedOut += stream.crowdedOut
    }
    return sum
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#open.values())
    await Promise.all(Array.from(this.#opened.values(), (stream) => stream.close()))
  }
}
