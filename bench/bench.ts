import { cpus, release } from 'node:os'
import { parseArgs } from 'node:util'
import { encodeReport } from './report.ts'
import { runScenario, type ScenarioResult } from './run-scenario.ts'
import { scenarios } from './scenarios/index.ts'
import type { Scenario, Settings } from './scenarios/scenario.ts'

/*
 * `npm run bench`: starts servers of its own on loopback, publishes to them, and prints what they sustain. Reads
 * no setting of an installed server and leaves nothing behind.
 */

const usage = `npm run bench -- [options]

  --quick        everything, shorter and smaller, in about a minute
  --only NAME    this scenario alone; may be given more than once
  --rounds N     how often each measurement is taken (3; 1 with --quick)
  --seconds S    how long each is measured (2; 0.6 with --quick)
  --large        also with 5,000,000 queued events
  --profile DIR  the servers under test leave processor profiles there (not with figures to be quoted)
  --json         JSON on stdout instead of tables

${scenarios.map(({ name, about }) => `  ${name.padEnd(12)} ${about}`).join('\n')}
`

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    large: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    profile: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})

if (values.help) console.log(usage)
else await bench()

async function bench(): Promise<void> {
  const { quick, large, json, only, profile } = values
  const chosen = only ? only.map(scenarioOf) : scenarios
  const measuredMs = positive('--seconds', values.seconds ?? (quick ? '0.6' : '2')) * 1000
  const settings: Settings = {
    ...{ quick, large, measuredMs },
    warmUpMs: Math.min(1000, measuredMs / 2),
    profileDirectory: profile,
  }
  const rounds = Math.ceil(positive('--rounds', values.rounds ?? (quick ? '1' : '3')))
  const machine = {
    date: new Date().toISOString(),
    node: process.versions.node,
    kernel: `${process.platform} ${release()}`,
    processor: cpus()[0]?.model,
    processors: cpus().length,
  }
  if (!json) console.log(`${Object.values(machine).join(', ')}\n`)
  const results: ScenarioResult[] = []
  for (const scenario of chosen) {
    try {
      const result = await runScenario(scenario, settings, rounds)
      results.push(result)
      if (!json) console.log(encodeReport(result))
    } catch (error) {
      console.error(`## ${scenario.name} failed\n`, error)
      process.exitCode = 1
    }
  }
  if (json) console.log(JSON.stringify({ machine, settings, scenarios: results }, undefined, 2))
}

function scenarioOf(name: string): Scenario {
  const found = scenarios.find((scenario) => scenario.name === name)
  if (!found)
    throw new Error(
      `There is no scenario '${name}'; there is ${scenarios.map((known) => known.name).join(', ')}.`,
    )
  return found
}

function positive(flag: string, text: string): number {
  const value = Number(text)
  if (!(value > 0)) throw new Error(`${flag} takes a positive number, not '${text}'.`)
  return value
}
