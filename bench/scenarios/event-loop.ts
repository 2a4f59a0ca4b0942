import type { Busbar } from '../servers/busbar.ts'
import type { Figures } from './scenario.ts'

const series = 'nodejs_event_loop_delay_seconds{quantile="0.99"}'

/**
 * The 99th percentile of the server's event-loop delay as its own metrics tell it: of the last full minute, or of
 * the time since the start in the first one.
 */
export async function eventLoopDelay(busbar: Busbar): Promise<Figures> {
  const delayS = (await busbar.metrics()).get(series)
  return { 'loop p99 ms': delayS === undefined ? undefined : delayS * 1000 }
}
