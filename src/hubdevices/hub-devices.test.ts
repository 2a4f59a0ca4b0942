import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import { createLog } from '../base/log.ts'
import { createSealer } from '../base/sealer.ts'
import { createHubGate } from '../catalog/hub-gate.ts'
import type { IotHub } from '../catalog/iot-hub.ts'
import type { GridEvent } from '../event/event.ts'
import type { HubMessage } from '../hubmessage/message.ts'
import { decodePropertyBag } from '../hubmessage/property-bag.ts'
import { encodeTelemetryEvent } from '../hubmessage/telemetry-event.ts'
import { decodeIdentity } from '../registry/identity.ts'
import { defaultRegistryLimits } from '../registry/limits.ts'
import { HubQuotas } from '../registry/quotas.ts'
import { Registry } from '../registry/registry.ts'
import { decodeHubAccess } from '../resources/hub-access.ts'
import { decodeHubMessaging } from '../resources/hub-messaging.ts'
import { noRouting } from '../resources/hub-routing.ts'
import { openEmbeddedStore } from '../store/engines/embedded/embedded.ts'
import { openMemoryStore } from '../store/engines/memory.ts'
import { StoreUnavailable } from '../store/store.ts'
import { ManualClock } from '../testing/manual-clock.ts'
import { temporaryDirectory } from '../testing/temporary-directory.ts'
import { ConnectionLog } from './connection-log.ts'
import { encodeDesiredPatch } from './desired.ts'
import { type Device, type DeviceLink, HubDevices } from './hub-devices.ts'
import { acceptOverMqtt, admitOverMqtt } from './mqtt.ts'
import { openSequence } from './sequence.ts'
import { decodeDeviceTopic } from './topics.ts'
import { decodeUserName } from './user-name.ts'

const key = Buffer.from('0123456789abcdef0123456789abcdef').toString('base64')
const hub: IotHub = {
  id: '/subscriptions/s/resourceGroups/rg/providers/Microsoft.Devices/IotHubs/myhub',
  uid: 'u1',
  name: 'myhub',
  hostName: 'myhub.azure-devices.net',
  sku: 'S1',
  policies: [],
  units: 1,
  createdAt: 0,
  events: { partitions: 4, retentionDays: 1 },
  routing: noRouting,
  disableLocalAuth: false,
  disableDeviceSas: false,
  disableModuleSas: false,
  access: decodeHubAccess({}),
  gate: createHubGate(decodeHubAccess({})),
  messaging: decodeHubMessaging({}),
}

/** A hub with device dev1, whose raised events and ended connections are noted. */
async function start({
  raise,
}: {
  readonly raise?: (messages: readonly HubMessage[]) => Promise<void>
} = {}) {
  const clock = new ManualClock()
  const { records, queues } = openMemoryStore()
  const raised: GridEvent[] = []
  const ended: string[] = []
  const listeners: ((...changes: Parameters<HubDevices['changed']>) => void)[] = []
  const registry = await Registry.open({
    ...{ hubUid: hub.uid, records, clock, limits: defaultRegistryLimits },
    log: createLog('silent'),
    sealer: createSealer(Buffer.alloc(32)),
    onChange: (changes) => listeners.forEach((listener) => listener(changes)),
  })
  const devices = new HubDevices({
    hub: () => hub,
    ...{ registry, clock, log: createLog('silent') },
    nextSequenceNumber: await openSequence(records, hub.uid, clock),
    quotas: new HubQuotas({ hub: () => hub, isStrict: false, clock, log: createLog('silent') }),
    connectionStateEvents: 'immediate',
    connectionLog: await ConnectionLog.open({ queues, hubUid: hub.uid, clock, log: createLog('silent') }),
    raise: async (_sourceId, _topicType, events) => {
      raised.push(...events)
    },
    isHeard: () => true,
    areConnectionsRouted: () => false,
    isRouted: () => true,
    route: async (messages) => {
      await raise?.(messages)
      raised.push(...messages.map((message) => encodeTelemetryEvent(hub.id, message)))
    },
    isHubHost: (host) => host === hub.hostName,
    authorities: () => [],
    forget: () => {},
  })
  const linkOf = ({ key: name }: Device): DeviceLink => ({
    takesMethods: true,
    callMethod: () => true,
    tellDesired: () => {},
    end: (text) => void ended.push(`${name}: ${text}`),
  })
  listeners.push((changes) => devices.changed(changes))
  const authentication = { symmetricKey: { primaryKey: key, secondaryKey: key } }
  await registry.create({ deviceId: 'dev1' }, decodeIdentity({ authentication }))
  const admit = (password: string, deviceId = 'dev1') =>
    admitOverMqtt(devices, `${hub.hostName}/${deviceId}/?api-version=2021-04-12`, deviceId, {
      ...{ password: Buffer.from(password), certificates: [] },
    })
  const connect = async () => {
    const device = await admit(signed('myhub.azure-devices.net/devices/dev1'))
    assert(!('kind' in device))
    return device
  }
  const accept = (device: Device, topicName: string, payload = '') =>
    acceptOverMqtt(
      devices,
      device,
      { topicName, payload: Buffer.from(payload), qos: 1, retain: false },
      sessions,
    )
  return { clock, records, registry, devices, raised, ended, admit, connect, linkOf, accept }
}

