import { parseArgs } from 'node:util'
import { torture } from './torture/rounds.ts'

/*
 * `npm run torture`: the server is killed again and again under load, and must lose nothing that it
 * acknowledged. Exits 1 when it did.
 */

const usage = `npm run torture -- [ROUNDS] [options]

  ROUNDS          how often the server is killed (50)
  --seed N        repeats the kills and failures of an earlier run
  --time-scale X  how many times faster the server waits for retries (100)
`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: 'string' },
    'time-scale': { type: 'string', default: '100' },
    help: { type: 'boolean', default: false },
  },
})

if (values.help) console.log(usage)
else {
  const rounds = whole('ROUNDS', positionals[0] ?? '50')
  const seed = whole('--seed', values.seed ?? String(Date.now() % 1_000_000))
  const timeScale = whole('--time-scale', values['time-scale'])
  const failed = await torture({ rounds, seed, timeScale })
  process.exitCode = failed > 0 ? 1 : 0
}

function whole(name: string, text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1)
    throw new Error(`${name} takes a whole number, not '${text}'.`)
  return value
}
