import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { fuzzBroker } from './torture/mqtt-broker.ts'
import { fuzzPackets } from './torture/mqtt-packets.ts'

/*
 * `npm run torture:mqtt`: mutated MQTT packets, which must be understood or refused and do nothing else. Exits 1, with
 * the bytes that did it, when something else happened.
 */

const usage = `npm run torture:mqtt -- [PACKETS] [options]

  PACKETS           how many mutated packets (10000000)
  --sockets         to a broker of its own, over sockets, beside a client that must not be disturbed; without, to the
                    decoder alone
  --port N          to a broker that runs already, on this machine and for clients without credentials
  --connections N   clients at a time, with --sockets (50)
  --seed N          repeats an earlier run
`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    sockets: { type: 'boolean', default: false },
    port: { type: 'string' },
    connections: { type: 'string', default: '50' },
    seed: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})

if (values.help) console.log(usage)
else {
  // Most packets are refused, which is nothing to trace.
  Error.stackTraceLimit = 0
  const packets = whole('PACKETS', positionals[0] ?? '10000000')
  const seed = whole('--seed', values.seed ?? String(Date.now() % 1_000_000))
  console.log(`--seed ${seed}`)
  if (values.port !== undefined)
    await overSockets(packets, seed, whole('--port', values.port), () => Promise.resolve(''))
  else if (values.sockets) await againstOurOwn(packets, seed)
  else throughTheDecoder(packets, seed)
}

function throughTheDecoder(packets: number, seed: number): void {
  const step = 500_000
  const total = { understood: 0, refused: 0 }
  for (let done = 0; done < packets; done += step) {
    const { understood, refused } = fuzzPackets({
      packets: Math.min(step, packets - done),
      seed: seed + done,
    })
    total.understood += understood
    total.refused += refused
    const { understood: good, refused: bad } = total
    console.log(`${good + bad} mutated packets: ${good} understood, ${bad} refused`)
  }
}

async function againstOurOwn(packets: number, seed: number): Promise<void> {
  const path = fileURLToPath(new URL('torture/mqtt-process.ts', import.meta.url))
  const child = spawn(process.execPath, ['--expose-gc', path], { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const line = async () => String((await lines.next()).value)
  const died = once(child, 'exit').then(([code]) => {
    throw new Error(`the broker ended with ${String(code)}`)
  })
  died.catch(() => {})
  try {
    const port = whole('the port', await line())
    const held = () => {
      child.stdin.write('\n')
      return line()
    }
    await Promise.race([overSockets(packets, seed, port, held), died])
  } finally {
    child.kill('SIGKILL')
  }
}

async function overSockets(
  packets: number,
  seed: number,
  port: number,
  held: () => Promise<string>,
): Promise<void> {
  const connections = whole('--connections', values.connections)
  const step = Math.max(1, Math.round(packets / 20))
  for (let done = 0; done < packets; done += step) {
    const part = Math.min(step, packets - done)
    const {
      sent,
      heard,
      connections: opened,
    } = await fuzzBroker({ port, packets: part, seed: seed + done, connections })
    console.log(
      `${done + sent} mutated packets, ${opened} connections, ${heard} messages of the bystander heard ${await held()}`,
    )
  }
}

function whole(name: string, text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1)
    throw new Error(`${name} takes a whole number, not '${text}'.`)
  return value
}
