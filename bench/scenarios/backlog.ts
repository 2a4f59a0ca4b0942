import { createRun } from '../load/event-id.ts'
import { nowUs, pause, until } from '../load/monotonic.ts'
import { Publisher } from '../load/publisher.ts'
import { startReceiver } from '../load/receiver.ts'
import { usageOf } from '../load/usage.ts'
import type { Scope } from '../scope.ts'
import { startBusbar } from '../servers/busbar.ts'
import type { Figures, Scenario } from './scenario.ts'

const batch = 100
const connections = 16
const fillWithinMs = 15 * 60_000
/** After a start, before its memory is looked at. */
const settleMs = 1500

/** A receiver that has been down for long: what its events cost in memory, and how long a start takes with them. */
export const backlog: Scenario = {
  name: 'backlog',
  about: 'memory and time to start with many queued events, after a clean stop and after kill -9',
  async prepare(scope, { quick, large }) {
    const sizes = quick ? [0, 50_000] : [0, 1_000_000, ...(large ? [5_000_000] : [])]
    return {
      measurements: sizes.map((events) => ({
        name: `${events.toLocaleString('en')} events`,
        run: () => scope.nested((inner) => withBacklog(inner, events)),
      })),
      rounds: 1,
      notes: ['From the start of the process until healthz answered 200; the page cache is warm.'],
    }
  },
}

async function withBacklog(scope: Scope, events: number): Promise<Figures> {
  const dataDir = scope.temporaryDirectory()
  const receiver = await startReceiver()
  scope.defer(() => receiver.close())
  const start = async () => {
    const busbar = await startBusbar({ dataDir })
    scope.defer(() => busbar.kill())
    return busbar
  }
  const first = await start()
  const topic = await first.controlPlane.createTopic('backlog')
  await first.controlPlane.createEventSubscription(topic.id, 'down', {
    endpointUrl: receiver.urlOf('down'),
  })
  await receiver.goDown()
  const startedUs = nowUs()
  const publisher = new Publisher({
    ...{
      url: topic.endpoint,
      key: topic.key,
      run: createRun(),
      eventType: 'Bench.Reading',
      eventBytes: 1024,
    },
    ...{ batch, connections, requests: events / batch },
  })
  await publisher.start()
  if (!(await until(() => publisher.acknowledged >= events, fillWithinMs)))
    throw new Error(`${events} events were expected to be accepted; ${publisher.acknowledged} were.`)
  const filledPerS = events / ((nowUs() - startedUs) / 1e6)
  await publisher.stop()
  const filled = await usageOf(first.pid)

  const stopUs = nowUs()
  await first.stop()
  const stopMs = (nowUs() - stopUs) / 1000
  const stopped = await start()
  await pause(settleMs)
  const afterStop = await usageOf(stopped.pid)
  await stopped.kill()

  const killed = await start()
  await pause(settleMs)
  const afterKill = await usageOf(killed.pid)
  const queued = (await killed.metrics()).get('busbar_queue_entries')
  return {
    'filled/s': events > 0 ? filledPerS : undefined,
    'rss MiB': filled?.rssMiB,
    'stop ms': stopMs,
    'start ms': stopped.startMs,
    'rss after stop MiB': afterStop?.rssMiB,
    'start after kill ms': killed.startMs,
    'rss after kill MiB': afterKill?.rssMiB,
    queued,
  }
}
