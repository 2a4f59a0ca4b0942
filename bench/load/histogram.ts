/*
 * Counts of durations in whole microseconds. The first 256 buckets are one microsecond wide; each further
 * doubling is cut into 128 equal ones, so that a quantile is never off by more than 0.8 %.
 */

const octaveBits = 7
const octave = 1 << octaveBits
const largest = 2 ** 31 - 1
const buckets = bucketOf(largest) + 1

/** A plain copy that can be posted between threads. */
export interface HistogramCounts {
  readonly counts: Uint32Array
  readonly largestUs: number
}

export class Histogram {
  readonly #counts: Uint32Array
  #total = 0
  #largestUs = 0

  constructor(from?: HistogramCounts) {
    this.#counts = from?.counts ?? new Uint32Array(buckets)
    if (!from) return
    this.#largestUs = from.largestUs
    for (const count of from.counts) this.#total += count
  }

  get total(): number {
    return this.#total
  }

  get largestUs(): number {
    return this.#largestUs
  }

  add(us: number): void {
    const value = us < 0 ? 0 : us > largest ? largest : us | 0
    const bucket = bucketOf(value)
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1
    this.#total++
    if (value > this.#largestUs) this.#largestUs = value
  }

  /** The duration that the share `quantile` of all did not exceed; 0 when nothing was counted. */
  quantileUs(quantile: number): number {
    let left = Math.max(1, Math.ceil(this.#total * quantile))
    for (let bucket = 0; bucket < buckets; bucket++) {
      left -= this.#counts[bucket] as number
      if (left <= 0) return Math.min(upperBoundOf(bucket), this.#largestUs)
    }
    return 0
  }

  copy(): HistogramCounts {
    return { counts: this.#counts.slice(), largestUs: this.#largestUs }
  }

  clear(): void {
    this.#counts.fill(0)
    this.#total = 0
    this.#largestUs = 0
  }
}

function bucketOf(value: number): number {
  if (value < 2 * octave) return value
  const shift = 31 - Math.clz32(value) - octaveBits
  return (shift << octaveBits) + (value >>> shift)
}

function upperBoundOf(bucket: number): number {
  const shift = Math.max(0, (bucket >> octaveBits) - 1)
  return (bucket - (shift << octaveBits) + 1) * 2 ** shift - 1
}
