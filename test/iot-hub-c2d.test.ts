import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent } from 'node:https'
import { after, type TestContext, test } from 'node:test'
import device from 'azure-iot-device'
import deviceHttp from 'azure-iot-device-http'
import { connect as connectMqtt, type MqttClient } from 'mqtt'
import type { CloudMessage } from '../src/devicebound/devicebound.ts'
import { testDevices, tokenOf } from '../src/testing/iot-devices.ts'
import { hubId, iotHubs } from '../src/testing/iot-hubs.ts'
import { eventually, startTestServer } from '../src/testing/test-server.ts'

/*
 * Messages from the service side to devices, and what becomes of them: by the official device clients over MQTT and
 * HTTPS. The official service client sends over AMQP alone; here messages begin where it would hand them over.
 */

const server = await startTestServer({ after })
const { createHub, keyOf, connect } = iotHubs(server)
const hostName = await createHub('contoso')
const owner = await keyOf('contoso', 'iothubowner')
const registry = connect(hostName, 'iothubowner', owner)
const { newDevice, openDevice, connectRaw, gateway, isConnected } = testDevices(server, hostName, registry)
const devicebound = () => server.devicebound(hubId('contoso'))

const messageOf = (text: string, more: Partial<CloudMessage> = {}): CloudMessage => ({
  ...{ payload: Buffer.from(text), ack: 'none', expiresAt: undefined, system: {}, properties: {} },
  ...more,
})
const send = async (deviceId: string, ...[text, more]: Parameters<typeof messageOf>) =>
  (await devicebound()).send(deviceId, messageOf(text, more))
const textOf = (message: device.Message) => Buffer.from(message.getBytes()).toString()
const pendingOf = async (deviceId: string) => (await devicebound()).pendingOf(deviceId)

/** Calls the hub's HTTPS API as whoever has that token. */
async function call(method: string, path: string, token: string): Promise<Response> {
  const separator = path.includes('?') ? '&' : '?'
  return fetch(`${server.http}${path}${separator}api-version=2021-04-12`, {
    method,
    headers: { authorization: token },
  })
}
const serviceToken = () => tokenOf(hostName, owner, { policy: 'iothubowner' })

interface Heard {
  readonly topic: string
  readonly text: string
  readonly dup: boolean
  readonly qos: number
}

/** The next message of a plain client. */
const nextOf = (client: MqttClient): Promise<Heard> =>
  new Promise((resolve) => {
    client.once('message', (topic, payload, { dup, qos }) =>
      resolve({ topic, text: payload.toString(), dup, qos }),
    )
  })

/** What comes to a session that goes on, from its first packet. */
function goOn(
  t: TestContext,
  deviceId: string,
  password: string,
  { host = hostName, ca = server.ca, to = gateway() } = {},
): Heard[] {
  const client = connectMqtt(`mqtts://${to}`, {
    ...{ ca, protocolVersion: 4, reconnectPeriod: 0, clean: false, clientId: deviceId, password },
    username: `${host}/${deviceId}/?api-version=2021-04-12`,
  })
  t.after(() => client.endAsync(true).catch(() => {}))
  const heard: Heard[] = []
  client.on('message', (topic, payload, { dup, qos }) => {
    heard.push({ topic, text: payload.toString(), dup, qos })
  })
  return heard
}

/** The official client over HTTPS, which knows port 443 alone. */
function httpClientOf(t: TestContext, deviceId: string, key: string): device.Client {
  const client = device.Client.fromConnectionString(
    `HostName=localhost;DeviceId=${deviceId};SharedAccessKey=${key}`,
    deviceHttp.Http,
  )
  const agent = Object.assign(new Agent({ ca: server.ca, keepAlive: true }), {
    defaultPort: Number(new URL(server.https).port),
  })
  // Its promise never settles.
  void client.setOptions({ http: { agent, receivePolicy: { interval: 1 } } })
  client.setRetryPolicy({ shouldRetry: () => false, nextRetryTimeout: () => 0 })
  t.after(async () => {
    await client.close()
    agent.destroy()
  })
  return client
}