function signed(sr: string, se = '1893456000'): string {
  const sig = createHmac('sha256', Buffer.from(key, 'base64')).update(`${sr}\n${se}`).digest('base64')
  return `SharedAccessSignature sr=${sr}&sig=${encodeURIComponent(sig)}&se=${se}`
}

const sessions = { send: () => true, listens: () => true, end: () => {} }

test('a token is good however its resource is percent-encoded, and for its own resource alone', async () => {
  const { admit } = await start()
  const good: readonly (readonly [string, string])[] = [
    ['myhub.azure-devices.net%2Fdevices%2Fdev1', 'MLMb9mfGGKt00TL7mIqeMsK%2F9ViHgXLyY2kJs%2FBSm%2FM%3D'],
    ['myhub.azure-devices.net%2fdevices%2fdev1', '1HsygLjwjl%2FC%2B5MkgPBGyzihQepx9Em5hEXZ3o8k7hI%3D'],
    ['myhub.azure-devices.net/devices/dev1', 'HenFdM%2FDE%2BvK7Pk3%2By%2FjZAJe6lpy5tBLFv1x9HbW%2BFs%3D'],
  ]
  for (const [sr, sig] of good) {
    const admitted = await admit(`SharedAccessSignature sr=${sr}&sig=${sig}&se=1893456000`)
    assert(!('kind' in admitted), sr)
    const moved = await admit(`SharedAccessSignature sr=${sr}&sig=${sig}&se=1893456001`)
    assert('kind' in moved && moved.why === 'credentials')
  }
  for (const sr of [
    'myhub.azure-devices.net/devices/dev',
    'myhub.azure-devices.net/devices/dev10',
    'other/devices/dev1',
  ])
    assert('kind' in (await admit(signed(sr))), sr)
  assert(!('kind' in (await admit(signed('MYHUB.azure-devices.net:8883/devices/dev1')))))
  assert('kind' in (await admit(signed('myhub.azure-devices.net/devices/DEV1'))))
})

test('an identity of another kind of authentication takes no token', async () => {
  const { registry, admit } = await start()
  for (const type of ['none', 'certificateAuthority'])
    await registry.create({ deviceId: type }, decodeIdentity({ authentication: { type } }))
  assert('kind' in (await admit(signed('myhub.azure-devices.net/devices/none'), 'none')))
  assert('kind' in (await admit('', 'certificateAuthority')))
})

