import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { MemoryDisk } from '../store/engines/memory.ts'
import { eventSubscriptionPath, startControlPlane, topicPath, toWebhook } from '../testing/control-plane.ts'
import { ManualClock, turnOfTheLoop } from '../testing/manual-clock.ts'

/** A group whose deletion has begun and is held up by a listener that takes its time over the topic. */
async function deleting(t: TestContext) {
  const clock = new ManualClock()
  const reached = Promise.withResolvers<void>()
  const goOn = Promise.withResolvers<void>()
  // Before the server closes, which waits for what it has begun.
  t.after(() => goOn.resolve())
  const server = await startControlPlane(t, { clock })
  await server.makeTopic()
  await server.call('PUT', eventSubscriptionPath, toWebhook())
  server.catalog.onChange(() => {
    reached.resolve()
    return goOn.promise
  })
  const answering = server.call('DELETE', '/resourceGroups/rg')
  await reached.promise
  await clock.advance(20_000)
  return { server, clock, deleted: await answering, goOn: goOn.resolve }
}

test('a group that takes long to delete says so, and takes no writes meanwhile', async (t) => {
  const { server, deleted, goOn } = await deleting(t)
  const { call, poll } = server
  assert.equal(deleted.status, 202)
  const running = await poll(deleted)
  assert.equal(running.status, 202)
  assert.equal(running.headers.get('location'), deleted.headers.get('location'))
  assert.equal((await call('GET', '/resourceGroups/rg')).body.properties.provisioningState, 'Deleting')
  for (const [method, path] of [
    ['PUT', '/resourceGroups/rg'],
    ['PATCH', '/resourceGroups/rg'],
    ['PUT', topicPath.replace('orders', 'other')],
  ] as const) {
    const refused = await call(method, path, { location: 'westus2' })
    assert.equal(refused.status, 409, path)
    assert.equal(refused.body.error.code, 'ResourceGroupBeingDeleted', path)
  }
  goOn()
  while ((await poll(deleted)).status === 202) await turnOfTheLoop()
  assert.equal((await poll(deleted)).status, 200)
  assert.equal((await call('HEAD', '/resourceGroups/rg')).status, 404)
})

test('a deletion that a crash interrupted is brought to its end by the next start', async (t) => {
  const { server, clock, deleted } = await deleting(t)
  const disk = new MemoryDisk()
  for (const [key, record] of server.disk.records) disk.records.set(key, record)
  const group = [...disk.records.values()].find(({ key }) => key.endsWith('/resourcegroups/rg'))
  assert.ok(group)
  const next = await startControlPlane(t, { disk, clock })
  const { pathname, search } = new URL(deleted.headers.get('location') as string)
  while ((await next.raw('GET', pathname + search)).status === 202) await turnOfTheLoop()
  assert.equal((await next.raw('GET', pathname + search)).status, 200)
  assert.equal(disk.records.size, 0)
})
