import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import device from 'azure-iot-device'
import { testDevices, tokenOf } from '../src/testing/iot-devices.ts'
import { hubId, iotHubs } from '../src/testing/iot-hubs.ts'
import { ManualClock } from '../src/testing/manual-clock.ts'
import { startTestServer } from '../src/testing/test-server.ts'

/*
 * What an IoT hub takes in a second, a minute and a day: in the profile strict no more than Azure does.
 */

async function start(t: TestContext, profile: 'open' | 'strict', sku = 'S1') {
  const clock = new ManualClock(Date.now())
  const server = await startTestServer(t, { clock, flags: { profile } })
  const hubs = iotHubs(server)
  const made = await server.call('PUT', hubId('contoso'), {
    ...{ location: 'westus2', sku: { name: sku, capacity: 1 }, properties: {} },
  })
  assert.equal(made.status, 201)
  const hostName = 'contoso.azure-devices.net'
  const registry = hubs.connect(hostName, 'iothubowner', await hubs.keyOf('contoso', 'iothubowner'))
  const key = await hubs.keyOf('contoso', 'iothubowner')
  const call = (method: string, path: string, body?: unknown) =>
    fetch(`${server.http}${path}?api-version=2021-04-12`, {
      method,
      headers: { authorization: tokenOf(hostName, key, { policy: 'iothubowner' }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
  return { ...{ server, clock, hostName, registry, call }, ...testDevices(server, hostName, registry) }
}

const statuses = async (times: number, run: () => Promise<Response>) => {
  const found: number[] = []
  for (let n = 0; n < times; n++) found.push((await run()).status)
  return found
}

test('the hundred-and-first operation of a minute on the registry is refused, and the next minute takes more', async (t) => {
  const { call, clock } = await start(t, 'strict')
  const found = await statuses(101, () => call('GET', '/devices/nobody'))
  assert.deepEqual([found[99], found[100]], [404, 429])
  const refused = await call('GET', '/devices/nobody')
  assert.equal(refused.headers.get('iothub-errorcode'), 'ThrottlingException')
  await clock.advance(700)
  assert.deepEqual(await statuses(2, () => call('GET', '/devices/nobody')), [404, 429])
})

test('queries and twins have rates of their own', async (t) => {
  const { call, registry } = await start(t, 'strict')
  await registry.create({ deviceId: 'dev1' })
  const query = { query: 'SELECT * FROM devices' }
  const queries = await statuses(21, () => call('POST', '/devices/query', query))
  assert.deepEqual([queries[19], queries[20]], [200, 429])
  const updates = await statuses(51, () => call('PATCH', '/twins/dev1', { tags: { a: 1 } }))
  assert.deepEqual([updates[49], updates[50]], [200, 429])
  const reads = await statuses(101, () => call('GET', '/twins/dev1'))
  assert.deepEqual([reads[99], reads[100]], [200, 429])
})

test('a free hub takes 8000 messages of half a kilobyte in a day, and then none until the next', async (t) => {
  const { server, clock, hostName, newDevice, openDevice } = await start(t, 'strict', 'F1')
  const key = await newDevice(t, 'chatty')
  const client = await openDevice(t, 'chatty', key)
  const send = () =>
    fetch(`${server.http}/devices/chatty/messages/events?api-version=2021-04-12`, {
      method: 'POST',
      headers: {
        authorization: tokenOf(`${hostName}/devices/chatty`, key, { expiresInSeconds: 200_000 }),
      },
      body: Buffer.alloc(200 * 1024),
    })
  // Of 200 KB: 400 messages each.
  assert.deepEqual(
    await statuses(20, send),
    Array.from({ length: 20 }, () => 204),
  )
  const refused = await send()
  assert.equal(refused.status, 403)
  assert.equal(refused.headers.get('iothub-errorcode'), 'IotHubQuotaExceeded')
  const ended = new Promise<void>((resolve) => {
    client.on('disconnect', () => resolve())
  })
  client.sendEvent(new device.Message('one more')).catch(() => {})
  await ended
  await clock.advance(86_400_000)
  assert.equal((await send()).status, 204)
})

test('more than a hundred devices do not connect in one second', async (t) => {
  const { hostName, newDevice, connectRaw, clock } = await start(t, 'strict')
  const token = tokenOf(`${hostName}/devices/dev1`, await newDevice(t, 'dev1'))
  // Those that are refused for what they say count, too.
  for (let n = 0; n < 100; n++) await assert.rejects(connectRaw(t, 'dev1', 'no token'), { code: 4 })
  await assert.rejects(connectRaw(t, 'dev1', token), { code: 3 })
  await clock.advance(10)
  await connectRaw(t, 'dev1', token)
})

test('in the profile open nothing is refused', async (t) => {
  const { call } = await start(t, 'open')
  const found = await statuses(150, () => call('GET', '/devices/nobody'))
  assert.deepEqual(new Set(found), new Set([404]))
})
