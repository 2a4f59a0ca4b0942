import { createRun } from '../load/event-id.ts'
import { nowUs, pause } from '../load/monotonic.ts'
import { type PublishRun, publishFor } from '../load/publish-run.ts'
import { usageOf } from '../load/usage.ts'
import { startBareHttp } from '../servers/bare-http.ts'
import { type Nats, natsSubject, startNats } from '../servers/nats.ts'
import { eventLoopDelay } from './event-loop.ts'
import type { Figures, Measurement, Ratio, Scenario, Settings } from './scenario.ts'
import { startWorld } from './world.ts'

interface Load {
  readonly batch: number
  readonly publishers: number
}

const eventBytes = 1024

/**
 * Durable publishes beside a server that stores nothing and, where it is installed, beside a broker. The one event
 * subscription's webhook never answers, so that accepting alone is measured.
 */
export const publish: Scenario = {
  name: 'publish',
  about: 'events of 1 KiB accepted durably a second, by batch size and number of publishers',
  async prepare(scope, settings) {
    const world = await startWorld(scope, settings)
    const bare = await startBareHttp(scope)
    const nats = await startNats(scope)
    const topic = await world.createTopic('publish')
    await world.receiver.behave('silent', { kind: 'hangs' })
    await world.subscribe(topic, 'silent')

    const durable = (load: Load): Measurement => ({
      name: nameOf('busbar', load),
      async run() {
        const run = await publishFor({
          url: topic.endpoint,
          key: topic.key,
          pid: world.busbar.pid,
          ...shapeOf(load, settings),
        })
        return { ...figuresOf(run), ...(await eventLoopDelay(world.busbar)) }
      },
    })
    const peer = (load: Load): Measurement => ({
      name: nameOf('bare node:http', load),
      run: async () =>
        figuresOf(await publishFor({ url: bare.url, pid: bare.pid, ...shapeOf(load, settings) })),
    })
    const broker = (load: Load): Measurement[] =>
      nats ? [{ name: nameOf('nats', load), run: () => publishToNats(nats, load, settings) }] : []

    const loads = loadsOf(settings)
    const figure = 'events/s'
    const ratios: Ratio[] = loads.flatMap((load) => [
      { figure, of: nameOf('busbar', load), to: nameOf('bare node:http', load) },
      ...(nats ? [{ figure, of: nameOf('busbar', load), to: nameOf('nats', load) }] : []),
    ])
    return {
      measurements: loads.flatMap((load) => [durable(load), peer(load), ...broker(load)]),
      ratios,
      notes: [
        'busbar syncs before it answers; bare node:http parses the JSON and stores nothing.',
        nats
          ? `nats-server ${nats.version}: JetStream on disk, a batch is so many events under way on a connection. ` +
            "Debian's 2.9 does not sync before it acknowledges: it writes to the page cache."
          : 'nats-server is not installed; it would have been measured too.',
      ],
    }
  },
}

const nameOf = (who: string, { batch, publishers }: Load) => `${who}, ${publishers} x ${batch}`

function loadsOf({ quick }: Settings): readonly Load[] {
  if (quick)
    return [
      { batch: 1, publishers: 1 },
      { batch: 1, publishers: 16 },
      { batch: 10, publishers: 16 },
      { batch: 100, publishers: 16 },
    ]
  return [1, 10, 100].flatMap((batch) => [1, 16, 256].map((publishers) => ({ batch, publishers })))
}

const shapeOf = ({ batch, publishers }: Load, { warmUpMs, measuredMs }: Settings) => ({
  batch,
  connections: publishers,
  warmUpMs,
  measuredMs,
})

export const figuresOf = ({ eventsPerS, cpuUsPerEvent, latency }: PublishRun): Figures => ({
  'events/s': eventsPerS,
  'cpu us/event': cpuUsPerEvent,
  'p50 ms': latency.quantileUs(0.5) / 1000,
  'p99 ms': latency.quantileUs(0.99) / 1000,
})

async function publishToNats(nats: Nats, { batch, publishers }: Load, settings: Settings): Promise<Figures> {
  const connections = await Promise.all(Array.from({ length: publishers }, () => nats.connect()))
  const payload = Buffer.alloc(eventBytes, createRun())
  let acknowledged = 0
  let stopped = false
  for (const connection of connections) {
    const bytes = Buffer.concat(Array<Buffer>(batch).fill(connection.encode(natsSubject, payload)))
    let missing = batch
    connection.onAnswer = (body) => {
      if (body.includes('"error"')) throw new Error(`nats-server refused an event: ${body.toString()}`)
      acknowledged++
      if (--missing > 0 || stopped) return
      missing = batch
      connection.write(bytes)
    }
    connection.write(bytes)
  }
  await pause(settings.warmUpMs)
  const [usageBefore, before, startedUs] = [await usageOf(nats.pid), acknowledged, nowUs()]
  await pause(settings.measuredMs)
  const [events, tookS, usageAfter] = [
    acknowledged - before,
    (nowUs() - startedUs) / 1e6,
    await usageOf(nats.pid),
  ]
  stopped = true
  for (const connection of connections) connection.close()
  return {
    'events/s': events / tookS,
    'cpu us/event':
      usageBefore && usageAfter && ((usageAfter.cpuS - usageBefore.cpuS) * 1e6) / Math.max(1, events),
  }
}
