import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '../testing/manual-clock.ts'
import { TimerWheel, type WheelItem } from './timer-wheel.ts'

const item = (onDue: () => void): WheelItem => ({
  ...{ wheelPrevious: undefined, wheelNext: undefined, wheelTick: 0, onDue },
})

test('a deadline is met within a tick after it, never before, whatever its distance', async () => {
  const clock = new ManualClock()
  const wheel = new TimerWheel(clock, 100)
  const start = clock.now()
  for (const delayMs of [0, 1, 99, 100, 101, 5_000, 51_200, 60_000, 1_000_000]) {
    const firedAt: number[] = []
    wheel.set(
      item(() => firedAt.push(clock.now())),
      delayMs,
    )
    const setAt = clock.now()
    while (firedAt.length === 0) await clock.advance(50)
    const took = (firedAt[0] as number) - setAt
    assert.ok(took >= delayMs, `${delayMs} fired after ${took}`)
    assert.ok(took <= delayMs + 200, `${delayMs} fired after ${took}`)
  }
  assert.ok(clock.now() > start)
  wheel.close()
})

test('what is moved fires once, and what is taken off not at all', async () => {
  const clock = new ManualClock()
  const wheel = new TimerWheel(clock, 100)
  const fired: string[] = []
  const moved = item(() => fired.push('moved'))
  const taken = item(() => fired.push('taken'))
  wheel.set(moved, 300)
  wheel.set(taken, 300)
  await clock.advance(200)
  wheel.set(moved, 1_000)
  wheel.clear(taken)
  await clock.advance(900)
  assert.deepEqual(fired, [])
  await clock.advance(300)
  assert.deepEqual(fired, ['moved'])
  wheel.close()
})

test('one that is taken off by another of the same tick does not fire', async () => {
  const clock = new ManualClock()
  const wheel = new TimerWheel(clock, 100)
  const fired: string[] = []
  const second = item(() => fired.push('second'))
  const first = item(() => {
    fired.push('first')
    wheel.clear(second)
  })
  wheel.set(first, 100)
  wheel.set(second, 100)
  await clock.advance(1_000)
  assert.deepEqual(fired, ['first'])
  wheel.close()
})
