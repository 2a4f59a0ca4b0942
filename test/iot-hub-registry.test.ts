import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { EventGridDeserializer, isSystemEvent } from '@azure/eventgrid'
import { hubId, iotHubs } from '../src/testing/iot-hubs.ts'
import { startRecordingWebhook } from '../src/testing/recording-webhook.ts'
import { eventually, startTestServer } from '../src/testing/test-server.ts'

/*
 * The registry of an IoT hub by the official service client.
 */

const server = await startTestServer({ after })
const { createHub, keyOf, connect } = iotHubs(server)
const hostName = await createHub('contoso')
const registry = connect(hostName, 'iothubowner', await keyOf('contoso', 'iothubowner'))
const named = (name: string) => (error: Error) => error.name === name

test('a device is registered, found, changed and removed', async () => {
  const { responseBody: made } = await registry.create({ deviceId: 'dev1' })
  assert.equal(made.status, 'enabled')
  assert.equal(made.connectionState, 'Disconnected')
  assert.equal((made.authentication as { type?: string }).type, 'sas')
  assert.match(String(made.authentication?.symmetricKey?.primaryKey), /^[A-Za-z0-9+/]{43}=$/)
  assert.match(String(made.generationId), /^\d{18}$/)
  assert.equal(made.lastActivityTime, '0001-01-01T00:00:00')
  await assert.rejects(registry.create({ deviceId: 'dev1' }), named('DeviceAlreadyExistsError'))

  const { responseBody: found } = await registry.get('dev1')
  assert.deepEqual(found.authentication, made.authentication)
  assert.equal(found.etag, made.etag)
  const { responseBody: changed } = await registry.update({
    deviceId: 'dev1',
    status: 'disabled',
    statusReason: 'lost',
  })
  assert.deepEqual([changed.status, changed.statusReason], ['disabled', 'lost'])
  assert.notEqual(changed.etag, made.etag)
  assert.deepEqual(changed.authentication, made.authentication)

  const { responseBody: list } = await registry.list()
  assert.deepEqual(
    list.map(({ deviceId }) => deviceId),
    ['dev1'],
  )
  await registry.delete('dev1')
  await assert.rejects(registry.get('dev1'), named('DeviceNotFoundError'))
  await assert.rejects(registry.update({ deviceId: 'dev1', status: 'enabled' }), named('DeviceNotFoundError'))
})

test('the key of one policy is told apart from those of the others', async () => {
  const one = await server.call('POST', `${hubId('contoso')}/IotHubKeys/service/listkeys`)
  assert.equal(one.status, 200)
  assert.deepEqual(one.body, {
    keyName: 'service',
    primaryKey: await keyOf('contoso', 'service'),
    secondaryKey: one.body.secondaryKey,
    rights: 'ServiceConnect',
  })
  assert.equal((await server.call('POST', `${hubId('contoso')}/IotHubKeys/nobody/listkeys`)).status, 404)
})

test('ids with every character that they may have are told apart', async () => {
  const ids = ["a-:.+%_#*?!(),=@;$'b", 'A-:.+', 'a%2Fb']
  for (const deviceId of ids) await registry.create({ deviceId })
  for (const deviceId of ids) assert.equal((await registry.get(deviceId)).responseBody.deviceId, deviceId)
  for (const deviceId of ids) await registry.delete(deviceId)
  await assert.rejects(registry.create({ deviceId: 'a/b' }), named('ArgumentError'))
})

test('twins keep tags and desired properties with the moment and the version of each change', async () => {
  await registry.create({ deviceId: 'twin1' })
  const { responseBody: twin } = await registry.getTwin('twin1')
  assert.deepEqual([twin.etag, (twin as { version?: number }).version], ['AAAAAAAAAAE=', 2])
  const { responseBody: patched } = await registry.updateTwin(
    'twin1',
    {
      tags: { site: 'oslo', floor: { number: 3 } },
      properties: { desired: { interval: 10, mode: { eco: true } } },
    },
    twin.etag,
  )
  assert.deepEqual(patched.tags, { site: 'oslo', floor: { number: 3 } })
  const { $metadata, ...desired } = patched.properties.desired
  assert.deepEqual(desired, { interval: 10, mode: { eco: true }, $version: 2 })
  assert.equal($metadata.$lastUpdatedVersion, 2)
  assert.match($metadata.mode.eco.$lastUpdated, /^\d{4}-.*\.\d{7}Z$/)

  await assert.rejects(
    twin.update({ tags: { site: 'rome' } }),
    named('InvalidEtagError'),
    'its etag is old now',
  )
  const again = await registry.updateTwin(
    'twin1',
    { tags: { floor: null }, properties: { desired: { mode: null } } },
    '*',
  )
  assert.deepEqual(again.responseBody.tags, { site: 'oslo' })
  assert.deepEqual(Object.keys(again.responseBody.properties.desired).toSorted(), [
    '$metadata',
    '$version',
    'interval',
  ])
  assert.equal((again.responseBody as { version?: number }).version, 4)
  await assert.rejects(
    registry.updateTwin('twin1', { tags: { 'a.b': 1 } }, '*'),
    (error: Error) => error.name === 'ArgumentError' && /tags\.a\.b/.test(error.message),
  )
  await assert.rejects(
    registry.updateTwin('twin1', { properties: { desired: { a: 'x'.repeat(4097) } } }, '*'),
    named('ArgumentError'),
  )
  await registry.delete('twin1')
})

