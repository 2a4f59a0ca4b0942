import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, test } from 'node:test'
import { ContainerSASPermissions } from '@azure/storage-blob'
import { startAzurite } from '../src/testing/azurite.ts'
import { closeAfter } from '../src/testing/close-after.ts'
import { testDevices } from '../src/testing/iot-devices.ts'
import { hubId, iotHubs } from '../src/testing/iot-hubs.ts'
import { ManualClock } from '../src/testing/manual-clock.ts'
import { startRecordingWebhook } from '../src/testing/recording-webhook.ts'
import { eventually, startTestServer } from '../src/testing/test-server.ts'

/*
 * Jobs of an IoT hub by the official service client: twins and methods of many devices, imports and exports.
 */

const server = await startTestServer({ after })
const { createHub, keyOf, connect, connectJobs } = iotHubs(server)
const hostName = await createHub('contoso')
const clients = async () => {
  const key = await keyOf('contoso', 'iothubowner')
  return {
    registry: connect(hostName, 'iothubowner', key),
    jobs: connectJobs(hostName, 'iothubowner', key),
  }
}
let { registry, jobs } = await clients()
const named = (name: string) => (error: Error) => error.name === name
const saying = (text: RegExp) => (error: Error & { responseBody?: string }) =>
  text.test(`${error.message} ${error.responseBody}`)

interface Status {
  readonly jobId: string
  readonly status: string
  readonly failureReason?: string
  readonly deviceJobStatistics: Readonly<Record<string, number>>
}

/** What the types of the client leave out. */
interface TransferStatus {
  readonly jobId?: string
  readonly status?: string
}

const statusOf = async (id: string, of = jobs) => (await of.getJob(id)).jobStatus as Status
const ended = async (id: string, of = jobs): Promise<Status> => {
  let found: Status | undefined
  await eventually(async () => {
    found = await statusOf(id, of)
    return ['completed', 'failed', 'cancelled'].includes(found.status)
  })
  return found as Status
}
const deviceJobs = async (where: string, size = 100) => {
  const query = registry.createQuery(`SELECT * FROM devices.jobs WHERE ${where}`, size)
  const found: Record<string, unknown>[] = []
  let token: string | undefined
  do {
    const { result, message } = (await query.next(token as string)) as unknown as {
      result: Record<string, unknown>[]
      message: { headers: Record<string, string> }
    }
    assert.equal(message.headers['x-ms-item-type'], 'DeviceJob')
    assert(result.length <= size)
    found.push(...result)
    token = message.headers['x-ms-continuation']
  } while (token !== undefined)
  return found
}

const many = Array.from({ length: 30 }, (_, n) => `job-${String(n).padStart(2, '0')}`)
await registry.addDevices(many.map((deviceId) => ({ deviceId })))

test('a job changes the twins of all devices that its condition matches, and says what became of each', async () => {
  const { jobStatus } = await jobs.scheduleTwinUpdate('twins', "STARTS_WITH(deviceId, 'job-')", {
    tags: { site: 'oslo' },
    properties: { desired: { speed: 3 } },
    etag: '*',
  })
  assert.equal((jobStatus as Status).jobId, 'twins')
  const done = await ended('twins')
  assert.equal(done.status, 'completed')
  assert.deepEqual(done.deviceJobStatistics, {
    ...{ deviceCount: 30, failedCount: 0, succeededCount: 30, runningCount: 0, pendingCount: 0 },
  })
  const { responseBody } = await registry.getTwin('job-29')
  assert.deepEqual([responseBody.tags.site, responseBody.properties.desired.speed], ['oslo', 3])

  const found = await deviceJobs("devices.jobs.jobId = 'twins'", 12)
  assert.deepEqual(
    found.map(({ deviceId }) => deviceId),
    many,
  )
  const { jobType, status, outcome } = found[0] as Record<string, unknown>
  assert.deepEqual(
    [jobType, status, outcome],
    ['scheduleUpdateTwin', 'completed', { deviceMethodResponse: null }],
  )
  const ofOne = await deviceJobs("devices.jobs.deviceId = 'job-03' AND devices.jobs.status = 'completed'")
  assert.equal(ofOne.length, 1)
})

