import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSystemClock } from '../base/clock.ts'
import { createLog } from '../base/log.ts'
import { Metrics } from '../base/metrics.ts'
import type { Topic } from '../catalog/catalog.ts'
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

test('a queue whose event subscription is gone is dropped at start, and one of another room is not', async () => {
  const store = openMemoryStore()
  await store.queues.open('forgotten')
  await store.queues.open('forgotten/deadletter')
  await store.queues.open('room:its-own')
  const catalog = new TestCatalog()
  await catalog.put(exampleEventSubscription('kept'))
  await start(catalog, store)
  assert.deepEqual(store.queues.names().toSorted(), ['room:its-own', 'uid-of-kept'])
})

const domain: Topic = {
  ...exampleTopic,
  kind: 'domain',
  id: '/subscriptions/s/resourceGroups/rg/providers/Microsoft.EventGrid/domains/dom',
}
const domainTopic = (name: string) => `${domain.id}/topics/${name}`
const inDomain = (id: string, name: string): GridEvent => ({
  ...eventOf(id, 'created'),
  topicId: domainTopic(name),
})

test('an event of a domain reaches the domain and its own domain topic, in any letter case, and no other', async () => {
  const { catalog, fanout, idsOn } = await start()
  await catalog.put(exampleEventSubscription('all', { topicId: domain.id }))
  await catalog.put(exampleEventSubscription('one', { topicId: domainTopic('one') }))
  await catalog.put(exampleEventSubscription('two', { topicId: domainTopic('Two') }))
  await fanout.accept(domain, [inDomain('1', 'ONE'), inDomain('2', 'two'), inDomain('3', 'three')])
  assert.deepEqual(await idsOn('uid-of-all'), ['1', '2', '3'])
  assert.deepEqual(await idsOn('uid-of-one'), ['1'])
  assert.deepEqual(await idsOn('uid-of-two'), ['2'])
})

test('an event that names what is not in its domain reaches the domain alone', async () => {
  const { catalog, fanout, idsOn } = await start()
  await catalog.put(exampleEventSubscription('all', { topicId: domain.id }))
  await catalog.put(exampleEventSubscription('foreign', { topicId: `${domain.id}-b/topics/one` }))
  await catalog.put(exampleEventSubscription('custom'))
  await fanout.accept(domain, [
    { ...eventOf('1', 'created'), topicId: `${domain.id}-b/topics/one` },
    { ...eventOf('2', 'created'), topicId: exampleTopic.id },
    { ...eventOf('3', 'created'), topicId: undefined },
  ])
  assert.deepEqual(await idsOn('uid-of-all'), ['1', '2', '3'])
  assert.deepEqual(await idsOn('uid-of-foreign'), [])
  assert.deepEqual(await idsOn('uid-of-custom'), [])
})

test('an event costs the same however many other domain topics there are, and those leave no series', async () => {
  const { catalog, fanout, metrics } = await start()
  for (let n = 0; n < 10_000; n++)
    await catalog.put(exampleEventSubscription(`s${n}`, { topicId: domainTopic(`t${n}`) }))
  const series = () => metrics.encode().split('\n').length
  await fanout.accept(domain, [inDomain('0', 'none')])
  const before = series()
  for (let n = 0; n < 100; n++) await fanout.accept(domain, [inDomain(`${n}`, `nobody-${n}`)])
  assert.equal(series(), before)
  await fanout.accept(domain, [inDomain('1', 't77')])
  const asked = [...metrics.encode().matchAll(/^busbar_filter_evaluations_total\{[^}]+\} ([1-9]\d*)$/gm)]
  assert.deepEqual(
    asked.map(([, count]) => count),
    ['1'],
  )
})

test('what was matched before is matched without new lists when events take turns between domain topics', async () => {
  const { catalog, fanout, traced } = await start()
  await catalog.put(exampleEventSubscription('all', { topicId: domain.id }))
  for (const name of ['one', 'two'])
    await catalog.put(exampleEventSubscription(name, { topicId: domainTopic(name) }))
  await fanout.accept(
    domain,
    ['one', 'two', 'one', 'two'].map((name, n) => inDomain(`${n}`, name)),
  )
  const [first, second, third, fourth] = traced[0]?.matched ?? []
  assert.deepEqual(first, ['uid-of-all', 'uid-of-one'])
  assert.equal(first, third)
  assert.equal(second, fourth)
})

test('a domain topic gets events from when it has an event subscription until it has none, whatever came before', async () => {
  const { catalog, fanout, idsOn } = await start()
  await fanout.accept(domain, [inDomain('1', 'One')])
  await catalog.put(exampleEventSubscription('one', { topicId: domainTopic('one') }))
  await fanout.accept(domain, [inDomain('2', 'One')])
  assert.deepEqual(await idsOn('uid-of-one'), ['2'])
  await catalog.delete('uid-of-one')
  await fanout.accept(domain, [inDomain('3', 'One')])
  await catalog.put(exampleEventSubscription('again', { topicId: domainTopic('ONE') }))
  await fanout.accept(domain, [inDomain('4', 'One')])
  assert.deepEqual(await idsOn('uid-of-again'), ['4'])
})

