import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { ResourceManagementClient } from '@azure/arm-resources'
import { DeploymentsClient } from '@azure/arm-resourcesdeployments'
import {
  AccountSASPermissions,
  generateAccountSASQueryParameters,
  SASProtocol,
  StorageSharedKeyCredential,
} from '@azure/storage-blob'
import { defaultSubscriptionId } from '../src/arm/arm.ts'
import { subscription } from '../src/testing/control-plane.ts'
import { startTestServer } from '../src/testing/test-server.ts'

/*
 * Storage accounts, namespaces of Event Hubs and Service Bus, identities and diagnostic settings: what templates make
 * beside topics, through the official client over HTTPS, as it is.
 */

const storageKey = Buffer.alloc(64, 3).toString('base64')
const hubString =
  'Endpoint=sb://localhost:5671/;SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=c2VjcmV0'
const idOf = (type: string, name: string) => `${subscription}/resourceGroups/rg/providers/${type}/${name}`
const server = await startTestServer(
  { after },
  {
    file: {
      connections: {
        [idOf('Microsoft.Storage/storageAccounts', 'known')]: {
          connectionString: `DefaultEndpointsProtocol=https;AccountName=known;AccountKey=${storageKey}`,
        },
        [idOf('Microsoft.Storage/storageAccounts', 'emulated')]: {
          connectionString: 'UseDevelopmentStorage=true',
        },
        [idOf('Microsoft.EventHub/namespaces', 'known-hubs')]: { connectionString: hubString },
        [idOf('Microsoft.ServiceBus/namespaces', 'known-bus')]: { url: 'amqp://ada:secret@localhost:5672' },
      },
    },
  },
)
setDefaultCACertificates([...getCACertificates(), server.ca])

const credential = {
  getToken: () => Promise.resolve({ token: 'any', expiresOnTimestamp: Date.now() + 3_600_000 }),
}
const { resources } = new ResourceManagementClient(credential, defaultSubscriptionId, {
  endpoint: server.https,
})
const { deployments } = new DeploymentsClient(credential, defaultSubscriptionId, { endpoint: server.https })
const version = '2023-01-01'
const make = (id: string, body: object = {}) =>
  resources.beginCreateOrUpdateByIdAndWait(id, version, { location: 'westus2', ...body })
const child = (id: string, properties: object = {}) => server.call('PUT', id, { properties })

test('a storage account has the defaults of its provider, and the endpoints of its connection', async () => {
  const made = await make(idOf('Microsoft.Storage/storageAccounts', 'known'), {
    sku: { name: 'Premium_LRS' },
    properties: { accessTier: 'Cool', primaryEndpoints: { blob: 'https://elsewhere/' } },
  })
  assert.deepEqual(made.sku, { name: 'Premium_LRS', tier: 'Premium' })
  assert.equal(made.kind, 'StorageV2')
  assert.equal(made.properties?.accessTier, 'Cool')
  assert.equal(made.properties?.supportsHttpsTrafficOnly, true)
  const endpoints = made.properties?.primaryEndpoints as Record<string, string>
  assert.equal(endpoints.blob, 'https://known.blob.core.windows.net/')
  const emulated = await make(idOf('Microsoft.Storage/storageAccounts', 'emulated'))
  assert.deepEqual(emulated.properties?.primaryEndpoints, {
    blob: 'http://127.0.0.1:10000/devstoreaccount1/',
    queue: 'http://127.0.0.1:10001/devstoreaccount1/',
    table: 'http://127.0.0.1:10002/devstoreaccount1/',
  })
  const unknown = await make(idOf('Microsoft.Storage/storageAccounts', 'unknown'))
  assert.equal(unknown.properties?.primaryEndpoints, undefined)
})

test('the name of a storage account is taken once, in any group, and free again when it is deleted', async () => {
  await make(idOf('Microsoft.Storage/storageAccounts', 'taken'))
  await server.call('PUT', `${subscription}/resourceGroups/other`, { location: 'westus2' })
  const other = `${subscription}/resourceGroups/other/providers/Microsoft.Storage/storageAccounts/taken`
  await assert.rejects(make(other), { code: 'StorageAccountAlreadyTaken', statusCode: 409 })
  await assert.rejects(make(idOf('Microsoft.Storage/storageAccounts', 'Not-A-Name')), /lower-case letters/)
  await resources.beginDeleteByIdAndWait(idOf('Microsoft.Storage/storageAccounts', 'taken'), version)
  assert.equal((await make(other)).name, 'taken')
})

