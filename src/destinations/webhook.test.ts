import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { decodeStored, encodeHead, outputEventId } from '../event/encode.ts'
import type { DeliverySchema, GridEvent } from '../event/event.ts'
import { selfSigned as certificate } from '../testing/certificate.ts'
import { webhookTo } from '../testing/destinations.ts'
import { testEvent, testTopicId } from '../testing/events.ts'
import { ManualClock, turnOfTheLoop } from '../testing/manual-clock.ts'
import { startRecordingWebhook } from '../testing/recording-webhook.ts'
import type { Delivery, DeliveryContext, DestinationSettings } from './destination.ts'
import { openDestinations } from './index.ts'
import { type NetworkRules, openNetworkRules } from './network.ts'

const clock = new ManualClock()
const never = new AbortController().signal

const contextOf = (deliverySchema: DeliverySchema): DeliveryContext => ({
  eventSubscriptionName: 'ThermostatAlert',
  eventSubscriptionId: `${testTopicId}/providers/Microsoft.EventGrid/eventSubscriptions/ThermostatAlert`,
  topicId: testTopicId,
  deliverySchema,
})

function deliveryOf(event: GridEvent, attempts = 0): Delivery {
  const internalId = randomBytes(16)
  const stored = decodeStored(Buffer.concat([encodeHead(event, clock.now(), internalId), event.source]))
  return { event: stored, attempts, outputEventId: outputEventId(internalId, 'uid') }
}

function open(
  t: TestContext,
  settings: DestinationSettings,
  schema: DeliverySchema,
  rules: NetworkRules = openNetworkRules,
) {
  const destinations = openDestinations({ clock, rules })
  t.after(() => destinations.close())
  return destinations.create(settings, contextOf(schema))
}

test('an Event Grid event is posted as an array of one, with every documented header', async (t) => {
  const hook = await startRecordingWebhook(t)
  const destination = open(t, webhookTo(`${hook.url}?code=a%2Fb`), 'EventGridSchema')
  const delivery = deliveryOf(testEvent('1'), 2)
  assert.deepEqual(await destination.deliver([delivery], never), { kind: 'delivered', status: 200 })

  const [request] = hook.received
  assert.ok(request)
  assert.equal(request.method, 'POST')
  assert.equal(request.url, '/hook?code=a%2Fb')
  assert.deepEqual(request.body, [testEvent('1').envelope])
  const { headers } = request
  assert.equal(headers['content-type'], 'application/json; charset=utf-8')
  assert.equal(headers['aeg-subscription-name'], 'THERMOSTATALERT')
  assert.equal(headers['aeg-event-type'], 'Notification')
  assert.equal(headers['aeg-delivery-count'], '2')
  assert.equal(headers['aeg-metadata-version'], '1')
  assert.equal(headers['aeg-data-version'], '1.0')
  assert.equal(headers['aeg-output-event-id'], delivery.outputEventId)
  assert.equal(headers['content-length'], String(request.raw.length))
  assert.equal(headers.accept, '*/*')
  assert.ok(headers['user-agent'])
  assert.equal(headers.origin, undefined)
})

test('a CloudEvent is posted as one object that names its origin', async (t) => {
  const hook = await startRecordingWebhook(t)
  const destination = open(t, webhookTo(hook.url), 'CloudEventSchemaV1_0')
  await destination.deliver([deliveryOf(testEvent('1', 'CloudEventSchemaV1_0'))], never)
  const [request] = hook.received
  assert.deepEqual(request?.body, testEvent('1', 'CloudEventSchemaV1_0').envelope)
  assert.equal(request?.headers['content-type'], 'application/cloudevents+json; charset=utf-8')
  assert.equal(request?.headers.origin, 'eventgrid.azure.net')
  assert.equal(request?.headers['webhook-request-origin'], 'eventgrid.azure.net')
  assert.equal(request?.headers['aeg-metadata-version'], '1.0')
  assert.equal(request?.headers['aeg-data-version'], '')
})

test('an Event Grid event delivered as a CloudEvent has the topic as its source', async (t) => {
  const hook = await startRecordingWebhook(t)
  const destination = open(t, webhookTo(hook.url), 'CloudEventSchemaV1_0')
  await destination.deliver([deliveryOf(testEvent('1'))], never)
  const body = hook.received[0]?.body as Record<string, unknown>
  assert.equal(body.specversion, '1.0')
  assert.equal(body.source, testTopicId)
  assert.equal(body.type, 'Order.Placed')
  assert.equal(body.dataschema, '#1.0')
  assert.equal(hook.received[0]?.headers['aeg-metadata-version'], '1')
})

