import { nowUs } from '../load/monotonic.ts'
import { usageOf } from '../load/usage.ts'
import type { Scope } from '../scope.ts'
import { startBusbar } from '../servers/busbar.ts'
import type { ControlPlane } from '../servers/control-plane.ts'
import type { Figures, Scenario } from './scenario.ts'
import { manyAtATime } from './world.ts'

/** Each list is asked for this often; the first answer counts too. */
const lists = 20

/** A resource group with many resources: what a page of a list takes, and a start with all of them. */
export const resources: Scenario = {
  name: 'resources',
  about: 'pages of lists of a resource group with 10,000 resources, and the start with them',
  async prepare(scope, { quick, large }) {
    const sizes = quick ? [100, 2_000] : [100, 10_000, ...(large ? [100_000] : [])]
    return {
      measurements: sizes.map((count) => ({
        name: `${count.toLocaleString('en')} resources`,
        run: () => scope.nested((inner) => withResources(inner, count)),
      })),
      rounds: 1,
      notes: [
        'Half of them topics, half storage accounts. The slowest of 20 answers, whole body read: a page of all resources',
        'has 1,000, one of topics 100; the filter passes the last resource alone.',
        'The start is from that of the process until healthz answered 200; the page cache is warm.',
      ],
    }
  },
}

async function withResources(scope: Scope, count: number): Promise<Figures> {
  const dataDir = scope.temporaryDirectory()
  const start = async () => {
    const busbar = await startBusbar({ dataDir })
    scope.defer(() => busbar.kill())
    return busbar
  }
  const first = await start()
  await first.controlPlane.createTopic('first')
  const startedUs = nowUs()
  let next = 1
  await manyAtATime(async () => {
    for (let n = next++; n < count; n = next++)
      await first.controlPlane.createResource(
        n % 2 === 0 ? 'Microsoft.EventGrid/topics' : 'Microsoft.Storage/storageAccounts',
        `r${String(n).padStart(8, '0')}`,
        n === count - 1 ? { last: 'yes' } : { team: 'bench' },
      )
  })
  const madePerS = count / ((nowUs() - startedUs) / 1e6)
  await first.stop()
  const stopped = await start()
  const figures = {
    'made/s': madePerS,
    'start ms': stopped.startMs,
    'page ms': await slowest(stopped.controlPlane, 'resources'),
    'topics ms': await slowest(stopped.controlPlane, 'providers/Microsoft.EventGrid/topics', { $top: '100' }),
    'filtered ms': await slowest(stopped.controlPlane, 'resources', {
      $filter: "tagName eq 'last' and tagValue eq 'yes'",
    }),
    'rss MiB': (await usageOf(stopped.pid))?.rssMiB,
  }
  await stopped.kill()
  const killed = await start()
  await killed.kill()
  return { ...figures, 'start after kill ms': killed.startMs }
}

async function slowest(
  controlPlane: ControlPlane,
  path: string,
  query: Readonly<Record<string, string>> = {},
): Promise<number> {
  let most = 0
  for (let n = 0; n < lists; n++) {
    const startedUs = nowUs()
    await controlPlane.list(path, query)
    most = Math.max(most, (nowUs() - startedUs) / 1000)
  }
  return most
}
