import assert from 'node:assert/strict'
import { after, type TestContext, test } from 'node:test'
import device from 'azure-iot-device'
import { startAmqpBroker } from '../src/testing/amqp-broker.ts'
import { apiVersion } from '../src/testing/control-plane.ts'
import { testDevices, tokenOf } from '../src/testing/iot-devices.ts'
import { hubId, iotHubs } from '../src/testing/iot-hubs.ts'
import { ManualClock } from '../src/testing/manual-clock.ts'
import { temporaryDirectory } from '../src/testing/temporary-directory.ts'
import { eventually, startTestServer, type TestServer } from '../src/testing/test-server.ts'
import { startBusbar } from './busbar-process.ts'

/*
 * What devices have said, as it is read from a hub's built-in endpoint: over HTTP.
 */

const server = await startTestServer({ after })
const { createHub, keyOf, connect } = iotHubs(server)
const hostName = await createHub('contoso')
const registry = connect(hostName, 'iothubowner', await keyOf('contoso', 'iothubowner'))
const { newDevice, openDevice } = testDevices(server, hostName, registry)
const serviceKey = await keyOf('contoso', 'service')

// oxlint-disable-next-line typescript/no-explicit-any -- a test reads what came, and asserts it
type Event = any
interface Answer {
  readonly status: number
  readonly value: readonly Event[]
  readonly continuation: string
  readonly text: string
}

async function read(
  query: string,
  { from = server, policy = 'service', key = serviceKey, host = hostName }: ReadOptions = {},
): Promise<Answer> {
  const response = await fetch(`${from.http}/messages/events${query}`, {
    headers: { authorization: tokenOf(host, key, { policy }) },
  })
  const text = await response.text()
  const body = JSON.parse(text) as { readonly value: readonly Event[]; readonly continuation: string }
  return { status: response.status, text, ...body }
}

interface ReadOptions {
  readonly from?: Pick<TestServer, 'http'>
  readonly policy?: string
  readonly key?: string
  readonly host?: string
}

async function open(t: TestContext, deviceId: string): Promise<device.Client> {
  return openDevice(t, deviceId, await newDevice(t, deviceId))
}

const message = (body: unknown) => {
  const made = new device.Message(typeof body === 'string' ? body : JSON.stringify(body))
  made.contentType = 'application/json'
  made.contentEncoding = 'utf-8'
  return made
}

/** Where whoever begins to read now begins. */
const now = async () => (await read('?from=latest')).continuation

test('a message of a device is read with its body, its properties and what the hub knows of it', async (t) => {
  const continuation = await now()
  const client = await open(t, 'meter')
  const said = message('{"temperature":21.50,"big":12345678901234567890}')
  said.messageId = 'm1'
  said.correlationId = 'c1'
  said.properties.add('Status', 'Active now')
  const before = Date.now()
  await client.sendEvent(said)
  await client.sendEvent(new device.Message(Buffer.from([1, 2, 255])))
  const { value, text } = await read(`?continuation=${continuation}`)
  const [first, second] = value
  assert.match(text, /"body":\{"temperature":21\.50,"big":12345678901234567890\}/)
  const { responseBody: twin } = await registry.get('meter')
  const { 'iothub-enqueuedtime': enqueued, ...system } = first.systemProperties
  assert.deepEqual(system, {
    'iothub-connection-device-id': 'meter',
    'iothub-connection-auth-method':
      '{"scope":"device","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}',
    'iothub-connection-auth-generation-id': twin.generationId,
    'iothub-message-source': 'Telemetry',
    'message-id': 'm1',
    'correlation-id': 'c1',
    'content-type': 'application/json',
    'content-encoding': 'utf-8',
    to: '/devices/meter/messages/events',
  })
  assert.deepEqual(first.properties, { Status: 'Active now' })
  assert.equal(first.enqueuedTimeUtc, enqueued)
  assert(Math.abs(Date.parse(enqueued) - before) < 5000)
  assert.equal(second.bodyEncoding, 'base64')
  assert.deepEqual(Buffer.from(second.body, 'base64'), Buffer.from([1, 2, 255]))
  assert.equal(second.partition, first.partition)
  assert.equal(second.sequenceNumber, first.sequenceNumber + 1)
  assert(Number(second.offset) > Number(first.offset))
})

test('who waits is answered as soon as a message comes, and with nothing when none comes in time', async (t) => {
  const client = await open(t, 'waited')
  const continuation = await now()
  const waiting = read(`?continuation=${continuation}&wait=60`)
  await client.sendEvent(message({ n: 1 }))
  const { value, continuation: next } = await waiting
  assert.deepEqual(
    value.map(({ body }) => body),
    [{ n: 1 }],
  )
  const { value: none, continuation: same } = await read(`?continuation=${next}&wait=1`)
  assert.deepEqual([none, same], [[], next])
})

