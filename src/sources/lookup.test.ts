import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultEventTypes, findEventType, findTopicType, topicTypeOf } from './lookup.ts'

const group = '/subscriptions/s/resourceGroups/g'

test('names and ids are matched in any letter case', () => {
  assert.equal(
    findEventType('MICROSOFT.KEYVAULT.secretexpired')?.eventType.name,
    'Microsoft.KeyVault.SecretExpired',
  )
  assert.equal(findTopicType('microsoft.eventhub.namespaces')?.topicType, 'Microsoft.Eventhub.Namespaces')
  assert.equal(
    topicTypeOf(`${group}/providers/microsoft.storage/STORAGEACCOUNTS/a`)?.topicType,
    'Microsoft.Storage.StorageAccounts',
  )
})

test('a subscription and a group are sources of what Resource Manager does in them', () => {
  assert.equal(topicTypeOf('/subscriptions/s')?.topicType, 'Microsoft.Resources.Subscriptions')
  assert.equal(topicTypeOf(group)?.topicType, 'Microsoft.Resources.ResourceGroups')
  assert.deepEqual(
    findEventType('Microsoft.Resources.ResourceWriteSuccess')?.sources.map(({ topicType }) => topicType),
    ['Microsoft.Resources.Subscriptions', 'Microsoft.Resources.ResourceGroups'],
  )
})

test('what raises no events is no source', () => {
  for (const id of [
    '',
    '/',
    'subscriptions/s',
    `${group}/providers/Microsoft.Compute/virtualMachines/vm`,
    `${group}/providers/Microsoft.Storage/storageAccounts`,
    `${group}/providers/Microsoft.Storage/storageAccounts/a/blobServices/default`,
  ])
    assert.equal(topicTypeOf(id), undefined, id)
})

test('the default set of a storage account is blobs created and deleted', () => {
  const storage = findTopicType('Microsoft.Storage.StorageAccounts')
  assert.ok(storage)
  assert.deepEqual(defaultEventTypes(storage), [
    'Microsoft.Storage.BlobCreated',
    'Microsoft.Storage.BlobDeleted',
  ])
})
