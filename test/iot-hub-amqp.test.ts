import assert from 'node:assert/strict'
import { type EventEmitter, once } from 'node:events'
import { Agent } from 'node:https'
import { after, type TestContext, test } from 'node:test'
import { setImmediate as nextTurn, setTimeout as wait } from 'node:timers/promises'
import { connect as connectTls, getCACertificates, setDefaultCACertificates } from 'node:tls'
import { promisify } from 'node:util'
import common from 'azure-iot-common'
import device from 'azure-iot-device'
import deviceAmqp from 'azure-iot-device-amqp'
import iothub from 'azure-iothub'
import type { AmqpError, EventContext, Receiver, Sender } from 'rhea'
import { loadRhea } from '../src/amqp/rhea.ts'
import type { Notices } from '../src/devicebound/notices.ts'
import { issueTestCertificate, x509Of } from '../src/testing/client-certificates.ts'
import { testDevices, tokenOf } from '../src/testing/iot-devices.ts'
import { hubId, iotHubs } from '../src/testing/iot-hubs.ts'
import { startRecordingWebhook } from '../src/testing/recording-webhook.ts'
import { eventually, startTestServer } from '../src/testing/test-server.ts'

/* Devices of an IoT hub over AMQP, by the official device client; and what that one never does. */

const server = await startTestServer({ after })
// The service clients trust what the process trusts, and have no option for it.
setDefaultCACertificates([...getCACertificates(), server.ca])
const { createHub, keyOf, connect, connectClient } = iotHubs(server)
const hostName = await createHub('contoso')
const registry = connect(hostName, 'iothubowner', await keyOf('contoso', 'iothubowner'))
const service = connectClient(hostName, 'service', await keyOf('contoso', 'service'))
const { newDevice, openDevice: openOverMqtt, isConnected } = testDevices(server, hostName, registry)
const gateway = `localhost:${new URL(server.amqps).port}`

/** The client knows port 443 alone; this brings its WebSockets here. */
function webSocketAgent({ cert, key }: device.DeviceClientOptions) {
  const agent = new Agent({ ca: server.ca })
  const { createConnection } = agent as unknown as { createConnection: (...args: unknown[]) => unknown }
  const port = Number(new URL(server.https).port)
  return Object.assign(agent, {
    createConnection: (options: object, ...rest: unknown[]) =>
      createConnection.call(
        agent,
        { ...options, ca: server.ca, host: '127.0.0.1', port, ...(cert && { cert, key }) },
        ...rest,
      ),
  })
}

type Transport = typeof deviceAmqp.Amqp | typeof deviceAmqp.AmqpWs

async function clientOf(
  t: TestContext,
  connectionString: string,
  transport: Transport = deviceAmqp.Amqp,
  options: device.DeviceClientOptions = {},
): Promise<device.Client> {
  const client = device.Client.fromConnectionString(connectionString, transport)
  const isWebSocket = transport === deviceAmqp.AmqpWs
  await client.setOptions({
    ca: server.ca,
    ...(isWebSocket && { amqp: { webSocketAgent: webSocketAgent(options) } }),
    ...options,
  })
  client.setRetryPolicy({ shouldRetry: () => false, nextRetryTimeout: () => 0 })
  t.after(() => client.close().catch(() => {}))
  return client
}

async function openDevice(t: TestContext, deviceId: string, key: string, transport?: Transport) {
  const to = transport === deviceAmqp.AmqpWs ? 'localhost' : gateway
  const client = await clientOf(
    t,
    `HostName=${hostName};DeviceId=${deviceId};SharedAccessKey=${key};GatewayHostName=${to}`,
    transport,
  )
  await client.open()
  return client
}

for (const transport of [deviceAmqp.Amqp, deviceAmqp.AmqpWs])
  test(`a device connects over ${transport.name}, sends, and is gone when it closes`, async (t) => {
    const key = await newDevice(t, 'dev1')
    const client = await openDevice(t, 'dev1', key, transport)
    assert.equal(await isConnected('dev1'), true)
    await client.sendEvent(new device.Message('hello'))
    await client.close()
    await eventually(async () => !(await isConnected('dev1')))
  })

