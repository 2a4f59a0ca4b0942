import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { ResourceManagementClient } from '@azure/arm-resources'
import { defaultSubscriptionId } from '../src/arm/arm.ts'
import { subscription } from '../src/testing/control-plane.ts'
import { startRecordingWebhook } from '../src/testing/recording-webhook.ts'
import { startTestServer } from '../src/testing/test-server.ts'

/*
 * Tags and registrations of providers, through the official client over HTTPS, as it is.
 */

const server = await startTestServer({ after })
setDefaultCACertificates([...getCACertificates(), server.ca])

const credential = {
  getToken: () => Promise.resolve({ token: 'any', expiresOnTimestamp: Date.now() + 3_600_000 }),
}
const client = new ResourceManagementClient(credential, defaultSubscriptionId, { endpoint: server.https })
const { tagsOperations: tags } = client
const group = `${subscription}/resourceGroups/rg`
const topic = `${group}/providers/Microsoft.EventGrid/topics/orders`

test('tags of a topic, a group and the subscription are put, merged, replaced, taken away and deleted', async () => {
  for (const scope of [topic, group, subscription]) {
    const made = await tags.beginCreateOrUpdateAtScopeAndWait(scope, {
      properties: { tags: { team: 'orders', env: 'test' } },
    })
    assert.equal(made.id, `${scope}/providers/Microsoft.Resources/tags/default`)
    assert.deepEqual(made.properties.tags, { team: 'orders', env: 'test' })
    const update = async (operation: string, given: Record<string, string>) =>
      (await tags.beginUpdateAtScopeAndWait(scope, { operation, properties: { tags: given } })).properties
        .tags
    assert.deepEqual(await update('Merge', { ENV: 'live', a: 'b' }), { team: 'orders', ENV: 'live', a: 'b' })
    assert.deepEqual(await update('Delete', { a: 'b', team: 'other' }), { team: 'orders', ENV: 'live' })
    assert.deepEqual(await update('Replace', { c: 'd' }), { c: 'd' })
    assert.deepEqual((await tags.getAtScope(scope)).properties.tags, { c: 'd' })
  }
  assert.deepEqual((await server.call('GET', topic)).body.tags, { c: 'd' })
  assert.deepEqual((await server.call('GET', group)).body.tags, { c: 'd' })
  assert.deepEqual((await server.call('GET', subscription)).body.tags, { c: 'd' })
  for (const scope of [topic, group, subscription]) {
    await tags.beginDeleteAtScopeAndWait(scope)
    assert.deepEqual((await tags.getAtScope(scope)).properties.tags, {})
  }
})

test('tags of the subscription are there after a restart', async () => {
  const path = `${subscription}/providers/Microsoft.Resources/tags/default`
  await server.call('PUT', path, { properties: { tags: { kept: 'yes' } } })
  await server.restart()
  assert.deepEqual((await server.call('GET', path)).body.properties.tags, { kept: 'yes' })
  await server.call('DELETE', path)
})

test('a change of tags that is wrong, or of what has none, is refused', async () => {
  const at = (scope: string) => `${scope}/providers/Microsoft.Resources/tags/default`
  const refused = async (method: string, path: string, body: unknown, status: number, code: string) => {
    const answer = await server.call(method, path, body)
    assert.deepEqual([answer.status, answer.body?.error?.code], [status, code], JSON.stringify(answer.body))
  }
  const given = { properties: { tags: { a: 'b' } } }
  await refused('PATCH', at(topic), given, 400, 'InvalidRequest')
  await refused('PATCH', at(topic), { operation: 'Add', ...given }, 400, 'InvalidRequest')
  await refused('PUT', at(topic), { properties: { tags: { a: 1 } } }, 400, 'InvalidRequest')
  await refused('PUT', at(`${group}x`), given, 404, 'ResourceGroupNotFound')
  await refused('PUT', at(`${topic}x`), given, 404, 'ResourceNotFound')
  const fifty = Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`t${n}`, 'x']))
  await server.call('PUT', at(topic), { properties: { tags: fifty } })
  await refused('PATCH', at(topic), { operation: 'Merge', ...given }, 400, 'TooManyTags')
  await refused('POST', at(topic), given, 405, 'HttpResourceMethodNotAllowed')
  const child = `${topic}/providers/Microsoft.Authorization/roleAssignments/6f1c2a53-4d3e-4c5b-9a87-0b1c2d3e4f50`
  await refused('PUT', at(child), given, 400, 'BadRequest')
})

