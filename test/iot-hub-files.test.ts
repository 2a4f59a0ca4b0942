import assert from 'node:assert/strict'
import { Agent } from 'node:https'
import { Readable } from 'node:stream'
import { after, type TestContext, test } from 'node:test'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import device from 'azure-iot-device'
import deviceHttp from 'azure-iot-device-http'
import deviceMqtt from 'azure-iot-device-mqtt'
import { startAzurite } from '../src/testing/azurite.ts'
import { selfSigned } from '../src/testing/certificate.ts'
import { knownAccount } from '../src/testing/control-plane.ts'
import { testDevices, tokenOf } from '../src/testing/iot-devices.ts'
import { hubId, iotHubs } from '../src/testing/iot-hubs.ts'
import { startTestServer } from '../src/testing/test-server.ts'

/*
 * Files that devices upload: by the official device clients, into Azure's own storage emulator over HTTPS, with the
 * notices that the service side gets of them.
 */

// The device clients write blobs with what the process trusts, and have no option for it.
setDefaultCACertificates([...getCACertificates(), selfSigned.cert])
const azurite = await startAzurite({ after }, { tls: true })
const container = azurite.container('uploads')
await container.create()

const server = await startTestServer(
  { after },
  {
    file: {
      connections: { [knownAccount]: { connectionString: azurite.connectionString } },
      // What the hub asks of the storage account is within the rules of deliveries.
      webhooks: { allowSelfSigned: true },
    },
  },
)
const { createHub, keyOf, connect } = iotHubs(server)
const storageOf = (connectionString: string) => ({
  storageEndpoints: { $default: { connectionString, containerName: 'uploads', sasTtlAsIso8601: 'PT10M' } },
})
const hostName = await createHub('contoso', {
  ...storageOf(azurite.connectionString),
  enableFileUploadNotifications: true,
})
const registry = connect(hostName, 'iothubowner', await keyOf('contoso', 'iothubowner'))
const { newDevice, gateway } = testDevices(server, hostName, registry)
const notices = async () => (await server.devicebound(hubId('contoso'))).fileNotifications

/** The file API of the clients knows port 443 alone; this brings its requests here. */
function leadingAgent(t: TestContext): Agent {
  const agent = new Agent({ ca: server.ca, checkServerIdentity: () => undefined })
  const { createConnection } = agent as unknown as {
    createConnection: (options: object, ...rest: unknown[]) => unknown
  }
  Object.assign(agent, {
    createConnection: (options: object, ...rest: unknown[]) =>
      createConnection.call(
        agent,
        { ...options, host: '127.0.0.1', port: Number(new URL(server.https).port) },
        ...rest,
      ),
  })
  t.after(() => agent.destroy())
  return agent
}

async function clientOf(
  t: TestContext,
  transport: typeof deviceMqtt.Mqtt | typeof deviceHttp.Http,
  deviceId: string,
  key: string,
): Promise<device.Client> {
  const client = device.Client.fromConnectionString(
    `HostName=${hostName};DeviceId=${deviceId};SharedAccessKey=${key};GatewayHostName=${gateway()}`,
    transport,
  )
  client.setRetryPolicy({ shouldRetry: () => false, nextRetryTimeout: () => 0 })
  const set = client.setOptions({ ca: server.ca, http: { agent: leadingAgent(t) } })
  // That of the other transport never settles.
  if (transport === deviceMqtt.Mqtt) await set
  t.after(() => client.close())
  // One that was never open leaves its timers behind when it is closed.
  if (transport === deviceMqtt.Mqtt) await client.open()
  return client
}

