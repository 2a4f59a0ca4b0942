import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { EventGridReceiverClient, EventGridSenderClient } from '@azure/eventgrid-namespaces'
import { ClientSecretCredential } from '@azure/identity'
import { defaultSubscriptionId } from '../src/arm/arm.ts'
import { subscription } from '../src/testing/control-plane.ts'
import { ManualClock } from '../src/testing/manual-clock.ts'
import { startTestServer, type TestServer, type TestServerOptions } from '../src/testing/test-server.ts'

/*
 * Topics of namespaces through the whole server, as the official client uses them.
 *
 * Source: the documents and live tests of @azure/eventgrid-namespaces and of the other official clients
 */

const namespaceId = `${subscription}/resourceGroups/rg/providers/Microsoft.EventGrid/namespaces/shop`
const topicId = `${namespaceId}/topics/orders`

interface Shop {
  readonly server: TestServer
  readonly key: string
  /** Below a listener's base. */
  readonly path: string
  sender(options?: { readonly isTls?: boolean }): EventGridSenderClient
  receiver(options?: { readonly isTls?: boolean; readonly name?: string }): EventGridReceiverClient
}

async function must(server: TestServer, method: string, id: string, body?: unknown) {
  const answer = await server.call(method, id, body)
  assert.ok(answer.status < 300, `${method} ${id}: ${JSON.stringify(answer.body)}`)
  return answer.body
}

/** A namespace `shop` with the topic `orders` and the event subscription `all`. */
async function startShop(
  t: TestContext,
  options: TestServerOptions & { readonly queue?: Readonly<Record<string, unknown>> } = {},
): Promise<Shop> {
  const server = await startTestServer(t, options)
  await must(server, 'PUT', namespaceId, { location: 'westus2', sku: { name: 'Standard', capacity: 1 } })
  await must(server, 'PUT', topicId, { properties: {} })
  await addQueue(server, 'all', options.queue)
  const { properties } = await must(server, 'GET', namespaceId)
  const { key1 } = await must(server, 'POST', `${namespaceId}/listKeys`)
  const path = new URL(`https://${properties.topicsConfiguration.hostname}`).pathname
  // What the client's own package calls a key credential, by its shape.
  const credential = { key: key1 } as ConstructorParameters<typeof EventGridSenderClient>[1]
  const settings = (isTls: boolean) => ({
    ...(isTls ? { tlsOptions: { ca: server.ca } } : { allowInsecureConnection: true }),
    retryOptions: { maxRetries: 0 },
  })
  const endpoint = (isTls: boolean) => (isTls ? server.https : server.http) + path
  return {
    ...{ server, key: key1, path },
    sender: ({ isTls = false } = {}) =>
      new EventGridSenderClient(endpoint(isTls), credential, 'orders', settings(isTls)),
    receiver: ({ isTls = false, name = 'all' } = {}) =>
      new EventGridReceiverClient(endpoint(isTls), credential, 'orders', name, settings(isTls)),
  }
}

const addQueue = (server: TestServer, name: string, queue: Readonly<Record<string, unknown>> = {}) =>
  must(server, 'PUT', `${topicId}/eventSubscriptions/${name}`, {
    properties: { deliveryConfiguration: { deliveryMode: 'Queue', queue } },
  })

const order = (id: string) => ({ id, source: '/shop', type: 'Order.Placed', subject: id, data: { id } })
const tokensOf = ({ details }: Awaited<ReturnType<EventGridReceiverClient['receiveEvents']>>) =>
  details.map(({ brokerProperties }) => brokerProperties.lockToken)

