import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EventGridManagementClient, EventSubscription } from '@azure/arm-eventgrid'
import { subscription } from '../testing/control-plane.ts'
import { all, connect, webhook } from '../testing/official-clients.ts'

const group = `${subscription}/resourceGroups/rg`
const storage = `${group}/providers/Microsoft.Storage/storageAccounts/uploads`
const hook = { destination: webhook('https://example.org/hook?code=1') }
const names = (items: readonly { name?: string }[]) => items.map(({ name }) => name)

test('the official client makes, reads, updates, lists and deletes a domain', async (t) => {
  const { server, eventGrid } = await connect(t)
  const { domains } = eventGrid
  const made = await domains.beginCreateOrUpdateAndWait('rg', 'dom', {
    location: 'West US 2',
    tags: { a: 'b' },
    identity: { type: 'SystemAssigned' },
    inputSchema: 'CloudEventSchemaV1_0',
    autoCreateTopicWithFirstSubscription: false,
  })
  assert.equal(made.endpoint, `${server.url}/domains/westus2/dom/api/events`)
  assert.equal(made.autoCreateTopicWithFirstSubscription, false)
  assert.equal(made.autoDeleteTopicWithLastSubscription, true)
  assert.match(made.metricResourceId as string, /^[0-9a-f-]{36}$/)
  await domains.beginUpdateAndWait('rg', 'dom', {
    tags: { c: 'd' },
    publicNetworkAccess: 'Disabled',
    autoDeleteTopicWithLastSubscription: false,
  })
  const read = await domains.get('rg', 'dom')
  assert.deepEqual(read.tags, { c: 'd' })
  assert.equal(read.publicNetworkAccess, 'Disabled')
  assert.equal(read.autoDeleteTopicWithLastSubscription, false)
  assert.equal(read.autoCreateTopicWithFirstSubscription, false)
  const keys = await domains.listSharedAccessKeys('rg', 'dom')
  const renewed = await domains.regenerateKey('rg', 'dom', { keyName: 'key1' })
  assert.equal(renewed.key2, keys.key2)
  assert.notEqual(renewed.key1, keys.key1)
  assert.deepEqual(names(await all(domains.listByResourceGroup('rg'))), ['dom'])
  assert.deepEqual(names(await all(domains.listBySubscription({ top: 1 }))), ['dom'])
  await assert.rejects(
    domains.beginCreateOrUpdateAndWait('rg', 'dom', { location: 'westus2', inputSchema: 'EventGridSchema' }),
    { code: 'PropertyChangeNotAllowed' },
  )
  await domains.beginDeleteAndWait('rg', 'dom')
  await assert.rejects(domains.get('rg', 'dom'), { code: 'ResourceNotFound', statusCode: 404 })
})

test('the official client makes, reads, lists and deletes domain topics', async (t) => {
  const { eventGrid } = await connect(t)
  const { domains, domainTopics } = eventGrid
  await domains.beginCreateOrUpdateAndWait('rg', 'dom', { location: 'westus2' })
  const made = await domainTopics.beginCreateOrUpdateAndWait('rg', 'dom', 'one')
  assert.equal(made.provisioningState, 'Succeeded')
  assert.equal(made.type, 'Microsoft.EventGrid/domains/topics')
  for (const name of ['two', 'three']) await domainTopics.beginCreateOrUpdateAndWait('rg', 'dom', name)
  assert.equal((await domainTopics.get('rg', 'dom', 'ONE')).name, 'one')
  assert.deepEqual(names(await all(domainTopics.listByDomain('rg', 'dom', { top: 2 }))), [
    'one',
    'three',
    'two',
  ])
  await domainTopics.beginDeleteAndWait('rg', 'dom', 'one')
  await assert.rejects(domainTopics.get('rg', 'dom', 'one'), { statusCode: 404 })
})