test('a batch is one array, and its headers are those of its first event', async (t) => {
  const hook = await startRecordingWebhook(t)
  const settings = webhookTo(hook.url, { maxEventsPerBatch: 10, preferredBatchSizeInKilobytes: 3 })
  const destination = open(t, settings, 'CloudEventSchemaV1_0')
  assert.equal(destination.maxEvents, 10)
  assert.equal(destination.preferredBytes, 3 * 1024)
  const events = ['1', '2', '3'].map((id, index) =>
    deliveryOf(testEvent(id, 'CloudEventSchemaV1_0'), index + 1),
  )
  await destination.deliver(events, never)
  const [request] = hook.received
  assert.ok(request)
  assert.deepEqual(
    (request.body as { id: string }[]).map(({ id }) => id),
    ['1', '2', '3'],
  )
  assert.equal(request?.headers['content-type'], 'application/cloudevents-batch+json; charset=utf-8')
  assert.equal(request?.headers['aeg-delivery-count'], '1')
  assert.equal(request?.headers['aeg-output-event-id'], events[0]?.outputEventId)
})

test('a data version that no header can carry stays in the event alone', async (t) => {
  const hook = await startRecordingWebhook(t)
  const destination = open(t, webhookTo(hook.url), 'EventGridSchema')
  for (const [dataVersion, header] of [
    ['x'.repeat(4096), 'x'.repeat(4096)],
    ['x'.repeat(4097), ''],
    ['2\r\nInjected: 1', ''],
  ]) {
    const delivery = deliveryOf(testEvent('1', 'EventGridSchema', { dataVersion }))
    assert.equal((await destination.deliver([delivery], never)).kind, 'delivered')
    const request = hook.received.at(-1)
    assert.equal(request?.headers['aeg-data-version'], header)
    assert.equal(request?.headers['injected'], undefined)
    assert.equal((request as { body: { dataVersion: string }[] }).body[0]?.dataVersion, dataVersion)
  }
})

test('custom delivery attributes become headers, given or read from the event', async (t) => {
  const hook = await startRecordingWebhook(t)
  const dynamic = (name: string, sourceField: string) => ({ name, type: 'Dynamic' as const, sourceField })
  const attributes = [
    { name: 'Authorization', type: 'Static' as const, value: 'Bearer secret', isSecret: true },
    { name: 'X-Name', type: 'Static' as const, value: 'Zoë', isSecret: false },
    { name: 'Content-Length', type: 'Static' as const, value: '3', isSecret: false },
    dynamic('x-key', 'data.key1'),
    dynamic('x-count', 'data.count'),
    dynamic('x-deep', 'data.nested.deep'),
    dynamic('x-object', 'data.nested'),
    dynamic('x-missing', 'data.missing'),
    dynamic('x-subject', 'subject'),
    dynamic('x-lines', 'data.lines'),
  ]
  const destination = open(t, webhookTo(hook.url, { attributes }), 'EventGridSchema')
  const data = { key1: 'value1', count: 7, nested: { deep: true }, lines: 'a\r\nb: c' }
  const outcome = await destination.deliver([deliveryOf(testEvent('1', 'EventGridSchema', { data }))], never)
  assert.equal(outcome.kind, 'delivered')
  const headers = hook.received[0]?.headers ?? {}
  assert.equal(headers.authorization, 'Bearer secret')
  assert.equal(Buffer.from(headers['x-name'] as string, 'latin1').toString('utf8'), 'Zoë')
  assert.equal(headers['x-key'], 'value1')
  assert.equal(headers['x-count'], '7')
  assert.equal(headers['x-deep'], 'true')
  assert.equal(headers['x-subject'], '/orders/1')
  for (const name of ['x-object', 'x-missing', 'x-lines']) assert.equal(headers[name], undefined, name)
})

