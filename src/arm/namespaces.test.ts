import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ControlPlane, knownAccount, startControlPlane, subscription } from '../testing/control-plane.ts'
import { ManualClock } from '../testing/manual-clock.ts'

const path = '/resourceGroups/rg/providers/Microsoft.EventGrid/namespaces/plant'
const topic = `${path}/topics/readings`
const es = `${topic}/eventSubscriptions/es1`

async function start(t: Parameters<typeof startControlPlane>[0], options = {}): Promise<ControlPlane> {
  const server = await startControlPlane(t, options)
  await server.call('PUT', '/resourceGroups/rg', { location: 'westus2' })
  return server
}

const namespace = (properties: unknown = {}, more: Readonly<Record<string, unknown>> = {}) => ({
  ...{ location: 'westus2', identity: { type: 'SystemAssigned' }, properties },
  ...more,
})

/** With namespace and topic made. */
async function startWithTopic(t: Parameters<typeof startControlPlane>[0], options = {}) {
  const server = await start(t, options)
  assert.equal((await server.call('PUT', path, namespace())).status, 201)
  assert.equal((await server.call('PUT', topic, { properties: {} })).status, 201)
  return server
}

/** Expects a refusal that names that member. */
async function refused(
  { call }: ControlPlane,
  at: string,
  body: unknown,
  target: string | undefined,
  method = 'PUT',
) {
  const answer = await call(method, at, body)
  assert.equal(answer.status, 400, JSON.stringify(answer.body))
  if (target !== undefined) assert.equal(answer.body.error.target, target, answer.body.error.message)
  return answer.body.error as { code: string; message: string }
}

test('a namespace has one throughput unit, disabled topic spaces and two keys unless it says otherwise', async (t) => {
  const { call } = await start(t)
  const { body, status } = await call('PUT', path, { location: 'westus2' })
  assert.equal(status, 201)
  assert.deepEqual(body.sku, { name: 'Standard', capacity: 1 })
  const { topicSpacesConfiguration, topicsConfiguration, publicNetworkAccess } = body.properties
  assert.equal(topicSpacesConfiguration.state, 'Disabled')
  assert.equal('hostname' in topicSpacesConfiguration, false)
  assert.match(topicsConfiguration.hostname, /^127\.0\.0\.1:\d+\/namespaces\/westus2\/plant$/)
  assert.equal(publicNetworkAccess, 'Enabled')
  const keys = (await call('POST', `${path}/listKeys`)).body
  assert.match(keys.key1, /^[A-Za-z0-9+/]{43}=$/)
  const fresh = (await call('POST', `${path}/regenerateKey`, { keyName: 'key1' })).body
  assert.notEqual(fresh.key1, keys.key1)
  assert.equal(fresh.key2, keys.key2)
})

test('throughput units are 1 to 40, and an update changes them and nothing else', async (t) => {
  const server = await start(t)
  for (const capacity of [0, 41, 1.5, '2'])
    await refused(server, path, namespace({}, { sku: { name: 'Standard', capacity } }), 'sku.capacity')
  await refused(server, path, namespace({}, { sku: { name: 'Premium' } }), 'sku.name')
  await server.call('PUT', path, namespace({}, { sku: { name: 'Standard', capacity: 40 } }))
  const { properties } = (await server.call('GET', path)).body
  const { status, body } = await server.call('PATCH', path, { sku: { capacity: 3 } })
  assert.equal(status, 200)
  assert.deepEqual(body.sku, { name: 'Standard', capacity: 3 })
  assert.deepEqual(body.properties, properties)
  assert.equal(server.catalog.namespaces.only?.capacity, 3)
})

test('the profile of a namespace is the tag busbar-profile, which has two words', async (t) => {
  const server = await start(t)
  await refused(server, path, namespace({}, { tags: { 'busbar-profile': 'lax' } }), 'tags.busbar-profile')
  await server.call('PUT', path, namespace({}, { tags: { 'Busbar-Profile': 'Strict' } }))
  assert.equal(server.catalog.namespaces.only?.profile, 'strict')
  const change = { operation: 'Merge', properties: { tags: { 'busbar-profile': 'lax' } } }
  const tags = `${path}/providers/Microsoft.Resources/tags/default`
  assert.equal((await server.call('PATCH', tags, change)).status, 400)
  assert.equal(server.catalog.namespaces.only?.profile, 'strict')
  await server.call('PATCH', path, { tags: {} })
  assert.equal(server.catalog.namespaces.only?.profile, undefined)
})

