import { pause, until } from '../load/monotonic.ts'
import { PullClient, type PullLoad, type PullTarget } from '../load/pull-client.ts'
import { usageOf } from '../load/usage.ts'
import type { Scope } from '../scope.ts'
import { type Busbar, startBusbar } from '../servers/busbar.ts'
import { startNats } from '../servers/nats.ts'
import { natsConsumer } from '../servers/nats-pull.ts'
import { startRedis } from '../servers/redis.ts'
import { eventLoopDelay } from './event-loop.ts'
import { natsFlow, type PeerLoad, redisFlow } from './pull-peers.ts'
import type { Figures, Measurement, Ratio, Scenario, Settings } from './scenario.ts'

const ratePerS = 2_000
const many = 100
const drainWithinMs = 60_000

/** Publish, receive and acknowledge through a namespace topic, all of it durable. */
export const pull: Scenario = {
  name: 'pull',
  about:
    'events of 1 KiB published, received and acknowledged, by receivers and batch; wake-up; 100 event subscriptions',
  async prepare(scope, settings) {
    const { quick, profileDirectory } = settings
    const dataDir = scope.temporaryDirectory()
    const busbar = await startBusbar({ dataDir, ...(profileDirectory !== undefined && { profileDirectory }) })
    scope.defer(() => (profileDirectory === undefined ? busbar.kill() : busbar.stop()))
    const namespace = await busbar.controlPlane.createNamespace('pull')
    const flows: { readonly name: string; readonly load: PullLoad }[] = [
      {
        name: 'one at a time, 1 client',
        load: { publishers: 1, batch: 1, receivers: 1, eventSubscriptions: ['all'] },
      },
      ...(quick ? [1, 16] : [1, 16, 64]).flatMap((receivers) =>
        (receivers === 1 ? [100] : [1, 100]).map((batch) => ({
          name: `${receivers} receiver${receivers === 1 ? '' : 's'} x ${batch}`,
          load: { publishers: batch === 1 ? 16 : 4, batch, receivers, eventSubscriptions: ['all'] },
        })),
      ),
      {
        name: `woken at ${ratePerS} events/s`,
        load: { publishers: 8, batch: 1, receivers: 8, eventSubscriptions: ['all'], ratePerS },
      },
      {
        name: `${many} event subscriptions`,
        load: {
          ...{ publishers: 1, batch: 100, receivers: 16 },
          eventSubscriptions: Array.from({ length: many }, (_, n) => `all-${n}`),
        },
      },
    ]
    const measurements: Measurement[] = []
    for (const [index, { name, load }] of flows.entries()) {
      const topic = `flow-${index}`
      await namespace.createTopic(topic)
      for (const eventSubscription of load.eventSubscriptions)
        await namespace.createQueue(topic, eventSubscription)
      const target = { base: namespace.base, key: namespace.key, topic }
      measurements.push({ name, run: () => flow(busbar, target, load, settings) })
    }
    const nats = await startNats(scope)
    if (nats) {
      const connection = await nats.connect()
      await connection.request(natsConsumer.subject, natsConsumer.config)
      connection.close()
    }
    const redis = await startRedis(scope)
    const peerLoad: PeerLoad = { publishers: 4, batch: 100, receivers: 16 }
    const ratios: Ratio[] = []
    const peers = [
      ...(nats ? [{ name: 'nats, 16 x 100', run: () => natsFlow(nats, peerLoad, settings) }] : []),
      ...(redis ? [{ name: 'redis, 16 x 100', run: () => redisFlow(redis, peerLoad, settings) }] : []),
    ]
    for (const { name } of peers) ratios.push({ figure: 'events/s', of: '16 receivers x 100', to: name })
    return {
      measurements: [...measurements, ...peers],
      ratios,
      notes: [
        nats
          ? `nats-server ${nats.version}: a JetStream pull consumer on disk, which answers before it syncs.`
          : 'nats-server is not installed; it would have been measured too.',
        redis
          ? `redis-server ${redis.version}: a stream with a group of consumers, appendfsync always.`
          : 'redis-server is not installed; it would have been measured too.',
        'Everything is on disk before it is answered. A round trip of an event is three requests: publish, receive, ' +
          'acknowledge; `cpu us/event` is for all three.',
        'end to end: from when an event was published, or was due to be, until a receiver had it.',
      ],
    }
  },
}

