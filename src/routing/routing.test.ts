import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLog } from '../base/log.ts'
import { Metrics } from '../base/metrics.ts'
import type { GridEvent } from '../event/event.ts'
import { ManualClock } from '../testing/manual-clock.ts'
import { createRouting, type RoutingFailure, type RoutingLimits } from './routing.ts'

const publisher = { authenticationName: 'client1', attributes: {} }
const message = (text: string) => ({
  topicName: text,
  payload: Buffer.from(text),
  receivedAt: 1_000,
})

function start(limits: Partial<RoutingLimits> = {}) {
  const clock = new ManualClock()
  const metrics = new Metrics()
  const sent: string[][] = []
  const answers: (RoutingFailure | undefined | Error)[] = []
  const routing = createRouting({
    namespaceId: '/ns',
    async send(targetId: string, events: readonly GridEvent[]) {
      sent.push([targetId, ...events.map(({ subject }) => subject)])
      const answer = answers.shift()
      if (answer instanceof Error) throw answer
      return answer
    },
    clock,
    metrics,
    log: createLog('silent'),
    limits,
  })
  routing.configure({ namespaceName: 'ns', targetId: '/topic', enrichments: { static: [], dynamic: [] } })
  const count = (name: string) =>
    metrics
      .encode()
      .split('\n')
      .filter((line) => line.startsWith(`busbar_mqtt_${name}`))
      .map((line) => line.replace(/^\S+?\{namespace="\/ns",?/, '').replace('}', ''))
      .toSorted()
      .join()
      .trim()
  return { routing, clock, sent, answers, count }
}

const busy: RoutingFailure = { error: 'TooManyRequests', reason: 'full' }
const gone: RoutingFailure = { error: 'TopicNotFoundError', reason: 'deleted' }

test('the messages of one turn are routed together, and the promise is theirs', async () => {
  const { routing, sent, count } = start()
  const first = routing.accepted(message('a'), publisher)
  const second = routing.accepted(message('b'), publisher)
  assert.equal(first, second)
  assert.deepEqual(sent, [])
  await first
  assert.deepEqual(sent, [['/topic', 'a', 'b']])
  assert.equal(count('routed_messages_total'), '2')
})

test('a payload is read before the buffer that it lies in is used again', async () => {
  const events: GridEvent[] = []
  const routing = createRouting({
    namespaceId: '/ns',
    send: async (_id, sent) => void events.push(...sent),
    clock: new ManualClock(),
    metrics: new Metrics(),
    log: createLog('silent'),
  })
  routing.configure({ namespaceName: 'ns', targetId: '/t', enrichments: { static: [], dynamic: [] } })
  const payload = Buffer.from('{"a":1}')
  const ended = routing.accepted({ ...message('t'), payload, contentType: 'application/json' }, publisher)
  const own = Buffer.from('{"specversion":"1.0","id":"1","source":"s","type":"t"}')
  routing.accepted({ ...message('t'), payload: own, contentType: 'application/cloudevents+json' }, publisher)
  payload.fill(0)
  own.fill(0)
  await ended
  for (const { source, start: from, end, tail } of events)
    JSON.parse(Buffer.concat([source.subarray(from, end), tail]).toString())
})

test('what the topic does not take for now is tried again on the schedule, for a day', async () => {
  const { routing, clock, sent, answers, count } = start()
  answers.push(busy, new Error('disk'), busy)
  await routing.accepted(message('a'), publisher)
  assert.equal(routing.waiting, 1)
  await clock.advance(9_999)
  assert.equal(sent.length, 1)
  await clock.advance(1)
  assert.equal(sent.length, 2)
  await clock.advance(29_999)
  assert.equal(sent.length, 2)
  await clock.advance(1)
  assert.equal(sent.length, 3)
  assert.equal(count('failed_routed'), 'error="ServiceError" 1,error="TooManyRequests" 2')
  await clock.advance(60_000)
  assert.equal(sent.length, 4)
  assert.equal(routing.waiting, 0)
  assert.equal(count('routed_messages_total'), '1')

  answers.push(...Array.from({ length: 100 }, () => busy))
  await routing.accepted(message('b'), publisher)
  await clock.advance(25 * 3_600_000)
  assert.equal(routing.waiting, 0)
  // At once, six times within the hour after 46 minutes, and after 1, 3, 6 and 12 hours more.
  assert.equal(sent.length - 4, 1 + 6 + 4)
  assert.equal(count('dropped_routed'), '1')
})

test('what is for a topic that is gone is counted and dropped', async () => {
  const { routing, clock, sent, answers, count } = start()
  answers.push(gone)
  await routing.accepted(message('a'), publisher)
  await clock.advance(100_000)
  assert.equal(sent.length, 1)
  assert.equal(count('failed_routed'), 'error="TopicNotFoundError" 1')
  assert.equal(count('dropped_routed'), '1')
})

test('more than may wait is dropped and counted', async () => {
  const { routing, answers, count } = start({ waitingEvents: 2 })
  answers.push(busy, busy)
  routing.accepted(message('a'), publisher)
  await routing.accepted(message('b'), publisher)
  await routing.accepted(message('c'), publisher)
  assert.equal(routing.waiting, 2)
  assert.equal(count('dropped_routed'), '1')
  const bytes = start({ waitingBytes: 10 })
  bytes.answers.push(busy)
  await bytes.routing.accepted(message('a'), publisher)
  assert.equal(bytes.routing.waiting, 0)
})

test('a namespace that routes nowhere costs nothing, and what was accepted before goes the old way', async () => {
  const { routing, sent } = start()
  const before = routing.accepted(message('a'), publisher)
  routing.configure({ namespaceName: 'ns', targetId: '/other', enrichments: { static: [], dynamic: [] } })
  const after = routing.accepted(message('b'), publisher)
  await Promise.all([before, after])
  assert.deepEqual(sent, [
    ['/topic', 'a'],
    ['/other', 'b'],
  ])
  routing.configure(undefined)
  assert.equal(routing.accepted(message('c'), publisher), undefined)
})

test('what waits when the server stops is tried once more', async () => {
  const { routing, sent, answers, count } = start()
  answers.push(busy, undefined, busy)
  await routing.accepted(message('a'), publisher)
  routing.accepted(message('b'), publisher)
  await routing.close()
  assert.deepEqual(sent.slice(1), [
    ['/topic', 'b'],
    ['/topic', 'a'],
  ])
  assert.equal(routing.accepted(message('c'), publisher), undefined)
  assert.equal(count('dropped_routed'), '1')
})
