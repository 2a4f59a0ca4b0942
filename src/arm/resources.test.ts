import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type Answer,
  apiVersion,
  eventSubscriptionPath,
  startControlPlane,
  subscription,
  topicPath,
  toWebhook,
} from '../testing/control-plane.ts'

const guid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

test('a group is made with 201, replaced with 200, updated with 200, seen by GET and HEAD', async (t) => {
  const { call } = await startControlPlane(t)
  const made = await call('PUT', '/resourcegroups/My.Group', { location: 'West US 2', tags: { a: 'b' } })
  assert.equal(made.status, 201)
  assert.deepEqual(made.body, {
    properties: { provisioningState: 'Succeeded' },
    location: 'westus2',
    tags: { a: 'b' },
    id: `${subscription}/resourceGroups/My.Group`,
    name: 'My.Group',
    type: 'Microsoft.Resources/resourceGroups',
  })
  assert.equal(made.headers.get('azure-asyncoperation'), null)
  assert.equal((await call('PUT', '/resourceGroups/my.group', { location: 'westus2' })).status, 200)
  const patched = await call('PATCH', '/resourceGroups/my.group', { tags: { c: 'd' } })
  assert.equal(patched.status, 200)
  assert.deepEqual(patched.body.tags, { c: 'd' })
  assert.equal((await call('HEAD', '/resourceGroups/MY.GROUP')).status, 204)
  assert.equal((await call('HEAD', '/resourceGroups/other')).status, 404)
  assert.equal((await call('GET', '/resourceGroups/other')).body.error.code, 'ResourceGroupNotFound')
})

test('an input schema mapping is printed whole, and neither it nor the input schema may change', async (t) => {
  const { call } = await startControlPlane(t)
  await call('PUT', '/resourceGroups/rg', { location: 'westus2' })
  const put = (properties: object) => call('PUT', topicPath, { location: 'westus2', properties })
  const custom = (mapped: unknown) => ({
    inputSchema: 'CustomEventSchema',
    inputSchemaMapping: { inputSchemaMappingType: 'Json', properties: mapped },
  })
  const mapped = {
    id: { sourceField: 'key' },
    eventType: { sourceField: 'a.kind', defaultValue: 'Any' },
    subject: { defaultValue: '' },
  }
  const printed = {
    inputSchemaMappingType: 'Json',
    properties: {
      id: { sourceField: 'key' },
      topic: { sourceField: null },
      eventTime: { sourceField: null },
      eventType: { sourceField: 'a.kind', defaultValue: 'Any' },
      subject: { sourceField: null, defaultValue: '' },
      dataVersion: { sourceField: null, defaultValue: null },
    },
  }
  assert.equal((await put(custom(mapped))).status, 201)
  const read = await call('GET', topicPath)
  assert.equal(read.body.properties.inputSchema, 'CustomEventSchema')
  assert.deepEqual(read.body.properties.inputSchemaMapping, printed)
  for (const same of [mapped, printed.properties, { ...mapped, topic: null, dataVersion: {} }])
    assert.equal((await put(custom(same))).status, 201)
  assert.equal((await call('PATCH', topicPath, { tags: { a: 'b' } })).status, 200)
  assert.equal((await call('PATCH', topicPath, { properties: custom(mapped) })).status, 200)
  for (const other of [
    custom({ ...mapped, id: { sourceField: 'Key' } }),
    custom({ ...mapped, topic: { sourceField: 't' } }),
    custom({ ...mapped, subject: null }),
    custom(null),
    { inputSchema: 'CustomEventSchema' },
    {},
  ]) {
    const refused = await put(other)
    assert.deepEqual([refused.status, refused.body.error.code], [400, 'PropertyChangeNotAllowed'])
  }
  assert.deepEqual((await call('GET', topicPath)).body.properties, read.body.properties)
})

test('custom events need no mapping, and empty names of fields are as good as none', async (t) => {
  const { makeTopic, call } = await startControlPlane(t)
  await makeTopic({ inputSchema: 'customeventschema' })
  const { body } = await call('GET', topicPath)
  assert.equal(body.properties.inputSchema, 'CustomEventSchema')
  assert.equal(body.properties.inputSchemaMapping, null)
  await call('DELETE', topicPath)
  const properties = { topic: { sourceField: '' }, eventType: { sourceField: '', defaultValue: 'T' } }
  await makeTopic({
    inputSchema: 'CustomEventSchema',
    inputSchemaMapping: { inputSchemaMappingType: 'json', properties },
  })
  const { topic, eventType } = (await call('GET', topicPath)).body.properties.inputSchemaMapping.properties
  assert.deepEqual(
    { topic, eventType },
    { topic: { sourceField: null }, eventType: { sourceField: null, defaultValue: 'T' } },
  )
})

