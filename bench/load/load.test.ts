import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { createRun } from './event-id.ts'
import { until } from './monotonic.ts'
import { Publisher } from './publisher.ts'
import { type Receiver, startReceiver } from './receiver.ts'

async function startTestReceiver(t: TestContext): Promise<Receiver> {
  const receiver = await startReceiver()
  t.after(() => receiver.close())
  return receiver
}

/** Publishes to the receiver itself: what is published is what is delivered. */
function createPublisher(t: TestContext, url: string, run: string, more: object): Publisher {
  const publisher = new Publisher({
    ...{ url, run, eventType: 'Test.Event', eventBytes: 1024, batch: 3, connections: 2 },
    ...more,
  })
  t.after(() => publisher.stop())
  return publisher
}

test('every acknowledged event is counted once by the receiver, with its latency', async (t) => {
  const receiver = await startTestReceiver(t)
  const run = createRun()
  await receiver.watch(run)
  const publisher = createPublisher(t, receiver.urlOf('hook'), run, { requests: 50 })
  await publisher.start()
  assert.ok(await until(() => publisher.finished, 5000, 5))
  const received = await receiver.received('hook', run)
  assert.equal(publisher.acknowledged, 150)
  assert.equal(receiver.delivered(), 150)
  assert.deepEqual([received.unique, received.duplicates, received.latency.total], [150, 0, 150])
  assert.ok(received.times.subarray(0, 150).every((times) => times === 1))
})

test('an event that comes twice is a duplicate, and on another path it is not', async (t) => {
  const receiver = await startTestReceiver(t)
  const run = createRun()
  for (const hook of ['one', 'one', 'two']) {
    const publisher = createPublisher(t, receiver.urlOf(hook), run, { requests: 1 })
    await publisher.start()
    assert.ok(await until(() => publisher.finished, 5000, 5))
  }
  const [one, two] = [await receiver.received('one', run), await receiver.received('two', run)]
  assert.deepEqual([one.unique, one.duplicates], [3, 3])
  assert.deepEqual([two.unique, two.duplicates], [3, 0])
})

test('an event is as many bytes as were asked for', async (t) => {
  let bodyBytes = 0
  const server = createServer((request, response) => {
    request.on('data', (chunk: Buffer) => (bodyBytes += chunk.length))
    request.on('end', () => response.end())
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const publisher = createPublisher(t, `http://127.0.0.1:${port}/`, createRun(), { requests: 1 })
  await publisher.start()
  assert.ok(await until(() => publisher.finished, 5000, 5))
  assert.equal(bodyBytes, 3 * 1024 + '[,,]'.length)
})

test('what a failing webhook refused is not acknowledged, and not counted as delivered', async (t) => {
  const receiver = await startTestReceiver(t)
  const run = createRun()
  await receiver.watch(run)
  await receiver.behave('hook', { kind: 'fails', busyShare: 0.3, resetShare: 0.3, mostFailures: 5, seed: 1 })
  const publisher = createPublisher(t, receiver.urlOf('hook'), run, { requests: 40 })
  await publisher.start()
  assert.ok(await until(() => publisher.finished, 5000, 5))
  assert.ok((publisher.refused.get('503') ?? 0) > 0)
  assert.ok((publisher.refused.get('ECONNRESET') ?? 0) > 0)
  assert.equal(receiver.delivered(), publisher.acknowledged)
})

test('a failing webhook takes what has failed often enough', async (t) => {
  const receiver = await startTestReceiver(t)
  await receiver.behave('hook', { kind: 'fails', busyShare: 1, resetShare: 0, mostFailures: 5, seed: 1 })
  const deliver = async (earlierAttempts: number) => {
    const headers = { 'aeg-delivery-count': String(earlierAttempts) }
    return (await fetch(receiver.urlOf('hook'), { method: 'POST', headers, body: '[]' })).status
  }
  assert.deepEqual([await deliver(4), await deliver(5)], [503, 200])
})

test('an open loop keeps its rate and counts latency from when a request was due', async (t) => {
  const receiver = await startTestReceiver(t)
  const publisher = createPublisher(t, receiver.urlOf('hook'), createRun(), { ratePerS: 3000, requests: 100 })
  const startedMs = performance.now()
  await publisher.start()
  assert.ok(await until(() => publisher.finished, 5000, 1))
  const tookMs = performance.now() - startedMs
  // 100 requests of 3 events at 3,000 events a second are due within 99 ms of the first.
  assert.ok(tookMs >= 99, `it took ${tookMs} ms`)
  assert.equal(publisher.latency.total, 100)
})

test('a receiver that went down refuses connections until it comes up at the same address', async (t) => {
  const receiver = await startTestReceiver(t)
  const run = createRun()
  const publisher = createPublisher(t, receiver.urlOf('hook'), run, {})
  await receiver.goDown()
  await publisher.start()
  assert.ok(await until(() => (publisher.refused.get('ECONNREFUSED') ?? 0) > 0, 5000, 5))
  assert.equal(publisher.acknowledged, 0)
  await receiver.comeUp()
  assert.ok(await until(() => publisher.acknowledged > 0, 5000, 5))
})

test('the receiver grants both webhook validations', async (t) => {
  const receiver = await startTestReceiver(t)
  const validation = [{ eventType: 'x', data: { validationCode: 'code-1' } }]
  const answer = await fetch(receiver.urlOf('hook'), {
    method: 'POST',
    headers: { 'aeg-event-type': 'SubscriptionValidation' },
    body: JSON.stringify(validation),
  })
  assert.deepEqual(await answer.json(), { validationResponse: 'code-1' })
  const options = await fetch(receiver.urlOf('hook'), {
    method: 'OPTIONS',
    headers: { 'webhook-request-origin': 'eventgrid.azure.net' },
  })
  assert.equal(options.headers.get('webhook-allowed-origin'), 'eventgrid.azure.net')
})
