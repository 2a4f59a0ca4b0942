import { createRun } from './event-id.ts'
import type { Histogram } from './histogram.ts'
import { nowUs, pause } from './monotonic.ts'
import { Publisher, type PublisherOptions } from './publisher.ts'
import { usageOf } from './usage.ts'

export interface PublishRunOptions extends Omit<PublisherOptions, 'run' | 'eventType' | 'eventBytes'> {
  readonly run?: string
  readonly eventType?: string
  readonly eventBytes?: number
  readonly warmUpMs: number
  readonly measuredMs: number
  /** The process that is published to. */
  readonly pid: number
  /** Called when the warm-up is over. */
  readonly onMeasured?: () => Promise<void>
  /** A count of something else, of which the rate in the measured time is wanted too. */
  readonly count?: () => number
}

export interface PublishRun {
  readonly run: string
  readonly eventsPerS: number
  readonly requestsPerS: number
  /** Of the process published to, for each event; undefined where that cannot be known. */
  readonly cpuUsPerEvent: number | undefined
  /** Share of one processor that it used. */
  readonly cpuShare: number | undefined
  /** From when a request was due until its answer. */
  readonly latency: Histogram
  readonly acknowledged: number
  /** Of what `count` counts. */
  readonly countedPerS: number
}

/** Publishes for a while, and measures when the warm-up is over. Throws when anything was refused. */
export async function publishFor(options: PublishRunOptions): Promise<PublishRun> {
  const { warmUpMs, measuredMs, pid, onMeasured, count = () => 0 } = options
  const run = options.run ?? createRun()
  const publisher = new Publisher({ eventType: 'Bench.Reading', eventBytes: 1024, ...options, run })
  await publisher.start()
  await pause(warmUpMs)
  await onMeasured?.()
  const before = await usageOf(pid)
  const startedUs = nowUs()
  const { acknowledged, requests } = publisher
  const counted = count()
  publisher.latency.clear()
  await pause(measuredMs)
  const events = publisher.acknowledged - acknowledged
  const answered = publisher.requests - requests
  const alsoCounted = count() - counted
  const tookS = (nowUs() - startedUs) / 1e6
  const after = await usageOf(pid)
  await publisher.stop()
  if (publisher.refused.size > 0) throw refusedError(publisher)
  const cpuS = before && after && after.cpuS - before.cpuS
  return {
    run,
    eventsPerS: events / tookS,
    requestsPerS: answered / tookS,
    cpuUsPerEvent: cpuS && (cpuS * 1e6) / events,
    cpuShare: cpuS && cpuS / tookS,
    latency: publisher.latency,
    acknowledged: publisher.acknowledged,
    countedPerS: alsoCounted / tookS,
  }
}

function refusedError({ refused, firstRefusal }: Publisher): Error {
  const kinds = Array.from(refused, ([kind, times]) => `${kind} ${times} times`).join(', ')
  return new Error(
    `Every request was expected to be answered 2xx; there was ${kinds}. The first: ${firstRefusal}`,
  )
}
