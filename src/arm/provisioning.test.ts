import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Verification, VerificationRequest } from '../destinations/destination.ts'
import {
  type ControlPlane,
  eventSubscriptionPath,
  startControlPlane,
  toWebhook,
} from '../testing/control-plane.ts'
import { ManualClock, turnOfTheLoop } from '../testing/manual-clock.ts'

/** Endpoints whose answer the test gives when it wants to. */
class Endpoints {
  readonly asked: (VerificationRequest & {
    answer: (verification: Verification) => void
    signal: AbortSignal
  })[] = []
  /** When set, given at once. */
  answer: Verification | undefined

  readonly verify = (request: VerificationRequest, signal: AbortSignal): Promise<Verification> =>
    new Promise((answer) => {
      this.asked.push({ ...request, answer, signal })
      if (this.answer) answer(this.answer)
      signal.addEventListener('abort', () => answer({ kind: 'refused', message: 'aborted' }))
    })

  async whenAsked(times: number): Promise<void> {
    while (this.asked.length < times) await turnOfTheLoop()
  }
}

async function start(t: TestContext, answer?: Verification) {
  const endpoints = new Endpoints()
  endpoints.answer = answer
  const clock = new ManualClock()
  const server = await startControlPlane(t, { clock, verify: endpoints.verify })
  await server.makeTopic()
  return { endpoints, clock, server }
}

const state = async ({ call }: ControlPlane, path = eventSubscriptionPath) =>
  (await call('GET', path)).body.properties.provisioningState as string
const baseUrl = async ({ call }: ControlPlane) =>
  (await call('GET', eventSubscriptionPath)).body.properties.destination.properties.endpointBaseUrl as string
const live = ({ catalog }: ControlPlane) =>
  [...catalog.eventSubscriptions()].map(({ destination }) => destination?.secrets.endpointUrl)

test('an endpoint that agrees at once is provisioned before the answer', async (t) => {
  const { endpoints, server } = await start(t, { kind: 'verified' })
  const made = await server.call('PUT', eventSubscriptionPath, toWebhook())
  assert.equal(made.status, 201)
  assert.equal(made.body.properties.provisioningState, 'Succeeded')
  assert.equal((await server.poll(made)).body.status, 'Succeeded')
  assert.deepEqual(live(server), ['https://example.org/hook?code=s'])
  const [asked] = endpoints.asked
  assert.equal(asked?.settings.secrets.endpointUrl, 'https://example.org/hook?code=s')
  assert.equal(asked?.context.deliverySchema, 'EventGridSchema')
  assert.ok(asked?.context.eventSubscriptionId.endsWith('/eventSubscriptions/es1'))
  assert.ok(
    asked?.validationUrl.startsWith(
      `${server.url}/eventsubscriptions/es1/validate?id=${asked.validationCode}&`,
    ),
  )
})

test('an endpoint that refuses fails the operation; the event subscription is kept as failed and gets nothing', async (t) => {
  const { server } = await start(t, { kind: 'refused', message: 'Webhook validation handshake failed.' })
  const made = await server.call('PUT', eventSubscriptionPath, toWebhook())
  assert.equal(made.status, 201)
  const operation = (await server.poll(made)).body
  assert.equal(operation.status, 'Failed')
  assert.deepEqual(operation.error, {
    code: 'Url validation',
    message: 'Webhook validation handshake failed.',
  })
  assert.equal(await state(server), 'Failed')
  assert.deepEqual(live(server), [])
})

test('a failed event subscription becomes live when a later PUT is agreed to', async (t) => {
  const { endpoints, server } = await start(t, { kind: 'refused', message: 'no' })
  await server.call('PUT', eventSubscriptionPath, toWebhook())
  endpoints.answer = { kind: 'verified' }
  await server.call('PUT', eventSubscriptionPath, toWebhook())
  assert.equal(await state(server), 'Succeeded')
  assert.equal(live(server).length, 1)
})

test('a slow endpoint is answered for after 20 seconds with an operation in progress, and ended later', async (t) => {
  const { endpoints, clock, server } = await start(t)
  const answering = server.call('PUT', eventSubscriptionPath, toWebhook())
  await endpoints.whenAsked(1)
  await clock.advance(20_000)
  const made = await answering
  assert.equal(made.status, 201)
  assert.equal(made.body.properties.provisioningState, 'Creating')
  const polled = await server.poll(made)
  assert.equal(polled.body.status, 'InProgress')
  assert.equal(polled.headers.get('retry-after'), '1')
  assert.deepEqual(live(server), [])
  endpoints.asked[0]?.answer({ kind: 'verified' })
  while ((await server.poll(made)).body.status === 'InProgress') await turnOfTheLoop()
  assert.equal(await state(server), 'Succeeded')
  assert.equal(live(server).length, 1)
})

