import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { pino } from 'pino'
import { Metrics } from '../base/metrics.ts'
import type { CatalogListener, EventSubscription } from '../catalog/catalog.ts'
import type { Destination, DestinationSettings, Outcome } from '../destinations/destination.ts'
import { openDestinations } from '../destinations/index.ts'
import { openNetworkRules } from '../destinations/network.ts'
import { openEmbeddedStore } from '../store/engines/embedded/embedded.ts'
import { MemoryDisk, openMemoryStore } from '../store/engines/memory.ts'
import { type Store, StoreUnavailable } from '../store/store.ts'
import { webhookTo } from '../testing/destinations.ts'
import { appendable, testEvent, testTopicId } from '../testing/events.ts'
import { ManualClock, turnOfTheLoop } from '../testing/manual-clock.ts'
import { startRecordingWebhook } from '../testing/recording-webhook.ts'
import { temporaryDirectory } from '../testing/temporary-directory.ts'
import { everyEvent } from '../testing/test-catalog.ts'
import type { DeliveryTrace, TracedEnd } from '../trace/trace.ts'
import type { DeadLetterOutcome } from './dead-letter.ts'
import { type Delivery, type DeliveryLimits, startDelivery } from './delivery.ts'
import { noJitter } from './policy.ts'

const minute = 60_000
const hour = 60 * minute

const subscriptionOf = (
  name: string,
  url: string,
  more: Partial<EventSubscription> = {},
): EventSubscription => ({
  id: `${testTopicId}/providers/Microsoft.EventGrid/eventSubscriptions/${name}`,
  name,
  uid: `uid-${name}`,
  topicId: testTopicId,
  destination: webhookTo(url),
  deliverySchema: 'EventGridSchema',
  filter: everyEvent,
  maxDeliveryAttempts: 30,
  eventTimeToLiveMs: 24 * hour,
  deadLetter: undefined,
  expiresAt: undefined,
  ...more,
})

const withDeadLetter = {
  deadLetter: { storageAccountId: '/subscriptions/0/storage', containerName: 'dead' },
}

interface Bench {
  readonly clock: ManualClock
  readonly store: Store
  readonly delivery: Delivery
  readonly metrics: Metrics
  readonly ends: Map<string, TracedEnd>
  readonly blobs: {
    readonly name: string
    readonly records: Record<string, unknown>[]
    readonly at: number
  }[]
  deadLetterOutcome: DeadLetterOutcome
  /** When a blob was to be written. */
  readonly deadLetterTries: number[]
  /** Puts one event on the queue of each. */
  publish(id: string, ...names: string[]): Promise<void>
  change(before: EventSubscription | undefined, after: EventSubscription | undefined): Promise<void>
  settle(): Promise<void>
}

interface BenchOptions {
  readonly clock?: ManualClock
  readonly disk?: MemoryDisk
  /** Instead of a memory store over `disk`. */
  readonly store?: Store
  readonly limits?: Partial<DeliveryLimits>
  readonly createDestination?: (settings: DestinationSettings) => Destination
}

async function startBench(
  t: TestContext,
  subscriptions: readonly EventSubscription[],
  options: BenchOptions = {},
): Promise<Bench> {
  const { clock = new ManualClock(), limits, createDestination } = options
  const store = options.store ?? openMemoryStore(options.disk)
  const metrics = new Metrics()
  const destinations = openDestinations({ clock, rules: openNetworkRules })
  const ends = new Map<string, TracedEnd>()
  const blobs: Bench['blobs'][number][] = []
  let listener: CatalogListener = () => {}
  const trace: DeliveryTrace = {
    attempt: () => {},
    postponed: () => {},
    deadLettering: () => {},
    ended: (sequence, uid, end) => ends.set(`${sequence} ${uid}`, end),
  }
  const delivery = await startDelivery({
    catalog: {
      eventSubscriptions: () => subscriptions,
      onChange: (change) => {
        listener = change
      },
    },
    queues: store.queues,
    clock,
    trace,
    metrics,
    log: pino({ level: 'silent' }),
    createDestination: createDestination ?? destinations.create,
    deadLetterStore: {
      write: async (_container, { name, body }) => {
        bench.deadLetterTries.push(clock.now())
        if (bench.deadLetterOutcome.kind === 'written')
          blobs.push({ name, records: JSON.parse(body.toString('utf8')), at: clock.now() })
        return bench.deadLetterOutcome
      },
    },
    jitter: noJitter,
    ...(limits && { limits }),
  })
  clock.settle = () => delivery.settle()
  t.after(async () => {
    await delivery.close(0)
    await destinations.close()
  })
  const bench: Bench = {
    ...{ clock, store, delivery, metrics, ends, blobs },
    deadLetterOutcome: { kind: 'written' },
    deadLetterTries: [],
    async publish(id, ...names) {
      const queues = await Promise.all(names.map((name) => store.queues.open(`uid-${name}`)))
      await store.queues.append([appendable(testEvent(id), clock.now(), queues)]).durable
    },
    async change(before, after) {
      const uid = (before ?? after)?.uid as string
      await listener({ topics: [], eventSubscriptions: [{ uid, before, after }] })
    },
    settle: () => delivery.settle(),
  }
  return bench
}