test('modules are part of their device and go with it', async () => {
  await registry.create({ deviceId: 'edge', capabilities: { iotEdge: true } })
  await registry.addModule({ deviceId: 'edge', moduleId: 'camera' })
  await registry.addModule({ deviceId: 'edge', moduleId: 'lamp' })
  await assert.rejects(
    registry.addModule({ deviceId: 'edge', moduleId: 'lamp' }),
    named('DeviceAlreadyExistsError'),
  )
  const { responseBody: modules } = await registry.getModulesOnDevice('edge')
  assert.deepEqual(
    modules.map(({ moduleId }) => moduleId),
    ['camera', 'lamp'],
  )
  await registry.updateModuleTwin('edge', 'lamp', { properties: { desired: { on: true } } }, '*')
  const { responseBody: twin } = await registry.getModuleTwin('edge', 'lamp')
  assert.equal(twin.properties.desired.on, true)
  await registry.removeModule('edge', 'camera')
  await registry.delete('edge')
  await assert.rejects(registry.getModule('edge', 'lamp'), named('DeviceNotFoundError'))
})

test('many devices are registered at once, each for itself, and queries find them page by page', async () => {
  const devices = Array.from({ length: 90 }, (_, n) => ({ deviceId: `many-${String(n).padStart(2, '0')}` }))
  const { responseBody: result } = await registry.addDevices(devices)
  assert.deepEqual(result, { isSuccessful: true, errors: [], warnings: [] })
  const again = await registry
    .addDevices([{ deviceId: 'many-00' }, { deviceId: 'many-90' }])
    .catch((error: Error) => error)
  assert(again instanceof Error)
  assert.equal(
    (await registry.get('many-90')).responseBody.deviceId,
    'many-90',
    'the others are registered all the same',
  )
  await registry.updateTwin('many-07', { tags: { site: 'oslo' } }, '*')

  const query = registry.createQuery('SELECT * FROM devices', 40)
  const seen: string[] = []
  while (query.hasMoreResults) {
    const { result: page } = await query.nextAsTwin()
    assert(page.length <= 40)
    seen.push(...page.map(({ deviceId }) => deviceId))
  }
  assert.deepEqual(
    seen,
    Array.from({ length: 91 }, (_, n) => `many-${String(n).padStart(2, '0')}`),
  )

  const few = registry.createQuery("SELECT * FROM devices WHERE tags.site = 'oslo'", 1)
  const { result: found } = await few.nextAsTwin()
  assert.deepEqual([found.length, found[0]?.deviceId, few.hasMoreResults], [1, 'many-07', false])
  const counted = registry.createQuery('SELECT status AS s, COUNT() AS n FROM devices GROUP BY status')
  assert.deepEqual((await counted.next()).result, [{ s: 'enabled', n: 91 }])
  await assert.rejects(registry.createQuery('SELECT everything').next(), named('ArgumentError'))

  const { responseBody: statistics } = await registry.getRegistryStatistics()
  assert.deepEqual(statistics, { totalDeviceCount: 91, enabledDeviceCount: 91, disabledDeviceCount: 0 })
  const gone = await registry.removeDevices([...devices, { deviceId: 'many-90' }] as never, true)
  assert.equal(gone.responseBody.isSuccessful, true)
})

test('a policy lets its holder do what its rights say, and a wrong or expired key nothing', async () => {
  const reader = connect(hostName, 'registryRead', await keyOf('contoso', 'registryRead'))
  await reader.list()
  await assert.rejects(reader.create({ deviceId: 'x' }), named('UnauthorizedError'))
  await assert.rejects(reader.getTwin('x'), named('UnauthorizedError'))
  const wrong = connect(hostName, 'iothubowner', await keyOf('contoso', 'service'))
  await assert.rejects(wrong.list(), named('UnauthorizedError'))
  const nobody = connect(hostName, 'nobody', await keyOf('contoso', 'service'))
  await assert.rejects(nobody.list(), named('UnauthorizedError'))
})