test('an identity has guids that stay, and that whatever it is assigned to tells', async () => {
  const id = idOf('Microsoft.ManagedIdentity/userAssignedIdentities', 'sender')
  const made = await make(id)
  const { principalId, clientId, tenantId } = made.properties as Record<string, string>
  assert.match(principalId ?? '', /^[0-9a-f-]{36}$/)
  assert.notEqual(principalId, clientId)
  assert.equal(tenantId, defaultSubscriptionId)
  assert.deepEqual((await make(id, { tags: { a: 'b' } })).properties, made.properties)
  const topic = await server.call('PUT', idOf('Microsoft.EventGrid/topics', 'with-identity'), {
    location: 'westus2',
    identity: { type: 'UserAssigned', userAssignedIdentities: { [id]: {} } },
  })
  assert.deepEqual(topic.body.identity.userAssignedIdentities[id], { principalId, clientId })
  const answer = await server.call('PUT', id, { location: 'westus2' })
  assert.equal(answer.headers.get('x-ms-busbar-warning'), null)
})

test('namespaces of Event Hubs and Service Bus have the defaults of their providers, and so do their children', async () => {
  const hubs = idOf('Microsoft.EventHub/namespaces', 'known-hubs')
  const namespace = await make(hubs)
  assert.deepEqual(namespace.sku, { name: 'Standard', tier: 'Standard', capacity: 1 })
  assert.equal(namespace.properties?.status, 'Active')
  assert.equal(namespace.properties?.serviceBusEndpoint, 'https://localhost:5671/')
  const hub = await child(`${hubs}/eventhubs/orders`, { partitionCount: 2 })
  assert.equal(hub.status, 200)
  assert.deepEqual(hub.body.properties.partitionIds, ['0', '1'])
  assert.equal(hub.body.properties.messageRetentionInDays, 7)
  assert.equal((await child(`${hubs}/eventhubs/orders/consumergroups/reader`)).status, 200)
  const rule = await child(`${hubs}/authorizationRules/RootManageSharedAccessKey`, {
    rights: ['Listen', 'Send'],
  })
  assert.deepEqual(rule.body.properties.rights, ['Listen', 'Send'])
  const keys = await server.call('POST', `${hubs}/authorizationRules/RootManageSharedAccessKey/listKeys`)
  assert.equal(keys.body.primaryConnectionString, hubString)

  const bus = idOf('Microsoft.ServiceBus/namespaces', 'known-bus')
  const { properties } = await make(bus, { sku: { name: 'Standard' } })
  assert.equal(properties?.serviceBusEndpoint, 'amqp://localhost:5672')
  const queue = await child(`${bus}/queues/orders`, { lockDuration: 'PT5M' })
  assert.equal(queue.body.properties.lockDuration, 'PT5M')
  assert.equal(queue.body.properties.maxDeliveryCount, 10)
  const taken = idOf('Microsoft.EventHub/namespaces', 'Known-Bus')
  await assert.rejects(make(taken), /already taken/)
  assert.equal((await server.call('DELETE', `${bus}/queues/orders`)).status, 200)
})

test('a template that asks for endpoints and keys of what it makes deploys', async () => {
  const template = {
    $schema: 'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#',
    contentVersion: '1.0.0.0',
    resources: [
      {
        type: 'Microsoft.Storage/storageAccounts',
        apiVersion: '2023-01-01',
        name: 'known',
        location: 'westus2',
        sku: { name: 'Standard_LRS' },
        kind: 'StorageV2',
      },
      {
        type: 'Microsoft.EventHub/namespaces',
        apiVersion: '2022-10-01-preview',
        name: 'known-hubs',
        location: 'westus2',
      },
      {
        type: 'Microsoft.Insights/diagnosticSettings',
        apiVersion: '2021-05-01-preview',
        scope: "[resourceId('Microsoft.EventHub/namespaces', 'known-hubs')]",
        name: 'all',
        dependsOn: ["[resourceId('Microsoft.EventHub/namespaces', 'known-hubs')]"],
        properties: { workspaceId: idOf('Microsoft.OperationalInsights/workspaces', 'logs') },
      },
    ],
    outputs: {
      blob: { type: 'string', value: "[reference('known').primaryEndpoints.blob]" },
      key: {
        type: 'string',
        value:
          "[listKeys(resourceId('Microsoft.Storage/storageAccounts', 'known'), '2023-01-01').keys[0].value]",
      },
      hubs: {
        type: 'string',
        value:
          "[listKeys(resourceId('Microsoft.EventHub/namespaces/authorizationRules', 'known-hubs', 'RootManageSharedAccessKey'), '2022-10-01-preview').primaryConnectionString]",
      },
    },
  }
  const done = await deployments.createOrUpdate('rg', 'endpoints', {
    properties: { mode: 'Incremental', template },
  })
  assert.deepEqual(
    Object.values(done.properties?.outputs as Record<string, { value: string }>).map(({ value }) => value),
    ['https://known.blob.core.windows.net/', storageKey, hubString],
  )
})