async function flow(
  busbar: Busbar,
  target: PullTarget,
  load: PullLoad,
  { warmUpMs, measuredMs }: Settings,
): Promise<Figures> {
  const client = new PullClient(target, load)
  client.start()
  await pause(warmUpMs)
  client.clear()
  const [usageBefore, acknowledged, startedAt] = [
    await usageOf(busbar.pid),
    client.acknowledged,
    performance.now(),
  ]
  await pause(measuredMs)
  const tookS = (performance.now() - startedAt) / 1000
  const [usageAfter, events] = [await usageOf(busbar.pid), client.acknowledged - acknowledged]
  client.stop()
  if (client.failure) throw client.failure
  const cpuS = usageBefore && usageAfter && usageAfter.cpuS - usageBefore.cpuS
  return {
    'events/s': events / tookS,
    'cpu us/event': cpuS && (cpuS * 1e6) / Math.max(1, events),
    'end to end p50 ms': client.endToEnd.quantileUs(0.5) / 1000,
    'end to end p99 ms': client.endToEnd.quantileUs(0.99) / 1000,
    'publish p50 ms': client.publishing.quantileUs(0.5) / 1000,
    'receive p50 ms': client.receiving.quantileUs(0.5) / 1000,
    'acknowledge p50 ms': client.acknowledging.quantileUs(0.5) / 1000,
    duplicates: client.duplicates,
    ...(await eventLoopDelay(busbar)),
  }
}

/** A queue that nobody read for long: what it costs in memory, how it is received from, and that nothing is lost. */
export const pullBacklog: Scenario = {
  name: 'pull-backlog',
  about: 'many events queued on one event subscription: memory, restart, receive latency, draining',
  async prepare(scope, { quick, large }) {
    const events = quick ? 50_000 : large ? 5_000_000 : 1_000_000
    return {
      measurements: [
        {
          name: `${events.toLocaleString('en')} events`,
          run: () => scope.nested((inner) => withBacklog(inner, events)),
        },
      ],
      rounds: 1,
      notes: ['start: from the start of the process until healthz answered 200, after kill -9.'],
    }
  },
}

async function withBacklog(scope: Scope, events: number): Promise<Figures> {
  const dataDir = scope.temporaryDirectory()
  const start = async () => {
    const busbar = await startBusbar({ dataDir })
    scope.defer(() => busbar.kill())
    return busbar
  }
  const first = await start()
  const made = await first.controlPlane.createNamespace('backlog')
  await made.createTopic('backlog')
  await made.createQueue('backlog', 'all')
  const shape = { publishers: 8, batch: 100, receivers: 0, eventSubscriptions: ['all'] }
  const filling = new PullClient({ base: made.base, key: made.key, topic: 'backlog' }, { ...shape, events })
  const fillStartedAt = performance.now()
  filling.start()
  const isFull = () => filling.published >= events || filling.failure !== undefined
  await until(isFull, 15 * 60_000, 50)
  if (filling.failure) throw filling.failure
  const filledPerS = events / ((performance.now() - fillStartedAt) / 1000)
  const full = await usageOf(first.pid)
  filling.stop()
  await first.kill()
  const killed = await start()
  const { base, key } = await killed.controlPlane.namespace('backlog')
  const load = { publishers: 0, batch: 100, receivers: 8, eventSubscriptions: ['all'] }
  const draining = new PullClient({ base, key, topic: 'backlog' }, load)
  draining.countAs(filling.run)
  const drainStartedAt = performance.now()
  draining.start()
  let rssMiB = 0
  const watch = async () => {
    rssMiB = Math.max(rssMiB, (await usageOf(killed.pid))?.rssMiB ?? 0)
    return draining.failure !== undefined || draining.acknowledged >= filling.published
  }
  await until(async () => draining.acknowledged >= events / 10 || (await watch()), 15 * 60_000, 100)
  const early = draining.receiving.quantileUs(0.5) / 1000
  await until(async () => draining.acknowledged >= (events * 9) / 10 || (await watch()), 15 * 60_000, 100)
  draining.clear()
  await until(watch, drainWithinMs, 50)
  const late = draining.receiving.quantileUs(0.5) / 1000
  const drainedPerS = draining.acknowledged / ((performance.now() - drainStartedAt) / 1000)
  draining.stop()
  if (draining.failure) throw draining.failure
  return {
    'filled/s': filledPerS,
    'rss full MiB': full?.rssMiB,
    'start after kill ms': killed.startMs,
    'drained/s': drainedPerS,
    'rss draining MiB': rssMiB,
    'receive p50 ms, first tenth': early,
    'receive p50 ms, last tenth': late,
    missing: filling.published - draining.received,
    duplicates: draining.duplicates,
  }
}