test('a topic is answered with 201 each time, with its endpoint, and with an operation that has succeeded', async (t) => {
  const { call, poll, url } = await startControlPlane(t)
  await call('PUT', '/resourceGroups/rg', { location: 'westus2' })
  for (const attempt of [1, 2]) {
    const made = await call('PUT', topicPath, { location: 'West US 2', tags: { n: String(attempt) } })
    assert.equal(made.status, 201)
    assert.equal(made.body.properties.provisioningState, 'Succeeded')
    assert.equal(made.body.properties.endpoint, `${url}/topics/westus2/orders/api/events`)
    assert.match(made.body.properties.metricResourceId, guid)
    assert.equal(made.body.properties.inputSchema, 'EventGridSchema')
    assert.equal(made.body.location, 'westus2')
    assert.deepEqual(made.body.identity, {
      type: 'None',
      principalId: null,
      tenantId: null,
      userAssignedIdentities: null,
    })
    assert.equal(made.body.systemData.createdBy, 'tester')
    assert.equal(made.headers.get('retry-after'), '1')
    assert.equal(made.headers.get('x-go-azure-sdk-skip-polling-delay'), 'true')
    const operation = await poll(made)
    assert.equal(operation.status, 200)
    assert.equal(operation.body.status, 'Succeeded')
    assert.equal(operation.body.id, made.headers.get('azure-asyncoperation'))
    assert.match(operation.body.name, guid)
  }
  const read = await call('GET', topicPath.replace('orders', 'ORDERS'))
  assert.equal(read.status, 200)
  assert.equal(read.body.name, 'orders')
})

test('a topic is updated with 200, deleted with 202 and then 204, and its operation result is 204', async (t) => {
  const { call, poll, raw, makeTopic } = await startControlPlane(t)
  await makeTopic()
  const patched = await call('PATCH', topicPath, {
    properties: { publicNetworkAccess: 'disabled' },
    tags: { x: 'y' },
  })
  assert.equal(patched.status, 200)
  assert.equal(patched.body.properties.publicNetworkAccess, 'Disabled')
  assert.deepEqual(patched.body.tags, { x: 'y' })
  assert.equal((await poll(patched)).body.status, 'Succeeded')
  const deleted = await call('DELETE', topicPath)
  assert.equal(deleted.status, 202)
  assert.equal((await poll(deleted)).body.status, 'Succeeded')
  assert.equal((await raw('GET', deleted.headers.get('location') as string)).status, 204)
  assert.equal((await call('DELETE', topicPath)).status, 204)
  assert.equal((await call('GET', topicPath)).body.error.code, 'ResourceNotFound')
  const inNoGroup = await call('DELETE', topicPath.replace('/rg/', '/none/'))
  assert.equal(inNoGroup.status, 404)
  assert.equal(inNoGroup.body.error.code, 'ResourceGroupNotFound')
})

test('keys are listed, one is regenerated and the other stays, and no polling header is sent', async (t) => {
  const { call, catalog, makeTopic } = await startControlPlane(t)
  await makeTopic()
  const first = await call('POST', `${topicPath}/listKeys`)
  assert.equal(first.status, 200)
  assert.equal(first.body.key1.length, 44)
  const next = await call('POST', `${topicPath}/regenerateKey`, { keyName: 'KEY1' })
  assert.equal(next.status, 200)
  assert.equal(next.headers.get('azure-asyncoperation'), null)
  assert.notEqual(next.body.key1, first.body.key1)
  assert.equal(next.body.key2, first.body.key2)
  assert.deepEqual(catalog.topic(subscription + topicPath)?.keys, [next.body.key1, next.body.key2])
  await call('PUT', topicPath, { location: 'westus2' })
  assert.deepEqual((await call('POST', `${topicPath}/LISTKEYS`)).body, next.body)
})