test('what a provider makes of its own accord is there with its owner, and goes with it', async () => {
  const account = idOf('Microsoft.Storage/storageAccounts', 'filled')
  await make(account)
  const service = await server.call('GET', `${account}/blobServices/default`)
  assert.equal(service.status, 200)
  assert.equal(service.body.type, 'Microsoft.Storage/storageAccounts/blobServices')
  assert.equal((await child(`${account}/blobServices/default`, { isVersioningEnabled: true })).status, 200)
  await make(account, { tags: { a: 'b' } })
  const kept = await server.call('GET', `${account}/blobServices/default`)
  assert.equal(kept.body.properties.isVersioningEnabled, true)
  await server.call('DELETE', account)
  assert.equal((await server.call('GET', `${account}/blobServices/default`)).status, 404)

  const hubs = idOf('Microsoft.EventHub/namespaces', 'filled-hubs')
  await make(hubs)
  const rules = await server.call('GET', `${hubs}/authorizationRules`)
  assert.deepEqual(
    rules.body.value.map(({ name }: { name: string }) => name),
    ['RootManageSharedAccessKey'],
  )
  await child(`${hubs}/eventhubs/orders`)
  assert.equal((await server.call('GET', `${hubs}/eventhubs/orders/consumergroups/$Default`)).status, 200)
})

test('a signature for an account is made with the key of its connection, as the official client makes it', async () => {
  const id = idOf('Microsoft.Storage/storageAccounts', 'known')
  await make(id)
  const expiresOn = new Date('2030-01-01T00:00:00Z')
  const { body } = await server.call('POST', `${id}/ListAccountSas`, {
    signedServices: 'bq',
    signedResourceTypes: 'sco',
    signedPermission: 'rwl',
    signedProtocol: 'https',
    signedExpiry: expiresOn.toISOString(),
  })
  const expected = generateAccountSASQueryParameters(
    {
      services: 'bq',
      resourceTypes: 'sco',
      permissions: AccountSASPermissions.parse('rwl'),
      protocol: SASProtocol.Https,
      expiresOn,
      version: '2020-12-06',
    },
    new StorageSharedKeyCredential('known', storageKey),
  )
  const sorted = (query: string) => [...new URLSearchParams(query)].toSorted()
  assert.deepEqual(sorted(body.accountSasToken), sorted(expected.toString()))
  for (const signedServices of ['x', 'bb', '']) {
    const refused = await server.call('POST', `${id}/listAccountSas`, { signedServices })
    assert.equal(refused.body.error.target, 'signedServices', signedServices)
  }
  await make(idOf('Microsoft.Storage/storageAccounts', 'unknown'))
  const unknown = `${idOf('Microsoft.Storage/storageAccounts', 'unknown')}/listAccountSas`
  assert.equal((await server.call('POST', unknown, {})).status, 409)
})

test('a diagnostic setting stands on any resource, says that nothing is sent, and goes with the resource', async () => {
  const topic = idOf('Microsoft.EventGrid/topics', 'watched')
  await server.call('PUT', topic, { location: 'westus2' })
  const id = `${topic}/providers/Microsoft.Insights/diagnosticSettings/all`
  const properties = {
    workspaceId: idOf('Microsoft.OperationalInsights/workspaces', 'logs'),
    logs: [{ category: 'DeliveryFailures', enabled: true }],
  }
  const made = await child(id, properties)
  assert.equal(made.status, 200)
  assert.equal(made.body.id, id)
  assert.deepEqual(made.body.properties, { metrics: [], ...properties })
  assert.match(made.headers.get('x-ms-busbar-warning') ?? '', /nothing is sent.*'diagnostics'/)
  const listed = await server.call('GET', id.slice(0, id.lastIndexOf('/')))
  assert.deepEqual(
    listed.body.value.map(({ name }: { name: string }) => name),
    ['all'],
  )
  const refused = await child(id, { logs: [] })
  assert.equal(refused.status, 400)
  assert.match(refused.body.error.message, /workspaceId/)
  const account = idOf('Microsoft.Storage/storageAccounts', 'notstored')
  assert.equal(
    (await child(`${account}/providers/Microsoft.Insights/diagnosticSettings/a`, properties)).status,
    200,
  )
  assert.equal(
    (await child(`${subscription}/providers/Microsoft.Insights/diagnosticSettings/a`, properties)).status,
    200,
  )
  await server.call('DELETE', topic)
  assert.equal((await server.call('GET', id)).status, 404)
})

test('what stands on other resources is kept, and is in no list of resources', async () => {
  const id = `${idOf('Microsoft.Web/sites', 'shop')}/providers/Microsoft.Chaos/targets/all`
  assert.equal((await child(id, { a: 1 })).status, 201)
  const names = (await Array.fromAsync(resources.listByResourceGroup('rg'))).map(({ type }) => type)
  assert.ok(!names.includes('Microsoft.Chaos/targets'))
  const elsewhere = `${idOf('Microsoft.Web/sites', 'shop')}/providers/Microsoft.Storage/storageAccounts/abc`
  assert.equal((await child(elsewhere)).status, 404)
})