test('telemetry that cannot be stored is not accepted, and that of one turn is raised together', async () => {
  let isFull = true
  let calls = 0
  const { accept, raised, connect } = await start({
    raise: () => {
      calls++
      return isFull ? Promise.reject(new StoreUnavailable('full', true)) : Promise.resolve()
    },
  })
  const device = await connect()
  await assert.rejects(async () => accept(device, 'devices/dev1/messages/events/'))
  isFull = false
  calls = 0
  const accepted = ['1', '2', '3'].map((text) => accept(device, 'devices/dev1/messages/events/', text))
  assert.equal(new Set(accepted).size, 1)
  await accepted[0]
  assert.deepEqual([raised.length, calls], [3, 1])
})

test('telemetry of one turn is stored, however much of it comes', async (t) => {
  const store = await openEmbeddedStore({ directory: await temporaryDirectory(t), log: createLog('silent') })
  const { streams } = store
  const retention = { ageMs: 1e9, bytes: 1e9 }
  const stream = await streams.open('hub', { partitions: 1, retention })
  const { accept, connect } = await start({
    raise: (messages) =>
      stream.append(messages.map(({ payload }) => ({ partition: 0, at: 1, bytes: payload }))),
  })
  const device = await connect()
  const text = 'x'.repeat(250_000)
  const accepted = Array.from({ length: 300 }, (_, n) =>
    accept(device, 'devices/dev1/messages/events/', `${n} ${text}`),
  )
  for (const each of accepted) await each
  const found = await stream.read(0, 0, 300, 1e9)
  assert.deepEqual(
    found.map(({ bytes }) => Number(bytes.toString('latin1', 0, 4).split(' ')[0])),
    Array.from({ length: 300 }, (_, n) => n),
  )
  await store.close()
})

test('a device that is disabled while it connects is disconnected as soon as it has', async () => {
  const { devices, registry, ended, connect, linkOf } = await start()
  const device = await connect()
  await registry.update({ deviceId: 'dev1' }, decodeIdentity({ status: 'disabled' }), undefined)
  ended.length = 0
  devices.connected(device, linkOf(device))
  await devices.settle()
  assert.deepEqual(ended, ['dev1: The device has been disabled.'])
})

test('a device that is disabled takes its modules with it', async () => {
  const { devices, registry, ended, connect, linkOf } = await start()
  const device = await connect()
  devices.connected(device, linkOf(device))
  const { method, state } = device
  const identity = await registry.create({ deviceId: 'dev1', moduleId: 'm' }, decodeIdentity({}))
  const module: Device = {
    ...{ key: 'dev1/m', name: identity, identity, method, state, expiresAt: undefined, endings: 0 },
    ...{ requests: 0, isEnded: false, link: undefined },
  }
  devices.connected(module, linkOf(module))
  await registry.update({ deviceId: 'dev1' }, decodeIdentity({ status: 'disabled' }), undefined)
  assert.deepEqual(ended, ['dev1: The device has been disabled.', 'dev1/m: The device has been disabled.'])
  await devices.settle()
})

test('a connection of the same identity over another protocol ends the first, and is the one that counts', async () => {
  const { devices, raised, ended, connect, linkOf } = await start()
  const [first, second] = [await connect(), await connect()]
  devices.connected(first, linkOf(first))
  devices.connected(second, linkOf(second))
  assert.deepEqual(ended, ['dev1: Another connection of the same identity has been opened.'])
  // The end of the first comes later, and says nothing of the second.
  devices.disconnected(first)
  assert.equal(devices.connectedDevices, 1)
  await devices.settle()
  assert.deepEqual(
    raised.map(({ type }) => type.replace('Microsoft.Devices.Device', '')),
    ['Connected', 'Disconnected', 'Connected'],
  )
})

test('sequence numbers grow from start to start, whatever the clock says', async () => {
  const { records, clock } = await start()
  const before = (await openSequence(records, 'h', clock))()
  await clock.advance(-3_600_000)
  const next = await openSequence(records, 'h', clock)
  const [first, second] = [next(), next()]
  assert(before < first && first < second)
  for (const number of [before, first, second])
    assert.match(number, /^0{16}[0-9A-F]{16}00000002[0-9A-F]{24}$/)
})

