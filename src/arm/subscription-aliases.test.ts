import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startControlPlane } from '../testing/control-plane.ts'
import { defaultSubscriptionId } from './subscriptions.ts'

const version = '?api-version=2021-10-01'
const aliases = '/providers/Microsoft.Subscription/aliases'

async function start(
  t: Parameters<typeof startControlPlane>[0],
  disk?: Awaited<ReturnType<typeof startControlPlane>>['disk'],
) {
  const server = await startControlPlane(t, { ...(disk && { disk }) })
  const send = (method: string, path: string, body?: unknown) =>
    server.raw(method, path + version, body === undefined ? undefined : JSON.stringify(body))
  return { ...server, send }
}

const staging = {
  properties: { displayName: 'Staging', workload: 'DevTest', additionalProperties: { tags: { a: 'b' } } },
}

test('a subscription is made with an alias, takes groups, and is there after a restart', async (t) => {
  const first = await start(t)
  const made = await first.send('PUT', `${aliases}/staging`, staging)
  assert.equal(made.status, 201)
  const { subscriptionId } = made.body.properties
  assert.match(subscriptionId, /^[0-9a-f-]{36}$/)
  assert.equal(made.body.properties.provisioningState, 'Succeeded')
  const again = await first.send('PUT', `${aliases}/STAGING`, staging)
  assert.deepEqual([again.status, again.body.properties.subscriptionId], [200, subscriptionId])
  const group = `/subscriptions/${subscriptionId}/resourceGroups/rg`
  const put = await first.raw('PUT', `${group}?api-version=2021-04-01`, '{"location":"westus2"}')
  assert.equal(put.status, 201)
  await first.close()

  const { raw, send } = await start(t, first.disk)
  const listed = await raw('GET', '/subscriptions?api-version=2022-12-01')
  assert.deepEqual(
    listed.body.value.map(({ displayName, tags }: { displayName: string; tags: object }) => [
      displayName,
      tags,
    ]),
    [
      ['Busbar', {}],
      ['Staging', { a: 'b' }],
    ],
  )
  assert.equal((await raw('GET', `${group}?api-version=2021-04-01`)).status, 200)
  assert.equal((await send('GET', `${aliases}/staging`)).body.properties.subscriptionId, subscriptionId)
  assert.equal((await send('GET', aliases)).body.value.length, 1)
  assert.equal((await send('DELETE', `${aliases}/staging`)).status, 200)
  assert.equal((await send('GET', `${aliases}/staging`)).status, 404)
  assert.equal((await send('DELETE', `${aliases}/staging`)).status, 204)
  assert.equal((await raw('GET', `${group}?api-version=2021-04-01`)).status, 200)
})

test('a subscription is renamed, and canceled once it is empty; those of the configuration are not', async (t) => {
  const { send, raw } = await start(t)
  const { body } = await send('PUT', `${aliases}/staging`, staging)
  const id = `/subscriptions/${body.properties.subscriptionId}`
  const act = (of: string, action: string, given?: object) =>
    send('POST', `${of}/providers/Microsoft.Subscription/${action}`, given)
  assert.equal((await act(id, 'rename', { subscriptionName: 'Acceptance' })).status, 200)
  assert.equal((await raw('GET', `${id}?api-version=2022-12-01`)).body.displayName, 'Acceptance')
  await raw('PUT', `${id}/resourceGroups/rg?api-version=2021-04-01`, '{"location":"westus2"}')
  const refused = await act(id, 'cancel')
  assert.equal(refused.status, 409)
  assert.match(refused.body.error.message, /resourceGroups.*delete them first/)
  await raw('DELETE', `${id}/resourceGroups/rg?api-version=2021-04-01`)
  assert.equal((await act(id, 'cancel')).status, 200)
  assert.equal((await raw('GET', `${id}?api-version=2022-12-01`)).status, 404)
  assert.equal((await send('GET', `${aliases}/staging`)).status, 404)
  const own = `/subscriptions/${defaultSubscriptionId}`
  assert.equal((await act(own, 'cancel')).status, 409)
  assert.equal((await act(own, 'rename', { subscriptionName: 'x' })).status, 409)
  assert.equal((await act(own, 'enable')).status, 404)
})

test('an alias of a subscription that there is, and of one that there is not', async (t) => {
  const { send } = await start(t)
  const of = (subscriptionId: string) => ({ properties: { subscriptionId } })
  const made = await send('PUT', `${aliases}/own`, of(defaultSubscriptionId))
  assert.equal(made.body.properties.displayName, 'Busbar')
  const other = '6b1f4c0e-2d5a-4f8b-9c3e-7a1d0e5f2b48'
  assert.equal((await send('PUT', `${aliases}/none`, of(other))).status, 404)
  const group = { properties: { additionalProperties: { managementGroupId: 'mg' } } }
  const refused = await send('PUT', `${aliases}/grouped`, group)
  assert.equal(refused.body.error.target, 'properties.additionalProperties.managementGroupId')
  assert.equal((await send('PUT', `${aliases}/${'x'.repeat(65)}`, staging)).status, 400)
})
