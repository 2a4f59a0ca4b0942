import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { openMemoryStore } from '../../store/engines/memory.ts'
import { deploymentsPerScope, History } from './history.ts'
import type { DeploymentState, StoredDeployment } from './stored-deployment.ts'

const scopeId = '/subscriptions/s/resourceGroups/Rg'

const deployment = (
  name: string,
  startedAt: number,
  state: DeploymentState = 'Succeeded',
): StoredDeployment => ({
  id: `${scopeId}/providers/Microsoft.Resources/deployments/${name}`,
  name,
  scopeId,
  location: undefined,
  tags: undefined,
  mode: 'Incremental',
  templateHash: '1',
  parameters: {},
  state,
  startedAt,
  changedAt: startedAt,
  origin: { caller: { name: 'tester' }, correlationId: 'c' },
  created: true,
  operationId: 'o',
  providers: [],
  dependencies: [],
  diagnostics: [],
  operations: [],
})

function open(t: TestContext) {
  const store = openMemoryStore()
  t.after(() => store.close())
  return { history: new History(store.records), records: store.records }
}

test('the oldest deployment that has ended makes room for one more, with its template', async (t) => {
  const { history, records } = open(t)
  await history.put(deployment('active', 0, 'Running'), {})
  for (let at = 1; at < deploymentsPerScope; at++)
    // oxlint-disable-next-line no-await-in-loop
    await history.put(deployment(`d${at}`, at), {})
  assert.equal((await records.list('deployment/')).length, deploymentsPerScope)
  assert.equal(history.isFull(scopeId), false)
  await history.put(deployment('one-more', 10_000), {})
  assert.equal((await records.list('deployment/')).length, deploymentsPerScope)
  assert.equal((await records.list('deployment-template/')).length, deploymentsPerScope)
  assert.equal(history.find(scopeId, 'd1'), undefined)
  for (const name of ['active', 'd2', 'ONE-MORE']) assert.ok(history.find(scopeId.toLowerCase(), name), name)
})

test('a scope is full when all of its deployments are active, and others are not', async (t) => {
  const { history } = open(t)
  for (let at = 0; at < deploymentsPerScope; at++)
    // oxlint-disable-next-line no-await-in-loop
    await history.put(deployment(`d${at}`, at, 'Running'), {})
  assert.equal(history.isFull(scopeId), true)
  assert.equal(history.isFull('/subscriptions/s'), false)
  await history.put(deployment('d5', 5))
  assert.equal(history.isFull(scopeId), false)
})

test('a history that is loaded again is in the same order, and tells what was under way', async (t) => {
  const { history, records } = open(t)
  await history.put(deployment('first', 1), { contentVersion: '1.0.0.0' })
  await history.put(deployment('second', 2, 'Running'), {})
  const again = new History(records)
  assert.deepEqual(
    (await again.load()).map(({ name }) => name),
    ['second'],
  )
  const entries = again.entries(scopeId)
  assert.deepEqual(
    entries.map(({ name }) => name),
    ['second', 'first'],
  )
  const first = again.find(scopeId, 'FIRST')
  assert.ok(first)
  assert.deepEqual(await again.readTemplate(first), { contentVersion: '1.0.0.0' })
  await again.remove(scopeId, first)
  assert.equal((await records.list('deployment')).length, 2)
})
