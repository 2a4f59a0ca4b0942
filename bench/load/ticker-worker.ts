import { parentPort, workerData } from 'node:worker_threads'
import { nowUs } from './monotonic.ts'

export interface TickerData {
  readonly everyUs: number
  /** Becomes 1 when the thread is to end. */
  readonly stopped: Int32Array
}

const { everyUs, stopped } = workerData as TickerData
let nextUs = nowUs() + everyUs
while (Atomics.load(stopped, 0) === 0) {
  const leftUs = nextUs - nowUs()
  if (leftUs > 0) Atomics.wait(stopped, 0, 0, leftUs / 1000)
  // Ticks that were missed are not made up for: whoever is woken looks at the time.
  nextUs = Math.max(nextUs + everyUs, nowUs())
  parentPort?.postMessage(0)
}