test('the names of tags in use, and of those that were made, are listed with their values and counts', async () => {
  const restarted = new ResourceManagementClient(credential, defaultSubscriptionId, {
    endpoint: server.https,
  })
  const names = restarted.tagsOperations
  await names.beginCreateOrUpdateAtScopeAndWait(topic, { properties: { tags: { cost: 'high' } } })
  await names.beginCreateOrUpdateAtScopeAndWait(group, { properties: { tags: { Cost: 'low' } } })
  await names.createOrUpdate('owner')
  await names.createOrUpdateValue('owner', 'ada')
  const listed = await Array.fromAsync(names.list())
  assert.deepEqual(
    listed.map(({ tagName, count, values }) => [
      tagName?.toLowerCase(),
      count?.value,
      values?.map(({ tagValue }) => tagValue).toSorted(),
    ]),
    [
      ['owner', 0, ['ada']],
      ['cost', 2, ['high', 'low']],
    ],
  )
  await names.deleteValue('owner', 'ada')
  await names.delete('owner')
  await assert.rejects(names.delete('cost'), { statusCode: 409, code: 'TagNameInUse' })
  assert.equal((await Array.fromAsync(names.list())).length, 1)
})

test('a change of tags is told of as such', async (t) => {
  const hook = await startRecordingWebhook(t)
  const made = await server.call('PUT', `${group}/providers/Microsoft.EventGrid/eventSubscriptions/changes`, {
    properties: { destination: { endpointType: 'WebHook', properties: { endpointUrl: hook.url } } },
  })
  assert.equal(made.status, 201)
  await server.call('PUT', `${topic}/providers/Microsoft.Resources/tags/default`, {
    properties: { tags: { a: 'b' } },
  })
  await server.settle()
  const operations = () =>
    hook.received.flatMap(({ body }) =>
      (body as { data: { operationName: string } }[]).map(({ data }) => data.operationName),
    )
  assert.ok(operations().includes('Microsoft.Resources/tags/write'), operations().join())
  await server.call('DELETE', made.body.id)
})

test('a provider is unregistered where nothing is of it, then makes nothing, until it is registered again', async () => {
  const restarted = new ResourceManagementClient(credential, defaultSubscriptionId, {
    endpoint: server.https,
  })
  const { providers: calls } = restarted
  assert.equal((await calls.get('Microsoft.Maps')).registrationState, 'Registered')
  assert.equal((await calls.unregister('Microsoft.Maps')).registrationState, 'Unregistered')
  const path = `${group}/providers/Microsoft.Maps/accounts/x`
  const refused = await server.call('PUT', path, { location: 'global' })
  assert.equal(refused.status, 409)
  assert.equal(refused.body.error.code, 'MissingSubscriptionRegistration')
  const states = (await Array.fromAsync(calls.list())).map((each) => [each.namespace, each.registrationState])
  assert.deepEqual(
    states.filter(([, state]) => state !== 'Registered'),
    [['Microsoft.Maps', 'Unregistered']],
  )
  assert.equal((await calls.register('microsoft.maps')).registrationState, 'Registered')
  assert.equal((await server.call('PUT', path, { location: 'global' })).status, 201)
  await assert.rejects(calls.unregister('Microsoft.EventGrid'), { statusCode: 409, code: 'Conflict' })
  assert.equal((await calls.unregister('Microsoft.Resources')).registrationState, 'Registered')
})

test('each type of a provider is listed with its versions', async () => {
  const restarted = new ResourceManagementClient(credential, defaultSubscriptionId, {
    endpoint: server.https,
  })
  const provider = await restarted.providers.get('Microsoft.Storage')
  const type = provider.resourceTypes?.find(({ resourceType }) => resourceType === 'storageAccounts')
  assert.ok(type?.apiVersions?.length)
  assert.match(type.capabilities ?? '', /SupportsTags/)
  await assert.rejects(restarted.providers.get('Contoso.Things'), { code: 'InvalidResourceNamespace' })
})
