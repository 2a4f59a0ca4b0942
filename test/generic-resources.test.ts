import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { ResourceManagementClient } from '@azure/arm-resources'
import { defaultSubscriptionId } from '../src/arm/arm.ts'
import { subscription } from '../src/testing/control-plane.ts'
import { startRecordingWebhook } from '../src/testing/recording-webhook.ts'
import { startTestServer } from '../src/testing/test-server.ts'

/*
 * Resources of providers that are not run here, through the official client over HTTPS, as it is.
 */

const storageKey = Buffer.alloc(64, 3).toString('base64')
const hubString =
  'Endpoint=sb://localhost/;SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=c2VjcmV0'
const idOf = (type: string, name: string) => `${subscription}/resourceGroups/rg/providers/${type}/${name}`
const server = await startTestServer(
  { after },
  {
    file: {
      connections: {
        [idOf('Microsoft.Storage/storageAccounts', 'known')]: {
          connectionString: `DefaultEndpointsProtocol=https;AccountName=known;AccountKey=${storageKey}`,
        },
        [idOf('Microsoft.EventHub/namespaces', 'known')]: { connectionString: hubString },
      },
    },
  },
)
setDefaultCACertificates([...getCACertificates(), server.ca])

const credential = {
  getToken: () => Promise.resolve({ token: 'any', expiresOnTimestamp: Date.now() + 3_600_000 }),
}
const client = new ResourceManagementClient(credential, defaultSubscriptionId, { endpoint: server.https })
const { resources } = client
const version = '2023-01-01'
interface SystemTopic {
  readonly location: string
  readonly properties: { readonly source: string }
}

const warning = 'x-ms-busbar-warning'

test('a resource of a provider that is not run here is made, read, updated, found and deleted', async () => {
  const id = idOf('Microsoft.Web/sites', 'shop')
  const made = await resources.beginCreateOrUpdateByIdAndWait(id, version, {
    location: 'West US 2',
    kind: 'functionapp',
    tags: { team: 'shop' },
    sku: { name: 'Y1' },
    identity: { type: 'SystemAssigned' },
    properties: { httpsOnly: true, siteConfig: { a: 1, b: 2 } },
  })
  assert.equal(made.id, id)
  assert.equal(made.type, 'Microsoft.Web/sites')
  assert.equal(made.location, 'westus2')
  assert.equal(made.kind, 'functionapp')
  assert.deepEqual(made.sku, { name: 'Y1' })
  assert.ok(made.identity?.principalId)
  assert.deepEqual(made.properties, {
    httpsOnly: true,
    siteConfig: { a: 1, b: 2 },
    provisioningState: 'Succeeded',
  })
  const updated = await resources.beginUpdateByIdAndWait(id, version, {
    tags: { team: 'orders' },
    properties: { siteConfig: { b: null, c: 3 } },
  })
  assert.deepEqual(updated.properties?.siteConfig, { a: 1, c: 3 })
  assert.equal(updated.kind, 'functionapp')
  const found = await resources.get('rg', 'microsoft.web', '', 'SITES', 'Shop', version)
  assert.equal(found.id, id)
  assert.deepEqual(found.tags, { team: 'orders' })
  assert.ok(found.identity)
  assert.equal((await resources.checkExistenceById(id, version)).body, true)
  const listed = await Array.fromAsync(resources.list({ filter: "resourceType eq 'Microsoft.Web/sites'" }))
  assert.deepEqual(
    listed.map(({ name, kind, tags }) => ({ name, kind, tags })),
    [{ name: 'shop', kind: 'functionapp', tags: { team: 'orders' } }],
  )
  await resources.beginDeleteByIdAndWait(id, version)
  assert.equal((await resources.checkExistenceById(id, version)).body, false)
})

