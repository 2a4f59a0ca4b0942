import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import device from 'azure-iot-device'
import { apiVersion, subscription } from '../src/testing/control-plane.ts'
import { testDevices, tokenOf } from '../src/testing/iot-devices.ts'
import { hubId, iotHubs } from '../src/testing/iot-hubs.ts'
import { ManualClock } from '../src/testing/manual-clock.ts'
import { type RecordingWebhook, startRecordingWebhook } from '../src/testing/recording-webhook.ts'
import { temporaryDirectory } from '../src/testing/temporary-directory.ts'
import { eventually, startTestServer, type TestServer } from '../src/testing/test-server.ts'
import { startBusbar } from './busbar-process.ts'

/*
 * DeviceConnected and DeviceDisconnected tell the truth: over a stop, over a crash, and where the state is told once in a
 * minute.
 */

interface Told {
  readonly deviceId: string
  readonly what: string
  readonly sequenceNumber: string
}

/** After a crash, an event may come again. */
const toldTo = (hook: RecordingWebhook): readonly Told[] =>
  hook.received
    .flatMap(
      ({ body }) =>
        body as {
          id: string
          eventType: string
          data: { deviceId: string; deviceConnectionStateEventInfo: { sequenceNumber: string } }
        }[],
    )
    .filter(({ id }, n, all) => all.findIndex((each) => each.id === id) === n)
    .map(({ eventType, data }) => ({
      deviceId: data.deviceId,
      what: eventType.replace('Microsoft.Devices.Device', ''),
      sequenceNumber: data.deviceConnectionStateEventInfo?.sequenceNumber,
    }))

const ofDevice = (hook: RecordingWebhook, deviceId: string) =>
  toldTo(hook)
    .filter((each) => each.deviceId === deviceId)
    .map(({ what }) => what)

function assertGrows(hook: RecordingWebhook, deviceId: string): void {
  const numbers = toldTo(hook)
    .filter((each) => each.deviceId === deviceId && each.sequenceNumber !== undefined)
    .map(({ sequenceNumber }) => sequenceNumber)
  assert.deepEqual(numbers, numbers.toSorted(), 'numbers grow in the order in which it was told')
  assert.equal(new Set(numbers).size, numbers.length)
}

async function listen(
  t: TestContext,
  { call }: Pick<TestServer, 'call'>,
  types = ['DeviceConnected', 'DeviceDisconnected'],
): Promise<RecordingWebhook> {
  const hook = await startRecordingWebhook(t)
  const id = `${hubId('contoso')}/providers/Microsoft.EventGrid/eventSubscriptions/all`
  await call('PUT', id, {
    properties: {
      destination: { endpointType: 'WebHook', properties: { endpointUrl: hook.url, maxEventsPerBatch: 1 } },
      filter: { includedEventTypes: types.map((type) => `Microsoft.Devices.${type}`) },
    },
  })
  await eventually(async () => (await call('GET', id)).body.properties.provisioningState === 'Succeeded')
  return hook
}

async function withHub(server: TestServer) {
  const hubs = iotHubs(server)
  const hostName = await hubs.createHub('contoso')
  const registry = hubs.connect(hostName, 'iothubowner', await hubs.keyOf('contoso', 'iothubowner'))
  return { hostName, registry, ...testDevices(server, hostName, registry) }
}

const never = /^0001-01-01/
const timesOf = ({ responseBody }: { responseBody: object }) => {
  const { connectionState, connectionStateUpdatedTime, lastActivityTime } = responseBody as Record<
    string,
    string
  >
  return { connectionState, connectionStateUpdatedTime, lastActivityTime }
}

test('a stop tells of everybody who was connected, and what is known of them stays', async (t) => {
  const server = await startTestServer(t)
  const { newDevice, openDevice, registry } = await withHub(server)
  const hook = await listen(t, server)
  const client = await openDevice(t, 'stopped', await newDevice(t, 'stopped'))
  await client.sendEvent(new device.Message('hello'))
  await hook.until(1)
  const before = timesOf(await registry.get('stopped'))
  await server.restart()
  await eventually(() => toldTo(hook).length === 2)
  assert.deepEqual(ofDevice(hook, 'stopped'), ['Connected', 'Disconnected'])
  assertGrows(hook, 'stopped')
  const after = timesOf(await registry.get('stopped'))
  assert.equal(after.connectionState, 'Disconnected')
  assert.equal(after.lastActivityTime, before.lastActivityTime)
  assert(String(after.connectionStateUpdatedTime) >= String(before.connectionStateUpdatedTime))
  await server.restart()
  await server.settle()
  assert.equal(toldTo(hook).length, 2, 'nobody is told twice')
  assert.deepEqual(timesOf(await registry.get('stopped')), after)
})