test('a wrong key, a disabled device and one that is not there are refused', async (t) => {
  const key = await newDevice(t, 'dev2')
  const other = await newDevice(t, 'dev3')
  await assert.rejects(openDevice(t, 'dev2', other), { name: 'UnauthorizedError' })
  await assert.rejects(openDevice(t, 'nobody', key), { name: 'UnauthorizedError' })
  await registry.update({ deviceId: 'dev2', status: 'disabled' })
  await assert.rejects(openDevice(t, 'dev2', key), { name: 'UnauthorizedError' })
  assert.equal(await isConnected('dev2'), false)
})

test('a device connects by a policy that may connect devices, and by no other', async (t) => {
  await newDevice(t, 'by-policy')
  const by = async (policy: string) =>
    clientOf(
      t,
      `HostName=${hostName};DeviceId=by-policy;SharedAccessKeyName=${policy};SharedAccessKey=${await keyOf('contoso', policy)};GatewayHostName=${gateway}`,
    )
  await assert.rejects((await by('service')).open(), { name: 'UnauthorizedError' })
  await (await by('device')).open()
  assert.equal(await isConnected('by-policy'), true)
})

test('telemetry over AMQP becomes an event, with the properties of the message', async (t) => {
  const key = await newDevice(t, 'teller')
  const hook = await listen(t, 'teller')
  const client = await openDevice(t, 'teller', key)
  const message = new device.Message(JSON.stringify({ degrees: 21 }))
  message.messageId = 'b4a7a7a0-5b5e-4d8e-9d2f-1f6ab2a4c111'
  message.correlationId = 'c1'
  message.contentType = 'application/json'
  message.contentEncoding = 'utf-8'
  message.properties.add('room', 'kitchen')
  message.properties.add('dt-subject', 'thermostat1')
  await client.sendEvent(message)
  await server.settle()
  await eventually(() => hook.received.length === 1)
  const [{ data }] = hook.received.flatMap(({ body }) => body) as [
    { readonly data: Readonly<Record<string, unknown>> },
  ]
  assert.deepEqual(data.body, { degrees: 21 })
  assert.deepEqual(data.properties, { room: 'kitchen' })
  const said = data.systemProperties as Readonly<Record<string, string>>
  assert.equal(said['message-id'], message.messageId)
  assert.equal(said['correlation-id'], 'c1')
  assert.equal(said['dt-subject'], 'thermostat1')
  assert.equal(said['iothub-content-type'], 'application/json')
  assert.equal(said['iothub-connection-device-id'], 'teller')
})

/** DeviceTelemetry of that device. */
async function listen(t: TestContext, deviceId: string) {
  const hook = await startRecordingWebhook(t)
  const id = `${hubId('contoso')}/providers/Microsoft.EventGrid/eventSubscriptions/${deviceId}`
  await server.call('PUT', id, {
    properties: {
      destination: { endpointType: 'WebHook', properties: { endpointUrl: hook.url } },
      filter: {
        subjectBeginsWith: `devices/${deviceId}`,
        includedEventTypes: ['Microsoft.Devices.DeviceTelemetry'],
      },
    },
  })
  await eventually(
    async () => (await server.call('GET', id)).body.properties.provisioningState === 'Succeeded',
  )
  t.after(async () => {
    await server.call('DELETE', id)
  })
  return hook
}

test('messages that are sent as one are accepted as one, and raise an event each', async (t) => {
  const key = await newDevice(t, 'batcher')
  const hook = await listen(t, 'batcher')
  const raw = await connectRaw(t, {
    ...{ username: 'batcher@sas.contoso', password: tokenOf(`${hostName}/devices/batcher`, key) },
  })
  const { message: codec } = await loadRhea()
  const sender = raw.connection.open_sender('/devices/batcher/messages/events')
  await once(sender, 'sendable')
  const messages = ['one', 'two', 'three'].map((text) =>
    codec.encode({ message_id: text, body: codec.data_section(Buffer.from(text)) }),
  )
  const accepted = once(sender, 'accepted')
  // Source: learn.microsoft.com/azure/event-hubs/event-hubs-amqp-protocol-guide
  sender.send(codec.encode({ body: codec.data_sections(messages) }), undefined, 0x80013700)
  await accepted
  await server.settle()
  const ids = () =>
    hook.received
      .flatMap(({ body }) => body as { data: { systemProperties: Readonly<Record<string, string>> } }[])
      .map(({ data }) => data.systemProperties['message-id'])
  await eventually(() => ids().length === 3)
  assert.deepEqual(ids(), ['one', 'two', 'three'])
})

