import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { createLog } from '../base/log.ts'
import { openEmbeddedStore } from '../store/engines/embedded/embedded.ts'
import { type Store, StoreUnavailable } from '../store/store.ts'
import { FaultyDisk } from '../testing/faulty-disk.ts'
import { ManualClock } from '../testing/manual-clock.ts'
import { createRandom } from '../testing/random.ts'
import { temporaryDirectory } from '../testing/temporary-directory.ts'
import type { DurableSession, Outbound, SessionFacts } from './durable-session.ts'
import type { Message } from './message.ts'
import { dropForgottenRealms, openSessionStore, type SessionStore } from './session-store.ts'

const log = createLog('silent')
const realm = 'realm-1'

const facts: SessionFacts = {
  authenticationName: 'client1',
  sessionName: 'session1',
  ownerKey: 'client:client1',
  identity: { kind: 'certificate' },
  protocolVersion: 5,
  expiryMs: 3_600_000,
}
const options = { qos: 1, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const
const message = (text: string, more: Partial<Message> = {}): Message => ({
  topicName: 'a/b',
  payload: Buffer.from(text),
  qos: 1,
  retain: false,
  receivedAt: 1_000,
  ...more,
})
const once = { qos: 1, retain: false } as const
const exactly = { qos: 2, retain: false } as const

interface House {
  readonly sessions: SessionStore
  readonly store: Store
  readonly disk: FaultyDisk
  /** Stops everything as `kill -9` does, and starts again on what is on the disk. */
  readonly crash: (torn?: number) => Promise<House>
  readonly restart: () => Promise<House>
}

const clock = new ManualClock(1_000_000)
/** So small that what is kept is written anew all the time. */
const stateLimits = { spareEntries: 10, sliceEntries: 3, retryMs: 2 }

async function open(t: TestContext, disk = new FaultyDisk()): Promise<House> {
  const directory = await temporaryDirectory(t)
  const limits = { checkpointMs: 5, lazyCommitMs: 1, fullRetryMs: 2 }
  const store = await openEmbeddedStore({ directory, log, disk, limits })
  const sessions = await openSessionStore({ queues: store.queues, realm, clock, log, stateLimits })
  let isDead = false
  t.after(async () => {
    // On a disk that is gone nothing ever ends.
    if (isDead) return
    await sessions.close()
    await store.close().catch(() => {})
  })
  return {
    sessions,
    store,
    disk,
    crash(torn = 0) {
      isDead = true
      return open(t, disk.crash(torn))
    },
    async restart() {
      await sessions.close()
      await store.close()
      return open(t, disk)
    },
  }
}

const only = ({ sessions }: House): DurableSession => {
  const [session, ...others] = sessions.recovered.sessions
  assert(session)
  assert.equal(others.length, 0)
  return session
}
const textOf = ({ message: { payload } }: Outbound) => payload.toString()
const textsOf = (outbounds: readonly Outbound[]) => outbounds.map(textOf)

test('a session, its subscriptions and what waits for it are there after a crash', async (t) => {
  const first = await open(t)
  const session = first.sessions.create(facts)
  session.subscribe('a/+', options)
  session.subscribe('b/#', { ...options, qos: 2, subscriptionId: 7 })
  session.subscribe('c', options)
  session.unsubscribe('c')
  session.update({
    disconnectedAt: 5_000,
    will: {
      message: message('gone', { topicName: 'wills/1', correlationData: Buffer.from([1, 2]) }),
      delaySeconds: 9,
    },
  })
  for (const text of ['1', '2', '3']) first.sessions.enqueue(message(text), 2_000, once, [session])
  const full = message('4', {
    payloadFormatIndicator: 1,
    messageExpiryInterval: 60,
    contentType: 'text/plain',
    responseTopic: 'answers',
    correlationData: Buffer.from([0, 255]),
    userProperties: [
      ['a', '1'],
      ['a', '2'],
    ],
  })
  first.sessions.enqueue(full, clock.now(), { qos: 2, retain: true, subscriptionIds: [7, 70_000] }, [session])
  await first.sessions.flushed()

  const found = only(await first.crash())
  assert.deepEqual(found.facts, {
    ...facts,
    disconnectedAt: 5_000,
    will: {
      message: message('gone', { topicName: 'wills/1', correlationData: Buffer.from([1, 2]) }),
      delaySeconds: 9,
    },
  })
  assert.deepEqual(
    [...found.subscriptions],
    [
      ['a/+', options],
      ['b/#', { ...options, qos: 2, subscriptionId: 7 }],
    ],
  )
  assert.equal(found.count().messages, 4)
  assert(found.count().bytes > 4)
  const taken = await found.take(10)
  assert.deepEqual(textsOf(taken), ['1', '2', '3', '4'])
  const last = taken[3] as Outbound
  assert.deepEqual(
    [last.qos, last.retain, last.subscriptionIds, last.packetId, last.dup],
    [2, true, [7, 70_000], 0, false],
  )
  assert.deepEqual(last.message, {
    ...full,
    qos: 2,
    retain: true,
    receivedAt: clock.now(),
    expiresAt: clock.now() + 60_000,
  })
  assert.deepEqual(await found.take(10), [])
})

test('what was acknowledged is gone, and what was sent comes again with its packet id', async (t) => {
  const first = await open(t)
  const session = first.sessions.create(facts)
  for (const text of ['1', '2', '3', '4']) first.sessions.enqueue(message(text), 0, once, [session])
  await first.sessions.flushed()
  const [one, two, three] = (await session.take(3)) as [Outbound, Outbound, Outbound]
  session.sent(one, 11)
  session.sent(two, 12)
  session.sent(three, 13)
  session.acknowledged(two)
  assert.equal(session.count().messages, 3)
  session.parked()
  await first.sessions.flushed()

  const seen = (taken: readonly Outbound[]) =>
    taken.map((outbound) => [textOf(outbound), outbound.packetId, outbound.dup])
  const expected = [
    ['1', 11, true],
    ['3', 13, true],
    ['4', 0, false],
  ]
  assert.deepEqual(seen(await session.take(10)), expected, 'on the same process')
  const second = await first.restart()
  const found = only(second)
  const again = await found.take(10)
  assert.deepEqual(seen(again), expected, 'after a restart')
  for (const outbound of again) found.acknowledged(outbound)
  assert.deepEqual(found.count(), { messages: 0, bytes: 0 })
  const third = await second.restart()
  assert.deepEqual(await only(third).take(10), [])
})

test('the packet id of a QoS 2 message is on disk before it is sent, and once received it never comes again', async (t) => {
  const first = await open(t)
  const session = first.sessions.create(facts)
  first.sessions.enqueue(message('1'), 0, exactly, [session])
  first.sessions.enqueue(message('2'), 0, exactly, [session])
  await first.sessions.flushed()
  const [one, two] = (await session.take(2)) as [Outbound, Outbound]
  await Promise.all([session.sent(one, 1), session.sent(two, 2)])

  const second = await first.crash()
  const found = only(second)
  const again = await found.take(10)
  assert.deepEqual(
    again.map((outbound) => [textOf(outbound), outbound.packetId, outbound.dup]),
    [
      ['1', 1, true],
      ['2', 2, true],
    ],
  )
  await found.received(again[0] as Outbound)

  const third = await second.crash()
  const left = only(third)
  assert.deepEqual([...left.releasing], [1])
  assert.deepEqual(textsOf(await left.take(10)), ['2'])
  left.completed(1)
  await third.sessions.flushed()
  assert.equal(only(await third.crash()).releasing.size, 0)
})

test('an inbound QoS 2 packet id is on disk exactly when its message is', async (t) => {
  for (const torn of [0, 0.3, 0.6, 0.9, 1]) {
    const first = await open(t)
    const session = first.sessions.create(facts)
    await first.sessions.flushed()
    session.startIncoming(5)
    first.sessions.enqueue(message('once'), 0, exactly, [session])
    const flushed = first.sessions.flushed()
    // The append begins with one turn of the loop, and the write with the next.
    await new Promise((resolve) => setImmediate(resolve))
    await Promise.race([flushed, new Promise((resolve) => setImmediate(resolve))])
    const found = only(await first.crash(torn))
    assert.equal(found.incoming.has(5), found.count().messages === 1, `cut at ${torn}`)
  }
  const first = await open(t)
  const session = first.sessions.create(facts)
  session.startIncoming(5)
  assert.equal(session.endIncoming(6), false)
  assert.equal(session.endIncoming(5), true)
  session.startIncoming(7)
  await first.sessions.flushed()
  assert.deepEqual([...only(await first.crash()).incoming], [7])
})

test('retained messages are there after a crash, the newest of each topic', async (t) => {
  const first = await open(t)
  const { sessions } = first
  sessions.retain('a', message('old', { topicName: 'a' }), 1)
  sessions.retain('a', message('new', { topicName: 'a', contentType: 'x', qos: 2 }), 2)
  sessions.retain('b', message('gone', { topicName: 'b' }), 3)
  sessions.retain('b', undefined, 4)
  sessions.retain('c', message('', { topicName: 'c', messageExpiryInterval: 10 }), 5)
  await sessions.flushed()
  const found = [...(await first.crash()).sessions.recovered.retained]
  assert.deepEqual(
    found.map(({ topicName, message: { payload, qos, contentType, receivedAt, expiresAt } }) => [
      topicName,
      payload.toString(),
      qos,
      contentType,
      receivedAt,
      expiresAt,
    ]),
    [
      ['a', 'new', 2, 'x', 2, 0],
      ['c', '', 1, undefined, 5, 10_005],
    ],
  )
})

test('names and identifiers may be as long and as many as MQTT allows', async (t) => {
  const first = await open(t)
  const session = first.sessions.create(facts)
  const long = 'x'.repeat(65_535)
  const subscriptionIds = Array.from({ length: 1_000 }, (_, n) => n + 1)
  session.subscribe(long, options)
  first.sessions.retain(long, message('kept', { topicName: long }), 1)
  first.sessions.enqueue(message('1', { topicName: long }), 0, { ...once, subscriptionIds }, [session])
  await first.sessions.flushed()
  const second = await first.crash()
  const found = only(second)
  assert(found.subscriptions.has(long))
  const [taken] = await found.take(1)
  assert.equal(taken?.message.topicName, long)
  assert.deepEqual(taken.subscriptionIds, subscriptionIds)
  assert.deepEqual(
    Array.from(second.sessions.recovered.retained, ({ topicName }) => topicName),
    [long],
  )
})

test('a session that has ended is gone with its messages, and its queue is not used again', async (t) => {
  const first = await open(t)
  const session = first.sessions.create(facts)
  session.subscribe('a', options)
  first.sessions.enqueue(message('1'), 0, once, [session])
  await first.sessions.flushed()
  const [taken] = await session.take(1)
  assert(taken)
  session.sent(taken, 1)
  session.end()
  session.acknowledged(taken)
  session.parked()
  session.subscribe('b', options)
  const next = first.sessions.create(facts)
  await first.sessions.flushed()
  const second = await first.restart()
  const found = only(second)
  assert.equal(found.subscriptions.size, 0)
  assert.deepEqual(found.count(), { messages: 0, bytes: 0 })
  assert.notEqual(found.id, session.id)
  assert.equal(found.id, next.id)
  await dropForgottenRealms(second.store.queues, () => false)
  assert.deepEqual(second.store.queues.names(), [])
})

test('a message that has expired while it waited is not handed out', async (t) => {
  const first = await open(t)
  const session = first.sessions.create(facts)
  const brief = message('brief', { messageExpiryInterval: 5 })
  first.sessions.enqueue(brief, clock.now(), once, [session])
  first.sessions.enqueue(message('0 is never', { messageExpiryInterval: 0 }), clock.now(), once, [session])
  await first.sessions.flushed()
  await clock.advance(5_000)
  assert.deepEqual(textsOf(await session.take(10)), ['0 is never'])
  assert.equal(session.count().messages, 1)
})

test('messages that were read for a connection that is gone come first for the next one', async (t) => {
  const first = await open(t)
  const session = first.sessions.create(facts)
  const texts = Array.from({ length: 600 }, (_, n) => `${n}`)
  for (const text of texts) first.sessions.enqueue(message(text), 0, once, [session])
  await first.sessions.flushed()
  assert.equal((await session.take(100)).length, 100)
  session.parked()
  const reading = session.take(50)
  session.parked()
  await reading
  session.parked()
  const seen: string[] = []
  for (;;) {
    const taken = await session.take(70)
    if (taken.length === 0) break
    seen.push(...textsOf(taken))
    for (const outbound of taken) session.acknowledged(outbound)
  }
  assert.deepEqual(seen, texts)
})

test('what a full disk cannot take is refused, and what was said of sessions is written once there is room', async (t) => {
  const first = await open(t)
  const session = first.sessions.create(facts)
  await first.sessions.flushed()
  first.disk.freeBytes = 10
  session.subscribe('a', options)
  first.sessions.enqueue(message('lost'), 0, once, [session])
  assert.equal(session.count().messages, 1)
  await assert.rejects(first.sessions.flushed(), StoreUnavailable)
  assert.deepEqual(session.count(), { messages: 0, bytes: 0 })
  first.disk.freeBytes = Infinity
  const written = first.store.queues.names()
  const giveUpAt = performance.now() + 10_000
  const isWrittenAnew = () => {
    const states = first.store.queues.names().filter((name) => name.includes('/state/'))
    return states.length === 1 && !written.includes(states[0] as string)
  }
  while (!isWrittenAnew()) {
    assert(performance.now() < giveUpAt, 'it is not written')
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert(only(await first.crash()).subscriptions.has('a'))
})

for (const seed of [1, 2, 3, 4])
  test(`whatever happens before a crash, what was flushed is there (seed ${seed})`, async (t) => {
    const { below } = createRandom(seed)
    let house = await open(t)
    /** What must be there, by session name. */
    const model = new Map<string, { filters: Set<string>; waiting: string[] }>()
    const byName = new Map<string, DurableSession>()
    let n = 0
    for (let step = 0; step < 400; step++) {
      const names = [...model.keys()]
      const name = names[below(names.length)] as string
      const session = byName.get(name) as DurableSession
      const known = model.get(name) as { filters: Set<string>; waiting: string[] }
      switch (names.length === 0 ? 0 : below(8)) {
        case 0: {
          const sessionName = `s${n++}`
          byName.set(sessionName, house.sessions.create({ ...facts, sessionName }))
          model.set(sessionName, { filters: new Set(), waiting: [] })
          break
        }
        case 1:
          session.subscribe(`f${step % 7}`, options)
          known.filters.add(`f${step % 7}`)
          break
        case 2:
          session.unsubscribe(`f${step % 7}`)
          known.filters.delete(`f${step % 7}`)
          break
        case 3:
        case 4: {
          const text = `m${n++}`
          house.sessions.enqueue(message(text), 0, below(2) ? once : exactly, [session])
          known.waiting.push(text)
          break
        }
        case 5: {
          await house.sessions.flushed()
          const taken = await session.take(1 + below(3))
          for (const outbound of taken) {
            await session.sent(outbound, 1 + below(60_000))
            if (below(2)) continue
            session.acknowledged(outbound)
            known.waiting.splice(known.waiting.indexOf(textOf(outbound)), 1)
          }
          session.parked()
          break
        }
        case 6:
          if (below(6) > 0) break
          session.end()
          model.delete(name)
          byName.delete(name)
          break
        default: {
          if (below(3) > 0) break
          await house.sessions.flushed()
          // What was acknowledged is durable a little later.
          const { store } = house
          await store.queues.open('barrier')
          await store.queues.drop('barrier')
          house = below(2) ? await house.crash() : await house.restart()
          byName.clear()
          for (const found of house.sessions.recovered.sessions) byName.set(found.facts.sessionName, found)
          assert.deepEqual([...byName.keys()].toSorted(), [...model.keys()].toSorted())
          for (const [sessionName, { filters, waiting }] of model) {
            const found = byName.get(sessionName) as DurableSession
            assert.deepEqual([...found.subscriptions.keys()].toSorted(), [...filters].toSorted())
            assert.deepEqual(textsOf(await found.take(1000)), waiting)
            found.parked()
          }
        }
      }
    }
  })