/** A destination without a network, which answers with `outcome` and records when it was asked. */
function recordingDestination(clock: ManualClock, outcome: (attempt: number) => Outcome) {
  const attempts: number[] = []
  const create = (): Destination => ({
    ...{ maxEvents: 1, preferredBytes: Number.POSITIVE_INFINITY, origin: 'http://nowhere' },
    async deliver() {
      attempts.push(clock.now())
      return outcome(attempts.length)
    },
    announceDeletion: async () => {},
    close: async () => {},
  })
  return { attempts, create }
}

const status500: Outcome = {
  ...{ kind: 'retry', name: 'GenericError', status: 500, error: 'HTTP 500', minimumDelayMs: 10_000 },
}

test('an event is delivered and leaves its queue', async (t) => {
  const hook = await startRecordingWebhook(t)
  const bench = await startBench(t, [subscriptionOf('a', hook.url)])
  assert.doesNotMatch(
    bench.metrics.encode(),
    /busbar_destination_duration_ms/,
    'there is nothing to tell yet',
  )
  await bench.publish('1', 'a')
  await bench.settle()
  assert.equal(hook.received.length, 1)
  assert.match(bench.metrics.encode(), /busbar_destination_duration_ms_count\{.*\} 1\n/)
  const queue = await bench.store.queues.open('uid-a')
  assert.equal(queue.counts().entries, 0)
  assert.match(
    bench.metrics.encode(),
    /busbar_delivery_success_total\{topic=".*\/orders",event_subscription=".*\/a"\} 1\n/,
  )
})

test('an event is tried again thirty seconds after its webhook answers 503', async (t) => {
  const hook = await startRecordingWebhook(t, [503, 200])
  const bench = await startBench(t, [subscriptionOf('a', hook.url)])
  await bench.publish('1', 'a')
  await bench.clock.advance(29_999)
  assert.equal(hook.received.length, 1)
  await bench.clock.advance(1)
  assert.deepEqual(
    hook.received.map(({ headers }) => headers['aeg-delivery-count']),
    ['0', '1'],
  )
  assert.equal(
    hook.received[0]?.headers['aeg-output-event-id'],
    hook.received[1]?.headers['aeg-output-event-id'],
  )
})

test('an event that always fails is tried for a day on schedule and then dead-lettered', async (t) => {
  const clock = new ManualClock()
  const start = clock.now()
  const endpoint = recordingDestination(clock, () => status500)
  const bench = await startBench(t, [subscriptionOf('a', 'http://nowhere', withDeadLetter)], {
    clock,
    createDestination: endpoint.create,
  })
  await bench.publish('1', 'a')
  await clock.advance(48 * hour)
  const seconds = endpoint.attempts.map((at) => (at - start) / 1000)
  assert.deepEqual(seconds, [0, 10, 40, 100, 400, 1000, 2800, 6400, 17_200, 38_800, 82_000])
  const [blob] = bench.blobs
  assert.ok(blob)
  // The next attempt would have been due after 34:46:40; the record follows five minutes later.
  assert.equal(blob.at - start, (34 * 3600 + 46 * 60 + 40 + 300) * 1000)
  const [record] = blob.records
  assert.equal(record?.deadLetterReason, 'TimeToLiveExceeded')
  assert.equal(record?.deliveryAttempts, 11)
  assert.equal((await bench.store.queues.open('uid-a')).counts().entries, 0)
})

test('six attempts are made within a time to live of thirty minutes', async (t) => {
  const clock = new ManualClock()
  const endpoint = recordingDestination(clock, () => status500)
  const bench = await startBench(
    t,
    [subscriptionOf('a', 'http://nowhere', { eventTimeToLiveMs: 30 * minute })],
    {
      clock,
      createDestination: endpoint.create,
    },
  )
  await bench.publish('1', 'a')
  await clock.advance(24 * hour)
  assert.equal(endpoint.attempts.length, 6)
  assert.deepEqual(
    [...bench.ends.values()].map((end) => end.kind),
    ['dropped'],
  )
  assert.match(bench.metrics.encode(), /busbar_dropped_events_total\{.*reason="TimeToLiveExceeded"\} 1\n/)
})