test('the official client makes, reads, updates and deletes a system topic', async (t) => {
  const { eventGrid } = await connect(t)
  const { systemTopics, extensionTopics } = eventGrid
  const body = { location: 'westus2', source: storage, topicType: 'Microsoft.Storage.StorageAccounts' }
  const made = await systemTopics.beginCreateOrUpdateAndWait('rg', 'uploads', body)
  assert.equal(made.source, storage)
  assert.equal(made.topicType, 'Microsoft.Storage.StorageAccounts')
  assert.match(made.metricResourceId as string, /^[0-9a-f-]{36}$/)
  await systemTopics.beginUpdateAndWait('rg', 'uploads', {
    tags: { a: 'b' },
    identity: { type: 'SystemAssigned' },
  })
  const read = await systemTopics.get('rg', 'uploads')
  assert.deepEqual([read.tags, read.identity?.type, read.source], [{ a: 'b' }, 'SystemAssigned', storage])
  assert.equal((await extensionTopics.get(storage)).systemTopic, read.id)
  assert.deepEqual(names(await all(systemTopics.listByResourceGroup('rg'))), ['uploads'])
  assert.deepEqual(names(await all(systemTopics.listBySubscription())), ['uploads'])
  for (const changed of [{ source: `${storage}2` }, { topicType: 'Microsoft.Devices.IoTHubs' }])
    await assert.rejects(systemTopics.beginCreateOrUpdateAndWait('rg', 'uploads', { ...body, ...changed }), {
      statusCode: 400,
    })
  await systemTopics.beginDeleteAndWait('rg', 'uploads')
  await assert.rejects(extensionTopics.get(storage), { statusCode: 404 })
})

interface Way {
  readonly scope: string
  readonly client: (eventGrid: EventGridManagementClient) => {
    make(name: string, body: EventSubscription): Promise<EventSubscription>
    update(name: string): Promise<EventSubscription>
    get(name: string): Promise<EventSubscription>
    list(): AsyncIterable<EventSubscription>
    getFullUrl(name: string): Promise<{ endpointUrl?: string }>
    getDeliveryAttributes(name: string): Promise<{ value?: unknown[] }>
    remove(name: string): Promise<unknown>
  }
}

const labels = { labels: ['x'] }

const onScope =
  (scope: string): Way['client'] =>
  ({ eventSubscriptions: calls }) => ({
    make: (name, body) => calls.beginCreateOrUpdateAndWait(scope, name, body),
    update: (name) => calls.beginUpdateAndWait(scope, name, labels),
    get: (name) => calls.get(scope, name),
    list: () =>
      scope === subscription
        ? calls.listGlobalBySubscription()
        : scope === group
          ? calls.listGlobalByResourceGroup('rg')
          : calls.listByResource('rg', 'Microsoft.Storage', 'storageAccounts', 'uploads'),
    getFullUrl: (name) => calls.getFullUrl(scope, name),
    getDeliveryAttributes: (name) => calls.getDeliveryAttributes(scope, name),
    remove: (name) => calls.beginDeleteAndWait(scope, name),
  })

const ways: readonly Way[] = [
  { scope: 'a subscription', client: onScope(subscription) },
  { scope: 'a resource group', client: onScope(group) },
  { scope: "another provider's resource", client: onScope(storage) },
  {
    scope: 'a domain',
    client: ({ domainEventSubscriptions: calls }) => ({
      make: (name, body) => calls.beginCreateOrUpdateAndWait('rg', 'dom', name, body),
      update: (name) => calls.beginUpdateAndWait('rg', 'dom', name, labels),
      get: (name) => calls.get('rg', 'dom', name),
      list: () => calls.list('rg', 'dom'),
      getFullUrl: (name) => calls.getFullUrl('rg', 'dom', name),
      getDeliveryAttributes: (name) => calls.getDeliveryAttributes('rg', 'dom', name),
      remove: (name) => calls.beginDeleteAndWait('rg', 'dom', name),
    }),
  },
  {
    scope: 'a domain topic',
    client: ({ domainTopicEventSubscriptions: calls }) => ({
      make: (name, body) => calls.beginCreateOrUpdateAndWait('rg', 'dom', 'one', name, body),
      update: (name) => calls.beginUpdateAndWait('rg', 'dom', 'one', name, labels),
      get: (name) => calls.get('rg', 'dom', 'one', name),
      list: () => calls.list('rg', 'dom', 'one'),
      getFullUrl: (name) => calls.getFullUrl('rg', 'dom', 'one', name),
      getDeliveryAttributes: (name) => calls.getDeliveryAttributes('rg', 'dom', 'one', name),
      remove: (name) => calls.beginDeleteAndWait('rg', 'dom', 'one', name),
    }),
  },
  {
    scope: 'a system topic',
    client: ({ systemTopicEventSubscriptions: calls }) => ({
      make: (name, body) => calls.beginCreateOrUpdateAndWait('rg', 'sys', name, body),
      update: (name) => calls.beginUpdateAndWait('rg', 'sys', name, labels),
      get: (name) => calls.get('rg', 'sys', name),
      list: () => calls.listBySystemTopic('rg', 'sys'),
      getFullUrl: (name) => calls.getFullUrl('rg', 'sys', name),
      getDeliveryAttributes: (name) => calls.getDeliveryAttributes('rg', 'sys', name),
      remove: (name) => calls.beginDeleteAndWait('rg', 'sys', name),
    }),
  },
]

