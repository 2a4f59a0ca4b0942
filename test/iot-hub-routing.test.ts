import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import device from 'azure-iot-device'
import { startAmqpBroker } from '../src/testing/amqp-broker.ts'
import { startAzurite } from '../src/testing/azurite.ts'
import { subscription } from '../src/testing/control-plane.ts'
import { testDevices } from '../src/testing/iot-devices.ts'
import { hubId, iotHubs } from '../src/testing/iot-hubs.ts'
import { ManualClock } from '../src/testing/manual-clock.ts'
import { startRecordingWebhook } from '../src/testing/recording-webhook.ts'
import { eventually, startTestServer } from '../src/testing/test-server.ts'

/*
 * Where messages of an IoT hub go: from the official device client over routes to brokers, to Azurite and to Event Grid.
 */

/** Clients and Azurite look at the real time: at the beginning of its minute. */
const clockOfNow = () => new ManualClock(Math.floor(Date.now() / 60_000) * 60_000)

type Routing = Readonly<Record<string, unknown>>

async function start(t: TestContext, file: object = {}, clock?: ManualClock) {
  const server = await startTestServer(t, { file: { ...file }, ...(clock && { clock }) })
  const { createHub, keyOf, connect } = iotHubs(server)
  const put = async (routing: Routing) =>
    server.call('PUT', hubId('contoso'), {
      location: 'westus2',
      sku: { name: 'S1', capacity: 1 },
      properties: { routing },
    })
  return {
    server,
    put,
    open: async (routing: Routing) => {
      const hostName = await createHub('contoso', { routing })
      const registry = connect(hostName, 'iothubowner', await keyOf('contoso', 'iothubowner'))
      return { hostName, registry, ...testDevices(server, hostName, registry) }
    },
  }
}

const brokerString = (port: number, entity: string) =>
  `Endpoint=sb://127.0.0.1:${port};SharedAccessKeyName=root;SharedAccessKey=secret;UseDevelopmentEmulator=true;EntityPath=${entity}`

const route = (name: string, endpoint: string, condition = 'true', source = 'DeviceMessages') => ({
  ...{ name, source, condition, endpointNames: [endpoint], isEnabled: true },
})

function json(body: unknown, properties: Readonly<Record<string, string>> = {}): device.Message {
  const message = new device.Message(JSON.stringify(body))
  message.contentType = 'application/json'
  message.contentEncoding = 'utf-8'
  for (const [name, value] of Object.entries(properties)) message.properties.add(name, value)
  return message
}

test('telemetry goes to the endpoints whose conditions hold, each once, with what the hub knows of it', async (t) => {
  const broker = await startAmqpBroker(t, { passwords: { root: 'secret' } })
  const { open } = await start(t)
  const { openDevice, newDevice, registry } = await open({
    endpoints: {
      eventHubs: [{ name: 'hot', connectionString: brokerString(broker.port, 'hub1') }],
      serviceBusQueues: [{ name: 'Orders', connectionString: brokerString(broker.port, 'queue1') }],
      serviceBusTopics: [{ name: 'rest', connectionString: brokerString(broker.port, 'topic1') }],
    },
    routes: [
      route('a', 'hot', "level = 'hot'"),
      route('b', 'hot', '$body.temperature > 90'),
      route('c', 'orders', "$twin.tags.site = 'north' AND $body.temperature > 90"),
      { ...route('d', 'hot'), isEnabled: false },
    ],
    fallbackRoute: { source: 'DeviceMessages', endpointNames: ['rest'], isEnabled: true },
    enrichments: [
      { key: 'site', value: '$twin.tags.site', endpointNames: ['orders'] },
      { key: 'floor', value: '$twin.tags.floor', endpointNames: ['orders'] },
      { key: 'hub', value: '$iothubname', endpointNames: ['orders'] },
    ],
  })
  const key = await newDevice(t, 'meter')
  await registry.updateTwin('meter', { tags: { site: 'north' } }, '*')
  const client = await openDevice(t, 'meter', key)
  const first = json({ temperature: 95 }, { level: 'hot' })
  first.messageId = 'm1'
  first.correlationId = 'c1'
  first.userId = 'u1'
  await client.sendEvent(first)
  await client.sendEvent(json({ temperature: 20 }))
  await broker.until(3)
  const at = (address: string) => broker.messages.filter((message) => message.address === address)
  const [hot] = at('hub1')
  const [order] = at('queue1')
  const [rest] = at('topic1')
  assert.equal(broker.messages.length, 3)
  assert(hot && order && rest)
  assert.equal(hot.text, '{"temperature":95}')
  assert.deepEqual(hot.application_properties, { level: 'hot' })
  assert.deepEqual(
    [hot.message_id, hot.correlation_id, String(hot.user_id), hot.content_type, hot.content_encoding],
    ['m1', 'c1', 'u1', 'application/json', 'utf-8'],
  )
  const annotations = hot.message_annotations as Record<string, unknown>
  assert.ok(annotations['iothub-enqueuedtime'] instanceof Date)
  const { responseBody: identity } = await registry.get('meter')
  assert.deepEqual(
    { ...annotations, 'iothub-enqueuedtime': undefined },
    {
      'iothub-enqueuedtime': undefined,
      'x-opt-partition-key': 'meter',
      'iothub-connection-device-id': 'meter',
      'iothub-connection-auth-method':
        '{"scope":"device","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}',
      'iothub-connection-auth-generation-id': identity.generationId,
      'iothub-message-source': 'Telemetry',
    },
  )
  const { level, site, floor, hub, 'iothub-connection-device-id': id } = order.application_properties ?? {}
  assert.deepEqual([level, site, floor, hub, id], ['hot', 'north', '$twin.tags.floor', 'contoso', 'meter'])
  assert.equal(rest.text, '{"temperature":20}')
})

