import assert from 'node:assert/strict'
import { test } from 'node:test'
import { all, connect, webhook } from '../testing/official-clients.ts'

test('the official client makes, reads, updates, lists and deletes a topic', async (t) => {
  const { server, eventGrid } = await connect(t)
  const { topics } = eventGrid
  const made = await topics.beginCreateOrUpdateAndWait('rg', 'orders', {
    location: 'West US 2',
    tags: { a: 'b' },
    identity: { type: 'SystemAssigned' },
    inputSchema: 'CloudEventSchemaV1_0',
  })
  assert.equal(made.provisioningState, 'Succeeded')
  assert.equal(made.endpoint, `${server.url}/topics/westus2/orders/api/events`)
  assert.equal(made.inputSchema, 'CloudEventSchemaV1_0')
  await topics.beginUpdateAndWait('rg', 'orders', { publicNetworkAccess: 'Disabled' })
  assert.equal((await topics.get('rg', 'orders')).publicNetworkAccess, 'Disabled')
  const keys = await topics.listSharedAccessKeys('rg', 'orders')
  const renewed = await topics.beginRegenerateKeyAndWait('rg', 'orders', { keyName: 'key2' })
  assert.equal(renewed.key1, keys.key1)
  assert.notEqual(renewed.key2, keys.key2)
  for (const name of ['two', 'three'])
    await topics.beginCreateOrUpdateAndWait('rg', name, { location: 'westus2' })
  assert.deepEqual(
    (await all(topics.listByResourceGroup('rg', { top: 1 }))).map(({ name }) => name),
    ['orders', 'three', 'two'],
  )
  assert.equal((await all(topics.listBySubscription({ filter: "contains(name,'tw')" }))).length, 1)
  await topics.beginDeleteAndWait('rg', 'orders')
  await assert.rejects(topics.get('rg', 'orders'), { code: 'ResourceNotFound', statusCode: 404 })
})

test('the official client makes, reads, updates, lists and deletes event subscriptions in both forms', async (t) => {
  const { eventGrid } = await connect(t)
  const topic = await eventGrid.topics.beginCreateOrUpdateAndWait('rg', 'orders', { location: 'westus2' })
  const scope = topic.id as string
  const { eventSubscriptions, topicEventSubscriptions } = eventGrid
  const made = await eventSubscriptions.beginCreateOrUpdateAndWait(scope, 'first', {
    destination: {
      ...webhook('https://example.org/hook?code=1'),
      deliveryAttributeMappings: [{ type: 'Static', name: 'x-a', value: 'secret', isSecret: true }],
    },
    filter: { advancedFilters: [{ operatorType: 'NumberIn', key: 'data.n', values: [1, 2] }] },
  })
  assert.equal(made.provisioningState, 'Succeeded')
  assert.ok(made.destination?.endpointType === 'WebHook')
  assert.equal((made.destination as { endpointBaseUrl?: string }).endpointBaseUrl, 'https://example.org/hook')
  await topicEventSubscriptions.beginCreateOrUpdateAndWait('rg', 'orders', 'second', {
    destination: webhook('https://example.org/2'),
  })
  const updated = await eventSubscriptions.beginUpdateAndWait(scope, 'first', { labels: ['x'] })
  assert.deepEqual(updated.labels, ['x'])
  const nested = await topicEventSubscriptions.beginUpdateAndWait('rg', 'orders', 'first', { labels: ['y'] })
  assert.deepEqual(nested.labels, ['y'])
  assert.equal(
    (await topicEventSubscriptions.get('rg', 'orders', 'first')).type,
    'Microsoft.EventGrid/topics/eventSubscriptions',
  )
  assert.equal(
    (await eventSubscriptions.getFullUrl(scope, 'first')).endpointUrl,
    'https://example.org/hook?code=1',
  )
  const attributes = await eventSubscriptions.getDeliveryAttributes(scope, 'first')
  assert.equal((attributes.value?.[0] as { value?: string } | undefined)?.value, 'secret')
  assert.equal((await all(topicEventSubscriptions.list('rg', 'orders'))).length, 2)
  assert.equal(
    (await all(eventSubscriptions.listByResource('rg', 'Microsoft.EventGrid', 'topics', 'orders'))).length,
    2,
  )
  assert.equal((await all(eventSubscriptions.listRegionalBySubscription('westus2', { top: 1 }))).length, 2)
  await eventSubscriptions.beginDeleteAndWait(scope, 'first')
  await topicEventSubscriptions.beginDeleteAndWait('rg', 'orders', 'second')
  assert.equal((await all(topicEventSubscriptions.list('rg', 'orders'))).length, 0)
})

test('the official client is told why an endpoint refused', async (t) => {
  const { eventGrid } = await connect(t, {
    verify: () =>
      Promise.resolve({ kind: 'refused', message: 'Webhook validation handshake failed for it.' }),
  })
  const topic = await eventGrid.topics.beginCreateOrUpdateAndWait('rg', 'orders', { location: 'westus2' })
  await assert.rejects(
    eventGrid.eventSubscriptions.beginCreateOrUpdateAndWait(topic.id as string, 'first', {
      destination: webhook('https://example.org/hook'),
    }),
    /Url validation.*Webhook validation handshake failed for it\./,
  )
})

test('the official client lists resources and deletes a group with all that is in it', async (t) => {
  const { eventGrid, resources } = await connect(t)
  await eventGrid.topics.beginCreateOrUpdateAndWait('rg', 'orders', { location: 'westus2' })
  assert.deepEqual(
    (await all(resources.resources.list())).map(({ name }) => name),
    ['orders'],
  )
  assert.deepEqual(
    (await all(resources.resources.listByResourceGroup('rg'))).map(({ name }) => name),
    ['orders'],
  )
  assert.equal((await resources.resourceGroups.checkExistence('rg')).body, true)
  assert.deepEqual(
    (await all(resources.resourceGroups.list())).map(({ name }) => name),
    ['rg'],
  )
  const generic = await resources.resources.get(
    'rg',
    'Microsoft.EventGrid',
    '',
    'topics',
    'orders',
    '2025-02-15',
  )
  assert.equal(generic.type, 'Microsoft.EventGrid/topics')
  assert.equal((await resources.providers.get('Microsoft.EventGrid')).registrationState, 'Registered')
  await resources.resourceGroups.beginDeleteAndWait('rg')
  assert.equal((await resources.resourceGroups.checkExistence('rg')).body, false)
})
