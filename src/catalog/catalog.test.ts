import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLog } from '../base/log.ts'
import { createSealer } from '../base/sealer.ts'
import { openMemoryStore } from '../store/engines/memory.ts'
import {
  eventSubscriptionPath,
  startControlPlane,
  subscription,
  topicPath,
  toWebhook,
} from '../testing/control-plane.ts'
import { ManualClock } from '../testing/manual-clock.ts'
import { everyEvent } from '../testing/test-catalog.ts'
import { openCatalog } from './stored-catalog.ts'

const topicId = subscription + topicPath

test('a topic is found by the path of its endpoint, in any letter case, with or without a slash at the end', async (t) => {
  const { catalog, makeTopic } = await startControlPlane(t)
  await makeTopic()
  const path = '/topics/westus2/orders/api/events'
  for (const each of [path, `${path}/`, path.toUpperCase()])
    assert.equal(catalog.topicByEndpoint('127.0.0.1:4800', each)?.name, 'orders', each)
  for (const each of ['/topics/eastus/orders/api/events', '/topics/westus2/orders', `${path}//`, '/', ''])
    assert.equal(catalog.topicByEndpoint('127.0.0.1:4800', each), undefined, each)
})

test('a topic is found by the host name of its endpoint, with or without a port', async (t) => {
  const { catalog, makeTopic } = await startControlPlane(t)
  await makeTopic()
  for (const host of [
    'orders.westus2-1.eventgrid.azure.net',
    'Orders.WestUS2-1.EventGrid.Azure.Net:443',
    'orders.westus2-1.eventgrid.localhost:4800',
  ]) {
    assert.equal(catalog.topicByEndpoint(host, '/api/events')?.name, 'orders', host)
    assert.equal(catalog.topicByEndpoint(host, '/API/events/')?.name, 'orders', host)
    assert.equal(catalog.topicByEndpoint(host, '/other'), undefined, host)
  }
  assert.equal(catalog.topicByEndpoint('orders.eastus-1.eventgrid.azure.net', '/api/events'), undefined)
})

test('a deleted topic is found no more', async (t) => {
  const { catalog, call, makeTopic } = await startControlPlane(t)
  await makeTopic()
  await call('DELETE', topicPath)
  assert.equal(catalog.topic(topicId), undefined)
  assert.equal(catalog.topicByEndpoint('', '/topics/westus2/orders/api/events'), undefined)
  assert.equal(catalog.topicByEndpoint('orders.westus2-1.eventgrid.localhost', '/api/events'), undefined)
})

test('an event subscription is decoded with its secrets, every default filled in', async (t) => {
  const { catalog, call, makeTopic } = await startControlPlane(t)
  await makeTopic()
  const body = toWebhook({
    filter: { includedEventTypes: ['All'] },
    retryPolicy: { eventTimeToLiveInMinutes: 2 },
  })
  Object.assign(body.properties.destination.properties, {
    deliveryAttributeMappings: [
      { name: 'x-key', type: 'Static', properties: { value: 'classified', isSecret: true } },
      { name: 'x-field', type: 'Dynamic', properties: { sourceField: 'data.a' } },
    ],
  })
  await call('PUT', eventSubscriptionPath, body)
  const [found] = catalog.eventSubscriptionsOf(topicId)
  assert.ok(found)
  const { uid, ...rest } = found
  assert.match(uid, /^[0-9a-f-]{36}$/)
  assert.deepEqual(rest, {
    id: subscription + eventSubscriptionPath,
    name: 'es1',
    topicId,
    destination: {
      endpointType: 'WebHook',
      properties: {
        maxEventsPerBatch: 1,
        preferredBatchSizeInKilobytes: 64,
        azureActiveDirectoryTenantId: null,
        azureActiveDirectoryApplicationIdOrUri: null,
        minimumTlsVersionAllowed: null,
        deliveryAttributeMappings: [
          { name: 'x-key', type: 'Static', properties: { value: 'Hidden', isSecret: true } },
          { name: 'x-field', type: 'Dynamic', properties: { sourceField: 'data.a' } },
        ],
        endpointUrl: null,
        endpointBaseUrl: 'https://example.org/hook',
      },
      secrets: { endpointUrl: 'https://example.org/hook?code=s', 'attribute:x-key': 'classified' },
    },
    deliverySchema: 'EventGridSchema',
    filter: everyEvent,
    maxDeliveryAttempts: 30,
    eventTimeToLiveMs: 120_000,
    deadLetter: undefined,
    expiresAt: undefined,
  })
})