test('a message that is too large ends its link, and nothing else', async (t) => {
  const key = await newDevice(t, 'large')
  const client = await openDevice(t, 'large', key)
  await assert.rejects(client.sendEvent(new device.Message(Buffer.alloc(256 * 1024 + 1))), {
    name: 'MessageTooLargeError',
  })
  await assert.rejects(client.sendEvent(new device.Message(Buffer.alloc(2 * 1024 * 1024))), {
    name: 'MessageTooLargeError',
  })
  await client.sendEvent(new device.Message(Buffer.alloc(256 * 1024 - 100)))
  assert.equal(await isConnected('large'), true)
})

test('a device reads and reports its twin, and hears of what is desired while it wants to', async (t) => {
  const key = await newDevice(t, 'twin1')
  const client = await openDevice(t, 'twin1', key)
  const twin = await client.getTwin()
  assert.equal(twin.properties.desired.$version, 1)
  await promisify(twin.properties.reported.update.bind(twin.properties.reported))({ color: 'red' })
  const { responseBody: read } = await registry.getTwin('twin1')
  assert.equal(read.properties.reported.color, 'red')
  const desired = new Promise<Readonly<Record<string, unknown>>>((resolve) => {
    twin.on('properties.desired', (patch) => {
      if (patch.speed !== undefined) resolve(patch)
    })
  })
  await eventually(async () => {
    await registry.updateTwin('twin1', { properties: { desired: { speed: 3 } } }, '*')
    return Promise.race([desired.then(() => true), nextTurn(false)])
  })
  assert.equal((await desired).speed, 3)
  await assert.rejects(
    promisify(twin.properties.reported.update.bind(twin.properties.reported))({ large: 'x'.repeat(40_000) }),
    /at most 4096 bytes/,
  )
})

test('a service client calls a method on a device', async (t) => {
  const key = await newDevice(t, 'callee')
  const client = await openDevice(t, 'callee', key)
  client.onDeviceMethod('reboot', (request, response) => {
    void response.send(202, { heard: request.payload })
  })
  const call = { methodName: 'reboot', payload: { now: true }, connectTimeoutInSeconds: 10 }
  const { result } = await service.invokeDeviceMethod('callee', call)
  assert.deepEqual(result, { status: 202, payload: { heard: { now: true } } })
  await client.close()
  await assert.rejects(
    service.invokeDeviceMethod('callee', { methodName: 'reboot' }),
    /Not found|DeviceNotOnline/,
  )
})

test('a module connects as itself', async (t) => {
  await newDevice(t, 'host1')
  await registry.addModule({ deviceId: 'host1', moduleId: 'camera' })
  const { responseBody } = await registry.getModule('host1', 'camera')
  const key = responseBody.authentication?.symmetricKey?.primaryKey
  const client = device.ModuleClient.fromConnectionString(
    `HostName=${hostName};DeviceId=host1;ModuleId=camera;SharedAccessKey=${key};GatewayHostName=${gateway}`,
    deviceAmqp.Amqp,
  )
  await client.setOptions({ ca: server.ca })
  t.after(() => client.close())
  await client.open()
  const state = async () => (await registry.getModule('host1', 'camera')).responseBody.connectionState
  assert.equal(await state(), 'Connected')
  assert.equal(await isConnected('host1'), false)
  await client.sendEvent(new device.Message('hello'))
  await client.sendOutputEvent('out1', new device.Message('hello'))
  const twin = await client.getTwin()
  assert.equal(twin.properties.reported.$version, 1)
  client.onMethod('ping', (_request, response) => {
    void response?.send(200, 'pong')
  })
  const params = { methodName: 'ping', connectTimeoutInSeconds: 10 }
  const { result } = await service.invokeDeviceMethod('host1', 'camera', params)
  assert.deepEqual(result, { status: 200, payload: 'pong' })
})