test('a namespace is found by path, by host name, by custom domain, and no longer once it is deleted', async (t) => {
  const { call, catalog } = await start(t)
  const custom = (name: string) => ({ customDomains: [{ fullyQualifiedDomainName: name }] })
  const topicSpacesConfiguration = { state: 'Enabled', ...custom('mqtt.example.org') }
  await call(
    'PUT',
    path,
    namespace({ topicsConfiguration: custom('Events.Example.Org'), topicSpacesConfiguration }),
  )
  const { namespaces } = catalog
  const paths = ['/namespaces/westus2/plant', '/Namespaces/WestUS2/Plant', '/namespaces/plant']
  const hosts = [
    'plant.westus2-1.eventgrid.azure.net',
    'Plant.westus2-1.eventgrid.localhost',
    'events.example.org',
  ]
  const mqttHosts = ['plant.westus2-1.ts.eventgrid.azure.net', 'MQTT.example.org']
  const found = () => [
    ...paths.map((each) => namespaces.byPath(each)?.name),
    ...hosts.map((each) => namespaces.byHost(each)?.name),
    ...mqttHosts.map((each) => namespaces.byMqttHost(each)?.name),
    namespaces.only?.name,
    namespaces.onlyMqtt?.name,
  ]
  assert.ok(
    found().every((name) => name === 'plant'),
    String(found()),
  )
  assert.equal(namespaces.byHost('mqtt.example.org'), undefined)
  await call('DELETE', path)
  assert.ok(
    found().every((name) => name === undefined),
    String(found()),
  )
})

test('where two regions have a namespace of one name, its path without a region means neither', async (t) => {
  const { call, catalog } = await start(t)
  await call('PUT', path, namespace())
  await call('PUT', '/resourceGroups/east', { location: 'eastus' })
  const east = path.replace('/rg/', '/east/')
  assert.equal((await call('PUT', east, { ...namespace(), location: 'eastus' })).status, 201)
  const { namespaces } = catalog
  assert.equal(namespaces.byPath('/namespaces/plant'), undefined)
  assert.equal(namespaces.only, undefined)
  assert.equal(namespaces.byPath('/namespaces/eastus/plant')?.location, 'eastus')
  await call('DELETE', east)
  assert.equal(namespaces.byPath('/namespaces/plant')?.location, 'westus2')
})

test('a topic, or another namespace, of that name and region is refused: they would have one host name', async (t) => {
  const { call } = await start(t)
  await call('PUT', path, namespace())
  const rival = await call('PUT', path.replace('namespaces', 'topics'), { location: 'westus2' })
  assert.equal(rival.status, 409)
})

test('a custom domain leads to one place', async (t) => {
  const server = await start(t)
  const customDomains = [{ fullyQualifiedDomainName: 'events.example.org' }]
  const both = { topicsConfiguration: { customDomains }, topicSpacesConfiguration: { customDomains } }
  await refused(server, path, namespace(both), 'properties.topicSpacesConfiguration.customDomains')
  await server.call('PUT', path, namespace({ topicsConfiguration: { customDomains } }))
  const other = namespace({ topicsConfiguration: { customDomains } })
  await refused(server, `${path}-2`, other, 'properties.topicsConfiguration.customDomains')
  const { body } = await server.call('POST', `${path}/validateCustomDomainOwnership`)
  assert.equal(body.customDomainsForTopicsConfiguration[0].validationState, 'Approved')
  assert.deepEqual(body.customDomainsForTopicSpacesConfiguration, [])
})

test('topic spaces that are enabled stay so, and an update names one member without losing the others', async (t) => {
  const server = await start(t)
  const spaces = { state: 'Enabled', maximumClientSessionsPerAuthenticationName: 7 }
  await server.call('PUT', path, namespace({ topicSpacesConfiguration: spaces }))
  const change = { properties: { topicSpacesConfiguration: { maximumSessionExpiryInHours: 4 } } }
  const { body } = await server.call('PATCH', path, change)
  const { state, maximumClientSessionsPerAuthenticationName, maximumSessionExpiryInHours, hostname } =
    body.properties.topicSpacesConfiguration
  assert.deepEqual(
    [state, maximumClientSessionsPerAuthenticationName, maximumSessionExpiryInHours, hostname],
    ['Enabled', 7, 4, '127.0.0.1'],
  )
  const disabled = { properties: { topicSpacesConfiguration: { state: 'Disabled' } } }
  const error = await refused(server, path, disabled, 'properties.topicSpacesConfiguration.state', 'PATCH')
  assert.equal(error.code, 'PropertyChangeNotAllowed')
})