test('a refused event is dead-lettered five minutes later, with what is known of it', async (t) => {
  const hook = await startRecordingWebhook(t, [400])
  const bench = await startBench(t, [subscriptionOf('Alerts', hook.url, withDeadLetter)])
  await bench.publish('1', 'Alerts')
  await bench.clock.advance(5 * minute - 1)
  assert.equal(bench.blobs.length, 0)
  await bench.clock.advance(1)
  const [blob] = bench.blobs
  assert.match(blob?.name ?? '', /^ALERTS\/2026\/1\/2\/3\/[0-9a-f-]{36}\.json$/)
  assert.deepEqual(blob?.records, [
    {
      ...testEvent('1').envelope,
      deadLetterReason: 'UndeliverableDueToClientError',
      deliveryAttempts: 1,
      lastDeliveryOutcome: 'BadRequest',
      lastHttpStatusCode: 400,
      publishTime: '2026-01-02T03:04:05.0000000Z',
      lastDeliveryAttemptTime: '2026-01-02T03:04:05.0000000Z',
    },
  ])
  assert.equal(hook.received.length, 1)
})

test('events given up together share one blob', async (t) => {
  const hook = await startRecordingWebhook(t, [400])
  const bench = await startBench(t, [subscriptionOf('a', hook.url, withDeadLetter)])
  for (let n = 0; n < 500; n++) await bench.publish(String(n), 'a')
  await bench.clock.advance(5 * minute + 1000)
  assert.deepEqual(
    bench.blobs.map(({ records }) => records.length),
    [500],
  )
})

test('a CloudEvent that is given up has the same facts as extension attributes', async (t) => {
  const hook = await startRecordingWebhook(t, [413])
  const subscription = subscriptionOf('a', hook.url, {
    ...withDeadLetter,
    deliverySchema: 'CloudEventSchemaV1_0',
  })
  const bench = await startBench(t, [subscription])
  await bench.publish('1', 'a')
  await bench.clock.advance(5 * minute)
  const record = bench.blobs[0]?.records[0]
  assert.equal(record?.specversion, '1.0')
  assert.equal(record?.deadletterreason, 'UndeliverableDueToClientError')
  assert.equal(record?.deliveryattempts, 1)
  assert.equal(record?.lastdeliveryoutcome, 'PayloadTooLarge')
})

test('records wait for a container that is out of reach for as long as it takes, and are tried ever less often', async (t) => {
  const hook = await startRecordingWebhook(t, [400])
  const bench = await startBench(t, [subscriptionOf('a', hook.url, withDeadLetter)])
  const start = bench.clock.now()
  bench.deadLetterOutcome = { kind: 'unavailable', error: 'down' }
  await bench.publish('1', 'a')
  await bench.clock.advance(5 * minute)
  assert.match(bench.metrics.encode(), /busbar_dead_letters_waiting\{.*\} 1\n/)
  assert.match(bench.metrics.encode(), /busbar_queued_entries\{.*\} 0\n/)
  await bench.clock.advance(15 * minute)
  assert.deepEqual(
    bench.deadLetterTries.map((at) => (at - start) / 1000 - 300),
    [0, 10, 30, 70, 150, 310, 610],
  )
  await bench.clock.advance(240 * hour)
  assert.doesNotMatch(bench.metrics.encode(), /dropped/)
  bench.deadLetterOutcome = { kind: 'written' }
  await bench.clock.advance(5 * minute)
  assert.equal(bench.blobs.length, 1)
  assert.match(bench.metrics.encode(), /busbar_dead_letters_waiting\{.*\} 0\n/)
})

test('records that are not to wait for longer than a limit are dropped and counted then, and no sooner', async (t) => {
  const hook = await startRecordingWebhook(t, [400])
  const bench = await startBench(t, [subscriptionOf('a', hook.url, withDeadLetter)], {
    limits: { deadLetterPatienceMs: 4 * hour, deadLetterEvents: 2 },
  })
  bench.deadLetterOutcome = { kind: 'unavailable', error: 'down' }
  for (let n = 0; n < 5; n++) await bench.publish(String(n), 'a')
  await bench.clock.advance(4 * hour + 5 * minute - 1)
  assert.equal((await bench.store.queues.open('uid-a/deadletter')).counts().entries, 5)
  assert.doesNotMatch(bench.metrics.encode(), /dropped/)
  await bench.clock.advance(1)
  assert.match(bench.metrics.encode(), /reason="DeadLetterDestinationUnavailable"\} 5\n/)
  assert.deepEqual(
    [...bench.ends.values()].map(({ kind }) => kind),
    Array.from({ length: 5 }, () => 'dropped'),
  )
  assert.equal((await bench.store.queues.open('uid-a/deadletter')).counts().entries, 0)
})

