import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type Answer,
  eventSubscriptionPath,
  startControlPlane,
  subscription,
  topicPath,
  toWebhook,
} from '../testing/control-plane.ts'

const group = '/resourceGroups/rg'
const locks = (scope: string, name = '') =>
  `${scope}/providers/Microsoft.Authorization/locks${name && `/${name}`}`
const level = (word: string) => ({ properties: { level: word, notes: 'why' } })

function refused({ status, body }: Answer, scope: string, name: string): void {
  assert.equal(status, 409, JSON.stringify(body))
  assert.equal(body.error.code, 'ScopeLocked')
  assert.ok(body.error.message.includes(`are locked: '${scope}'`), body.error.message)
  assert.ok(body.error.message.includes(`/locks/${name}'`), body.error.message)
}

test('a lock is made, read, replaced, listed from above and deleted', async (t) => {
  const { call, makeTopic } = await startControlPlane(t)
  await makeTopic()
  const path = locks(topicPath, 'keep')
  const made = await call('PUT', path, level('cannotdelete'))
  assert.equal(made.status, 201)
  assert.deepEqual(made.body.properties, { level: 'CanNotDelete', notes: 'why' })
  assert.equal(made.body.type, 'Microsoft.Authorization/locks')
  assert.equal(made.body.id, `${subscription}${path}`)
  assert.equal((await call('PUT', path, level('CanNotDelete'))).status, 200)
  assert.equal((await call('PUT', locks('', 'all'), level('CanNotDelete'))).status, 201)
  const names = async (scope: string, filter = '') =>
    (await call('GET', locks(scope) + filter)).body.value.map(({ name }: { name: string }) => name)
  assert.deepEqual(await names(''), ['all', 'keep'])
  assert.deepEqual(await names('', '?$filter=atScope()'), ['all'])
  assert.deepEqual(await names(group), ['keep'])
  assert.deepEqual(await names(topicPath), ['keep'])
  assert.equal((await call('GET', `${locks('')}?$filter=name eq 'x'`)).status, 400)
  assert.equal((await call('DELETE', path)).status, 200)
  assert.equal((await call('DELETE', path)).status, 204)
  assert.equal((await call('GET', path)).body.error.code, 'LockNotFound')
})

test('a lock tells its owners, and refuses what is none', async (t) => {
  const { call, makeTopic } = await startControlPlane(t)
  await makeTopic()
  const put = (owners: unknown) =>
    call('PUT', locks(topicPath, 'keep'), { properties: { level: 'ReadOnly', owners } })
  assert.deepEqual((await put([{ applicationId: 'a' }])).body.properties.owners, [{ applicationId: 'a' }])
  const refusal = await put([{ applicationId: 1 }])
  assert.equal(refusal.body.error.target, 'properties.owners[0].applicationId')
})

test('what is locked against deletion is changed and not deleted, on itself, from above and with what it lies in', async (t) => {
  const { call, makeTopic } = await startControlPlane(t)
  await makeTopic()
  const topic = subscription + topicPath
  await call('PUT', locks(topicPath, 'keep'), level('CanNotDelete'))
  refused(await call('DELETE', topicPath), topic, 'keep')
  refused(await call('DELETE', group), topic, 'keep')
  assert.equal((await call('GET', group)).body.properties.provisioningState, 'Succeeded')
  assert.equal((await call('PATCH', topicPath, { tags: { a: 'b' } })).status, 200)
  assert.equal((await call('POST', `${topicPath}/listKeys`)).status, 200)
  await call('DELETE', locks(topicPath, 'keep'))

  assert.equal((await call('PUT', eventSubscriptionPath, toWebhook())).status, 201)
  await call('PUT', locks(group, 'group-lock'), level('CanNotDelete'))
  refused(await call('DELETE', eventSubscriptionPath), subscription + group, 'group-lock')
  await call('DELETE', locks(group, 'group-lock'))

  await call('PUT', locks('', 'everything'), level('CanNotDelete'))
  refused(await call('DELETE', topicPath), subscription, 'everything')
  await call('DELETE', locks('', 'everything'))
  assert.equal((await call('DELETE', topicPath)).status, 202)
})

test('what may only be read takes no write, no delete and no action', async (t) => {
  const { call, makeTopic } = await startControlPlane(t)
  await makeTopic()
  await call('PUT', locks(group, 'frozen'), level('ReadOnly'))
  const scope = subscription + group
  refused(await call('PUT', topicPath, { location: 'westus2' }), scope, 'frozen')
  refused(await call('PATCH', topicPath, { tags: {} }), scope, 'frozen')
  refused(await call('DELETE', topicPath), scope, 'frozen')
  refused(await call('POST', `${topicPath}/listKeys`), scope, 'frozen')
  refused(await call('PUT', eventSubscriptionPath, toWebhook()), scope, 'frozen')
  refused(await call('PUT', group, { location: 'westus2' }), scope, 'frozen')
  assert.equal((await call('GET', topicPath)).status, 200)
  assert.equal((await call('PUT', '/resourceGroups/other', { location: 'westus2' })).status, 201)
  assert.equal((await call('DELETE', locks(group, 'frozen'))).status, 200)
  assert.equal((await call('PUT', topicPath, { location: 'westus2' })).status, 201)
})

test('a lock has a level, and stands on what is there', async (t) => {
  const { call, makeTopic } = await startControlPlane(t)
  await makeTopic()
  const without = await call('PUT', locks(group, 'x'), { properties: {} })
  assert.match(without.body.error.message, /'properties\.level' must be one of CanNotDelete, ReadOnly/)
  const nowhere = await call('PUT', locks('/resourceGroups/none', 'x'), level('ReadOnly'))
  assert.equal(nowhere.body.error.code, 'ResourceGroupNotFound')
  const site = `${group}/providers/Microsoft.Web/sites/none`
  assert.equal(
    (await call('PUT', locks(site, 'x'), level('ReadOnly'))).body.error.code,
    'ParentResourceNotFound',
  )
})

test('locks hold after a restart, and go with what they stand on', async (t) => {
  const server = await startControlPlane(t)
  await server.makeTopic()
  await server.call('PUT', locks(topicPath, 'keep'), level('CanNotDelete'))
  await server.close()
  const { call } = await startControlPlane(t, { disk: server.disk })
  refused(await call('DELETE', topicPath), subscription + topicPath, 'keep')
  await call('DELETE', locks(topicPath, 'keep'))
  await call('DELETE', topicPath)
  assert.deepEqual((await call('GET', locks(''))).body.value, [])
})
