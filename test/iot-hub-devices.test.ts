import assert from 'node:assert/strict'
import { Agent } from 'node:https'
import { after, test } from 'node:test'
import device from 'azure-iot-device'
import deviceMqtt from 'azure-iot-device-mqtt'
import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt'
import { issueTestCertificate, x509Of } from '../src/testing/client-certificates.ts'
import { closeAfter } from '../src/testing/close-after.ts'
import { testDevices, tokenOf } from '../src/testing/iot-devices.ts'
import { iotHubs } from '../src/testing/iot-hubs.ts'
import { eventually, startTestServer } from '../src/testing/test-server.ts'

/*
 * Devices of an IoT hub over MQTT, by the official device client; and by a plain MQTT client, for what that one never does.
 */

const server = await startTestServer({ after })
const { createHub, keyOf, connect } = iotHubs(server)
const hostName = await createHub('contoso')
const registry = connect(hostName, 'iothubowner', await keyOf('contoso', 'iothubowner'))
const { gateway, newDevice, clientOf, openDevice, connectRaw, isConnected } = testDevices(
  server,
  hostName,
  registry,
)

const closed = (client: MqttClient) =>
  new Promise<void>((resolve) => {
    client.once('close', () => resolve())
    client.on('error', () => {})
  })

test('a device connects by its key, and its hub says so', async (t) => {
  const key = await newDevice(t, 'dev1')
  assert.equal(await isConnected('dev1'), false)
  const client = await openDevice(t, 'dev1', key)
  assert.equal(await isConnected('dev1'), true)
  const authorization = tokenOf(hostName, await keyOf('contoso', 'service'), { policy: 'service' })
  const url = `${server.http}/statistics/service?api-version=2021-04-12`
  assert.deepEqual(await (await fetch(url, { headers: { authorization } })).json(), {
    connectedDeviceCount: 1,
  })
  await client.sendEvent(new device.Message('hello'))
  await client.close()
  await eventually(async () => !(await isConnected('dev1')))
  const { responseBody } = await registry.get('dev1')
  assert.notEqual(responseBody.lastActivityTime, '0001-01-01T00:00:00Z')
  assert.notEqual(responseBody.connectionStateUpdatedTime, '0001-01-01T00:00:00Z')
})

test('the only hub is also called by the names of this server', async (t) => {
  const key = await newDevice(t, 'local')
  const client = await clientOf(t, `HostName=${gateway()};DeviceId=local;SharedAccessKey=${key}`)
  await client.open()
  assert.equal(await isConnected('local'), true)
  const other = await clientOf(
    t,
    `HostName=fabrikam.azure-devices.net;DeviceId=local;SharedAccessKey=${key};GatewayHostName=${gateway()}`,
  )
  await assert.rejects(other.open(), { name: 'UnauthorizedError' })
})

test('a device connects by a policy that may connect devices, and by no other', async (t) => {
  await newDevice(t, 'by-policy')
  const by = async (policy: string) =>
    clientOf(
      t,
      `HostName=${hostName};DeviceId=by-policy;SharedAccessKeyName=${policy};SharedAccessKey=${await keyOf('contoso', policy)};GatewayHostName=${gateway()}`,
    )
  await assert.rejects((await by('service')).open(), { name: 'UnauthorizedError' })
  await (await by('device')).open()
  assert.equal(await isConnected('by-policy'), true)
})

test('a device connects by a certificate whose thumbprint the registry has', async (t) => {
  const certificate = await issueTestCertificate({ subject: 'CN=anything' })
  const thumbprint = x509Of(certificate).fingerprint256.replaceAll(':', '')
  const authentication = {
    type: 'selfSigned' as const,
    x509Thumbprint: { primaryThumbprint: thumbprint.toLowerCase(), secondaryThumbprint: thumbprint },
  }
  await registry.create({ deviceId: 'x509', authentication })
  t.after(() => registry.delete('x509'))
  const connection = `HostName=${gateway()};DeviceId=x509;x509=true`
  const other = await issueTestCertificate({ subject: 'CN=x509' })
  await assert.rejects((await clientOf(t, connection, other)).open(), { name: 'UnauthorizedError' })
  await (await clientOf(t, connection, certificate)).open()
  assert.equal(await isConnected('x509'), true)
})

