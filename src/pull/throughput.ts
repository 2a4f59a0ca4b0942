import type { Clock, EpochMs } from '../base/clock.ts'
import type { Metrics } from '../base/metrics.ts'
import type { NamespaceFacts } from './directory.ts'
import { tooManyRequests } from './errors.ts'

/*
 * What a namespace may do in a second, by the throughput units that it has. Where that is not enforced it is measured
 * all the same, so that whoever runs here learns what Azure would have refused.
 *
 * Source: learn.microsoft.com/azure/event-grid/quotas-limits, "Event Grid namespace limits"
 */

/** `egress` is receiving, `settling` the operations on lock tokens. */
export type Direction = 'ingress' | 'egress' | 'settling'

/** Of one throughput unit and second. */
const perUnit: Readonly<Record<Direction, { readonly events: number; readonly bytes: number }>> = {
  ingress: { events: 1_000, bytes: 1_000_000 },
  egress: { events: 2_000, bytes: 2_000_000 },
  settling: { events: 2_000, bytes: 2_000_000 },
}

/** How many seconds' worth may come at once. */
const burstSeconds = 1

/** The namespace as it is now. */
export type Entitled = Pick<NamespaceFacts, 'capacity' | 'isStrict'>

export interface Throughput {
  /**
   * Counts it where what came before is more than was to be had until now; throws `tooManyRequests` then where the
   * namespace is strict.
   */
  admit(direction: Direction, of: Entitled): void
  /** What was done has so much to it. May overdraw: what comes next waits until that is made up for. */
  spend(direction: Direction, of: Entitled, events: number, bytes: number): void
}

interface Bucket {
  events: number
  bytes: number
  filledAt: EpochMs
}

/** How many namespaces are remembered; beyond it, all begin anew. */
const rememberedNamespaces = 10_000

/** The throughput of each namespace, by its id. */
export function createThroughputs(options: {
  readonly clock: Pick<Clock, 'now'>
  readonly metrics: Metrics
}): (namespaceId: string) => Throughput {
  const { clock, metrics } = options
  const known = new Map<string, Throughput>()
  return (namespaceId) => {
    let throughput = known.get(namespaceId)
    if (throughput) return throughput
    if (known.size >= rememberedNamespaces) known.clear()
    throughput = createThroughput(clock, (direction) =>
      metrics
        .counter(
          'busbar_throughput_exceeded_total',
          'Requests that came while the namespace was over its throughput units; refused in the strict profile.',
          { namespace: namespaceId, direction },
        )
        .add(),
    )
    known.set(namespaceId, throughput)
    return throughput
  }
}

/** @param exceeded called where the namespace is over what it has, whether that is refused or not */
export function createThroughput(
  clock: Pick<Clock, 'now'>,
  exceeded: (direction: Direction) => void,
): Throughput {
  const buckets: Partial<Record<Direction, Bucket>> = {}
  const filled = (direction: Direction, units: number): Bucket => {
    const { events, bytes } = perUnit[direction]
    const now = clock.now()
    const most = { events: events * units * burstSeconds, bytes: bytes * units * burstSeconds }
    const bucket = (buckets[direction] ??= { ...most, filledAt: now })
    const seconds = Math.max(0, now - bucket.filledAt) / 1000
    bucket.events = Math.min(most.events, bucket.events + events * units * seconds)
    bucket.bytes = Math.min(most.bytes, bucket.bytes + bytes * units * seconds)
    bucket.filledAt = now
    return bucket
  }
  return {
    admit(direction, { capacity: units, isStrict }) {
      const bucket = filled(direction, units)
      if (bucket.events > 0 && bucket.bytes > 0) return
      exceeded(direction)
      if (!isStrict) return
      const { events, bytes } = perUnit[direction]
      const seconds = Math.max(-bucket.events / (events * units), -bucket.bytes / (bytes * units))
      throw tooManyRequests(
        `The namespace is over the ${direction} of its ${units} throughput unit(s): ${events * units} events and ` +
          `${bytes * units} bytes a second.`,
        Math.max(1, Math.ceil(seconds)),
      )
    },
    spend(direction, { capacity: units, isStrict }, events, bytes) {
      const bucket = filled(direction, units)
      // Never further behind than a second's worth where nobody is held up for it.
      const least = isStrict ? -Infinity : -1
      bucket.events = Math.max(least * perUnit[direction].events * units, bucket.events - events)
      bucket.bytes = Math.max(least * perUnit[direction].bytes * units, bucket.bytes - bytes)
    },
  }
}
