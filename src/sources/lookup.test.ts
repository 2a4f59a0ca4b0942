import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findEventType, findTopicType, isSource, sourceFormat, topicTypeFacts, topicTypes } from './lookup.ts'

const group = '/subscriptions/s/resourceGroups/g'

test('names are matched in any letter case', () => {
  assert.equal(
    findEventType('MICROSOFT.KEYVAULT.secretexpired')?.eventType.name,
    'Microsoft.KeyVault.SecretExpired',
  )
  assert.equal(findTopicType('microsoft.eventhub.namespaces')?.topicType, 'Microsoft.Eventhub.Namespaces')
  assert.equal(findEventType('Microsoft.KeyVault'), undefined)
  assert.equal(findTopicType(''), undefined)
})

test('the topic type of a resource is its ARM type with dots, as event subscriptions on it rely on', () => {
  for (const { topicType, resourceType } of topicTypes)
    if (resourceType !== undefined)
      assert.equal(topicType.toLowerCase(), resourceType.replaceAll('/', '.').toLowerCase())
})

test('the nine event types of Resource Manager have two topic types', () => {
  assert.deepEqual(
    findEventType('Microsoft.Resources.ResourceWriteSuccess')?.sources.map(({ topicType }) => topicType),
    ['Microsoft.Resources.Subscriptions', 'Microsoft.Resources.ResourceGroups'],
  )
})

test('an id is a source of the topic types that are raised at its scope, and of no other', () => {
  const typesOf = (id: string) =>
    topicTypes.filter((source) => isSource(source, id)).map(({ topicType }) => topicType)
  assert.deepEqual(typesOf(`${group}/providers/microsoft.storage/STORAGEACCOUNTS/a`), [
    'Microsoft.Storage.StorageAccounts',
  ])
  assert.deepEqual(typesOf(group), ['Microsoft.Resources.ResourceGroups'])
  assert.deepEqual(typesOf('/subscriptions/s'), [
    'Microsoft.Resources.Subscriptions',
    'Microsoft.PolicyInsights.PolicyStates',
    'Microsoft.ResourceNotifications.HealthResources',
    'Microsoft.ResourceNotifications.Resources',
    'Microsoft.ResourceNotifications.ContainerServiceEventResources',
  ])
  for (const id of [
    '',
    '/',
    'subscriptions/s',
    `${group}/providers/Microsoft.Compute/virtualMachines/vm`,
    `${group}/providers/Microsoft.Storage/storageAccounts`,
    `${group}/providers/Microsoft.Storage/storageAccounts/a/blobServices/default`,
  ])
    assert.deepEqual(typesOf(id), [], id)
})

test('the format of a source names its scope', () => {
  const formatOf = (topicType: string) => {
    const found = findTopicType(topicType)
    assert.ok(found)
    return sourceFormat(found)
  }
  assert.equal(formatOf('Microsoft.Resources.Subscriptions'), '/subscriptions/{id}')
  assert.equal(formatOf('Microsoft.Resources.ResourceGroups'), '/subscriptions/{id}/resourceGroups/{name}')
  assert.equal(
    formatOf('Microsoft.KeyVault.vaults'),
    '/subscriptions/{id}/resourceGroups/{name}/providers/Microsoft.KeyVault/vaults/{name}',
  )
})

test('the default set of a storage account is blobs created and deleted', () => {
  const storage = topicTypeFacts('microsoft.storage.storageaccounts')
  assert.ok(storage)
  assert.equal(storage.name, 'Microsoft.Storage.StorageAccounts')
  assert.equal(storage.isGlobal, false)
  assert.deepEqual(
    storage.eventTypes.filter(({ isInDefaultSet }) => isInDefaultSet).map(({ name }) => name),
    ['Microsoft.Storage.BlobCreated', 'Microsoft.Storage.BlobDeleted'],
  )
  assert.equal(topicTypeFacts('Microsoft.Compute.VirtualMachines'), undefined)
})