test('a changed destination is asked first; while it is, and when it refuses, the previous one stays live', async (t) => {
  const { endpoints, clock, server } = await start(t, { kind: 'verified' })
  await server.call('PUT', eventSubscriptionPath, toWebhook())
  endpoints.answer = undefined
  const answering = server.call(
    'PATCH',
    eventSubscriptionPath,
    toWebhook({}, 'https://example.org/new').properties,
  )
  await endpoints.whenAsked(2)
  assert.equal(await state(server), 'Updating')
  assert.equal(await baseUrl(server), 'https://example.org/new')
  assert.deepEqual(live(server), ['https://example.org/hook?code=s'])
  await clock.advance(20_000)
  const patched = await answering
  assert.equal(patched.status, 201)
  endpoints.asked[1]?.answer({ kind: 'refused', message: 'no' })
  while ((await server.poll(patched)).body.status === 'InProgress') await turnOfTheLoop()
  assert.equal((await server.poll(patched)).body.status, 'Failed')
  assert.equal(await state(server), 'Failed')
  assert.equal(await baseUrl(server), 'https://example.org/hook')
  assert.deepEqual(live(server), ['https://example.org/hook?code=s'])
})

test('a change that leaves destination and schema alone asks nobody', async (t) => {
  const { endpoints, server } = await start(t, { kind: 'verified' })
  await server.call('PUT', eventSubscriptionPath, toWebhook())
  await server.call('PATCH', eventSubscriptionPath, { labels: ['x'] })
  await server.call('PUT', eventSubscriptionPath, toWebhook({ filter: { subjectBeginsWith: '/a' } }))
  assert.equal(endpoints.asked.length, 1)
  assert.equal([...server.catalog.eventSubscriptions()][0]?.filter.subjectBeginsWith, '/a')
  await server.call('PATCH', eventSubscriptionPath, { eventDeliverySchema: 'CloudEventSchemaV1_0' })
  assert.equal(endpoints.asked.length, 2)
})

for (const method of ['GET', 'POST'])
  test(`an endpoint that awaits manual action is provisioned by ${method} on its validation URL`, async (t) => {
    const { endpoints, server } = await start(t, { kind: 'manual' })
    const made = await server.call('PUT', eventSubscriptionPath, toWebhook())
    assert.equal((await server.poll(made)).body.status, 'Succeeded')
    assert.equal(await state(server), 'AwaitingManualAction')
    assert.deepEqual(live(server), [])
    const url = endpoints.asked[0]?.validationUrl as string
    assert.equal((await server.raw(method, url.replace(/token=./, 'token='))).status, 404)
    assert.equal((await server.raw(method, url.replace('/es1/', '/es2/'))).status, 404)
    assert.equal((await server.raw('PUT', url)).status, 405)
    assert.deepEqual(live(server), [])
    const confirmed = await server.raw(method, url)
    assert.equal(confirmed.status, 200)
    assert.equal(await state(server), 'Succeeded')
    assert.equal(live(server).length, 1)
    assert.equal((await server.raw(method, url)).status, 404)
  })

test('a validation URL followed while the endpoint is still being asked completes the operation', async (t) => {
  const { endpoints, clock, server } = await start(t)
  const answering = server.call('PUT', eventSubscriptionPath, toWebhook())
  await endpoints.whenAsked(1)
  assert.equal((await server.raw('GET', endpoints.asked[0]?.validationUrl as string)).status, 200)
  assert.equal(await state(server), 'Succeeded')
  endpoints.asked[0]?.answer({ kind: 'manual' })
  const made = await answering
  assert.equal((await server.poll(made)).body.status, 'Succeeded')
  assert.equal(await state(server), 'Succeeded')
  await clock.advance(11 * 60_000)
  assert.equal(await state(server), 'Succeeded')
})

test('nobody following the validation URL for ten minutes fails the event subscription', async (t) => {
  const { endpoints, clock, server } = await start(t, { kind: 'manual' })
  await server.call('PUT', eventSubscriptionPath, toWebhook())
  await clock.advance(10 * 60_000)
  assert.equal(await state(server), 'AwaitingManualAction')
  await clock.advance(1)
  while ((await state(server)) === 'AwaitingManualAction') await turnOfTheLoop()
  assert.equal(await state(server), 'Failed')
  assert.equal((await server.raw('GET', endpoints.asked[0]?.validationUrl as string)).status, 404)
})

