import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, test } from 'node:test'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { ClientSecretCredential } from '@azure/identity'
import common from 'azure-iot-common'
import iothub from 'azure-iothub'
import { defaultSubscriptionId } from '../src/arm/arm.ts'
import { subscription } from '../src/testing/control-plane.ts'
import { testDevices } from '../src/testing/iot-devices.ts'
import { hubId, iotHubs } from '../src/testing/iot-hubs.ts'
import { startTestServer } from '../src/testing/test-server.ts'

/*
 * The service API of an IoT hub by tokens of Microsoft Entra ID: the official identity client signs in at Busbar, and the
 * official service clients bring what it got.
 */

const principal = {
  name: 'service',
  clientId: '7a2f1c0e-5b3d-4e8a-9c6f-0d1e2f3a4b5c',
  clientSecret: 'a-secret-that-nobody-guesses',
  objectId: '0f9e8d7c-6b5a-4a39-8271-605f4e3d2c1b',
}
const roleIds = {
  'IoT Hub Data Contributor': '4fc6c259-987e-4a07-842e-c321cc9d413f',
  'IoT Hub Data Reader': 'b447c946-2db7-41ec-983d-d8bf3b1c77e3',
  'IoT Hub Registry Contributor': '4ea46cd5-c1b2-4a8e-910b-273211f9ce47',
  'IoT Hub Twin Contributor': '494bdba2-168f-4f31-a0a1-191d2f7c028c',
} as const

const server = await startTestServer({ after }, { file: { auth: { principals: [principal] } } })
setDefaultCACertificates([...getCACertificates(), server.ca])
const hubs = iotHubs(server)
const hostName = await hubs.createHub('contoso')
const owner = hubs.connect(hostName, 'iothubowner', await hubs.keyOf('contoso', 'iothubowner'))
const credential = new ClientSecretCredential(
  defaultSubscriptionId,
  principal.clientId,
  principal.clientSecret,
  { authorityHost: server.https, disableInstanceDiscovery: true },
)
const registry = hubs.connectBy(hostName, credential)
const unauthorized = { name: 'UnauthorizedError' }

/** Runs it while the principal has that role there. */
async function as(role: keyof typeof roleIds, work: () => Promise<void>, scope = hubId('contoso')) {
  const id = `${scope}/providers/Microsoft.Authorization/roleAssignments/${randomUUID()}`
  const made = await server.call('PUT', id, {
    properties: {
      roleDefinitionId: `${subscription}/providers/Microsoft.Authorization/roleDefinitions/${roleIds[role]}`,
      principalId: principal.objectId,
      principalType: 'ServicePrincipal',
    },
  })
  assert.equal(made.status, 201)
  try {
    await work()
  } finally {
    await server.call('DELETE', id)
  }
}

const query = async () => registry.createQuery('SELECT * FROM devices').nextAsTwin()

test('a principal without a role is refused, and told which action it lacks', async () => {
  await assert.rejects(registry.list(), (error: Error & { responseBody?: string }) => {
    assert.equal(error.name, 'UnauthorizedError')
    assert.match(String(error.responseBody), /Microsoft\.Devices\/IotHubs\/devices\/read/)
    return true
  })
})

test('a registry contributor makes and removes devices, and reads no twin', async () => {
  await as('IoT Hub Registry Contributor', async () => {
    await registry.create({ deviceId: 'dev1' })
    await registry.addDevices([{ deviceId: 'dev2' }])
    await registry.get('dev1')
    await assert.rejects(registry.getTwin('dev1'), unauthorized)
    await assert.rejects(query(), unauthorized)
    await registry.delete('dev2')
  })
  await assert.rejects(registry.get('dev1'), unauthorized)
})

test('a twin contributor changes twins, and no device', async () => {
  await as('IoT Hub Twin Contributor', async () => {
    await registry.updateTwin('dev1', { tags: { site: 'oslo' } }, '*')
    assert.equal((await query()).result.length, 1)
    await assert.rejects(registry.get('dev1'), unauthorized)
    await assert.rejects(registry.delete('dev1'), unauthorized)
  })
})

test('a reader reads, and changes nothing; its role counts from the group, too', async () => {
  await as(
    'IoT Hub Data Reader',
    async () => {
      await registry.get('dev1')
      await registry.getTwin('dev1')
      await registry.getRegistryStatistics()
      await query()
      await assert.rejects(registry.create({ deviceId: 'dev3' }), unauthorized)
      await assert.rejects(registry.updateTwin('dev1', { tags: {} }, '*'), unauthorized)
    },
    `${subscription}/resourceGroups/rg`,
  )
})

test('a contributor calls methods', async (t) => {
  const { openDevice } = testDevices(server, hostName, owner)
  const { responseBody } = await owner.get('dev1')
  const device = await openDevice(t, 'dev1', responseBody.authentication?.symmetricKey?.primaryKey as string)
  device.onDeviceMethod('reboot', (_request, response) => void response.send(200, { done: true }))
  const client = hubs.connectClientBy(hostName, credential)
  const call = () => client.invokeDeviceMethod('dev1', { methodName: 'reboot', connectTimeoutInSeconds: 5 })
  await as('IoT Hub Twin Contributor', () => assert.rejects(call(), unauthorized))
  await as('IoT Hub Data Contributor', async () => {
    assert.deepEqual((await call()).result, { status: 200, payload: { done: true } })
  })
})

test('a token for another audience is refused', async () => {
  const { token } = (await credential.getToken('https://eventgrid.azure.net/.default')) ?? { token: '' }
  await as('IoT Hub Data Contributor', async () => {
    const answer = await fetch(`${server.https}/devices?api-version=2021-04-12`, {
      headers: { authorization: `Bearer ${token}` },
    })
    assert.equal(answer.status, 401)
  })
})

test('a service client sends over AMQP by what its roles permit', async (t) => {
  await owner.create({ deviceId: 'inbox' })
  t.after(() => owner.delete('inbox'))
  const connect = async () => {
    const host = `localhost:${new URL(server.amqps).port}`
    const client = iothub.Client.fromTokenCredential(host, credential)
    client.setRetryPolicy({ shouldRetry: () => false, nextRetryTimeout: () => 0 })
    t.after(() => client.close().catch(() => {}))
    await client.open()
    return client
  }
  const client = await connect()
  await assert.rejects(client.send('inbox', new common.Message('x')), unauthorized)
  await as('IoT Hub Data Contributor', async () => {
    await (await connect()).send('inbox', new common.Message('x'))
  })
})

test('with disableLocalAuth, tokens of Entra count and signatures do not', async () => {
  await server.call('PUT', hubId('contoso'), {
    location: 'westus2',
    sku: { name: 'S1', capacity: 1 },
    properties: { disableLocalAuth: true },
  })
  await assert.rejects(owner.list(), unauthorized)
  await as('IoT Hub Data Contributor', async () => {
    assert.equal((await registry.list()).responseBody.length, 1)
  })
})
