import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLog } from '../base/log.ts'
import { HubError } from '../registry/errors.ts'
import { decodeHubMessaging } from '../resources/hub-messaging.ts'
import { MemoryDisk, openMemoryStore } from '../store/engines/memory.ts'
import { StoreUnavailable } from '../store/store.ts'
import { ManualClock } from '../testing/manual-clock.ts'
import { type Ack, type CloudMessage, pendingPerDeviceMost } from './devicebound.ts'
import { DeviceboundQueues } from './queues.ts'

const hour = 3_600_000

/** Devices dev1 and dev2; opened again on the same disk, it goes on where it was. */
async function start({
  disk = new MemoryDisk(),
  clock = new ManualClock(),
  properties = {},
  generations = new Map([
    ['dev1', 'g1'],
    ['dev2', 'g2'],
  ]),
}: {
  readonly disk?: MemoryDisk
  readonly clock?: ManualClock
  readonly properties?: Record<string, unknown>
  readonly generations?: Map<string, string>
} = {}) {
  const store = openMemoryStore(disk)
  const fault: { error: Error | undefined } = { error: undefined }
  const records = Object.assign(Object.create(store.records) as typeof store.records, {
    get: store.records.get.bind(store.records),
    page: store.records.page.bind(store.records),
    write: (changes: Parameters<typeof store.records.write>[0]) =>
      fault.error ? Promise.reject(fault.error) : store.records.write(changes),
  })
  const queues = await DeviceboundQueues.open({
    ...{ hubUid: 'u1', records, clock, log: createLog('silent') },
    settings: () => decodeHubMessaging(properties),
    find: (deviceId) => {
      const generationId = generations.get(deviceId)
      return Promise.resolve(generationId === undefined ? undefined : { generationId })
    },
    refuse: (name, text) => new HubError(name, text),
  })
  clock.settle = () => queues.settle()
  const left = async () => (await store.records.list('hub/u1/c2d/')).map(({ key }) => key.split('/')[3])
  const restart = async () => {
    await queues.close()
    await store.close()
    return start({ disk, clock, properties, generations })
  }
  return { queues, clock, generations, fault, left, restart, store }
}

const message = (
  text: string,
  { ack = 'none', id, expiresAt }: { ack?: Ack; id?: string; expiresAt?: number } = {},
) =>
  ({
    payload: Buffer.from(text),
    ...{
      ack,
      expiresAt,
      system: { messageId: id, contentType: 'text/plain' },
      properties: { a: 'b', c: null },
    },
  }) satisfies CloudMessage

const textOf = (received: { readonly payload: Buffer } | undefined) => received?.payload.toString()

const feedbackOf = async (queues: DeviceboundQueues) => {
  const notice = await queues.feedback.receive()
  return notice && (JSON.parse(notice.body.toString()) as Record<string, string>[])
}

test('messages come in their order, each once, with what was said of them', async () => {
  const { queues, clock, left } = await start()
  await Promise.all(['one', 'two', 'three'].map((text) => queues.send('dev1', message(text, { id: text }))))
  assert.equal(queues.pendingOf('dev1'), 3)
  const first = await queues.receive('dev1')
  const second = await queues.receive('dev1')
  assert.deepEqual([textOf(first), textOf(second)], ['one', 'two'])
  assert.deepEqual(first && { ...first, lockToken: '' }, {
    ...{ ...message('one', { id: 'one' }), lockToken: '', sequenceNumber: 1, deliveryCount: 0 },
    ...{ enqueuedAt: clock.now(), expiresAt: clock.now() + hour },
  })
  await queues.complete('dev1', first?.lockToken ?? '')
  await assert.rejects(queues.complete('dev1', first?.lockToken ?? ''), {
    code: 'DeviceMessageLockLost',
    number: 412002,
  })
  await queues.reject('dev1', second?.lockToken ?? '')
  assert.equal(textOf(await queues.receive('dev1')), 'three')
  assert.equal(await queues.receive('dev1'), undefined)
  assert.equal(await queues.receive('dev2'), undefined)
  assert.deepEqual(await left(), ['body', 'entry', 'sequence'])
  await queues.close()
})