test('an endpoint without keys of its own is reached as the configuration says, and waits while it is away', async (t) => {
  const clock = clockOfNow()
  const broker = await startAmqpBroker(t, {
    answers: [{ reject: { condition: 'com.microsoft:server-busy', description: 'later' } }, 'accept'],
  })
  const namespace = `${subscription}/resourceGroups/rg/providers/Microsoft.EventHub/namespaces/telemetry`
  const { server, open } = await start(t, { connections: { [namespace]: { url: broker.url } } }, clock)
  const endpoint = {
    ...{ name: 'hot', authenticationType: 'identityBased', entityPath: 'hub1' },
    endpointUri: 'sb://telemetry.servicebus.windows.net',
  }
  const { openDevice, newDevice } = await open({
    endpoints: { eventHubs: [endpoint] },
    routes: [route('all', 'hot')],
  })
  const client = await openDevice(t, 'meter', await newDevice(t, 'meter'))
  await client.sendEvent(json({ n: 1 }))
  const failed = () => server.metric('busbar_hub_route_attempts_failed_total')
  await eventually(async () => (await failed()) === 1)
  const health = async () => {
    const { body } = await server.call('GET', `${hubId('contoso')}/routingEndpointsHealth`)
    return body.value.find(({ endpointId }: { endpointId: string }) => endpointId === 'hot')
  }
  const ill = await health()
  assert.equal(ill.healthStatus, 'unhealthy')
  assert.match(ill.lastKnownError, /later/)
  assert.equal(ill.lastKnownErrorTime, ill.lastSendAttemptTime)
  assert.equal(ill.lastSuccessfulSendAttemptTime, undefined)
  assert.equal(await server.metric('busbar_hub_route_messages_waiting'), 1)
  await clock.advance(999)
  assert.equal(broker.messages.length, 1)
  await clock.advance(1)
  await broker.until(2)
  await eventually(
    async () => (await server.metric('busbar_hub_route_messages_total', { outcome: 'delivered' })) === 1,
  )
  assert.equal(await server.metric('busbar_hub_route_messages_waiting'), 0)
  const well = await health()
  assert.equal(well.healthStatus, 'healthy')
  assert.equal(well.lastSuccessfulSendAttemptTime, well.lastSendAttemptTime)
})