const minute = 60_000
for (const [status, kind, name, minimumDelayMs] of [
  [200, 'delivered'],
  [201, 'delivered'],
  [202, 'delivered'],
  [203, 'delivered'],
  [204, 'delivered'],
  [205, 'retry', 'GenericError', 10_000],
  [302, 'retry', 'GenericError', 10_000],
  [400, 'hopeless', 'BadRequest'],
  [401, 'hopeless', 'Unauthorized'],
  [403, 'hopeless', 'Forbidden'],
  [404, 'retry', 'NotFound', 5 * minute],
  [408, 'retry', 'TimedOut', 2 * minute],
  [413, 'hopeless', 'PayloadTooLarge'],
  [429, 'retry', 'Busy', 10_000],
  [500, 'retry', 'GenericError', 10_000],
  [503, 'retry', 'Busy', 30_000],
] as const)
  test(`${status} is ${kind}${name ? `, ${name}` : ''}${minimumDelayMs ? `, and waits ${minimumDelayMs / 1000} s at least` : ''}`, async (t) => {
    const hook = await startRecordingWebhook(t, [status])
    const outcome = await open(t, webhookTo(hook.url), 'EventGridSchema').deliver(
      [deliveryOf(testEvent('1'))],
      never,
    )
    assert.equal(outcome.kind, kind)
    assert.equal(outcome.status, status)
    if (outcome.kind !== 'delivered') assert.equal(outcome.name, name)
    if (outcome.kind === 'retry') assert.equal(outcome.minimumDelayMs, minimumDelayMs)
    assert.equal(hook.received.length, 1)
  })

test('a longer Retry-After is respected, and what the endpoint said is kept', async (t) => {
  const hook = await startRecordingWebhook(t, (_request, response) => {
    response.writeHead(503, { 'Retry-After': '120' })
    response.end('down for repairs')
  })
  const outcome = await open(t, webhookTo(hook.url), 'EventGridSchema').deliver(
    [deliveryOf(testEvent('1'))],
    never,
  )
  assert.ok(outcome.kind === 'retry')
  assert.equal(outcome.minimumDelayMs, 120_000)
  assert.equal(outcome.error, 'HTTP 503: down for repairs')
})

test('an endpoint that repeats its secrets has them hidden in what it said, even where that is cut', async (t) => {
  const text = `code=q%2F1234567; q/1234567; Bearer secret; plain; ${'.'.repeat(190)}Bearer secret ${'.'.repeat(99)}`
  const hook = await startRecordingWebhook(t, (_request, response) => {
    response.writeHead(500).end(text)
  })
  const attributes = [
    { name: 'Authorization', type: 'Static' as const, value: 'Bearer secret', isSecret: true },
    { name: 'X-Plain', type: 'Static' as const, value: 'plain', isSecret: false },
  ]
  const destination = open(
    t,
    webhookTo(`${hook.url}?code=q%2F1234567&v=1`, { attributes }),
    'EventGridSchema',
  )
  const outcome = await destination.deliver([deliveryOf(testEvent('1'))], never)
  assert.ok(outcome.kind === 'retry')
  assert.match(outcome.error, /^HTTP 500: code=Hidden; Hidden; Hidden; plain; \.+Hidden \.*$/)
})

test('an endpoint that does not answer within thirty seconds has timed out', async (t) => {
  const hook = await startRecordingWebhook(t, () => {})
  const destination = open(t, webhookTo(hook.url), 'EventGridSchema')
  const attempt = destination.deliver([deliveryOf(testEvent('1'))], never)
  let ended = false
  attempt.then(() => {
    ended = true
  })
  await hook.until(1)
  await clock.advance(29_999)
  assert.equal(ended, false)
  await clock.advance(1)
  const outcome = await attempt
  assert.ok(outcome.kind === 'retry')
  assert.equal(outcome.name, 'TimedOut')
})

test('an answer that comes late is taken note of for three minutes, and success alone counts', async (t) => {
  const cases = [
    { status: 204, waitMs: 149_999, expected: true },
    { status: 500, waitMs: 1_000, expected: false },
    { status: undefined, waitMs: 150_000, expected: false },
  ]
  for (const { status, waitMs, expected } of cases) {
    const answers: ((status: number) => void)[] = []
    const hook = await startRecordingWebhook(t, (_request, response) => {
      answers.push((code) => response.writeHead(code).end())
    })
    const destination = open(t, webhookTo(hook.url), 'EventGridSchema')
    const attempt = destination.deliver([deliveryOf(testEvent('1'))], never)
    await hook.until(1)
    await clock.advance(30_000)
    const outcome = await attempt
    assert.ok(outcome.kind === 'retry' && outcome.late)
    await clock.advance(waitMs)
    if (status !== undefined) answers[0]?.(status)
    assert.equal(await outcome.late, expected)
  }
})

