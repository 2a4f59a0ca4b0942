import assert from 'node:assert/strict'
import { test } from 'node:test'
import { groupScope } from '../templates/surroundings.ts'
import { startControlPlane, subscription, toWebhook } from '../testing/control-plane.ts'
import { connect } from '../testing/official-clients.ts'
import { fakeRuntime, planOf } from '../testing/templates.ts'
import { defaultSubscriptionId } from './subscriptions.ts'

const from = '/resourceGroups/from'
const eventGrid = `${from}/providers/Microsoft.EventGrid`

async function filledGroup(t: Parameters<typeof startControlPlane>[0]) {
  const server = await startControlPlane(t)
  const put = async (path: string, body: unknown) => {
    const { status, body: answer } = await server.call('PUT', path, body)
    assert.ok(status === 200 || status === 201, `${path}: ${JSON.stringify(answer)}`)
  }
  await put(from, { location: 'westus2' })
  await put(`${eventGrid}/topics/orders-1`, {
    location: 'westus2',
    tags: { team: '[orders]' },
    identity: { type: 'SystemAssigned' },
    properties: { inputSchema: 'CloudEventSchemaV1_0', publicNetworkAccess: 'Disabled' },
  })
  await put(`${eventGrid}/topics/orders-1/providers/Microsoft.EventGrid/eventSubscriptions/es1`, toWebhook())
  await put(`${eventGrid}/domains/shop`, { location: 'eastus' })
  await put(`${eventGrid}/domains/shop/topics/cart`, {})
  await put(
    `${eventGrid}/domains/shop/topics/cart/providers/Microsoft.EventGrid/eventSubscriptions/es2`,
    toWebhook({ filter: { subjectBeginsWith: '/a' } }),
  )
  await put(`${from}/providers/Microsoft.Storage/storageAccounts/letters`, {
    location: 'westus2',
    sku: { name: 'Standard_LRS' },
    kind: 'StorageV2',
    properties: { note: "[it's]" },
  })
  await put(
    `${from}/providers/Microsoft.Storage/storageAccounts/letters/blobServices/default/containers/mail`,
    {
      properties: { publicAccess: 'None' },
    },
  )
  await put(`${eventGrid}/systemTopics/uploads`, {
    location: 'westus2',
    properties: {
      source: `${subscription}${from}/providers/Microsoft.Storage/storageAccounts/letters`,
      topicType: 'Microsoft.Storage.StorageAccounts',
    },
  })
  await put(`${eventGrid}/systemTopics/uploads/eventSubscriptions/es3`, toWebhook())
  return server
}

const exported = async ({ call }: Awaited<ReturnType<typeof filledGroup>>, body: unknown = {}) =>
  (await call('POST', `${from}/exportTemplate`, body)).body.template

test('an exported template, deployed to another group, makes the same resources', async (t) => {
  const server = await filledGroup(t)
  const template = await exported(server)
  const parameters = Object.fromEntries(
    Object.entries(template.parameters as Record<string, { type: string }>).map(([name, { type }]) => [
      name,
      type === 'securestring'
        ? 'https://example.org/hook?code=s'
        : ({
            topics_orders_1_name: 'orders-2',
            domains_shop_name: 'shop-2',
            systemTopics_uploads_name: 'uploads',
            storageAccounts_letters_name: 'letters2',
          }[name] ?? `no parameter ${name} was expected`),
    ]),
  )
  const to = '/resourceGroups/to'
  await server.call('PUT', to, { location: 'westus2' })
  // A source has one system topic.
  await server.call('DELETE', `${eventGrid}/systemTopics/uploads`)
  const plan = planOf(template, parameters, { scope: groupScope(defaultSubscriptionId, 'to') })
  for (const resource of plan.resources) {
    const body = await plan.evaluate(resource, fakeRuntime)
    const { status, body: answer } = await server.call('PUT', resource.id.slice(subscription.length), body)
    assert.ok(status === 200 || status === 201, `${resource.id}: ${JSON.stringify(answer)}`)
  }
  const read = async (path: string) => (await server.call('GET', path)).body
  const orders = await read(`${to}/providers/Microsoft.EventGrid/topics/orders-2`)
  assert.deepEqual(orders.tags, { team: '[orders]' })
  assert.equal(orders.identity.type, 'SystemAssigned')
  assert.equal(orders.properties.inputSchema, 'CloudEventSchemaV1_0')
  assert.equal(orders.properties.publicNetworkAccess, 'Disabled')
  const es2 = await read(
    `${to}/providers/Microsoft.EventGrid/domains/shop-2/topics/cart/providers/Microsoft.EventGrid/eventSubscriptions/es2`,
  )
  assert.equal(es2.properties.filter.subjectBeginsWith, '/a')
  assert.equal(es2.properties.destination.properties.endpointBaseUrl, 'https://example.org/hook')
  const letters = await read(`${to}/providers/Microsoft.Storage/storageAccounts/letters2`)
  assert.deepEqual(
    [letters.sku, letters.properties.note],
    [{ name: 'Standard_LRS', tier: 'Standard' }, "[it's]"],
  )
  const mail = `${to}/providers/Microsoft.Storage/storageAccounts/letters2/blobServices/default/containers/mail`
  assert.equal((await read(mail)).properties.publicAccess, 'None')
  assert.equal(
    (await read(`${to}/providers/Microsoft.EventGrid/systemTopics/uploads/eventSubscriptions/es3`)).name,
    'es3',
  )
})