test('what waits for an endpoint is there after a restart, and goes with the endpoint', async (t) => {
  let isBusy = true
  const broker = await startAmqpBroker(t, {
    passwords: { root: 'secret' },
    answers: () => (isBusy ? 'release' : 'accept'),
  })
  const { server, open, put } = await start(t)
  const routing = {
    endpoints: { eventHubs: [{ name: 'hot', connectionString: brokerString(broker.port, 'hub1') }] },
    routes: [route('all', 'hot')],
  }
  const { openDevice, newDevice } = await open(routing)
  const client = await openDevice(t, 'meter', await newDevice(t, 'meter'))
  for (let n = 0; n < 20; n++) await client.sendEvent(json({ n }))
  await client.close()
  isBusy = false
  await server.restart()
  await eventually(
    async () => (await server.metric('busbar_hub_route_messages_total', { outcome: 'delivered' })) === 20,
  )
  const delivered = new Set(broker.messages.map(({ text }) => text))
  assert.equal(delivered.size, 20)
  const gone = await put({ ...routing, endpoints: {}, routes: [] })
  assert.ok(gone.status < 300)
  await eventually(async () => (await server.metric('busbar_hub_route_messages_total')) === 0)
})

test('messages are gathered into blobs, named by the format, a line of JSON for each', async (t) => {
  const clock = clockOfNow()
  const moment = (ms: number) => new Date(clock.now() + ms).toISOString()
  const [began, written] = [moment(0), moment(60_000)]
  const azurite = await startAzurite(t)
  await azurite.container('cold').create()
  const { open, server } = await start(t, {}, clock)
  const { openDevice, newDevice } = await open({
    endpoints: {
      storageContainers: [
        {
          ...{ name: 'cold', connectionString: azurite.connectionString, containerName: 'cold' },
          ...{ encoding: 'JSON', batchFrequencyInSeconds: 60 },
        },
      ],
    },
    routes: [route('all', 'cold')],
  })
  const client = await openDevice(t, 'meter', await newDevice(t, 'meter'))
  await client.sendEvent(json({ temperature: 21.5 }, { level: 'cold' }))
  const odd = new device.Message(Buffer.from([1, 2, 255]))
  await client.sendEvent(odd)
  await clock.advance(60_000)
  const delivered = (count: number) =>
    eventually(
      async () =>
        (await server.metric('busbar_hub_route_messages_total', { outcome: 'delivered' })) === count,
    )
  await delivered(2)
  const names: string[] = []
  for await (const { name } of azurite.container('cold').listBlobsFlat()) names.push(name)
  assert.equal(names.length, 1)
  assert.match(names[0] as string, /^contoso\/[0-3]\//)
  assert.equal(names[0]?.slice('contoso/0/'.length), written.slice(0, 16).replace(/[-T:]/g, '/'))
  const text = (await azurite.container('cold').getBlobClient(names[0]).downloadToBuffer()).toString()
  const [first, second, end] = text.split('\n')
  assert.equal(end, '')
  const line = JSON.parse(first as string)
  assert.deepEqual(
    [line.EnqueuedTimeUtc, line.Properties, line.Body],
    [`${began.slice(0, -1)}0000Z`, { level: 'cold' }, { temperature: 21.5 }],
  )
  assert.equal(line.SystemProperties.connectionDeviceId, 'meter')
  assert.equal(line.SystemProperties.contentType, 'application/json')
  assert.equal(line.SystemProperties.enqueuedTime, line.EnqueuedTimeUtc)
  assert.equal(JSON.parse(second as string).Body, Buffer.from([1, 2, 255]).toString('base64'))
  // A blob that is there keeps what it has.
  const next = `${names[0]?.slice(0, 'contoso/0/'.length)}${moment(60_000).slice(0, 16).replace(/[-T:]/g, '/')}`
  await azurite.container('cold').getBlockBlobClient(next).upload('mine', 4)
  await client.sendEvent(json({ temperature: 22 }))
  await clock.advance(60_000)
  await delivered(3)
  const beside = await azurite.container('cold').getBlobClient(`${next}-1`).downloadToBuffer()
  assert.deepEqual(JSON.parse(beside.toString()).Body, { temperature: 22 })
})

test('a hub that is deleted while its endpoint hangs keeps nobody waiting who means another hub', async (t) => {
  // It takes connections, and never says a word.
  const hanging = createServer((socket) => sockets.add(socket))
  const sockets = new Set<Socket>()
  hanging.listen(0, '127.0.0.1')
  await once(hanging, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    hanging.close()
  })
  const { port } = hanging.address() as AddressInfo
  const { open, server } = await start(t)
  const { openDevice, newDevice } = await open({
    endpoints: { eventHubs: [{ name: 'hot', connectionString: brokerString(port, 'hot') }] },
    routes: [route('all', 'hot')],
  })
  const client = await openDevice(t, 'meter', await newDevice(t, 'meter'))
  await client.sendEvent(json({ temperature: 21.5 }))
  await eventually(() => sockets.size > 0)
  await client.close()
  const { createHub, keyOf, connect } = iotHubs(server)
  const other = connect(await createHub('fabrikam'), 'iothubowner', await keyOf('fabrikam', 'iothubowner'))
  const began = performance.now()
  await server.call('DELETE', hubId('contoso'))
  await other.listJobs()
  // What waits goes with the hub: its attempt is cut, and a hub that is made now is there at once.
  const next = await createHub('northwind')
  await connect(next, 'iothubowner', await keyOf('northwind', 'iothubowner')).listJobs()
  assert.ok(performance.now() - began < 3_000)
})

