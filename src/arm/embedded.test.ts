import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLog } from '../base/log.ts'
import { engines } from '../store/engines/index.ts'
import { eventSubscriptionPath, startControlPlane, topicPath, toWebhook } from '../testing/control-plane.ts'
import { temporaryDirectory } from '../testing/temporary-directory.ts'

test('on the embedded engine every resource, key and validation outlives the process', async (t) => {
  const directory = await temporaryDirectory(t)
  const open = () => engines.embedded({ directory, log: createLog('silent') })
  const start = async (kind: 'verified' | 'manual') =>
    startControlPlane(t, { store: await open(), verify: () => Promise.resolve({ kind }) })
  const first = await start('manual')
  await first.makeTopic()
  await first.call('PUT', eventSubscriptionPath, toWebhook())
  const verified = eventSubscriptionPath.replace('es1', 'es2')
  await first.close()

  const second = await start('verified')
  const read = await second.call('GET', eventSubscriptionPath)
  assert.equal(read.body.properties.provisioningState, 'AwaitingManualAction')
  await second.call('PUT', verified, toWebhook())
  await second.call('PATCH', topicPath, { tags: { a: 'ü' } })
  const keys = (await second.call('POST', `${topicPath}/listKeys`)).body
  await second.close()

  const third = await start('verified')
  assert.deepEqual((await third.call('GET', topicPath)).body.tags, { a: 'ü' })
  assert.deepEqual((await third.call('POST', `${topicPath}/listKeys`)).body, keys)
  assert.deepEqual(
    [...third.catalog.eventSubscriptions()].map(({ name }) => name),
    ['es2'],
  )
  const etag = (await third.call('GET', topicPath)).headers.get('etag') as string
  assert.equal((await third.call('PATCH', topicPath, {}, { 'if-match': etag })).status, 200)
  assert.equal((await third.call('PATCH', topicPath, {}, { 'if-match': etag })).status, 412)
  assert.equal((await third.call('DELETE', '/resourceGroups/rg')).status, 202)
  assert.equal((await third.call('GET', '/resourceGroups/rg')).status, 404)
  await third.close()
})
