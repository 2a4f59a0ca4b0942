import assert from 'node:assert/strict'
import { test } from 'node:test'
import { afterFailure, createJitter, expired, type Failure, noJitter, type RetryPolicy } from './policy.ts'

const hour = 3_600_000
const policy: RetryPolicy = { maxDeliveryAttempts: 30, eventTimeToLiveMs: 24 * hour }
const failing = (minimumDelayMs: number): Failure => ({
  ...{ kind: 'retry', name: 'GenericError', status: 500, error: 'HTTP 500' },
  minimumDelayMs,
})

/** The moments, in milliseconds after publishing, of all attempts that are made. */
function timeline(failure: Failure, limits: Partial<RetryPolicy> = {}): number[] {
  const all = { ...policy, ...limits }
  const attempts: number[] = []
  for (let at = 0; !expired(at, all); ) {
    attempts.push(at)
    const next = afterFailure(failure, attempts.length, all, noJitter)
    if (typeof next === 'string') break
    at += next
  }
  return attempts
}

const moments = (text: string) =>
  text.split(' ').map((moment) => moment.split(':').reduce((sum, part) => sum * 60 + Number(part), 0) * 1000)

test('an endpoint that always answers 500 is tried eleven times in a day', () => {
  const expected = moments('0 10 40 1:40 6:40 16:40 46:40 1:46:40 4:46:40 10:46:40 22:46:40')
  assert.deepEqual(timeline(failing(10_000)), expected)
})

test('six attempts are made within a time to live of thirty minutes', () => {
  assert.deepEqual(
    timeline(failing(10_000), { eventTimeToLiveMs: hour / 2 }),
    moments('0 10 40 1:40 6:40 16:40'),
  )
})

test('the first steps of a 503 are thirty seconds long', () => {
  assert.deepEqual(timeline(failing(30_000)).slice(0, 5), moments('0 30 1:00 2:00 7:00'))
})

test('the first steps of a 404 are five minutes long', () => {
  assert.deepEqual(timeline(failing(300_000)).slice(0, 7), moments('0 5:00 10:00 15:00 20:00 30:00 1:00:00'))
})

test('no attempt follows the last one allowed, or a failure that no attempt can repair', () => {
  assert.equal(timeline(failing(10_000), { maxDeliveryAttempts: 3 }).length, 3)
  assert.equal(
    afterFailure(failing(0), 3, { ...policy, maxDeliveryAttempts: 3 }, noJitter),
    'MaxDeliveryAttemptsExceeded',
  )
  const hopeless: Failure = { kind: 'hopeless', name: 'BadRequest', status: 400, error: 'HTTP 400' }
  assert.equal(afterFailure(hopeless, 1, policy, noJitter), 'UndeliverableDueToClientError')
})

test('jitter makes a wait up to two percent longer and never shorter', () => {
  assert.equal(createJitter(() => 0)(10_000), 10_000)
  assert.equal(createJitter(() => 1)(10_000), 10_200)
  assert.equal(createJitter(() => 1)(12 * hour), 12 * hour + 10_000)
})
