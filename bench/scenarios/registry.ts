import { nowUs } from '../load/monotonic.ts'
import { usageOf } from '../load/usage.ts'
import type { Scope } from '../scope.ts'
import { startBusbar } from '../servers/busbar.ts'
import { ServiceApi } from '../servers/iot-hub.ts'
import type { Figures, Scenario } from './scenario.ts'
import { manyAtATime } from './world.ts'

const bulk = 100
const pageSize = 1_000

/** An IoT hub with very many devices: how fast they are made, walked over, and there again after a start. */
export const registry: Scenario = {
  name: 'registry',
  about: 'an IoT hub with 1,000,000 devices: made in bulk, walked over by a query, and the start with them',
  async prepare(scope, { quick }) {
    const sizes = quick ? [10_000] : [10_000, 1_000_000]
    return {
      measurements: sizes.map((count) => ({
        name: `${count.toLocaleString('en')} devices`,
        run: () => scope.nested((inner) => withDevices(inner, count)),
      })),
      rounds: 1,
      notes: [
        'Made 100 in a request, each with random keys, durable before the answer. The start is after kill -9, until healthz',
        'answered 200; the page cache is warm. Then all of them are read by a query, 1,000 on a page, with the most memory that',
        'was seen meanwhile; and a page of a query that one device in 10,000 fits.',
      ],
    }
  },
}

async function withDevices(scope: Scope, count: number): Promise<Figures> {
  const dataDir = scope.temporaryDirectory()
  const start = async () => {
    const busbar = await startBusbar({ dataDir })
    scope.defer(() => busbar.kill())
    return busbar
  }
  const first = await start()
  await first.controlPlane.createTopic('first')
  const api = await ServiceApi.open(first.url, first.controlPlane)
  const usage = async () => (await usageOf(first.pid)) ?? { cpuS: 0, rssMiB: 0 }
  const before = await usage()
  const startedUs = nowUs()
  let next = 0
  await manyAtATime(async () => {
    for (let n = next; n < count; n = next) {
      next += bulk
      await api.create(Array.from({ length: Math.min(bulk, count - n) }, (_, at) => nameOf(n + at)))
    }
  })
  const madeS = (nowUs() - startedUs) / 1e6
  const made = await usage()
  await first.kill()

  const killed = await start()
  const again = await ServiceApi.open(killed.url, killed.controlPlane)
  const { totalDeviceCount } = (await again.get('/statistics/devices')) as {
    readonly totalDeviceCount: number
  }
  if (totalDeviceCount !== count) throw new Error(`${totalDeviceCount} devices of ${count} are there.`)
  const started = await usageOf(killed.pid)
  const walkedUs = nowUs()
  let most = 0
  let walked = 0
  let continuation: string | undefined
  do {
    const page = await again.query('SELECT * FROM devices', pageSize, continuation)
    walked += page.results.length
    continuation = page.continuation
    if (walked % 10_000 === 0) most = Math.max(most, (await usageOf(killed.pid))?.rssMiB ?? 0)
  } while (continuation !== undefined)
  if (walked !== count) throw new Error(`The query gave ${walked} devices of ${count}.`)
  const walkedS = (nowUs() - walkedUs) / 1e6
  const rareUs = nowUs()
  await again.query("SELECT deviceId FROM devices WHERE ENDS_WITH(deviceId, '9999')", 100, undefined)
  return {
    'made/s': count / madeS,
    'cpu us/device': ((made.cpuS - before.cpuS) * 1e6) / count,
    'rss MiB': made.rssMiB,
    'start ms': killed.startMs,
    'started rss MiB': started?.rssMiB,
    'walked/s': walked / walkedS,
    'walking rss MiB': most,
    'rare ms': (nowUs() - rareUs) / 1000,
  }
}

const nameOf = (n: number) => `device-${String(n).padStart(7, '0')}`