test('an attempt that is cut off does not wait for a late answer', async (t) => {
  const hook = await startRecordingWebhook(t, () => {})
  const destination = open(t, webhookTo(hook.url), 'EventGridSchema')
  const abort = new AbortController()
  const attempt = destination.deliver([deliveryOf(testEvent('1'))], abort.signal)
  await hook.until(1)
  await clock.advance(30_000)
  const outcome = await attempt
  assert.ok(outcome.kind === 'retry')
  abort.abort()
  assert.equal(await outcome.late, false)
})

test('an endless response is cut off and its status counts', async (t) => {
  const hook = await startRecordingWebhook(t, (_request, response) => {
    response.writeHead(200)
    const more = () => {
      while (response.writable && response.write(Buffer.alloc(16 * 1024)));
      response.once('drain', more)
    }
    more()
  })
  const outcome = await open(t, webhookTo(hook.url), 'EventGridSchema').deliver(
    [deliveryOf(testEvent('1'))],
    never,
  )
  assert.deepEqual(outcome, { kind: 'delivered', status: 200 })
})

test('an endpoint that nobody listens on is a socket error; an unknown name a resolution error', async (t) => {
  const refused = await open(t, webhookTo('http://127.0.0.1:1/'), 'EventGridSchema').deliver(
    [deliveryOf(testEvent('1'))],
    never,
  )
  assert.ok(refused.kind === 'retry')
  assert.equal(refused.name, 'SocketError')
  const unknown = await open(t, webhookTo('http://nowhere.invalid/'), 'EventGridSchema').deliver(
    [deliveryOf(testEvent('1'))],
    never,
  )
  assert.ok(unknown.kind === 'retry')
  assert.equal(unknown.name, 'ResolutionError')
})

test('an attempt ends at once when its signal is raised', async (t) => {
  const hook = await startRecordingWebhook(t, () => {})
  const stop = new AbortController()
  const attempt = open(t, webhookTo(hook.url), 'EventGridSchema').deliver(
    [deliveryOf(testEvent('1'))],
    stop.signal,
  )
  await hook.until(1)
  stop.abort()
  const outcome = await attempt
  assert.ok(outcome.kind === 'retry')
  assert.equal(outcome.name, 'Aborted')
})

test('connections are used again once the turn in which they answered is over', async (t) => {
  const hook = await startRecordingWebhook(t)
  const destination = open(t, webhookTo(hook.url), 'EventGridSchema')
  for (let n = 0; n < 5; n++) {
    await destination.deliver([deliveryOf(testEvent(String(n)))], never)
    await turnOfTheLoop()
  }
  assert.equal(hook.received.length, 5)
  assert.equal(hook.connections, 1)
})

test('a certificate must be from a known authority, unless the rules say otherwise', async (t) => {
  const hook = await startRecordingWebhook(t, [200], { certificate })
  const strict = { ...openNetworkRules, allowSelfSigned: false }
  const attempt = (rules: NetworkRules) =>
    open(t, webhookTo(hook.url), 'EventGridSchema', rules).deliver([deliveryOf(testEvent('1'))], never)
  const refused = await attempt(strict)
  assert.ok(refused.kind === 'retry')
  assert.equal(refused.name, 'SocketError')
  assert.equal(refused.error, 'DEPTH_ZERO_SELF_SIGNED_CERT: self-signed certificate')
  assert.equal((await attempt(openNetworkRules)).kind, 'delivered')
  assert.equal((await attempt({ ...strict, extraCa: [certificate.cert] })).kind, 'delivered')
})

test('a deletion is announced as an event of its own', async (t) => {
  const hook = await startRecordingWebhook(t)
  await open(t, webhookTo(hook.url), 'EventGridSchema').announceDeletion(never)
  const [request] = hook.deletions
  assert.ok(request)
  const [event] = request.body as [Record<string, unknown>]
  assert.equal(event.eventType, 'Microsoft.EventGrid.SubscriptionDeletedEvent')
  assert.equal(event.subject, '')
  assert.deepEqual(event.data, { eventSubscriptionId: contextOf('EventGridSchema').eventSubscriptionId })
})
