import { startReceiver } from '../load/receiver.ts'
import { latencyOf } from './latency.ts'
import type { Measurement, Scenario } from './scenario.ts'
import { startWorld } from './world.ts'

/** What one event subscription whose endpoint is dead does to the others of its server. */
export const neighbours: Scenario = {
  name: 'neighbours',
  about: 'end-to-end latency of an event subscription beside one that is stuck, against a system without it',
  async prepare(scope, settings) {
    const [calm, refusing, hanging] = [
      await startWorld(scope, settings),
      await startWorld(scope, settings),
      await startWorld(scope, settings),
    ]
    const measurements: Measurement[] = []
    for (const [name, world] of [
      ['alone', calm],
      ['beside one that refuses connections', refusing],
      ['beside one that never answers', hanging],
    ] as const) {
      const topic = await world.createTopic('shared')
      await world.subscribe(topic, 'healthy')
      measurements.push({ name, run: () => latencyOf(world, topic, 'healthy', settings) })
      if (world === calm) continue
      const dead = await startReceiver()
      scope.defer(() => dead.close())
      await dead.behave('stuck', { kind: 'hangs' })
      await world.subscribe(topic, 'stuck', { endpointUrl: dead.urlOf('stuck') })
      if (world === refusing) await dead.goDown()
    }
    return {
      measurements,
      ratios: measurements.slice(1).map(({ name }) => ({ figure: 'p99 ms', of: name, to: 'alone' })),
      notes: ['Every event goes to both event subscriptions; the stuck one piles up all of them.'],
    }
  },
}