test('a module connects as itself, and its device stays disconnected', async (t) => {
  await newDevice(t, 'host1')
  await registry.addModule({ deviceId: 'host1', moduleId: 'camera' })
  const { responseBody } = await registry.getModule('host1', 'camera')
  const key = responseBody.authentication?.symmetricKey?.primaryKey
  const client = device.ModuleClient.fromConnectionString(
    `HostName=${hostName};DeviceId=host1;ModuleId=camera;SharedAccessKey=${key};GatewayHostName=${gateway()}`,
    deviceMqtt.Mqtt,
  )
  await client.setOptions({ ca: server.ca })
  t.after(() => client.close())
  await client.open()
  const state = async () => (await registry.getModule('host1', 'camera')).responseBody.connectionState
  assert.equal(await state(), 'Connected')
  assert.equal(await isConnected('host1'), false)
  await client.sendEvent(new device.Message('hello'))
})

test('wrong keys, scopes, names and versions are refused, each with its return code', async (t) => {
  const key = await newDevice(t, 'dev2')
  const otherKey = await newDevice(t, 'dev22')
  const resource = `${hostName}/devices/dev2`
  const refused = (code: number) => (error: Error & { readonly code?: number }) => error.code === code
  const token = tokenOf(resource, key)
  const cases: readonly [string, number, Promise<unknown>][] = [
    ['the key of another', 5, connectRaw(t, 'dev2', tokenOf(resource, otherKey))],
    ['a token for a device whose id begins so', 5, connectRaw(t, 'dev22', tokenOf(resource, otherKey))],
    ['an expired token', 5, connectRaw(t, 'dev2', tokenOf(resource, key, { expiresInSeconds: -301 }))],
    ['a token of another hub', 5, connectRaw(t, 'dev2', tokenOf('other/devices/dev2', key))],
    ['an unknown device', 5, connectRaw(t, 'nobody', token)],
    ['no token', 4, connectRaw(t, 'dev2', 'secret')],
    ['another client identifier', 2, connectRaw(t, 'dev2', token, { clientId: 'dev1' })],
    ['no user name of a device', 4, connectRaw(t, 'dev2', token, { username: 'dev2' })],
    ['MQTT 5', 0x84, connectRaw(t, 'dev2', token, { protocolVersion: 5 })],
  ]
  const outcomes = await Promise.allSettled(cases.map(([, , attempt]) => attempt))
  for (const [n, [what, code]] of cases.entries()) {
    const outcome = outcomes[n]
    assert(outcome?.status === 'rejected', what)
    assert(refused(code)(outcome.reason), `${what}: ${outcome.reason}`)
  }
  await connectRaw(t, 'dev2', tokenOf(hostName, await keyOf('contoso', 'device'), { policy: 'device' }))
  await connectRaw(t, 'dev2', tokenOf(resource, key, { expiresInSeconds: -200 }))
})

test('a second connection of a device ends the first', async (t) => {
  const key = await newDevice(t, 'twice')
  const token = tokenOf(`${hostName}/devices/twice`, key)
  const first = await connectRaw(t, 'twice', token)
  const ended = closed(first)
  await connectRaw(t, 'twice', token)
  await ended
  assert.equal(await isConnected('twice'), true)
})

test('a connection ends when its token has expired', async (t) => {
  const key = await newDevice(t, 'expires')
  const token = tokenOf(`${hostName}/devices/expires`, key, { expiresInSeconds: -298 })
  await closed(await connectRaw(t, 'expires', token))
})

test('a device that is disabled or deleted is disconnected at once, and comes back when it may', async (t) => {
  const key = await newDevice(t, 'banned')
  const token = tokenOf(`${hostName}/devices/banned`, key)
  const first = closed(await connectRaw(t, 'banned', token))
  await registry.update({ deviceId: 'banned', status: 'disabled' })
  await first
  await assert.rejects(connectRaw(t, 'banned', token), { code: 5 })
  await registry.update({ deviceId: 'banned', status: 'enabled' })
  const second = closed(await connectRaw(t, 'banned', token))
  await registry.delete('banned')
  await second
  await assert.rejects(connectRaw(t, 'banned', token), { code: 5 })
})

test('a device publishes and subscribes to its own topics alone, at QoS 0 and 1', async (t) => {
  const key = await newDevice(t, 'own')
  const token = tokenOf(`${hostName}/devices/own`, key)
  const listener = await connectRaw(t, 'own', token)
  const subscribing = listener.subscribeAsync({
    'devices/own/messages/devicebound/#': { qos: 2 },
    '$iothub/methods/POST/#': { qos: 0 },
    'devices/other/messages/devicebound/#': { qos: 1 },
    '#': { qos: 0 },
    'devices/own/messages/events/#': { qos: 0 },
  })
  await assert.rejects(subscribing, ({ packet }: { readonly packet?: { readonly granted: number[] } }) => {
    assert.deepEqual(packet?.granted, [1, 0, 128, 128, 128])
    return true
  })
  await listener.publishAsync('devices/own/messages/events/', 'x', { qos: 1 })
  await listener.endAsync()
  const wrong = async (topic: string, qos: 0 | 1 | 2) => {
    const client = await connectRaw(t, 'own', token, { clean: true })
    const ended = closed(client)
    client.publish(topic, 'x', { qos }, () => {})
    await ended
  }
  await wrong('devices/other/messages/events/', 1)
  await wrong('anything', 0)
  await wrong('devices/own/messages/events/%ZZ', 1)
  await wrong('$iothub/twin/GET/', 0)
  await wrong('devices/own/messages/events/', 2)
})

