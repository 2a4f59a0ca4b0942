import assert from 'node:assert/strict'
import { after, type TestContext, test } from 'node:test'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import {
  EventHubConsumerClient,
  type EventHubConsumerClientOptions,
  type EventPosition,
  earliestEventPosition,
  latestEventPosition,
  type PartitionContext,
  type ReceivedEventData,
  type SubscribeOptions,
} from '@azure/event-hubs'
import device from 'azure-iot-device'
import { WebSocket } from 'ws'
import { freePorts } from '../src/testing/free-port.ts'
import { testDevices } from '../src/testing/iot-devices.ts'
import { hubId, iotHubs } from '../src/testing/iot-hubs.ts'
import { eventually, startTestServer, type TestServer } from '../src/testing/test-server.ts'

/*
 * What devices have said, as clients of Azure Event Hubs read it over AMQP: with @azure/event-hubs unchanged.
 */

const server = await startTestServer({ after })
// As NODE_EXTRA_CA_CERTS does it for a process.
setDefaultCACertificates([...getCACertificates('default'), server.ca])
const { createHub, keyOf, connect } = iotHubs(server)
const hostName = await createHub('contoso')
const registry = connect(hostName, 'iothubowner', await keyOf('contoso', 'iothubowner'))
const { newDevice, openDevice } = testDevices(server, hostName, registry)
const key = await keyOf('contoso', 'service')

interface ClientOptions extends EventHubConsumerClientOptions {
  readonly group?: string
  readonly hub?: string
  readonly policy?: string
  readonly policyKey?: string
  readonly server?: TestServer
}

const failFast = { retryOptions: { maxRetries: 0 } }

function client(
  t: TestContext,
  {
    group = '$Default',
    hub = 'contoso',
    policy = 'service',
    policyKey = key,
    server: at = server,
    ...options
  }: ClientOptions = {},
): EventHubConsumerClient {
  const { port } = new URL(at.amqps)
  const made = new EventHubConsumerClient(
    group,
    `Endpoint=sb://localhost:${port}/;SharedAccessKeyName=${policy};SharedAccessKey=${policyKey};EntityPath=${hub}`,
    options,
  )
  t.after(() => made.close())
  return made
}

interface Following {
  readonly events: ReceivedEventData[]
  readonly errors: Error[]
  readonly contexts: PartitionContext[]
  readonly bodies: () => unknown[]
  readonly stop: () => Promise<void>
}

function follow(
  t: TestContext,
  from: EventHubConsumerClient,
  options: SubscribeOptions,
  partition?: string,
): Following {
  const events: ReceivedEventData[] = []
  const errors: Error[] = []
  const contexts: PartitionContext[] = []
  const handlers = {
    processEvents: async (some: ReceivedEventData[], context: PartitionContext) => {
      events.push(...some)
      contexts.push(context)
    },
    processError: async (error: Error) => {
      errors.push(error)
    },
  }
  const all = { maxWaitTimeInSeconds: 1, ...options }
  const subscription =
    partition === undefined ? from.subscribe(handlers, all) : from.subscribe(partition, handlers, all)
  const stop = () => subscription.close()
  t.after(stop)
  return { events, errors, contexts, stop, bodies: () => events.map(({ body }) => body as unknown) }
}

const message = (body: unknown) => {
  const made = new device.Message(JSON.stringify(body))
  made.contentType = 'application/json'
  made.contentEncoding = 'utf-8'
  return made
}

const open = async (t: TestContext, deviceId: string) => openDevice(t, deviceId, await newDevice(t, deviceId))

/** Says `{n}` for each of them; where they are. */
async function say(t: TestContext, deviceId: string, numbers: readonly number[]): Promise<string> {
  const reader = client(t)
  const ids = await reader.getPartitionIds()
  const lasts = async () =>
    Promise.all(ids.map(async (id) => (await reader.getPartitionProperties(id)).lastEnqueuedSequenceNumber))
  const before = await lasts()
  const sender = await open(t, deviceId)
  for (const n of numbers) await sender.sendEvent(message({ n }))
  const now = await lasts()
  return ids.find((_, n) => now[n] !== before[n]) as string
}

