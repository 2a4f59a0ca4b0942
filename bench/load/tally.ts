import { dueUsAt, idLength, runLength, sequenceAt } from './event-id.ts'
import { Histogram } from './histogram.ts'
import { nowUs } from './monotonic.ts'

interface Count {
  unique: number
  duplicates: number
  requests: number
  times: Uint8Array
  readonly latency: Histogram
}

const mark = Buffer.from('bb-')
const firstLength = 1 << 16

/** Who has seen which events: one count for each path and run. */
export class Tally {
  readonly #counts = new Map<string, Map<string, Count>>()
  readonly #onWatched: (events: number) => void
  #watched = ''

  /** @param onWatched is told how many events of the watched run came for the first time */
  constructor(onWatched: (events: number) => void) {
    this.#onWatched = onWatched
  }

  watch(run: string): void {
    this.#watched = run
  }

  /** Counts every event whose id stands in the body. */
  add(name: string, body: Buffer): void {
    const arrivedUs = nowUs()
    let run = ''
    let count: Count | undefined
    let fresh = 0
    for (let at = body.indexOf(mark); at >= 0; at = body.indexOf(mark, at + idLength)) {
      const itsRun = body.toString('latin1', at + mark.length, at + mark.length + runLength)
      if (!count || itsRun !== run) {
        run = itsRun
        count = this.#countOf(name, run)
        count.requests++
      }
      const isFresh = this.#mark(count, sequenceAt(body, at))
      if (!isFresh) continue
      count.latency.add(arrivedUs - dueUsAt(body, at))
      if (run === this.#watched) fresh++
    }
    if (fresh > 0) this.#onWatched(fresh)
  }

  received(name: string, run: string) {
    const { unique, duplicates, requests, times, latency } = this.#countOf(name, run)
    return { unique, duplicates, requests, times: times.slice(), latency: latency.copy() }
  }

  clearLatencies(): void {
    for (const runs of this.#counts.values()) for (const { latency } of runs.values()) latency.clear()
  }

  #mark(count: Count, sequence: number): boolean {
    if (sequence >= count.times.length) {
      const longer = new Uint8Array(Math.max(count.times.length * 2, sequence + 1))
      longer.set(count.times)
      count.times = longer
    }
    const before = count.times[sequence] as number
    count.times[sequence] = Math.min(before + 1, 255)
    if (before === 0) count.unique++
    else count.duplicates++
    return before === 0
  }

  #countOf(name: string, run: string): Count {
    let runs = this.#counts.get(name)
    if (!runs) this.#counts.set(name, (runs = new Map()))
    let count = runs.get(run)
    if (!count)
      runs.set(
        run,
        (count = {
          unique: 0,
          duplicates: 0,
          requests: 0,
          times: new Uint8Array(firstLength),
          latency: new Histogram(),
        }),
      )
    return count
  }
}