for (const [member, value] of [
  ['maximumSessionExpiryInHours', 9],
  ['maximumClientSessionsPerAuthenticationName', 101],
  ['routeTopicResourceId', 'readings'],
  ['routingEnrichments.static[0].key', { routingEnrichments: { static: [{ key: 'Upper', value: 'x' }] } }],
  ['routingEnrichments.static[0].key', { routingEnrichments: { static: [{ key: 'source', value: 'x' }] } }],
  ['routingEnrichments.dynamic[0].value', { routingEnrichments: { dynamic: [{ key: 'a', value: '' }] } }],
  [
    'clientAuthentication.customJwtAuthentication.issuerCertificates',
    { clientAuthentication: { customJwtAuthentication: { tokenIssuer: 'https://issuer' } } },
  ],
  [
    'clientAuthentication.webhookAuthentication.endpointUrl',
    { clientAuthentication: { webhookAuthentication: { endpointUrl: 'http://example.org' } } },
  ],
] as const)
  test(`topic spaces are refused for ${member} of ${JSON.stringify(value)}`, async (t) => {
    const spaces = typeof value === 'object' ? value : { [member]: value }
    const server = await start(t)
    const body = namespace({ topicSpacesConfiguration: spaces })
    await refused(server, path, body, `properties.topicSpacesConfiguration.${member}`)
  })

test('messages may be routed to a topic of the namespace itself, and to a custom topic of its region with CloudEvents', async (t) => {
  const server = await startWithTopic(t)
  const route = (id: string) => ({
    properties: { topicSpacesConfiguration: { state: 'Enabled', routeTopicResourceId: subscription + id } },
  })
  const at = 'properties.topicSpacesConfiguration.routeTopicResourceId'
  const custom = path.replace('namespaces/plant', 'topics/custom')
  await server.call('PUT', custom, { location: 'westus2' })
  for (const id of [custom, `${path}/topics/missing`, `${path}-2/topics/readings`])
    await refused(server, path, route(id), at, 'PATCH')
  const clouds = path.replace('namespaces/plant', 'topics/clouds')
  const far = path.replace('namespaces/plant', 'topics/far')
  const inputSchema = { inputSchema: 'CloudEventSchemaV1_0' }
  await server.call('PUT', clouds, { location: 'westus2', properties: inputSchema })
  await server.call('PUT', far, { location: 'eastus', properties: inputSchema })
  await refused(server, path, route(far), at, 'PATCH')
  for (const id of [topic, clouds]) {
    assert.equal((await server.call('PATCH', path, route(id))).status, 200)
    assert.equal(server.catalog.namespaces.only?.mqtt?.routing?.targetId, subscription + id)
  }
  // It may go, which is no reason to refuse another change.
  await server.call('DELETE', clouds)
  assert.equal((await server.call('PATCH', path, { tags: { a: 'b' } })).status, 200)
})

test('the URL of an authentication webhook is never shown, and kept when what was read is sent back', async (t) => {
  const server = await start(t)
  const webhookAuthentication = {
    endpointUrl: 'https://example.org/clients?code=secret',
    azureActiveDirectoryTenantId: 'tenant',
    azureActiveDirectoryApplicationIdOrUri: 'api://clients',
  }
  const spaces = { state: 'Enabled', clientAuthentication: { webhookAuthentication } }
  await server.call('PUT', path, namespace({ topicSpacesConfiguration: spaces }))
  const read = (await server.call('GET', path)).body
  assert.equal(JSON.stringify(read).includes('secret'), false)
  assert.equal((await server.call('PATCH', path, read)).status, 200)
  const authentication = server.catalog.namespaces.only?.mqtt?.clientAuthentication
  assert.equal(authentication?.webhook?.endpointUrl, webhookAuthentication.endpointUrl)
})