test('a job calls a method on devices, and tells the answer of each and why there is none', async (t) => {
  const { newDevice, openDevice } = testDevices(server, hostName, registry)
  const client = await openDevice(t, 'answers', await newDevice(t, 'answers'))
  client.onDeviceMethod('reboot', (request, response) =>
    response.send(202, { after: request.payload.delay }, () => {}),
  )
  await registry.create({ deviceId: 'offline' })
  t.after(() => registry.delete('offline'))
  await eventually(async () => {
    // It listens a moment after it has asked to.
    await jobs.scheduleDeviceMethod(`reboot-${(count += 1)}`, "deviceId IN ['answers', 'offline']", {
      methodName: 'reboot',
      payload: { delay: 5 },
      responseTimeoutInSeconds: 10,
    })
    return (await ended(`reboot-${count}`)).deviceJobStatistics.succeededCount === 1
  })
  const { deviceJobStatistics, status } = await statusOf(`reboot-${count}`)
  assert.equal(status, 'completed')
  assert.deepEqual([deviceJobStatistics.deviceCount, deviceJobStatistics.failedCount], [2, 1])
  const [answered, failed] = await deviceJobs(`devices.jobs.jobId = 'reboot-${count}'`)
  assert.deepEqual(answered?.outcome, { deviceMethodResponse: { status: 202, payload: { after: 5 } } })
  assert.equal(failed?.status, 'failed')
  const { code } = (failed?.error ?? {}) as { readonly code?: string }
  assert.equal(code, 'DeviceNotOnline')
})
let count = 0

test('jobs are listed page by page, by their type and status', async () => {
  const query = jobs.createQuery('scheduleUpdateTwin', 'finished', 1)
  const { result } = (await query.next()) as unknown as { result: Status[] }
  assert.deepEqual(
    result.map(({ jobId }) => jobId),
    ['twins'],
  )
  assert.equal(query.hasMoreResults, false)
  const all = jobs.createQuery(undefined, undefined, 1)
  const { result: first } = (await all.next()) as unknown as { result: Status[] }
  assert.deepEqual([first.length, all.hasMoreResults], [1, true])
})

test('a job of the future waits, and what is cancelled never happens', async () => {
  const tomorrow = new Date(Date.now() + 24 * 3_600_000)
  const { jobStatus } = await jobs.scheduleTwinUpdate('future', '*', { tags: { never: true } }, tomorrow, 60)
  assert.equal((jobStatus as Status).status, 'scheduled')
  const { jobStatus: cancelled } = await jobs.cancelJob('future')
  assert.equal((cancelled as Status).status, 'cancelled')
  await assert.rejects(jobs.cancelJob('future'), named('ArgumentError'))
  assert.equal((await registry.getTwin('job-00')).responseBody.tags.never, undefined)
})

test('what cannot be done is refused, each by its name', async () => {
  await assert.rejects(jobs.scheduleTwinUpdate('twins', '*', { tags: {} }), named('DeviceAlreadyExistsError'))
  await assert.rejects(
    jobs.scheduleTwinUpdate('bad', 'deviceId =', { tags: { a: 1 } }),
    saying(/queryCondition/),
  )
  await assert.rejects(jobs.scheduleTwinUpdate('bad', '*', {}), saying(/updateTwin/))
  await assert.rejects(
    jobs.scheduleDeviceMethod('bad', '*', { methodName: 'a b', responseTimeoutInSeconds: 10 }),
    saying(/methodName/),
  )
  await assert.rejects(jobs.getJob('nobody'), saying(/nobody|Not found/))
})

