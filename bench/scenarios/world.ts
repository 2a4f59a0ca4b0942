import { publishFor } from '../load/publish-run.ts'
import { type Receiver, startReceiver } from '../load/receiver.ts'
import type { Scope } from '../scope.ts'
import { type Busbar, startBusbar } from '../servers/busbar.ts'
import type { BenchTopic, EventSubscriptionShape } from '../servers/control-plane.ts'
import type { Settings } from './scenario.ts'

/** A server and a webhook that it delivers to. */
export interface World {
  readonly busbar: Busbar
  readonly receiver: Receiver
  createTopic(name: string): Promise<BenchTopic>
  /** An event subscription of that name whose webhook is the receiver's path of the same name. */
  subscribe(topic: BenchTopic, name: string, shape?: Partial<EventSubscriptionShape>): Promise<void>
}

export async function startWorld(scope: Scope, { profileDirectory, quick }: Settings): Promise<World> {
  const dataDir = scope.temporaryDirectory()
  const receiver = await startReceiver()
  scope.defer(() => receiver.close())
  const busbar = await startBusbar({ dataDir, ...(profileDirectory !== undefined && { profileDirectory }) })
  // What is left behind is thrown away; only a profile is written by a clean stop.
  scope.defer(() => (profileDirectory === undefined ? busbar.kill() : busbar.stop()))
  const world: World = {
    busbar,
    receiver,
    createTopic: (name) => busbar.controlPlane.createTopic(name),
    subscribe: (topic, name, shape) =>
      busbar.controlPlane.createEventSubscription(topic.id, name, {
        endpointUrl: receiver.urlOf(name),
        ...shape,
      }),
  }
  await warmUp(world, quick ? 500 : 2000)
  return world
}

/** A server that has just started runs code that is not compiled yet; its first measurement would pay for all. */
async function warmUp(world: World, forMs: number): Promise<void> {
  const topic = await world.createTopic('warm-up')
  await world.subscribe(topic, 'warm-up')
  for (const batch of [1, 10])
    await publishFor({
      ...{ url: topic.endpoint, key: topic.key, pid: world.busbar.pid, batch, connections: 4 },
      ...{ warmUpMs: 0, measuredMs: forMs / 2 },
    })
}

/** How many requests to the control plane are under way while a scenario is set up. */
const setUpAtATime = 16

/**
 * Event subscriptions on the topic, `count` in all, each naming an event type of its own; only the first wants
 * `eventType`.
 */
export async function subscribeMany(
  world: World,
  topic: BenchTopic,
  count: number,
  eventType: string,
): Promise<void> {
  let next = 0
  const work = async () => {
    for (let n = next++; n < count; n = next++)
      await world.subscribe(topic, n === 0 ? `wants-${count}` : `other-${count}-${n}`, {
        eventTypes: [n === 0 ? eventType : `Bench.Other${n}`],
      })
  }
  await manyAtATime(work)
}

/** Runs the same work so many times side by side; each takes what the others have left. */
export async function manyAtATime(work: () => Promise<void>): Promise<void> {
  await Promise.all(Array.from({ length: setUpAtATime }, work))
}