for (const { scope, client } of ways)
  test(`the official client makes, reads, updates, lists and deletes event subscriptions on ${scope}`, async (t) => {
    const { eventGrid } = await connect(t)
    await eventGrid.domains.beginCreateOrUpdateAndWait('rg', 'dom', { location: 'westus2' })
    await eventGrid.systemTopics.beginCreateOrUpdateAndWait('rg', 'sys', {
      location: 'global',
      source: group,
      topicType: 'Microsoft.Resources.ResourceGroups',
    })
    const way = client(eventGrid)
    const made = await way.make('first', {
      destination: {
        ...hook.destination,
        deliveryAttributeMappings: [{ type: 'Static', name: 'x-a', value: 'secret', isSecret: true }],
      },
      filter: { advancedFilters: [{ operatorType: 'NumberIn', key: 'data.n', values: [1, 2] }] },
    })
    assert.equal(made.provisioningState, 'Succeeded')
    assert.equal(made.destination?.endpointType, 'WebHook')
    assert.deepEqual((await way.update('first')).labels, ['x'])
    assert.equal((await way.get('FIRST')).id, made.id)
    assert.deepEqual(names(await all(way.list())), ['first'])
    assert.equal((await way.getFullUrl('first')).endpointUrl, 'https://example.org/hook?code=1')
    assert.deepEqual((await way.getDeliveryAttributes('first')).value, [
      { type: 'Static', name: 'x-a', value: 'secret', isSecret: true },
    ])
    await way.remove('first')
    await assert.rejects(way.get('first'), { code: 'ResourceNotFound', statusCode: 404 })
  })

test('the official client lists event subscriptions by location and topic type, in all eight ways', async (t) => {
  const { eventGrid } = await connect(t)
  const { eventSubscriptions: lists } = eventGrid
  await eventGrid.domains.beginCreateOrUpdateAndWait('rg', 'dom', { location: 'westus2' })
  await eventGrid.domainTopicEventSubscriptions.beginCreateOrUpdateAndWait(
    'rg',
    'dom',
    'one',
    'on-topic',
    hook,
  )
  await lists.beginCreateOrUpdateAndWait(group, 'on-group', hook)
  const ofGroups = 'Microsoft.Resources.ResourceGroups'
  const ofDomains = 'Microsoft.EventGrid.Domains'
  for (const list of [
    lists.listGlobalBySubscription(),
    lists.listGlobalByResourceGroup('rg'),
    lists.listGlobalBySubscriptionForTopicType(ofGroups),
    lists.listGlobalByResourceGroupForTopicType('rg', ofGroups),
  ])
    assert.deepEqual(names(await all(list)), ['on-group'])
  for (const list of [
    lists.listRegionalBySubscription('westus2'),
    lists.listRegionalByResourceGroup('rg', 'westus2'),
    lists.listRegionalBySubscriptionForTopicType('westus2', ofDomains),
    lists.listRegionalByResourceGroupForTopicType('rg', 'westus2', ofDomains),
    lists.listByDomainTopic('rg', 'dom', 'one'),
  ])
    assert.deepEqual(names(await all(list)), ['on-topic'])
  assert.deepEqual(await all(lists.listRegionalBySubscriptionForTopicType('westus2', ofGroups)), [])
})

test('user-assigned identities get guids, keep them, and are taken away by null', async (t) => {
  const { server, eventGrid } = await connect(t)
  const identity = (name: string) =>
    `${group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/${name}`
  const { domains, topics } = eventGrid
  const made = await domains.beginCreateOrUpdateAndWait('rg', 'dom', {
    location: 'westus2',
    identity: { type: 'UserAssigned', userAssignedIdentities: { [identity('one')]: {} } },
  })
  const { principalId, clientId } = made.identity?.userAssignedIdentities?.[identity('one')] ?? {}
  assert.match(`${principalId} ${clientId}`, /^[0-9a-f-]{36} [0-9a-f-]{36}$/)
  assert.notEqual(principalId, clientId)
  const topic = await topics.beginCreateOrUpdateAndWait('rg', 'top', {
    location: 'westus2',
    identity: { type: 'SystemAssigned, UserAssigned', userAssignedIdentities: { [identity('one')]: {} } },
  })
  assert.equal(topic.identity?.userAssignedIdentities?.[identity('one')]?.principalId, principalId)
  assert.match(topic.identity?.principalId as string, /^[0-9a-f-]{36}$/)
  const patched = await server.call('PATCH', '/resourceGroups/rg/providers/Microsoft.EventGrid/domains/dom', {
    identity: {
      type: 'UserAssigned',
      userAssignedIdentities: { [identity('one').toLowerCase()]: null, [identity('two')]: {} },
    },
  })
  assert.deepEqual(Object.keys(patched.body.identity.userAssignedIdentities), [identity('two')])
})

