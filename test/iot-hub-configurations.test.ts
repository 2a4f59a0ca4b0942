import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type iothub from 'azure-iothub'
import { testDevices, tokenOf } from '../src/testing/iot-devices.ts'
import { hubId, iotHubs } from '../src/testing/iot-hubs.ts'
import { eventually, startTestServer } from '../src/testing/test-server.ts'

/*
 * Automatic device management of an IoT hub by the official service client.
 */

const server = await startTestServer({ after })
const { createHub, keyOf, connect } = iotHubs(server)
const hostName = await createHub('contoso')
const registryOf = async () => connect(hostName, 'iothubowner', await keyOf('contoso', 'iothubowner'))
let registry = await registryOf()
const named = (name: string) => (error: Error) => error.name === name
const saying = (text: RegExp) => (error: Error & { responseBody?: string }) =>
  text.test(`${error.message} ${error.responseBody}`)

const configuration = (
  id: string,
  targetCondition: string,
  deviceContent: object,
  more: Partial<iothub.Configuration> = {},
): iothub.Configuration =>
  ({
    ...{ id, schemaVersion: '1.0', labels: {}, targetCondition, priority: 0 },
    content: { deviceContent },
    ...more,
  }) as iothub.Configuration

const found = async (id: string) => (await registry.getConfiguration(id)).responseBody
const desiredOf = async (deviceId: string) => {
  const { desired } = (await registry.getTwin(deviceId)).responseBody.properties
  const own = Object.entries(desired as Record<string, unknown>).filter(([name]) => !name.startsWith('$'))
  return Object.fromEntries(own)
}
const eventuallyDesired = (deviceId: string, desired: object) =>
  eventually(async () => JSON.stringify(await desiredOf(deviceId)) === JSON.stringify(desired))
const deviceIds = async (where: string) => {
  const { result } = await registry.createQuery(`SELECT deviceId FROM devices WHERE ${where}`).next()
  return (result as { deviceId: string }[]).map(({ deviceId }) => deviceId)
}

async function register(deviceId: string, tags: object = {}) {
  await registry.create({ deviceId })
  await registry.updateTwin(deviceId, { tags }, '*')
}

test('a configuration is laid on every device that its condition matches, and says on how many', async () => {
  await register('fan1', { site: 'oslo' })
  await register('fan2', { site: 'oslo' })
  await register('fan3', { site: 'rome' })
  const { responseBody: made } = await registry.addConfiguration(
    configuration('fans', "tags.site = 'oslo'", {
      'properties.desired.fan': { speed: 2, mode: { eco: true } },
    }),
  )
  assert.equal(made.etag, 'MQ==')
  await eventually(async () => (await found('fans')).systemMetrics?.results?.appliedCount === 2)
  assert.deepEqual(await desiredOf('fan1'), { fan: { speed: 2, mode: { eco: true } } })
  assert.deepEqual(await desiredOf('fan3'), {})
  const { systemMetrics } = await found('fans')
  assert.equal(systemMetrics?.results?.targetedCount, 2)
  const { result } = await registry.createQuery(systemMetrics?.queries?.appliedCount as string).next()
  assert.deepEqual(result, [{ deviceId: 'fan1' }, { deviceId: 'fan2' }])
  assert.deepEqual(await deviceIds("configurations.[[fans]].status = 'Applied'"), ['fan1', 'fan2'])
  const { responseBody: twin } = await registry.getTwin('fan1')
  assert.deepEqual((twin as { configurations?: unknown }).configurations, { fans: { status: 'Applied' } })
})

test('a device that comes to match, or ceases to, is followed in the same change', async () => {
  const { responseBody } = await registry.updateTwin('fan3', { tags: { site: 'oslo' } }, '*')
  assert.deepEqual(responseBody.properties.desired.fan, { speed: 2, mode: { eco: true } })
  assert.equal((await found('fans')).systemMetrics?.results?.appliedCount, 3)
  await registry.updateTwin('fan3', { tags: { site: 'rome' } }, '*')
  assert.equal((await found('fans')).systemMetrics?.results?.targetedCount, 2)
  assert.deepEqual(await desiredOf('fan3'), { fan: { speed: 2, mode: { eco: true } } }, 'what was set stays')
  const { responseBody: held } = await registry.updateTwin(
    'fan1',
    { properties: { desired: { fan: { speed: 9 }, own: 1 } } },
    '*',
  )
  assert.deepEqual(held.properties.desired.fan, { speed: 2, mode: { eco: true } }, 'others do not change it')
  assert.equal(held.properties.desired.own, 1)
})