test('one identity has one connection, whatever the protocol', async (t) => {
  const key = await newDevice(t, 'mover')
  const first = await openDevice(t, 'mover', key)
  const ended = once(first, 'disconnect')
  const second = await openOverMqtt(t, 'mover', key)
  await ended
  assert.equal(await isConnected('mover'), true)
  const endedToo = once(second, 'disconnect')
  await openDevice(t, 'mover', key)
  await endedToo
  assert.equal(await isConnected('mover'), true)
})

test('a device that is disabled, or deleted, is disconnected', async (t) => {
  const key = await newDevice(t, 'leaver')
  const client = await openDevice(t, 'leaver', key)
  const ended = once(client, 'disconnect')
  await registry.update({ deviceId: 'leaver', status: 'disabled' })
  await ended
  assert.equal(await isConnected('leaver'), false)
  await registry.update({ deviceId: 'leaver', status: 'enabled' })
  const again = await openDevice(t, 'leaver', key)
  const gone = once(again, 'disconnect')
  await registry.delete('leaver')
  await gone
})

test('a new token keeps the connection, and an expired one ends it', async (t) => {
  const key = await newDevice(t, 'renewer')
  const resource = `${hostName}/devices/renewer`
  const raw = await connectRaw(t)
  assert.equal(await raw.putToken(resource, tokenOf(resource, key, { expiresInSeconds: -298 })), 200)
  assert.equal(await isConnected('renewer'), true)
  assert.equal(await raw.putToken(resource, tokenOf(resource, key, { expiresInSeconds: -297 })), 200)
  assert.equal(await raw.putToken(resource, tokenOf(resource, key, { expiresInSeconds: -301 })), 401)
  const error = await raw.closed
  assert.equal(error?.condition, 'amqp:unauthorized-access')
  await eventually(async () => !(await isConnected('renewer')))
})

test('a device connects by a certificate whose thumbprint the registry has', async (t) => {
  const certificate = await issueTestCertificate({ subject: 'CN=anything' })
  const thumbprint = x509Of(certificate).fingerprint256.replaceAll(':', '')
  const authentication = {
    type: 'selfSigned' as const,
    x509Thumbprint: { primaryThumbprint: thumbprint, secondaryThumbprint: thumbprint },
  }
  await registry.create({ deviceId: 'x509', authentication })
  t.after(() => registry.delete('x509'))
  const connection = `HostName=${gateway};DeviceId=x509;x509=true`
  const other = await issueTestCertificate({ subject: 'CN=x509' })
  const stranger = await clientOf(t, connection, deviceAmqp.Amqp, other)
  await stranger.open()
  await assert.rejects(stranger.sendEvent(new device.Message('hello')), { name: 'UnauthorizedError' })
  const client = await clientOf(t, connection, deviceAmqp.Amqp, certificate)
  await client.open()
  await client.sendEvent(new device.Message('hello'))
  assert.equal(await isConnected('x509'), true)
})

test('a device connects by a certificate that an authority of its hub has signed', async (t) => {
  const root = await issueTestCertificate({ subject: 'CN=Contoso root', authority: true })
  const certificates = `${hubId('contoso')}/certificates/root`
  const upload = (isVerified: boolean) =>
    server.call('PUT', certificates, {
      properties: { certificate: Buffer.from(root.cert).toString('base64'), isVerified },
    })
  await upload(true)
  t.after(() => server.call('DELETE', certificates))
  await registry.create({ deviceId: 'signed', authentication: { type: 'certificateAuthority' } })
  t.after(() => registry.delete('signed'))
  const certificate = await issueTestCertificate({ subject: 'CN=signed', by: root })
  const connection = `HostName=${gateway};DeviceId=signed;x509=true`
  for (const transport of [deviceAmqp.Amqp, deviceAmqp.AmqpWs]) {
    const to = transport === deviceAmqp.AmqpWs ? connection.replace(gateway, 'localhost') : connection
    const client = await clientOf(t, to, transport, certificate)
    await client.open()
    await client.sendEvent(new device.Message('hello'))
    assert.equal(await isConnected('signed'), true)
    await client.close()
  }
})