test('a message that was sent while the device was away comes with its properties, and is counted till then', async (t) => {
  const key = await newDevice(t, 'lamp')
  const expiresAt = Date.now() + 600_000
  await send('lamp', 'on', {
    ...{ ack: 'full', expiresAt },
    system: {
      ...{ messageId: 'm1', correlationId: 'c 1', userId: 'u1' },
      ...{ contentType: 'application/json', contentEncoding: 'utf-8' },
    },
    properties: { 'a/b': 'c&d=e', empty: '' },
  })
  assert.equal((await registry.get('lamp')).responseBody.cloudToDeviceMessageCount, 1)
  assert.equal(
    ((await registry.getTwin('lamp')).responseBody as { cloudToDeviceMessageCount?: number })
      .cloudToDeviceMessageCount,
    1,
  )
  const client = await openDevice(t, 'lamp', key)
  const [message] = (await once(client, 'message')) as [device.Message]
  await client.complete(message)
  assert.equal(textOf(message), 'on')
  assert.deepEqual(
    [message.messageId, message.correlationId, message.userId, message.contentType, message.contentEncoding],
    ['m1', 'c 1', 'u1', 'application/json', 'utf-8'],
  )
  assert.equal(message.to, '/devices/lamp/messages/devicebound')
  assert.equal(String(message.expiryTimeUtc), new Date(expiresAt).toISOString())
  assert.equal(message.properties.getValue('a/b'), 'c&d=e')
  assert.equal(message.properties.getValue('empty'), '')
  await eventually(async () => (await pendingOf('lamp')) === 0)
  assert.equal((await registry.get('lamp')).responseBody.cloudToDeviceMessageCount, 0)
  const next = once(client, 'message') as Promise<[device.Message]>
  await send('lamp', 'off')
  assert.equal(textOf((await next)[0]), 'off')
  await eventually(async () => (await pendingOf('lamp')) === 0)
})

test('what a device has not acknowledged comes again when it comes back to its session, as a duplicate', async (t) => {
  const key = await newDevice(t, 'valve')
  const token = tokenOf(`${hostName}/devices/valve`, key)
  const first = await connectRaw(t, 'valve', token, { clean: false })
  await first.subscribeAsync('devices/valve/messages/devicebound/#', { qos: 1 })
  // It hears of the message, and goes without a word.
  first.handleMessage = () => {}
  const heard = nextOf(first)
  await send('valve', 'shut')
  await heard
  await first.endAsync(true)
  await eventually(async () => !(await isConnected('valve')))
  await send('valve', 'open')
  assert.equal(await pendingOf('valve'), 2)

  const heardThen = goOn(t, 'valve', token)
  await eventually(() => heardThen.length >= 2)
  assert.deepEqual(
    heardThen.map(({ text, dup, qos }) => ({ text, dup, qos })),
    [
      { text: 'shut', dup: true, qos: 1 },
      { text: 'open', dup: false, qos: 1 },
    ],
  )
  await eventually(async () => (await pendingOf('valve')) === 0)
})

test('a device that begins its session anew gets what it had not acknowledged as new, once it has subscribed', async (t) => {
  const key = await newDevice(t, 'door')
  const token = tokenOf(`${hostName}/devices/door`, key)
  const filter = 'devices/door/messages/devicebound/#'
  const first = await connectRaw(t, 'door', token, { clean: true })
  await first.subscribeAsync(filter, { qos: 1 })
  first.handleMessage = () => {}
  const heard = nextOf(first)
  await send('door', 'lock')
  await heard
  await first.endAsync(true)
  const second = await connectRaw(t, 'door', token, { clean: true })
  const again = nextOf(second)
  await second.subscribeAsync(filter, { qos: 1 })
  const { text, dup } = await again
  assert.deepEqual([text, dup], ['lock', false])
  await eventually(async () => (await pendingOf('door')) === 0)
})

test('to a device that listens at QoS 0 a message is complete when it is sent', async (t) => {
  const key = await newDevice(t, 'bell')
  const client = await connectRaw(t, 'bell', tokenOf(`${hostName}/devices/bell`, key))
  await client.subscribeAsync('devices/bell/messages/devicebound/#', { qos: 0 })
  const heard = nextOf(client)
  await send('bell', 'ring', { properties: { alone: null } })
  const { topic, qos } = await heard
  assert.equal(qos, 0)
  assert.match(
    topic,
    /^devices\/bell\/messages\/devicebound\/%24\.to=%2Fdevices%2Fbell%2Fmessages%2Fdevicebound&/,
  )
  assert.match(topic, /&alone$/)
  await eventually(async () => (await pendingOf('bell')) === 0)
})

test('many messages at once come in their order, and none twice', async (t) => {
  const key = await newDevice(t, 'many')
  const client = await openDevice(t, 'many', key)
  const texts: string[] = []
  client.on('message', (message) => {
    texts.push(textOf(message))
    void client.complete(message)
  })
  for (let round = 0; round < 4; round++) {
    await Promise.all(Array.from({ length: 50 }, (_, n) => send('many', String(round * 50 + n))))
    await eventually(async () => (await pendingOf('many')) === 0)
  }
  assert.deepEqual(
    texts,
    Array.from({ length: 200 }, (_, n) => String(n)),
  )
})