test('the answer to a write says that nothing runs behind the resource, unless it has a connection', async () => {
  const put = (id: string) => server.call('PUT', id, { location: 'westus2' })
  const vault = await put(idOf('Microsoft.KeyVault/vaults', 'keys'))
  assert.equal(vault.status, 201)
  assert.match(vault.headers.get(warning) ?? '', /'Microsoft\.KeyVault\/vaults'.*nothing runs behind/)
  assert.equal((await put(idOf('Microsoft.Storage/storageAccounts', 'known'))).headers.get(warning), null)
})

test('a child is stored below its parent, is in no list of resources, and goes with it', async () => {
  const parent = idOf('Microsoft.Storage/storageAccounts', 'letters')
  const child = `${parent}/blobServices/default/containers/mail`
  const before = await server.call('PUT', child, { properties: {} })
  assert.equal(before.body.error.code, 'ParentResourceNotFound')
  const account = await server.call('PUT', parent, { location: 'westus2', kind: 'StorageV2' })
  assert.equal(account.status, 200, 'the storage client takes no 201')
  assert.equal((await server.call('PUT', child, { properties: { publicAccess: 'None' } })).status, 201)
  const { body } = await server.call('GET', child)
  assert.equal(body.type, 'Microsoft.Storage/storageAccounts/blobServices/containers')
  assert.equal(body.location, undefined)
  const listed = await server.call('GET', `${parent}/blobServices/default/containers`)
  assert.deepEqual(
    listed.body.value.map(({ id }: { id: string }) => id),
    [child],
  )
  const names = (await Array.fromAsync(resources.listByResourceGroup('rg'))).map(({ name }) => name)
  assert.ok(names.includes('letters') && !names.includes('mail'), names.join())
  assert.equal((await server.call('DELETE', parent)).status, 200)
  assert.equal((await server.call('GET', child)).status, 404)
})

test('a type that is in no list keeps the casing it was first stored with, also after a restart', async () => {
  const put = (type: string, name: string) =>
    server.call('PUT', idOf(type, name), { location: 'westus2' }).then(({ body }) => body.type)
  assert.equal(await put('microsoft.maps/newThings', 'a'), 'Microsoft.Maps/newThings')
  assert.equal(await put('Microsoft.Maps/NEWTHINGS', 'b'), 'Microsoft.Maps/newThings')
  const { body } = await server.call('GET', idOf('microsoft.maps/newthings', 'A'))
  assert.equal(body.id, idOf('Microsoft.Maps/newThings', 'a'))
})

test('keys are those of the configured connection, and refused where there is none', async () => {
  const account = (name: string) => idOf('Microsoft.Storage/storageAccounts', name)
  await server.call('PUT', account('known'), { location: 'westus2' })
  await server.call('PUT', account('unknown'), { location: 'westus2' })
  const { body } = await server.call('POST', `${account('known')}/listKeys`)
  assert.deepEqual(
    body.keys.map(({ keyName, value }: { keyName: string; value: string }) => [keyName, value]),
    [
      ['key1', storageKey],
      ['key2', storageKey],
    ],
  )
  const refused = await server.call('POST', `${account('unknown')}/listKeys`)
  assert.equal(refused.status, 409)
  assert.match(refused.body.error.message, /unknown.*configuration key 'connections'/)
  assert.equal((await server.call('POST', `${account('absent')}/listKeys`)).status, 404)
  assert.equal((await server.call('POST', `${account('known')}/regenerateKey`, {})).status, 400)

  const namespace = idOf('Microsoft.EventHub/namespaces', 'known')
  await server.call('PUT', namespace, { location: 'westus2' })
  const rule = (name: string) => server.call('POST', `${namespace}/authorizationRules/${name}/listKeys`)
  const { body: keys } = await rule('RootManageSharedAccessKey')
  assert.equal(keys.primaryConnectionString, hubString)
  assert.equal(keys.primaryKey, 'c2VjcmV0')
  assert.equal((await rule('other')).status, 404)
  const vault = idOf('Microsoft.KeyVault/vaults', 'vault')
  await server.call('PUT', vault, { location: 'westus2' })
  const none = await server.call('POST', `${vault}/listkeys`)
  assert.equal(none.status, 400)
  assert.match(none.body.error.message, /Nothing runs behind/)
})