for (const [mechanism, user] of [
  ['PLAIN', 'sasl@sas.contoso'],
  ['ANONYMOUS', undefined],
] as const)
  test(`a client signs in by SASL ${mechanism}`, async (t) => {
    const key = await newDevice(t, 'sasl')
    const resource = `${hostName}/devices/sasl`
    const token = tokenOf(resource, key)
    const raw = await connectRaw(
      t,
      user === undefined ? { username: 'anybody' } : { username: user, password: token },
    )
    if (user === undefined) assert.equal(await raw.putToken(resource, token), 200)
    assert.equal(await isConnected('sasl'), true)
    assert.equal(await raw.refusalOf('/devices/sasl/messages/events'), undefined)
    assert.equal(await raw.refusalOf('/devices/other/messages/events'), 'amqp:unauthorized-access')
    assert.equal(await raw.refusalOf('/somewhere'), 'amqp:not-found')
  })

test('requests are answered by their ids, of whatever type these are', async (t) => {
  const key = await newDevice(t, 'ids')
  const resource = `${hostName}/devices/ids`
  const raw = await connectRaw(t)
  assert.equal(await raw.putToken(resource, tokenOf(resource, key)), 200)
  const { types } = await loadRhea()
  const requests = raw.connection.open_sender('/devices/ids/twin')
  const answers = raw.connection.open_receiver('/devices/ids/twin')
  await Promise.all([once(requests, 'sendable'), once(answers, 'receiver_open')])
  for (const id of ['text', 7, Buffer.alloc(16, 1), types.wrap_binary(Buffer.from('bytes'))]) {
    const answered = once(answers, 'message') as Promise<[EventContext]>
    requests.send({ correlation_id: id as string, message_annotations: { operation: 'GET' }, body: '' })
    const [{ message }] = await answered
    assert.deepEqual(message?.correlation_id, typeof id === 'object' && 'value' in id ? id.value : id)
    assert.equal(message?.message_annotations?.status, 200)
  }
})

test('a wrong password of SASL PLAIN is refused', async (t) => {
  await newDevice(t, 'sasl')
  const username = 'sasl@sas.contoso'
  const password = tokenOf(`${hostName}/devices/sasl`, Buffer.alloc(32).toString('base64'))
  await assert.rejects(connectRaw(t, { username, password }), /authenticate/i)
})

test('links without a token are refused, and so are those that a token gives no right to', async (t) => {
  const raw = await connectRaw(t)
  assert.equal(await raw.refusalOf('/messages/devicebound'), 'amqp:unauthorized-access')
  assert.equal(await raw.refusalOf('/devices/dev1/messages/events'), 'amqp:unauthorized-access')
  const token = tokenOf(hostName, await keyOf('contoso', 'device'), { policy: 'device' })
  assert.equal(await raw.putToken(hostName, token), 200)
  assert.equal(await raw.refusalOf('/messages/devicebound'), 'amqp:unauthorized-access')
  assert.equal(await raw.putToken('fabrikam.azure-devices.net', token), 404)
  // A policy that may connect devices connects any.
  await newDevice(t, 'pooled')
  assert.equal(await raw.refusalOf('/devices/pooled/messages/events'), undefined)
  assert.equal(await isConnected('pooled'), true)
})

