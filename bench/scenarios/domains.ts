import { domainTopicName } from '../load/request-template.ts'
import { latencyOf } from './latency.ts'
import type { Scenario } from './scenario.ts'
import { manyAtATime, startWorld, subscribeMany, type World } from './world.ts'

const eventType = 'Bench.Reading'
const perTopic = 10
const hook = 'tenants'
/** As many as a domain may have. */
const mostTopics = 100_000

/** What it costs to publish to one topic of a domain that there are many others. */
export const domains: Scenario = {
  name: 'domains',
  about: `publishing to a topic with ${perTopic} event subscriptions, against a domain with 1,000 topics that have ${perTopic} each`,
  async prepare(scope, settings) {
    const { quick, large } = settings
    const world = await startWorld(scope, settings)
    const topic = await world.createTopic('alone')
    await subscribeMany(world, topic, perTopic, eventType)
    const subscribed = quick ? 100 : 1_000
    const domain = await world.busbar.controlPlane.createTopic('tenants', 'domains')
    await subscribeTenants(world, domain.id, subscribed)
    if (large) await createTenants(world, domain.id, subscribed, mostTopics)
    const names = [
      'one topic',
      `a domain with ${(large ? mostTopics : subscribed).toLocaleString('en')} topics`,
    ]
    return {
      measurements: [
        { name: names[0] as string, run: () => latencyOf(world, topic, `wants-${perTopic}`, settings) },
        { name: names[1] as string, run: () => latencyOf(world, domain, hook, settings, subscribed) },
      ],
      ratios: ['answer p50 ms', 'answer p99 ms', 'p99 ms', 'cpu %'].map((figure) => ({
        figure,
        of: names[1] as string,
        to: names[0] as string,
      })),
      notes: [
        `Open loop as in latency; of ${perTopic} event subscriptions one matches. Consecutive events go to topics far apart.`,
      ],
    }
  },
}

/** Each topic is made by its first event subscription; the first of them wants the events. */
async function subscribeTenants(world: World, domainId: string, count: number): Promise<void> {
  const { controlPlane } = world.busbar
  let next = 0
  await manyAtATime(async () => {
    for (let n = next++; n < count; n = next++)
      for (let m = 0; m < perTopic; m++)
        await controlPlane.createEventSubscription(`${domainId}/topics/${domainTopicName(n)}`, `es-${m}`, {
          endpointUrl: world.receiver.urlOf(hook),
          eventTypes: [m === 0 ? eventType : `Bench.Other${m}`],
        })
  })
}

async function createTenants(world: World, domainId: string, first: number, end: number): Promise<void> {
  let next = first
  await manyAtATime(async () => {
    for (let n = next++; n < end; n = next++)
      await world.busbar.controlPlane.createDomainTopic(domainId, domainTopicName(n))
  })
}
