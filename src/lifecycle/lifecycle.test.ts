import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { createLog } from '../base/log.ts'
import { Metrics } from '../base/metrics.ts'
import type { GridEvent } from '../event/event.ts'
import { openEmbeddedStore } from '../store/engines/embedded/embedded.ts'
import { FaultyDisk } from '../testing/faulty-disk.ts'
import { ManualClock } from '../testing/manual-clock.ts'
import { temporaryDirectory } from '../testing/temporary-directory.ts'
import type { ClientResource } from './client-events.ts'
import { type LifecycleLimits, openLifecycle } from './lifecycle.ts'

const namespaceId =
  '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/myrg/providers/Microsoft.EventGrid/namespaces/myns'
const clock = new ManualClock(Date.UTC(2023, 6, 29, 1, 23, 49, 645))
const session = { authenticationName: 'client1', sessionName: 'session1' }
const log = createLog('silent')

interface World {
  readonly clients: Map<string, ClientResource>
  readonly raised: Record<string, unknown>[]
  heard: boolean
  /** How often raising fails. */
  failures: number
}

const newWorld = (): World => ({ clients: new Map(), raised: [], heard: true, failures: 0 })

async function open(
  t: TestContext,
  world: World,
  limits: Partial<LifecycleLimits> = {},
  disk = new FaultyDisk(),
) {
  const store = await openEmbeddedStore({ directory: await temporaryDirectory(t), log, disk })
  const metrics = new Metrics()
  let isDead = false
  const lifecycle = await openLifecycle({
    queues: store.queues,
    realm: 'r1',
    namespaceId,
    namespaceName: 'myns',
    async raise(sourceId: string, topicType: string, events: readonly GridEvent[]) {
      assert.deepEqual([sourceId, topicType], [namespaceId, 'Microsoft.EventGrid.Namespaces'])
      // A process that is dead does nothing, whatever the clock says.
      if (isDead) return
      if (world.failures-- > 0) throw new Error('the disk is full')
      for (const { source, start, end, tail } of events) {
        const bytes = Buffer.concat([source.subarray(start, end), tail])
        world.raised.push(JSON.parse(bytes.toString()) as Record<string, unknown>)
      }
    },
    isHeard: () => world.heard,
    clients: () => world.clients.values(),
    ...{ clock, metrics, log, limits },
  })
  t.after(async () => {
    if (isDead) return
    await lifecycle.close()
    await store.close()
  })
  return {
    ...lifecycle,
    metrics,
    crash() {
      isDead = true
      return open(t, world, limits, disk.crash(0))
    },
    async restart() {
      await lifecycle.close()
      await store.close()
      isDead = true
      return open(t, world, limits, disk)
    },
  }
}

/** What was raised since the last time, as short words. */
function told(world: World): unknown[] {
  return world.raised.splice(0).map(({ eventType, data }) => {
    const { sequenceNumber, disconnectionReason, clientName } = data as Record<string, unknown>
    const name = (eventType as string).replace(/^Microsoft\.EventGrid\.MQTTClient(Session)?/, '')
    return [name, sequenceNumber ?? clientName, ...(disconnectionReason ? [disconnectionReason] : [])]
  })
}

const client = (more: Partial<ClientResource> = {}): ClientResource => ({
  name: 'client1',
  authenticationName: 'client1',
  enabled: true,
  attributes: { attribute1: 'value1' },
  createdAt: clock.now(),
  changedAt: clock.now(),
  ...more,
})

