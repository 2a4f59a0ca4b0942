/**
 * Counters, gauges and histograms with the Prometheus text exposition format, version 0.0.4.
 *
 * A series is looked up once, where its labels are known, and then counted with a plain addition: nothing on
 * the path of an event builds a string or searches a map.
 */
export interface Counter {
  add(amount?: number): void
}
export interface Histogram {
  observe(value: number): void
}
export type Labels = Readonly<Record<string, string>>

/** Upper bounds, in milliseconds, that serve for every duration measured here. */
export const durationBucketsMs = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000] as const

interface Family {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly series: Map<string, () => string>
}

/** One line or, of a histogram, some. */
interface Series {
  readonly family: Family
  readonly key: string
  /** Its labels as they are written. */
  readonly labels: readonly string[]
}

export class Metrics {
  readonly #families = new Map<string, Family>()
  readonly #byLabel = new Map<string, Set<Series>>()
  readonly #counters = new Map<string, Counter>()
  readonly #histograms = new Map<string, Histogram>()

  /** The counter of that name and those labels; the same object for the same arguments. */
  counter(name: string, help: string, labels: Labels = {}): Counter {
    const key = name + encodeLabels(labels)
    const known = this.#counters.get(key)
    if (known) return known
    let total = 0
    const counter: Counter = {
      add(amount = 1) {
        total += amount
      },
    }
    this.#counters.set(key, counter)
    this.#series(name, help, 'counter', labels, () => `${key} ${total}\n`)
    return counter
  }

  /** A total that is counted elsewhere, read when the metrics are asked for. */
  counterOf(name: string, help: string, read: () => number, labels: Labels = {}): void {
    const key = name + encodeLabels(labels)
    this.#series(name, help, 'counter', labels, () => `${key} ${read()}\n`)
  }

  /** A value read when the metrics are asked for. */
  gauge(name: string, help: string, read: () => number, labels: Labels = {}): void {
    const key = name + encodeLabels(labels)
    this.#series(name, help, 'gauge', labels, () => `${key} ${read()}\n`)
  }

  /** The histogram of that name and those labels; `bounds` are ascending upper bounds. */
  histogram(
    name: string,
    help: string,
    labels: Labels = {},
    bounds: readonly number[] = durationBucketsMs,
  ): Histogram {
    const key = name + encodeLabels(labels)
    const known = this.#histograms.get(key)
    if (known) return known
    const counts = new Float64Array(bounds.length + 1)
    let sum = 0
    const histogram: Histogram = {
      observe(value) {
        let bucket = 0
        while (bucket < bounds.length && value > (bounds[bucket] as number)) bucket++
        counts[bucket] = (counts[bucket] as number) + 1
        sum += value
      },
    }
    this.#histograms.set(key, histogram)
    this.#series(name, help, 'histogram', labels, () => {
      let text = ''
      let total = 0
      bounds.forEach((bound, index) => {
        total += counts[index] as number
        text += `${name}_bucket${encodeLabels({ ...labels, le: String(bound) })} ${total}\n`
      })
      total += counts[bounds.length] as number
      text += `${name}_bucket${encodeLabels({ ...labels, le: '+Inf' })} ${total}\n`
      return `${text}${name}_sum${encodeLabels(labels)} ${sum}\n${name}_count${encodeLabels(labels)} ${total}\n`
    })
    return histogram
  }

  /** Forgets every series with that label value: what it described has been deleted. */
  forget(label: string, value: string): void {
    for (const series of this.#byLabel.get(encodeLabel(label, value)) ?? []) {
      series.family.series.delete(series.key)
      this.#counters.delete(series.key)
      this.#histograms.delete(series.key)
      for (const each of series.labels) {
        const others = this.#byLabel.get(each)
        others?.delete(series)
        if (others?.size === 0) this.#byLabel.delete(each)
      }
    }
  }

  /** Everything, as Prometheus text. */
  encode(): string {
    let text = ''
    for (const { name, help, type, series } of this.#families.values()) {
      if (series.size === 0) continue
      text += `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`
      for (const line of series.values()) text += line()
    }
    return text
  }

  #series(name: string, help: string, type: Family['type'], labels: Labels, line: () => string): void {
    let family = this.#families.get(name)
    if (!family) this.#families.set(name, (family = { name, help, type, series: new Map() }))
    const key = name + encodeLabels(labels)
    const isNew = !family.series.has(key)
    family.series.set(key, line)
    if (!isNew) return
    const series = {
      family,
      key,
      labels: Object.entries(labels).map(([label, value]) => encodeLabel(label, value)),
    }
    for (const each of series.labels) {
      const others = this.#byLabel.get(each)
      if (others) others.add(series)
      else this.#byLabel.set(each, new Set([series]))
    }
  }
}

const escapeLabel = (value: string) =>
  value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')

const encodeLabel = (name: string, value: string) => `${name}="${escapeLabel(value)}"`

function encodeLabels(labels: Labels): string {
  const parts = Object.entries(labels).map(([name, value]) => encodeLabel(name, value))
  return parts.length === 0 ? '' : `{${parts.join(',')}}`
}
