import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { EventGridManagementClient } from '@azure/arm-eventgrid'
import { defaultSubscriptionId } from '../src/arm/arm.ts'
import { apiVersion, subscription } from '../src/testing/control-plane.ts'
import { startTestServer } from '../src/testing/test-server.ts'

/*
 * What raises events in Azure, and which: asked by the official client over HTTPS, as it is.
 */

const server = await startTestServer({ after })
setDefaultCACertificates([...getCACertificates(), server.ca])

const credential = {
  getToken: () => Promise.resolve({ token: 'any', expiresOnTimestamp: Date.now() + 3_600_000 }),
}
const eventGrid = new EventGridManagementClient(credential, defaultSubscriptionId, { endpoint: server.https })

test('the official client lists topic types, and finds one by its name in any letter case', async () => {
  const listed = await Array.fromAsync(eventGrid.topicTypes.list())
  const names = listed.map(({ name }) => name)
  for (const name of [
    'Microsoft.Resources.Subscriptions',
    'Microsoft.Devices.IoTHubs',
    'Microsoft.Web.Sites',
  ])
    assert.ok(names.includes(name), name)
  assert.equal(new Set(names).size, listed.length)
  const storage = await eventGrid.topicTypes.get('microsoft.storage.storageaccounts')
  const { supportedLocations, ...rest } = storage
  assert.ok(supportedLocations?.includes('West US 2'))
  assert.deepEqual(rest, {
    id: 'providers/Microsoft.EventGrid/topicTypes/Microsoft.Storage.StorageAccounts',
    name: 'Microsoft.Storage.StorageAccounts',
    type: 'Microsoft.EventGrid/topicTypes',
    provider: 'Microsoft.Storage',
    displayName: 'Storage Accounts',
    description: 'Microsoft Storage service events.',
    resourceRegionType: 'RegionalResource',
    provisioningState: 'Succeeded',
    sourceResourceFormat: null,
    supportedScopesForSource: ['Resource'],
  })
  const subscriptions = await eventGrid.topicTypes.get('Microsoft.Resources.Subscriptions')
  assert.equal(subscriptions.resourceRegionType, 'GlobalResource')
  assert.equal(subscriptions.sourceResourceFormat, '/subscriptions/<subscriptionId>')
})

test('the official client lists the event types of a topic type, each with a link to its schema', async () => {
  const listed = await Array.fromAsync(
    eventGrid.topicTypes.listEventTypes('Microsoft.Storage.StorageAccounts'),
  )
  const created = listed.find(({ name }) => name === 'Microsoft.Storage.BlobCreated')
  assert.deepEqual(created, {
    id: 'providers/Microsoft.EventGrid/topicTypes/Microsoft.Storage.StorageAccounts/eventTypes/Microsoft.Storage.BlobCreated',
    name: 'Microsoft.Storage.BlobCreated',
    type: 'Microsoft.EventGrid/topicTypes/eventTypes',
    displayName: 'Blob Created',
    description: 'Raised when a blob is created.',
    schemaUrl: `${server.https}/schemas/Microsoft.Storage.BlobCreated.json`,
    isInDefaultSet: true,
  })
  assert.equal(listed.find(({ name }) => name?.endsWith('BlobRenamed'))?.isInDefaultSet, false)
  const { schemaUrl } = created
  const schema = (await (await fetch(schemaUrl.replace(server.https, server.http))).json()) as { $id: string }
  assert.equal(schema.$id, schemaUrl)
})

test('the official client lists the event types that a resource can raise', async () => {
  const listed = await Array.fromAsync(
    eventGrid.topics.listEventTypes('rg', 'Microsoft.KeyVault', 'vaults', 'contoso'),
  )
  assert.equal(listed.length, 10)
  assert.ok(listed.every(({ name }) => name?.startsWith('Microsoft.KeyVault.')))
  const custom = eventGrid.topics.listEventTypes('rg', 'Microsoft.EventGrid', 'topics', 'orders')
  assert.deepEqual(await Array.fromAsync(custom), [])
})