test('reading begins at a number, at a time, or at the beginning, and takes nothing away', async (t) => {
  const client = await open(t, 'read-anywhere')
  const continuation = await now()
  for (let n = 0; n < 5; n++) await client.sendEvent(message({ n }))
  const all = (await read(`?continuation=${continuation}`)).value
  const { partition, sequenceNumber, enqueuedTimeUtc } = all[2]
  const numbers = (answer: Answer) => answer.value.map(({ body }) => body.n)
  assert.deepEqual(numbers(await read(`?partition=${partition}&from=${sequenceNumber}`)), [2, 3, 4])
  assert.deepEqual(numbers(await read(`?partition=${partition}&from=${sequenceNumber}&max=2`)), [2, 3])
  const since = numbers(await read(`?from=${enqueuedTimeUtc}`))
  assert.deepEqual(since.slice(since.indexOf(2)), [2, 3, 4])
  assert.deepEqual(numbers(await read('?from=earliest&max=1000')).slice(-5), [0, 1, 2, 3, 4])
  assert.deepEqual(numbers(await read('?from=latest')), [])
})

test('all partitions are read page by page with one continuation', async (t) => {
  const clients = await Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map((name) => open(t, `pages-${name}`)))
  let { continuation } = await read('')
  for (let n = 0; n < 4; n++) await Promise.all(clients.map((client) => client.sendEvent(message({ n }))))
  const found: Event[] = []
  for (;;) {
    const page = await read(`?continuation=${continuation}&max=5`)
    if (page.value.length === 0) break
    found.push(...page.value)
    continuation = page.continuation
  }
  assert.equal(found.length, 24)
  const byDevice = Map.groupBy(found, (each) => each.systemProperties['iothub-connection-device-id'])
  for (const own of byDevice.values()) {
    assert.deepEqual(
      own.map(({ body }) => body.n),
      [0, 1, 2, 3],
    )
    assert.equal(new Set(own.map(({ partition }) => partition)).size, 1)
  }
})

test('routes lead messages to the endpoint, and away from it', async (t) => {
  const own = await startTestServer(t)
  const hubs = iotHubs(own)
  const host = await hubs.createHub('routed', {
    routing: {
      routes: [
        {
          name: 'hot',
          source: 'DeviceMessages',
          condition: "level = 'hot'",
          endpointNames: ['events'],
          isEnabled: true,
        },
        {
          name: 'twins',
          source: 'TwinChangeEvents',
          condition: 'true',
          endpointNames: ['events'],
          isEnabled: true,
        },
      ],
      fallbackRoute: {
        source: 'DeviceMessages',
        condition: 'true',
        endpointNames: ['events'],
        isEnabled: false,
      },
    },
  })
  const owner = hubs.connect(host, 'iothubowner', await hubs.keyOf('routed', 'iothubowner'))
  const devices = testDevices(own, host, owner)
  const client = await devices.openDevice(t, 'd1', await devices.newDevice(t, 'd1'))
  await client.sendEvent(message({ n: 1 }))
  const hot = message({ n: 2 })
  hot.properties.add('level', 'hot')
  await client.sendEvent(hot)
  await owner.updateTwin('d1', { tags: { site: 'north' } }, '*')
  const key = await hubs.keyOf('routed', 'service')
  const { value } = await read('?from=earliest', { from: own, host, key })
  assert.deepEqual(
    value.map(({ body, systemProperties }) => [systemProperties['iothub-message-source'], body.n]),
    [
      ['Telemetry', 2],
      ['twinChangeEvents', undefined],
    ],
  )
})

test('a request that asks for what is not there is refused with what it should ask for', async () => {
  for (const [query, pattern] of [
    ['?partition=4', /partition must be a whole number from 0 to 3/],
    ['?from=yesterday', /latest, earliest, a sequence number or a time/],
    ['?from=12', /where no partition is named/],
    ['?max=0', /max must be/],
    ['?wait=61', /wait must be/],
    ['?continuation=9:1', /continuation must be/],
    ['?continuation=0:1&from=latest', /left out where there is a continuation/],
  ] as const) {
    const { status, text } = await read(query)
    assert.equal(status, 400, query)
    assert.match(text, pattern)
  }
})

test('reading takes the right ServiceConnect', async () => {
  const key = await keyOf('contoso', 'registryRead')
  assert.equal((await read('', { policy: 'registryRead', key })).status, 401)
  assert.equal((await read('', { key })).status, 401)
})

