import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { TickerData } from './ticker-worker.ts'

export interface Ticker {
  stop(): Promise<void>
}

/**
 * Calls `onTick` every `everyUs` microseconds. A timer of the event loop is a millisecond late, and spinning takes
 * a core from the server under test: so a thread sleeps precisely and wakes this one.
 */
export async function startTicker(everyUs: number, onTick: () => void): Promise<Ticker> {
  const stopped = new Int32Array(new SharedArrayBuffer(4))
  const workerData: TickerData = { everyUs, stopped }
  const worker = new Worker(new URL('ticker-worker.ts', import.meta.url), { workerData })
  worker.on('message', onTick)
  await once(worker, 'online')
  return {
    async stop() {
      Atomics.store(stopped, 0, 1)
      Atomics.notify(stopped, 0)
      await worker.terminate()
    },
  }
}