test('whoever was connected when the process was killed is told of as disconnected at the next start', async (t) => {
  const cwd = await temporaryDirectory(t)
  const start = async () => {
    const busbar = await startBusbar(t, cwd, ['--mqtt-port', '0', '--mqtts-port', '0', '--log-level', 'warn'])
    const run = JSON.parse(readFileSync(join(cwd, '.busbar', 'run.json'), 'utf8')) as Record<string, string>
    const call = async (method: string, id: string, body?: unknown) => {
      const response = await fetch(`${busbar.http}${id}?api-version=${apiVersion}`, {
        method,
        headers: { 'content-type': 'application/json' },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      })
      const text = await response.text()
      return { status: response.status, body: text && JSON.parse(text), headers: response.headers }
    }
    const ca = readFileSync(run.caFile as string, 'utf8')
    const server = { ...busbar, mqtts: run.mqtts, ca, call } as unknown as TestServer
    return { busbar, server }
  }
  const first = await start()
  await first.server.call('PUT', `${subscription}/resourceGroups/rg`, { location: 'westus2' })
  const { newDevice, openDevice, registry, hostName } = await withHub(first.server)
  const hook = await listen(t, first.server)
  const key = await newDevice(t, 'cut')
  const [cut, left] = [
    await openDevice(t, 'cut', key),
    await openDevice(t, 'left', await newDevice(t, 'left')),
  ]
  await cut.sendEvent(new device.Message('hello'))
  await left.close()
  await eventually(() => toldTo(hook).length === 3)
  const before = timesOf(await registry.get('cut'))
  assert.equal(before.connectionState, 'Connected')
  first.busbar.kill('SIGKILL')
  await first.busbar.ended

  const second = await start()
  await eventually(() => toldTo(hook).length === 4)
  assert.deepEqual(ofDevice(hook, 'cut'), ['Connected', 'Disconnected'])
  assert.deepEqual(ofDevice(hook, 'left'), ['Connected', 'Disconnected'])
  assertGrows(hook, 'cut')
  const hubs = iotHubs(second.server)
  const again = hubs.connect(hostName, 'iothubowner', await hubs.keyOf('contoso', 'iothubowner'))
  const after = timesOf(await again.get('cut'))
  assert.equal(after.connectionState, 'Disconnected')
  assert(String(after.connectionStateUpdatedTime) > String(before.connectionStateUpdatedTime))
  assert.doesNotMatch(String(after.lastActivityTime), never)
  assert(String(after.lastActivityTime) <= String(before.lastActivityTime))
  const devices = testDevices(second.server, hostName, again)
  await devices.openDevice(t, 'cut', key)
  await eventually(() => toldTo(hook).length === 5)
  assert.deepEqual(ofDevice(hook, 'cut'), ['Connected', 'Disconnected', 'Connected'])
  assertGrows(hook, 'cut')
})

test('with snapshots the state of whoever has come or gone is told once in a minute', async (t) => {
  const clock = new ManualClock(Date.now())
  const server = await startTestServer(t, { clock, flags: { connectionStateEvents: 'snapshot' } })
  const { newDevice, connectRaw, registry, hostName } = await withHub(server)
  const hook = await listen(t, server, ['DeviceConnected', 'DeviceDisconnected', 'DeviceDeleted'])
  const token = tokenOf(`${hostName}/devices/flapping`, await newDevice(t, 'flapping'))
  const stays = tokenOf(`${hostName}/devices/stays`, await newDevice(t, 'stays'))
  const isConnected = async (id: string) => timesOf(await registry.get(id)).connectionState === 'Connected'
  await connectRaw(t, 'stays', stays, { keepalive: 1_000 })
  const flapping = await connectRaw(t, 'flapping', token)
  await flapping.endAsync(true)
  await eventually(async () => !(await isConnected('flapping')))
  await clock.advance(59_999)
  assert.deepEqual(toldTo(hook), [])
  await clock.advance(1)
  await eventually(() => toldTo(hook).length === 2)
  assert.deepEqual(ofDevice(hook, 'flapping'), ['Disconnected'], 'the state, and not each change')
  assert.deepEqual(ofDevice(hook, 'stays'), ['Connected'])
  await (await connectRaw(t, 'flapping', token)).endAsync(true)
  await eventually(async () => !(await isConnected('flapping')))
  await clock.advance(60_000)
  await eventually(() => toldTo(hook).length === 3)
  assert.deepEqual(
    ofDevice(hook, 'flapping'),
    ['Disconnected', 'Disconnected'],
    'the same state, for it changed',
  )
  assertGrows(hook, 'flapping')
  await clock.advance(60_000)
  assert.equal(toldTo(hook).length, 3, 'nothing has changed')
  await registry.delete('stays')
  await clock.advance(1)
  await eventually(() => toldTo(hook).length === 5)
  assert.deepEqual(ofDevice(hook, 'stays'), ['Connected', 'Disconnected', 'Deleted'])
})

test('the profile strict takes snapshots unless it is told otherwise', async (t) => {
  for (const [flags, told] of [
    [{ profile: 'strict' }, 0],
    [{ profile: 'strict', connectionStateEvents: 'immediate' }, 1],
  ] as const) {
    const clock = new ManualClock(Date.now())
    const server = await startTestServer(t, { clock, flags })
    const { newDevice, openDevice } = await withHub(server)
    const hook = await listen(t, server)
    await openDevice(t, 'dev1', await newDevice(t, 'dev1'))
    await clock.advance(1)
    await server.settle()
    await eventually(() => toldTo(hook).length === told)
  }
})