test('what belongs to Event Grid and is not done is refused, and so is a provider that nobody knows', async () => {
  const put = (type: string) => server.call('PUT', idOf(type, 'thing'), { location: 'westus2' })
  assert.equal((await put('Microsoft.EventGrid/gadgets')).body.error.code, 'InvalidResourceType')
  assert.equal((await put('Contoso.Things/boxes')).body.error.code, 'InvalidResourceNamespace')
  const topic = idOf('Microsoft.EventGrid/topics', 'orders')
  const accounts = `${topic}/providers/Microsoft.Storage/storageAccounts`
  assert.deepEqual((await server.call('GET', accounts)).body, { value: [] })
  const refused = await server.call('PUT', `${accounts}/all`, { properties: {} })
  assert.equal(refused.status, 404)
  assert.match(refused.body.error.message, /storageAccounts.*in a resource group/)
  const unplaced = await server.call('PUT', idOf('Microsoft.Web/sites', 'x'), {})
  assert.equal(unplaced.body.error.code, 'LocationRequired')
})

test('an event subscription on a stored resource receives its events, and goes with it and its system topic', async (t) => {
  const id = idOf('Microsoft.Storage/storageAccounts', 'uploads')
  await server.call('PUT', id, { location: 'eastus' })
  const hook = await startRecordingWebhook(t)
  const made = await server.call('PUT', `${id}/providers/Microsoft.EventGrid/eventSubscriptions/created`, {
    properties: { destination: { endpointType: 'WebHook', properties: { endpointUrl: hook.url } } },
  })
  assert.equal(made.status, 201)
  const systemTopics = async () =>
    (await server.call('GET', '/resourceGroups/rg/providers/Microsoft.EventGrid/systemTopics')).body.value
  assert.deepEqual(
    (await systemTopics()).map(({ location, properties }: SystemTopic) => [location, properties.source]),
    [['eastus', id]],
  )
  await server.raise(id, 'Microsoft.Storage.StorageAccounts', [
    {
      id: '1',
      subject: '/a',
      eventType: 'Microsoft.Storage.BlobCreated',
      eventTime: '2026-01-02T03:04:05Z',
      data: {},
      dataVersion: '1',
    },
  ])
  await server.settle()
  assert.equal(hook.received.length, 1)
  await server.call('DELETE', id)
  assert.deepEqual(await systemTopics(), [])
  assert.equal((await server.call('GET', made.body.id)).status, 404)
})

test('a name is asked about before it is taken', async () => {
  const ask = (name: string) =>
    server.call('POST', '/providers/Microsoft.Storage/checkNameAvailability', {
      name,
      type: 'Microsoft.Storage/storageAccounts',
    })
  await server.call('PUT', idOf('Microsoft.Storage/storageAccounts', 'taken'), { location: 'westus2' })
  assert.equal((await ask('taken')).body.reason, 'AlreadyExists')
  assert.deepEqual((await ask('free')).body, { nameAvailable: true })
  assert.equal((await ask('Not-A-Name')).body.reason, 'AccountNameInvalid')
})

test('resources and their children are there after a restart, and go with their group', async () => {
  const group = `${subscription}/resourceGroups/doomed`
  const site = `${group}/providers/Microsoft.Web/sites/shop`
  await server.call('PUT', group, { location: 'westus2' })
  await server.call('PUT', site, { location: 'westus2' })
  await server.call('PUT', `${site}/config/web`, { properties: { a: 1 } })
  await server.restart()
  assert.equal((await server.call('GET', `${site}/config/web`)).body.properties.a, 1)
  await server.call('DELETE', group)
  await server.call('PUT', group, { location: 'westus2' })
  assert.equal((await server.call('GET', site)).status, 404)
  assert.equal((await server.call('PUT', `${site}/config/web`, {})).body.error.code, 'ParentResourceNotFound')
})