test('a namespace topic keeps events for 1 to 7 days, 7 unless it says otherwise', async (t) => {
  const server = await startWithTopic(t)
  const { properties } = (await server.call('GET', topic)).body
  assert.deepEqual(properties, {
    provisioningState: 'Succeeded',
    ...{ publisherType: 'Custom', inputSchema: 'CloudEventSchemaV1_0', eventRetentionInDays: 7 },
  })
  for (const eventRetentionInDays of [0, 8])
    await refused(server, topic, { properties: { eventRetentionInDays } }, 'properties.eventRetentionInDays')
  await refused(server, topic, { properties: { inputSchema: 'EventGridSchema' } }, 'properties.inputSchema')
  const changed = await server.call('PATCH', topic, { properties: { eventRetentionInDays: 1 } })
  assert.equal(changed.body.properties.eventRetentionInDays, 1)
  const keys = (await server.call('POST', `${topic}/listKeys`)).body
  assert.notEqual(keys.key1, (await server.call('POST', `${path}/listKeys`)).body.key1)
})

test('a strict namespace has at most a hundred topics for each throughput unit', async (t) => {
  const { call } = await start(t)
  await call('PUT', path, namespace({}, { tags: { 'busbar-profile': 'strict' } }))
  for (let n = 0; n < 100; n++) {
    const { status } = await call('PUT', `${path}/topics/topic-${n}`, { properties: {} })
    assert.equal(status, 201)
  }
  const one = await call('PUT', `${path}/topics/topic-100`, { properties: {} })
  assert.equal(one.status, 409)
  assert.equal((await call('PUT', `${path}/topics/topic-0`, { properties: {} })).status, 200 + 1)
  await call('PATCH', path, { sku: { capacity: 2 } })
  assert.equal((await call('PUT', `${path}/topics/topic-100`, { properties: {} })).status, 201)
})

test('an event subscription that says nothing is received from: a lock of a minute, ten deliveries, the retention of its topic', async (t) => {
  const { call, catalog } = await startWithTopic(t)
  const { body, status } = await call('PUT', es, { properties: {} })
  assert.equal(status, 201)
  assert.deepEqual(body.properties, {
    provisioningState: 'Succeeded',
    deliveryConfiguration: {
      deliveryMode: 'Queue',
      queue: {
        ...{ receiveLockDurationInSeconds: 60, maxDeliveryCount: 10, eventTimeToLive: 'P7D' },
        deadLetterDestinationWithResourceIdentity: null,
      },
    },
    eventDeliverySchema: 'CloudEventSchemaV1_0',
    filtersConfiguration: { includedEventTypes: null, filters: null },
    expirationTimeUtc: null,
  })
  const [found] = catalog.eventSubscriptionsOf(subscription + topic)
  assert.equal(found?.destination, undefined)
  assert.deepEqual(found?.queue, { lockMs: 60_000 })
  assert.equal(found?.maxDeliveryAttempts, 10)
  const byName = (name: string) =>
    catalog.namespaces.eventSubscriptionNamed({ id: subscription + topic }, name)?.uid
  assert.equal(byName('ES1'), found?.uid)
  await call('DELETE', es)
  assert.equal(byName('es1'), undefined)
})

test('no event subscription keeps events for longer than its topic', async (t) => {
  const server = await startWithTopic(t)
  const queue = (eventTimeToLive: string) => ({
    properties: { deliveryConfiguration: { deliveryMode: 'Queue', queue: { eventTimeToLive } } },
  })
  for (const wrong of ['PT59S', 'P8D', 'P1M', '60', ''])
    await refused(server, es, queue(wrong), 'properties.deliveryConfiguration.queue.eventTimeToLive')
  await server.call('PUT', es, queue('P2DT12H'))
  const timeToLive = () => server.catalog.eventSubscriptionsOf(subscription + topic)[0]?.eventTimeToLiveMs
  assert.equal(timeToLive(), 60 * 3_600_000)
  await server.call('PATCH', topic, { properties: { eventRetentionInDays: 1 } })
  assert.equal(timeToLive(), 24 * 3_600_000)
  assert.equal(server.changes.at(-1)?.eventSubscriptions[0]?.after?.eventTimeToLiveMs, 24 * 3_600_000)
})