test('records wait for a container that does not exist, and are written once it is made', async (t) => {
  const hook = await startRecordingWebhook(t, [400])
  const bench = await startBench(t, [subscriptionOf('a', hook.url, withDeadLetter)])
  bench.deadLetterOutcome = { kind: 'missing', error: 'ContainerNotFound' }
  await bench.publish('1', 'a')
  await bench.clock.advance(6 * hour)
  bench.deadLetterOutcome = { kind: 'written' }
  await bench.clock.advance(5 * minute)
  assert.equal(bench.blobs[0]?.records[0]?.id, '1')
})

test('a container that does not exist is told apart where records are dropped', async (t) => {
  const hook = await startRecordingWebhook(t, [400])
  const bench = await startBench(t, [subscriptionOf('a', hook.url, withDeadLetter)], {
    limits: { deadLetterPatienceMs: 1 },
  })
  bench.deadLetterOutcome = { kind: 'missing', error: 'ContainerNotFound' }
  await bench.publish('1', 'a')
  await bench.clock.advance(6 * minute)
  assert.match(bench.metrics.encode(), /reason="DeadLetterContainerNotFound"\} 1\n/)
})

test('event subscriptions that share a container share what is known of it', async (t) => {
  const hook = await startRecordingWebhook(t, [400])
  const names = Array.from({ length: 40 }, (_, n) => `s${n}`)
  const subscriptions = names.map((name) => subscriptionOf(name, hook.url, withDeadLetter))
  const bench = await startBench(t, subscriptions)
  bench.deadLetterOutcome = { kind: 'unavailable', error: 'down' }
  await bench.publish('1', ...names)
  await bench.clock.advance(5 * minute)
  const atOnce = bench.deadLetterTries.length
  assert.ok(atOnce <= 32, `${atOnce} at once`)
  bench.deadLetterOutcome = { kind: 'written' }
  await bench.clock.advance(10_000)
  assert.equal(bench.blobs.length, names.length)
})

test('given-up events that wait for their container do not hold up those to be delivered', async (t) => {
  const clock = new ManualClock()
  const directory = await temporaryDirectory(t)
  const log = pino({ level: 'silent' })
  const store = await openEmbeddedStore({
    ...{ directory, log },
    limits: { postponedEntriesPerQueue: 100, windowEntriesPerQueue: 100 },
  })
  let status = 400
  const hook = await startRecordingWebhook(t, (_request, response) => {
    response.statusCode = status
    response.end()
  })
  const to = {
    ...withDeadLetter,
    destination: webhookTo(hook.url, { maxEventsPerBatch: 100, preferredBatchSizeInKilobytes: 1024 }),
  }
  const bench = await startBench(t, [subscriptionOf('a', hook.url, to)], { clock, store })
  bench.deadLetterOutcome = { kind: 'unavailable', error: 'down' }
  const queue = await store.queues.open('uid-a')
  const events = Array.from({ length: 1000 }, (_, n) =>
    appendable(testEvent(`bad-${n}`), clock.now(), [queue]),
  )
  for (let n = 0; n < 5; n++) {
    await store.queues.append(events).durable
    await clock.advance(10 * minute)
  }
  status = 200
  const before = hook.received.length
  await bench.publish('good', 'a')
  await bench.settle()
  await clock.advance(5 * minute)
  assert.match(hook.received.at(-1)?.raw.toString() ?? '', /"id":"good"/)
  assert.equal(hook.received.length, before + 1)
  assert.equal((await store.queues.open('uid-a/deadletter')).counts().entries, 5000)
  await bench.delivery.close(0)
  await store.close()

  const again = await openEmbeddedStore({ directory, log })
  const after = await startBench(t, [subscriptionOf('a', hook.url, to)], { clock, store: again })
  await clock.advance(minute)
  const records = after.blobs.flatMap((blob) => blob.records)
  assert.equal(records.length, 5000)
  assert.equal(new Set(records.map(({ id }) => id)).size, 1000)
  await after.delivery.close(0)
  await again.close()
})

