import assert from 'node:assert/strict'
import { Agent } from 'node:https'
import { after, type TestContext, test } from 'node:test'
import { EventGridDeserializer, isSystemEvent } from '@azure/eventgrid'
import device from 'azure-iot-device'
import deviceHttp from 'azure-iot-device-http'
import { testDevices, tokenOf } from '../src/testing/iot-devices.ts'
import { hubId, iotHubs } from '../src/testing/iot-hubs.ts'
import { type RecordingWebhook, startRecordingWebhook } from '../src/testing/recording-webhook.ts'
import { eventually, startTestServer } from '../src/testing/test-server.ts'

/*
 * What devices of an IoT hub say, and are told: telemetry and connection events, twins, direct methods. By the official
 * device and service clients.
 */

const server = await startTestServer({ after })
const { createHub, keyOf, connect, connectClient } = iotHubs(server)
const hostName = await createHub('contoso')
const owner = await keyOf('contoso', 'iothubowner')
const registry = connect(hostName, 'iothubowner', owner)
const { newDevice, openDevice, connectRaw, isConnected } = testDevices(server, hostName, registry)

type Event = Readonly<Record<string, unknown>> & {
  readonly eventType: string
  readonly subject: string
  // oxlint-disable-next-line typescript/no-explicit-any -- a test reads what came, and asserts it
  readonly data: any
}

const eventsOf = (hook: RecordingWebhook) => hook.received.flatMap(({ body }) => body as Event[])
const shortNames = (hook: RecordingWebhook) =>
  eventsOf(hook).map(({ eventType }) => eventType.replace('Microsoft.Devices.Device', ''))