test('the route to Event Grid has a condition and enrichments of its own', async (t) => {
  const { server, open } = await start(t)
  const { openDevice, newDevice, registry } = await open({
    routes: [route('RouteToEventGrid', 'eventgrid', 'as_number(level) > 1')],
    enrichments: [{ key: 'site', value: '$twin.tags.site', endpointNames: ['eventgrid'] }],
  })
  const hook = await startRecordingWebhook(t)
  const id = `${hubId('contoso')}/providers/Microsoft.EventGrid/eventSubscriptions/all`
  await server.call('PUT', id, {
    properties: {
      destination: { endpointType: 'WebHook', properties: { endpointUrl: hook.url, maxEventsPerBatch: 1 } },
      filter: { includedEventTypes: ['Microsoft.Devices.DeviceTelemetry'] },
    },
  })
  await eventually(
    async () => (await server.call('GET', id)).body.properties.provisioningState === 'Succeeded',
  )
  const key = await newDevice(t, 'meter')
  await registry.updateTwin('meter', { tags: { site: 'south' } }, '*')
  const client = await openDevice(t, 'meter', key)
  await client.sendEvent(json({ n: 1 }, { level: '1' }))
  await client.sendEvent(json({ n: 2 }, { level: '2' }))
  await hook.until(1)
  const [event] = (hook.received[0]?.body ?? []) as { data: { body: object; properties: object } }[]
  assert.deepEqual([event?.data.body, event?.data.properties], [{ n: 2 }, { level: '2', site: 'south' }])
})

test('what becomes of devices and twins goes to the routes that have its source', async (t) => {
  const broker = await startAmqpBroker(t, { passwords: { root: 'secret' } })
  const { open } = await start(t)
  const { openDevice, registry, hostName } = await open({
    endpoints: { eventHubs: [{ name: 'all', connectionString: brokerString(broker.port, 'hub1') }] },
    routes: [
      route('life', 'all', 'true', 'DeviceLifecycleEvents'),
      route(
        'twins',
        'all',
        "$body.tags.site = 'north' OR opType = 'replaceTwin' OR is_defined($body.properties.reported)",
        'TwinChangeEvents',
      ),
      route('connections', 'all', "deviceId = 'meter'", 'DeviceConnectionStateEvents'),
    ],
  })
  assert.ok(hostName)
  const { responseBody } = await registry.create({ deviceId: 'meter' })
  const told = async (count: number) => {
    await broker.until(count)
    return broker.messages[count - 1] as (typeof broker.messages)[number]
  }
  const created = await told(1)
  const properties = created.application_properties ?? {}
  assert.deepEqual(
    { ...properties, operationTimestamp: '' },
    {
      ...{ hubName: 'contoso', deviceId: 'meter', operationTimestamp: '', opType: 'createDeviceIdentity' },
      'iothub-message-schema': 'deviceLifecycleNotification',
    },
  )
  assert.equal(created.message_annotations?.['iothub-message-source'], 'deviceLifecycleEvents')
  assert.equal(String(created.user_id), 'contoso')
  const { deviceId, version } = JSON.parse(created.text)
  assert.deepEqual([deviceId, version], ['meter', 2])

  await registry.updateTwin('meter', { tags: { site: 'south' } }, '*')
  await registry.updateTwin(
    'meter',
    { tags: { site: 'north' }, properties: { desired: { a: { b: 1 } } } },
    '*',
  )
  const updated = await told(2)
  assert.equal(updated.application_properties?.opType, 'updateTwin')
  const change = JSON.parse(updated.text)
  assert.deepEqual([change.version, change.tags], [4, { site: 'north' }])
  const { $metadata, ...desired } = change.properties.desired
  assert.deepEqual(desired, { a: { b: 1 }, $version: 2 })
  assert.deepEqual(
    [$metadata.$lastUpdatedVersion, $metadata.a.b.$lastUpdatedVersion, 'reported' in change.properties],
    [2, 2, false],
  )

  const client = await openDevice(t, 'meter', responseBody.authentication?.symmetricKey?.primaryKey as string)
  const connected = await told(3)
  assert.equal(connected.application_properties?.opType, 'deviceConnected')
  assert.match(JSON.parse(connected.text).sequenceNumber, /^[0-9A-F]{64}$/)
  const twin = await client.getTwin()
  await new Promise<void>((resolve, reject) => {
    twin.properties.reported.update({ battery: 55 }, (error: Error | null) =>
      error ? reject(error) : resolve(),
    )
  })
  const reported = JSON.parse((await told(4)).text)
  assert.equal(reported.properties.reported.battery, 55)
  await client.close()
  assert.equal((await told(5)).application_properties?.opType, 'deviceDisconnected')
  await registry.delete('meter')
  assert.equal((await told(6)).application_properties?.opType, 'deleteDeviceIdentity')
})

