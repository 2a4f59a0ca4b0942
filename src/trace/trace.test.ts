import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { GridEvent } from '../event/event.ts'
import { testEvent, testTopicId } from '../testing/events.ts'
import { createTrace, type Explained, type Trace } from './trace.ts'

type Explain = () => readonly Explained[]

const at = Date.UTC(2026, 0, 2, 3, 4, 5)
const explain: Explain = () => [
  { uid: 'a', name: 'all', id: '/all', refusedBy: undefined },
  { uid: 'b', name: 'big', id: '/big', refusedBy: 'data.count NumberGreaterThan 10: 7 is not' },
]
const events = (...ids: string[]): GridEvent[] => ids.map((id) => testEvent(id))
/** Events from one request, wanted by `a` from that sequence on, or by nobody. */
function accept(
  trace: Trace,
  first: number | undefined,
  accepted: GridEvent[],
  why: Explain = explain,
): void {
  trace.accepted({
    topic: { topicId: testTopicId, schema: 'EventGridSchema', explain: why },
    at,
    events: accepted,
    matched: accepted.map(() => (first === undefined ? [] : ['a'])),
    sequences: accepted.map((_, index) => (first === undefined ? undefined : first + index)),
  })
}

const failedAttempt = { at, status: 503, outcome: 'Busy', error: 'HTTP 503', durationMs: 4 }
const goodAttempt = { at: at + 30_000, status: 200, outcome: 'delivered', error: undefined, durationMs: 2 }

test('what happened to an event is told for every event subscription of its topic', () => {
  const trace = createTrace({ events: 10, bytes: 1_000_000 })
  accept(trace, 7, events('1', '2'))
  trace.attempt(8, 'a', failedAttempt)
  trace.postponed(8, 'a', at + 30_000)
  assert.equal(trace.read('2')?.eventSubscriptions[0]?.nextAttemptAt, '2026-01-02T03:04:35.000Z')
  trace.attempt(8, 'a', goodAttempt)
  assert.deepEqual(trace.read('2'), {
    id: '2',
    type: 'Order.Placed',
    subject: '/orders/2',
    topicId: testTopicId,
    acceptedAt: '2026-01-02T03:04:05.000Z',
    eventSubscriptions: [
      {
        name: 'all',
        id: '/all',
        matched: true,
        refusedBy: undefined,
        attempts: [
          { at: '2026-01-02T03:04:05.000Z', status: 503, outcome: 'Busy', error: 'HTTP 503', durationMs: 4 },
          {
            at: '2026-01-02T03:04:35.000Z',
            ...{ status: 200, outcome: 'delivered', error: undefined, durationMs: 2 },
          },
        ],
        nextAttemptAt: undefined,
        replayedAt: undefined,
        deadLetter: undefined,
        end: { kind: 'delivered', at: '2026-01-02T03:04:35.002Z' },
      },
      {
        name: 'big',
        id: '/big',
        matched: false,
        refusedBy: 'data.count NumberGreaterThan 10: 7 is not',
        attempts: [],
        nextAttemptAt: undefined,
        replayedAt: undefined,
        deadLetter: undefined,
        end: undefined,
      },
    ],
  })
  assert.deepEqual(trace.read('1')?.eventSubscriptions[0]?.attempts, [])
  assert.equal(trace.read('3'), undefined)
})

test('an event that nobody wanted is kept as well, and why', () => {
  const trace = createTrace({ events: 10, bytes: 1_000_000 })
  const refused: Explain = () => [{ uid: 'b', name: 'big', id: '/big', refusedBy: 'no' }]
  accept(trace, undefined, events('1'), refused)
  assert.equal(trace.read('1')?.eventSubscriptions[0]?.refusedBy, 'no')
})

test('refusals are explained when they are read, not when an event is accepted', () => {
  const trace = createTrace({ events: 10, bytes: 1_000_000 })
  let asked = 0
  accept(trace, 1, events('1'), () => (asked++, []))
  assert.equal(asked, 0)
  trace.read('1')
  assert.equal(asked, 1)
})

test('the newest event with an id is told of', () => {
  const trace = createTrace({ events: 10, bytes: 1_000_000 })
  accept(trace, 1, events('1', '1'))
  trace.attempt(2, 'a', goodAttempt)
  assert.equal(trace.read('1')?.eventSubscriptions[0]?.attempts.length, 1)
})

test('the oldest events are forgotten when there are too many, or too much', () => {
  const few = createTrace({ events: 3, bytes: 1_000_000 })
  accept(few, 1, events('1', '2', '3', '4'))
  assert.equal(few.read('1'), undefined)
  assert.ok(few.read('2'))
  const small = createTrace({ events: 100, bytes: 3000 })
  for (let n = 1; n <= 20; n++) accept(small, n, events(String(n)))
  assert.equal(small.read('1'), undefined)
  assert.ok(small.read('20'))
})

test('an event that still waits after a failure outlives the others', () => {
  const trace = createTrace({ events: 2, bytes: 1_000_000 })
  accept(trace, 1, events('failing', 'fine'))
  trace.attempt(1, 'a', failedAttempt)
  trace.attempt(2, 'a', goodAttempt)
  accept(trace, 3, events('3', '4'))
  assert.equal(trace.read('fine'), undefined)
  assert.equal(trace.read('failing')?.eventSubscriptions[0]?.attempts.length, 1)
  trace.deadLettering(1, 'a', { reason: 'TimeToLiveExceeded', dueAt: at + 300_000, error: 'down' })
  const waiting = trace.read('failing')?.eventSubscriptions[0]
  assert.equal(waiting?.nextAttemptAt, '2026-01-02T03:09:05.000Z')
  assert.deepEqual(waiting.deadLetter, { reason: 'TimeToLiveExceeded', error: 'down' })
  trace.ended(1, 'a', { kind: 'deadLettered', at, reason: 'TimeToLiveExceeded', blob: 'c/b.json' })
  assert.deepEqual(trace.read('failing')?.eventSubscriptions[0]?.end, {
    kind: 'deadLettered',
    at: '2026-01-02T03:04:05.000Z',
    reason: 'TimeToLiveExceeded',
    blob: 'c/b.json',
  })
})

test('what is said of an event that is no longer kept is ignored', () => {
  const trace = createTrace({ events: 2, bytes: 1_000_000 })
  accept(trace, 1, events('1', '2', '3'))
  trace.attempt(1, 'a', failedAttempt)
  trace.ended(99, 'a', { kind: 'delivered', at })
  assert.equal(trace.read('1'), undefined)
  assert.deepEqual(trace.read('3')?.eventSubscriptions[0]?.attempts, [])
})

test('nothing is kept where the limit is none', () => {
  const trace = createTrace({ events: 0, bytes: 1_000_000 })
  accept(trace, 1, events('1'))
  accept(trace, undefined, events('2'))
  trace.attempt(1, 'a', failedAttempt)
  assert.equal(trace.read('1'), undefined)
  assert.equal(trace.read('2'), undefined)
})

test('gaps in the sequence of events are harmless', () => {
  const trace = createTrace({ events: 4, bytes: 1_000_000 })
  accept(trace, 1, events('1'))
  accept(trace, 1_000_000, events('2'))
  accept(trace, 1_000_003, events('3'))
  assert.ok(trace.read('3'))
  assert.ok(trace.read('2'))
})