test('a system-assigned identity keeps its guids while it is there', async (t) => {
  const { call } = await startControlPlane(t)
  await call('PUT', '/resourceGroups/rg', { location: 'westus2' })
  const body = { location: 'westus2', identity: { type: 'systemassigned' } }
  const { identity } = (await call('PUT', topicPath, body)).body
  assert.match(identity.principalId, guid)
  assert.equal(identity.type, 'SystemAssigned')
  assert.deepEqual((await call('PUT', topicPath, body)).body.identity, identity)
  assert.deepEqual((await call('PATCH', topicPath, { tags: {} })).body.identity, identity)
  assert.equal((await call('PATCH', topicPath, { identity: { type: 'None' } })).body.identity.type, 'None')
})

test('an event subscription is one record under both forms, printed in the form of the request', async (t) => {
  const { call, makeTopic } = await startControlPlane(t)
  await makeTopic()
  const made = await call('PUT', eventSubscriptionPath, toWebhook())
  assert.equal(made.status, 201)
  assert.deepEqual(made.body.properties, {
    topic: `${subscription}/resourceGroups/rg/providers/microsoft.eventgrid/topics/orders`,
    provisioningState: 'Succeeded',
    destination: {
      endpointType: 'WebHook',
      properties: {
        maxEventsPerBatch: 1,
        preferredBatchSizeInKilobytes: 64,
        azureActiveDirectoryTenantId: null,
        azureActiveDirectoryApplicationIdOrUri: null,
        minimumTlsVersionAllowed: null,
        deliveryAttributeMappings: null,
        endpointUrl: null,
        endpointBaseUrl: 'https://example.org/hook',
      },
    },
    filter: {
      subjectBeginsWith: '',
      subjectEndsWith: '',
      includedEventTypes: null,
      advancedFilters: null,
      enableAdvancedFilteringOnArrays: null,
    },
    labels: null,
    expirationTimeUtc: null,
    eventDeliverySchema: 'EventGridSchema',
    retryPolicy: { maxDeliveryAttempts: 30, eventTimeToLiveInMinutes: 1440 },
    deadLetterDestination: null,
    deliveryWithResourceIdentity: null,
    deadLetterWithResourceIdentity: null,
  })
  assert.equal(made.body.type, 'Microsoft.EventGrid/eventSubscriptions')
  const nested = await call('GET', `${topicPath}/eventSubscriptions/ES1`)
  assert.equal(nested.body.id, `${subscription}${topicPath}/eventSubscriptions/es1`)
  assert.equal(nested.body.type, 'Microsoft.EventGrid/topics/eventSubscriptions')
  const nestedList = await call('GET', `${topicPath}/eventSubscriptions`)
  assert.deepEqual(nestedList.body.value, [nested.body])
  const list = await call('GET', `${topicPath}/providers/Microsoft.EventGrid/eventSubscriptions`)
  assert.equal(list.body.value[0].id, made.body.id)
  const patched = await call('PATCH', `${topicPath}/eventSubscriptions/es1`, { labels: ['a'] })
  assert.equal(patched.status, 201)
  assert.deepEqual((await call('GET', eventSubscriptionPath)).body.properties.labels, ['a'])
  assert.equal((await call('DELETE', eventSubscriptionPath)).status, 202)
  const gone = await call('GET', eventSubscriptionPath)
  assert.deepEqual(gone.body.error, {
    code: 'ResourceNotFound',
    message: "Event subscription doesn't exist.",
  })
  assert.equal(gone.headers.get('x-ms-failure-cause'), null)
})

