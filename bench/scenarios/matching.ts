import { publishFor } from '../load/publish-run.ts'
import { figuresOf } from './publish.ts'
import type { Measurement, Scenario } from './scenario.ts'
import { startWorld, subscribeMany } from './world.ts'

const eventType = 'Bench.Reading'

/** What it costs that there are many event subscriptions which do not want an event. */
export const matching: Scenario = {
  name: 'matching',
  about:
    'durable publishes with 1, 10, 1,000 and 10,000 event subscriptions naming event types, of which one matches',
  async prepare(scope, settings) {
    const world = await startWorld(scope, settings)
    const { quick, warmUpMs, measuredMs } = settings
    const counts = quick ? [1, 10, 1000] : [1, 10, 1000, 10_000]
    const measurements: Measurement[] = []
    for (const count of counts) {
      const topic = await world.createTopic(`matching-${count}`)
      await world.receiver.behave(`wants-${count}`, { kind: 'hangs' })
      await subscribeMany(world, topic, count, eventType)
      measurements.push({
        name: String(count),
        run: async () =>
          figuresOf(
            await publishFor({
              ...{ url: topic.endpoint, key: topic.key, pid: world.busbar.pid },
              ...{ batch: 10, connections: 16, warmUpMs, measuredMs, eventType },
            }),
          ),
      })
    }
    return {
      measurements,
      ratios: counts.slice(1).map((count) => ({ figure: 'cpu us/event', of: String(count), to: '1' })),
      notes: [
        '16 publishers, 10 events in a request; the webhook never answers, so that no delivery is counted.',
      ],
    }
  },
}