test('a template names what it is about, with default values, comments or without parameters, as the options say', async (t) => {
  const server = await filledGroup(t)
  const id = `${subscription}${eventGrid}/topics/orders-1`
  const options = (words: string) => ({ resources: [id], options: words })
  const one = await exported(server, options('IncludeParameterDefaultValue,IncludeComments'))
  assert.deepEqual(one.parameters, {
    topics_orders_1_name: { type: 'String', defaultValue: 'orders-1' },
    es1_endpointUrl: one.parameters.es1_endpointUrl,
  })
  assert.equal(one.parameters.es1_endpointUrl.type, 'securestring')
  const [topic, es1] = one.resources
  assert.equal(topic.type, 'Microsoft.EventGrid/topics')
  assert.equal(topic.apiVersion, '2025-02-15')
  assert.equal(topic.name, "[parameters('topics_orders_1_name')]")
  assert.ok(topic.comments)
  assert.equal(topic.properties.endpoint, undefined)
  assert.deepEqual(es1.dependsOn, [
    "[resourceId('Microsoft.EventGrid/topics', parameters('topics_orders_1_name'))]",
  ])
  const alone = await exported(server, {
    resources: [`${id}/providers/Microsoft.EventGrid/eventSubscriptions/es1`],
  })
  assert.equal(alone.resources.length, 1)
  assert.equal(alone.resources[0].dependsOn, undefined, 'its topic is not in the template')
  const plain = await exported(server, options('SkipAllParameterization'))
  assert.equal(plain.resources[0].name, 'orders-1')
})

test('an export of what is not there, or of too much, is refused', async (t) => {
  const server = await filledGroup(t)
  const post = async (action: string, body: unknown) => {
    const answer = await server.call('POST', `${from}/${action}`, body)
    return [answer.status, answer.body.error?.code]
  }
  const nothing = `${subscription}${eventGrid}/topics/nothing`
  assert.deepEqual(await post('exportTemplate', { resources: [nothing] }), [404, 'ResourceNotFound'])
  assert.deepEqual(await post('exportTemplate', { options: 'Everything' }), [400, 'InvalidRequest'])
  for (let n = 0; n < 200; n++)
    await server.call('PUT', `${from}/providers/Microsoft.Web/sites/s${n}`, { location: 'westus2' })
  assert.deepEqual(await post('exportTemplate', { resources: ['*'] }), [
    400,
    'ExportTemplateResourceCountExceeded',
  ])
  const elsewhere = await server.call('POST', '/resourceGroups/none/exportTemplate', {})
  assert.equal(elsewhere.body.error.code, 'ResourceGroupNotFound')
  assert.equal((await server.call('GET', `${from}/exportTemplate`)).status, 405)
})

test('the official client exports a template', async (t) => {
  const { eventGrid: client, resources } = await connect(t)
  await client.topics.beginCreateOrUpdateAndWait('rg', 'orders', { location: 'westus2' })
  const { template } = await resources.resourceGroups.beginExportTemplateAndWait('rg', { resources: ['*'] })
  const [topic] = (template as { resources: { type: string }[] }).resources
  assert.equal(topic?.type, 'Microsoft.EventGrid/topics')
})

test('what an exported resource names in its group comes before it in the template, and its secret URL is a parameter', async (t) => {
  const server = await startControlPlane(t)
  const namespace = `${eventGrid}/namespaces/plant`
  await server.call('PUT', from, { location: 'westus2' })
  const webhookAuthentication = {
    endpointUrl: 'https://example.org/clients?code=secret',
    azureActiveDirectoryTenantId: 'tenant',
    azureActiveDirectoryApplicationIdOrUri: 'api://clients',
  }
  await server.call('PUT', namespace, {
    location: 'westus2',
    sku: { name: 'Standard', capacity: 2 },
    properties: {
      topicSpacesConfiguration: { state: 'Enabled', clientAuthentication: { webhookAuthentication } },
    },
  })
  await server.call('PUT', `${namespace}/topics/readings`, { properties: {} })
  await server.call('PUT', `${eventGrid}/topics/clouds`, { location: 'westus2' })
  const resourceId = `${subscription}${namespace}/topics/readings`
  const made = await server.call('PUT', `${eventGrid}/topics/clouds/eventSubscriptions/onward`, {
    properties: {
      destination: { endpointType: 'NamespaceTopic', properties: { resourceId } },
      eventDeliverySchema: 'CloudEventSchemaV1_0',
    },
  })
  assert.equal(made.status, 201, JSON.stringify(made.body))
  const template = await exported(server, { options: 'SkipResourceNameParameterization' })
  const resource = (name: string) => template.resources.find((each: { name: string }) => each.name === name)
  const reference = "[resourceId('Microsoft.EventGrid/namespaces/topics', 'plant', 'readings')]"
  assert.equal(resource('onward').properties.destination.properties.resourceId, reference)
  assert.ok(resource('onward').dependsOn.includes(reference))
  assert.deepEqual(resource('plant').sku, { name: 'Standard', capacity: 2 })
  const { clientAuthentication } = resource('plant').properties.topicSpacesConfiguration
  assert.equal(clientAuthentication.webhookAuthentication.endpointUrl, "[parameters('plant_endpointUrl')]")
  assert.equal(template.parameters.plant_endpointUrl.type, 'securestring')
  assert.equal(JSON.stringify(template).includes('code=secret'), false)
})