test('a device completes, rejects and abandons what it is sent, each once or again', async (t) => {
  const key = await newDevice(t, 'inbox')
  const queues = await server.devicebound(hubId('contoso'))
  const client = await openDevice(t, 'inbox', key)
  const came: string[] = []
  const settled: Promise<unknown>[] = []
  const last = Promise.withResolvers<device.Message>()
  client.on('message', (message: device.Message) => {
    const text = message.data.toString() as string
    came.push(text)
    if (text === 'rejected') settled.push(client.reject(message))
    else if (text === 'abandoned' && came.filter((each) => each === text).length === 1)
      settled.push(client.abandon(message))
    else settled.push(client.complete(message))
    if (text === 'last') last.resolve(message)
  })
  const sender = await serviceClient(t)
  for (const text of ['completed', 'rejected', 'abandoned'])
    await sender.send('inbox', new common.Message(text))
  const message = new common.Message('last')
  message.messageId = 'b4a7a7a0-5b5e-4d8e-9d2f-1f6ab2a4c111'
  message.correlationId = 'c1'
  message.contentType = 'application/json'
  message.ack = 'full'
  message.expiryTimeUtc = Date.now() + 600_000
  message.properties.add('room', 'kitchen')
  await sender.send('inbox', message)
  const got = await last.promise
  assert.equal(got.messageId, message.messageId)
  assert.equal(got.correlationId, 'c1')
  assert.equal(got.contentType, 'application/json')
  assert.equal(got.to, '/devices/inbox/messages/devicebound')
  assert.equal(got.properties.getValue('room'), 'kitchen')
  await eventually(() => came.length === 5)
  await Promise.all(settled)
  await eventually(() => queues.pendingOf('inbox') === 0)
  assert.deepEqual(came.toSorted(), ['abandoned', 'abandoned', 'completed', 'last', 'rejected'])
})

test('a message that cannot be sent is refused with its reason', async (t) => {
  await newDevice(t, 'full')
  const sender = await serviceClient(t)
  await assert.rejects(sender.send('nobody', new common.Message('x')), { name: 'DeviceNotFoundError' })
  await assert.rejects(sender.send('full', new common.Message(Buffer.alloc(65 * 1024))), {
    name: 'MessageTooLargeError',
  })
  for (let n = 0; n < 50; n++) await sender.send('full', new common.Message('x'))
  await assert.rejects(sender.send('full', new common.Message('x')), /./)
  // It is the message that was refused, and not the link.
  await newDevice(t, 'empty')
  await sender.send('empty', new common.Message('x'))
  const unentitled = await serviceClient(t, 'device')
  await assert.rejects(unentitled.send('empty', new common.Message('x')), { name: 'UnauthorizedError' })
})

test('a service client over WebSocket sends, and receives feedback and notices of files', async (t) => {
  for (const deviceId of ['feedback1', 'feedback2']) await newDevice(t, deviceId)
  const sender = await serviceClient(t, 'service', LocalAmqpWs)
  const queues = await server.devicebound(hubId('contoso'))
  const { result: feedback } = (await sender.getFeedbackReceiver()) as unknown as Wrapped
  const batch = once(feedback, 'message') as Promise<[FeedbackMessage]>
  for (const deviceId of ['feedback1', 'feedback2']) {
    for (let n = 0; n < 32; n++) {
      const message = new common.Message('x')
      message.messageId = `${deviceId}-${n}`
      message.ack = 'full'
      await sender.send(deviceId, message)
    }
    await queues.purge(deviceId)
  }
  const [told] = await batch
  const records = JSON.parse(told.data.toString())
  assert.equal(records.length, 64)
  assert.equal(records[0].originalMessageId, 'feedback1-0')
  assert.equal(records[0].statusCode, 'Purged')
  await feedback.complete(told)

  const { result: files } = (await sender.getFileNotificationReceiver()) as unknown as Wrapped
  const noticed = once(files, 'message') as Promise<[FeedbackMessage]>
  await (queues.fileNotifications as Notices).tell('feedback1', {
    deviceId: 'feedback1',
    blobName: 'feedback1/f',
  })
  const [notice] = await noticed
  assert.equal(JSON.parse(notice.data.toString()).blobName, 'feedback1/f')
  await files.complete(notice)
})