test('the number of partitions is decided once, and days are from 1 to 7', async () => {
  const properties = (events: object) => ({ eventHubEndpoints: { events } })
  const put = (events: object) =>
    server.call('PUT', hubId('counted'), { location: 'westus2', properties: properties(events) })
  for (const wrong of [{ partitionCount: 1 }, { partitionCount: 129 }, { retentionTimeInDays: 8 }])
    assert.equal((await put(wrong)).status, 400)
  assert.equal((await put({ partitionCount: 8 })).status, 201)
  assert.equal((await put({ partitionCount: 9 })).status, 400)
  const changed = await put({ retentionTimeInDays: 7 })
  assert.equal(changed.status, 201)
  const { partitionCount, retentionTimeInDays, partitionIds } =
    changed.body.properties.eventHubEndpoints.events
  assert.deepEqual([partitionCount, retentionTimeInDays, partitionIds.length], [8, 7, 8])
  await server.call('DELETE', hubId('counted'))
})

test('messages are kept for as many days as the hub says at last', async (t) => {
  const clock = new ManualClock(Date.now())
  const other = await startTestServer(t, { clock })
  const hubs = iotHubs(other)
  const day = 86_400_000
  const keep = (retentionTimeInDays: number) => ({
    eventHubEndpoints: { events: { retentionTimeInDays } },
  })
  const host = await hubs.createHub('contoso', keep(7))
  const owner = hubs.connect(host, 'iothubowner', await hubs.keyOf('contoso', 'iothubowner'))
  await owner.create({ deviceId: 'd' })
  const key = await hubs.keyOf('contoso', 'service')
  const sent = await fetch(`${other.http}/devices/d/messages/events?api-version=2021-04-12`, {
    method: 'POST',
    headers: {
      authorization: tokenOf(`${host}/devices/d`, await hubs.keyOf('contoso', 'device'), {
        ...{ policy: 'device', expiresInSeconds: 864_000 },
      }),
    },
    body: 'hello',
  })
  assert.equal(sent.status, 204)
  const count = async () => {
    const authorization = tokenOf(host, key, { policy: 'service', expiresInSeconds: 864_000 })
    const response = await fetch(`${other.http}/messages/events?from=earliest`, {
      headers: { authorization },
    })
    return ((await response.json()) as { readonly value: readonly Event[] }).value.length
  }
  await clock.advance(2 * day)
  assert.equal(await count(), 1)
  const changed = await other.call('PUT', hubId('contoso'), {
    ...{ location: 'westus2', sku: { name: 'S1', capacity: 1 }, properties: keep(1) },
  })
  assert.equal(changed.status, 201)
  // What is too old is looked for now and then.
  await clock.advance(3_600_000)
  await eventually(async () => (await count()) === 0)
})

test('consumer groups are made below the built-in endpoint, beside the one that is always there', async () => {
  const groups = `${hubId('contoso')}/eventHubEndpoints/events/ConsumerGroups`
  const made = await server.call('PUT', `${groups}/analytics`, { properties: { name: 'analytics' } })
  assert.equal(made.status, 200)
  assert.equal(made.body.type, 'Microsoft.Devices/IotHubs/eventHubEndpoints/ConsumerGroups')
  assert.equal((await server.call('GET', `${groups}/ANALYTICS`)).body.id, `${groups}/analytics`)
  const { body } = await server.call('GET', groups)
  assert.deepEqual(
    body.value.map(({ name }: { name: string }) => name),
    ['$Default', 'analytics'],
  )
  assert.equal((await server.call('DELETE', `${groups}/$Default`)).status, 409)
  assert.equal((await server.call('DELETE', `${groups}/analytics`)).status, 200)
  assert.equal((await server.call('GET', `${groups}/analytics`)).status, 404)
  const elsewhere = `${hubId('contoso')}/eventHubEndpoints/others/ConsumerGroups/analytics`
  assert.equal((await server.call('PUT', elsewhere, { properties: {} })).status, 404)
})