for (const isTls of [false, true])
  test(`the official client publishes, receives and settles over ${isTls ? 'HTTPS' : 'HTTP'}`, async (t) => {
    const shop = await startShop(t)
    const sender = shop.sender({ isTls })
    const receiver = shop.receiver({ isTls })
    await sender.sendEvents(order('1'))
    await sender.sendEvents([order('2'), order('3'), order('4'), order('5')])
    const received = await receiver.receiveEvents({ maxEvents: 5, maxWaitTime: 10 })
    assert.deepEqual(
      received.details.map(({ event, brokerProperties: { deliveryCount } }) => [
        event.id,
        event.subject,
        event.data,
        deliveryCount,
      ]),
      ['1', '2', '3', '4', '5'].map((id) => [id, id, { id }, 1]),
    )
    const [one, two, three, four, five] = tokensOf(received) as [string, string, string, string, string]
    for (const [answer, tokens] of [
      [await receiver.acknowledgeEvents([one]), [one]],
      [await receiver.releaseEvents([two], { releaseDelay: '10' }), [two]],
      [await receiver.rejectEvents([three]), [three]],
      [await receiver.renewEventLocks([four, five]), [four, five]],
    ] as const) {
      assert.deepEqual(answer.succeededLockTokens, tokens)
      assert.deepEqual(answer.failedLockTokens, [])
    }
    await receiver.acknowledgeEvents([four, five])
  })

test('acknowledging twice is answered 200 with the lost token', async (t) => {
  const shop = await startShop(t)
  await shop.sender().sendEvents(order('1'))
  const receiver = shop.receiver()
  const [token = ''] = tokensOf(await receiver.receiveEvents())
  await receiver.acknowledgeEvents([token])
  const { succeededLockTokens, failedLockTokens } = await receiver.acknowledgeEvents([token])
  assert.deepEqual(succeededLockTokens, [])
  assert.deepEqual(
    failedLockTokens.map(({ lockToken, error }) => [lockToken, error.code, error.message]),
    [[token, 'TokenLost', 'Token has expired.']],
  )
})

test('what the official client sends by default comes back unchanged', async (t) => {
  const shop = await startShop(t)
  const sender = shop.sender()
  await sender.sendEvents({ id: '1', source: '/s', type: 't', data: 'plain' })
  await sender.sendEvents({
    ...{ id: '2', source: '/s', type: 't', dataContentType: 'application/octet-stream' },
    data: new Uint8Array([1, 2, 3]),
  })
  const { details } = await shop.receiver().receiveEvents({ maxEvents: 2 })
  const [text, bytes] = details.map(({ event }) => event)
  assert.deepEqual(
    [text?.data, text?.dataContentType],
    ['plain', 'application/cloudevents+json; charset=utf-8'],
  )
  assert.equal(bytes?.data, 'AQID')
  assert.equal(bytes?.dataContentType, 'application/octet-stream')
})

test('an event that nobody settles comes again when its lock ends, and is dropped after its last delivery', async (t) => {
  const clock = new ManualClock(Date.now())
  const shop = await startShop(t, { clock, queue: { maxDeliveryCount: 2, receiveLockDurationInSeconds: 60 } })
  await shop.sender().sendEvents(order('1'))
  const receiver = shop.receiver()
  for (const count of [1, 2]) {
    const { details } = await receiver.receiveEvents()
    assert.equal(details[0]?.brokerProperties.deliveryCount, count)
    await clock.advance(60_000)
  }
  await clock.advance(1000)
  assert.equal(await shop.server.metric('busbar_queued_entries', { topic: topicId }), 0)
  assert.equal(
    await shop.server.metric('busbar_dropped_events_total', { reason: 'MaxDeliveryAttemptsExceeded' }),
    1,
  )
  const [traced] = (await shop.server.trace('1')).eventSubscriptions
  assert.equal(traced?.end?.kind, 'dropped')
})

test('locks hold over a restart: their tokens are good, and nobody else has their events', async (t) => {
  const shop = await startShop(t)
  await shop.sender().sendEvents([order('1'), order('2')])
  const tokens = tokensOf(await shop.receiver().receiveEvents({ maxEvents: 1 }))
  await shop.server.restart()
  const { details } = await shop.receiver().receiveEvents({ maxEvents: 2 })
  assert.deepEqual(
    details.map(({ event }) => event.id),
    ['2'],
  )
  const { succeededLockTokens } = await shop.receiver().acknowledgeEvents(tokens)
  assert.deepEqual(succeededLockTokens, tokens)
  await shop.server.restart()
  const again = await shop.receiver().acknowledgeEvents(tokens)
  assert.equal(again.failedLockTokens[0]?.error.code, 'TokenLost')
})

