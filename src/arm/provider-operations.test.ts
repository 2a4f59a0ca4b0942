import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resourceTypes } from '../resources/index.ts'
import { startControlPlane } from '../testing/control-plane.ts'
import { examplePath } from '../testing/example-path.ts'
import { all, connect } from '../testing/official-clients.ts'

test('the official client lists the operations of Microsoft.EventGrid', async (t) => {
  const { eventGrid } = await connect(t)
  const listed = await all(eventGrid.operations.list())
  const names = listed.map(({ name }) => name)
  assert.equal(new Set(names).size, names.length)
  const write = listed.find(({ name }) => name === 'Microsoft.EventGrid/topics/write')
  assert.deepEqual(write, {
    name: 'Microsoft.EventGrid/topics/write',
    display: {
      provider: 'Microsoft Event Grid',
      resource: 'Topics',
      operation: 'Create or update topics',
      description: 'Create or update topics.',
    },
    origin: 'UserAndSystem',
    isDataAction: false,
  })
  for (const name of ['eventSubscriptions/getFullUrl/action', 'topics/listKeys/action', 'register/action'])
    assert.ok(names.includes(`Microsoft.EventGrid/${name}`), name)
  assert.equal(
    listed.find(({ name }) => name === 'Microsoft.EventGrid/events/send/action')?.isDataAction,
    true,
  )
})

test('every operation on a resource that is listed is there, and every one that is there is listed', async (t) => {
  const { raw, call } = await startControlPlane(t)
  const { body } = await raw('GET', '/providers/microsoft.eventgrid/operations?api-version=2025-02-15')
  const names: string[] = body.value.map(({ name }: { name: string }) => name)
  const types = resourceTypes.filter(({ type }) => type.startsWith('Microsoft.EventGrid/'))
  for (const type of resourceTypes) await call('PUT', examplePath(type), type.example.body)
  const expected = types.flatMap(({ type, childForms, actions }) =>
    [type, ...childForms].flatMap((form) =>
      ['read', 'write', 'delete', ...Object.keys(actions).map((name) => `${name}/action`)].map(
        (verb) => `${form}/${verb}`,
      ),
    ),
  )
  for (const name of expected) assert.ok(names.includes(name), `${name} is not listed`)
  for (const type of types)
    for (const action of Object.keys(type.actions)) {
      const answer = await call('POST', `${examplePath(type)}/${action}`, {})
      assert.notEqual(answer.status, 404, `${type.type}/${action}`)
    }
})

test('the operations of any provider that is listed can be asked for', async (t) => {
  const { raw } = await startControlPlane(t)
  const ask = (namespace: string) => raw('GET', `/providers/${namespace}/operations?api-version=2022-04-01`)
  const names = ({ body }: Awaited<ReturnType<typeof ask>>) =>
    body.value.map(({ name }: { name: string }) => name)
  assert.ok(names(await ask('Microsoft.Storage')).includes('Microsoft.Storage/storageAccounts/write'))
  assert.ok(names(await ask('microsoft.authorization')).includes('Microsoft.Authorization/locks/delete'))
  assert.equal((await ask('Contoso.Nothing')).status, 404)
})
