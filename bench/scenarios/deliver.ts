import { createRun } from '../load/event-id.ts'
import { publishFor } from '../load/publish-run.ts'
import { eventLoopDelay } from './event-loop.ts'
import type { Measurement, Scenario } from './scenario.ts'
import { startWorld } from './world.ts'

interface Case {
  readonly name: string
  /** Events in one publish request. */
  readonly batch: number
  /** Undefined: one event in each delivery. */
  readonly maxEventsPerBatch?: number
}

const cases: readonly Case[] = [
  { name: 'published by 1, delivered by 1', batch: 1 },
  { name: 'published by 10, delivered by 1', batch: 10 },
  { name: 'published by 10, output batching', batch: 10, maxEventsPerBatch: 100 },
]

/** So many events may be accepted and not yet delivered; publishing pauses beyond, so that both keep the same pace. */
const ahead = 2000
const connections = 16

/** Accepting and delivering at the same pace: what one event subscription with a webhook on loopback sustains. */
export const deliver: Scenario = {
  name: 'deliver',
  about: 'events delivered a second to a local webhook while as many are accepted durably',
  async prepare(scope, settings) {
    const world = await startWorld(scope, settings)
    const { receiver, busbar } = world
    const { warmUpMs, measuredMs } = settings
    const measurements: Measurement[] = []
    for (const [index, { name, batch, maxEventsPerBatch }] of cases.entries()) {
      const hook = `deliver-${index}`
      const topic = await world.createTopic(hook)
      await world.subscribe(topic, hook, maxEventsPerBatch === undefined ? {} : { maxEventsPerBatch })
      measurements.push({
        name,
        async run() {
          const run = createRun()
          let sent = 0
          await receiver.watch(run)
          const published = await publishFor({
            ...{ url: topic.endpoint, key: topic.key, pid: busbar.pid },
            ...{ run, batch, connections, warmUpMs, measuredMs },
            mayPublish: () => sent - receiver.delivered() < ahead,
            onAcknowledged: (_, events) => {
              sent += events
            },
            count: () => receiver.delivered(),
          })
          const { requests, unique, duplicates } = await receiver.received(hook, run)
          return {
            'delivered/s': published.countedPerS,
            'accepted/s': published.eventsPerS,
            'cpu us/event': published.cpuUsPerEvent,
            'events/delivery': unique / requests,
            duplicates,
            ...(await eventLoopDelay(busbar)),
          }
        },
      })
    }
    return {
      measurements,
      notes: [`Publishing pauses while more than ${ahead} events are accepted and not delivered.`],
    }
  },
}
