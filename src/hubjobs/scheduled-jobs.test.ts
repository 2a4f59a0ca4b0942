import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLog } from '../base/log.ts'
import { createSealer } from '../base/sealer.ts'
import { createHubGate } from '../catalog/hub-gate.ts'
import type { IotHub } from '../catalog/iot-hub.ts'
import type { MethodAnswer } from '../hubmessage/method.ts'
import { absent } from '../registry/encode.ts'
import { HubError } from '../registry/errors.ts'
import { decodeIdentity } from '../registry/identity.ts'
import { defaultRegistryLimits } from '../registry/limits.ts'
import { Registry } from '../registry/registry.ts'
import { decodeHubAccess } from '../resources/hub-access.ts'
import { decodeHubMessaging } from '../resources/hub-messaging.ts'
import { noRouting } from '../resources/hub-routing.ts'
import { openMemoryStore } from '../store/engines/memory.ts'
import { ManualClock } from '../testing/manual-clock.ts'
import { eventually } from '../testing/test-server.ts'
import { decodeJob } from './scheduled-job.ts'
import { ScheduledJobs } from './scheduled-jobs.ts'

const hub: IotHub = {
  id: '/subscriptions/s/resourceGroups/rg/providers/Microsoft.Devices/IotHubs/myhub',
  uid: 'u1',
  name: 'myhub',
  hostName: 'myhub.azure-devices.net',
  sku: 'S2',
  units: 1,
  createdAt: 0,
  events: { partitions: 4, retentionDays: 1 },
  policies: [],
  routing: noRouting,
  disableLocalAuth: false,
  disableDeviceSas: false,
  disableModuleSas: false,
  access: decodeHubAccess({}),
  gate: createHubGate(decodeHubAccess({})),
  messaging: decodeHubMessaging({}),
}
const dayMs = 24 * 3_600_000

/** A hub with so many devices, whose jobs call `invoke`. */
async function start(devices: number, invoke: (deviceId: string) => Promise<MethodAnswer>) {
  const clock = new ManualClock()
  const { records } = openMemoryStore()
  const log = createLog('silent')
  const registry = await Registry.open({
    ...{ hubUid: hub.uid, records, clock, log, limits: defaultRegistryLimits },
    sealer: createSealer(Buffer.alloc(32)),
    onChange: () => {},
  })
  const ids = Array.from({ length: devices }, (_, n) => `dev-${String(n).padStart(4, '0')}`)
  await Promise.all(ids.map((deviceId) => registry.create({ deviceId }, decodeIdentity({}))))
  const open = () =>
    ScheduledJobs.open({
      ...{ registry, records, clock, log },
      hub: () => hub,
      presenceOf: () => absent,
      invoke: ({ deviceId }) => invoke(deviceId),
    })
  const call = { method: 'm', payload: null, responseMs: 30_000, connectMs: 0 }
  const request = decodeJob({ type: 'scheduleDeviceMethod', cloudToDeviceMethod: {} }, 'j', () => call)
  return { clock, records, open, request }
}

const statusOf = async (jobs: ScheduledJobs, id: string) => (await jobs.get(id)).status
const statistics = async (jobs: ScheduledJobs, id: string) =>
  (await jobs.get(id)).deviceJobStatistics as Readonly<Record<string, number>>

test('a job calls a hundred devices at a time, and a slow one does not hold up the others', async (t) => {
  let most = 0
  let now = 0
  const slow = Promise.withResolvers<MethodAnswer>()
  const { open, request } = await start(1_200, async (deviceId) => {
    most = Math.max(most, ++now)
    try {
      return await (deviceId === 'dev-0000' ? slow.promise : Promise.resolve({ status: 200, payload: null }))
    } finally {
      now--
    }
  })
  const jobs = await open()
  t.after(() => jobs.close())
  await jobs.schedule('j', request)
  await eventually(async () => (await statistics(jobs, 'j')).succeededCount === 1_199)
  assert.equal(await statusOf(jobs, 'j'), 'running')
  assert(most <= 100)
  slow.resolve({ status: 200, payload: null })
  await eventually(async () => (await statusOf(jobs, 'j')) === 'completed')
})

test('what had ended before the process did is not done again', async (t) => {
  const calls = new Map<string, number>()
  let isStuck = true
  const { open, request } = await start(300, (deviceId) => {
    calls.set(deviceId, (calls.get(deviceId) ?? 0) + 1)
    if (isStuck && calls.size > 150) return new Promise(() => {})
    if (deviceId === 'dev-0001') return Promise.reject(new HubError('DeviceNotOnline', 'away'))
    return Promise.resolve({ status: 200, payload: null })
  })
  const first = await open()
  await first.schedule('j', request)
  await eventually(async () => {
    const { succeededCount = 0, failedCount = 0 } = await statistics(first, 'j')
    return succeededCount + failedCount === 150 && calls.size === 250
  })
  await first.close()
  isStuck = false
  const second = await open()
  t.after(() => second.close())
  await eventually(async () => (await statusOf(second, 'j')) === 'completed')
  const { succeededCount, failedCount, deviceCount } = await statistics(second, 'j')
  assert.deepEqual([succeededCount, failedCount, deviceCount], [299, 1, 300])
  assert.deepEqual([calls.get('dev-0000'), calls.get('dev-0001'), calls.size], [1, 1, 300])
  const again = [...calls.values()].filter((times) => times > 1).length
  assert.equal(again, 100, 'those that nobody had an answer from')
})

test('a job is forgotten thirty days after its end, with all that it says of devices', async (t) => {
  const { open, request, clock, records } = await start(3, async () => ({ status: 200, payload: null }))
  const jobs = await open()
  t.after(() => jobs.close())
  await jobs.schedule('j', request)
  await eventually(async () => (await statusOf(jobs, 'j')) === 'completed')
  await clock.advance(29 * dayMs)
  assert.equal(await statusOf(jobs, 'j'), 'completed')
  await clock.advance(2 * dayMs)
  await eventually(async () => (await records.list('hub/u1/job')).length === 0)
  await assert.rejects(jobs.get('j'), { code: 'JobNotFound' })
})

test('a hub has a thousand jobs that have not ended', async (t) => {
  const { open, request, clock } = await start(0, async () => ({ status: 200, payload: null }))
  const jobs = await open()
  t.after(() => jobs.close())
  const later = { ...request, startAt: clock.now() + dayMs }
  for (let n = 0; n < 1_000; n++) await jobs.schedule(`j${n}`, later)
  await assert.rejects(jobs.schedule('more', later), { code: 'JobQuotaExceeded' })
})