test('a restart in the middle goes on where the job was, and devices have a while to come back', async (t) => {
  const { newDevice, openDevice } = testDevices(server, hostName, registry)
  const key = await newDevice(t, 'returning')
  const silent = await openDevice(t, 'returning', key)
  let calls = 0
  silent.onDeviceMethod('slow', () => {
    calls++
  })
  await eventually(async () => {
    if (calls > 0) return true
    await jobs.scheduleDeviceMethod(`slow-${(count += 1)}`, "deviceId = 'returning'", {
      ...{ methodName: 'slow', responseTimeoutInSeconds: 60 },
    })
    let isOver = false
    await eventually(async () => {
      isOver = (await statusOf(`slow-${count}`)).status === 'completed'
      return isOver || calls > 0
    })
    return !isOver
  })
  const id = `slow-${count}`
  assert.equal((await statusOf(id)).deviceJobStatistics.runningCount, 1)
  const [running] = await deviceJobs(`devices.jobs.jobId = '${id}'`)
  assert.equal(running?.status, 'running')
  const tomorrow = new Date(Date.now() + 24 * 3_600_000)
  await jobs.scheduleTwinUpdate('kept', '*', { tags: { never: true } }, tomorrow, 60)

  await server.restart()
  ;({ registry, jobs } = await clients())
  assert.equal((await statusOf(id)).status, 'running')
  assert.equal((await statusOf('kept')).status, 'scheduled')
  const again = await openDevice(t, 'returning', key)
  again.onDeviceMethod('slow', (_request, response) => response.send(200, 'back', () => {}))
  const { deviceJobStatistics } = await ended(id)
  assert.equal(deviceJobStatistics.succeededCount, 1)
  await jobs.cancelJob('kept')
  assert.equal((await statusOf('twins')).deviceJobStatistics.succeededCount, 30)
})

test('a hub runs as many jobs as its size lets it; the others are queued, and a cancelled one makes room', async (t) => {
  const { newDevice, openDevice } = testDevices(server, hostName, registry)
  const client = await openDevice(t, 'mute', await newDevice(t, 'mute'))
  let calls = 0
  client.onDeviceMethod('wait', () => {
    calls++
  })
  const call = (id: string) =>
    jobs.scheduleDeviceMethod(id, "deviceId = 'mute'", { methodName: 'wait', responseTimeoutInSeconds: 60 })
  let first = ''
  await eventually(async () => {
    if (first === '' || (await statusOf(first)).status === 'completed')
      await call((first = `wait-${(count += 1)}`))
    return calls > 0
  })
  await call('second')
  assert.equal((await statusOf('second')).status, 'queued')
  const { jobStatus } = await jobs.cancelJob(first)
  assert.equal((jobStatus as Status).status, 'cancelled')
  assert.deepEqual(
    (await deviceJobs(`devices.jobs.jobId = '${first}'`)).map(({ status }) => status),
    ['canceled'],
  )
  await eventually(async () => (await statusOf('second')).status === 'running')
  await jobs.cancelJob('second')
})

test('a job ends when its time is over, and one of the future begins at its time', async (t) => {
  const clock = new ManualClock(Date.now())
  const other = await startTestServer(t, { clock })
  const hubs = iotHubs(other)
  const host = await hubs.createHub('fabrikam')
  const key = await hubs.keyOf('fabrikam', 'iothubowner')
  const late = hubs.connectJobs(host, 'iothubowner', key)
  const devices = hubs.connect(host, 'iothubowner', key)
  const { newDevice, openDevice } = testDevices(other, host, devices)
  const client = await openDevice(t, 'mute', await newDevice(t, 'mute'))
  let calls = 0
  client.onDeviceMethod('wait', () => {
    calls++
  })
  let id = ''
  await eventually(async () => {
    if (id === '' || (await statusOf(id, late)).status === 'completed')
      await late.scheduleDeviceMethod(
        (id = `late-${(count += 1)}`),
        '*',
        { methodName: 'wait', responseTimeoutInSeconds: 300 },
        new Date(clock.now()),
        30,
      )
    return calls > 0
  })
  await clock.advance(30_000)
  const { status, failureReason, deviceJobStatistics } = await ended(id, late)
  assert.equal(status, 'failed')
  assert.match(String(failureReason), /maxExecutionTimeInSeconds, 30/)
  assert.deepEqual([deviceJobStatistics.failedCount, deviceJobStatistics.pendingCount], [1, 0])
  await late.scheduleTwinUpdate('soon', '*', { tags: { a: 1 } }, new Date(clock.now() + 20_000), 60)
  assert.equal((await statusOf('soon', late)).status, 'scheduled')
  await clock.advance(20_000)
  assert.equal((await ended('soon', late)).status, 'completed')
})