test('what waits, how often it was delivered, and feedback outlive the process', async () => {
  const one = await start()
  await one.queues.send('dev1', message('kept', { ack: 'full', id: 'm1' }))
  await one.queues.send('dev1', message('done', { ack: 'full', id: 'm2' }))
  const kept = await one.queues.receive('dev1')
  const done = await one.queues.receive('dev1')
  await one.queues.abandon('dev1', kept?.lockToken ?? '')
  await one.queues.complete('dev1', done?.lockToken ?? '')
  const { queues, clock, restart } = await one.restart()
  assert.equal(queues.pendingOf('dev1'), 1)
  const again = await queues.receive('dev1')
  assert.deepEqual([textOf(again), again?.deliveryCount, again?.sequenceNumber], ['kept', 1, 1])
  assert.deepEqual(again?.properties, { a: 'b', c: null })
  await queues.send('dev1', message('later'))
  assert.equal((await queues.receive('dev1'))?.sequenceNumber, 3)
  await clock.advance(15_000)
  assert.deepEqual(
    (await feedbackOf(queues))?.map(({ originalMessageId }) => originalMessageId),
    ['m2'],
  )
  // A lock ends with the process.
  const { queues: third } = await restart()
  assert.equal(textOf(await third.receive('dev1')), 'kept')
  await third.close()
})

test('a message comes again when its lock ends or it is abandoned, and is given up at the last delivery', async () => {
  const { queues, clock } = await start({ properties: { cloudToDevice: { maxDeliveryCount: 3 } } })
  const ready: string[] = []
  queues.onReady((deviceId) => ready.push(deviceId))
  await queues.send('dev1', message('x', { ack: 'negative', id: 'm1' }))
  const first = await queues.receive('dev1')
  await clock.advance(59_999)
  assert.equal(queues.holds('dev1', first?.lockToken ?? ''), true)
  assert.equal(await queues.receive('dev1'), undefined)
  await clock.advance(1)
  assert.equal(queues.holds('dev1', first?.lockToken ?? ''), false)
  await assert.rejects(queues.complete('dev1', first?.lockToken ?? ''), { code: 'DeviceMessageLockLost' })
  const second = await queues.receive('dev1')
  assert.equal(second?.deliveryCount, 1)
  await queues.abandon('dev1', second?.lockToken ?? '')
  const third = await queues.receive('dev1')
  assert.equal(third?.deliveryCount, 2)
  assert.deepEqual(ready, ['dev1', 'dev1', 'dev1'])
  await queues.abandon('dev1', third?.lockToken ?? '')
  assert.equal(queues.pendingOf('dev1'), 0)
  await clock.advance(15_000)
  assert.deepEqual(await feedbackOf(queues), [
    {
      ...{
        originalMessageId: 'm1',
        statusCode: 'DeliveryCountExceeded',
        description: 'DeliveryCountExceeded',
      },
      ...{ deviceId: 'dev1', deviceGenerationId: 'g1', enqueuedTimeUtc: '2026-01-02T03:05:05.0000000Z' },
    },
  ])
  await queues.close()
})

test('a message expires when its time has come, in the queue and under a lock', async () => {
  const { queues, clock, left } = await start({
    properties: { cloudToDevice: { defaultTtlAsIso8601: 'PT2M' } },
  })
  await queues.send('dev1', message('default', { ack: 'full', id: 'm1' }))
  await queues.send('dev1', message('own', { ack: 'full', id: 'm2', expiresAt: clock.now() + 30_000 }))
  await clock.advance(29_999)
  assert.equal(queues.pendingOf('dev1'), 2)
  await clock.advance(1)
  assert.equal(queues.pendingOf('dev1'), 1)
  await clock.advance(80_000)
  const locked = await queues.receive('dev1')
  assert.equal(textOf(locked), 'default')
  await clock.advance(20_000)
  assert.equal(queues.pendingOf('dev1'), 1)
  await clock.advance(40_000)
  assert.equal(queues.pendingOf('dev1'), 0)
  assert.deepEqual(
    (await feedbackOf(queues))?.map(({ statusCode }) => statusCode),
    ['Expired', 'Expired'],
  )
  assert.deepEqual(await left(), ['feedback', 'feedback', 'sequence'])
  await queues.close()
})