test('a later request supersedes a handshake under way, whose operation fails', async (t) => {
  const { endpoints, server } = await start(t)
  const first = server.call('PUT', eventSubscriptionPath, toWebhook({}, 'https://example.org/1'))
  await endpoints.whenAsked(1)
  endpoints.answer = { kind: 'verified' }
  const second = await server.call('PUT', eventSubscriptionPath, toWebhook({}, 'https://example.org/2'))
  assert.ok(endpoints.asked[0]?.signal.aborted)
  assert.equal((await server.poll(second)).body.status, 'Succeeded')
  assert.equal((await server.poll(await first)).body.error.code, 'Conflict')
  assert.deepEqual(live(server), ['https://example.org/2'])
})

test('a handshake that a stop interrupted is taken up by the next start, under the same operation', async (t) => {
  const { endpoints, clock, server } = await start(t)
  const answering = server.call('PUT', eventSubscriptionPath, toWebhook())
  await endpoints.whenAsked(1)
  await clock.advance(20_000)
  const made = await answering
  await server.close()
  const again = new Endpoints()
  const next = await startControlPlane(t, { disk: server.disk, clock, verify: again.verify })
  const operation = new URL(made.headers.get('azure-asyncoperation') as string)
  const poll = () => next.raw('GET', operation.pathname + operation.search)
  assert.equal((await poll()).body.status, 'InProgress')
  await again.whenAsked(1)
  again.asked[0]?.answer({ kind: 'refused', message: 'still no' })
  while ((await poll()).body.status === 'InProgress') await turnOfTheLoop()
  assert.equal((await poll()).body.error.message, 'still no')
  assert.equal(await state(next), 'Failed')
  const third = await startControlPlane(t, { disk: server.disk, clock })
  assert.equal((await third.raw('GET', operation.pathname + operation.search)).body.status, 'Failed')
})

test('manual action may be taken after a restart, with the URL that was given before it', async (t) => {
  const { endpoints, clock, server } = await start(t, { kind: 'manual' })
  await server.call('PUT', eventSubscriptionPath, toWebhook())
  await server.close()
  const next = await startControlPlane(t, { disk: server.disk, clock })
  assert.equal(await state(next), 'AwaitingManualAction')
  const url = new URL(endpoints.asked[0]?.validationUrl as string)
  assert.equal((await next.raw('GET', url.pathname + url.search)).status, 200)
  assert.equal(await state(next), 'Succeeded')
})

test('an event subscription is removed when its expiration time comes, also after a restart', async (t) => {
  const { clock, server } = await start(t, { kind: 'verified' })
  const inAnHour = new Date(clock.now() + 3_600_000).toISOString()
  const inTwoHours = new Date(clock.now() + 7_200_000).toISOString()
  await server.call('PUT', eventSubscriptionPath, toWebhook({ expirationTimeUtc: inAnHour }))
  const second = eventSubscriptionPath.replace('es1', 'es2')
  await server.call('PUT', second, toWebhook({ expirationTimeUtc: inTwoHours }))
  await clock.advance(3_599_999)
  assert.equal(live(server).length, 2)
  await clock.advance(1)
  while (live(server).length === 2) await turnOfTheLoop()
  assert.equal((await server.call('GET', eventSubscriptionPath)).status, 404)
  await server.close()
  await clock.advance(7_200_000)
  const next = await startControlPlane(t, { disk: server.disk, clock })
  await clock.advance(0)
  while (live(next).length > 0) await turnOfTheLoop()
  assert.equal((await next.call('GET', second)).status, 404)
})

test('an operation that had succeeded is known after a restart and forgotten after a day', async (t) => {
  const { clock, server } = await start(t, { kind: 'verified' })
  const made = await server.call('PUT', eventSubscriptionPath, toWebhook())
  const { pathname, search } = new URL(made.headers.get('azure-asyncoperation') as string)
  await server.close()
  const next = await startControlPlane(t, { disk: server.disk, clock })
  assert.equal((await next.raw('GET', pathname + search)).body.status, 'Succeeded')
  assert.equal(
    (await next.raw('GET', pathname.replace(/.$/, (last) => (last === '0' ? '1' : '0')) + search)).status,
    404,
  )
  assert.equal(
    (await next.raw('GET', pathname.replace(/[^/]+$/, 'x') + search)).body.error.code,
    'OperationNotFound',
  )
  await clock.advance(24 * 3_600_000 + 1_000)
  assert.equal((await next.raw('GET', pathname + search)).status, 404)
})