test('the full URL and secret attributes are told by their own calls only', async (t) => {
  const { call, makeTopic, disk } = await startControlPlane(t)
  await makeTopic()
  const body = toWebhook()
  Object.assign(body.properties.destination.properties, {
    deliveryAttributeMappings: [
      { name: 'x-key', type: 'Static', properties: { value: 'classified', isSecret: true } },
      { name: 'x-open', type: 'static', properties: { value: 'v' } },
      { name: 'x-field', type: 'Dynamic', properties: { sourceField: 'data.a' } },
    ],
  })
  const made = await call('PUT', eventSubscriptionPath, body)
  assert.equal(made.status, 201)
  assert.doesNotMatch(JSON.stringify(made.body), /classified|code=s/)
  assert.equal(
    made.body.properties.destination.properties.deliveryAttributeMappings[0].properties.value,
    'Hidden',
  )
  const full = await call('POST', `${eventSubscriptionPath}/getFullUrl`)
  assert.deepEqual(full.body, { endpointUrl: 'https://example.org/hook?code=s' })
  const attributes = await call('POST', `${eventSubscriptionPath}/getDeliveryAttributes`)
  assert.deepEqual(attributes.body.value, [
    { name: 'x-key', type: 'Static', properties: { value: 'classified', isSecret: true } },
    { name: 'x-open', type: 'Static', properties: { value: 'v', isSecret: false } },
    { name: 'x-field', type: 'Dynamic', properties: { sourceField: 'data.a' } },
  ])
  assert.doesNotMatch(JSON.stringify([...disk.records.values()]), /classified|code=s/)
  // A client that reads, changes a label and sends everything back keeps what it could not see.
  const { properties } = (await call('GET', eventSubscriptionPath)).body
  const echoed = await call('PATCH', eventSubscriptionPath, { ...properties, labels: ['echo'] })
  assert.equal(echoed.status, 201)
  assert.deepEqual((await call('POST', `${eventSubscriptionPath}/getFullUrl`)).body, full.body)
  assert.deepEqual(
    (await call('POST', `${eventSubscriptionPath}/getDeliveryAttributes`)).body,
    attributes.body,
  )
})

test('deleting a topic deletes its event subscriptions, and the data plane is told once', async (t) => {
  const { call, catalog, changes, makeTopic } = await startControlPlane(t)
  await makeTopic()
  for (const name of ['one', 'two', 'three'])
    await call('PUT', eventSubscriptionPath.replace('es1', name), toWebhook())
  assert.equal(catalog.eventSubscriptionsOf((subscription + topicPath).toUpperCase()).length, 3)
  changes.length = 0
  await call('DELETE', topicPath)
  assert.equal(changes.length, 1)
  assert.equal(changes[0]?.eventSubscriptions.length, 3)
  assert.deepEqual([...catalog.eventSubscriptions()], [])
  await makeTopic()
  const list = await call('GET', `${topicPath}/eventSubscriptions`)
  assert.deepEqual(list.body, { value: [] })
})

test('deleting a group answers 202 with a location, and everything in it is gone', async (t) => {
  const { call, poll, makeTopic, disk, catalog } = await startControlPlane(t)
  await makeTopic()
  await call('PUT', eventSubscriptionPath, toWebhook())
  const deleted = await call('DELETE', '/resourcegroups/rg')
  assert.equal(deleted.status, 202)
  assert.equal((await poll(deleted)).status, 200)
  assert.equal((await call('GET', topicPath)).body.error.code, 'ResourceGroupNotFound')
  assert.equal(disk.records.size, 0)
  assert.deepEqual([...catalog.topics()], [])
  assert.equal((await call('DELETE', '/resourcegroups/rg')).status, 404)
})

test('a topic name is taken once per location, whatever the group', async (t) => {
  const { call, makeTopic } = await startControlPlane(t)
  await makeTopic()
  await call('PUT', '/resourceGroups/rg2', { location: 'westus2' })
  const elsewhere = topicPath.replace('/rg/', '/rg2/').replace('orders', 'Orders')
  const taken = await call('PUT', elsewhere, { location: 'westus2' })
  assert.equal(taken.status, 409)
  assert.equal(taken.body.error.code, 'Conflict')
  assert.equal((await call('PUT', elsewhere, { location: 'eastus' })).status, 201)
  await call('DELETE', topicPath)
  await call('DELETE', elsewhere)
  assert.equal((await call('PUT', elsewhere, { location: 'westus2' })).status, 201)
})

test('two requests at the same moment cannot both take a name', async (t) => {
  const { call } = await startControlPlane(t)
  for (const group of ['a', 'b']) await call('PUT', `/resourceGroups/${group}`, { location: 'westus2' })
  const answers = await Promise.all(
    ['a', 'b'].map((group) => call('PUT', topicPath.replace('/rg/', `/${group}/`), { location: 'westus2' })),
  )
  assert.deepEqual(answers.map(({ status }) => status).toSorted(), [201, 409])
})

