import { createRun } from '../load/event-id.ts'
import { until } from '../load/monotonic.ts'
import { publishFor } from '../load/publish-run.ts'
import type { BenchTopic } from '../servers/control-plane.ts'
import { eventLoopDelay } from './event-loop.ts'
import type { Figures, Scenario, Settings } from './scenario.ts'
import { startWorld, subscribeMany, type World } from './world.ts'

export const fixedRatePerS = 2000
const counts = [1, 10, 1000]
const eventType = 'Bench.Reading'
const drainMs = 10_000

/** End to end at a rate that the server is far from being full at, by number of event subscriptions. */
export const latency: Scenario = {
  name: 'latency',
  about: `end to end at a fixed ${fixedRatePerS} events/s, with 1, 10 and 1,000 event subscriptions of which one matches`,
  async prepare(scope, settings) {
    const world = await startWorld(scope, settings)
    const topics = new Map<number, BenchTopic>()
    for (const count of counts) {
      const topic = await world.createTopic(`latency-${count}`)
      await subscribeMany(world, topic, count, eventType)
      topics.set(count, topic)
    }
    const names = counts.map((count) => `${count} event subscription${count === 1 ? '' : 's'}`)
    return {
      measurements: counts.map((count, index) => ({
        name: names[index] as string,
        run: () => latencyOf(world, topics.get(count) as BenchTopic, `wants-${count}`, settings),
      })),
      ratios: names.slice(1).map((name) => ({ figure: 'p99 ms', of: name, to: names[0] as string })),
      notes: [
        'Open loop, one event in a request: latency counts from when an event was due to be published until its ' +
          'first delivery, so that a server that stalls is charged for all that waited.',
      ],
    }
  },
}

/**
 * Publishes at the fixed rate, to so many topics of a domain by turns where it is one, and says how long the events
 * took to reach the hook of that name.
 */
export async function latencyOf(
  world: World,
  topic: BenchTopic,
  hook: string,
  { warmUpMs, measuredMs }: Settings,
  domainTopics?: number,
): Promise<Figures> {
  const { receiver, busbar } = world
  const run = createRun()
  await receiver.watch(run)
  const published = await publishFor({
    ...{ url: topic.endpoint, key: topic.key, pid: busbar.pid },
    ...{ run, batch: 1, connections: 16, ratePerS: fixedRatePerS, warmUpMs, measuredMs, eventType },
    domainTopics,
    onMeasured: () => receiver.clearLatencies(),
  })
  await until(() => receiver.delivered() >= published.acknowledged, drainMs)
  const received = await receiver.received(hook, run)
  return {
    'p50 ms': received.latency.quantileUs(0.5) / 1000,
    'p99 ms': received.latency.quantileUs(0.99) / 1000,
    'p99.9 ms': received.latency.quantileUs(0.999) / 1000,
    'answer p50 ms': published.latency.quantileUs(0.5) / 1000,
    'answer p99 ms': published.latency.quantileUs(0.99) / 1000,
    'cpu %': published.cpuShare && published.cpuShare * 100,
    lost: published.acknowledged - received.unique,
    ...(await eventLoopDelay(busbar)),
  }
}