const all = (start: number, end: number) => Array.from({ length: end - start }, (_, n) => start + n)

test('the hub resource says where its events are read: here', async () => {
  const { body } = await server.call('GET', hubId('contoso'))
  assert.equal(
    body.properties.eventHubEndpoints.events.endpoint,
    `sb://127.0.0.1:${new URL(server.amqps).port}/`,
  )
})

test('the endpoint tells its partitions, and how far each is', async (t) => {
  const reader = client(t)
  const { name, partitionIds, createdOn } = await reader.getEventHubProperties()
  assert.deepEqual([name, partitionIds], ['contoso', ['0', '1', '2', '3']])
  assert(Math.abs(createdOn.getTime() - Date.now()) < 60_000)
  const empty = (await Promise.all(partitionIds.map((id) => reader.getPartitionProperties(id)))).find(
    ({ isEmpty }) => isEmpty,
  )
  assert.deepEqual([empty?.beginningSequenceNumber, empty?.lastEnqueuedSequenceNumber], [0, -1])
  const partition = await say(t, 'told', [1, 2])
  const told = await reader.getPartitionProperties(partition)
  assert.deepEqual(
    [told.eventHubName, told.partitionId, told.isEmpty, told.beginningSequenceNumber],
    ['contoso', partition, false, 0],
  )
  assert(told.lastEnqueuedSequenceNumber >= 1)
  assert(Math.abs(told.lastEnqueuedOnUtc.getTime() - Date.now()) < 60_000)
  await assert.rejects(client(t, failFast).getPartitionProperties('7'), /partition '7'/)
})

test('a message comes as devices sent it, with what the hub knows of it', async (t) => {
  const following = follow(t, client(t), { startPosition: earliestEventPosition })
  const sender = await open(t, 'meter')
  const said = message({ temperature: 21.5 })
  said.messageId = 'm1'
  said.correlationId = 'c1'
  said.properties.add('level', 'high')
  await sender.sendEvent(said)
  await eventually(() => following.events.some(({ messageId }) => messageId === 'm1'))
  const received = following.events.find(({ messageId }) => messageId === 'm1') as ReceivedEventData
  const { responseBody: twin } = await registry.get('meter')
  assert.deepEqual(received.body, { temperature: 21.5 })
  assert.deepEqual(received.properties, { level: 'high' })
  assert.deepEqual(
    [received.contentType, received.correlationId, received.partitionKey],
    ['application/json', 'c1', 'meter'],
  )
  assert(Math.abs(received.enqueuedTimeUtc.getTime() - Date.now()) < 60_000)
  assert.equal(typeof received.offset, 'string')
  assert.deepEqual(received.systemProperties, {
    'iothub-connection-device-id': 'meter',
    'iothub-connection-auth-method':
      '{"scope":"device","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}',
    'iothub-connection-auth-generation-id': twin.generationId,
    'iothub-message-source': 'Telemetry',
    'iothub-enqueuedtime': received.enqueuedTimeUtc.getTime(),
    messageId: 'm1',
    correlationId: 'c1',
    to: '/devices/meter/messages/events',
    contentType: 'application/json',
    contentEncoding: 'utf-8',
  })
  assert.deepEqual(following.errors, [])
})

