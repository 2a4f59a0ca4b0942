import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from './manual-clock.ts'

test('callbacks are made in the order of their moments, each seeing its own moment', async () => {
  const clock = new ManualClock(1000)
  const seen: [string, number][] = []
  clock.at(1300, () => seen.push(['c', clock.now()]))
  clock.at(1100, () => {
    seen.push(['a', clock.now()])
    clock.at(1200, () => seen.push(['b', clock.now()]))
  })
  await clock.advance(299)
  assert.deepEqual(seen, [
    ['a', 1100],
    ['b', 1200],
  ])
  await clock.advance(1)
  assert.deepEqual(seen[2], ['c', 1300])
  assert.equal(clock.nextDueAt, undefined)
})

test('a cancelled callback is never made', async () => {
  const clock = new ManualClock(0)
  clock.at(1, () => assert.fail('was cancelled')).cancel()
  await clock.advance(10)
  assert.equal(clock.now(), 10)
})