/** Calls the hub's file API as that device. */
async function post(path: string, token: string, body: unknown) {
  const response = await fetch(`${server.http}${path}?api-version=2021-04-12`, {
    method: 'POST',
    headers: { authorization: token, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  const text = await response.text()
  return {
    status: response.status,
    code: response.headers.get('iothub-errorcode'),
    body: text === '' ? undefined : JSON.parse(text),
  }
}

for (const [name, transport] of [
  ['MQTT', deviceMqtt.Mqtt],
  ['HTTPS', deviceHttp.Http],
] as const)
  test(`a device uploads a file by its client over ${name}, and the service side is told`, async (t) => {
    const deviceId = `camera-${name.toLowerCase()}`
    const key = await newDevice(t, deviceId)
    const client = await clientOf(t, transport, deviceId, key)
    const content = Buffer.from('a picture of nothing')
    await client.uploadToBlob('pictures/one 1.txt', Readable.from([content]), content.length)
    const blobName = `${deviceId}/pictures/one 1.txt`
    assert.deepEqual(await container.getBlobClient(blobName).downloadToBuffer(), content)
    const queue = await notices()
    const notice = await queue.receive()
    const { lastUpdatedTime, enqueuedTimeUtc, ...rest } = JSON.parse(
      notice?.body.toString() ?? '{}',
    ) as Record<string, unknown>
    assert.deepEqual(rest, {
      ...{ deviceId, blobName, blobSizeInBytes: content.length },
      blobUri: `${container.url}/${deviceId}/pictures/one%201.txt`,
    })
    assert.match(String(lastUpdatedTime), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$/)
    assert.match(String(enqueuedTimeUtc), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z$/)
    await queue.complete(notice?.lockToken ?? '')
    assert.equal(await queue.receive(), undefined)
  })

test('an upload is named in the path or in the body, ends once, and outlives the server', async (t) => {
  const key = await newDevice(t, 'printer')
  const token = tokenOf(`${hostName}/devices/printer`, key)
  const begin = () => post('/devices/printer/files', token, { blobName: 'a.txt' })
  const { body: first } = await begin()
  const { body: second } = await begin()
  assert.deepEqual([first.containerName, first.blobName], ['uploads', 'printer/a.txt'])
  assert.equal(`https://${first.hostName}`, container.url.replace('/uploads', ''))
  assert.match(first.sasToken, /^\?sv=/)
  await server.restart()
  const notifications = '/devices/printer/files/notifications'
  const failed = { isSuccess: false, statusCode: 500, statusDescription: 'no' }
  const inPath = `${notifications}/${encodeURIComponent(first.correlationId)}`
  assert.equal((await post(inPath, token, failed)).status, 204)
  assert.deepEqual(
    [(await post(inPath, token, failed)).status, (await post(inPath, token, failed)).code],
    [400, 'InvalidFileUploadCorrelationId'],
  )
  const { correlationId } = second
  const missing = await post(notifications, token, { correlationId, isSuccess: true, statusCode: 200 })
  assert.deepEqual([missing.status, missing.code], [400, 'InvalidStorageEndpointOrBlob'])
  assert.equal((await post(notifications, token, { correlationId, ...failed })).status, 204)
  assert.equal(
    (await post(notifications, token, { correlationId })).code,
    'InvalidFileUploadCompletionStatus',
  )
  assert.equal(await (await notices()).receive(), undefined)
})

test('a device has at most ten uploads under way', async (t) => {
  const key = await newDevice(t, 'eager')
  const token = tokenOf(`${hostName}/devices/eager`, key)
  const begin = () => post('/devices/eager/files', token, { blobName: 'a.txt' })
  const answers = await Promise.all(Array.from({ length: 11 }, begin))
  const refused = answers.filter(({ status }) => status === 403)
  assert.deepEqual(
    refused.map(({ code }) => code),
    ['DeviceMaximumActiveFileUploadLimitExceeded'],
  )
  const [{ body }] = answers.filter(({ status }) => status === 200) as [
    (typeof answers)[0],
    ...typeof answers,
  ]
  const { correlationId } = body
  await post('/devices/eager/files/notifications', token, { correlationId, isSuccess: false, statusCode: 0 })
  assert.equal((await begin()).status, 200)
  assert.equal((await post('/devices/eager/files', token, {})).status, 400)
  const wrong = tokenOf(`${hostName}/devices/other`, key)
  assert.equal((await post('/devices/eager/files', wrong, { blobName: 'a.txt' })).status, 401)
  await registry.delete('eager')
  const { responseBody } = await registry.create({ deviceId: 'eager' })
  const anew = tokenOf(
    `${hostName}/devices/eager`,
    responseBody.authentication?.symmetricKey?.primaryKey ?? '',
  )
  assert.equal((await post('/devices/eager/files', anew, { blobName: 'a.txt' })).status, 200)
})

test('a hub whose storage account nobody can sign for says so, and the operator can put it right', async (t) => {
  const key = await newDevice(t, 'scanner')
  const token = tokenOf(`${hostName}/devices/scanner`, key)
  const begin = () => post('/devices/scanner/files', token, { blobName: 'a.txt' })
  const change = async (properties: Record<string, unknown>) => {
    const { status } = await server.call('PATCH', hubId('contoso'), { properties })
    assert.equal(status, 200)
  }
  t.after(() => change(storageOf(azurite.connectionString)))
  const unknown = 'DefaultEndpointsProtocol=https;EndpointSuffix=core.windows.net;AccountName=other'
  await change(storageOf(unknown))
  assert.deepEqual([(await begin()).status, (await begin()).code], [400, 'InvalidStorageEndpoint'])
  // The account of that name is in the configuration file, with its key and where it really is.
  await change(storageOf(unknown.replace('other', 'KNOWN')))
  const { body } = await begin()
  assert.equal(`https://${body.hostName}`, container.url.replace('/uploads', ''))
  const written = await fetch(`https://${body.hostName}/uploads/${body.blobName}${body.sasToken}`, {
    method: 'PUT',
    headers: { 'x-ms-blob-type': 'BlockBlob' },
    body: 'x',
  })
  assert.equal(written.status, 201)
  const elsewhere = await fetch(`https://${body.hostName}/uploads/scanner/b.txt${body.sasToken}`, {
    method: 'PUT',
    headers: { 'x-ms-blob-type': 'BlockBlob' },
    body: 'x',
  })
  assert.equal(elsewhere.status, 403)
  await change({ storageEndpoints: {} })
  assert.deepEqual(
    [(await begin()).status, (await begin()).code],
    [400, 'DefaultStorageEndpointNotConfigured'],
  )
})
