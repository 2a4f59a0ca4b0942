import { parseArgs } from 'node:util'
import { type BrokerName, brokerNames, isInstalled, startBroker } from './mqtt/brokers.ts'
import {
  type Figures,
  measureConnections,
  measureLatency,
  measureMatching,
  measureThroughput,
  type Throughput,
} from './mqtt/runs.ts'

/*
 * `npm run bench:mqtt`: the broker beside Mosquitto, where it is installed, and Aedes, on loopback. Each runs for one
 * measurement at a time, by turns, the broker on one processor and this generator on the others.
 */

const usage = `npm run bench:mqtt -- [options]

  --seconds S       how long each is measured (2)
  --rounds N        how often; the best of them is shown (2)
  --only TEXT       measurements whose name has this in it
  --broker NAME     ${brokerNames.join(', ')}; may be given more than once
  --connections N   idle ones (9000)
  --json            JSON in place of a table
`

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '2' },
    only: { type: 'string', default: '' },
    broker: { type: 'string', multiple: true },
    connections: { type: 'string', default: '9000' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

const shapes: Readonly<Record<string, Omit<Throughput, 'qos' | 'bytes'>>> = {
  '1 to 1': { publishers: 1, subscribers: 1, pairs: true },
  '50 to 1': { publishers: 50, subscribers: 1, pairs: false },
  '1 to 50': { publishers: 1, subscribers: 50, pairs: false },
  '50 to 50': { publishers: 50, subscribers: 50, pairs: true },
}

type Run = (broker: Awaited<ReturnType<typeof startBroker>>) => Promise<Figures>

if (values.help) console.log(usage)
else await bench()

async function bench(): Promise<void> {
  const seconds = Number(values.seconds)
  const wanted = (values.broker as BrokerName[] | undefined) ?? brokerNames
  for (const name of wanted) if (!brokerNames.includes(name)) throw new Error(`--broker ${name}: unknown`)
  const brokers = wanted.filter(isInstalled)
  const results: Record<string, Record<string, Figures>> = {}
  for (const [name, run] of Object.entries(runsOf(seconds))) {
    if (!name.includes(values.only)) continue
    const found: Record<string, Figures> = {}
    for (let round = 0; round < Number(values.rounds); round++)
      for (const each of brokers) {
        await using broker = { ...(await startBroker(each)), [Symbol.asyncDispose]: () => broker.close() }
        const figures = await run(broker)
        const known = found[each]
        if (!known || better(figures, known)) found[each] = figures
      }
    results[name] = found
    if (!values.json) print(name, found)
  }
  if (values.json) console.log(JSON.stringify(results, undefined, 1))
}

function runsOf(seconds: number): Readonly<Record<string, Run>> {
  const runs: Record<string, Run> = {}
  for (const [name, shape] of Object.entries(shapes))
    for (const qos of [0, 1, 2] as const)
      for (const bytes of [64, 1024])
        runs[`${name}, QoS ${qos}, ${bytes} bytes`] = (broker) =>
          measureThroughput(broker, { ...shape, qos, bytes }, seconds)
  runs['latency, QoS 1, 10,000 messages/s'] = (broker) => measureLatency(broker, 10_000, seconds)
  runs['connections'] = (broker) => measureConnections(broker, Number(values.connections))
  runs['matching beside 100 subscriptions'] = (broker) => measureMatching(broker, 100, seconds)
  runs['matching beside 100,000 subscriptions'] = (broker) => measureMatching(broker, 100_000, seconds)
  return runs
}

/** By processor time, which others on the machine disturb least. */
function better(one: Figures, other: Figures): boolean {
  const cost = ({ perCpuSecond, connectsPerCpuSecond, p50Us }: Figures) =>
    perCpuSecond ?? connectsPerCpuSecond ?? -(p50Us ?? 0)
  return cost(one) > cost(other)
}

function print(name: string, found: Readonly<Record<string, Figures>>): void {
  console.log(`\n${name}`)
  for (const [broker, figures] of Object.entries(found))
    console.log(
      `  ${broker.padEnd(10)} ${Object.entries(figures)
        .map(([key, value]) => `${key} ${value.toLocaleString('en')}`)
        .join('   ')}`,
    )
}
