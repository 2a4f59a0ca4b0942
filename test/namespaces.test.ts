import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { type GenericResource, ResourceManagementClient } from '@azure/arm-resources'
import { defaultSubscriptionId } from '../src/arm/arm.ts'
import { namespaceEventSubscriptionId, namespaceTopicId, testNamespaceId } from '../src/testing/namespaces.ts'
import { startTestServer } from '../src/testing/test-server.ts'

/*
 * Namespaces as the official client of Resource Manager makes them, one by one and with a template.
 */

const server = await startTestServer({ after })
setDefaultCACertificates([...getCACertificates(), server.ca])
const credential = {
  getToken: () => Promise.resolve({ token: 'any', expiresOnTimestamp: Date.now() + 3_600_000 }),
}
const client = new ResourceManagementClient(credential, defaultSubscriptionId, {
  endpoint: server.https,
})
const apiVersion = '2025-02-15'

// oxlint-disable-next-line typescript/no-explicit-any -- a test reads what the wire says, and asserts it
const propertiesOf = ({ properties }: GenericResource) => properties as any

test('the official client makes, reads, updates, lists and deletes a namespace with a topic and an event subscription', async () => {
  const { resources } = client
  const made = await resources.beginCreateOrUpdateByIdAndWait(testNamespaceId, apiVersion, {
    location: 'westus2',
    sku: { name: 'Standard', capacity: 2 },
    properties: { topicSpacesConfiguration: { state: 'Enabled' } },
  })
  assert.deepEqual(made.sku, { name: 'Standard', capacity: 2 })
  assert.equal(propertiesOf(made).provisioningState, 'Succeeded')
  await resources.beginCreateOrUpdateByIdAndWait(namespaceTopicId(), apiVersion, {
    properties: { publisherType: 'Custom', inputSchema: 'CloudEventSchemaV1_0', eventRetentionInDays: 2 },
  })
  const eventSubscription = await resources.beginCreateOrUpdateByIdAndWait(
    namespaceEventSubscriptionId(),
    apiVersion,
    { properties: { deliveryConfiguration: { deliveryMode: 'Queue', queue: { maxDeliveryCount: 3 } } } },
  )
  assert.equal(propertiesOf(eventSubscription).deliveryConfiguration.queue.eventTimeToLive, 'P2D')
  const updated = await resources.beginUpdateByIdAndWait(testNamespaceId, apiVersion, {
    tags: { 'busbar-profile': 'strict' },
  })
  assert.deepEqual(updated.sku, { name: 'Standard', capacity: 2 })
  assert.equal(propertiesOf(updated).topicSpacesConfiguration.state, 'Enabled')
  const listed: (string | undefined)[] = []
  for await (const { name } of resources.listByResourceGroup('rg', {
    filter: "resourceType eq 'Microsoft.EventGrid/namespaces'",
  }))
    listed.push(name)
  assert.deepEqual(listed, ['plant'])
  await resources.beginDeleteByIdAndWait(testNamespaceId, apiVersion)
  assert.equal((await server.call('GET', namespaceEventSubscriptionId())).status, 404)
})

async function deploy(template: unknown): Promise<Readonly<Record<string, { readonly value: string }>>> {
  const path = '/resourceGroups/rg/providers/Microsoft.Resources/deployments/lab'
  const answer = await server.call('PUT', path, { properties: { mode: 'Incremental', template } })
  assert.ok(answer.status < 300, JSON.stringify(answer.body))
  for (;;) {
    const { body } = await server.call('GET', path)
    const { provisioningState, outputs, error } = body.properties
    if (provisioningState === 'Succeeded') return outputs
    assert.ok(['Accepted', 'Running'].includes(provisioningState as string), JSON.stringify(error))
  }
}