/** Events of these types, of devices whose ids begin so. */
async function listen(t: TestContext, types: readonly string[], subject: string): Promise<RecordingWebhook> {
  const hook = await startRecordingWebhook(t)
  const id = `${hubId('contoso')}/providers/Microsoft.EventGrid/eventSubscriptions/${subject}`
  await server.call('PUT', id, {
    properties: {
      destination: { endpointType: 'WebHook', properties: { endpointUrl: hook.url, maxEventsPerBatch: 1 } },
      filter: {
        subjectBeginsWith: `devices/${subject}`,
        includedEventTypes: types.map((type) => `Microsoft.Devices.Device${type}`),
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

test('a message of a device raises DeviceTelemetry, with its body where that is JSON in UTF-8', async (t) => {
  const hook = await listen(t, ['Telemetry'], 'meter')
  const client = await openDevice(t, 'meter', await newDevice(t, 'meter'))
  const message = new device.Message('{"temperature":21.50,"big":12345678901234567890}')
  message.contentType = 'application/json'
  message.contentEncoding = 'utf-8'
  message.messageId = 'm1'
  message.correlationId = 'c1'
  message.properties.add('Status', 'Active now')
  message.properties.add('a/b', 'c&d=e')
  await client.sendEvent(message)
  await hook.until(1)
  await client.sendEvent(new device.Message(Buffer.from([1, 2, 255])))
  await hook.until(2)
  const [first, second] = eventsOf(hook) as [Event, Event]
  const { responseBody: twin } = await registry.get('meter')
  assert.deepEqual(
    [first.eventType, first.topic, first.subject, first.dataVersion, first.metadataVersion],
    ['Microsoft.Devices.DeviceTelemetry', hubId('contoso').toUpperCase(), 'devices/meter', '', '1'],
  )
  const { 'iothub-enqueuedtime': enqueued = '', ...system } = first.data.systemProperties as Record<
    string,
    string
  >
  assert.equal(enqueued, first.eventTime)
  assert.match(enqueued, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z$/)
  const method = '{"scope":"device","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}'
  assert.deepEqual(system, {
    'iothub-content-type': 'application/json',
    'iothub-content-encoding': 'utf-8',
    'iothub-connection-device-id': 'meter',
    'iothub-connection-auth-method': method,
    'iothub-connection-auth-generation-id': twin.generationId,
    'iothub-message-source': 'Telemetry',
    'message-id': 'm1',
    'correlation-id': 'c1',
  })
  assert.deepEqual(first.data.properties, { Status: 'Active now', 'a/b': 'c&d=e' })
  assert.match(
    hook.received[0]?.raw.toString() ?? '',
    /"body":\{"temperature":21\.50,"big":12345678901234567890\}/,
  )
  assert.equal(second.data.body, Buffer.from([1, 2, 255]).toString('base64'))
  assert.equal('iothub-content-type' in second.data.systemProperties, false)
  const [known] = await new EventGridDeserializer().deserializeEventGridEvents(JSON.stringify([first]))
  assert(known && isSystemEvent('Microsoft.Devices.DeviceTelemetry', known))
  assert.equal(known.data.properties?.Status, 'Active now')
})

test('what is said to be JSON and is not comes as base64, and RETAIN as a property', async (t) => {
  const hook = await listen(t, ['Telemetry'], 'odd')
  const key = await newDevice(t, 'odd')
  const client = await connectRaw(t, 'odd', tokenOf(`${hostName}/devices/odd`, key))
  const topic = 'devices/odd/messages/events/$.ct=application%2Fjson&%24.ce=UTF-8&alone&empty=/'
  await client.publishAsync(topic, 'no JSON', { qos: 1, retain: true })
  await hook.until(1)
  const [event] = eventsOf(hook) as [Event]
  assert.equal(event.data.body, Buffer.from('no JSON').toString('base64'))
  assert.deepEqual(event.data.properties, { alone: null, empty: '', 'mqtt-retain': 'true' })
  const sessions = await fetch(`${server.http}/broker/retained?filter=%23&namespace=${hostName}`)
  assert.deepEqual(((await sessions.json()) as { value: unknown[] }).value, [])
})

test('a device that has no connection sends telemetry over HTTPS, one by one and in batches', async (t) => {
  const hook = await listen(t, ['Telemetry', 'Connected'], 'poster')
  const key = await newDevice(t, 'poster')
  const clientBy = (sharedAccessKey: string) => {
    const client = device.Client.fromConnectionString(
      `HostName=localhost;DeviceId=poster;SharedAccessKey=${sharedAccessKey}`,
      deviceHttp.Http,
    )
    const agent = Object.assign(new Agent({ ca: server.ca, keepAlive: true }), {
      defaultPort: Number(new URL(server.https).port),
    })
    // Its promise never settles.
    void client.setOptions({ http: { agent } })
    client.setRetryPolicy({ shouldRetry: () => false, nextRetryTimeout: () => 0 })
    t.after(async () => {
      await client.close()
      agent.destroy()
    })
    return client
  }
  const messageOf = (text: string) => {
    const message = new device.Message(text)
    message.contentType = 'application/json'
    message.contentEncoding = 'utf-8'
    message.messageId = 'm1'
    message.properties.add('Status', 'Active')
    return message
  }
  const client = clientBy(key)
  await client.sendEvent(messageOf('{"n":1}'))
  await hook.until(1)
  await client.sendEventBatch([messageOf('{"n":2}'), messageOf('{"n":3}')])
  await hook.until(3)
  const [first, ...batch] = eventsOf(hook) as [Event, ...Event[]]
  assert.deepEqual(first.data.body, { n: 1 })
  assert.equal(first.data.systemProperties['message-id'], 'm1')
  // Of a message in a batch the client sends the body and the application's properties alone.
  assert.deepEqual(batch.map(({ data }) => Buffer.from(data.body, 'base64').toString()).toSorted(), [
    '{"n":2}',
    '{"n":3}',
  ])
  for (const { data } of [first, ...batch]) {
    assert.deepEqual(data.properties, { Status: 'Active' })
    assert.equal(data.systemProperties['iothub-connection-device-id'], 'poster')
  }
  assert.equal(await isConnected('poster'), false)
  const wrong = clientBy(Buffer.alloc(32).toString('base64'))
  await assert.rejects(wrong.sendEvent(messageOf('{}')), { name: 'UnauthorizedError' })
  await assert.rejects(client.sendEvent(messageOf('x'.repeat(262_144))), { name: 'MessageTooLargeError' })
})

test('a message of more than 256 KB ends the connection', async (t) => {
  const hook = await listen(t, ['Telemetry'], 'large')
  const key = await newDevice(t, 'large')
  const token = tokenOf(`${hostName}/devices/large`, key)
  const client = await connectRaw(t, 'large', token)
  await client.publishAsync('devices/large/messages/events/', Buffer.alloc(262_144), { qos: 1 })
  const ended = new Promise<void>((resolve) => {
    client.once('close', () => resolve())
  })
  client.on('error', () => {})
  client.publish('devices/large/messages/events/', Buffer.alloc(262_145), { qos: 1 }, () => {})
  await ended
  await hook.until(1)
  assert.equal(eventsOf(hook).length, 1)
})

test('a device that connects and leaves raises events whose numbers grow, across a restart too', async (t) => {
  const hook = await listen(t, ['Connected', 'Disconnected'], 'commuter')
  const key = await newDevice(t, 'commuter')
  const client = await openDevice(t, 'commuter', key)
  await client.close()
  await hook.until(2)
  const token = tokenOf(`${hostName}/devices/commuter`, key)
  await connectRaw(t, 'commuter', token)
  await hook.until(3)
  await server.restart()
  await hook.until(4)
  assert.equal(await isConnected('commuter'), false)
  const { responseBody } = await registry.get('commuter')
  assert.notEqual(responseBody.lastActivityTime, '0001-01-01T00:00:00Z')
  await connectRaw(t, 'commuter', token)
  await hook.until(5)
  assert.deepEqual(shortNames(hook), [
    ...['Connected', 'Disconnected', 'Connected', 'Disconnected', 'Connected'],
  ])
  const events = eventsOf(hook)
  const numbers = events.map(({ data }) => data.deviceConnectionStateEventInfo.sequenceNumber as string)
  for (const number of numbers) assert.match(number, /^[0-9A-F]{64}$/)
  assert.deepEqual(numbers.toSorted(), numbers)
  assert.equal(new Set(numbers).size, 5)
  const [first] = events as [Event]
  assert.deepEqual(Object.keys(first.data), ['deviceConnectionStateEventInfo', 'hubName', 'deviceId'])
  assert.deepEqual(
    [first.subject, first.dataVersion, first.data.hubName],
    ['devices/commuter', '1', 'contoso'],
  )
  const [known] = await new EventGridDeserializer().deserializeEventGridEvents(JSON.stringify([first]))
  assert(known && isSystemEvent('Microsoft.Devices.DeviceConnected', known))
  assert.equal(known.data.deviceConnectionStateEventInfo.sequenceNumber, numbers[0])
})

test('however many devices come and go at once, the newest number of each tells its state', async (t) => {
  const hook = await listen(t, ['Connected', 'Disconnected'], 'storm')
  const ids = Array.from({ length: 30 }, (_, n) => `storm-${n}`)
  const rounds = 3
  await Promise.all(
    ids.map(async (id, n) => {
      const token = tokenOf(`${hostName}/devices/${id}`, await newDevice(t, id))
      for (let round = 0; round < rounds; round++) {
        const client = await connectRaw(t, id, token)
        // Every other one stays in the last round.
        if (round < rounds - 1 || n % 2 === 0) await client.endAsync()
      }
    }),
  )
  const expected = ids.length * rounds * 2 - ids.length / 2
  await hook.until(expected)
  const newest = new Map<string, { readonly number: string; readonly what: string }>()
  const numbers = new Set<string>()
  for (const { eventType, data } of eventsOf(hook)) {
    const number = data.deviceConnectionStateEventInfo.sequenceNumber as string
    numbers.add(number)
    const known = newest.get(data.deviceId)
    if (!known || known.number < number) newest.set(data.deviceId, { number, what: eventType })
  }
  assert.equal(numbers.size, expected)
  for (const [n, id] of ids.entries())
    assert.equal(
      newest.get(id)?.what,
      `Microsoft.Devices.Device${n % 2 === 0 ? 'Disconnected' : 'Connected'}`,
    )
})

test('a connected device that is deleted is disconnected first, and its last will is not heard', async (t) => {
  const hook = await listen(t, ['Connected', 'Disconnected', 'Deleted', 'Telemetry'], 'leaver')
  const key = await newDevice(t, 'leaver')
  await connectRaw(t, 'leaver', tokenOf(`${hostName}/devices/leaver`, key), {
    will: { topic: 'devices/leaver/messages/events/', payload: Buffer.from('gone'), qos: 1, retain: false },
  })
  await registry.delete('leaver')
  await hook.until(3)
  assert.deepEqual(shortNames(hook), ['Connected', 'Disconnected', 'Deleted'])
})

test('a will is telemetry when the device is lost, and nothing when it says goodbye', async (t) => {
  const hook = await listen(t, ['Telemetry'], 'mortal')
  const key = await newDevice(t, 'mortal')
  const token = tokenOf(`${hostName}/devices/mortal`, key)
  const topic = 'devices/mortal/messages/events/cause=unknown'
  const will = { topic, payload: Buffer.from('gone'), qos: 1 as const, retain: true }
  await (await connectRaw(t, 'mortal', token, { will })).endAsync()
  const client = await connectRaw(t, 'mortal', token, { will })
  client.stream.destroy()
  await hook.until(1)
  const [event] = eventsOf(hook) as [Event]
  assert.equal(event.data.body, Buffer.from('gone').toString('base64'))
  assert.equal(event.data.properties['iothub-MessageType'], 'Will')
  assert.equal(event.data.properties.cause, 'unknown')
  assert.equal(eventsOf(hook).length, 1)
})

test('a device reads its twin, reports properties, and hears of desired ones', async (t) => {
  const client = await openDevice(t, 'twin', await newDevice(t, 'twin'))
  await registry.updateTwin('twin', { properties: { desired: { a: 1, deep: { x: 1, y: 2 } } } }, '*')
  const twin = await client.getTwin()
  assert.deepEqual(twin.properties.desired, { a: 1, deep: { x: 1, y: 2 }, $version: 2 })
  assert.equal(twin.properties.reported.$version, 1)
  const patches: unknown[] = []
  twin.on('properties.desired', (patch) => patches.push(structuredClone(patch)))
  const update = (patch: object) =>
    new Promise<void>((resolve, reject) => {
      twin.properties.reported.update(patch, (error: Error | null) => (error ? reject(error) : resolve()))
    })
  await update({ firmware: '1.2', nested: { ok: true } })
  await update({ nested: { ok: null, also: [1, null] } })
  const { responseBody } = await registry.getTwin('twin')
  const { $metadata, ...reported } = responseBody.properties.reported
  assert.deepEqual(reported, { firmware: '1.2', nested: { also: [1, null] }, $version: 3 })
  assert.match($metadata.firmware.$lastUpdated, /Z$/)
  await assert.rejects(update({ long: 'x'.repeat(4097) }), /long/)

  await registry.updateTwin('twin', { properties: { desired: { a: null, deep: { y: 3 }, b: [1] } } }, '*')
  await eventually(() => patches.length === 2)
  assert.deepEqual(patches[1], { a: null, deep: { y: 3 }, b: [1], $version: 3 })
  await registry.updateTwin('twin', { properties: { desired: { b: [1] } } }, '*')
  await eventually(() => patches.length === 3)
  assert.deepEqual(patches[2], { b: [1], $version: 4 }, 'what is set again is told again')
  const whole = { deviceId: 'twin', tags: {}, properties: { desired: { c: 1 } } }
  await (await registry.getTwin('twin')).responseBody.update({ tags: { site: 'oslo' } })
  const authorization = tokenOf(hostName, owner, { policy: 'iothubowner' })
  const replaced = await fetch(`${server.http}/twins/twin?api-version=2021-04-12`, {
    method: 'PUT',
    headers: { authorization, 'content-type': 'application/json' },
    body: JSON.stringify(whole),
  })
  assert.equal(replaced.status, 200)
  await eventually(() => patches.length === 4)
  assert.deepEqual(patches[3], { deep: null, b: null, c: 1, $version: 5 })
})

test('what a twin does not take is answered with an error, and other devices hear nothing', async (t) => {
  const key = await newDevice(t, 'raw-twin')
  const neighbourKey = await newDevice(t, 'raw-twin-2')
  const client = await connectRaw(t, 'raw-twin', tokenOf(`${hostName}/devices/raw-twin`, key))
  const neighbour = await connectRaw(t, 'raw-twin-2', tokenOf(`${hostName}/devices/raw-twin-2`, neighbourKey))
  const heard: string[] = []
  const overheard: string[] = []
  for (const [who, list] of [
    [client, heard],
    [neighbour, overheard],
  ] as const) {
    await who.subscribeAsync(['$iothub/twin/res/#', '$iothub/twin/PATCH/properties/desired/#'])
    who.on('message', (topic, payload) => list.push(`${topic} ${payload.toString()}`))
  }
  await client.publishAsync('$iothub/twin/GET/?$rid=1', ' ')
  await eventually(() => heard.length === 1)
  assert.deepEqual(heard, [
    '$iothub/twin/res/200/?$rid=1 {"desired":{"$version":1},"reported":{"$version":1}}',
  ])
  await client.publishAsync('$iothub/twin/PATCH/properties/reported/?$rid=2', '{"a":1}')
  await eventually(() => heard.length === 2)
  assert.equal(heard[1], '$iothub/twin/res/204/?$rid=2&$version=2 ')
  await client.publishAsync('$iothub/twin/PATCH/properties/reported/?$rid=3', 'no JSON')
  await eventually(() => heard.length === 3)
  const [, error = ''] = /^\$iothub\/twin\/res\/400\/\?\$rid=3 (.*)$/.exec(heard[2] ?? '') ?? []
  assert.deepEqual(Object.keys(JSON.parse(error)), ['errorCode', 'trackingId', 'message', 'timestampUtc'])
  assert.equal(JSON.parse(error).errorCode, 400004)
  await registry.updateTwin('raw-twin', { properties: { desired: { on: true } } }, '*')
  await eventually(() => heard.length === 4)
  assert.equal(heard[3], '$iothub/twin/PATCH/properties/desired/?$version=2 {"on":true,"$version":2}')
  await neighbour.publishAsync('$iothub/twin/GET/?$rid=9', '')
  await eventually(() => overheard.length === 1)
  assert.match(overheard[0] ?? '', /rid=9/)
})

test('a service calls methods on a device and gets its answer', async (t) => {
  const client = await openDevice(t, 'robot', await newDevice(t, 'robot'))
  const calls: unknown[] = []
  client.onDeviceMethod('turn', (request, response) => {
    calls.push(request.payload)
    response.send(207, { turned: request.payload }, () => {})
  })
  client.onDeviceMethod('silent', () => {})
  const service = connectClient(hostName, 'service', await keyOf('contoso', 'service'))
  const invoke = async (methodName: string, more: object = {}) =>
    (await service.invokeDeviceMethod('robot', { methodName, connectTimeoutInSeconds: 20, ...more })).result
  assert.deepEqual(await invoke('turn', { payload: { degrees: 90 } }), {
    ...{ status: 207, payload: { turned: { degrees: 90 } } },
  })
  assert.deepEqual(await invoke('turn'), { status: 207, payload: { turned: null } })
  assert.deepEqual(calls, [{ degrees: 90 }, null])
  const answers = await Promise.all(
    Array.from({ length: 20 }, async (_, n) => (await invoke('turn', { payload: n })).payload.turned),
  )
  assert.deepEqual(
    answers,
    Array.from({ length: 20 }, (_, n) => n),
  )
  await assert.rejects(invoke('turn', { responseTimeoutInSeconds: 301 }), { name: 'ArgumentError' })
  await assert.rejects(invoke('a/b'), { name: 'ArgumentError' })
  const cut = invoke('silent')
  await eventually(async () => isConnected('robot'))
  await Promise.all([assert.rejects(cut), client.close()])
})

test('a method called on a device that is not there, or does not answer, fails in time', async (t) => {
  const key = await newDevice(t, 'idle')
  const authorization = tokenOf(hostName, await keyOf('contoso', 'service'), { policy: 'service' })
  const call = async (deviceId: string, body: object) => {
    const response = await fetch(`${server.http}/twins/${deviceId}/methods?api-version=2021-04-12`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json' },
      body: JSON.stringify({ methodName: 'turn', ...body }),
    })
    return [response.status, response.headers.get('iothub-errorcode')]
  }
  assert.deepEqual(await call('idle', {}), [404, 'DeviceNotOnline'])
  assert.deepEqual(await call('unknown', {}), [404, 'DeviceNotFound'])
  const client = await connectRaw(t, 'idle', tokenOf(`${hostName}/devices/idle`, key))
  assert.deepEqual(await call('idle', {}), [404, 'DeviceNotOnline'], 'it does not listen')
  const waiting = call('idle', { connectTimeoutInSeconds: 60, responseTimeoutInSeconds: 5 })
  let asked = 0
  client.on('message', () => asked++)
  await client.subscribeAsync('$iothub/methods/POST/#')
  assert.deepEqual(await waiting, [504, 'GatewayTimeout'])
  assert.equal(asked, 1)
  client.on('message', (topic) => {
    const requestId = topic.split('$rid=')[1]
    client.publish(`$iothub/methods/res/200/?$rid=${requestId}`, 'no JSON')
  })
  assert.deepEqual(await call('idle', {}), [502, 'BadDeviceResponse'])
})
