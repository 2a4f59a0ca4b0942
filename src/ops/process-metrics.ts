import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Clock, Timer } from '../base/clock.ts'
import type { Metrics } from '../base/metrics.ts'

/** Event-loop delays are told minute by minute: a peak since the start would hide what happens now. */
const windowMs = 60_000
/** The histogram holds the time between two samples, not how late a sample was: this is taken off again. */
const resolutionMs = 10
const nanosecondsPerSecond = 1e9

/** Adds what the process itself has to say: build, uptime, memory, processor time, event-loop delay. */
export function watchProcess(metrics: Metrics, version: string, clock: Clock): { close(): void } {
  const build = { version, node: process.versions.node, platform: `${process.platform}-${process.arch}` }
  metrics.gauge('busbar_build_info', 'Always 1; the labels say what is running.', () => 1, build)
  metrics.gauge('process_uptime_seconds', 'Since the process started.', () => process.uptime())
  metrics.gauge('process_resident_memory_bytes', 'Memory that the process holds.', () =>
    process.memoryUsage.rss(),
  )
  metrics.counterOf('process_cpu_seconds_total', 'Processor time used, user and system.', () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1e6
  })
  metrics.gauge(
    'nodejs_heap_used_bytes',
    'Memory of live JavaScript objects.',
    () => process.memoryUsage().heapUsed,
  )
  metrics.gauge('nodejs_external_memory_bytes', 'Memory of buffers.', () => process.memoryUsage().external)

  const delay = monitorEventLoopDelay({ resolution: resolutionMs })
  delay.enable()
  const lateness = (betweenNs: number) => Math.max(0, betweenNs - resolutionMs * 1e6)
  const read = () => ({
    p50: lateness(delay.percentile(50)),
    p99: lateness(delay.percentile(99)),
    max: lateness(delay.max),
  })
  let lastWindow: ReturnType<typeof read> | undefined
  let timer: Timer
  const turn = () => {
    timer = clock.at(clock.now() + windowMs, () => {
      lastWindow = read()
      delay.reset()
      turn()
    })
  }
  turn()
  const help = 'Lateness of the event loop over the last full minute.'
  const quantiles = { '0.5': 'p50', '0.99': 'p99', '1': 'max' } as const
  for (const [quantile, name] of Object.entries(quantiles))
    metrics.gauge(
      'nodejs_event_loop_delay_seconds',
      help,
      () => (lastWindow ?? read())[name] / nanosecondsPerSecond,
      { quantile },
    )
  return {
    close() {
      timer.cancel()
      delay.disable()
    },
  }
}
