import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { GridEvent } from '../event/event.ts'
import { testEvent } from '../testing/events.ts'
import { createTrace, type Explain } from './trace.ts'

const at = Date.UTC(2026, 0, 2, 3, 4, 5)
const explain: Explain = () => [
  { uid: 'a', name: 'all', id: '/all', refusedBy: undefined },
  { uid: 'b', name: 'big', id: '/big', refusedBy: 'data.count NumberGreaterThan 10: 7 is not' },
]
const events = (...ids: string[]): GridEvent[] => ids.map((id) => testEvent(id))
const failedAttempt = { at, status: 503, outcome: 'Busy', error: 'HTTP 503', durationMs: 4 }
const goodAttempt = { at: at + 30_000, status: 200, outcome: 'delivered', error: undefined, durationMs: 2 }

test('what happened to an event is told for every event subscription of its topic', () => {
  const trace = createTrace({ events: 10, bytes: 1_000_000 })
  trace.accepted(7, events('1', '2'), [['a'], ['a']], explain, at)
  trace.attempt(8, 'a', failedAttempt)
  trace.postponed(8, 'a', at + 30_000)
  assert.equal(trace.read('2')?.eventSubscriptions[0]?.nextAttemptAt, '2026-01-02T03:04:35.000Z')
  trace.attempt(8, 'a', goodAttempt)
  trace.ended(8, 'a', { kind: 'delivered', at: at + 30_002 })
  assert.deepEqual(trace.read('2'), {
    id: '2',
    type: 'Order.Placed',
    subject: '/orders/2',
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
        end: { kind: 'delivered', at: '2026-01-02T03:04:35.002Z' },
      },
      {
        name: 'big',
        id: '/big',
        matched: false,
        refusedBy: 'data.count NumberGreaterThan 10: 7 is not',
        attempts: [],
        nextAttemptAt: undefined,
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
  trace.unmatched(events('1'), refused, at)
  assert.equal(trace.read('1')?.eventSubscriptions[0]?.refusedBy, 'no')
})

test('refusals are explained when they are read, not when an event is accepted', () => {
  const trace = createTrace({ events: 10, bytes: 1_000_000 })
  let asked = 0
  trace.accepted(1, events('1'), [['a']], () => (asked++, []), at)
  assert.equal(asked, 0)
  trace.read('1')
  assert.equal(asked, 1)
})

test('the newest event with an id is told of', () => {
  const trace = createTrace({ events: 10, bytes: 1_000_000 })
  trace.accepted(1, events('1', '1'), [['a'], ['a']], explain, at)
  trace.attempt(2, 'a', goodAttempt)
  assert.equal(trace.read('1')?.eventSubscriptions[0]?.attempts.length, 1)
})

test('the oldest events are forgotten when there are too many, or too much', () => {
  const few = createTrace({ events: 3, bytes: 1_000_000 })
  few.accepted(1, events('1', '2', '3', '4'), [['a'], ['a'], ['a'], ['a']], explain, at)
  assert.equal(few.read('1'), undefined)
  assert.ok(few.read('2'))
  const small = createTrace({ events: 100, bytes: 3000 })
  for (let n = 1; n <= 20; n++) small.accepted(n, events(String(n)), [['a']], explain, at)
  assert.equal(small.read('1'), undefined)
  assert.ok(small.read('20'))
  assert.ok(small.bytes <= 3000)
})

test('an event that still waits after a failure outlives the others', () => {
  const trace = createTrace({ events: 2, bytes: 1_000_000 })
  trace.accepted(1, events('failing', 'fine'), [['a'], ['a']], explain, at)
  trace.attempt(1, 'a', failedAttempt)
  trace.attempt(2, 'a', goodAttempt)
  trace.ended(2, 'a', { kind: 'delivered', at })
  trace.accepted(3, events('3', '4'), [['a'], ['a']], explain, at)
  assert.equal(trace.read('fine'), undefined)
  assert.equal(trace.read('failing')?.eventSubscriptions[0]?.attempts.length, 1)
  trace.deadLettering(1, 'a', 'TimeToLiveExceeded', at + 300_000)
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
  trace.accepted(1, events('1', '2', '3'), [['a'], ['a'], ['a']], explain, at)
  trace.attempt(1, 'a', failedAttempt)
  trace.ended(99, 'a', { kind: 'delivered', at })
  assert.equal(trace.read('1'), undefined)
  assert.deepEqual(trace.read('3')?.eventSubscriptions[0]?.attempts, [])
})

test('gaps in the sequence of events are harmless', () => {
  const trace = createTrace({ events: 4, bytes: 1_000_000 })
  trace.accepted(1, events('1'), [['a']], explain, at)
  trace.accepted(1_000_000, events('2'), [['a']], explain, at)
  trace.accepted(1_000_003, events('3'), [['a']], explain, at)
  assert.ok(trace.read('3'))
  assert.ok(trace.read('2'))
})