test('a template deploys a namespace with a topic, an event subscription and its keys as an output, twice and without change', async () => {
  const id = "[resourceId('Microsoft.EventGrid/namespaces', 'lab')]"
  const topicId = "[resourceId('Microsoft.EventGrid/namespaces/topics', 'lab', 'readings')]"
  const template = {
    $schema: 'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#',
    contentVersion: '1.0.0.0',
    resources: [
      {
        ...{ type: 'Microsoft.EventGrid/namespaces', apiVersion, name: 'lab', location: 'westus2' },
        ...{ sku: { name: 'Standard', capacity: 1 }, identity: { type: 'SystemAssigned' } },
        properties: { isZoneRedundant: true, topicSpacesConfiguration: { state: 'Enabled' } },
      },
      {
        ...{ type: 'Microsoft.EventGrid/namespaces/topics', apiVersion, name: 'lab/readings' },
        dependsOn: [id],
        properties: { eventRetentionInDays: 1 },
      },
      {
        type: 'Microsoft.EventGrid/namespaces/topics/eventSubscriptions',
        ...{ apiVersion, name: 'lab/readings/all', dependsOn: [topicId] },
        properties: {
          deliveryConfiguration: {
            deliveryMode: 'Queue',
            queue: { receiveLockDurationInSeconds: 120, maxDeliveryCount: 4, eventTimeToLive: 'P1D' },
          },
          filtersConfiguration: { includedEventTypes: ['reading'] },
        },
      },
    ],
    outputs: {
      host: {
        type: 'string',
        value:
          "[reference(resourceId('Microsoft.EventGrid/namespaces', 'lab')).topicsConfiguration.hostname]",
      },
      key: {
        type: 'securestring',
        value: `[listKeys(resourceId('Microsoft.EventGrid/namespaces', 'lab'), '${apiVersion}').key1]`,
      },
    },
  }
  const { host } = await deploy(template)
  assert.match(String(host?.value), /\/namespaces\/westus2\/lab$/)
  const read = async () =>
    (await server.call('GET', '/resourceGroups/rg/providers/Microsoft.EventGrid/namespaces/lab')).body
  const before = await read()
  await deploy(template)
  assert.deepEqual((await read()).properties, before.properties)
})

test('a template deploys what leads to a namespace and out of it: event subscriptions to its topic, messages to a custom topic', async () => {
  const idOf = (type: string, ...names: string[]) =>
    `[resourceId('Microsoft.EventGrid/${type}', ${names.map((name) => `'${name}'`).join(', ')})]`
  const topic = (name: string) => ({
    ...{ type: 'Microsoft.EventGrid/topics', apiVersion, name, location: 'westus2' },
    properties: { inputSchema: 'CloudEventSchemaV1_0' },
  })
  await deploy({
    $schema: 'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#',
    contentVersion: '1.0.0.0',
    resources: [
      topic('messages'),
      topic('source'),
      {
        ...{ type: 'Microsoft.EventGrid/namespaces', apiVersion, name: 'hub', location: 'westus2' },
        dependsOn: [idOf('topics', 'messages')],
        properties: {
          topicSpacesConfiguration: { state: 'Enabled', routeTopicResourceId: idOf('topics', 'messages') },
        },
      },
      {
        ...{ type: 'Microsoft.EventGrid/namespaces/topics', apiVersion, name: 'hub/copies' },
        ...{ dependsOn: [idOf('namespaces', 'hub')], properties: {} },
      },
      {
        ...{ type: 'Microsoft.EventGrid/topics/eventSubscriptions', apiVersion, name: 'source/onward' },
        dependsOn: [idOf('topics', 'source'), idOf('namespaces/topics', 'hub', 'copies')],
        properties: {
          destination: {
            endpointType: 'NamespaceTopic',
            properties: { resourceId: idOf('namespaces/topics', 'hub', 'copies') },
          },
        },
      },
    ],
  })
  const { body } = await server.call('GET', server.idOf('onward', 'source'))
  assert.equal(body.properties.provisioningState, 'Succeeded')
})