test('a message is told of where its sender has asked, and not else', async () => {
  const { queues, clock } = await start()
  for (const ack of ['none', 'positive', 'negative', 'full'] as const)
    for (const end of ['complete', 'reject', 'purge'] as const) {
      await queues.send('dev1', message('x', { ack, id: `${ack} ${end}` }))
      if (end === 'purge') assert.equal(await queues.purge('dev1'), 1)
      else await queues[end]('dev1', (await queues.receive('dev1'))?.lockToken ?? '')
    }
  assert.equal(await queues.feedback.receive(), undefined)
  await clock.advance(15_000)
  const told = await feedbackOf(queues)
  assert.deepEqual(
    told?.map(({ originalMessageId, statusCode }) => `${originalMessageId}: ${statusCode}`),
    [
      'positive complete: Success',
      'negative reject: Rejected',
      'negative purge: Purged',
      'full complete: Success',
      'full reject: Rejected',
      'full purge: Purged',
    ],
  )
  assert.equal(await queues.purge('dev1'), 0)
  await assert.rejects(queues.purge('nobody'), { code: 'DeviceNotFound' })
  await queues.close()
})

test('feedback comes in batches of 64, or of what there is after 15 seconds, until it is completed', async () => {
  const { queues, clock, left } = await start({
    properties: {
      cloudToDevice: {
        feedback: { lockDurationAsIso8601: 'PT10S', ttlAsIso8601: 'PT1M', maxDeliveryCount: 3 },
      },
    },
  })
  let ready = 0
  queues.feedback.onReady(() => ready++)
  for (let n = 0; n < 65; n++) {
    await queues.send('dev1', message('x', { ack: 'positive', id: String(n) }))
    await queues.complete('dev1', (await queues.receive('dev1'))?.lockToken ?? '')
  }
  assert.ok(ready > 0)
  const whole = await queues.feedback.receive()
  assert.equal(whole?.contentType, 'application/vnd.microsoft.iothub.feedback.json')
  assert.equal((JSON.parse(whole?.body.toString() ?? '') as unknown[]).length, 64)
  assert.equal(await queues.feedback.receive(), undefined)
  await queues.feedback.complete(whole?.lockToken ?? '')
  await assert.rejects(queues.feedback.complete(whole?.lockToken ?? ''), { code: 'DeviceMessageLockLost' })
  ready = 0
  await clock.advance(15_000)
  assert.equal(ready, 1)
  const rest = await queues.feedback.receive()
  await clock.advance(10_000)
  await assert.rejects(queues.feedback.complete(rest?.lockToken ?? ''), { code: 'DeviceMessageLockLost' })
  const again = await queues.feedback.receive()
  assert.deepEqual([again?.deliveryCount, again?.body.toString()], [1, rest?.body.toString()])
  await queues.feedback.abandon(again?.lockToken ?? '')
  const last = await queues.feedback.receive()
  assert.equal(last?.deliveryCount, 2)
  await queues.feedback.abandon(last?.lockToken ?? '')
  assert.equal(await queues.feedback.receive(), undefined)
  assert.deepEqual(await left(), ['sequence'])

  await queues.send('dev1', message('x', { ack: 'positive', id: 'late' }))
  await queues.complete('dev1', (await queues.receive('dev1'))?.lockToken ?? '')
  await clock.advance(60_000)
  assert.equal(await queues.feedback.receive(), undefined)
  assert.deepEqual(await left(), ['sequence'])
  await queues.close()
})

test('a device that is deleted takes its messages and its feedback along, also over a crash', async () => {
  const first = await start()
  for (const deviceId of ['dev1', 'dev2']) {
    await first.queues.send(deviceId, message('told', { ack: 'full', id: deviceId }))
    await first.queues.complete(deviceId, (await first.queues.receive(deviceId))?.lockToken ?? '')
    await first.queues.send(deviceId, message('waits'))
  }
  first.queues.forget('dev1')
  await first.queues.settle()
  assert.equal(first.queues.pendingOf('dev1'), 0)
  await first.clock.advance(15_000)
  assert.deepEqual(
    (await feedbackOf(first.queues))?.map(({ deviceId }) => deviceId),
    ['dev2'],
  )
  // It was deleted, and made anew, and nobody was told.
  first.generations.set('dev2', 'another')
  const second = await first.restart()
  assert.equal(second.queues.pendingOf('dev2'), 0)
  await second.queues.settle()
  assert.equal((await second.left()).includes('body'), false)
  await second.queues.close()
})