test('a subscription and a group raise what Resource Manager does in them', async () => {
  for (const scope of ['', '/resourceGroups/rg']) {
    const { status, body } = await server.call('GET', `${scope}/providers/Microsoft.EventGrid/eventTypes`)
    assert.equal(status, 200)
    const { value } = body as { value: { name: string; id: string }[] }
    assert.equal(value.length, 9)
    assert.match(value[0]?.id ?? '', scope === '' ? /Resources\.Subscriptions/ : /Resources\.ResourceGroups/)
  }
})

test('a topic type that is not known is 404 with the nearest, and none can be written', async () => {
  const at = (path: string, method = 'GET') =>
    fetch(`${server.http}/providers/Microsoft.EventGrid/topicTypes${path}?api-version=${apiVersion}`, {
      method,
    })
  const unknown = await at('/Microsoft.KeyVault.vault/eventTypes')
  assert.equal(unknown.status, 404)
  assert.match(await unknown.text(), /ResourceNotFound.*Did you mean 'Microsoft\.KeyVault\.vaults'\?/)
  assert.equal((await at('/Microsoft.KeyVault.vaults', 'PUT')).status, 405)
  assert.equal((await at('/Microsoft.KeyVault.vaults/other')).status, 404)
  const { status, body } = await server.call(
    'GET',
    '/resourceGroups/rg/providers/Microsoft.KeyVault/vault/v/providers/Microsoft.EventGrid/eventTypes',
  )
  assert.equal(status, 404)
  assert.match(JSON.stringify(body), /raise no events.*Microsoft\.KeyVault\/vaults/)
})

test('what raises no events has no system topic and no event subscriptions', async () => {
  const systemTopic = (source: string, topicType: string, location = 'westus2') =>
    server.call('PUT', '/resourceGroups/rg/providers/Microsoft.EventGrid/systemTopics/thing', {
      location,
      properties: { source, topicType },
    })
  const inGroup = `${subscription}/resourceGroups/rg/providers`
  const vault = `${inGroup}/Microsoft.KeyVault/vaults/v`
  const refusals = [
    [
      vault,
      'Microsoft.KeyVault.vault',
      /'properties\.topicType' must be .* got 'Microsoft\.KeyVault\.vault'/,
    ],
    [
      vault,
      'Microsoft.Storage.StorageAccounts',
      /'properties\.source' must be .*storageAccounts\/\{name\}; got '.*vaults\/v'/,
    ],
    [subscription, 'Microsoft.Storage.StorageAccounts', /'properties\.source' must be/],
    [
      `${inGroup}/Microsoft.Compute/virtualMachines/vm`,
      'Microsoft.Compute.VirtualMachines',
      /topicType' must be/,
    ],
    [
      `${inGroup}/Microsoft.EventGrid/topics/orders`,
      'Microsoft.EventGrid.Topics',
      /whose events a service raises/,
    ],
  ] as const
  for (const [source, topicType, message] of refusals) {
    const { status, body } = await systemTopic(source, topicType)
    assert.equal(status, 400, topicType)
    assert.match((body as { error: { message: string } }).error.message, message)
  }
  const onMachine = `${inGroup}/Microsoft.Compute/virtualMachines/vm/providers/Microsoft.EventGrid/eventSubscriptions/machine`
  const refused = await server.call('PUT', onMachine, {
    properties: {
      destination: { endpointType: 'WebHook', properties: { endpointUrl: 'https://example.org/' } },
    },
  })
  assert.equal(refused.status, 400)
  assert.match(JSON.stringify(refused.body), /must be on what raises events; got one of 'Microsoft\.Compute/)
  const policyType = 'microsoft.policyinsights.policystates'
  const elsewhere = await systemTopic(subscription, policyType)
  assert.equal(elsewhere.status, 400)
  assert.match(JSON.stringify(elsewhere.body), /'location' must be 'global'/)
  const nowhere = await systemTopic(vault, 'Microsoft.KeyVault.vaults', 'global')
  assert.match(JSON.stringify(nowhere.body), /'location' must be the region of the source/)
  const policy = await systemTopic(subscription, policyType, 'global')
  assert.equal(policy.status, 201)
  assert.match(JSON.stringify(policy.body), /"topicType":"Microsoft\.PolicyInsights\.PolicyStates"/)
})