test('a receiver begins where it says: at the end, an offset, a number or a time', async (t) => {
  const partition = await say(t, 'places', all(0, 6))
  const reader = client(t)
  const whole = follow(t, reader, { startPosition: earliestEventPosition }, partition)
  const own = () => whole.events.filter(({ partitionKey }) => partitionKey === 'places')
  await eventually(() => own().length === 6)
  const third = own()[2] as ReceivedEventData
  const rest = async (startPosition: EventPosition, count: number) => {
    const found = follow(t, client(t), { startPosition }, partition)
    await eventually(() => found.events.length === count || found.errors.length > 0)
    assert.deepEqual(found.errors, [])
    await found.stop()
    return found.bodies()
  }
  const n = (...numbers: number[]) => numbers.map((each) => ({ n: each }))
  assert.deepEqual(await rest({ offset: third.offset }, 3), n(3, 4, 5))
  assert.deepEqual(await rest({ offset: third.offset, isInclusive: true }, 4), n(2, 3, 4, 5))
  assert.deepEqual(await rest({ sequenceNumber: third.sequenceNumber }, 3), n(3, 4, 5))
  assert.deepEqual(await rest({ sequenceNumber: third.sequenceNumber, isInclusive: true }, 4), n(2, 3, 4, 5))
  const since = follow(
    t,
    client(t),
    { startPosition: { enqueuedOn: third.enqueuedTimeUtc.getTime() - 1 } },
    partition,
  )
  await eventually(() => since.events.length >= 4)
  assert.deepEqual(since.bodies().slice(-4), n(2, 3, 4, 5))
  const latest = follow(t, client(t), { startPosition: latestEventPosition }, partition)
  // It has begun once its first wait has ended with nothing.
  await eventually(() => latest.contexts.length > 0)
  const sender = await openDevice(
    t,
    'places',
    (await registry.get('places')).responseBody.authentication?.symmetricKey?.primaryKey as string,
  )
  await sender.sendEvent(message({ n: 6 }))
  await eventually(() => latest.events.length > 0)
  assert.deepEqual(latest.bodies(), n(6))
})

test('many messages come in their order, however few at a time', async (t) => {
  const partition = await say(t, 'many', all(0, 300))
  const found = follow(t, client(t), { startPosition: earliestEventPosition, maxBatchSize: 7 }, partition)
  const own = () => found.events.filter(({ partitionKey }) => partitionKey === 'many')
  await eventually(() => own().length === 300)
  assert.deepEqual(
    own().map(({ body }) => body.n),
    all(0, 300),
  )
})

test('consumer groups are those that there are', async (t) => {
  const partition = await say(t, 'grouped', [1])
  await server.call('PUT', `${hubId('contoso')}/eventHubEndpoints/events/ConsumerGroups/analytics`, {
    properties: { name: 'analytics' },
  })
  const known = follow(
    t,
    client(t, { group: 'analytics' }),
    { startPosition: earliestEventPosition },
    partition,
  )
  await eventually(() => known.events.length > 0)
  const unknown = follow(
    t,
    client(t, { group: 'nobody', ...failFast }),
    { startPosition: earliestEventPosition },
    partition,
  )
  await eventually(() => unknown.errors.length > 0)
  assert.match(unknown.errors[0]?.message ?? '', /no consumer group 'nobody'/)
})

test('who reads in a consumer group that is deleted reads no more', async (t) => {
  const group = `${hubId('contoso')}/eventHubEndpoints/events/ConsumerGroups/passing`
  await server.call('PUT', group, { properties: {} })
  const partition = await say(t, 'passing', [1])
  const found = follow(
    t,
    client(t, { group: 'passing', ...failFast }),
    { startPosition: earliestEventPosition },
    partition,
  )
  await eventually(() => found.events.length > 0)
  const before = found.events.length
  await server.call('DELETE', group)
  const sender = await openDevice(
    t,
    'passing',
    (await registry.get('passing')).responseBody.authentication?.symmetricKey?.primaryKey as string,
  )
  await sender.sendEvent(message({ n: 3 }))
  await eventually(() => found.errors.length > 0)
  assert.equal(found.events.length, before)
  assert.match(found.errors[0]?.message ?? '', /no consumer group 'passing'/)
})

test('a receiver with a higher owner level takes the place of those below it', async (t) => {
  const partition = await say(t, 'owned', [1])
  const startPosition = earliestEventPosition
  const free = follow(t, client(t, failFast), { startPosition }, partition)
  await eventually(() => free.events.length > 0)
  const low = follow(t, client(t, failFast), { startPosition, ownerLevel: 1 }, partition)
  await eventually(() => low.events.length > 0 && free.errors.length > 0)
  const high = follow(t, client(t, failFast), { startPosition, ownerLevel: 2 }, partition)
  await eventually(() => high.events.length > 0 && low.errors.length > 0)
  const late = follow(t, client(t, failFast), { startPosition, ownerLevel: 1 }, partition)
  await eventually(() => late.errors.length > 0)
  for (const { errors } of [free, low, late])
    assert.equal((errors[0] as Error & { code?: string }).code, 'ReceiverDisconnectedError')
  assert.deepEqual([high.errors, late.events], [[], []])
})