test('an event that cannot be moved to the dead letters now stays queued, and is moved when the store takes it', async (t) => {
  const hook = await startRecordingWebhook(t, [400])
  const disk = new MemoryDisk()
  const store = openMemoryStore(disk)
  const append = store.queues.append.bind(store.queues)
  let full = true
  store.queues.append = (events, options) => {
    if (full && options?.moving === true) throw new StoreUnavailable('full', true)
    return append(events, options)
  }
  const bench = await startBench(t, [subscriptionOf('a', hook.url, withDeadLetter)], { store })
  await bench.publish('1', 'a')
  await bench.clock.advance(minute)
  assert.equal((await store.queues.open('uid-a')).counts().entries, 1)
  assert.equal(hook.received.length, 1)
  full = false
  await bench.clock.advance(6 * minute)
  assert.equal(bench.blobs[0]?.records[0]?.deliveryAttempts, 1)
  assert.equal((await store.queues.open('uid-a')).counts().entries, 0)
})

test('a restart keeps the attempts, and an event given up before it is still dead-lettered', async (t) => {
  const clock = new ManualClock()
  const disk = new MemoryDisk()
  const hook = await startRecordingWebhook(t, [500, 400, 200])
  const subscriptions = [subscriptionOf('a', hook.url, withDeadLetter)]
  const before = await startBench(t, subscriptions, { clock, disk })
  await before.publish('1', 'a')
  await before.settle()
  await before.delivery.close(0)
  await before.store.close()

  const between = await startBench(t, subscriptions, { clock, disk })
  await clock.advance(10_000)
  assert.equal(hook.received[1]?.headers['aeg-delivery-count'], '1')
  await between.delivery.close(0)
  await between.store.close()

  const after = await startBench(t, subscriptions, { clock, disk })
  await clock.advance(5 * minute)
  assert.equal(hook.received.length, 2)
  assert.equal(after.blobs[0]?.records[0]?.deliveryAttempts, 2)
  assert.equal(after.blobs[0]?.records[0]?.lastHttpStatusCode, 400)
})

test('a dead endpoint delays no other, and is left alone but for one probe at a time', async (t) => {
  const dead = await startRecordingWebhook(t, [503])
  const healthy = await startRecordingWebhook(t)
  const bench = await startBench(t, [
    subscriptionOf('dead', dead.url),
    subscriptionOf('healthy', healthy.url),
  ])
  for (let n = 0; n < 100; n++) await bench.publish(String(n), 'dead', 'healthy')
  await bench.settle()
  assert.equal(healthy.received.length, 100)
  assert.ok(dead.received.length >= 10 && dead.received.length <= 14, `${dead.received.length} attempts`)
  const held = dead.received.length
  await bench.clock.advance(9_999)
  assert.equal(dead.received.length, held)
  await bench.clock.advance(1)
  assert.equal(dead.received.length, held + 1)
})

test('an endpoint that comes back gets everything that was held', async (t) => {
  let status = 503
  const hook = await startRecordingWebhook(t, (_request, response) => {
    response.statusCode = status
    response.end()
  })
  const bench = await startBench(t, [subscriptionOf('a', hook.url)])
  for (let n = 0; n < 50; n++) await bench.publish(String(n), 'a')
  await bench.settle()
  status = 200
  await bench.clock.advance(minute)
  const ids = new Set(hook.received.map(({ body }) => (body as [{ id: string }])[0].id))
  assert.equal(ids.size, 50)
  assert.equal((await bench.store.queues.open('uid-a')).counts().entries, 0)
})

test('an endpoint that fails the first attempt of every event is opened again by what it was sent before', async (t) => {
  const seen = new Set<string>()
  const hook = await startRecordingWebhook(t, ({ body }, response) => {
    const [{ id }] = body as [{ id: string }]
    response.statusCode = seen.has(id) ? 200 : 500
    seen.add(id)
    response.end()
  })
  const bench = await startBench(t, [subscriptionOf('a', hook.url)])
  for (let n = 0; n < 200; n++) await bench.publish(String(n), 'a')
  await bench.settle()
  await bench.clock.advance(10 * minute)
  const { entries } = (await bench.store.queues.open('uid-a')).counts()
  assert.equal(entries, 0, `${hook.received.length} attempts, ${entries} events left`)
})

test('an endpoint that does not answer holds up no other', async (t) => {
  const silent = await startRecordingWebhook(t, () => {})
  const healthy = await startRecordingWebhook(t)
  const bench = await startBench(t, [subscriptionOf('silent', silent.url), subscriptionOf('b', healthy.url)])
  for (let n = 0; n < 50; n++) await bench.publish(String(n), 'silent', 'b')
  await healthy.until(50)
  assert.equal(silent.received.length, 4)
})

