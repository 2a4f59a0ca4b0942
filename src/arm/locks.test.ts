import assert from 'node:assert/strict'
import { test } from 'node:test'
import { holdsFor, Locks } from './locks.ts'

/** Work that has begun and ends when the test says so. */
function job(locks: Locks, holds: Parameters<Locks['hold']>[0]) {
  const end = Promise.withResolvers<void>()
  const state = { begun: false }
  const ended = locks.hold(holds, () => {
    state.begun = true
    return end.promise
  })
  return { state, ended, end: end.resolve, fail: end.reject }
}
const turns = async () => {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve()
}
const alone = [{ key: 'a', shared: false }]
const shared = [{ key: 'a', shared: true }]

test('who holds a lock alone keeps others out until he has ended, even by failing', async () => {
  const locks = new Locks()
  const first = job(locks, alone)
  const second = job(locks, shared)
  await turns()
  assert.deepEqual([first.state.begun, second.state.begun], [true, false])
  first.fail(new Error('x'))
  await assert.rejects(first.ended, /x/)
  await turns()
  assert.equal(second.state.begun, true)
  second.end()
  await second.ended
})

test('those who share do so together, but none that came later overtakes one who wants it alone', async () => {
  const locks = new Locks()
  const jobs = [job(locks, shared), job(locks, shared), job(locks, alone), job(locks, shared)]
  await turns()
  assert.deepEqual(
    jobs.map(({ state }) => state.begun),
    [true, true, false, false],
  )
  jobs[0]?.end()
  jobs[1]?.end()
  await turns()
  assert.deepEqual(
    jobs.map(({ state }) => state.begun),
    [true, true, true, false],
  )
  jobs[2]?.end()
  await turns()
  assert.equal(jobs[3]?.state.begun, true)
  jobs[3]?.end()
})

test('a resource is held alone, its topic and its group shared', () => {
  const topic = '/subscriptions/s/resourceGroups/G/providers/Microsoft.EventGrid/topics/T'
  assert.deepEqual(holdsFor(`${topic}/providers/Microsoft.EventGrid/eventSubscriptions/e`, topic), [
    { key: '/subscriptions/s/resourcegroups/g', shared: true },
    { key: topic.toLowerCase(), shared: true },
    { key: `${topic.toLowerCase()}/providers/microsoft.eventgrid/eventsubscriptions/e`, shared: false },
  ])
})
