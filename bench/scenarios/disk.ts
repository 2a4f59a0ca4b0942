import { closeSync, fdatasync, fdatasyncSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Histogram } from '../load/histogram.ts'
import { nowUs } from '../load/monotonic.ts'
import type { Figures, Scenario } from './scenario.ts'

const blockBytes = 4096
const sync = promisify(fdatasync)

/** The disk's own rate of syncs: what every durable figure stands beside. */
export const disk: Scenario = {
  name: 'disk',
  about: 'append 4 KiB and fdatasync, one after the other: the disk that every durable figure depends on',
  async prepare(scope, { measuredMs }) {
    const directory = scope.temporaryDirectory()
    return {
      measurements: [
        { name: 'fdatasync', run: () => syncFor(join(directory, 'direct'), measuredMs / 2, fdatasyncSync) },
        {
          name: 'fdatasync in the thread pool',
          run: () => syncFor(join(directory, 'pool'), measuredMs / 2, sync),
        },
      ],
    }
  },
}

async function syncFor(
  file: string,
  forMs: number,
  makeDurable: (descriptor: number) => void | Promise<void>,
): Promise<Figures> {
  const block = Buffer.alloc(blockBytes, 'x')
  const latency = new Histogram()
  const descriptor = openSync(file, 'w')
  const startedUs = nowUs()
  let lastUs = startedUs
  while (lastUs - startedUs < forMs * 1000) {
    writeSync(descriptor, block)
    await makeDurable(descriptor)
    const now = nowUs()
    latency.add(now - lastUs)
    lastUs = now
  }
  closeSync(descriptor)
  return {
    'syncs/s': latency.total / ((lastUs - startedUs) / 1e6),
    'p50 us': latency.quantileUs(0.5),
    'p99 us': latency.quantileUs(0.99),
  }
}
