import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startControlPlane, subscription, topicPath } from '../testing/control-plane.ts'

const domainPath = '/resourceGroups/rg/providers/Microsoft.EventGrid/domains/tenants'
const location = 'westus2'

async function start(t: Parameters<typeof startControlPlane>[0]) {
  const server = await startControlPlane(t)
  await server.call('PUT', '/resourceGroups/rg', { location })
  return server
}

test('what az says of a topic with each write is taken, and told to the versions that know it', async (t) => {
  const { call, raw } = await start(t)
  const body = { location, sku: { name: 'basic' }, kind: 'azure', extendedLocation: null, properties: {} }
  const made = await call('PUT', topicPath, body)
  assert.equal(made.status, 201)
  assert.equal(made.body.sku, undefined)
  const old = await raw('GET', `${subscription}${topicPath}?api-version=2021-10-15-preview`)
  assert.deepEqual(old.body.sku, { name: 'Basic' })
  assert.equal(old.body.kind, 'Azure')
  assert.equal(old.body.extendedLocation, null)
  const group = topicPath.slice(0, topicPath.lastIndexOf('/'))
  const listed = await raw('GET', `${subscription}${group}?api-version=2021-10-15-preview`)
  assert.equal(listed.body.value[0].kind, 'Azure')
  assert.equal((await call('PATCH', topicPath, { sku: { name: 'Basic' } })).status, 200)
  await call('PUT', domainPath, { location, sku: { name: 'Basic' } })
  const domain = await raw('GET', `${subscription}${domainPath}?api-version=2020-04-01-preview`)
  assert.deepEqual(domain.body.sku, { name: 'Basic' })
  assert.equal(domain.body.kind, undefined)
})

const refusals = [
  ['the sku Premium', topicPath, { sku: { name: 'Premium' } }, 'sku.name'],
  ['the sku Premium of a domain', domainPath, { sku: { name: 'Premium' } }, 'sku.name'],
  ['a sku that is not known', topicPath, { sku: { name: 'Gold' } }, 'sku.name'],
  ['the kind AzureArc', topicPath, { kind: 'AzureArc' }, 'kind'],
  [
    'an extended location',
    topicPath,
    { extendedLocation: { name: 'x', type: 'CustomLocation' } },
    'extendedLocation',
  ],
  [
    'encryption with a key of the customer',
    topicPath,
    { properties: { encryption: { customerManagedKeyEncryption: [{ keyEncryptionKeyUrl: 'https://v' }] } } },
    'properties.encryption.customerManagedKeyEncryption',
  ],
  [
    'confidential computing',
    topicPath,
    { properties: { platformCapabilities: { confidentialCompute: { mode: 'Enabled' } } } },
    'properties.platformCapabilities.confidentialCompute.mode',
  ],
] as const

test('what is for Azure to run is refused by PUT and by PATCH with an error that names it', async (t) => {
  for (const [what, path, body, target] of refusals)
    await t.test(what, async (each) => {
      const { call } = await start(each)
      const refused = await call('PUT', path, { location, ...body })
      assert.equal(refused.status, 400)
      assert.equal(refused.body.error.target, target)
      await call('PUT', path, { location })
      const patched = await call('PATCH', path, body)
      assert.equal(patched.status, 400)
      assert.equal(patched.body.error.target, target)
    })
})

test('an update of what a system topic stands for is refused, and one that repeats it is taken', async (t) => {
  const { call } = await start(t)
  const path = '/resourceGroups/rg/providers/Microsoft.EventGrid/systemTopics/uploads'
  const source = `${subscription}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/uploads`
  const properties = { source, topicType: 'Microsoft.Storage.StorageAccounts' }
  assert.equal((await call('PUT', path, { location, properties })).status, 201)
  assert.equal((await call('PATCH', path, { tags: { a: 'b' }, properties })).status, 200)
  const refused = await call('PATCH', path, { properties: { source: `${source}2` } })
  assert.equal(refused.status, 400)
  assert.equal(refused.body.error.code, 'PropertyChangeNotAllowed')
  assert.equal(refused.body.error.target, 'properties.source')
})

test('an update changes what a subscriber says of a partner topic', async (t) => {
  const { call } = await start(t)
  const path = '/resourceGroups/rg/providers/Microsoft.EventGrid/partnerTopics/contoso'
  await call('PUT', path, { location, properties: { source: '/a' } })
  const patched = await call('PATCH', path, { properties: { partnerTopicFriendlyDescription: 'ours' } })
  assert.equal(patched.body.properties.partnerTopicFriendlyDescription, 'ours')
  assert.equal(patched.body.properties.source, '/a')
  assert.equal((await call('PATCH', path, { properties: { source: '/b' } })).status, 400)
})