test('a device speaks MQTT over a WebSocket', async (t) => {
  const key = await newDevice(t, 'socket')
  const client = await connectAsync(`wss://localhost:${new URL(server.https).port}/$iothub/websocket`, {
    ...{ ca: server.ca, protocolVersion: 4, reconnectPeriod: 0, clientId: 'socket' },
    username: `${hostName}/socket/?api-version=2021-04-12`,
    password: tokenOf(`${hostName}/devices/socket`, key),
  } as IClientOptions)
  t.after(() => client.endAsync(true))
  assert.equal(await isConnected('socket'), true)
})

test('the official client connects through a WebSocket', async (t) => {
  const key = await newDevice(t, 'official-socket')
  const client = device.Client.fromConnectionString(
    `HostName=${hostName};DeviceId=official-socket;SharedAccessKey=${key};GatewayHostName=localhost`,
    deviceMqtt.MqttWs,
  )
  // It knows port 443 alone; this brings its connection here.
  const agent = new Agent({ ca: server.ca })
  const { createConnection } = agent as unknown as { createConnection: (options: object) => unknown }
  const port = Number(new URL(server.https).port)
  Object.assign(agent, {
    createConnection: (options: object) => createConnection.call(agent, { ...options, port, ca: server.ca }),
  })
  await client.setOptions({ mqtt: { webSocketAgent: agent } })
  closeAfter(t, () => client.close())
  await client.open()
  assert.equal(await isConnected('official-socket'), true)
  await client.sendEvent(new device.Message('hello'))
})

test('devices and the clients of a namespace come by the same listener, and neither sees the other', async (t) => {
  const both = await startTestServer(t, { flags: { mqttAnonymous: 'true' } })
  const hubs = iotHubs(both)
  const host = await hubs.createHub('contoso')
  const owner = await hubs.keyOf('contoso', 'iothubowner')
  const beside = testDevices(both, host, hubs.connect(host, 'iothubowner', owner))
  const subscriber = await connectAsync(both.mqtts, { ca: both.ca, reconnectPeriod: 0 })
  closeAfter(t, () => subscriber.endAsync(true))
  const heard: string[] = []
  subscriber.on('message', (topic) => heard.push(topic))
  await subscriber.subscribeAsync('#', { qos: 1 })
  const client = await beside.openDevice(t, 'dev1', await beside.newDevice(t, 'dev1'))
  assert.equal(await beside.isConnected('dev1'), true)
  await client.sendEvent(new device.Message('hello'))
  await subscriber.publishAsync('devices/dev1/messages/events/', 'mine', { qos: 1 })
  await subscriber.publishAsync('last', '', { qos: 1 })
  await eventually(() => heard.includes('last'))
  assert.deepEqual(heard, ['devices/dev1/messages/events/', 'last'])
  const username = 'fabrikam.azure-devices.net/dev1/?api-version=2021-04-12'
  await assert.rejects(
    beside.connectRaw(t, 'dev1', 'x', { username }),
    { code: 5 },
    'a device of a hub that is not here is no client of the namespace',
  )
})

test('where two hubs are, a device reaches the one that its user name says', async (t) => {
  const otherHost = await createHub('fabrikam')
  const other = connect(otherHost, 'iothubowner', await keyOf('fabrikam', 'iothubowner'))
  await other.create({ deviceId: 'there' })
  const key = (await other.get('there')).responseBody.authentication?.symmetricKey?.primaryKey
  const client = await clientOf(
    t,
    `HostName=${otherHost};DeviceId=there;SharedAccessKey=${key};GatewayHostName=${gateway()}`,
  )
  await client.open()
  assert.equal((await other.get('there')).responseBody.connectionState, 'Connected')
  await assert.rejects(
    async () => (await clientOf(t, `HostName=${gateway()};DeviceId=there;SharedAccessKey=${key}`)).open(),
    { name: 'UnauthorizedError' },
    'a name that both have means neither',
  )
  await openDevice(t, 'both', await newDevice(t, 'both'))
})