test('fifty messages of nearly 64 KB are taken at once, and one that MQTT has no room for is rejected', async (t) => {
  const key = await newDevice(t, 'large')
  const large = 'x'.repeat(60_000)
  for (let n = 0; n < 49; n++) await send('large', large)
  await send('large', '', { ack: 'negative', properties: { percents: '%'.repeat(30_000) } })
  assert.equal(await pendingOf('large'), 50)
  const client = await connectRaw(t, 'large', tokenOf(`${hostName}/devices/large`, key))
  const bytes: number[] = []
  client.on('message', (_topic, payload) => bytes.push(payload.length))
  await client.subscribeAsync('devices/large/messages/devicebound/#', { qos: 1 })
  await eventually(async () => (await pendingOf('large')) === 0)
  assert.deepEqual(
    bytes,
    Array.from({ length: 49 }, () => 60_000),
  )
})

test('a module does not get messages of its device, and may not ask for any', async (t) => {
  await newDevice(t, 'edge')
  await registry.addModule({ deviceId: 'edge', moduleId: 'm1' })
  const { responseBody } = await registry.getModule('edge', 'm1')
  const key = responseBody.authentication?.symmetricKey?.primaryKey as string
  const client = await connectRaw(t, 'edge/m1', tokenOf(`${hostName}/devices/edge/modules/m1`, key))
  await assert.rejects(client.subscribeAsync('devices/edge/modules/m1/messages/devicebound/#'))
  await assert.rejects(client.subscribeAsync('devices/edge/messages/devicebound/#'))
})

test('a device receives, completes, rejects and abandons messages over HTTPS', async (t) => {
  const key = await newDevice(t, 'poller')
  const client = httpClientOf(t, 'poller', key)
  await send('poller', 'first', {
    system: { messageId: 'm1', correlationId: 'c1' },
    properties: { colour: 'grün' },
  })
  const [message] = (await once(client, 'message')) as [device.Message & { readonly lockToken: string }]
  assert.equal(textOf(message), 'first')
  assert.deepEqual(
    [message.messageId, message.correlationId, message.to],
    ['m1', 'c1', '/devices/poller/messages/devicebound'],
  )
  assert.equal(message.properties.getValue('iothub-app-colour'), 'gr%C3%BCn')
  await client.abandon(message)
  const token = tokenOf(`${hostName}/devices/poller`, key)
  const path = '/devices/poller/messages/devicebound'
  const again = await call('GET', path, token)
  assert.equal(again.status, 200)
  assert.equal(await again.text(), 'first')
  assert.equal(again.headers.get('iothub-deliverycount'), '1')
  assert.match(again.headers.get('iothub-sequencenumber') ?? '', /^\d+$/)
  const lock = again.headers.get('etag')?.slice(1, -1) ?? ''
  assert.equal((await call('GET', path, token)).status, 204)
  assert.equal((await call('DELETE', `${path}/${lock}`, token)).status, 204)
  const lost = await call('DELETE', `${path}/${lock}`, token)
  assert.deepEqual([lost.status, lost.headers.get('iothub-errorcode')], [412, 'DeviceMessageLockLost'])
  await send('poller', 'second')
  const [second] = (await once(client, 'message')) as [device.Message]
  await client.reject(second)
  assert.equal(await pendingOf('poller'), 0)
  assert.equal((await call('GET', path, tokenOf(`${hostName}/devices/other`, key))).status, 401)
})

test('feedback comes to the service over HTTP, and is deleted or comes again', async (t) => {
  const key = await newDevice(t, 'teller')
  const token = tokenOf(`${hostName}/devices/teller`, key)
  const from = Date.now()
  // Sixty-four are a batch, so that nobody has to wait.
  for (let n = 0; n < 64; n++) {
    await send('teller', 'x', { ack: 'full', system: { messageId: `m${n}` } })
    const lock = (await call('GET', '/devices/teller/messages/devicebound', token)).headers.get('etag') ?? ''
    await call(
      'DELETE',
      `/devices/teller/messages/devicebound/${lock.slice(1, -1)}${n === 1 ? '?reject' : ''}`,
      token,
    )
  }
  const path = '/messages/serviceBound/feedback'
  const { responseBody } = await registry.get('teller')
  const wrong = tokenOf(hostName, await keyOf('contoso', 'device'), { policy: 'device' })
  assert.equal((await call('GET', path, wrong)).status, 401)
  let lock = ''
  const receive = async () => {
    const answer = await call('GET', path, serviceToken())
    if (answer.status === 204) return undefined
    lock = answer.headers.get('etag')?.slice(1, -1) ?? ''
    assert.equal(answer.headers.get('content-type'), 'application/vnd.microsoft.iothub.feedback.json')
    return (await answer.json()) as Record<string, string>[]
  }
  const all: Record<string, string>[] = []
  const first = await receive()
  assert.equal(first?.length, 64)
  assert.equal((await call('POST', `${path}/${lock}/abandon`, serviceToken())).status, 204)
  // Of other tests too.
  for (let some = await receive(); some; some = await receive()) {
    all.push(...some)
    assert.equal((await call('DELETE', `${path}/${lock}`, serviceToken())).status, 204)
  }
  const told = all.filter(({ deviceId }) => deviceId === 'teller')
  const [one, two] = told as [Record<string, string>, Record<string, string>]
  const { enqueuedTimeUtc = '', ...rest } = one
  assert.deepEqual(rest, {
    ...{ originalMessageId: 'm0', statusCode: 'Success', description: 'Success' },
    ...{ deviceId: 'teller', deviceGenerationId: responseBody.generationId },
  })
  assert.ok(Date.parse(enqueuedTimeUtc) >= from)
  assert.deepEqual([two.originalMessageId, two.statusCode], ['m1', 'Rejected'])
})

