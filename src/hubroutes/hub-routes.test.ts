import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { createLog } from '../base/log.ts'
import { Metrics } from '../base/metrics.ts'
import { createHubGate } from '../catalog/hub-gate.ts'
import type { IotHub } from '../catalog/iot-hub.ts'
import { createAmqpSender } from '../destinations/amqp-sender.ts'
import { openNetworkRules } from '../destinations/network.ts'
import { createSender } from '../destinations/sender.ts'
import type { HubMessage } from '../hubmessage/message.ts'
import { partitionOf } from '../hubmessage/partition.ts'
import { decodeHubAccess } from '../resources/hub-access.ts'
import { decodeHubMessaging } from '../resources/hub-messaging.ts'
import { type HubRouting, type MessageRoute, noRouting } from '../resources/hub-routing.ts'
import { openEmbeddedStore } from '../store/engines/embedded/embedded.ts'
import { engines } from '../store/engines/index.ts'
import { openMemoryStore } from '../store/engines/memory.ts'
import { type Store, StoreUnavailable } from '../store/store.ts'
import { type BrokerAnswer, startAmqpBroker } from '../testing/amqp-broker.ts'
import { FaultyDisk } from '../testing/faulty-disk.ts'
import { ManualClock } from '../testing/manual-clock.ts'
import { temporaryDirectory } from '../testing/temporary-directory.ts'
import { HubRoutes, type HubRoutesOptions } from './hub-routes.ts'
import { encodeFileName } from './storage-endpoint.ts'

const hourMs = 60 * 60 * 1000

const route = (endpointName: string, condition = 'true', isEnabled = true): MessageRoute => ({
  ...{ name: endpointName, source: 'DeviceMessages', condition, endpointName, isEnabled },
})

const hubWith = (routing: Partial<HubRouting>): IotHub => ({
  id: '/subscriptions/s/resourceGroups/rg/providers/Microsoft.Devices/IotHubs/myhub',
  uid: 'u1',
  name: 'myhub',
  hostName: 'myhub.azure-devices.net',
  sku: 'S1',
  units: 1,
  createdAt: 0,
  events: { partitions: 4, retentionDays: 1 },
  policies: [],
  routing: { ...noRouting, ...routing },
  disableLocalAuth: false,
  disableDeviceSas: false,
  disableModuleSas: false,
  access: decodeHubAccess({}),
  gate: createHubGate(decodeHubAccess({})),
  messaging: decodeHubMessaging({}),
})

const clock = () => new ManualClock()

interface Setting extends Partial<Omit<HubRoutesOptions, 'clock'>> {
  readonly store?: Store
  readonly clock?: ManualClock
}

function open(t: TestContext, routing: Partial<HubRouting>, options: Setting = {}) {
  const { clock: time = clock(), store = openMemoryStore(), ...more } = options
  const metrics = new Metrics()
  const amqp = createAmqpSender(time, openNetworkRules)
  const sender = createSender(time, openNetworkRules)
  const reach = { amqp, sender }
  const routes = new HubRoutes(hubWith(routing), {
    queues: store.queues,
    transports: { guarded: reach, trusted: reach, connections: new Map() },
    limits: { backlogMessages: 100 },
    isHeard: () => false,
    raise: () => Promise.resolve(),
    builtIn: undefined,
    twinOf: () => Promise.resolve(undefined),
    clock: time,
    log: createLog('silent'),
    metrics,
    ...more,
  })
  time.settle = () => routes.settle()
  t.after(async () => {
    await routes.close()
    await Promise.all([amqp.close(), sender.close()])
    // One that a test has closed itself is closed.
    await store.close().catch(() => {})
  })
  const message = (text: string, properties: HubMessage['properties'] = {}): HubMessage => ({
    ...{ source: 'Telemetry', deviceId: 'dev1', moduleId: undefined, generationId: '1', authMethod: '{}' },
    ...{ payload: Buffer.from(text), system: {}, properties, enqueuedAt: time.now() },
  })
  return { routes, clock: time, metrics, message }
}

async function openBroker(t: TestContext, answers: (text: string) => BrokerAnswer) {
  const broker = await startAmqpBroker(t, {
    passwords: { root: 'secret' },
    answers: ({ text }) => answers(text),
    credit: 10_000,
  })
  const connectionString =
    `Endpoint=sb://127.0.0.1:${broker.port};SharedAccessKeyName=root;SharedAccessKey=secret;` +
    'UseDevelopmentEmulator=true'
  const routing: Partial<HubRouting> = {
    endpoints: [{ kind: 'eventHub', name: 'Hot', access: { kind: 'key', connectionString }, entity: 'hub1' }],
    routes: [route('Hot')],
  }
  return { broker, routing }
}

