import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startMortalSystem } from './torture/pull/mortal.ts'
import { runPullModel } from './torture/pull/run.ts'
import { openLocalSystem } from './torture/pull/system.ts'

/*
 * `npm run torture:pull`: random publishing, receiving and settling over restarts and kills, compared step by step with
 * a simple model. Exits 1 at the first step at which the two differ, with the seed that repeats it.
 */

const usage = `npm run torture:pull -- [STEPS] [options]

  STEPS      how many random steps are taken (1000000)
  --seed N   repeats an earlier run
  --no-kill  in one process, which goes on from copies of its files instead: faster
`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: 'string' },
    'no-kill': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

if (values.help) console.log(usage)
else {
  const steps = whole('STEPS', positionals[0] ?? '1000000')
  const seed = whole('--seed', values.seed ?? String(Date.now() % 1_000_000))
  const now = Date.UTC(2026, 0, 2)
  const directory = await mkdtemp(join(tmpdir(), 'busbar-torture-pull-'))
  console.log(`${steps} steps, seed ${seed}${values['no-kill'] ? ', without kills' : ''}`)
  const mortal = values['no-kill'] ? undefined : await startMortalSystem(directory, now)
  const system = mortal ?? (await openLocalSystem(directory, now))
  const startedAt = performance.now()
  try {
    await runPullModel(system, {
      ...{ seed, steps, now },
      onStep: (step, model) => {
        if (step % 100_000 !== 0 || step === 0) return
        const seconds = Math.round((performance.now() - startedAt) / 1000)
        const kills = mortal ? `, killed ${mortal.kills} times` : ''
        console.log(`${step} steps in ${seconds} s${kills}, ${model.size} events waiting`)
      },
    })
    const kills = mortal ? `, killed ${mortal.kills} times` : ''
    console.log(`ok: ${steps} steps${kills}`)
    await system.close()
    await rm(directory, { recursive: true })
  } catch (error) {
    console.log(`FAIL ${(error as Error).message}`)
    console.log(`The data directory is kept: ${directory}. Again with --seed ${seed}.`)
    process.exitCode = 1
    await system.close().catch(() => {})
  }
}

function whole(name: string, text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1)
    throw new Error(`${name} takes a whole number, not '${text}'.`)
  return value
}