test('each of the four events is what the documented example is', async (t) => {
  const world = newWorld()
  const lifecycle = await open(t, world)
  const time = '2023-07-29T01:23:49.6450000Z'
  const sequenceNumber = lifecycle.connected(session)
  lifecycle.disconnected({ ...session, sequenceNumber, reason: 'ClientInitiatedDisconnect' })
  await lifecycle.clientChanged(undefined, client())
  await clock.advance(3_000)
  await lifecycle.settle()
  await lifecycle.clientChanged(client(), undefined)
  await clock.advance(3_000)
  await lifecycle.settle()
  const common = { topic: namespaceId, dataVersion: '1', metadataVersion: '1' }
  const events = world.raised.map(({ id, ...event }) => {
    assert.match(id as string, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
    return event
  })
  assert.deepEqual(events, [
    {
      ...common,
      eventTime: time,
      eventType: 'Microsoft.EventGrid.MQTTClientSessionConnected',
      subject: 'clients/client1/sessions/session1',
      data: {
        namespaceName: 'myns',
        clientAuthenticationName: 'client1',
        clientSessionName: 'session1',
        sequenceNumber: 1,
      },
    },
    {
      ...common,
      eventTime: time,
      eventType: 'Microsoft.EventGrid.MQTTClientSessionDisconnected',
      subject: 'clients/client1/sessions/session1',
      data: {
        namespaceName: 'myns',
        clientAuthenticationName: 'client1',
        clientSessionName: 'session1',
        sequenceNumber: 1,
        disconnectionReason: 'ClientInitiatedDisconnect',
      },
    },
    {
      ...common,
      eventTime: '2023-07-29T01:23:52.6450000Z',
      eventType: 'Microsoft.EventGrid.MQTTClientCreatedOrUpdated',
      subject: 'clients/client1',
      data: {
        createdOn: time,
        updatedOn: time,
        namespaceName: 'myns',
        clientName: 'client1',
        clientAuthenticationName: 'client1',
        state: 'Enabled',
        attributes: { attribute1: 'value1' },
      },
    },
    {
      ...common,
      eventTime: '2023-07-29T01:23:55.6450000Z',
      eventType: 'Microsoft.EventGrid.MQTTClientDeleted',
      subject: 'clients/client1',
      data: { clientName: 'client1', clientAuthenticationName: 'client1', namespaceName: 'myns' },
    },
  ])
})

test('the numbers of a session never go back, across restarts and crashes', async (t) => {
  const world = newWorld()
  let lifecycle = await open(t, world)
  const other = { ...session, sessionName: 'session2' }
  assert.deepEqual(
    [1, 2, 3].map(() => lifecycle.connected(session)),
    [1, 2, 3],
  )
  assert.equal(lifecycle.connected(other), 1)
  await lifecycle.settle()
  lifecycle = await lifecycle.restart()
  assert.equal(lifecycle.connected(session), 4)
  await lifecycle.settle()
  lifecycle = await lifecycle.crash()
  let last = lifecycle.connected(session)
  assert(last > 4)
  for (let n = 0; n < 1000; n++) {
    const next = lifecycle.connected(session)
    assert.equal(next, last + 1)
    last = next
  }
  await lifecycle.settle()
  lifecycle = await lifecycle.crash()
  assert(lifecycle.connected(session) > last)
})

test('numbers never go back where more sessions come than are remembered', async (t) => {
  const world = newWorld()
  const lifecycle = await open(t, world, { sessions: 2 })
  const named = (sessionName: string) => lifecycle.connected({ ...session, sessionName })
  assert.deepEqual([named('a'), named('a'), named('b'), named('c'), named('d')], [1, 2, 1, 1, 3])
  assert.equal(named('a'), 3)
})

test('an event is told only when its number is on disk', async (t) => {
  const world = newWorld()
  const disk = new FaultyDisk()
  const lifecycle = await open(t, world, {}, disk)
  disk.freeBytes = 10
  lifecycle.connected(session)
  for (let n = 0; n < 50; n++) await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(told(world), [])
  disk.freeBytes = Infinity
  await lifecycle.settle()
  assert.deepEqual(told(world), [['Connected', 1]])
})

test('clients that a crash has cut off are told of at the next start, once', async (t) => {
  const world = newWorld()
  let lifecycle = await open(t, world)
  const others = ['b', 'c'].map((sessionName) => ({ ...session, sessionName }))
  lifecycle.connected(session)
  for (const other of others) lifecycle.connected(other)
  const [left] = others as [typeof session]
  lifecycle.disconnected({ ...left, sequenceNumber: 1, reason: 'ConnectionLost' })
  // Taken over: the old connection ends after the new one has begun.
  const taken = lifecycle.connected(session)
  lifecycle.disconnected({ ...session, sequenceNumber: 1, reason: 'SessionTakenOver' })
  await lifecycle.settle()
  told(world)
  lifecycle = await lifecycle.crash()
  await lifecycle.settle()
  assert.deepEqual(told(world).toSorted(), [
    ['Disconnected', 1, 'ServerError'],
    ['Disconnected', taken, 'ServerError'],
  ])
  lifecycle = await lifecycle.crash()
  await lifecycle.settle()
  assert.deepEqual(told(world), [])
})

test('where nobody listens nothing is raised, and numbers grow all the same', async (t) => {
  const world = newWorld()
  world.heard = false
  let lifecycle = await open(t, world)
  const number = lifecycle.connected(session)
  await lifecycle.clientChanged(undefined, client())
  await clock.advance(5_000)
  await lifecycle.settle()
  lifecycle = await lifecycle.crash()
  world.heard = true
  assert(lifecycle.connected(session) > number)
  world.clients.set('client1', client())
  await lifecycle.settle()
  assert.equal(told(world).length, 1)
})

test('what cannot be stored is told later, in order, and no more than a bounded number waits', async (t) => {
  const world = newWorld()
  world.failures = 1
  const lifecycle = await open(t, world, { waitingEvents: 2 })
  for (let n = 0; n < 4; n++) lifecycle.connected(session)
  await lifecycle.settle()
  assert.deepEqual(told(world), [
    ['Connected', 1],
    ['Connected', 2],
  ])
  assert.match(lifecycle.metrics.encode(), /busbar_mqtt_lifecycle_events_lost_total\{[^}]+\} 2/)
})

