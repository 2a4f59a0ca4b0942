import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Outcome, OutcomeName } from '../destinations/destination.ts'
import { ManualClock } from '../testing/manual-clock.ts'
import { Health } from './health.ts'

const delivered: Outcome = { kind: 'delivered', status: 200 }
const failed = (name: OutcomeName): Outcome => ({
  ...{ kind: 'retry', name, status: undefined, error: name, minimumDelayMs: 10_000 },
})

function fail(health: Health, name: OutcomeName, times: number): void {
  for (let n = 0; n < times; n++) health.ended(failed(name), health.began())
}

test('concurrency begins at four, grows with success up to sixty-four, and halves with a failure', () => {
  const health = new Health(new ManualClock())
  assert.equal(health.concurrency, 4)
  for (let n = 0; n < 100; n++) health.ended(delivered, false)
  assert.equal(health.concurrency, 64)
  health.ended(failed('Busy'), false)
  assert.equal(health.concurrency, 32)
  health.ended(delivered, false)
  assert.equal(health.concurrency, 32)
})

test('ten failures in a row put an endpoint on probation, for as long as the last outcome says', async () => {
  const clock = new ManualClock()
  const health = new Health(clock)
  fail(health, 'SocketError', 9)
  assert.equal(health.onProbation, false)
  fail(health, 'Busy', 1)
  assert.equal(health.concurrency, 0)
  assert.equal(health.heldUntil, clock.now() + 10_000)
  await clock.advance(10_000)
  assert.equal(health.concurrency, 1)
})

test('one probe is made after a probation, and its success ends it', async () => {
  const clock = new ManualClock()
  const health = new Health(clock)
  fail(health, 'SocketError', 10)
  await clock.advance(30_000)
  const probe = health.began()
  assert.equal(probe, true)
  assert.equal(health.concurrency, 0)
  // An attempt that began before the probation ends now, and proves nothing.
  health.ended(delivered, false)
  assert.equal(health.onProbation, true)
  health.ended(delivered, probe)
  assert.equal(health.onProbation, false)
  assert.ok(health.concurrency >= 1)
})

test('the first three probations are alike, then each is twice as long, up to five minutes', async () => {
  const clock = new ManualClock()
  const health = new Health(clock)
  fail(health, 'Busy', 10)
  const lengths: number[] = []
  for (let n = 0; n < 9; n++) {
    const left = (health.heldUntil ?? 0) - clock.now()
    lengths.push(left / 1000)
    await clock.advance(left)
    fail(health, 'Busy', 1)
  }
  assert.deepEqual(lengths, [10, 10, 10, 20, 40, 80, 160, 300, 300])
})

test('refusals of single events are no sign of a failing endpoint', () => {
  const health = new Health(new ManualClock())
  const refused: Outcome = { kind: 'hopeless', name: 'BadRequest', status: 400, error: 'HTTP 400' }
  for (let n = 0; n < 20; n++) health.ended(refused, false)
  assert.equal(health.onProbation, false)
})
