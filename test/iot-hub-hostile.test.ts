import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { ContainerSASPermissions } from '@azure/storage-blob'
import { startAzurite } from '../src/testing/azurite.ts'
import { knownAccount } from '../src/testing/control-plane.ts'
import { testDevices, tokenOf } from '../src/testing/iot-devices.ts'
import { hubId, iotHubs } from '../src/testing/iot-hubs.ts'
import { startRecordingWebhook } from '../src/testing/recording-webhook.ts'
import { eventually, startTestServer } from '../src/testing/test-server.ts'

/*
 * Clients of an IoT hub that mean it harm, or do not know better: what they send is refused, and nobody else suffers.
 */

const azurite = await startAzurite({ after })
const container = azurite.container('uploads')
await container.create()
const server = await startTestServer(
  { after },
  { file: { connections: { [knownAccount]: { connectionString: azurite.connectionString } } } },
)
const { createHub, keyOf, connect } = iotHubs(server)
const hostName = await createHub('contoso', {
  storageEndpoints: { $default: { connectionString: azurite.connectionString, containerName: 'uploads' } },
  enableFileUploadNotifications: true,
})
const key = await keyOf('contoso', 'iothubowner')
const registry = connect(hostName, 'iothubowner', key)
const { newDevice, openDevice, connectRaw } = testDevices(server, hostName, registry)

/** Calls the hub's API with a body as it stands there. */
async function call(
  method: string,
  path: string,
  body?: string,
  token = tokenOf(hostName, key, { policy: 'iothubowner' }),
) {
  const response = await fetch(`${server.http}${path}?api-version=2021-04-12`, {
    method,
    headers: { authorization: token, 'content-type': 'application/json' },
    ...(body !== undefined && { body }),
  })
  const text = await response.text()
  return {
    status: response.status,
    code: response.headers.get('iothub-errorcode'),
    body: text === '' ? undefined : JSON.parse(text),
  }
}

const deep = (levels: number) => '['.repeat(levels) + ']'.repeat(levels)
const deepest = deep(50_000)

test("JSON that is nested without end is nobody's error but the client's", async (t) => {
  await newDevice(t, 'dev1')
  const method = `{"methodName":"m","payload":${deepest}}`
  const content = `{"deviceContent":{"properties.desired.a":${deepest}}}`
  const bodies: readonly (readonly [string, string, string])[] = [
    ['PUT', '/devices/dev2', `{"deviceId":"dev2","authentication":${deepest}}`],
    ['POST', '/twins/dev1/methods', method],
    ['PATCH', '/twins/dev1', `{"tags":${deepest}}`],
    ['PATCH', '/twins/dev1', `{"tags":{"a":${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}}}`],
    ['POST', '/devices/query', `{"query":${deepest}}`],
    ['PUT', '/configurations/deep', `{"id":"deep","content":${content}}`],
    ['PATCH', '/digitaltwins/dev1', `[{"op":"add","path":"/a","value":${deepest}}]`],
    ['POST', '/jobs/create', `{"type":"export","outputBlobContainerUri":${deepest}}`],
  ]
  for (const [verb, path, body] of bodies) {
    const { status } = await call(verb, path, body)
    assert(status >= 400 && status < 500, `${verb} ${path} was answered ${status}`)
  }
  const made = await call(
    'PUT',
    '/jobs/v2/deep',
    `{"type":"scheduleDeviceMethod","queryCondition":"false","cloudToDeviceMethod":${method}}`,
  )
  assert.equal(made.status, 200)
  await eventually(async () => (await call('GET', '/jobs/v2/deep')).body.status === 'completed')
})

test('a job goes on with a device whose answer is nested without end', async (t) => {
  const token = tokenOf(`${hostName}/devices/liar`, await newDevice(t, 'liar'))
  const client = await connectRaw(t, 'liar', token)
  await client.subscribeAsync('$iothub/methods/POST/#')
  client.on('message', (topic) => {
    client.publish(`$iothub/methods/res/200/?$rid=${topic.split('$rid=')[1]}`, deepest)
  })
  await call(
    'PUT',
    '/jobs/v2/lies',
    `{"type":"scheduleDeviceMethod","queryCondition":"deviceId = 'liar'","cloudToDeviceMethod":{"methodName":"m"}}`,
  )
  await eventually(async () => (await call('GET', '/jobs/v2/lies')).body.status === 'completed')
})

