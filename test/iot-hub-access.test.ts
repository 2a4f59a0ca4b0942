import assert from 'node:assert/strict'
import { after, type TestContext, test } from 'node:test'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { EventHubConsumerClient } from '@azure/event-hubs'
import device from 'azure-iot-device'
import deviceAmqp from 'azure-iot-device-amqp'
import { connectAsync } from 'mqtt'
import { createHubGate } from '../src/catalog/hub-gate.ts'
import { decodeHubAccess } from '../src/resources/hub-access.ts'
import { testDevices, tokenOf } from '../src/testing/iot-devices.ts'
import { hubId, iotHubs } from '../src/testing/iot-hubs.ts'
import { eventually, startTestServer } from '../src/testing/test-server.ts'

/*
 * Who may come to an IoT hub at all, by what its resource says, whoever he is; and what it may not say.
 */

const server = await startTestServer({ after }, { flags: { mqttPort: '0' } })
// Clients of Event Hubs trust what the process trusts, and have no option for it.
setDefaultCACertificates([...getCACertificates(), server.ca])
const { createHub, keyOf, connect } = iotHubs(server)
const hostName = await createHub('contoso')
const key = await keyOf('contoso', 'iothubowner')
const registry = connect(hostName, 'iothubowner', key)
const { newDevice, connectRaw } = testDevices(server, hostName, registry)

const put = (properties: Readonly<Record<string, unknown>>) =>
  server.call('PUT', hubId('contoso'), {
    ...{ location: 'westus2', sku: { name: 'S1', capacity: 1 }, properties },
  })

/** The hub says that, until the test is over. */
async function set(t: TestContext, properties: Readonly<Record<string, unknown>>): Promise<void> {
  t.after(async () => {
    const names = Object.keys(properties).map((name) => [name, null])
    assert.equal((await put(Object.fromEntries(names))).status, 201)
    await eventually(async () => (await read()) === 200)
  })
  const { status, body } = await put(properties)
  assert.equal(status, 201, JSON.stringify(body))
}

const token = tokenOf(hostName, key, { policy: 'iothubowner' })
const answered = () =>
  fetch(`${server.http}/statistics/devices?api-version=2021-04-12`, { headers: { authorization: token } })
const read = async () => (await answered()).status

/** Of what the built-in endpoint holds. */
const readEvents = async () =>
  (await fetch(`${server.http}/messages/events`, { headers: { authorization: token } })).status

const loopback = ['127.0.0.0/8', '::1']
const everybody = ['0.0.0.0/0', '::/0']
const filters = (action: 'Accept' | 'Reject', masks: readonly string[]) =>
  masks.map((ipMask) => ({ filterName: 'rule', action, ipMask }))

test('a hub without public network access is reached by nobody, and whoever is there has to go', async (t) => {
  const password = tokenOf(`${hostName}/devices/dev1`, await newDevice(t, 'dev1'))
  const client = await connectRaw(t, 'dev1', password)
  const gone = new Promise<void>((resolve) => client.once('close', () => resolve()))
  await set(t, { publicNetworkAccess: 'disabled' })
  const response = await answered()
  assert.deepEqual(
    [response.status, response.headers.get('iothub-errorcode')],
    [401, 'IotHubUnauthorizedAccess'],
  )
  await gone
  await assert.rejects(connectRaw(t, 'dev1', password), /Not authorized/)
})

test('of ipFilterRules the first that matches decides, and whom none matches may come', async (t) => {
  const password = tokenOf(`${hostName}/devices/dev2`, await newDevice(t, 'dev2'))
  await set(t, { ipFilterRules: [...filters('Accept', loopback), ...filters('Reject', everybody)] })
  assert.equal(await read(), 200)
  await connectRaw(t, 'dev2', password)
  await set(t, { ipFilterRules: [...filters('Reject', everybody), ...filters('Accept', loopback)] })
  assert.deepEqual([await read(), await readEvents()], [401, 200])
  await assert.rejects(connectRaw(t, 'dev2', password), /Not authorized/)
  await set(t, { ipFilterRules: filters('Reject', ['10.0.0.0/8']) })
  assert.equal(await read(), 200)
})

test('networkRuleSets let in whom they name, and everybody where they deny nothing', async (t) => {
  const rules = (defaultAction: string, masks: readonly string[]) => ({
    networkRuleSets: {
      ...{ defaultAction, applyToBuiltInEventHubEndpoint: false },
      ipRules: masks.map((ipMask) => ({ filterName: 'rule', action: 'Allow', ipMask })),
    },
  })
  await set(t, rules('Deny', loopback))
  assert.equal(await read(), 200)
  await set(t, rules('Deny', ['10.0.0.0/8']))
  assert.equal(await read(), 401)
  await set(t, rules('Allow', ['10.0.0.0/8']))
  assert.equal(await read(), 200)
})

