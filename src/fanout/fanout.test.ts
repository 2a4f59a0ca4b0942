import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSystemClock } from '../base/clock.ts'
import { createLog } from '../base/log.ts'
import { Metrics } from '../base/metrics.ts'
import { decodeStored } from '../event/encode.ts'
import type { GridEvent } from '../event/event.ts'
import { openMemoryStore } from '../store/engines/memory.ts'
import { everyEvent, exampleEventSubscription, exampleTopic, TestCatalog } from '../testing/test-catalog.ts'
import type { AcceptedEvents } from '../trace/trace.ts'
import { createFanout } from './fanout.ts'

function eventOf(id: string, type: string, subject = '/orders'): GridEvent {
  const envelope = { id, eventType: type, subject, data: { n: 1 } }
  const source = Buffer.from(JSON.stringify(envelope))
  const tail = Buffer.from('}')
  return {
    schema: 'EventGridSchema',
    topicId: undefined,
    id,
    type,
    subject,
    dataVersion: '',
    envelope,
    source,
    start: 0,
    end: source.length - 1,
    tail,
  }
}

async function start(catalog = new TestCatalog(), store = openMemoryStore()) {
  const traced: AcceptedEvents[] = []
  const metrics = new Metrics()
  const fanout = await createFanout({
    catalog,
    queues: store.queues,
    clock: createSystemClock(),
    trace: { accepted: (accepted) => traced.push(accepted) },
    metrics,
    log: createLog('silent'),
  })
  const idsOn = async (uid: string) => {
    const queue = await store.queues.open(uid)
    const leases = await queue.lease(1000, 1e9, Date.now())
    queue.release(leases)
    return leases.map(({ bytes }) => decodeStored(bytes).id)
  }
  return { catalog, store, fanout, traced, metrics, idsOn }
}

const types = (...includedEventTypes: string[]) => ({ filter: { ...everyEvent, includedEventTypes } })

test('of one batch every event subscription gets just the events that it wants', async () => {
  const { catalog, fanout, idsOn } = await start()
  await catalog.put(exampleEventSubscription('created', types('created')))
  await catalog.put(exampleEventSubscription('both', types('created', 'deleted')))
  await fanout.accept(exampleTopic, [eventOf('1', 'created'), eventOf('2', 'deleted'), eventOf('3', 'moved')])
  assert.deepEqual(await idsOn('uid-of-created'), ['1'])
  assert.deepEqual(await idsOn('uid-of-both'), ['1', '2'])
})

test('an event that nobody wants is accepted, counted, traced, and not stored', async () => {
  const { catalog, store, fanout, traced, metrics } = await start()
  await catalog.put(exampleEventSubscription('created', types('created')))
  await fanout.accept(exampleTopic, [eventOf('1', 'moved')])
  assert.equal(store.queues.stat().appends, 0)
  assert.match(metrics.encode(), /busbar_unmatched_events_total\{[^}]+\} 1\n/)
  assert.deepEqual(traced[0]?.sequences, [undefined])
  const [explanation] = traced[0]?.topic.explain(traced[0].events[0] as GridEvent) ?? []
  assert.equal(explanation?.name, 'created')
  assert.match(explanation?.refusedBy ?? '', /moved/)
})

test('the sequences told to the trace are those of the leases', async () => {
  const { catalog, store, fanout, traced } = await start()
  await catalog.put(exampleEventSubscription('created', types('created')))
  await fanout.accept(exampleTopic, [eventOf('1', 'created'), eventOf('2', 'moved'), eventOf('3', 'created')])
  const leases = await (await store.queues.open('uid-of-created')).lease(9, 1e6, Date.now())
  assert.deepEqual(traced[0]?.sequences, [leases[0]?.sequence, undefined, leases[1]?.sequence])
})

test('an event subscription that is changed or deleted matches by what it is now', async () => {
  const { catalog, fanout, idsOn } = await start()
  await catalog.put(exampleEventSubscription('one', types('created')))
  await catalog.put(exampleEventSubscription('one', types('deleted')))
  await catalog.put(exampleEventSubscription('gone'))
  await catalog.delete('uid-of-gone')
  await fanout.accept(exampleTopic, [eventOf('1', 'created'), eventOf('2', 'deleted')])
  assert.deepEqual(await idsOn('uid-of-one'), ['2'])
  assert.deepEqual(await idsOn('uid-of-gone'), [])
})

test('ten thousand event subscriptions that name their types cost an event one filter', async () => {
  const { catalog, fanout, metrics } = await start()
  for (let n = 0; n < 10_000; n++) await catalog.put(exampleEventSubscription(`s${n}`, types(`type-${n}`)))
  await fanout.accept(exampleTopic, [eventOf('1', 'type-77')])
  assert.match(metrics.encode(), /busbar_filter_evaluations_total\{[^}]+\} 1\n/)
})

test('a queue whose event subscription is gone is dropped at start', async () => {
  const store = openMemoryStore()
  await store.queues.open('forgotten')
  const catalog = new TestCatalog()
  await catalog.put(exampleEventSubscription('kept'))
  await start(catalog, store)
  assert.deepEqual(store.queues.names(), ['uid-of-kept'])
})