test('an event subscription that is made again has another uid; one that is changed keeps it', async (t) => {
  const { catalog, call, changes, makeTopic } = await startControlPlane(t)
  await makeTopic()
  await call('PUT', eventSubscriptionPath, toWebhook())
  const uid = catalog.eventSubscriptionsOf(topicId)[0]?.uid
  await call('PUT', eventSubscriptionPath, toWebhook({ labels: ['x'] }))
  assert.equal(catalog.eventSubscriptionsOf(topicId)[0]?.uid, uid)
  await call('DELETE', eventSubscriptionPath)
  assert.equal(changes.at(-1)?.eventSubscriptions[0]?.before?.uid, uid)
  assert.equal(changes.at(-1)?.eventSubscriptions[0]?.after, undefined)
  await call('PUT', eventSubscriptionPath, toWebhook())
  assert.notEqual(catalog.eventSubscriptionsOf(topicId)[0]?.uid, uid)
})

test('a write is answered only after every listener has taken it in', async (t) => {
  const { catalog, call, makeTopic } = await startControlPlane(t)
  await makeTopic()
  const taken = Promise.withResolvers<void>()
  const told = Promise.withResolvers<void>()
  catalog.onChange(() => {
    told.resolve()
    return taken.promise
  })
  let answered = false
  const answer = call('POST', `${topicPath}/regenerateKey`, { keyName: 'key1' }).then(() => (answered = true))
  await told.promise
  await call('GET', topicPath)
  assert.equal(answered, false)
  taken.resolve()
  await answer
})

test('records sealed with another key file are refused with the resource they belong to', async (t) => {
  const { disk, makeTopic, close } = await startControlPlane(t)
  await makeTopic()
  await close()
  const { records } = openMemoryStore(disk)
  const sealer = createSealer(Buffer.alloc(32, 8))
  await assert.rejects(
    openCatalog({ records, sealer, clock: new ManualClock(), log: createLog('silent') }),
    /secrets of .*orders.* key file/,
  )
})

test('an event subscription whose topic is gone is removed at start', async (t) => {
  const { disk, call, makeTopic, close } = await startControlPlane(t)
  await makeTopic()
  await call('PUT', eventSubscriptionPath, toWebhook())
  await close()
  disk.records.delete(`resource${topicId.toLowerCase()}`)
  const next = await startControlPlane(t, { disk })
  assert.deepEqual([...next.catalog.eventSubscriptions()], [])
  assert.equal(
    [...disk.records.keys()].some((key) => key.includes('es1')),
    false,
  )
})

test('a system topic that came with an event subscription which is not there is gone after a start', async (t) => {
  const { call, catalog, disk, close } = await startControlPlane(t)
  const source = '/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/uploads'
  const es = `${source}/providers/Microsoft.EventGrid/eventSubscriptions/es1`
  await call('PUT', '/resourceGroups/rg', { location: 'westus2' })
  await call('PUT', es, toWebhook())
  const systemTopic = catalog.stored.systemTopicOf(subscription + source)
  assert.ok(systemTopic)
  // As after a crash between the two deletes.
  const found = catalog.find('Microsoft.EventGrid/eventSubscriptions', subscription + es)
  assert.ok(found)
  await catalog.remove([found.resource])
  await close()
  const next = await startControlPlane(t, { disk })
  assert.equal(next.catalog.stored.systemTopicOf(subscription + source), undefined)
  assert.equal(next.catalog.find(systemTopic.type, systemTopic.id), undefined)
})