for (const [member, value] of [
  ['receiveLockDurationInSeconds', 59],
  ['receiveLockDurationInSeconds', 301],
  ['maxDeliveryCount', 0],
  ['maxDeliveryCount', 11],
] as const)
  test(`a queue with ${member} of ${value} is refused`, async (t) => {
    const server = await startWithTopic(t)
    const properties = { deliveryConfiguration: { deliveryMode: 'Queue', queue: { [member]: value } } }
    await refused(server, es, { properties }, `properties.deliveryConfiguration.queue.${member}`)
  })

const webhook = { endpointType: 'WebHook', properties: { endpointUrl: 'https://example.org/hook?code=s' } }

test('what is received from is not delivered, and the one does not become the other', async (t) => {
  const server = await startWithTopic(t)
  const configuration = (deliveryMode: string, more: object) => ({
    properties: { deliveryConfiguration: { deliveryMode, ...more } },
  })
  const both = { queue: {}, push: { destination: webhook } }
  await refused(server, es, configuration('Queue', both), 'properties.deliveryConfiguration.push')
  await refused(server, es, configuration('Push', both), 'properties.deliveryConfiguration.queue')
  await refused(server, es, configuration('Push', {}), 'properties.deliveryConfiguration.push.destination')
  await server.call('PUT', es, configuration('Queue', { queue: {} }))
  const error = await refused(
    server,
    es,
    configuration('Push', { push: { destination: webhook } }),
    'properties.deliveryConfiguration.deliveryMode',
  )
  assert.equal(error.code, 'PropertyChangeNotAllowed')
})

test('an update of a push event subscription names some members and keeps the others, the hidden URL too', async (t) => {
  const server = await startWithTopic(t)
  const push = { maxDeliveryCount: 3, destination: webhook }
  await server.call('PUT', es, { properties: { deliveryConfiguration: { deliveryMode: 'Push', push } } })
  const change = { properties: { deliveryConfiguration: { push: { eventTimeToLive: 'PT5M' } } } }
  const { body, status } = await server.call('PATCH', es, change)
  assert.equal(status, 200, JSON.stringify(body))
  assert.equal(body.properties.deliveryConfiguration.push.maxDeliveryCount, 3)
  assert.equal(body.properties.deliveryConfiguration.push.eventTimeToLive, 'PT5M')
  const { body: full } = await server.call('POST', `${es}/getFullUrl`)
  assert.equal(full.endpointUrl, 'https://example.org/hook?code=s')
  const filtersConfiguration = { includedEventTypes: ['reading'] }
  const filtered = await server.call('PATCH', es, { properties: { filtersConfiguration } })
  assert.deepEqual(filtered.body.properties.filtersConfiguration.includedEventTypes, ['reading'])
  assert.equal(filtered.body.properties.deliveryConfiguration.push.eventTimeToLive, 'PT5M')
})

test('identities are those of the namespace, in any of the spellings that clients have for them', async (t) => {
  const server = await startWithTopic(t)
  const container = { resourceId: knownAccount, blobContainerName: 'letters' }
  const deadLetterDestination = { endpointType: 'StorageBlob', properties: container }
  const deadLetteredAs = (identity: unknown, nested = true) => ({
    properties: {
      deliveryConfiguration: {
        deliveryMode: 'Queue',
        queue: {
          deadLetterDestinationWithResourceIdentity: nested
            ? { identity, deadLetterDestination }
            : { identity, ...deadLetterDestination },
        },
      },
    },
  })
  const stored = async (body: unknown) => {
    const answer = await server.call('PUT', es, body)
    assert.equal(answer.status, 201, JSON.stringify(answer.body))
    return answer.body.properties.deliveryConfiguration.queue.deadLetterDestinationWithResourceIdentity
  }
  const wanted = {
    identity: { type: 'SystemAssigned', userAssignedIdentity: null },
    deadLetterDestination,
    deliveryRetryPeriodInDays: 2,
  }
  assert.deepEqual(await stored(deadLetteredAs({ type: 'SystemAssigned' })), wanted)
  assert.deepEqual(await stored(deadLetteredAs({ type: 'SystemAssigned' }, false)), wanted)
  const id = `${subscription}/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/mine`
  await refused(server, es, deadLetteredAs({ type: 'UserAssigned', userAssignedIdentity: id }), undefined)
  await server.call('PATCH', path, {
    identity: { type: 'SystemAssigned, UserAssigned', userAssignedIdentities: { [id]: {} } },
  })
  for (const identity of [
    { userAssignedIdentity: id },
    { userAssignedIdentities: id },
    { userAssignedIdentities: [id] },
    { userAssignedIdentities: { [id]: {} } },
  ]) {
    const { identity: found } = await stored(deadLetteredAs({ type: 'UserAssigned', ...identity }))
    assert.deepEqual(found, { type: 'UserAssigned', userAssignedIdentity: id })
  }
})