test('keys of endpoints are masked, and a body that repeats what was shown keeps them', async (t) => {
  const broker = await startAmqpBroker(t, { passwords: { root: 'secret' } })
  const { server, open, put } = await start(t)
  const { openDevice, newDevice } = await open({
    endpoints: { eventHubs: [{ name: 'hot', connectionString: brokerString(broker.port, 'hub1') }] },
    routes: [route('all', 'hot')],
  })
  const { body } = await server.call('GET', hubId('contoso'))
  const [shown] = body.properties.routing.endpoints.eventHubs
  assert.match(
    shown.connectionString,
    /SharedAccessKey=\*\*\*\*;UseDevelopmentEmulator=true;EntityPath=hub1$/,
  )
  assert.equal(JSON.stringify(body).includes('secret'), false)
  assert.deepEqual(body.properties.routing.fallbackRoute, {
    ...{ name: '$fallback', source: 'DeviceMessages', condition: 'true', endpointNames: ['events'] },
    isEnabled: true,
  })
  assert.ok((await put(body.properties.routing)).status < 300)
  const patched = await server.call('PATCH', hubId('contoso'), { tags: { a: 'b' } })
  assert.ok(patched.status < 300, JSON.stringify(patched.body))
  const client = await openDevice(t, 'meter', await newDevice(t, 'meter'))
  await client.sendEvent(json({}))
  await broker.until(1)
  const elsewhere = { ...shown, connectionString: shown.connectionString.replace('hub1', 'hub2') }
  const { status, body: refused } = await put({ endpoints: { eventHubs: [elsewhere] } })
  assert.deepEqual([status, /masked key/.test(refused.error.message)], [400, true])
})