test('telemetry that is nested without end does not hold up that of others', async (t) => {
  const hook = await startRecordingWebhook(t)
  const id = `${hubId('contoso')}/providers/Microsoft.EventGrid/eventSubscriptions/telemetry`
  await server.call('PUT', id, {
    properties: {
      destination: { endpointType: 'WebHook', properties: { endpointUrl: hook.url } },
      filter: { includedEventTypes: ['Microsoft.Devices.DeviceTelemetry'] },
    },
  })
  await eventually(
    async () => (await server.call('GET', id)).body.properties.provisioningState === 'Succeeded',
  )
  const [bad, good] = await Promise.all(
    ['bad', 'good'].map(async (name) =>
      connectRaw(t, name, tokenOf(`${hostName}/devices/${name}`, await newDevice(t, name))),
    ),
  )
  const json = '$.ct=application%2Fjson&$.ce=utf-8'
  await Promise.all([
    bad?.publishAsync(`devices/bad/messages/events/${json}`, deep(100_000), { qos: 1 }),
    good?.publishAsync(`devices/good/messages/events/${json}`, '{"a":1}', { qos: 1 }),
  ])
  await eventually(() => hook.received.length >= 2)
})

test('names that are not Unicode, or lead out of where they stand, are refused', async (t) => {
  const token = tokenOf(`${hostName}/devices/cam`, await newDevice(t, 'cam'))
  for (const name of ['"\\ud800"', '"../other/x"', '"a/./b"', '".."']) {
    const { status, code } = await call('POST', '/devices/cam/files', `{"blobName":${name}}`, token)
    assert.deepEqual([name, status, code], [name, 400, 'ArgumentInvalid'])
  }
  for (const name of ['"\\ud800"', '"../x"']) {
    const body = `{"type":"export","outputBlobContainerUri":"${container.url}?sig=x","outputBlobName":${name}}`
    const { status, code } = await call('POST', '/jobs/create', body)
    assert.deepEqual([name, status, code], [name, 400, 'ArgumentInvalid'])
  }
})

/** Begins an import of these lines; resolves with its id. */
async function imported(lines: string): Promise<string> {
  const uri = await container.generateSasUrl({
    permissions: ContainerSASPermissions.parse('rwdl'),
    expiresOn: new Date(Date.now() + 3_600_000),
  })
  await container.getBlockBlobClient('devices.txt').upload(lines, lines.length)
  const request = { type: 'import', inputBlobContainerUri: uri, outputBlobContainerUri: uri }
  return (await call('POST', '/jobs/create', JSON.stringify(request))).body.jobId
}

test('a line of an import that is nested without end fails alone', async () => {
  const job = await imported(`{"id":"deep","authentication":${deepest}}\n{"id":"plain"}\n`)
  await eventually(async () => (await call('GET', `/jobs/${job}`)).body.status === 'completed')
  assert.equal((await call('GET', '/devices/plain')).status, 200)
})

test('names of what every object has are names like any other', async (t) => {
  const client = await openDevice(t, 'proto', await newDevice(t, 'proto'))
  const names = ['constructor', '__proto__', 'toString']
  const patch = `{${names.map((name) => `"${name}":1`).join(',')}}`
  const twin = await call('PATCH', '/twins/proto', `{"tags":${patch},"properties":{"desired":${patch}}}`)
  for (const name of names) {
    assert.equal(Object.getOwnPropertyDescriptor(twin.body.tags, name)?.value, 1)
    assert.equal(Object.getOwnPropertyDescriptor(twin.body.properties.desired, name)?.value, 1)
  }
  const { body } = await call('GET', '/digitaltwins/proto')
  // Nothing was reported.
  for (const name of names) assert.equal(Object.hasOwn(body, name), false, name)
  for (const name of names)
    assert.equal(Object.getOwnPropertyDescriptor(body.$metadata, name)?.value.desiredValue, 1)
  await client.close()
  const configuration = (id: string, targetCondition: string) =>
    call(
      'PUT',
      `/configurations/${id}`,
      JSON.stringify({ id, targetCondition, content: { deviceContent: { 'properties.desired.a': 1 } } }),
    )
  await configuration('first', '*')
  await eventually(
    async () => (await call('GET', '/configurations/first')).body.systemMetrics.results.targetedCount > 0,
  )
  await configuration('constructor', "deviceId = 'nobody'")
  const { systemMetrics } = (await call('GET', '/configurations/constructor')).body
  assert.deepEqual(systemMetrics.results, { targetedCount: 0, appliedCount: 0 })
})