const ended = (metrics: Metrics, outcome: string) =>
  Number(
    new RegExp(`^busbar_hub_route_messages_total\\{.*outcome="${outcome}"\\} (\\d+)$`, 'm').exec(
      metrics.encode(),
    )?.[1] ?? 0,
  )

/** What the built-in endpoint gets of a message with that property, and whether Event Grid gets it. */
async function whither(t: TestContext, routing: Partial<HubRouting>, level: string) {
  const found: string[] = []
  const { routes, message } = open(t, routing, {
    isHeard: () => true,
    raise: async (messages) => void found.push(...messages.map(() => 'eventgrid')),
    builtIn: async (messages) => void found.push(...messages.map(() => 'events')),
  })
  await routes.route([message('1', { level })])
  return found
}

test('telemetry that no route wants goes to the fallback, and to the built-in endpoint where there is no route', async (t) => {
  const isHot = route('events', "level = 'hot'")
  const off = { ...noRouting.fallback, isEnabled: false }
  assert.deepEqual(await whither(t, {}, 'hot'), ['events', 'eventgrid'])
  assert.deepEqual(await whither(t, { fallback: off }, 'hot'), ['events', 'eventgrid'])
  assert.deepEqual(await whither(t, { routes: [isHot], fallback: off }, 'hot'), ['events', 'eventgrid'])
  assert.deepEqual(await whither(t, { routes: [isHot], fallback: off }, 'cold'), ['eventgrid'])
  assert.deepEqual(await whither(t, { routes: [isHot, isHot] }, 'hot'), ['events', 'eventgrid'])
  assert.deepEqual(await whither(t, { routes: [isHot] }, 'cold'), ['events', 'eventgrid'])
  const { fallback } = noRouting
  const picky = { ...fallback, condition: "level = 'warm'" }
  assert.deepEqual(await whither(t, { routes: [isHot], fallback: picky }, 'cold'), ['eventgrid'])
  assert.deepEqual(await whither(t, { routes: [route('eventgrid', "level = 'x'")] }, 'hot'), ['events'])
  assert.deepEqual(await whither(t, { routes: [route('eventgrid', 'true', false)] }, 'hot'), ['events'])
})

test('where messages lead is known before there is one', (t) => {
  assert.equal(open(t, {}).routes.takes('Telemetry'), false)
  const builtIn = () => Promise.resolve()
  assert.equal(open(t, {}, { builtIn }).routes.takes('Telemetry'), true)
  assert.equal(open(t, {}, { isHeard: () => true }).routes.takes('Telemetry'), true)
  const twins: MessageRoute = { ...route('events'), source: 'TwinChangeEvents' }
  const { routes } = open(t, { routes: [twins] }, { builtIn })
  assert.deepEqual([routes.takes('twinChangeEvents'), routes.takes('deviceLifecycleEvents')], [true, false])
})

test('messages are accepted when they are durable wherever they lead, and not before', async (t) => {
  const builtIn = Promise.withResolvers<void>()
  let isRefused = false
  const { routes, message } = open(
    t,
    {},
    {
      isHeard: () => true,
      raise: () => (isRefused ? Promise.reject(new StoreUnavailable('full', true)) : Promise.resolve()),
      builtIn: () => builtIn.promise,
    },
  )
  let isAccepted = false
  const accepted = routes.route([message('1')]).then(() => {
    isAccepted = true
  })
  await nextTurn()
  assert.equal(isAccepted, false)
  builtIn.resolve()
  await accepted
  isRefused = true
  await assert.rejects(routes.route([message('2')]), StoreUnavailable)
})

test('messages keep their order where the first of them wait for a twin', async (t) => {
  const found: string[] = []
  const twin = Promise.withResolvers<unknown>()
  const { routes, message } = open(
    t,
    { routes: [route('events', "kind = 'plain' OR $twin.tags.site = 'north'")] },
    {
      twinOf: () => twin.promise,
      builtIn: async (messages) => void found.push(...messages.map(({ payload }) => payload.toString())),
    },
  )
  const first = routes.route([message('1')])
  const second = routes.route([message('2', { kind: 'plain' })])
  assert.deepEqual(found, [])
  twin.resolve({ tags: { site: 'north' } })
  await Promise.all([first, second])
  assert.deepEqual(found, ['1', '2'])
})

test('a turn fails as a whole where the twin cannot be read, and the next one does not wait for it', async (t) => {
  const found: string[] = []
  let isBroken = true
  const { routes, message } = open(
    t,
    { routes: [route('events', '$twin.tags.a = 1')], fallback: { ...noRouting.fallback, isEnabled: false } },
    {
      twinOf: async () => {
        if (isBroken) throw new Error('no disk')
        return { tags: { a: 1 } }
      },
      builtIn: async (messages) => void found.push(...messages.map(({ payload }) => payload.toString())),
    },
  )
  await assert.rejects(routes.route([message('1')]), /no disk/)
  isBroken = false
  await routes.route([message('2')])
  assert.deepEqual(found, ['2'])
})

