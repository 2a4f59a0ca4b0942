import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeStorageConnection, type StorageService, signRequest } from './storage-connection.ts'

const read = (text: string) => decodeStorageConnection(text) as StorageService

test('an account and its key stand for the queue endpoint of its cloud', () => {
  const { url, account, proof } = read('AccountName=letters;AccountKey=YWJj;EndpointSuffix=core.example.org')
  assert.equal(url.href, 'https://letters.queue.core.example.org/')
  assert.equal(account, 'letters')
  assert.deepEqual(proof, { kind: 'key', key: Buffer.from('abc') })
})

test('the development storage is where the emulator listens', () => {
  const { url, account } = read('UseDevelopmentStorage=true')
  assert.equal(url.href, 'http://127.0.0.1:10001/devstoreaccount1')
  assert.equal(account, 'devstoreaccount1')
})

test('a shared access signature becomes the query of every request', () => {
  const service = read('QueueEndpoint=https://letters.queue.example.org;SharedAccessSignature=?sv=1&sig=x%3D')
  const request = {
    method: 'POST',
    path: '/q/messages',
    query: { messagettl: '-1' },
    contentType: '',
  } as const
  const { path, headers } = signRequest(service, { ...request, bodyBytes: 0, now: 0 })
  assert.equal(path, '/q/messages?messagettl=-1&sv=1&sig=x%3D')
  assert.deepEqual(headers.slice(0, 2), ['x-ms-date', 'Thu, 01 Jan 1970 00:00:00 GMT'])
  assert.ok(!headers.includes('Authorization'))
})

for (const [text, why] of [
  ['nonsense', 'has a part without an equals sign'],
  ['AccountName=a', 'has neither AccountName and AccountKey nor SharedAccessSignature'],
  ['AccountKey=YWJj', 'has neither AccountName nor QueueEndpoint'],
  ['QueueEndpoint=nowhere;AccountName=a;AccountKey=YWJj', 'has a QueueEndpoint that is no URL'],
  [
    'BlobEndpoint=https://letters.blob.example.org;SharedAccessSignature=x',
    'has neither AccountName nor QueueEndpoint',
  ],
] as const)
  test(`a storage connection string is refused: ${text.replace(/=.*/, '=…')} ${why}`, () => {
    assert.equal(decodeStorageConnection(text), why)
  })