test('messages and their numbers outlive a restart, and go with their hub', async (t) => {
  const own = await startTestServer(t)
  const hubs = iotHubs(own)
  const host = await hubs.createHub('fabrikam')
  const key = await hubs.keyOf('fabrikam', 'service')
  const owner = await hubs.keyOf('fabrikam', 'iothubowner')
  const options = { from: own, key, host }
  const say = async (n: number) => {
    const devices = testDevices(own, host, hubs.connect(host, 'iothubowner', owner))
    const client = await devices.openDevice(t, 'd1', deviceKey)
    await client.sendEvent(message({ n }))
    await client.close()
  }
  const first = testDevices(own, host, hubs.connect(host, 'iothubowner', owner))
  const deviceKey = await first.newDevice(t, 'd1')
  await say(1)
  await own.restart()
  await say(2)
  const { value } = await read('?from=earliest', options)
  assert.deepEqual(
    value.map(({ body, sequenceNumber }) => [body.n, sequenceNumber]),
    [
      [1, 0],
      [2, 1],
    ],
  )
  assert.equal(await own.metric('busbar_streams'), 1)
  await own.call('DELETE', hubId('fabrikam'))
  await own.restart()
  await hubs.createHub('fabrikam')
  const again = await read('?from=earliest', { ...options, key: await hubs.keyOf('fabrikam', 'service') })
  assert.deepEqual(again.value, [])
  assert.equal(await own.metric('busbar_streams'), 1)
})

test('a server that is killed while devices send has every message that it has acknowledged, for each of its endpoints', async (t) => {
  const broker = await startAmqpBroker(t, { passwords: { root: 'secret' } })
  const cwd = await temporaryDirectory(t)
  const flags = ['--mqtt-port', 'off', '--mqtts-port', 'off', '--log-level', 'error']
  const first = await startBusbar(t, cwd, flags)
  const arm = async (method: string, path: string, body?: unknown) => {
    const response = await fetch(`${first.http}${path}?api-version=${apiVersion}`, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const answer = (await response.json()) as Event
    assert.ok(response.ok, JSON.stringify(answer))
    return answer
  }
  const id = hubId('killed')
  const group = id.slice(0, id.indexOf('/providers'))
  await arm('PUT', group, { location: 'westus2' })
  const connectionString = `Endpoint=sb://127.0.0.1:${broker.port};SharedAccessKeyName=root;SharedAccessKey=secret;UseDevelopmentEmulator=true;EntityPath=hot`
  const everything = { source: 'DeviceMessages', condition: 'true', isEnabled: true }
  const { properties } = await arm('PUT', id, {
    location: 'westus2',
    sku: { name: 'S1', capacity: 1 },
    properties: {
      routing: {
        endpoints: { eventHubs: [{ name: 'hot', connectionString }] },
        routes: ['hot', 'events'].map((name) => ({ ...everything, name, endpointNames: [name] })),
      },
    },
  })
  const { value: policies } = await arm('POST', `${id}/listkeys`)
  const keyNamed = (name: string): string =>
    policies.find(({ keyName }: { keyName: string }) => keyName === name).primaryKey
  const host: string = properties.hostName
  const service = tokenOf(host, keyNamed('iothubowner'), { policy: 'iothubowner' })
  const acknowledged = new Set<string>()
  let isKilled = false
  const send = async (deviceId: string) => {
    const response = await fetch(`${first.http}/devices/${deviceId}?api-version=2021-04-12`, {
      method: 'PUT',
      headers: { authorization: service, 'content-type': 'application/json' },
      body: JSON.stringify({ deviceId }),
    })
    assert.equal(response.status, 200)
    const token = tokenOf(host, keyNamed('device'), { policy: 'device' })
    for (let n = 0; !isKilled; n++) {
      const body = JSON.stringify({ said: `${deviceId}.${n}` })
      const sent = await fetch(`${first.http}/devices/${deviceId}/messages/events?api-version=2021-04-12`, {
        method: 'POST',
        headers: {
          authorization: token,
          'iothub-contenttype': 'application/json',
          'iothub-contentencoding': 'utf-8',
        },
        body,
      }).catch(() => undefined)
      if (sent?.status === 204) acknowledged.add(`${deviceId}.${n}`)
      if (acknowledged.size === 300) {
        isKilled = true
        first.kill('SIGKILL')
      }
    }
  }
  await Promise.all(Array.from({ length: 8 }, (_, n) => send(`killed-${n}`)))
  await first.ended
  const second = await startBusbar(t, cwd, flags)
  const found: string[] = []
  let query = '?from=earliest&max=1000'
  for (;;) {
    const page = await read(query, { from: second, key: keyNamed('service'), host })
    if (page.value.length === 0) break
    found.push(...page.value.map(({ body }) => body.said))
    query = `?continuation=${page.continuation}&max=1000`
  }
  assert.equal(new Set(found).size, found.length)
  for (const each of acknowledged) assert(found.includes(each), `${each} is lost`)
  // What was under way at the kill comes again.
  const routed = () =>
    new Set(broker.messages.map(({ text }) => (JSON.parse(text) as { readonly said: string }).said))
  await eventually(() => [...acknowledged].every((each) => routed().has(each)))
})