test('a message for a device that is deleted meanwhile is refused', async () => {
  const { queues, generations } = await start()
  const sent = queues.send('dev1', message('x'))
  generations.delete('dev1')
  queues.forget('dev1')
  await assert.rejects(sent, { code: 'DeviceNotFound', status: 404 })
  await queues.close()
})

test('at most 50 messages wait for a device, of 64 KB each, for two days', async () => {
  const { queues, clock } = await start()
  for (let n = 0; n < pendingPerDeviceMost; n++) await queues.send('dev1', message(String(n)))
  await assert.rejects(queues.send('dev1', message('x')), {
    ...{ code: 'DeviceMaximumQueueDepthExceeded', number: 403004, status: 403 },
  })
  const { lockToken = '' } = (await queues.receive('dev1')) ?? {}
  await assert.rejects(queues.send('dev1', message('x')), { code: 'DeviceMaximumQueueDepthExceeded' })
  await queues.complete('dev1', lockToken)
  await queues.send('dev1', message('x'))

  const bytes = 64 * 1024 - 'text/plain'.length - 'abc'.length
  await queues.send('dev2', message('x'.repeat(bytes)))
  await assert.rejects(queues.send('dev2', message('x'.repeat(bytes + 1))), { code: 'MessageTooLarge' })
  await queues.send('dev2', message('x', { expiresAt: clock.now() + 48 * hour }))
  for (const expiresAt of [clock.now() + 48 * hour + 1, clock.now()])
    await assert.rejects(queues.send('dev2', message('x', { expiresAt })), {
      ...{ code: 'InvalidMessageExpiryTime', number: 403009 },
    })
  await assert.rejects(queues.send('dev2', message('x', { id: 'x'.repeat(129) })), {
    code: 'ArgumentInvalid',
  })
  await assert.rejects(queues.send('dev2', message('x', { ack: 'some' as Ack })), { code: 'ArgumentInvalid' })
  await assert.rejects(queues.send('nobody', message('x')), { code: 'DeviceNotFound' })
  await queues.close()
})

test('while the store takes nothing, nothing is promised and nothing is lost', async () => {
  const { queues, clock, fault } = await start()
  await queues.send('dev1', message('kept', { expiresAt: clock.now() + 120_000 }))
  fault.error = new StoreUnavailable('The disk is full.', true)
  await assert.rejects(queues.send('dev1', message('refused')), { name: 'StoreUnavailable' })
  assert.equal(queues.pendingOf('dev1'), 1)
  const { lockToken = '' } = (await queues.receive('dev1')) ?? {}
  await assert.rejects(queues.complete('dev1', lockToken), { name: 'StoreUnavailable' })
  assert.equal(textOf(await queues.receive('dev1')), 'kept')
  await clock.advance(130_000)
  assert.equal(queues.pendingOf('dev1'), 1)
  fault.error = undefined
  await clock.advance(60_000)
  assert.equal(queues.pendingOf('dev1'), 0)
  await queues.close()
})

test('nothing is kept in memory or on disk of devices for which nothing waits', async () => {
  const generations = new Map(Array.from({ length: 200 }, (_, n) => [`d${n}`, 'g'] as const))
  const { queues, left, clock } = await start({ generations })
  for (const deviceId of generations.keys()) {
    await queues.send(deviceId, message('x'))
    await queues.complete(deviceId, (await queues.receive(deviceId))?.lockToken ?? '')
  }
  assert.deepEqual(await left(), ['sequence'])
  assert.equal(
    [...generations.keys()].reduce((sum, deviceId) => sum + queues.pendingOf(deviceId), 0),
    0,
  )
  await clock.advance(2 * hour)
  assert.equal(clock.nextDueAt, undefined)
  await queues.close()
})