test('a message that its endpoint will never take is dropped, and those behind it are delivered', async (t) => {
  const { broker, routing } = await openBroker(t, (text) => (text === 'bad' ? 'undeliverable' : 'accept'))
  const { routes, message, metrics } = open(t, routing)
  // One by one: the broker answers what comes together with one answer.
  for (const text of ['1', 'bad', '2']) {
    await routes.route([message(text)])
    await routes.settle()
  }
  assert.equal(broker.messages.length, 3)
  assert.deepEqual([ended(metrics, 'delivered'), ended(metrics, 'rejected')], [2, 1])
})

test('an endpoint that fails is left alone longer each time, and keeps the order of what waits', async (t) => {
  let isBusy = true
  const { broker, routing } = await openBroker(t, () => (isBusy ? 'release' : 'accept'))
  const { routes, message, metrics, clock: time } = open(t, routing)
  await routes.route([message('1'), message('2')])
  await broker.until(2)
  await routes.settle()
  const attempts = async (ms: number) => {
    await time.advance(ms)
    await routes.settle()
    return broker.messages.length
  }
  assert.deepEqual([await attempts(999), await attempts(1)], [2, 4])
  assert.deepEqual([await attempts(1_999), await attempts(1)], [4, 6])
  isBusy = false
  assert.equal(await attempts(4_000), 8)
  assert.deepEqual(
    broker.messages.slice(6).map(({ text }) => text),
    ['1', '2'],
  )
  assert.equal(ended(metrics, 'delivered'), 2)
})

test('what an endpoint has not taken for a day is dropped', async (t) => {
  const { broker, routing } = await openBroker(t, () => 'release')
  const { routes, message, metrics, clock: time } = open(t, routing)
  await routes.route([message('1')])
  await broker.until(1)
  await routes.settle()
  await time.advance(24 * hourMs - 60_000)
  assert.equal(ended(metrics, 'expired'), 0)
  await time.advance(3 * 60_000)
  assert.equal(ended(metrics, 'expired'), 1)
  const tries = broker.messages.length
  await time.advance(hourMs)
  assert.equal(broker.messages.length, tries)
})

test('more messages than may wait for an endpoint are dropped', async (t) => {
  const { routing } = await openBroker(t, () => 'release')
  const { routes, message, metrics } = open(t, routing, { limits: { backlogMessages: 2 } })
  await routes.route([message('1')])
  await routes.route([message('2')])
  await routes.route([message('3')])
  assert.equal(ended(metrics, 'backlogFull'), 1)
})

test('what waits goes on to where the endpoint is now, and goes with it when it is taken away', async (t) => {
  const store = openMemoryStore()
  const first = await openBroker(t, () => 'release')
  const second = await openBroker(t, () => 'accept')
  const { routes, message, metrics } = open(t, first.routing, { store })
  await routes.route([message('1')])
  await first.broker.until(1)
  await routes.settle()
  routes.update(hubWith(second.routing))
  await second.broker.until(1)
  await routes.settle()
  assert.equal(ended(metrics, 'delivered'), 1)
  assert.deepEqual(store.queues.names(), ['hubroutes:u1/hot'])
  routes.update(hubWith({}))
  await routes.settle()
  assert.deepEqual(store.queues.names(), [])
  assert.equal(metrics.encode(), '')
})

test('what waits for the endpoints of a hub goes with the hub', async (t) => {
  const store = openMemoryStore()
  const { broker, routing } = await openBroker(t, () => 'release')
  const { routes, message, metrics } = open(t, routing, { store })
  await routes.route([message('1')])
  await broker.until(1)
  await routes.forget()
  assert.deepEqual([store.queues.names(), metrics.encode()], [[], ''])
})

test('more than the store keeps in memory is delivered in its order after a restart', async (t) => {
  const count = 6_000
  const directory = await temporaryDirectory(t)
  const openStore = () => engines.embedded({ directory, log: createLog('silent'), journalBytes: 0 })
  const { broker, routing } = await openBroker(t, () => 'accept')
  const nobody: Partial<HubRouting> = {
    ...routing,
    endpoints: (routing.endpoints ?? []).map((endpoint) => ({
      ...endpoint,
      access: { kind: 'identity', resourceId: '/nowhere' },
    })),
  }
  const first = await openStore()
  const before = open(t, nobody, { store: first, limits: { backlogMessages: count } })
  for (let n = 0; n < count; n += 100)
    await before.routes.route(Array.from({ length: 100 }, (_, i) => before.message(String(n + i))))
  await before.routes.close()
  await first.close()
  const { routes, metrics } = open(t, routing, { store: await openStore() })
  await broker.until(count)
  await routes.settle()
  assert.equal(ended(metrics, 'delivered'), count)
  assert.deepEqual(
    broker.messages.map(({ text }) => Number(text)),
    Array.from({ length: count }, (_, n) => n),
  )
})