test('the higher priority wins where two set the same, and what is left takes its place again', async () => {
  await registry.addConfiguration(
    configuration('fast', "deviceId = 'fan2'", { 'properties.desired.fan.speed': 5 }, { priority: 10 }),
  )
  await eventuallyDesired('fan2', { fan: { speed: 5, mode: { eco: true } } })
  await registry.addConfiguration(
    configuration('all', '*', { 'properties.desired.fan': { speed: 7 } }, { priority: 20 }),
  )
  await eventuallyDesired('fan2', { fan: { speed: 7 } })
  await eventually(async () => (await found('all')).systemMetrics?.results?.appliedCount === 3)
  const fans = (await found('fans')).systemMetrics?.results
  assert.deepEqual([fans?.targetedCount, fans?.appliedCount], [2, 0], 'targeted, and beaten')
  await registry.removeConfiguration('all')
  await eventuallyDesired('fan2', { fan: { speed: 5, mode: { eco: true } } })
  await eventually(async () => (await found('fans')).systemMetrics?.results?.appliedCount === 2)
  assert.deepEqual(await desiredOf('fan3'), { fan: { speed: 7 } }, 'nobody else wants anything there')
  await assert.rejects(registry.getConfiguration('all'), saying(/all|Not found/i))
})

test('of two with the same priority the one that was made later wins', async () => {
  await register('lamp')
  for (const [id, level] of [
    ['lamp-b', 1],
    ['lamp-a', 2],
  ] as const)
    await registry.addConfiguration(
      configuration(id, "deviceId = 'lamp'", { 'properties.desired.level': level }),
    )
  await eventuallyDesired('lamp', { level: 2 })
})

test('what a connected device is told of is one patch, with what the service and a configuration have changed', async (t) => {
  const { newDevice, openDevice } = testDevices(server, hostName, registry)
  const key = await newDevice(t, 'told')
  await registry.addConfiguration(
    configuration('telling', "tags.told = 'yes'", { 'properties.desired.limit': 3 }),
  )
  const client = await openDevice(t, 'told', key)
  const twin = await client.getTwin()
  const patches: Record<string, unknown>[] = []
  twin.on('properties.desired', (patch: Record<string, unknown>) => patches.push(patch))
  await eventually(() => patches.length === 1)
  await registry.updateTwin('told', { tags: { told: 'yes' }, properties: { desired: { own: true } } }, '*')
  await eventually(() => patches.length === 2)
  assert.deepEqual(patches[1], { own: true, limit: 3, $version: 2 })
  await registry.removeConfiguration('telling')
})

test('a condition may ask for what devices report, and custom metrics count what their queries find', async () => {
  await registry.addConfiguration(
    configuration(
      'metered',
      '*',
      {},
      {
        content: { deviceContent: { 'properties.desired.metered': true } },
        metrics: {
          queries: {
            oslo: "SELECT deviceId FROM devices WHERE tags.site = 'oslo'",
            hot: 'SELECT deviceId FROM devices WHERE properties.reported.hot = true',
          },
        },
      },
    ),
  )
  const { metrics } = await found('metered')
  assert.deepEqual(metrics?.results, { oslo: 2, hot: 0 })
  await eventually(
    async () =>
      (await found('metered')).systemMetrics?.results?.appliedCount ===
      (await registry.getRegistryStatistics()).responseBody.totalDeviceCount,
  )
  await registry.removeConfiguration('metered')
})

test('content stays as it was made; all else changes for whoever has the etag', async () => {
  const { responseBody: first } = await registry.addConfiguration(
    configuration('kept', "tags.site = 'nowhere'", { 'properties.desired.kept': 1 }),
  )
  await assert.rejects(
    registry.addConfiguration(configuration('kept', '*', { 'properties.desired.kept': 1 })),
    named('DeviceAlreadyExistsError'),
  )
  const { responseBody: second } = await registry.updateConfiguration({
    ...first,
    labels: { env: 'test' },
    targetCondition: "tags.site = 'rome'",
    priority: 3,
  })
  assert.deepEqual([second.etag, second.labels, second.priority], ['Mg==', { env: 'test' }, 3])
  await eventually(async () => (await desiredOf('fan3')).kept === 1)
  await assert.rejects(registry.updateConfiguration(first), named('InvalidEtagError'))
  await registry.updateConfiguration({ ...first, labels: { env: 'forced' } }, true)
  await assert.rejects(
    registry.updateConfiguration(
      { ...second, content: { deviceContent: { 'properties.desired.kept': 2 } } },
      true,
    ),
    saying(/CannotModifyImmutableConfigurationContent/),
  )
  const { responseBody: all } = await registry.getConfigurations()
  assert.deepEqual(
    all.map(({ id }) => id),
    ['fans', 'fast', 'kept', 'lamp-a', 'lamp-b'],
  )
})