test('a notice that is released comes again', async (t) => {
  const queues = await server.devicebound(hubId('contoso'))
  const raw = await connectRaw(t)
  const token = tokenOf(hostName, await keyOf('contoso', 'service'), { policy: 'service' })
  assert.equal(await raw.putToken(hostName, token), 200)
  // The official client accepts whatever comes before it is asked.
  const receiver = raw.connection.open_receiver({
    ...{ source: '/messages/serviceBound/fileuploadnotifications', autoaccept: false },
  })
  const came = once(receiver, 'message') as Promise<[EventContext]>
  await (queues.fileNotifications as Notices).tell('released', { deviceId: 'released' })
  const [first] = await came
  const again = once(receiver, 'message') as Promise<[EventContext]>
  first.delivery?.release()
  const [second] = await again
  assert.deepEqual(second.message?.body, first.message?.body)
  assert.equal(second.message?.delivery_count, 1)
  second.delivery?.accept()
  raw.connection.close()
  assert.equal(await queues.fileNotifications.receive(), undefined)
})

interface FeedbackMessage {
  readonly data: Buffer
  readonly messageId: string
}

interface Wrapped {
  readonly result: EventEmitter & {
    complete(message: FeedbackMessage): Promise<unknown>
  }
}

/** The client knows port 443 alone. */
class LocalAmqpWs extends iothub.AmqpWs {
  _getConnectionUri(): string {
    return `wss://localhost:${new URL(server.https).port}/$iothub/websocket`
  }
}

async function serviceClient(t: TestContext, policy = 'service', transport?: typeof iothub.AmqpWs) {
  const key = await keyOf('contoso', policy)
  const host = transport ? hostName : gateway
  const client = iothub.Client.fromConnectionString(
    `HostName=${host};SharedAccessKeyName=${policy};SharedAccessKey=${key}`,
    transport,
  )
  client.setRetryPolicy({ shouldRetry: () => false, nextRetryTimeout: () => 0 })
  t.after(() => client.close().catch(() => {}))
  await client.open()
  return client
}