test('devices that come and go raise events that the official client knows', async (t) => {
  const hook = await startRecordingWebhook(t)
  const id = `${hubId('contoso')}/providers/Microsoft.EventGrid/eventSubscriptions/lives`
  await server.call('PUT', id, {
    properties: { destination: { endpointType: 'WebHook', properties: { endpointUrl: hook.url } } },
  })
  await eventually(
    async () => (await server.call('GET', id)).body.properties.provisioningState === 'Succeeded',
  )
  await registry.create({ deviceId: 'Born' })
  await registry.addModule({ deviceId: 'Born', moduleId: 'untold' })
  await registry.update({ deviceId: 'Born', status: 'disabled' })
  await registry.updateTwin('Born', { tags: { site: 'oslo' }, properties: { desired: { a: 1 } } }, '*')
  await registry.delete('Born')
  await hook.until(2)
  const events = hook.received.flatMap(({ body }) => body as Record<string, never>[])
  assert.deepEqual(
    events.map(({ eventType, topic, subject, dataVersion, metadataVersion }) => [
      ...[eventType, topic, subject, dataVersion, metadataVersion],
    ]),
    ['Created', 'Deleted'].map((what) => [
      `Microsoft.Devices.Device${what}`,
      hubId('contoso').toUpperCase(),
      ...['devices/Born', '1', '1'],
    ]),
  )
  const [created, deleted] = await new EventGridDeserializer().deserializeEventGridEvents(
    JSON.stringify(events),
  )
  assert(created && isSystemEvent('Microsoft.Devices.DeviceCreated', created))
  assert.equal(created.data.hubName, 'contoso')
  assert.equal((created.data.twin as { deviceEtag?: string }).deviceEtag, 'null')
  assert.equal(created.data.twin.etag, 'AAAAAAAAAAE=')
  assert.equal(created.data.twin.version, 2)
  assert(deleted && isSystemEvent('Microsoft.Devices.DeviceDeleted', deleted))
  assert.equal(deleted.data.twin.status, 'disabled')
  assert.equal((deleted.data.twin.properties.desired as unknown as Record<string, unknown>).a, 1)
})

test('a registry is there again after a restart, and gone with its hub', async () => {
  await registry.create({ deviceId: 'kept' })
  const { responseBody: before } = await registry.get('kept')
  await server.restart()
  const key = await keyOf('contoso', 'iothubowner')
  assert.deepEqual((await connect(hostName, 'iothubowner', key).get('kept')).responseBody, before)
  assert.equal((await server.call('DELETE', hubId('contoso'))).status, 202)
  await eventually(async () => (await server.call('GET', hubId('contoso'))).status === 404)
  await createHub('contoso')
  const fresh = connect(hostName, 'iothubowner', await keyOf('contoso', 'iothubowner'))
  await assert.rejects(fresh.get('kept'), named('DeviceNotFoundError'))
  assert.equal((await fresh.getRegistryStatistics()).responseBody.totalDeviceCount, 0)
})

test('where two hubs are, each answers to its own host name and localhost means neither', async () => {
  const other = await createHub('fabrikam')
  const mine = connect(hostName, 'iothubowner', await keyOf('contoso', 'iothubowner'))
  const theirs = connect(other, 'iothubowner', await keyOf('fabrikam', 'iothubowner'))
  await mine.create({ deviceId: 'only-here' })
  await assert.rejects(theirs.get('only-here'), named('DeviceNotFoundError'))
  const local = connect('localhost', 'iothubowner', await keyOf('fabrikam', 'iothubowner'))
  await assert.rejects(local.get('only-here'))
  await server.call('DELETE', hubId('fabrikam'))
  await eventually(async () => (await server.call('GET', hubId('fabrikam'))).status === 404)
  const alone = connect('localhost', 'iothubowner', await keyOf('contoso', 'iothubowner'))
  assert.equal((await alone.get('only-here')).responseBody.deviceId, 'only-here')
})

test('who waits for a hub to be made asks for the operation by the version of the hub', async (t) => {
  const made = await server.call('PUT', hubId('polled'), {
    location: 'westus2',
    sku: { name: 'S1', capacity: 1 },
    properties: {},
  })
  t.after(() => server.call('DELETE', hubId('polled')))
  const operation = made.headers.get('azure-asyncoperation') ?? ''
  assert.match(operation, /\/providers\/Microsoft\.Devices\/locations\/westus2\/operationsStatus\//)
  const answer = await fetch(operation)
  assert.equal(answer.status, 200)
  assert.equal(((await answer.json()) as { status?: string }).status, 'Succeeded')
})