test('five receivers read a partition side by side in one consumer group, and no sixth', async (t) => {
  const partition = await say(t, 'shared', [1])
  const startPosition = earliestEventPosition
  const five = all(0, 5).map(() => follow(t, client(t), { startPosition }, partition))
  await eventually(() => five.every(({ events }) => events.length > 0))
  const sixth = follow(t, client(t, failFast), { startPosition }, partition)
  await eventually(() => sixth.errors.length > 0)
  assert.match(sixth.errors[0]?.message ?? '', /At most 5 receivers/)
})

test('a receiver that asks is told with each message how far the partition is', async (t) => {
  const partition = await say(t, 'tracked', [1, 2, 3])
  const found = follow(
    t,
    client(t),
    { startPosition: earliestEventPosition, trackLastEnqueuedEventProperties: true },
    partition,
  )
  await eventually(() => found.events.length > 0)
  const last = await client(t).getPartitionProperties(partition)
  const told = found.contexts.at(-1)?.lastEnqueuedEventProperties
  assert.equal(told?.sequenceNumber, last.lastEnqueuedSequenceNumber)
  assert.equal(told?.offset, last.lastEnqueuedOffset)
})

test('a client reads through a WebSocket too', async (t) => {
  const partition = await say(t, 'socketed', [1])
  const { port } = new URL(server.https)
  const reader = new EventHubConsumerClient(
    '$Default',
    `Endpoint=sb://localhost:${port}/;SharedAccessKeyName=service;SharedAccessKey=${key};EntityPath=contoso`,
    { webSocketOptions: { webSocket: WebSocket, webSocketConstructorOptions: { ca: server.ca } } },
  )
  t.after(() => reader.close())
  const found = follow(t, reader, { startPosition: earliestEventPosition }, partition)
  await eventually(() => found.events.length > 0)
  assert.deepEqual(found.errors, [])
})

test('a client goes on from where it was when the server has been restarted', async (t) => {
  const own = await startTestServer(t, { flags: { amqpsPort: String((await freePorts(1))[0]) } })
  setDefaultCACertificates([...getCACertificates('default'), own.ca])
  const hubs = iotHubs(own)
  const host = await hubs.createHub('lasting')
  const owner = await hubs.keyOf('lasting', 'iothubowner')
  const devices = () => testDevices(own, host, hubs.connect(host, 'iothubowner', owner))
  const deviceKey = await devices().newDevice(t, 'd1')
  const send = async (n: number) => {
    const sender = await devices().openDevice(t, 'd1', deviceKey)
    await sender.sendEvent(message({ n }))
    await sender.close()
  }
  const reader = client(t, {
    server: own,
    hub: 'lasting',
    policyKey: await hubs.keyOf('lasting', 'service'),
    retryOptions: { maxRetries: 100, retryDelayInMs: 100, mode: 0 },
  })
  const found = follow(t, reader, { startPosition: earliestEventPosition })
  await send(1)
  await eventually(() => found.events.length === 1)
  await own.restart()
  await send(2)
  await eventually(() => found.events.length > 1)
  assert.deepEqual(found.bodies(), [{ n: 1 }, { n: 2 }])
  assert.deepEqual(
    found.events.map(({ sequenceNumber }) => sequenceNumber),
    [0, 1],
  )
})

test('reading takes the right ServiceConnect, and the key of a policy', async (t) => {
  const policyKey = await keyOf('contoso', 'registryRead')
  await assert.rejects(client(t, { policy: 'registryRead', policyKey, ...failFast }).getPartitionIds())
  await assert.rejects(client(t, { policyKey, ...failFast }).getPartitionIds(), /signature/)
})

test('of several hubs, the path says which one is meant', async (t) => {
  await createHub('fabrikam')
  assert.equal((await client(t).getEventHubProperties()).name, 'contoso')
  const policyKey = await keyOf('fabrikam', 'service')
  const other = client(t, { hub: 'fabrikam', policyKey })
  assert.equal((await other.getEventHubProperties()).name, 'fabrikam')
  await other.close()
  await server.call('DELETE', hubId('fabrikam'))
})