test('a write with If-Match holds only for the version that was read', async (t) => {
  const { call, makeTopic } = await startControlPlane(t)
  await makeTopic()
  const etag = (await call('GET', topicPath)).headers.get('etag') as string
  const body = { location: 'westus2' }
  assert.equal((await call('PUT', topicPath, body, { 'if-none-match': '*' })).status, 412)
  const second = await call('PUT', topicPath, body, { 'if-match': `{'IF-MATCH': '${etag.slice(1, -1)}'}` })
  assert.equal(second.status, 201)
  assert.equal((await call('PUT', topicPath, body, { 'if-match': etag })).status, 412)
  assert.equal((await call('PATCH', topicPath, {}, { 'if-match': etag })).status, 412)
  assert.equal((await call('DELETE', topicPath, undefined, { 'if-match': etag })).status, 412)
  const now = second.headers.get('etag') as string
  assert.equal((await call('DELETE', topicPath, undefined, { 'if-match': now })).status, 202)
  assert.equal((await call('DELETE', topicPath, undefined, { 'if-match': now })).status, 204)
  assert.equal((await call('PATCH', topicPath, {}, { 'if-match': now })).status, 404)
  assert.equal((await call('PUT', topicPath, body, { 'if-match': '*' })).status, 412)
  assert.equal((await call('PUT', topicPath, body, { 'if-none-match': '*' })).status, 201)
})

test('lists come in pages that absolute links join, filtered by name', async (t) => {
  const { call, raw, url } = await startControlPlane(t)
  await call('PUT', '/resourceGroups/rg', { location: 'westus2' })
  const names = ['alpha', 'beta', 'gamma', 'delta', 'epsilon']
  for (const name of names) await call('PUT', topicPath.replace('orders', name), { location: 'westus2' })
  const collection = '/resourceGroups/rg/providers/Microsoft.EventGrid//topics'
  const seen: string[] = []
  let page = await call('GET', `${collection}?$top=2`)
  for (;;) {
    seen.push(...page.body.value.map(({ name }: { name: string }) => name))
    if (page.body.nextLink === undefined) break
    assert.ok(page.body.nextLink.startsWith(url))
    page = await raw('GET', page.body.nextLink)
  }
  assert.deepEqual(seen, names.toSorted())
  const filtered = async (filter: string) => {
    const { body } = await call(
      'GET',
      `/providers/Microsoft.EventGrid/topics?$filter=${encodeURIComponent(filter)}`,
    )
    return body.value?.map(({ name }: { name: string }) => name) ?? body.error.code
  }
  assert.deepEqual(await filtered("CONTAINS(name,'TA')"), ['beta', 'delta'])
  assert.deepEqual(await filtered("name eq 'Alpha' or name eq 'gamma'"), ['alpha', 'gamma'])
  assert.deepEqual(await filtered("not (contains(name,'a')) and name ne 'x'"), ['epsilon'])
  for (const bad of [
    'name',
    'name eq alpha',
    "color eq 'red'",
    "name eq 'a' and",
    "((name eq 'a')",
    "name gt 'a'",
    '§',
  ])
    assert.equal(await filtered(bad), 'InvalidFilterInQueryString', bad)
})

test('event subscriptions are listed by location and topic type, over a group and the subscription', async (t) => {
  const { call, makeTopic } = await startControlPlane(t)
  await makeTopic()
  await call('PUT', eventSubscriptionPath, toWebhook())
  const count = async (path: string) => (await call('GET', `${path}/eventSubscriptions`)).body.value.length
  for (const scope of [
    '/providers/Microsoft.EventGrid',
    '/resourceGroups/rg/providers/Microsoft.EventGrid',
  ]) {
    assert.equal(await count(`${scope}/locations/West US 2`), 1)
    assert.equal(await count(`${scope}/locations/eastus`), 0)
    assert.equal(await count(`${scope}/locations/westus2/topicTypes/microsoft.eventgrid.topics`), 1)
    assert.equal(await count(`${scope}/locations/westus2/topicTypes/Microsoft.Storage.StorageAccounts`), 0)
    // The lists without a location are for sources that have none.
    assert.equal(await count(scope), 0)
    assert.equal(await count(`${scope}/topicTypes/Microsoft.EventGrid.Topics`), 0)
  }
})

