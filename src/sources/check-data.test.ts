import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCheckData } from './check-data.ts'
import { createDataSchemas } from './data-schemas.ts'

const checkData = createCheckData(createDataSchemas())

const secret = {
  Id: 'https://contoso.vault.azure.net/secrets/s/1',
  VaultName: 'contoso',
  ObjectType: 'Secret',
}

test('a mismatch names the place, what was expected, and what came', async () => {
  const name = 'Microsoft.KeyVault.SecretNearExpiry'
  assert.deepEqual(await checkData(name, secret), [])
  assert.deepEqual(await checkData(name, { ...secret, VaultName: 3 }), [
    { pointer: '/VaultName', expected: 'a string', got: '3' },
  ])
  assert.deepEqual(await checkData(name, { ...secret, NBF: true }), [
    { pointer: '/NBF', expected: 'a number or a string or null', got: 'true' },
  ])
  const { Id: _id, ...withoutId } = secret
  assert.deepEqual(await checkData(name, withoutId), [
    { pointer: '/Id', expected: 'a value', got: 'nothing' },
  ])
  assert.deepEqual(await checkData(name, [secret]), [
    { pointer: '', expected: 'an object', got: JSON.stringify([secret]) },
  ])
})

test('what is wrong deep inside is found where it is', async () => {
  const name = 'Microsoft.Devices.DeviceConnected'
  const connected = { deviceId: 'd1', hubName: 'hub' }
  assert.deepEqual(await checkData(name, { ...connected, deviceConnectionStateEventInfo: null }), [])
  assert.deepEqual(await checkData(name, { ...connected, deviceConnectionStateEventInfo: {} }), [
    { pointer: '/deviceConnectionStateEventInfo/sequenceNumber', expected: 'a value', got: 'nothing' },
  ])
  assert.deepEqual(await checkData(name, { ...connected, deviceConnectionStateEventInfo: 7 }), [
    { pointer: '/deviceConnectionStateEventInfo', expected: 'an object or null', got: '7' },
  ])
  assert.deepEqual(
    await checkData('Microsoft.Media.JobStateChange', { previousState: 'Queued', state: 'Gone' }),
    [
      {
        pointer: '/state',
        expected: 'one of "Canceled", "Canceling", "Error", "Finished", "Processing", "Queued", "Scheduled"',
        got: '"Gone"',
      },
    ],
  )
})

test('members that the schema does not know are let through, for services add some', async () => {
  assert.deepEqual(await checkData('Microsoft.KeyVault.SecretNearExpiry', { ...secret, New: 1 }), [])
})

test('however much is wrong, five mismatches are told', async () => {
  const errors = Array.from({ length: 50 }, () => 7)
  const mismatches = await checkData('Microsoft.Communication.RouterJobClassificationFailed', {
    jobId: '',
    channelReference: '',
    channelId: '',
    classificationPolicyId: '',
    errors,
  })
  assert.equal(mismatches.length, 5)
})