test('a hundred thousand names of domain topics that nobody subscribes to leave no series behind', async () => {
  const { catalog, fanout, metrics, idsOn } = await start()
  await catalog.put(exampleEventSubscription('one', { topicId: domainTopic('one') }))
  await fanout.accept(domain, [inDomain('1', 'none')])
  const before = metrics.encode().length
  for (let n = 0; n < 100_000; n += 1_000)
    await fanout.accept(
      domain,
      Array.from({ length: 1_000 }, (_, at) => inDomain('2', `nobody-${n + at}`)),
    )
  // The count of unmatched events has more digits now.
  assert.ok(metrics.encode().length <= before + 5)
  await fanout.accept(domain, [inDomain('3', 'ONE')])
  assert.deepEqual(await idsOn('uid-of-one'), ['3'])
})

test('an event of a domain is explained by the event subscriptions that it met', async () => {
  const { catalog, fanout, traced } = await start()
  await catalog.put(exampleEventSubscription('all', { topicId: domain.id, ...types('moved') }))
  for (const name of ['one', 'two'])
    await catalog.put(exampleEventSubscription(name, { topicId: domainTopic(name) }))
  await fanout.accept(domain, [inDomain('1', 'one'), inDomain('2', 'none')])
  const explained = traced[0]?.topics?.map((topic, n) =>
    topic
      .explain(traced[0]?.events[n] as GridEvent)
      .map(({ name, refusedBy }) => `${name}: ${refusedBy === undefined}`),
  )
  assert.deepEqual(explained, [['all: false', 'one: true'], ['all: false']])
  assert.deepEqual(
    traced[0]?.topics?.map(({ topicId }) => topicId),
    [domainTopic('one'), domain.id],
  )
})

test('the series of a domain topic go with its last event subscription', async () => {
  const { catalog, fanout, metrics } = await start()
  await catalog.put(exampleEventSubscription('one', { topicId: domainTopic('one') }))
  await fanout.accept(domain, [inDomain('1', 'one')])
  assert.match(metrics.encode(), /domains\/dom\/topics\/one"/)
  await catalog.delete('uid-of-one')
  assert.doesNotMatch(metrics.encode(), /domains\/dom\/topics\/one"/)
  await fanout.accept(domain, [inDomain('2', 'one')])
  assert.doesNotMatch(metrics.encode(), /domains\/dom\/topics\/one"/)
})

const source = '/subscriptions/s/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/uploads'
const storageAccounts = 'Microsoft.Storage.StorageAccounts'

test('what a service raises reaches the event subscriptions on the source and on its system topic', async () => {
  const { catalog, fanout, idsOn, traced, metrics } = await start()
  const id = '/subscriptions/s/resourceGroups/rg/providers/Microsoft.EventGrid/systemTopics/uploads'
  catalog.systemTopics.set(source.toLowerCase(), { id, source, topicType: storageAccounts })
  await catalog.put(exampleEventSubscription('on-source', { topicId: source }))
  await catalog.put(exampleEventSubscription('on-topic', { topicId: id, ...types('created') }))
  await fanout.raise(source.toUpperCase(), storageAccounts, [eventOf('1', 'created'), eventOf('2', 'moved')])
  assert.deepEqual(await idsOn('uid-of-on-source'), ['1', '2'])
  assert.deepEqual(await idsOn('uid-of-on-topic'), ['1'])
  assert.equal(traced[0]?.topic.topicId, id)
  assert.match(metrics.encode(), /busbar_publish_success_total\{topic="[^"]+systemTopics\/uploads"\} 2\n/)
})

test('what is raised of a source that nobody asked about is not stored, traced or counted', async () => {
  const { store, fanout, traced, metrics } = await start()
  const before = metrics.encode()
  await fanout.raise(source, storageAccounts, [eventOf('1', 'created')])
  assert.equal(store.queues.stat().appends, 0)
  assert.deepEqual(traced, [])
  assert.equal(metrics.encode(), before)
})

test("another service's events of a subscription do not reach what stands on the subscription", async () => {
  const { catalog, fanout, idsOn } = await start()
  await catalog.put(exampleEventSubscription('on-source', { topicId: '/subscriptions/s' }))
  await fanout.raise('/subscriptions/s', 'Microsoft.PolicyInsights.PolicyStates', [eventOf('1', 'created')])
  await fanout.raise('/subscriptions/s', 'Microsoft.Resources.Subscriptions', [eventOf('2', 'created')])
  assert.deepEqual(await idsOn('uid-of-on-source'), ['2'])
})