test('what cannot be laid on anything is refused by its name', async () => {
  const cases: readonly [iothub.Configuration, RegExp][] = [
    [
      configuration('bad', 'tags.site = ', { 'properties.desired.a': 1 }),
      /InvalidConfigurationTargetCondition/,
    ],
    [configuration('bad', "connectionState = 'Connected'", { 'properties.desired.a': 1 }), /connectionState/],
    [configuration('bad', 'properties.desired.a = 1', { 'properties.desired.a': 1 }), /'properties'/],
    [configuration('bad', '*', { 'properties.reported.a': 1 }), /InvalidConfigurationContent/],
    [
      configuration('bad', '*', {}, { content: { modulesContent: { m: { 'properties.desired': {} } } } }),
      /IoT Edge/,
    ],
    [
      configuration('bad', '*', { 'properties.desired.a': 1 }, { metrics: { queries: { m: 'SELECT' } } }),
      /InvalidConfigurationCustomMetricsQuery/,
    ],
    [configuration('Bad', '*', { 'properties.desired.a': 1 }), /lower-case/],
  ]
  for (const [bad, text] of cases)
    await assert.rejects(registry.addConfiguration(bad), saying(text), String(text))
  // The official client has no method for it.
  const authorization = tokenOf(hostName, await keyOf('contoso', 'registryRead'), { policy: 'registryRead' })
  const tested = await fetch(`${server.http}/configurations/testQueries?api-version=2021-04-12`, {
    method: 'POST',
    headers: { authorization },
    body: JSON.stringify({
      targetCondition: 'tags.site =',
      customMetricQueries: { good: 'SELECT deviceId FROM devices', bad: 'SELECT' },
    }),
  })
  const { targetConditionError, customMetricQueryErrors } = (await tested.json()) as Record<string, object>
  assert.match(JSON.stringify(targetConditionError), /Expected a value/)
  assert.deepEqual(Object.keys(customMetricQueryErrors as object), ['bad'])
})

test('modules are configured by a condition of their own', async () => {
  await registry.addModule({ deviceId: 'fan1', moduleId: 'camera' })
  await registry.addConfiguration(
    configuration(
      'cameras',
      "FROM devices.modules WHERE moduleId = 'camera'",
      {},
      {
        content: { moduleContent: { 'properties.desired.zoom': 4 } },
      },
    ),
  )
  await eventually(async () => (await found('cameras')).systemMetrics?.results?.appliedCount === 1)
  assert.equal((await registry.getModuleTwin('fan1', 'camera')).responseBody.properties.desired.zoom, 4)
  const { responseBody } = await registry.getTwin('fan1')
  assert.equal(responseBody.properties.desired.zoom, undefined)
  await registry.removeConfiguration('cameras')
})

test('content is laid on one device of IoT Edge and its modules, which are registered with it', async () => {
  await registry.create({ deviceId: 'edge', capabilities: { iotEdge: true } })
  await registry.applyConfigurationContentOnDevice('edge', {
    deviceContent: { 'properties.desired.own': 1 },
    modulesContent: {
      $edgeAgent: {
        'properties.desired': { schemaVersion: '1.1', modules: { tempSensor: { type: 'docker' } } },
      },
      tempSensor: { 'properties.desired.interval': 5 },
    },
  })
  assert.equal((await desiredOf('edge')).own, 1)
  const { responseBody: agent } = await registry.getModuleTwin('edge', '$edgeAgent')
  assert.deepEqual(agent.properties.desired.modules, { tempSensor: { type: 'docker' } })
  assert.equal(
    (await registry.getModuleTwin('edge', 'tempSensor')).responseBody.properties.desired.interval,
    5,
  )
  assert.equal((await registry.getModule('edge', 'tempSensor')).responseBody.managedBy, 'IotEdge')
  await assert.rejects(
    registry.applyConfigurationContentOnDevice('fan1', {
      modulesContent: { m: { 'properties.desired': {} } },
    }),
    saying(/IoT Edge/),
  )
  await registry.delete('edge')
})

test('a configuration holds after a restart, and one that was being applied is applied to the last device', async () => {
  const devices = Array.from({ length: 600 }, (_, n) => ({ deviceId: `many-${String(n).padStart(3, '0')}` }))
  for (let at = 0; at < devices.length; at += 100) await registry.addDevices(devices.slice(at, at + 100))
  await registry.addConfiguration(
    configuration('late', "STARTS_WITH(deviceId, 'many')", {
      'properties.desired.late': true,
    }),
  )
  await server.restart()
  registry = await registryOf()
  await eventually(async () => (await found('late')).systemMetrics?.results?.appliedCount === 600)
  assert.deepEqual(await desiredOf('many-599'), { late: true })
  assert.equal((await found('fans')).systemMetrics?.results?.appliedCount, 2)
})

test('a hub of the free tier has ten configurations', async () => {
  const made = await server.call('PUT', hubId('freehub'), {
    ...{ location: 'westus2', sku: { name: 'F1', capacity: 1 }, properties: {} },
  })
  assert.equal(made.status, 201)
  const free = connect('freehub.azure-devices.net', 'iothubowner', await keyOf('freehub', 'iothubowner'))
  for (let n = 0; n < 10; n++)
    await free.addConfiguration(configuration(`c${n}`, '*', { 'properties.desired.a': n }))
  await assert.rejects(
    free.addConfiguration(configuration('c10', '*', { 'properties.desired.a': 1 })),
    saying(/ConfigurationCountLimitExceeded|at most 10/),
  )
  const { responseBody } = await free.getConfigurations()
  assert.equal(responseBody.length, 10)
})
