import type { TestContext } from 'node:test'
import type { Bearer } from '../auth/bearer-token.ts'
import { TokenRefused } from '../auth/token-refused.ts'
import type { Clock } from '../base/clock.ts'
import { newAccessKey } from '../base/ids.ts'
import { createLog } from '../base/log.ts'
import { Metrics } from '../base/metrics.ts'
import type { GivenUpEvent } from '../delivery/dead-letter-desk.ts'
import { createInternalIds, encodeHead } from '../event/encode.ts'
import { listen } from '../http/http.ts'
import { createPeerOf } from '../http/peer.ts'
import type { Directory, NamespaceFacts, QueueFacts } from '../pull/directory.ts'
import { createPullDoor } from '../pull/door.ts'
import { defaultPullLimits, type PullLimits } from '../pull/limits.ts'
import { Outlets } from '../pull/outlets.ts'
import { openMemoryStore } from '../store/engines/memory.ts'
import type { Queue, Store } from '../store/store.ts'
import { createTrace, type Trace } from '../trace/trace.ts'
import { ManualClock } from './manual-clock.ts'

export interface PullServer {
  /** `http://127.0.0.1:port` */
  readonly url: string
  readonly metrics: Metrics
  readonly clock: Clock
  readonly store: Store
  readonly trace: Trace
  readonly outlets: Outlets
  readonly namespace: NamespaceFacts
  /** Keys of the topic alone. */
  readonly topicKeys: readonly [string, string]
  /** What was given up, in order; it is gone from its queue. */
  readonly givenUp: { readonly id: string; readonly reason: string; readonly attempts: number }[]
  /** Who the bearer token of that text is. */
  readonly bearers: Map<string, Bearer>
  /** `<principal> <action> <resource id>` */
  readonly permitted: Set<string>
  change(properties: Partial<NamespaceFacts>): void
  put(settings?: Partial<QueueFacts['settings']>, name?: string): Promise<void>
  remove(name?: string): Promise<void>
  /** One request, with the namespace's first key unless headers say otherwise. */
  post(
    path: string,
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
    // oxlint-disable-next-line typescript/no-explicit-any -- a test reads what the wire says, and asserts it
  ): Promise<{ status: number; headers: Headers; body: any }>
  publish(...ids: readonly string[]): Promise<void>
}

const namespaceId =
  '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg/providers/Microsoft.EventGrid/namespaces/ns'

/**
 * The door of namespace topics alone, on a real socket: the namespace `ns` with the topic `orders` and the event
 * subscription `all`, over a store in memory, unless another is given.
 */
