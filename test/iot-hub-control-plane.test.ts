import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { ContainerSASPermissions } from '@azure/storage-blob'
import { startAzurite } from '../src/testing/azurite.ts'
import { testDevices, tokenOf } from '../src/testing/iot-devices.ts'
import { hubId, iotHubs } from '../src/testing/iot-hubs.ts'
import { eventually, startTestServer } from '../src/testing/test-server.ts'

/*
 * What the control plane tells of an IoT hub that runs, and has it do, beside its resource.
 */

const server = await startTestServer({ after })
const { createHub, keyOf, connect } = iotHubs(server)
const hostName = await createHub('contoso')
const owner = await keyOf('contoso', 'iothubowner')
const registry = connect(hostName, 'iothubowner', owner)
const of = (word: string) => `${hubId('contoso')}/${word}`
const read = async (word: string) => {
  const { status, body } = await server.call('GET', of(word))
  assert.equal(status, 200, JSON.stringify(body))
  return body
}

test('a hub tells how many devices it has, and how much of its quotas is taken', async (t) => {
  const { newDevice } = testDevices(server, hostName, registry)
  const key = await newDevice(t, 'dev1')
  await newDevice(t, 'dev2')
  await registry.update({ deviceId: 'dev2', status: 'disabled' })
  const counts = { totalDeviceCount: 2, enabledDeviceCount: 1, disabledDeviceCount: 1 }
  assert.deepEqual(await read('IotHubStats'), counts)
  const sent = await fetch(`${server.http}/devices/dev1/messages/events?api-version=2021-04-12`, {
    method: 'POST',
    headers: { authorization: tokenOf(`${hostName}/devices/dev1`, key) },
    // One and a bit of what counts as one message.
    body: 'x'.repeat(4097),
  })
  assert.equal(sent.status, 204)
  const { value } = await read('quotaMetrics')
  assert.deepEqual(value[0], { name: 'TotalMessages', currentValue: 2, maxValue: 400_000 })
  assert.deepEqual([value[1].name, value[1].currentValue], ['TotalDeviceCount', 2])
  assert.ok(value[1].maxValue > 2)
})

test('a hub tells which editions it may become', async () => {
  const { value } = await read('skus')
  assert.deepEqual(
    value.map(({ sku }: { sku: { name: string } }) => sku.name),
    ['F1', 'B1', 'B2', 'B3', 'S1', 'S2', 'S3'],
  )
})

test('devices are exported and imported by jobs of the control plane', async (t) => {
  const azurite = await startAzurite(t)
  const container = azurite.container('devices')
  await container.create()
  const uri = await container.generateSasUrl({
    permissions: ContainerSASPermissions.parse('rwdl'),
    expiresOn: new Date(Date.now() + 3_600_000),
  })
  const ended = async (word: string, body: object) => {
    const { status, body: job } = await server.call('POST', of(word), body)
    assert.equal(status, 200, JSON.stringify(job))
    await eventually(async () => (await read(`jobs/${job.jobId}`)).status === 'completed')
    return job
  }
  await registry.addDevices([{ deviceId: 'moved' }])
  const exported = await ended('exportDevices', { exportBlobContainerUri: uri, excludeKeys: true })
  assert.equal(exported.type, 'export')
  const text = (await container.getBlobClient('devices.txt').downloadToBuffer()).toString()
  assert.match(text, /"moved"/)
  await registry.delete('moved')
  const imported = await ended('importDevices', { inputBlobContainerUri: uri, outputBlobContainerUri: uri })
  assert.equal((await registry.get('moved')).responseBody.deviceId, 'moved')
  await registry.delete('moved')
  const { value } = await read('jobs')
  assert.deepEqual(
    value.map(({ jobId }: { jobId: string }) => jobId).toSorted(),
    [exported.jobId, imported.jobId].toSorted(),
  )
})

test('what a hub does not do is refused by its name', async () => {
  const failover = await server.call('POST', of('failover'), { failoverRegion: 'eastus2' })
  assert.equal(failover.status, 400)
  assert.match(failover.body.error.message, /^failover is not supported/)
  const byIdentity = await server.call('POST', of('exportDevices'), {
    ...{ exportBlobContainerUri: 'https://account.blob.core.windows.net/devices', excludeKeys: true },
    authenticationType: 'identityBased',
  })
  assert.equal(byIdentity.status, 400)
  assert.match(byIdentity.body.error.message, /identityBased is not supported/)
  const unknown = await server.call('GET', of('jobs/none'))
  assert.deepEqual([unknown.status, unknown.body.error.code], [404, 'JobNotFound'])
  assert.equal((await server.call('PUT', of('quotaMetrics'), {})).status, 405)
  assert.equal((await server.call('GET', `${hubId('nobody')}/IotHubStats`)).status, 404)
})

test('a hub tells how its endpoints take what it sends them', async () => {
  const storage = {
    ...{ name: 'archive', containerName: 'nowhere', encoding: 'JSON', batchFrequencyInSeconds: 60 },
    connectionString:
      'DefaultEndpointsProtocol=http;AccountName=a;AccountKey=YQ==;BlobEndpoint=http://127.0.0.1:1/a;',
  }
  await createHub('fabrikam', { routing: { endpoints: { storageContainers: [storage] } } })
  const { body } = await server.call('GET', `${hubId('fabrikam')}/routingEndpointsHealth`)
  assert.deepEqual(body.value, [
    { endpointId: 'events', healthStatus: 'healthy' },
    { endpointId: 'archive', healthStatus: 'unknown' },
  ])
})