test('changes of a client within a few seconds are told of once, with the last state', async (t) => {
  const world = newWorld()
  const lifecycle = await open(t, world)
  const first = client()
  await lifecycle.clientChanged(undefined, first)
  await clock.advance(2_000)
  const second = client({ createdAt: first.createdAt, enabled: false })
  await lifecycle.clientChanged(first, second)
  await clock.advance(2_999)
  await lifecycle.settle()
  assert.deepEqual(world.raised, [])
  await clock.advance(1)
  await lifecycle.settle()
  const [event] = world.raised.splice(0)
  assert(event)
  const { state, createdOn, updatedOn } = event['data'] as Record<string, string>
  assert.equal(state, 'Disabled')
  assert(createdOn && updatedOn && updatedOn > createdOn)
})

test('a client that never rests is told of after five seconds', async (t) => {
  const world = newWorld()
  const lifecycle = await open(t, world)
  for (let n = 0; n < 6; n++) {
    await lifecycle.clientChanged(client(), client())
    await clock.advance(1_000)
    await lifecycle.settle()
    assert.equal(world.raised.length, n < 4 ? 0 : 1)
  }
})

test('a client that is made and deleted within a few seconds is told of as deleted, and no more', async (t) => {
  const world = newWorld()
  const lifecycle = await open(t, world)
  await lifecycle.clientChanged(undefined, client())
  await clock.advance(1_000)
  await lifecycle.clientChanged(client(), undefined)
  await clock.advance(10_000)
  await lifecycle.settle()
  assert.deepEqual(told(world), [['Deleted', 'client1']])
})

test('a change that a crash has cut short is told of at the next start', async (t) => {
  const world = newWorld()
  let lifecycle = await open(t, world)
  const made = client()
  const brief = client({ name: 'brief' })
  world.clients.set('client1', made)
  await lifecycle.clientChanged(undefined, made)
  await lifecycle.clientChanged(undefined, brief)
  await lifecycle.clientChanged(brief, undefined)
  lifecycle = await lifecycle.crash()
  await clock.advance(5_000)
  await lifecycle.settle()
  assert.deepEqual(told(world).toSorted(), [
    ['CreatedOrUpdated', 'client1'],
    ['Deleted', 'brief'],
  ])
  lifecycle = await lifecycle.restart()
  await clock.advance(5_000)
  await lifecycle.settle()
  assert.deepEqual(told(world), [])
  // Changed and deleted while nobody looked.
  world.clients.set('client2', client({ name: 'client2' }))
  world.clients.delete('client1')
  lifecycle = await lifecycle.restart()
  await clock.advance(5_000)
  await lifecycle.settle()
  assert.deepEqual(told(world).toSorted(), [
    ['CreatedOrUpdated', 'client2'],
    ['Deleted', 'client1'],
  ])
})

test('the first start tells nothing of the clients that are there', async (t) => {
  const world = newWorld()
  world.clients.set('client1', client())
  const lifecycle = await open(t, world)
  await clock.advance(10_000)
  await lifecycle.settle()
  assert.deepEqual(world.raised, [])
})