test('messages that wait are purged, and those of a device that is deleted go with it', async (t) => {
  await newDevice(t, 'full')
  for (let n = 0; n < 3; n++) await send('full', String(n))
  const purged = await call('DELETE', '/devices/full/commands', serviceToken())
  assert.deepEqual(await purged.json(), { totalMessagesPurged: 3, deviceId: 'full', moduleId: null })
  assert.equal(await pendingOf('full'), 0)
  assert.equal((await call('DELETE', '/devices/none/commands', serviceToken())).status, 404)
  await send('full', 'x')
  await registry.delete('full')
  assert.equal(await pendingOf('full'), 0)
  await registry.create({ deviceId: 'full' })
  assert.equal((await registry.get('full')).responseBody.cloudToDeviceMessageCount, 0)
})

test('messages outlive the server', async (t) => {
  const key = await newDevice(t, 'patient')
  await send('patient', 'still here', { properties: { n: '1' } })
  await server.restart()
  assert.equal((await registry.get('patient')).responseBody.cloudToDeviceMessageCount, 1)
  const client = await openDevice(t, 'patient', key)
  const [message] = (await once(client, 'message')) as [device.Message]
  assert.equal(textOf(message), 'still here')
  assert.equal(message.properties.getValue('n'), '1')
  await eventually(async () => (await pendingOf('patient')) === 0)
})

/** A hub where locks of a minute end after 200 ms, and device `mute`, which listens and never acknowledges. */
async function startQuick(t: TestContext, options: { readonly clean: boolean }) {
  const fast = await startTestServer(t, { flags: { timeScale: '300' } })
  const hubs = iotHubs(fast)
  const host = await hubs.createHub('quick', { cloudToDevice: { maxDeliveryCount: 3 } })
  const quick = hubs.connect(host, 'iothubowner', await hubs.keyOf('quick', 'iothubowner'))
  const devices = testDevices(fast, host, quick)
  const token = tokenOf(`${host}/devices/mute`, await devices.newDevice(t, 'mute'))
  const client = await devices.connectRaw(t, 'mute', token, options)
  await client.subscribeAsync('devices/mute/messages/devicebound/#', { qos: 1 })
  // An error in place of an acknowledgement.
  client.handleMessage = (_packet, callback) => callback(new Error('no'))
  const queues = await fast.devicebound(hubId('quick'))
  return { client, queues, token, devices, where: { host, ca: fast.ca, to: devices.gateway() } }
}

test('a device that stays and does not acknowledge gets a message until it was delivered often enough', async (t) => {
  const { client, queues } = await startQuick(t, { clean: true })
  const duplicates: boolean[] = []
  client.on('message', (_topic, _payload, { dup }) => duplicates.push(dup))
  await queues.send('mute', messageOf('x', { ack: 'full', system: { messageId: 'm1' } }))
  await eventually(() => queues.pendingOf('mute') === 0)
  let notice = await queues.feedback.receive()
  await eventually(async () => (notice ??= await queues.feedback.receive()) !== undefined)
  const [told] = JSON.parse(notice?.body.toString() ?? '[]') as Record<string, string>[]
  assert.equal(told?.statusCode, 'DeliveryCountExceeded')
  // Within one connection nothing is a duplicate, as MQTT has it.
  assert.deepEqual(duplicates, [false, false, false])
})

test('a message whose lock has ended while its device was away comes once, and not under its old name as well', async (t) => {
  const { client, queues, token, devices, where } = await startQuick(t, { clean: false })
  const heard = nextOf(client)
  await queues.send('mute', messageOf('x'))
  await heard
  await client.endAsync(true)
  await eventually(async () => !(await devices.isConnected('mute')))
  const ended = new Promise<void>((resolve) => {
    queues.onReady(() => resolve())
  })
  await ended
  const messages = goOn(t, 'mute', token, where)
  await eventually(() => queues.pendingOf('mute') === 0)
  assert.deepEqual(
    messages.map(({ text, dup }) => ({ text, dup })),
    [{ text: 'x', dup: false }],
  )
})