test('a destination is asked before a push event subscription is in force, and a queue is in force at once', async (t) => {
  const asked: string[] = []
  const verify = async ({
    context,
  }: {
    context: { eventSubscriptionId: string; ofNamespaceTopic?: true | undefined }
  }) => {
    asked.push(`${context.eventSubscriptionId} ${context.ofNamespaceTopic}`)
    return { kind: 'refused', message: 'no' } as const
  }
  const { call, catalog } = await startWithTopic(t, { verify })
  await call('PUT', `${es}-queue`, { properties: {} })
  const push = { deliveryMode: 'Push', push: { destination: webhook } }
  await call('PUT', es, { properties: { deliveryConfiguration: push } })
  assert.deepEqual(asked, [`${subscription}${es} true`])
  assert.equal((await call('GET', es)).body.properties.provisioningState, 'Failed')
  const names = catalog.eventSubscriptionsOf(subscription + topic).map(({ name }) => name)
  assert.deepEqual(names, ['es1-queue'])
})

test('a namespace goes with its topics and their event subscriptions', async (t) => {
  const { call, catalog } = await startWithTopic(t)
  await call('PUT', es, { properties: {} })
  await call('DELETE', path)
  for (const each of [es, topic, path]) assert.equal((await call('GET', each)).status, 404)
  assert.deepEqual([...catalog.eventSubscriptions()], [])
  assert.deepEqual([...catalog.namespaces.topics()], [])
})

test('what is stored is found again after a start, with the retention of the topic', async (t) => {
  const server = await startWithTopic(t)
  await server.call('PATCH', topic, { properties: { eventRetentionInDays: 2 } })
  await server.call('PUT', es, { properties: {} })
  await server.close()
  const { catalog } = await startControlPlane(t, { disk: server.disk })
  assert.equal(catalog.namespaces.only?.name, 'plant')
  assert.equal(
    catalog.namespaces.topicNamed({ id: subscription + path }, 'READINGS')?.retentionMs,
    172_800_000,
  )
  assert.equal([...catalog.eventSubscriptions()][0]?.eventTimeToLiveMs, 172_800_000)
})

test('the system topic that came with an event subscription on a namespace goes with the namespace', async (t) => {
  const topicType = () => ({
    ...{ name: 'Microsoft.EventGrid.Namespaces', isGlobal: false, sourceFormat: '', isSource: () => true },
    eventTypes: [{ name: 'Microsoft.EventGrid.MQTTClientCreatedOrUpdated', isInDefaultSet: true }],
  })
  const server = await startWithTopic(t, { topicType })
  const on = `${path}/providers/Microsoft.EventGrid/eventSubscriptions/lifecycle`
  const made = await server.call('PUT', on, { properties: { destination: webhook } })
  assert.equal(made.status, 201, JSON.stringify(made.body))
  assert.ok(server.catalog.stored.systemTopicOf(subscription + path))
  await server.call('DELETE', path)
  assert.equal(server.catalog.stored.systemTopicOf(subscription + path), undefined)
  assert.deepEqual([...server.catalog.eventSubscriptions()], [])
})

test('an event subscription of a namespace topic is gone when its expiration time has come, and not before', async (t) => {
  const clock = new ManualClock()
  const { call, catalog } = await startWithTopic(t, { clock })
  const expirationTimeUtc = new Date(clock.now() + 60_000).toISOString()
  await call('PUT', es, { properties: { expirationTimeUtc } })
  await clock.advance(60_000 - 1)
  assert.equal((await call('GET', es)).status, 200)
  await clock.advance(1)
  assert.equal((await call('GET', es)).status, 404)
  assert.deepEqual([...catalog.eventSubscriptions()], [])
})
