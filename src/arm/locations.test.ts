import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startControlPlane, subscription, topicPath } from '../testing/control-plane.ts'

const provider = '/resourceGroups/rg/providers/Microsoft.EventGrid'

test('a resource in a region that Azure does not have is refused, with the regions and the nearest of them', async (t) => {
  const { call } = await startControlPlane(t)
  await call('PUT', '/resourceGroups/rg', { location: 'westus2' })
  const refused = await call('PUT', topicPath, { location: 'westus22' })
  assert.equal(refused.status, 400)
  assert.equal(refused.body.error.code, 'LocationNotAvailableForResourceType')
  const { message } = refused.body.error
  assert.match(message, /'westus22' is not available for resource type 'Microsoft.EventGrid\/topics'/)
  assert.match(message, /Did you mean 'westus2'\?/)
  assert.match(message, /'australiacentral,/)
  assert.equal((await call('PUT', '/resourceGroups/other', { location: 'nowhere' })).status, 400)
  const account = '/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/uploads'
  assert.equal((await call('PUT', account, { location: 'nowhere' })).status, 400)
})

test('a resource is at the location global only where its type has it', async (t) => {
  const { call } = await startControlPlane(t)
  await call('PUT', '/resourceGroups/rg', { location: 'westus2' })
  const status = async (path: string) => (await call('PUT', path, { location: 'global' })).status
  assert.equal(await status(topicPath), 400)
  assert.equal(await status('/resourceGroups/other'), 400)
  assert.equal(await status(`${provider}/partnerRegistrations/contoso`), 200)
  assert.equal(await status('/resourceGroups/rg/providers/Microsoft.Insights/actionGroups/all'), 201)
})

test('a location that the configuration names is told of, and resources may be there', async (t) => {
  const { call, raw } = await startControlPlane(t, { locations: ['onprem'] })
  assert.equal((await call('PUT', '/resourceGroups/rg', { location: 'OnPrem' })).status, 201)
  assert.equal((await call('PUT', topicPath, { location: 'on prem' })).body.location, 'onprem')
  const locations = await raw('GET', `${subscription}/locations?api-version=2022-12-01`)
  assert.ok(locations.body.value.some(({ name }: { name: string }) => name === 'onprem'))
  const { body } = await raw('GET', `${subscription}/providers/Microsoft.EventGrid?api-version=2021-04-01`)
  const [topics] = body.resourceTypes.filter(
    (each: { resourceType: string }) => each.resourceType === 'topics',
  )
  assert.ok(topics.locations.includes('onprem'))
})

test('what is there stays where it is when the configuration names its location no more', async (t) => {
  const before = await startControlPlane(t, { locations: ['onprem'] })
  await before.call('PUT', '/resourceGroups/rg', { location: 'onprem' })
  await before.call('PUT', topicPath, { location: 'onprem' })
  await before.close()
  const { call } = await startControlPlane(t, { disk: before.disk })
  assert.equal((await call('PUT', topicPath, { location: 'onprem' })).status, 201)
  assert.equal((await call('PUT', `${topicPath}2`, { location: 'onprem' })).status, 400)
})
