import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createRandom } from '../../src/testing/random.ts'
import { createRun, markOf, sequenceDigits } from '../load/event-id.ts'
import { nowUs, pause, until } from '../load/monotonic.ts'
import { Publisher } from '../load/publisher.ts'
import { type Receiver, startReceiver } from '../load/receiver.ts'
import { inScope, type Scope } from '../scope.ts'
import { type Busbar, startBusbar } from '../servers/busbar.ts'
import { Checks } from './checks.ts'
import { Ledger } from './ledger.ts'
import { type Mangling, mangleTail } from './mangle.ts'

export interface TortureOptions {
  readonly rounds: number
  /** Decides when the server is killed, which deliveries fail and how the journal's end is spoiled. */
  readonly seed: number
  readonly timeScale: number
}

const ratePerS = 2000
const batch = 4
const connections = 16
const shortestLifeMs = 200
const longestLifeMs = 1500
/** Of the deliveries, so many are answered 503, and so many cut off. */
const busyShare = 1 / 6
const resetShare = 1 / 6
/** After so many the schedule waits ten minutes, divided by the time scale. */
const mostFailures = 5
const drainWithinMs = 180_000
/** Of the events that are missing, so many are named. */
const namedEvents = 50
/** In every five rounds these also find the journal's end spoiled. */
const manglings: Readonly<Record<number, Mangling>> = { 1: 'garbage', 2: 'unfinished record' }

/** In every five rounds this one stops the server with SIGTERM instead, which must exit 0. */
const stoppedRound = 4

/** Both want every event; one gets them alone, one in batches. */
const hooks = [
  { name: 'single', shape: {} },
  { name: 'batched', shape: { maxEventsPerBatch: 20 } },
] as const

/** Kills the server in every round, lets the last one drain, and returns how many promises were not kept. */
export async function torture(options: TortureOptions): Promise<number> {
  const { rounds, seed, timeScale } = options
  console.log(`${rounds} rounds, seed ${seed}, time scale ${timeScale}`)
  const dataDir = await mkdtemp(join(tmpdir(), 'busbar-torture-'))
  const checks = new Checks()
  try {
    await inScope((scope) => tortureIn(scope, dataDir, options, checks))
  } catch (error) {
    checks.check(false, 'every start succeeded and the run came to its end', String(error))
  }
  if (checks.failed === 0) await rm(dataDir, { recursive: true, force: true })
  else console.log(`The data directory is kept: ${dataDir}. Again with --seed ${seed}.`)
  console.log(checks.summary())
  return checks.failed
}

async function tortureIn(
  scope: Scope,
  dataDir: string,
  options: TortureOptions,
  checks: Checks,
): Promise<void> {
  const { rounds, seed, timeScale } = options
  const random = createRandom(seed)
  const run = createRun()
  const ledger = new Ledger()
  const receiver = await startReceiver()
  scope.defer(() => receiver.close())
  const start = async (httpPort: number): Promise<Busbar> => {
    const busbar = await startBusbar({ dataDir, httpPort, timeScale })
    scope.defer(() => busbar.kill())
    return busbar
  }

  let busbar = await start(0)
  // Clients keep the address that they were given, so that every later start must have it too.
  const { port } = busbar
  const topic = await busbar.controlPlane.createTopic('torture')
  for (const [index, { name, shape }] of hooks.entries()) {
    await receiver.behave(name, {
      ...{ kind: 'fails', busyShare, resetShare, mostFailures, seed: seed + index },
    })
    await busbar.controlPlane.createEventSubscription(topic.id, name, {
      endpointUrl: receiver.urlOf(name),
      ...shape,
    })
  }

  let slowestStartMs = 0
  let firstSequence = 0
  for (let round = 1; round <= rounds; round++) {
    const publisher = new Publisher({
      ...{ url: topic.endpoint, key: topic.key, run, eventType: 'Torture.Event', eventBytes: 1024 },
      ...{ batch, connections, ratePerS, firstSequence },
      onAcknowledged: (sequence, events) => ledger.acknowledge(sequence, events),
    })
    const lifeMs = shortestLifeMs + random.below(longestLifeMs - shortestLifeMs + 1)
    await publisher.start()
    await pause(lifeMs)
    const isStopped = round % 5 === stoppedRound
    const code = await busbar.child.end(isStopped ? 'SIGTERM' : 'SIGKILL')
    await publisher.stop()
    firstSequence = publisher.nextSequence
    const mangling = manglings[round % 5]
    const segment = mangling && (await mangleTail(dataDir, mangling, random))
    busbar = await start(port)
    slowestStartMs = Math.max(slowestStartMs, busbar.startMs)
    const { acknowledged } = publisher
    checks.check(
      acknowledged > 0,
      `round ${round}: ${isStopped ? 'stopped' : 'killed'} after ${lifeMs} ms and ${acknowledged} acknowledged events, back in ${Math.round(busbar.startMs)} ms`,
      `nothing was acknowledged; ${publisher.firstRefusal ?? 'nothing was refused either'}`,
    )
    if (isStopped)
      checks.check(code === 0, `round ${round}: SIGTERM ended it with exit code 0`, `it was ${code}`)
    if (segment !== undefined)
      checks.check(
        busbar.child.stderr.some((line) => line.includes(segment)),
        `round ${round}: the start reported the ${mangling} behind segment ${segment}`,
        `it said ${busbar.child.stderr.join('\n')}`,
      )
  }

  const drainUs = nowUs()
  for (const { name } of hooks) await receiver.behave(name, { kind: 'accepts' })
  const queued = async () => (await busbar.metrics()).get('busbar_queue_entries')
  const drained = await until(async () => (await queued()) === 0, drainWithinMs, 100)
  const drainS = ((nowUs() - drainUs) / 1e6).toFixed(1)
  checks.check(drained, `the queues drained in ${drainS} s`, `${await queued()} entries are left`)
  for (const { name } of hooks) await judge(receiver, name, run, ledger, checks)
  await busbar.stop()
  console.log(`slowest start ${Math.round(slowestStartMs)} ms`)
}

async function judge(
  receiver: Receiver,
  name: string,
  run: string,
  ledger: Ledger,
  checks: Checks,
): Promise<void> {
  const received = await receiver.received(name, run)
  const missing = ledger.missingFrom(received)
  const { unique, duplicates } = received
  checks.check(
    missing.length === 0,
    `${name}: ${ledger.count} acknowledged, ${unique} delivered, ${duplicates} duplicates, ${missing.length} missing`,
    missing
      .slice(0, namedEvents)
      .map((sequence) => markOf(run) + String(sequence).padStart(sequenceDigits, '0'))
      .join(' '),
  )
}
