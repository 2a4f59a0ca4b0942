import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startAzurite } from '../testing/azurite.ts'
import { createBlobDeadLetterStore } from './storage-blob.ts'

const storageAccountId =
  '/subscriptions/0/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/devstoreaccount1'
const body = Buffer.from('[{"id":"1"}]')

test('a dead-letter record is kept in the container of its storage account', async (t) => {
  const azurite = await startAzurite(t)
  const store = createBlobDeadLetterStore(
    new Map([[storageAccountId.toLowerCase(), { connectionString: azurite.connectionString }]]),
  )
  const settings = { storageAccountId, containerName: 'dead' }

  await t.test('a container that does not exist is missing', async () => {
    const outcome = await store.write(settings, 'A/1.json', body)
    assert.equal(outcome.kind, 'missing')
  })

  await t.test('a blob is written where the container exists', async () => {
    await azurite.container('dead').create()
    assert.deepEqual(await store.write(settings, 'ALERTS/2026/1/2/3/1.json', body), { kind: 'written' })
    const blob = azurite.container('dead').getBlobClient('ALERTS/2026/1/2/3/1.json')
    assert.deepEqual(await blob.downloadToBuffer(), body)
    assert.equal((await blob.getProperties()).contentType, 'application/json; charset=utf-8')
  })

  await t.test('an account without a connection may get one: records wait', async () => {
    const outcome = await store.write({ ...settings, storageAccountId: '/other' }, 'A/1.json', body)
    assert.deepEqual(outcome, { kind: 'unavailable', error: 'No connection is configured for /other.' })
  })
})

test('storage that nobody listens on is unavailable', async () => {
  const connection = `DefaultEndpointsProtocol=http;AccountName=a;AccountKey=YQ==;BlobEndpoint=http://127.0.0.1:1/a;`
  const store = createBlobDeadLetterStore(
    new Map([[storageAccountId.toLowerCase(), { connectionString: connection }]]),
  )
  const outcome = await store.write({ storageAccountId, containerName: 'dead' }, 'A/1.json', body)
  assert.equal(outcome.kind, 'unavailable')
})

test('a connection string that is none is reported, not thrown', async () => {
  const store = createBlobDeadLetterStore(
    new Map([[storageAccountId.toLowerCase(), { connectionString: 'nonsense' }]]),
  )
  const outcome = await store.write({ storageAccountId, containerName: 'dead' }, 'A/1.json', body)
  assert.equal(outcome.kind, 'unavailable')
})