export async function startPullServer(
  t: Pick<TestContext, 'after'>,
  {
    clock = new ManualClock(),
    store = openMemoryStore(),
    isStrict = false,
    limits = {},
    batchBytes = 1_000_000,
  }: {
    readonly clock?: Clock
    readonly store?: Store
    readonly isStrict?: boolean
    readonly limits?: Partial<PullLimits>
    readonly batchBytes?: number
  } = {},
): Promise<PullServer> {
  const metrics = new Metrics()
  const log = createLog('silent')
  const trace = createTrace()
  const topicId = `${namespaceId}/topics/orders`
  const topicKeys = [newAccessKey(), newAccessKey()] as const
  const queues = new Map<string, QueueFacts>()
  const bearers = new Map<string, Bearer>()
  const permitted = new Set<string>()
  const givenUp: PullServer['givenUp'] = []
  let namespace: NamespaceFacts = {
    ...{ id: namespaceId, name: 'ns', location: 'westus2', capacity: 1, isStrict },
    keys: [newAccessKey(), newAccessKey()],
    isOwnHost: (host) => host === 'ns.westus2-1.eventgrid.azure.net',
    disableLocalAuth: false,
    publicNetworkAccess: true,
    allowsAddress: undefined,
    requiresTls: false,
  }
  const directory: Directory = {
    namespaceAt: (host, prefix) =>
      prefix.toLowerCase() === '/namespaces/ns' || (prefix === '' && namespace.isOwnHost(host))
        ? namespace
        : undefined,
    topic: (_, name) =>
      name.toLowerCase() === 'orders' ? { id: topicId, name: 'orders', keys: topicKeys } : undefined,
    queue: (_, name) => (name === 'pushed' ? 'push' : queues.get(name.toLowerCase())),
    permits: (ids, action, resource) => ids.some((id) => permitted.has(`${id} ${action} ${resource}`)),
  }
  const outlets = new Outlets({
    ...{ queues: store.queues, clock, trace, metrics, batchBytes },
    tokenSecret: Buffer.alloc(32, 7),
    createGiver: (_, queue) => ({
      busy: false,
      update: () => {},
      close: async () => {},
      drop: async () => {},
      async giveUp(all: readonly GivenUpEvent[]) {
        for (const { event, reason, lease } of all)
          givenUp.push({ id: event.id, reason, attempts: lease.attempts })
        await queue.done(all.map(({ lease }) => lease))
      },
    }),
    onQuiet: () => {},
  })
  const nextInternalId = createInternalIds()
  const door = createPullDoor({
    ...{ directory, outlets, clock, metrics, publicHosts: [] },
    async accept(_topic, events) {
      const open: Queue[] = []
      for (const { uid } of queues.values()) open.push(await store.queues.open(uid))
      if (open.length === 0) return
      const appended = store.queues.append(
        events.map((event) => {
          const { source, start, end, tail } = event
          const head = encodeHead(event, clock.now(), nextInternalId())
          return { head, source, start, end, tail, queues: open }
        }),
      )
      const uids = open.map(({ name }) => name)
      trace.accepted({
        topic: {
          topicId,
          schema: 'CloudEventSchemaV1_0',
          explain: () =>
            [...queues.values()].map(({ uid, name, id }) => ({ uid, name, id, refusedBy: undefined })),
        },
        ...{ at: clock.now(), events, matched: events.map(() => uids) },
        sequences: events.map((_each, n) => appended.firstSequence + n),
      })
      await appended.durable
    },
    limits: { ...defaultPullLimits, ...limits },
    readBearer: (token) => {
      const bearer = bearers.get(token)
      return bearer ?? Promise.reject(new TokenRefused('The token is unknown.'))
    },
    peerOf: createPeerOf(undefined),
  })
  const listener = await listen({ host: '127.0.0.1', port: 0, doors: [door], log })
  t.after(async () => {
    await outlets.close(0)
    await listener.close(0)
  })
  const url = `${listener.url}/namespaces/ns`

  const server: PullServer = {
    ...{ url, metrics, clock, store, trace, outlets, topicKeys, givenUp, bearers, permitted },
    get namespace() {
      return namespace
    },
    change(properties) {
      namespace = { ...namespace, ...properties }
    },
    async put(settings = {}, name = 'all') {
      const facts = {
        ...{ id: `${topicId}/eventSubscriptions/${name}`, name, uid: `uid-${name}`, topicId },
        settings: { lockMs: 60_000, maxDeliveryCount: 10, eventTimeToLiveMs: 604_800_000, ...settings },
      }
      queues.set(name, facts)
      await outlets.put(facts)
    },
    async remove(name = 'all') {
      queues.delete(name)
      await outlets.remove(`uid-${name}`)
      await store.queues.drop(`uid-${name}`)
    },
    async post(path, body, headers = {}) {
      const response = await fetch(url + path, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          authorization: `SharedAccessKey ${namespace.keys[0]}`,
          ...headers,
        },
        ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      })
      const text = await response.text()
      return {
        status: response.status,
        headers: response.headers,
        body: text === '' ? undefined : JSON.parse(text),
      }
    },
    async publish(...ids) {
      const events = ids.map((id) => ({ specversion: '1.0', id, source: '/s', type: 't', data: { id } }))
      const { status, body } = await server.post('/topics/orders:publish?api-version=2024-06-01', events, {
        'content-type': 'application/cloudevents-batch+json',
      })
      if (status !== 200) throw new Error(`publishing was answered ${status}: ${JSON.stringify(body)}`)
    },
  }
  await server.put()
  return server
}