test('output batching fills a batch up to its number and to its preferred size', async (t) => {
  const hook = await startRecordingWebhook(t)
  const subscription = {
    ...subscriptionOf('a', hook.url),
    destination: webhookTo(hook.url, { maxEventsPerBatch: 10 }),
  }
  const small = {
    ...subscriptionOf('b', hook.url),
    destination: webhookTo(`${hook.url}/small`, {
      maxEventsPerBatch: 5000,
      preferredBatchSizeInKilobytes: 1,
    }),
  }
  const disk = new MemoryDisk()
  const store = openMemoryStore(disk)
  const queues = await Promise.all(['uid-a', 'uid-b'].map((name) => store.queues.open(name)))
  const clock = new ManualClock()
  const event = testEvent('1')
  const events = Array.from({ length: 35 }, () => appendable(event, clock.now(), queues))
  await store.queues.append(events).durable
  const bench = await startBench(t, [subscription, small], { clock, disk })
  await bench.settle()
  const sizes = (path: string) =>
    hook.received.filter(({ url }) => url === path).map(({ body }) => (body as unknown[]).length)
  assert.deepEqual(
    sizes('/hook').toSorted((a, b) => b - a),
    [10, 10, 10, 5],
  )
  const perBatch = Math.floor(1024 / event.source.length)
  assert.ok(sizes('/hook/small').every((size) => size <= perBatch))
  assert.equal(
    sizes('/hook/small').reduce((sum, size) => sum + size, 0),
    35,
  )
})

test('one status decides for a whole batch, and it comes again together', async (t) => {
  const hook = await startRecordingWebhook(t, [500, 200])
  const disk = new MemoryDisk()
  const store = openMemoryStore(disk)
  const clock = new ManualClock()
  const queue = await store.queues.open('uid-a')
  await store.queues.append(['1', '2', '3'].map((id) => appendable(testEvent(id), clock.now(), [queue])))
    .durable
  const subscription = {
    ...subscriptionOf('a', hook.url),
    destination: webhookTo(hook.url, { maxEventsPerBatch: 10 }),
  }
  await startBench(t, [subscription], { clock, disk })
  await clock.advance(10_000)
  assert.deepEqual(
    hook.received.map(({ body }) => (body as unknown[]).length),
    [3, 3],
  )
})

test('a changed event subscription delivers to its new endpoint at once', async (t) => {
  const old = await startRecordingWebhook(t, [503])
  const fresh = await startRecordingWebhook(t)
  const before = subscriptionOf('a', old.url)
  const bench = await startBench(t, [before])
  await bench.publish('1', 'a')
  await bench.settle()
  await bench.change(before, { ...before, destination: webhookTo(fresh.url) })
  await bench.publish('2', 'a')
  await bench.settle()
  assert.equal(fresh.received.length, 1)
  await bench.clock.advance(30_000)
  assert.equal(fresh.received.length, 2)
  assert.equal(old.received.length, 1)
})

test('deletion is announced once, and what was queued is gone', async (t) => {
  const hook = await startRecordingWebhook(t, [503])
  const subscription = subscriptionOf('a', hook.url)
  const bench = await startBench(t, [])
  await bench.change(undefined, subscription)
  await bench.publish('1', 'a')
  await bench.settle()
  await bench.change(subscription, undefined)
  await bench.settle()
  await bench.clock.advance(hour)
  assert.equal(hook.received.length, 1)
  assert.equal(hook.deletions.length, 1)
  assert.deepEqual(bench.store.queues.names(), [])
})

test('an attempt that is cut off by closing does not count', async (t) => {
  const clock = new ManualClock()
  const disk = new MemoryDisk()
  const hook = await startRecordingWebhook(t, (_request, response) => {
    if (hook.received.length > 1) response.end()
  })
  const before = await startBench(t, [subscriptionOf('a', hook.url)], { clock, disk })
  await before.publish('1', 'a')
  await hook.until(1)
  await before.delivery.close(0)
  const after = await startBench(t, [subscriptionOf('a', hook.url)], { clock, disk })
  await after.settle()
  assert.equal(hook.received[1]?.headers['aeg-delivery-count'], '0')
})

test('dead-letter records are written on time while the endpoint is on probation', async (t) => {
  const clock = new ManualClock()
  const start = clock.now()
  const gone: Outcome = {
    kind: 'retry',
    name: 'NotFound',
    status: 404,
    error: 'HTTP 404',
    minimumDelayMs: 300_000,
  }
  const endpoint = recordingDestination(clock, () => gone)
  const subscription = subscriptionOf('a', 'http://nowhere', { ...withDeadLetter, maxDeliveryAttempts: 1 })
  const bench = await startBench(t, [subscription], { clock, createDestination: endpoint.create })
  for (let n = 0; n < 30; n++) await bench.publish(String(n), 'a')
  await clock.advance(5 * minute)
  const made = endpoint.attempts.filter((at) => at === start).length
  assert.ok(made >= 10 && made < 30, `${made} attempts`)
  assert.equal(bench.blobs[0]?.at, start + 5 * minute)
  assert.equal(bench.blobs[0]?.records.length, made)
})