test('what is taken for an endpoint that was named while the disk was full outlives a crash', async (t) => {
  const disk = new FaultyDisk()
  const openOn = async (on: FaultyDisk) =>
    openEmbeddedStore({ directory: await temporaryDirectory(t), log: createLog('silent'), disk: on })
  const store = await openOn(disk)
  let isBusy = true
  const { broker, routing } = await openBroker(t, () => (isBusy ? 'release' : 'accept'))
  disk.freeBytes = 0
  const before = open(t, routing, { store })
  await before.routes.settle()
  await assert.rejects(before.routes.route([before.message('refused')]), StoreUnavailable)
  disk.freeBytes = Infinity
  await before.routes.route([before.message('taken')])
  await broker.until(1)
  isBusy = false
  const after = open(t, routing, { store: await openOn(disk.crash(0)) })
  await broker.until(2)
  await after.routes.settle()
  assert.deepEqual(
    broker.messages.map(({ text }) => text),
    ['taken', 'taken'],
  )
})

test('blobs of one minute follow each other without asking for those that are there', async (t) => {
  const paths: string[] = []
  const account = createServer((request, response) => {
    const path = request.url ?? ''
    request.resume()
    request.on('end', () => {
      response.statusCode = paths.includes(path) ? 409 : 201
      if (response.statusCode === 409) response.setHeader('x-ms-error-code', 'BlobAlreadyExists')
      paths.push(path)
      response.end()
    })
  }).listen(0, '127.0.0.1')
  await once(account, 'listening')
  t.after(() => account.close())
  const { port } = account.address() as AddressInfo
  const connectionString =
    'DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=a2V5;' +
    `BlobEndpoint=http://127.0.0.1:${port}/devstoreaccount1`
  const {
    routes,
    clock: time,
    metrics,
    message,
  } = open(
    t,
    {
      endpoints: [
        {
          ...{ kind: 'storageContainer', name: 'Cold', access: { kind: 'key', connectionString } },
          ...{ containerName: 'cold', fileNameFormat: '{iothub}/{partition}/{mm}' },
          ...{ batchFrequencyMs: 1_000, maxChunkBytes: 1e7 },
        },
      ],
      routes: [route('Cold')],
    },
    { limits: { backlogMessages: 20_000 } },
  )
  await routes.route(Array.from({ length: 12_000 }, (_, n) => message(`${n}`)))
  await time.advance(1_000)
  await routes.settle()
  assert.equal(ended(metrics, 'delivered'), 12_000)
  // One after the other, and none twice.
  assert.equal(paths.length, new Set(paths).size)
  assert.match(paths[0] as string, /\d$/)
  assert.deepEqual(
    paths.slice(1),
    paths.slice(1).map((_, n) => `${paths[0]}-${n + 1}`),
  )
})

test('queues of hubs and endpoints that are gone are removed at the start', async (t) => {
  const store = openMemoryStore()
  for (const name of ['hubroutes:u1/old', 'hubroutes:u2/hot', 'other']) await store.queues.open(name)
  await HubRoutes.removeLeft(store.queues, (uid) => uid === 'u1')
  const { routes } = open(t, {}, { store })
  await routes.settle()
  assert.deepEqual(store.queues.names(), ['other'])
})

test('enrichments that make a message too large drop it there alone', async (t) => {
  const { broker, routing } = await openBroker(t, () => 'accept')
  const { routes, message, metrics } = open(t, {
    ...routing,
    enrichments: [{ key: 'a', value: 'x'.repeat(100), endpointNames: ['hot'] }],
  })
  await routes.route([message('x'.repeat(256 * 1024 - 100)), message('small')])
  await broker.until(1)
  assert.equal(broker.messages[0]?.text, 'small')
  assert.equal(ended(metrics, 'tooLarge'), 1)
})

test('a device is always in one partition, and blobs are named by the format in any order', () => {
  const partitions = Array.from({ length: 100 }, (_, n) => partitionOf(`dev${n}`, 4))
  assert.deepEqual([...new Set(partitions)].toSorted(), [0, 1, 2, 3])
  assert.equal(partitionOf('dev7', 4), partitions[7])
  assert.equal(
    encodeFileName(
      '{YYYY}-{MM}-{DD}/{HH}_{mm}/{iothub}/{partition}.json',
      'h',
      3,
      Date.UTC(2026, 6, 4, 9, 5),
    ),
    '2026-07-04/09_05/h/3.json',
  )
})