test('a user name says the hub, the identity and the model', () => {
  const decode = (rest: string, clientId = 'dev1') =>
    decodeUserName(`myhub.azure-devices.net${rest}`, clientId)
  for (const rest of ['/dev1', '/dev1/', '/dev1/?api-version=2021-04-12', '/dev1/api-version=2016-11-14'])
    assert.equal(typeof decode(rest), 'object', rest)
  assert.deepEqual(decode('/dev1/m?1/?api-version=1&model-id=dtmi:com:example:Thing;1', 'dev1/m?1'), {
    host: 'myhub.azure-devices.net',
    name: { deviceId: 'dev1', moduleId: 'm?1' },
    modelId: 'dtmi:com:example:Thing;1',
  })
  for (const rest of ['/dev2/?api-version=1', '/dev11/?api-version=1', '/dev1/m/?api-version=1', '/'])
    assert.equal(decode(rest), 'identifier', rest)
  assert.equal(decode(''), 'form')
  const modelOf = (length: number) => decode(`/dev1/?api-version=1&model-id=${'m'.repeat(length)}`)
  assert.equal(typeof modelOf(2_048), 'object')
  assert.equal(modelOf(2_049), 'form')
  assert.equal(decodeUserName(undefined, 'dev1'), 'form')
  assert.equal(decode('/a/b/c/', 'a/b/c'), 'identifier')
})

test("a property bag tells what is the message's own from what is the application's", () => {
  const bag = decodePropertyBag(
    '%24.mid=mid1&$.ct=application%2Fjson&%24.ce=utf-8&Status=Active%20now&a%2Fb=c%26d&prop1&prop2=/',
  )
  assert.deepEqual(bag?.system, {
    ...{ messageId: 'mid1', contentType: 'application/json', contentEncoding: 'utf-8' },
  })
  assert.deepEqual(bag?.properties, { Status: 'Active now', 'a/b': 'c&d', prop1: null, prop2: '' })
  assert.equal(decodePropertyBag('a=%'), undefined)
})

test("topics are a device's own, or of the hub", () => {
  const kind = (topicName: string, moduleId?: string) =>
    decodeDeviceTopic({ deviceId: 'd', moduleId }, topicName)?.kind
  assert.equal(kind('devices/d/messages/events/'), 'telemetry')
  assert.equal(kind('devices/d/messages/events'), 'telemetry')
  assert.equal(kind('devices/d/modules/m/messages/events/a=b', 'm'), 'telemetry')
  assert.equal(kind('$iothub/twin/GET/?$rid=1'), 'twin')
  assert.equal(kind('$iothub/twin/PATCH/properties/reported/?$rid=1&$version=3'), 'reported')
  assert.equal(kind('$iothub/methods/res/-1/?$rid=a'), 'methodAnswer')
  for (const other of [
    ...['devices/d/messages/eventsx', 'devices/d/modules/m/messages/events/', 'devices/D/messages/events/'],
    ...[
      '$iothub/twin/GET/',
      '$iothub/twin/get/?$rid=1',
      '$iothub/methods/res/x/?$rid=1',
      '$iothub/other/?$rid=1',
    ],
  ])
    assert.equal(kind(other), undefined, other)
  assert.equal(kind('devices/d/messages/events/', 'm'), undefined)
})

test('a device is told of the members that a change has named, and of those that are gone', () => {
  const stamp = (version: number) => ({ $lastUpdated: '', $lastUpdatedVersion: version })
  const before = {
    ...{ value: { a: 1, b: { x: 1, y: 1 }, c: 1 }, version: 1 },
    metadata: { a: stamp(1), b: { ...stamp(1), x: stamp(1), y: stamp(1) }, c: stamp(1) },
  }
  const after = {
    ...{ value: { a: 1, b: { x: 2 }, d: { new: [] } }, version: 2 },
    metadata: { a: stamp(1), b: { ...stamp(2), x: stamp(2) }, d: { ...stamp(2), new: stamp(2) } },
  }
  assert.deepEqual(encodeDesiredPatch(before, after), {
    c: null,
    b: { y: null, x: 2 },
    d: { new: [] },
    $version: 2,
  })
})