test('routing that cannot be done is refused with what is wrong and where', async (t) => {
  const { server, put } = await start(t)
  const queue = { name: 'q', connectionString: brokerString(1, 'q') }
  const container = {
    ...{ name: 'c', connectionString: 'UseDevelopmentStorage=true', containerName: 'cold', encoding: 'JSON' },
  }
  const many = <Item>(count: number, item: (n: number) => Item) =>
    Array.from({ length: count }, (_, n) => item(n))
  const wrong: readonly (readonly [Routing, RegExp])[] = [
    [{ endpoints: { cosmosDBSqlContainers: [{ name: 'x' }] } }, /Cosmos DB is not supported/],
    [{ endpoints: { serviceBusQueues: [{ ...queue, name: 'events' }] } }, /'events' is reserved/],
    [
      { endpoints: { serviceBusQueues: [queue], eventHubs: [{ ...queue, name: 'Q' }] } },
      /two endpoints named 'Q'/,
    ],
    [{ endpoints: { serviceBusQueues: many(11, (n) => ({ ...queue, name: `q${n}` })) } }, /at most 10 items/],
    [
      {
        endpoints: {
          serviceBusQueues: many(6, (n) => ({ ...queue, name: `q${n}` })),
          eventHubs: many(5, (n) => ({ ...queue, name: `h${n}` })),
        },
      },
      /at most 10 endpoints/,
    ],
    [
      { endpoints: { serviceBusQueues: [{ name: 'q', connectionString: 'x' }] } },
      /part without an equals sign/,
    ],
    [{ endpoints: { serviceBusQueues: [{ name: 'q' }] } }, /connectionString/],
    [{ endpoints: { storageContainers: [{ ...container, encoding: undefined }] } }, /Avro/],
    [
      { endpoints: { storageContainers: [{ ...container, encoding: 'AvroDeflate' }] } },
      /'AvroDeflate' is not supp/,
    ],
    [{ endpoints: { storageContainers: [{ ...container, batchFrequencyInSeconds: 59 }] } }, /from 60 to 720/],
    [{ endpoints: { storageContainers: [{ ...container, fileNameFormat: '{iothub}' }] } }, /fileNameFormat/],
    ...['..', '.', 'a/../../other', '\ud800'].map((where): readonly [Routing, RegExp] => [
      {
        endpoints: {
          storageContainers: [
            {
              ...container,
              fileNameFormat: `${where}/{iothub}/{partition}/{YYYY}/{MM}/{DD}/{HH}/{mm}`,
            },
          ],
        },
      },
      /blobs are in the container/,
    ]),
    [
      {
        endpoints: {
          eventHubs: [
            {
              ...{ name: 'h', authenticationType: 'identityBased', entityPath: 'e' },
              endpointUri: 'sb://n.servicebus.windows.net',
            },
          ],
        },
      },
      /EventHub\/namespaces\/n\/eventhubs\/e' is reached is not known.*'connections'/,
    ],
    [{ routes: [route('r', 'nowhere')] }, /endpointNames\[0\]' must be the name of an endpoint: events/],
    [{ routes: [route('r', 'events'), route('R', 'events')] }, /two routes named 'R'/],
    [{ routes: many(101, (n) => route(`r${n}`, 'events')) }, /at most 100 items/],
    [{ routes: [route('r', 'events', 'level = ')] }, /routes\[0\]\.condition' is no condition.*character 9/],
    [
      { routes: [route('r', 'events', 'true', 'DigitalTwinChangeEvents')] },
      /'DigitalTwinChangeEvents' is not supp/,
    ],
    [
      { routes: [route('r', 'events', 'true', 'DeviceJobLifecycleEvents')] },
      /'DeviceJobLifecycleEvents' is not/,
    ],
    [{ routes: [route('r', 'eventgrid')] }, /the name of an endpoint/],
    [{ enrichments: [{ key: 'a b', value: 'x', endpointNames: ['events'] }] }, /enrichments\[0\]\.key/],
    [
      { enrichments: many(11, (n) => ({ key: `k${n}`, value: 'x', endpointNames: ['events'] })) },
      /at most 10/,
    ],
  ]
  for (const [routing, message] of wrong) {
    const { status, body } = await put(routing)
    assert.equal(status, 400, JSON.stringify(routing))
    assert.match(body.error.message, message)
  }
  assert.equal((await server.call('GET', hubId('contoso'))).status, 404)
})

test('routes are tried on a message that a request gives', async (t) => {
  const { server, open } = await start(t)
  await open({
    routes: [route('hot', 'events', '$body.t > 90'), route('north', 'events', "$twin.tags.site = 'north'")],
  })
  const tried = async (action: string, body: object) =>
    (await server.call('POST', `${hubId('contoso')}/routing/routes/${action}`, body)).body
  const message = {
    body: '{"t":95}',
    appProperties: { a: 'b' },
    systemProperties: { contentType: 'application/json' },
  }
  const all = await tried('$testall', { message, twin: { tags: { site: 'south' } } })
  assert.deepEqual(all, { routes: [{ properties: route('hot', 'events', '$body.t > 90') }] })
  const result = async (condition: string) =>
    (await tried('$testnew', { message, route: route('new', 'events', condition) })) as {
      result: string
      details: { compilationErrors: { location: object }[] }
    }
  assert.equal((await result("a = 'b' AND $contentType = 'application/json'")).result, 'true')
  assert.equal((await result("a = 'c'")).result, 'false')
  assert.equal((await result('c = 1')).result, 'undefined')
  const { details } = await result('a = ')
  assert.deepEqual(details.compilationErrors[0]?.location, {
    start: { line: 1, column: 5 },
    end: { line: 1, column: 5 },
  })
})
