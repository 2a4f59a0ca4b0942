import { closeSync, constants, fdatasyncSync, openSync, write, writeSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Histogram } from '../load/histogram.ts'
import { nowUs } from '../load/monotonic.ts'
import type { Figures, Scenario } from './scenario.ts'

const blockBytes = 4096
const writeAsync = promisify(write)
const { O_CREAT, O_DSYNC, O_WRONLY } = constants

/** The disk's own rate of syncs: what every durable figure stands beside. */
export const disk: Scenario = {
  name: 'disk',
  about: 'append 4 KiB durably, one after the other: the disk that every durable figure depends on',
  async prepare(scope, { measuredMs }) {
    const directory = scope.temporaryDirectory()
    return {
      measurements: [
        {
          name: 'write, then fdatasync',
          run: () =>
            appendFor(openSync(join(directory, 'direct'), 'w'), measuredMs / 2, (file, block) => {
              writeSync(file, block)
              fdatasyncSync(file)
            }),
        },
        {
          name: 'O_DSYNC in the thread pool',
          run: () =>
            appendFor(
              openSync(join(directory, 'pool'), O_CREAT | O_WRONLY | O_DSYNC),
              measuredMs / 2,
              async (file, block) => void (await writeAsync(file, block)),
            ),
        },
      ],
    }
  },
}

async function appendFor(
  file: number,
  forMs: number,
  append: (file: number, block: Buffer) => void | Promise<void>,
): Promise<Figures> {
  const block = Buffer.alloc(blockBytes, 'x')
  const latency = new Histogram()
  const startedUs = nowUs()
  let lastUs = startedUs
  while (lastUs - startedUs < forMs * 1000) {
    await append(file, block)
    const now = nowUs()
    latency.add(now - lastUs)
    lastUs = now
  }
  closeSync(file)
  return {
    'syncs/s': latency.total / ((lastUs - startedUs) / 1e6),
    'p50 us': latency.quantileUs(0.5),
    'p99 us': latency.quantileUs(0.99),
  }
}
