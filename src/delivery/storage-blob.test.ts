import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startAzurite } from '../testing/azurite.ts'
import { createBlobDeadLetterStore } from './storage-blob.ts'

const storageAccountId =
  '/subscriptions/0/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/devstoreaccount1'
const body = Buffer.from('[{"id":"1"}]')
const eventSubscriptionId = '/subscriptions/0/resourceGroups/größe/providers/X/topics/t'
const blob = (name: string) => ({ name, body, eventSubscriptionId, reasons: ['TimeToLiveExceeded'] })
const { signal } = new AbortController()

test('a dead-letter record is kept in the container of its storage account', async (t) => {
  const azurite = await startAzurite(t)
  const store = createBlobDeadLetterStore(
    new Map([[storageAccountId.toLowerCase(), { connectionString: azurite.connectionString }]]),
  )
  const settings = { storageAccountId, containerName: 'dead' }

  await t.test('a container that does not exist is missing', async () => {
    const outcome = await store.write(settings, blob('A/1.json'), signal)
    assert.equal(outcome.kind, 'missing')
  })

  await t.test('a blob is written where the container exists', async () => {
    await azurite.container('dead').create()
    assert.deepEqual(await store.write(settings, blob('ALERTS/2026/1/2/3/1.json'), signal), {
      kind: 'written',
    })
    const written = azurite.container('dead').getBlobClient('ALERTS/2026/1/2/3/1.json')
    assert.deepEqual(await written.downloadToBuffer(), body)
    assert.equal((await written.getProperties()).contentType, 'application/json; charset=utf-8')
  })

  await t.test('an account without a connection may get one: records wait', async () => {
    const outcome = await store.write({ ...settings, storageAccountId: '/other' }, blob('A/1.json'), signal)
    assert.deepEqual(outcome, { kind: 'unavailable', error: 'No connection is configured for /other.' })
  })
})

test('storage that nobody listens on is unavailable', async () => {
  const connection = `DefaultEndpointsProtocol=http;AccountName=a;AccountKey=YQ==;BlobEndpoint=http://127.0.0.1:1/a;`
  const store = createBlobDeadLetterStore(
    new Map([[storageAccountId.toLowerCase(), { connectionString: connection }]]),
  )
  const outcome = await store.write({ storageAccountId, containerName: 'dead' }, blob('A/1.json'), signal)
  assert.equal(outcome.kind, 'unavailable')
})

test('a connection string that is none is reported, not thrown', async () => {
  const store = createBlobDeadLetterStore(
    new Map([[storageAccountId.toLowerCase(), { connectionString: 'nonsense' }]]),
  )
  const outcome = await store.write({ storageAccountId, containerName: 'dead' }, blob('A/1.json'), signal)
  assert.equal(outcome.kind, 'unavailable')
})