test('resources are listed over the subscription and a group, filtered by type and tag', async (t) => {
  const { call, makeTopic } = await startControlPlane(t)
  await makeTopic()
  await call('PATCH', topicPath, { tags: { Env: 'Test', team: 'x' } })
  const list = async (query: string, scope = '') => {
    const { body } = await call('GET', `${scope}/resources?${query}`)
    return body.value.length as number
  }
  assert.equal(await list(''), 1)
  assert.equal(await list('', '/resourceGroups/rg'), 1)
  assert.equal(
    await list("$filter=resourceType eq 'microsoft.eventgrid/Topics' and resourceGroup eq 'RG'"),
    1,
  )
  assert.equal(await list("$filter=tagname eq 'env' and tagvalue eq 'test'"), 1)
  assert.equal(await list("$filter=tagname eq 'env' and tagvalue eq 'x'"), 0)
  assert.equal(await list("$filter=substringof('rder', name)"), 1)
})

test('tenants, subscriptions, locations and providers are told', async (t) => {
  const { raw, call } = await startControlPlane(t)
  const at = (path: string) => raw('GET', `${path}?api-version=2022-12-01`)
  assert.equal((await at('/tenants')).body.value[0].tenantId, '00000000-0000-0000-0000-000000000000')
  assert.equal((await at('/subscriptions')).body.value[0].state, 'Enabled')
  assert.equal((await at(subscription)).body.id, subscription)
  assert.ok((await call('GET', '/locations')).body.value.length > 10)
  const provider = (await call('GET', '/providers/microsoft.eventgrid')).body
  assert.equal(provider.registrationState, 'Registered')
  const topics = provider.resourceTypes.find(
    ({ resourceType }: { resourceType: string }) => resourceType === 'topics',
  )
  assert.ok(topics.apiVersions.includes(apiVersion))
  const namespaces = async (answer: Promise<Answer>) =>
    (await answer).body.value.map(({ namespace }: { namespace: string }) => namespace)
  for (const known of [await namespaces(call('GET', '/providers')), await namespaces(at('/providers'))])
    for (const each of ['Microsoft.EventGrid', 'Microsoft.Resources', 'Microsoft.Storage', 'Microsoft.Web'])
      assert.ok(known.includes(each), each)
  assert.equal((await call('POST', '/providers/Microsoft.EventGrid/register')).status, 200)
  assert.equal(
    (await call('GET', '/providers/Microsoft.Unknown')).body.error.code,
    'InvalidResourceNamespace',
  )
})

test('every answer carries the headers of Resource Manager', async (t) => {
  const { call } = await startControlPlane(t)
  const { headers } = await call(
    'PUT',
    '/resourceGroups/rg',
    { location: 'westus2' },
    {
      'x-ms-correlation-request-id': '11111111-2222-3333-4444-555555555555',
      'x-ms-client-request-id': 'mine',
      'x-ms-return-client-request-id': 'true',
    },
  )
  assert.match(headers.get('x-ms-request-id') as string, guid)
  assert.equal(headers.get('x-ms-correlation-request-id'), '11111111-2222-3333-4444-555555555555')
  assert.equal(headers.get('x-ms-client-request-id'), 'mine')
  assert.match(headers.get('x-ms-routing-request-id') as string, /^LOCAL:\d{8}T\d{6}Z:[0-9a-f-]{36}$/)
  assert.ok(headers.get('x-ms-ratelimit-remaining-subscription-writes'))
  assert.equal(headers.get('cache-control'), 'no-cache')
  assert.equal(headers.get('expires'), '-1')
  assert.equal(headers.get('strict-transport-security'), null, 'forbidden without TLS')
  const missing = await call('GET', '/resourceGroups/none')
  assert.equal(missing.headers.get('x-ms-failure-cause'), 'gateway')
  assert.match(missing.headers.get('x-ms-correlation-request-id') as string, guid)
})

test('one event subscription more than the limit is refused, until another is deleted', async (t) => {
  const { call, makeTopic } = await startControlPlane(t, { eventSubscriptionsPerTopic: 2 })
  await makeTopic()
  const path = (name: string) => `${topicPath}/providers/Microsoft.EventGrid/eventSubscriptions/${name}`
  for (const name of ['one-es', 'two-es'])
    assert.equal((await call('PUT', path(name), toWebhook())).status, 201)
  const refused = await call('PUT', path('three-es'), toWebhook())
  assert.equal(refused.status, 409)
  assert.equal(refused.body.error.code, 'Conflict')
  assert.match(refused.body.error.message, /limit of 2/)
  assert.equal((await call('PUT', path('two-es'), toWebhook())).status, 201)
  await call('DELETE', path('one-es'))
  assert.equal((await call('PUT', path('three-es'), toWebhook())).status, 201)
})