test('what breaks the rules costs its own connection, and nothing else', async (t) => {
  const key = await newDevice(t, 'witness')
  const client = await openDevice(t, 'witness', key)
  const header = Buffer.from('AMQP\0\x01\0\0', 'latin1')
  const frame = (size: number, ...rest: number[]) => {
    const bytes = Buffer.alloc(4 + rest.length)
    bytes.writeUInt32BE(size)
    bytes.set(rest, 4)
    return bytes
  }
  const open = frame(19, 2, 0, 0, 0, 0x00, 0x53, 0x10, 0xc0, 0x06, 0x01, 0xa1, 0x03, 0x61, 0x62, 0x63)
  const cases: readonly [string, Buffer][] = [
    ['another protocol', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['AMQP 0-9-1', Buffer.from('AMQP\0\0\x09\x01', 'latin1')],
    ['a frame of no size', Buffer.concat([header, frame(0, 0, 0, 0, 0)])],
    ['a frame that is too large', Buffer.concat([header, frame(0x7fffffff, 2, 0, 0, 0)])],
    ['a frame of nonsense', Buffer.concat([header, frame(12, 2, 0, 0, 0, 0xff, 0xff, 0xff, 0xff)])],
    // A list that says it has four milliards of items.
    [
      'a list without end',
      Buffer.concat([
        header,
        frame(21, 2, 0, 0, 0, 0, 0x53, 0x10, 0xd0, 0, 0, 0, 9, 0xff, 0xff, 0xff, 0xff, 0x40),
      ]),
    ],
    // An array of as many nulls, which take no bytes.
    [
      'an array without end',
      Buffer.concat([
        header,
        frame(23, 2, 0, 0, 0, 0, 0x53, 0x10, 0xf0, 0, 0, 0, 9, 0xff, 0xff, 0xff, 0xff, 0x40, 0x40, 0x40),
      ]),
    ],
    ['no open before what follows it', Buffer.concat([header, frame(11, 2, 0, 0, 0, 0, 0x53, 0x11)])],
    ['two opens', Buffer.concat([header, open, open])],
    [
      'SASL that says nothing',
      Buffer.concat([Buffer.from('AMQP\x03\x01\0\0', 'latin1'), frame(8, 2, 1, 0, 0)]),
    ],
  ]
  for (const [what, bytes] of cases) {
    const socket = connectTls({ host: 'localhost', port: Number(new URL(server.amqps).port), ca: server.ca })
    socket.on('error', () => {})
    const ended = once(socket, 'close')
    socket.resume()
    socket.write(bytes)
    await Promise.race([ended, after10s(what)])
  }
  await client.sendEvent(new device.Message('still here'))
})

async function after10s(what: string): Promise<never> {
  await wait(10_000, undefined, { ref: false })
  throw new Error(`A connection was not ended: ${what}.`)
}

test('a message cut into many frames arrives whole, and one that is given up does not', async (t) => {
  const key = await newDevice(t, 'cut')
  const resource = `${hostName}/devices/cut`
  const raw = await connectRaw(t, {}, { max_frame_size: 512 })
  assert.equal(await raw.putToken(resource, tokenOf(resource, key)), 200)
  const sender = raw.connection.open_sender('/devices/cut/messages/events')
  await once(sender, 'sendable')
  const accepted = once(sender, 'accepted')
  const rhea = await loadRhea()
  sender.send({ body: rhea.message.data_section(Buffer.alloc(200_000)) })
  await accepted
})

test('links may be called as members of objects are', async (t) => {
  const raw = await connectRaw(t)
  const session = raw.connection.create_session()
  // The client is no better than the server would be.
  Object.assign(session, { links: Object.create(null) })
  session.begin()
  for (const name of ['__proto__', 'constructor', 'toString']) {
    const sender = session.open_sender({ name, target: { address: '$cbs' } })
    await once(sender, 'sendable')
    sender.close()
    await once(sender, 'sender_close')
  }
})

/** A plain client of the protocol, for what the official ones never do. */
async function connectRaw(
  t: TestContext,
  credentials: { username?: string; password?: string } = {},
  options: object = {},
) {
  const rhea = await loadRhea()
  const container = rhea.create_container({ id: 'raw' })
  const { port } = new URL(server.amqps)
  const connection = container.connect({
    ...{ transport: 'tls', host: 'localhost', port: Number(port), ca: server.ca, reconnect: false },
    hostname: hostName,
    ...credentials,
    ...options,
  } as never)
  // Each is heard where it is asked for.
  for (const name of ['sender_error', 'receiver_error', 'session_error']) connection.on(name, () => {})
  const closed = new Promise<AmqpError | undefined>((resolve) => {
    connection.on('connection_close', () => resolve(connection.error as AmqpError | undefined))
    connection.on('connection_error', ({ error }) => resolve(error as AmqpError | undefined))
    connection.on('disconnected', () => resolve(connection.error as AmqpError | undefined))
  })
  t.after(() => connection.close())
  await new Promise((resolve, reject) => {
    connection.on('connection_open', resolve)
    void closed.then((error) => reject(new Error(error?.description ?? 'closed')))
  })
  let answers: Receiver | undefined
  let puts: Sender | undefined
  return {
    connection,
    closed,
    async putToken(audience: string, token: string): Promise<number> {
      puts ??= connection.open_sender('$cbs')
      answers ??= connection.open_receiver('$cbs')
      const answered = once(answers, 'message') as Promise<[EventContext]>
      puts.send({
        message_id: 'm1',
        ...{ to: '$cbs', reply_to: 'cbs', body: token },
        application_properties: {
          ...{ operation: 'put-token', type: 'servicebus.windows.net:sastoken', name: audience },
        },
      })
      const [{ message }] = await answered
      return message?.application_properties?.['status-code'] as number
    },
    /** Undefined: the link was taken. */
    async refusalOf(address: string): Promise<string | undefined> {
      const sender = connection.open_sender({ target: { address } })
      const error = await Promise.race([
        once(sender, 'sender_error').then(() => (sender.error as AmqpError).condition),
        once(sender, 'sendable').then(() => undefined),
      ])
      sender.close()
      return error
    },
  }
}
