import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { runPullModel } from './run.ts'
import { openLocalSystem } from './system.ts'

const now = Date.UTC(2026, 0, 2)

for (const seed of [1, 2, 3])
  test(`pull delivery does what the model says, over restarts too (seed ${seed})`, async (t) => {
    const directory = await mkdtemp(join(tmpdir(), 'busbar-pull-'))
    const system = await openLocalSystem(directory, now)
    t.after(async () => {
      await system.close()
      await rm(directory, { recursive: true })
    })
    await runPullModel(system, { seed, steps: 1500, now })
  })