test('the built-in endpoint has the network rules that say so, and no others', () => {
  const peer = { address: '::ffff:192.0.2.1', isTls: true }
  const gateOf = (properties: Readonly<Record<string, unknown>>) => createHubGate(decodeHubAccess(properties))
  const filtered = gateOf({ ipFilterRules: filters('Reject', everybody) })
  assert.match(filtered(peer) ?? '', /ipFilterRules/)
  assert.equal(filtered(peer, 'events'), undefined)
  for (const applyToBuiltInEventHubEndpoint of [true, false]) {
    const ruled = gateOf({ networkRuleSets: { applyToBuiltInEventHubEndpoint, ipRules: [] } })
    assert.match(ruled(peer) ?? '', /networkRuleSets/)
    assert.equal(ruled(peer, 'events') !== undefined, applyToBuiltInEventHubEndpoint)
  }
  assert.match(gateOf({ publicNetworkAccess: 'Disabled' })(peer, 'events') ?? '', /publicNetworkAccess/)
})

test('over AMQP devices and readers of the built-in endpoint are judged each by its own rules', async (t) => {
  const { port } = new URL(server.amqps)
  const deviceKey = await newDevice(t, 'dev4')
  const open = async () => {
    const client = device.Client.fromConnectionString(
      `HostName=${hostName};DeviceId=dev4;SharedAccessKey=${deviceKey};GatewayHostName=localhost:${port}`,
      deviceAmqp.Amqp,
    )
    await client.setOptions({ ca: server.ca })
    client.setRetryPolicy({ shouldRetry: () => false, nextRetryTimeout: () => 0 })
    t.after(() => client.close().catch(() => {}))
    await client.open()
    return client
  }
  const partitions = async () => {
    const policy = `SharedAccessKeyName=service;SharedAccessKey=${await keyOf('contoso', 'service')}`
    const reader = new EventHubConsumerClient(
      '$Default',
      `Endpoint=sb://localhost:${port}/;${policy};EntityPath=contoso`,
      { retryOptions: { maxRetries: 0 } },
    )
    try {
      return (await reader.getPartitionIds()).length
    } finally {
      await reader.close()
    }
  }
  const connected = await open()
  const gone = new Promise<void>((resolve) => connected.on('disconnect', () => resolve()))
  await set(t, { ipFilterRules: filters('Reject', everybody) })
  await gone
  await assert.rejects(open(), { name: 'UnauthorizedError' })
  assert.equal(await partitions(), 4)
  await set(t, { networkRuleSets: { applyToBuiltInEventHubEndpoint: true, ipRules: [] } })
  await assert.rejects(partitions(), /networkRuleSets/)
  assert.equal(await readEvents(), 401)
})

test('a hub with a minimum TLS version takes nothing over a plain connection', async (t) => {
  const password = tokenOf(`${hostName}/devices/dev3`, await newDevice(t, 'dev3'))
  const plain = () =>
    connectAsync(server.mqtt, {
      ...{ protocolVersion: 4, reconnectPeriod: 0, clientId: 'dev3', password },
      username: `${hostName}/dev3/?api-version=2021-04-12`,
    })
  await (await plain()).endAsync()
  await set(t, { minTlsVersion: '1.2' })
  assert.equal(await read(), 401)
  await assert.rejects(plain(), /Not authorized/)
  await connectRaw(t, 'dev3', password)
  await registry.get('dev3')
})

test('what a hub says holds in any letter case', async (t) => {
  await set(t, { DisableLocalAuth: true })
  assert.equal(await read(), 401)
})

test('what is not done is refused with its name, and what has no effect is shown again', async (t) => {
  const refused: readonly (readonly [string, Readonly<Record<string, unknown>>])[] = [
    ['properties.restrictOutboundNetworkAccess', { restrictOutboundNetworkAccess: true }],
    ['properties.encryption', { encryption: { keySource: 'Microsoft.KeyVault' } }],
    ['properties.deviceStreams.streamingEndpoints', { deviceStreams: { streamingEndpoints: ['wss://x'] } }],
    [
      'properties.storageEndpoints.$default.authenticationType',
      { storageEndpoints: { $default: { authenticationType: 'identityBased' } } },
    ],
    ['properties.minTlsVersion', { minTlsVersion: '1.0' }],
    ['properties.ipFilterRules[0].ipMask', { ipFilterRules: filters('Accept', ['10.0.0.0/33']) }],
    ['properties.networkRuleSets.ipRules[0].action', { networkRuleSets: { ipRules: [{ action: 'Deny' }] } }],
    ['properties.features', { features: 'Everything' }],
  ]
  for (const [path, properties] of refused) {
    const { status, body } = await put(properties)
    assert.equal(status, 400, path)
    assert(body.error.message.includes(path), `${path}: ${body.error.message}`)
  }
  const shown = {
    comments: 'of nobody',
    enableDataResidency: true,
    features: 'DeviceManagement',
    rootCertificate: { enableRootCertificateV2: true },
    allowedFqdnList: ['contoso.example'],
    restrictOutboundNetworkAccess: false,
  }
  await set(t, shown)
  const { body } = await server.call('GET', hubId('contoso'))
  for (const [name, value] of Object.entries(shown)) assert.deepEqual(body.properties[name], value)
})