test('devices are exported to a blob and imported from one, with a log of what went wrong', async (t) => {
  const azurite = await startAzurite(t)
  const container = azurite.container('devices')
  await container.create()
  const uri = await container.generateSasUrl({
    permissions: ContainerSASPermissions.parse('rwdl'),
    expiresOn: new Date(Date.now() + 3_600_000),
  })
  const text = async (name: string) => (await container.getBlobClient(name).downloadToBuffer()).toString()
  const transferred = async ({ jobId }: TransferStatus) => {
    let job: Record<string, unknown> = {}
    await eventually(async () => {
      job = (await registry.getJob(String(jobId))) as unknown as Record<string, unknown>
      return ['completed', 'failed', 'cancelled'].includes(String(job.status))
    })
    return job
  }
  await registry.addModule({ deviceId: 'job-00', moduleId: 'camera' })
  const exported = await transferred(await registry.exportDevicesToBlob(uri, false))
  assert.deepEqual([exported.status, exported.progress, exported.type], ['completed', 100, 'export'])
  assert.doesNotMatch(JSON.stringify(exported), /sig=/)
  const lines = (await text('devices.txt')).trim().split('\n')
  const first = JSON.parse(lines.find((line) => line.includes('"job-00"')) as string)
  const { responseBody: before } = await registry.get('job-00')
  assert.equal(first.authentication.symmetricKey.primaryKey, before.authentication?.symmetricKey?.primaryKey)
  assert.deepEqual(first.tags, { site: 'oslo' })
  assert.equal(lines.filter((line) => JSON.parse(line).moduleId === 'camera').length, 1)

  const hook = await startRecordingWebhook(t)
  const id = `${hubId('contoso')}/providers/Microsoft.EventGrid/eventSubscriptions/lives`
  await server.call('PUT', id, {
    properties: { destination: { endpointType: 'WebHook', properties: { endpointUrl: hook.url } } },
  })
  await eventually(
    async () => (await server.call('GET', id)).body.properties.provisioningState === 'Succeeded',
  )
  await registry.removeDevices([{ deviceId: 'job-00' }, { deviceId: 'job-01' }], true)
  const more = [
    '{"id":"made","importMode":"create"}',
    '{"id":"job-02","importMode":"delete"}',
    '{"id":"job-03","importMode":"create"}',
    'no json',
  ]
  const body = [...lines, ...more].join('\n')
  await container.getBlockBlobClient('devices.txt').upload(body, Buffer.byteLength(body))
  const imported = await transferred(await registry.importDevicesFromBlob(uri, uri))
  assert.equal(imported.status, 'completed', JSON.stringify(imported))
  const { responseBody: back } = await registry.get('job-00')
  assert.deepEqual(back.authentication, before.authentication)
  assert.equal((await registry.getTwin('job-00')).responseBody.properties.desired.speed, 3)
  assert.equal((await registry.getModule('job-00', 'camera')).responseBody.moduleId, 'camera')
  await registry.get('made')
  await assert.rejects(registry.get('job-02'), named('DeviceNotFoundError'))
  const failures = (await text('importErrors.log'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.deepEqual(
    failures.map(({ deviceId, errorCode }) => [deviceId, errorCode]),
    [
      ['job-03', 409_001],
      ['', 400_004],
    ],
  )
  // Two removed by the service; made again, one more, and one removed by the import.
  await hook.until(6)
  const events = hook.received.flatMap(({ body: some }) => some as { eventType: string; subject: string }[])
  const told = events.map(({ eventType, subject }) => `${eventType.split('.').at(-1)} ${subject}`).toSorted()
  assert.deepEqual(told, [
    'DeviceCreated devices/job-00',
    'DeviceCreated devices/job-01',
    'DeviceCreated devices/made',
    'DeviceDeleted devices/job-00',
    'DeviceDeleted devices/job-01',
    'DeviceDeleted devices/job-02',
  ])

  const withoutKeys = await transferred(await registry.exportDevicesToBlob(uri, true))
  assert.equal(withoutKeys.status, 'completed')
  assert.doesNotMatch(await text('devices.txt'), /"primaryKey":"/)
  const { responseBody: listed } = await registry.listJobs()
  assert.deepEqual(
    listed.map(({ type }: { type: string }) => type),
    ['export', 'import', 'export'],
  )
  const missing = uri.replace('/devices?', '/nowhere?')
  const failed = await transferred(await registry.exportDevicesToBlob(missing, true))
  assert.equal(failed.status, 'failed')
  assert.match(String(failed.failureReason), /was answered 40[34]/)
  assert.doesNotMatch(String(failed.failureReason), /sig=/)
})

test('an export that waits for its storage is cancelled, and one that a restart cuts off goes on', async (t) => {
  let requests = 0
  let isOpen = false
  const storage = createServer((request, response) => {
    requests++
    request.resume()
    if (isOpen) request.once('end', () => response.writeHead(201).end())
  }).listen(0, '127.0.0.1')
  closeAfter(t, () => {
    storage.closeAllConnections()
    storage.close()
  })
  await eventually(() => storage.listening)
  const uri = `http://127.0.0.1:${(storage.address() as AddressInfo).port}/account/container?sig=x`
  const stuck: TransferStatus = await registry.exportDevicesToBlob(uri, true)
  await eventually(() => requests === 1)
  const next: TransferStatus = await registry.exportDevicesToBlob(uri, true)
  const statusOfTransfer = async ({ jobId }: TransferStatus) =>
    String(((await registry.getJob(String(jobId))) as TransferStatus).status)
  assert.deepEqual([await statusOfTransfer(stuck), await statusOfTransfer(next)], ['running', 'enqueued'])
  await registry.cancelJob(String(stuck.jobId))
  assert.equal(await statusOfTransfer(stuck), 'cancelled')
  await eventually(() => requests === 2)
  assert.equal(await statusOfTransfer(next), 'running')
  isOpen = true
  await server.restart()
  ;({ registry, jobs } = await clients())
  await eventually(async () => (await statusOfTransfer(next)) === 'completed')
})

test('storage that answers with more than it was asked for fails an import, and its words stay out of memory', async (t) => {
  const storage = createServer((_request, response) => {
    response.on('error', () => {}).writeHead(200)
    const chunk = Buffer.alloc(64 * 1024, 'x')
    const more = () => {
      while (response.write(chunk)) if (response.destroyed) return
    }
    response.on('drain', more)
    more()
  }).listen(0, '127.0.0.1')
  closeAfter(t, () => {
    storage.closeAllConnections()
    storage.close()
  })
  await eventually(() => storage.listening)
  const uri = `http://127.0.0.1:${(storage.address() as AddressInfo).port}/account/container?sig=x`
  const { jobId }: TransferStatus = await registry.importDevicesFromBlob(uri, uri)
  let job: Record<string, unknown> = {}
  await eventually(async () => {
    job = (await registry.getJob(String(jobId))) as unknown as Record<string, unknown>
    return job.status === 'failed'
  })
  assert.match(String(job.failureReason), /more than 1048576 bytes/)
})

test('containers are given as signed URIs, and none that the operator forbids is reached', async (t) => {
  const uri = 'https://account.blob.core.windows.net/devices'
  await assert.rejects(
    registry.exportDevicesToBlobByIdentity(uri, false),
    saying(/identityBased is not supported/),
  )
  await assert.rejects(
    registry.importDevicesFromBlobByIdentity(uri, uri, '/subscriptions/s/identity'),
    saying(/identityBased is not supported/),
  )
  await assert.rejects(registry.exportDevicesToBlob(uri, false), saying(/shared access signature/))
  const strict = await startTestServer(t, { file: { webhooks: { allowPrivateAddresses: false } } })
  const hubs = iotHubs(strict)
  const host = await hubs.createHub('guarded')
  const guarded = hubs.connect(host, 'iothubowner', await hubs.keyOf('guarded', 'iothubowner'))
  const { jobId }: TransferStatus = await guarded.exportDevicesToBlob(
    'https://127.0.0.1:1/account/container?sig=x',
    false,
  )
  let job: Record<string, unknown> = {}
  await eventually(async () => {
    job = (await guarded.getJob(String(jobId))) as unknown as Record<string, unknown>
    return job.status === 'failed'
  })
  assert.match(String(job.failureReason), /private address/)
})
