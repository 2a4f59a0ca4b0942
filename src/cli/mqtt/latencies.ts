/** Latencies that are kept; of more, one in so many is. */
const samplesMost = 100_000

export interface Latencies {
  add(ms: number): void
  /** None where none was added. */
  summary(): Readonly<
    Partial<Record<'latencyP50Ms' | 'latencyP95Ms' | 'latencyP99Ms' | 'latencyMaxMs', number>>
  >
}

/** How long each of any number of things took, in bounded memory. */
export function createLatencies(): Latencies {
  let [seen, every, max] = [0, 1, 0]
  let kept: number[] = []
  return {
    add(ms) {
      max = Math.max(max, ms)
      if (++seen % every !== 0) return
      if (kept.length === samplesMost) {
        kept = kept.filter((_, index) => index % 2 === 0)
        every *= 2
      }
      kept.push(ms)
    },
    summary() {
      if (kept.length === 0) return {}
      const sorted = kept.toSorted((one, other) => one - other)
      const at = (part: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0
      return { latencyP50Ms: at(0.5), latencyP95Ms: at(0.95), latencyP99Ms: at(0.99), latencyMaxMs: max }
    },
  }
}
