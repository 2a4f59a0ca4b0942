import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock, turnOfTheLoop } from '../testing/manual-clock.ts'
import { planOf } from '../testing/templates.ts'
import { runPlan } from './run-plan.ts'

const topic = (name: string, ...dependsOn: readonly string[]) => ({
  type: 'Microsoft.EventGrid/topics',
  apiVersion: '2022-06-15',
  name,
  dependsOn,
})

const planWith = (...resources: readonly ReturnType<typeof topic>[]) =>
  planOf({
    $schema: 'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#',
    contentVersion: '1.0.0.0',
    resources,
  })

/** A run whose resources end when the test says so. */
function start(plan: ReturnType<typeof planWith>, concurrency = 10) {
  const clock = new ManualClock()
  const abort = new AbortController()
  const started: string[] = []
  const told: string[] = []
  const ends = new Map<string, { resolve(value: string): void; reject(error: unknown): void }>()
  const run = runPlan({
    plan,
    concurrency,
    clock,
    signal: abort.signal,
    deploy({ name }) {
      started.push(name)
      const { promise, resolve, reject } = Promise.withResolvers<string>()
      ends.set(name, { resolve, reject })
      return promise
    },
    onOutcome: ({ name }, { kind }) => told.push(`${name} ${kind}`),
  })
  const end = async (name: string, error?: unknown) => {
    if (error === undefined) ends.get(name)?.resolve(`made ${name}`)
    else ends.get(name)?.reject(error)
    await turnOfTheLoop()
  }
  return { run, clock, abort, started, told, end }
}

test('resources start when what they depend on is there, and independent ones at once', async () => {
  const { run, started, end, clock } = start(
    planWith(topic('a'), topic('b', 'a'), topic('c'), topic('d', 'b', 'c')),
  )
  assert.deepEqual(started, ['a', 'c'])
  await clock.advance(100)
  await end('a')
  assert.deepEqual(started, ['a', 'c', 'b'])
  await end('c')
  await clock.advance(50)
  await end('b')
  assert.deepEqual(started, ['a', 'c', 'b', 'd'])
  await end('d')
  const { state, resources } = await run
  assert.equal(state, 'Succeeded')
  const times = resources.map(({ resource, outcome }) => {
    assert.ok(outcome.kind === 'succeeded')
    assert.equal(outcome.result, `made ${resource.name}`)
    return [resource.name, outcome.endedAt - outcome.startedAt]
  })
  assert.deepEqual(times, [
    ['a', 100],
    ['b', 50],
    ['c', 100],
    ['d', 0],
  ])
})

test('no more resources are under way than the concurrency', async () => {
  const { run, started, end } = start(planWith(topic('a'), topic('b'), topic('c')), 2)
  assert.deepEqual(started, ['a', 'b'])
  await end('b')
  assert.deepEqual(started, ['a', 'b', 'c'])
  await end('a')
  await end('c')
  assert.equal((await run).state, 'Succeeded')
})

test('after a failure nothing new starts, and what is under way is waited for', async () => {
  const { run, started, told, end } = start(
    planWith(topic('a'), topic('b'), topic('c', 'b'), topic('d', 'a')),
  )
  const error = new Error('refused')
  await end('a', error)
  await end('b')
  const { state, resources } = await run
  assert.equal(state, 'Failed')
  assert.deepEqual(started, ['a', 'b'])
  assert.deepEqual(
    resources.map(({ outcome }) => outcome.kind),
    ['failed', 'succeeded', 'notStarted', 'notStarted'],
  )
  const [first] = resources
  assert.ok(first?.outcome.kind === 'failed')
  assert.equal(first.outcome.error, error)
  assert.deepEqual(told, ['a failed', 'b succeeded'])
})

test('canceled, it starts nothing new; what was under way is canceled or has succeeded', async () => {
  const { run, abort, end } = start(planWith(topic('a'), topic('b'), topic('c', 'a')))
  abort.abort()
  await end('a')
  await end('b', new Error('told to stop'))
  const { state, resources } = await run
  assert.equal(state, 'Canceled')
  assert.deepEqual(
    resources.map(({ outcome }) => outcome.kind),
    ['succeeded', 'canceled', 'notStarted'],
  )
})

test('canceled before it begins, it starts nothing', async () => {
  const run = await runPlan({
    plan: planWith(topic('a')),
    concurrency: 1,
    clock: new ManualClock(),
    signal: AbortSignal.abort(),
    deploy: () => assert.fail('started'),
  })
  assert.equal(run.state, 'Canceled')
})

test('canceled when everything has been deployed, it has succeeded', async () => {
  const { run, abort, end } = start(planWith(topic('a')))
  abort.abort()
  await end('a')
  assert.equal((await run).state, 'Succeeded')
})

test('a plan without resources succeeds at once', async () => {
  const { run } = start(planWith())
  assert.deepEqual(await run, { state: 'Succeeded', resources: [] })
})