test('an event whose time runs out while its endpoint is on probation is given up without an attempt', async (t) => {
  const clock = new ManualClock()
  const endpoint = recordingDestination(clock, () => ({ ...status500, name: 'ResolutionError' }))
  const subscription = subscriptionOf('a', 'http://nowhere', { ...withDeadLetter, eventTimeToLiveMs: minute })
  const bench = await startBench(t, [subscription], { clock, createDestination: endpoint.create })
  for (let n = 0; n < 30; n++) await bench.publish(String(n), 'a')
  await clock.advance(15 * minute)
  const records = bench.blobs.flatMap((blob) => blob.records)
  assert.equal(records.length, 30)
  const untried = records.filter(({ deliveryAttempts }) => deliveryAttempts === 0)
  assert.ok(untried.length > 0)
  for (const record of untried) {
    assert.equal(record.deadLetterReason, 'TimeToLiveExceeded')
    assert.equal(record.lastDeliveryOutcome, 'Probation')
    assert.ok(!('lastDeliveryAttemptTime' in record))
  }
})

test('a dead letter that cannot be read is set aside and counted, and those behind it are written', async (t) => {
  const clock = new ManualClock()
  const endpoint = recordingDestination(clock, () => status500)
  const subscription = subscriptionOf('a', 'http://nowhere', { ...withDeadLetter, maxDeliveryAttempts: 1 })
  const bench = await startBench(t, [subscription], { clock, createDestination: endpoint.create })
  const letters = await bench.store.queues.open('uid-a/deadletter')
  const source = Buffer.from('no letter at all')
  const broken = { head: Buffer.of(9), source, start: 0, end: source.length, tail: Buffer.alloc(0) }
  await bench.store.queues.append([{ ...broken, queues: [letters] }]).durable
  for (const id of ['1', '2']) await bench.publish(id, 'a')
  await clock.advance(6 * minute)
  assert.deepEqual(
    bench.blobs.flatMap(({ records }) => records.map(({ id }) => id)),
    ['1', '2'],
  )
  assert.equal(letters.counts().entries, 1)
  assert.match(bench.metrics.encode(), /busbar_dead_letters_set_aside_total\{.*\} 1\n/)
  assert.match(bench.metrics.encode(), /busbar_dead_letters_waiting\{.*\} 1\n/)
})

test('records are dropped and counted when the dead-letter destination is taken away', async (t) => {
  const hook = await startRecordingWebhook(t, [400])
  const before = subscriptionOf('a', hook.url, withDeadLetter)
  const bench = await startBench(t, [before])
  await bench.publish('1', 'a')
  await bench.settle()
  await bench.change(before, { ...before, deadLetter: undefined })
  await bench.clock.advance(5 * minute)
  assert.equal(bench.blobs.length, 0)
  assert.match(bench.metrics.encode(), /dropped_events_total\{.*reason="UndeliverableDueToClientError"\} 1\n/)
})

test('attempts under way are bounded over all event subscriptions, and a newcomer still gets its share', async (t) => {
  const silent = await startRecordingWebhook(t, () => {})
  const healthy = await startRecordingWebhook(t)
  const names = ['a', 'b', 'c', 'd', 'e', 'f']
  const slow = names.map((name) => subscriptionOf(name, silent.url))
  const budget = { attempts: 12, bytes: 1024 * 1024 }
  const bench = await startBench(t, [...slow, subscriptionOf('quick', healthy.url)], { limits: { budget } })
  for (let n = 0; n < 20; n++) await bench.publish(String(n), ...names)
  await silent.until(6)
  for (let n = 0; n < 20; n++) await bench.publish(String(n), 'quick')
  await healthy.until(20)
  assert.ok(silent.received.length <= 11, `${silent.received.length} attempts under way`)
})

