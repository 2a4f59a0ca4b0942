import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testEvent, testTopicId } from '../testing/events.ts'
import { ManualClock } from '../testing/manual-clock.ts'
import { type Followed, heartbeatMs, Tail, type TailLimits } from './tail.ts'
import { createTrace } from './trace.ts'

const topic: Followed = { kind: 'topic', id: testTopicId }
const eventSubscription: Followed = { kind: 'eventSubscription', id: '/es/a', uid: 'a' }
const at = Date.UTC(2026, 0, 2, 3, 4, 5)

function start(limits: Partial<TailLimits> = {}) {
  const clock = new ManualClock()
  const tail = new Tail({ clock, limits, eventSubscriptions: () => [{ uid: 'a', name: 'all' }] })
  const trace = createTrace({ events: 0, bytes: 0 }, tail)
  const abort = new AbortController()
  const follow = (what: Followed) => new Reader(tail.follow(what, abort.signal))
  const accept = (id: string, data: unknown = { n: 1 }, topicId = testTopicId) => {
    const event = testEvent(id, 'EventGridSchema', { data })
    trace.accepted({
      topic: { topicId, schema: 'EventGridSchema', explain: () => [] },
      ...{ at, events: [event], matched: [['a']], sequences: [1] },
    })
  }
  return { clock, tail, trace, abort, follow, accept }
}

/** Reads pieces, as a client does, and takes them apart into lines. */
class Reader {
  readonly #pieces: AsyncIterator<string>
  constructor(pieces: AsyncIterable<string>) {
    this.#pieces = pieces[Symbol.asyncIterator]()
  }

  /** The lines of the next piece; undefined at the end. */
  async next(): Promise<readonly Record<string, unknown>[] | undefined> {
    const { done, value } = await this.#pieces.next()
    return done === true
      ? undefined
      : value
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line))
  }
}

test('who follows a topic is told of each event that is accepted, and whom it went to', async () => {
  const { follow, accept } = start()
  const reader = follow(topic)
  assert.deepEqual((await reader.next())?.[0]?.kind, 'following')
  accept('1', { big: 12345678901234567890n.toString() })
  accept('2', 7, '/another/topic')
  const lines = await reader.next()
  assert.deepEqual(lines, [
    {
      kind: 'accepted',
      at: '2026-01-02T03:04:05.000Z',
      id: '1',
      type: 'Order.Placed',
      subject: '/orders/1',
      topic: testTopicId,
      time: lines?.[0]?.time,
      matched: ['all'],
      data: { big: '12345678901234567890' },
    },
  ])
})

test("a domain's id follows all of its topics", async () => {
  const { follow, accept } = start()
  const reader = follow({ kind: 'topic', id: '/x/domains/D' })
  await reader.next()
  accept('1', 1, '/X/domains/d/topics/t1')
  accept('2', 1, '/X/domains/d2/topics/t1')
  assert.deepEqual(
    (await reader.next())?.map(({ id }) => id),
    ['1'],
  )
})

test('data beyond the bound is told of by its size', async () => {
  const { follow, accept } = start({ dataBytes: 10 })
  const reader = follow(topic)
  await reader.next()
  accept('1', '12345678')
  accept('2', '123456789')
  const [fits, large] = (await reader.next()) ?? []
  assert.equal(fits?.data, '12345678')
  assert.equal(large?.data, undefined)
  assert.equal(large?.dataBytes, 11)
})

test('who follows an event subscription is told of attempts, retries, and how each event ended', async () => {
  const { clock, follow, trace } = start()
  const reader = follow(eventSubscription)
  await reader.next()
  const body = Buffer.from('{"id":"1","eventType":"t","subject":"s"}')
  const event = { schema: 'EventGridSchema', id: '1', body } as const
  const attempt = { at, status: 503, outcome: 'Busy', error: 'HTTP 503', durationMs: 4 }
  trace.attempt(1, 'a', attempt, event)
  trace.attempt(1, 'b', attempt, event)
  trace.postponed(1, 'a', at + 30_000, event)
  trace.deadLettering(1, 'a', { reason: 'TimeToLiveExceeded', dueAt: at, error: undefined }, event)
  trace.ended(1, 'a', { kind: 'deadLettered', at, reason: 'TimeToLiveExceeded', blob: 'c/b.json' }, event)
  trace.ended(2, 'a', { kind: 'dropped', at, reason: 'MaxDeliveryAttemptsExceeded' })
  const named = { id: '1', type: 't', subject: 's' }
  const now = new Date(clock.now()).toISOString()
  const moment = '2026-01-02T03:04:05.000Z'
  assert.deepEqual(await reader.next(), [
    { kind: 'attempt', at: moment, ...named, status: 503, outcome: 'Busy', error: 'HTTP 503', durationMs: 4 },
    { kind: 'postponed', at: now, ...named, dueAt: '2026-01-02T03:04:35.000Z' },
    { kind: 'givenUp', at: now, ...named, reason: 'TimeToLiveExceeded', deadLetterDueAt: moment },
    { kind: 'deadLettered', at: moment, ...named, reason: 'TimeToLiveExceeded', blob: 'c/b.json' },
    { kind: 'dropped', at: moment, reason: 'MaxDeliveryAttemptsExceeded' },
  ])
})

test('a slow reader is told how many lines it missed, and then what comes', async () => {
  const { follow, accept } = start({ pendingLines: 3 })
  const reader = follow(topic)
  await reader.next()
  for (const id of ['1', '2', '3', '4', '5']) accept(id)
  const lines = await reader.next()
  assert.deepEqual(
    lines?.map(({ kind, id, lines: missed }) => missed ?? id ?? kind),
    ['1', '2', '3', 2],
  )
  accept('6')
  assert.equal((await reader.next())?.[0]?.id, '6')
})

test('what waits for a reader has a bound in bytes too', async () => {
  const { follow, accept } = start({ pendingBytes: 5_000 })
  const reader = follow(topic)
  await reader.next()
  for (let n = 1; n <= 10; n++) accept(String(n), 'x'.repeat(4_000))
  const lines = await reader.next()
  assert.deepEqual(lines?.at(-1), { kind: 'missed', lines: 8 })
})

test('a silent stream has a heartbeat', async () => {
  const { clock, follow } = start()
  const reader = follow(topic)
  await reader.next()
  const next = reader.next()
  await clock.advance(heartbeatMs)
  assert.equal((await next)?.[0]?.kind, 'heartbeat')
})

test('a stream ends when what it follows is deleted, and when its reader goes', async () => {
  const { tail, abort, follow } = start()
  const reader = follow(topic)
  await reader.next()
  tail.deleted(testTopicId.toUpperCase())
  assert.equal((await reader.next())?.[0]?.kind, 'deleted')
  assert.equal(await reader.next(), undefined)
  const other = follow(eventSubscription)
  await other.next()
  const end = other.next()
  assert.equal(tail.followed, true)
  abort.abort()
  assert.equal(await end, undefined)
  assert.equal(tail.followed, false)
})

test('one more follower than may is one too many', () => {
  const { tail, follow } = start({ followers: 2 })
  follow(topic)
  assert.equal(tail.full, false)
  follow(topic)
  assert.equal(tail.full, true)
})