const odd = '{"toString":1,"valueOf":1}'

test('what is no text is refused where text belongs, and a line of an import that has it fails alone', async (t) => {
  const token = tokenOf(`${hostName}/devices/batch`, await newDevice(t, 'batch'))
  const batch = (value: string) =>
    fetch(`${server.http}/devices/batch/messages/events?api-version=2021-04-12`, {
      method: 'POST',
      headers: { authorization: token, 'content-type': 'application/vnd.microsoft.iothub.json' },
      body: `[{"body":"","properties":{"iothub-app-a":${value}}}]`,
    })
  for (const value of ['"a"', '1', 'true']) assert.equal((await batch(value)).status, 204, value)
  for (const value of [odd, deepest]) assert.equal((await batch(value)).status, 400)
  const item = `{"id":"odd","importMode":${odd}}`
  assert.equal((await call('POST', '/devices', `[${item}]`)).status, 400)
  const job = await imported(`${item}\n{"id":"even"}\n`)
  await eventually(async () => (await call('GET', `/jobs/${job}`)).body.status === 'completed')
  assert.equal((await call('GET', '/devices/even')).status, 200)
})

test('a continuation that no page has given is refused', async () => {
  await registry.addDevices(['page1', 'page2', 'page3'].map((deviceId) => ({ deviceId })))
  const page = async (continuation: string) => {
    const response = await fetch(`${server.http}/devices/query?api-version=2021-04-12`, {
      method: 'POST',
      headers: {
        authorization: tokenOf(hostName, key, { policy: 'iothubowner' }),
        'x-ms-max-item-count': '1',
        'x-ms-continuation': Buffer.from(continuation).toString('base64url'),
      },
      body: '{"query":"SELECT * FROM devices"}',
    })
    return { status: response.status, results: ((await response.json()) as unknown[]).length }
  }
  assert.deepEqual(await page('{"left":2}'), { status: 200, results: 1 })
  const others = [
    '{"left":-1}',
    '{"left":0.5}',
    '{"skip":-1}',
    `{"after":{"deviceId":"a","moduleId":${odd}}}`,
    'null',
  ]
  for (const other of others) assert.equal((await page(other)).status, 400, other)
})

test('sixty thousand slashes in a path or a token take no time', async (t) => {
  const slashes = `${'/'.repeat(60_000)}x`
  const key1 = await newDevice(t, 'dev4')
  const before = performance.now()
  assert.equal((await call('GET', `/devices${slashes}`)).status, 404)
  assert.equal((await call('GET', '/devices/dev4', undefined, tokenWith(slashes))).status, 401)
  await assert.rejects(connectRaw(t, 'dev4', `${tokenOf(`${hostName}/devices/dev4`, key1)}&sr=${slashes}`))
  // Each of them took three seconds, in which nobody else was served.
  assert(performance.now() - before < 2_000)
})

const tokenWith = (resource: string) =>
  `SharedAccessSignature sr=${resource}&sig=AAAA&se=99999999999&skn=iothubowner`

test('a disabled device is told so over HTTPS, and nobody who cannot prove to be it', async (t) => {
  const deviceKey = await newDevice(t, 'off')
  await registry.update({ deviceId: 'off', status: 'disabled' })
  const receive = (signedWith: string) =>
    call(
      'GET',
      '/devices/off/messages/devicebound',
      undefined,
      tokenOf(`${hostName}/devices/off`, signedWith),
    )
  const told = await receive(deviceKey)
  assert.deepEqual([told.status, told.code], [403, 'DeviceDisabled'])
  const other = await receive(key)
  assert.deepEqual([other.status, other.code], [401, 'IotHubUnauthorizedAccess'])
})