test('over the embedded store a restart keeps what waits, and a thousand events arrive', async (t) => {
  const clock = new ManualClock()
  const directory = await temporaryDirectory(t)
  const log = pino({ level: 'silent' })
  const subscriptions = (urls: readonly string[]) =>
    urls.map((url, index) => subscriptionOf(`s${index}`, url, withDeadLetter))
  const failing = await startRecordingWebhook(t, [500, 500, 400])
  const healthy = await startRecordingWebhook(t)
  const all = subscriptions([failing.url, healthy.url])

  const before = await startBench(t, all, { clock, store: await openEmbeddedStore({ directory, log }) })
  await before.publish('first', 's0')
  await failing.until(1)
  await before.settle()
  await clock.advance(10_000)
  await failing.until(2)
  await before.settle()
  await before.delivery.close(0)
  await before.store.close()

  const after = await startBench(t, all, { clock, store: await openEmbeddedStore({ directory, log }) })
  await clock.advance(30_000)
  await failing.until(3)
  assert.equal(failing.received[2]?.headers['aeg-delivery-count'], '2')
  const queue = await after.store.queues.open('uid-s1')
  for (let n = 0; n < 10; n++) {
    const events = Array.from({ length: 100 }, (_, m) => testEvent(`${n}-${m}`))
    await after.store.queues.append(events.map((event) => appendable(event, clock.now(), [queue]))).durable
  }
  await healthy.until(1000)
  await after.settle()
  assert.equal(queue.counts().entries, 0)
  await clock.advance(5 * minute)
  await after.settle()
  assert.equal(after.blobs[0]?.records[0]?.deliveryAttempts, 3)
  await after.delivery.close(0)
  await after.store.close()
})

/** A destination whose attempts end when the test says so. */
function heldDestination() {
  const attempts: ((outcome: Outcome) => void)[] = []
  const createDestination = (): Destination => ({
    maxEvents: 1,
    preferredBytes: Number.POSITIVE_INFINITY,
    origin: 'test:',
    deliver: () =>
      new Promise((resolve) => {
        attempts.push(resolve)
      }),
    announceDeletion: async () => {},
    close: async () => {},
  })
  const begun = async (count: number) => {
    while (attempts.length < count) await turnOfTheLoop()
  }
  const timedOut = (late: Promise<boolean>): Outcome => ({
    ...{ kind: 'retry', name: 'TimedOut', status: undefined, error: 'No response.', minimumDelayMs: 10_000 },
    late,
  })
  return { attempts, createDestination, begun, timedOut }
}

/** A promise, and what settles it. */
function lateAnswer() {
  let say: (isDelivered: boolean) => void = () => {}
  const late = new Promise<boolean>((resolve) => {
    say = resolve
  })
  return { late, say }
}

const deliveredCount = ({ metrics }: Bench) =>
  Number(/^busbar_delivery_success_total\{.*\} (\d+)$/m.exec(metrics.encode())?.[1] ?? 0)

test('a late answer to an attempt is nothing to an event that its next attempt delivered', async (t) => {
  const { attempts, createDestination, begun, timedOut } = heldDestination()
  const bench = await startBench(t, [subscriptionOf('a', 'http://x/')], { createDestination })
  const { late, say } = lateAnswer()
  await bench.publish('1', 'a')
  await begun(1)
  attempts[0]?.(timedOut(late))
  await bench.clock.advance(9_999)
  const advanced = bench.clock.advance(1)
  await begun(2)
  attempts[1]?.({ kind: 'delivered', status: 200 })
  await advanced
  assert.equal(deliveredCount(bench), 1)
  say(true)
  await bench.settle()
  assert.equal(deliveredCount(bench), 1)
})

test('a late answer to an attempt is nothing to an event that was given up meanwhile', async (t) => {
  const { attempts, createDestination, begun, timedOut } = heldDestination()
  const one = subscriptionOf('a', 'http://x/', { eventTimeToLiveMs: 5_000, ...withDeadLetter })
  const bench = await startBench(t, [one], { createDestination })
  const { late, say } = lateAnswer()
  await bench.publish('1', 'a')
  await begun(1)
  attempts[0]?.(timedOut(late))
  await bench.clock.advance(minute)
  say(true)
  await bench.clock.advance(10 * minute)
  assert.equal(bench.blobs[0]?.records.length, 1)
  assert.equal(deliveredCount(bench), 0)
  assert.deepEqual(
    [...bench.ends.values()].map(({ kind }) => kind),
    ['deadLettered'],
  )
})

test('an event whose attempt is answered during the next one, which fails, is not tried a third time', async (t) => {
  const { attempts, createDestination, begun, timedOut } = heldDestination()
  const bench = await startBench(t, [subscriptionOf('a', 'http://x/')], { createDestination })
  const { late, say } = lateAnswer()
  await bench.publish('1', 'a')
  await begun(1)
  attempts[0]?.(timedOut(late))
  await bench.clock.advance(9_999)
  const advanced = bench.clock.advance(1)
  await begun(2)
  say(true)
  await turnOfTheLoop()
  attempts[1]?.({
    ...{ kind: 'retry', name: 'Busy', status: 503, error: 'HTTP 503', minimumDelayMs: 30_000 },
  })
  await advanced
  await bench.clock.advance(hour)
  assert.equal(attempts.length, 2)
  assert.equal(deliveredCount(bench), 1)
  const queue = await bench.store.queues.open('uid-a')
  assert.equal(queue.counts().entries, 0)
})