test('filters say which events an event subscription queues', async (t) => {
  const shop = await startShop(t)
  await must(shop.server, 'PUT', `${topicId}/eventSubscriptions/large`, {
    properties: {
      deliveryConfiguration: { deliveryMode: 'Queue' },
      filtersConfiguration: {
        includedEventTypes: ['Order.Placed'],
        filters: [{ operatorType: 'NumberGreaterThan', key: 'data.total', value: 100 }],
      },
    },
  })
  const placed = (id: string, total: number) => ({ ...order(id), data: { total } })
  await shop.sender().sendEvents([placed('1', 50), placed('2', 150), { ...placed('3', 150), type: 'Other' }])
  const ids = async (name: string) =>
    (await shop.receiver({ name }).receiveEvents({ maxEvents: 9 })).details.map(({ event }) => event.id)
  assert.deepEqual(await ids('large'), ['2'])
  assert.deepEqual(await ids('all'), ['1', '2', '3'])
})

test('a receiver is woken by the event, and told when the event subscription or the topic is deleted', async (t) => {
  const shop = await startShop(t)
  const receiver = shop.receiver()
  const waiting = async () => {
    while ((await shop.server.metric('busbar_waiting_receivers')) === 0) await setImmediate()
  }
  const first = receiver.receiveEvents({ maxWaitTime: 120 })
  await waiting()
  await shop.sender().sendEvents(order('1'))
  assert.equal((await first).details[0]?.event.id, '1')
  for (const id of [`${topicId}/eventSubscriptions/all`, topicId]) {
    const second = assert.rejects(receiver.receiveEvents({ maxWaitTime: 120 }), {
      statusCode: 404,
      code: 'NotFound',
    })
    await waiting()
    await must(shop.server, 'DELETE', id)
    await second
    if (id !== topicId) await addQueue(shop.server, 'all')
  }
})

test('a stop answers those who wait, and at once', async (t) => {
  const shop = await startShop(t)
  const waiting = shop.receiver().receiveEvents({ maxWaitTime: 120 })
  while ((await shop.server.metric('busbar_waiting_receivers')) === 0) await setImmediate()
  await shop.server.close()
  assert.deepEqual((await waiting).details, [])
})

const principal = {
  name: 'worker',
  clientId: '7a2f1c0e-5b3d-4e8a-9c6f-0d1e2f3a4b5c',
  clientSecret: 'a-secret-that-nobody-guesses',
  objectId: '0f9e8d7c-6b5a-4a39-8271-605f4e3d2c1b',
}
const roles = {
  sender: 'd5a91429-5739-47e2-a06b-3470a27159e7',
  receiver: '78cbd9e7-9798-4e2e-9b5a-547d9ebb31fb',
}

test('tokens of a principal that signed in are good for what its roles let it do', async (t) => {
  const shop = await startShop(t, { file: { auth: { principals: [principal] } } })
  const { server } = shop
  setDefaultCACertificates([...getCACertificates(), server.ca])
  const credential = new ClientSecretCredential(
    defaultSubscriptionId,
    principal.clientId,
    principal.clientSecret,
    { authorityHost: server.https, disableInstanceDiscovery: true },
  )
  const sender = new EventGridSenderClient(server.https + shop.path, credential, 'orders')
  const receiver = new EventGridReceiverClient(server.https + shop.path, credential, 'orders', 'all')
  const assign = (scope: string, role: string) =>
    must(server, 'PUT', `${scope}/providers/Microsoft.Authorization/roleAssignments/${randomUUID()}`, {
      properties: {
        roleDefinitionId: `${subscription}/providers/Microsoft.Authorization/roleDefinitions/${role}`,
        principalId: principal.objectId,
      },
    })
  await assert.rejects(sender.sendEvents(order('1')), { statusCode: 403 })
  await assert.rejects(receiver.receiveEvents(), { statusCode: 403 })
  await assign(topicId, roles.sender)
  await sender.sendEvents(order('1'))
  await assert.rejects(receiver.receiveEvents(), { statusCode: 403 })
  await assign(`${topicId}/eventSubscriptions/all`, roles.receiver)
  const tokens = tokensOf(await receiver.receiveEvents())
  assert.deepEqual((await receiver.acknowledgeEvents(tokens)).succeededLockTokens, tokens)
})