test('the official client makes, approves, lists and deletes private endpoint connections', async (t) => {
  for (const parent of ['topics', 'domains', 'partnerNamespaces'] as const)
    await t.test(parent, async (each) => {
      const { server, eventGrid } = await connect(each)
      const registration = await eventGrid.partnerRegistrations.beginCreateOrUpdateAndWait('rg', 'contoso', {
        location: 'global',
      })
      const path = `/resourceGroups/rg/providers/Microsoft.EventGrid/${parent}/one`
      const own = parent === 'partnerNamespaces' && {
        partnerRegistrationFullyQualifiedId: registration.id,
      }
      await server.call('PUT', path, { location: 'westus2', properties: { ...own } })
      const { privateEndpointConnections: connections } = eventGrid
      assert.deepEqual(await all(connections.listByResource('rg', parent, 'one')), [])
      await assert.rejects(connections.get('rg', parent, 'one', 'c'), { statusCode: 404 })
      const id = `${subscription}/resourceGroups/rg/providers/Microsoft.Network/privateEndpoints/office`
      const made = await connections.beginUpdateAndWait('rg', parent, 'one', 'c', { privateEndpoint: { id } })
      assert.equal(made.privateLinkServiceConnectionState?.status, 'Pending')
      assert.deepEqual(made.groupIds, [parent.replace(/s$/, '').toLowerCase()])
      const approved = await connections.beginUpdateAndWait('rg', parent, 'one', 'c', {
        privateLinkServiceConnectionState: { status: 'Approved', description: 'ours' },
      })
      assert.equal(approved.privateLinkServiceConnectionState?.status, 'Approved')
      assert.equal(approved.privateEndpoint?.id, id)
      await assert.rejects(
        connections.beginUpdateAndWait('rg', parent, 'one', 'c', { privateEndpoint: { id: `${id}2` } }),
        { code: 'PropertyChangeNotAllowed' },
      )
      await assert.rejects(connections.beginUpdateAndWait('rg', parent, 'one', 'd', {}), {
        code: 'InvalidRequest',
      })
      const whole = (await server.call('GET', path)).body.properties.privateEndpointConnections
      assert.deepEqual(
        whole.map(({ name, properties }: { name: string; properties: { groupIds: string[] } }) => [
          name,
          properties.groupIds,
        ]),
        [['c', made.groupIds]],
      )
      await connections.beginDeleteAndWait('rg', parent, 'one', 'c')
      assert.equal((await server.call('GET', path)).body.properties.privateEndpointConnections, null)
      await connections.beginDeleteAndWait('rg', parent, 'one', 'c')
    })
})

test('the official client is told what a private endpoint could be made for', async (t) => {
  const { server, eventGrid } = await connect(t)
  await eventGrid.domains.beginCreateOrUpdateAndWait('rg', 'dom', { location: 'westus2' })
  const { privateLinkResources } = eventGrid
  const [link] = await all(privateLinkResources.listByResource('rg', 'domains', 'dom'))
  assert.deepEqual([link?.groupId, link?.requiredMembers], ['domain', ['domain']])
  assert.equal((await privateLinkResources.get('rg', 'domains', 'dom', 'domain')).id, link?.id)
  await assert.rejects(all(privateLinkResources.listByResource('rg', 'domains', 'none')), { statusCode: 404 })
  const perimeters =
    '/resourceGroups/rg/providers/Microsoft.EventGrid/domains/dom/networkSecurityPerimeterConfigurations'
  assert.deepEqual((await server.call('GET', perimeters)).body, { value: [] })
  assert.equal((await server.call('GET', `${perimeters}/guid.name`)).status, 404)
  assert.equal((await server.call('POST', `${perimeters}/guid.name/reconcile`)).status, 404)
})
