import assert from 'node:assert/strict'
import { after, type TestContext, test } from 'node:test'
import type { ContainerClient } from '@azure/storage-blob'
import { createSystemClock } from '../src/base/clock.ts'
import { startAzurite } from '../src/testing/azurite.ts'
import { subscription } from '../src/testing/control-plane.ts'
import { ManualClock, turnOfTheLoop } from '../src/testing/manual-clock.ts'
import { startRecordingWebhook } from '../src/testing/recording-webhook.ts'
import { eventually, startTestServer, type TestServer } from '../src/testing/test-server.ts'

/*
 * Delivery through the whole server: real webhooks, a real store, and a clock moved by hand, so that a day of
 * retries is over in a moment and happens to the millisecond.
 */

const secondMs = 1000
const minuteMs = 60 * secondMs
const hourMs = 60 * minuteMs

const iso = (moment: number) => new Date(moment).toISOString()
const sevenDigits = (moment: number) => iso(moment).replace('Z', '0000Z')

const storageAccount = `${subscription}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/letters`

const azurite = startAzurite({ after })
// A run of other tests alone may end before it listens.
azurite.catch(() => {})
let containers = 0

/** A server without TLS, which these tests do not need, on a clock of its own. */
async function start(t: TestContext, file: Readonly<Record<string, unknown>> = {}) {
  const clock = new ManualClock()
  const server = await startTestServer(t, { clock, file, flags: { httpsPort: 'off' } })
  return { clock, server }
}

/** The same, and a container for what is given up. */
async function startWithDeadLetters(t: TestContext) {
  const { connectionString, container } = await azurite
  const name = `letters-${++containers}`
  const letters = container(name)
  await letters.create()
  const started = await start(t, { connections: { [storageAccount]: { connectionString } } })
  const deadLetterDestination = {
    endpointType: 'StorageBlob',
    properties: { resourceId: storageAccount, blobContainerName: name },
  }
  return { ...started, letters, deadLetterDestination, containerName: name }
}

/** Every blob by its name, decoded. */
async function readBlobs(container: ContainerClient) {
  const blobs = new Map<string, readonly Record<string, unknown>[]>()
  for await (const { name } of container.listBlobsFlat())
    blobs.set(name, JSON.parse((await container.getBlobClient(name).downloadToBuffer()).toString()))
  return blobs
}

const idsOf = (body: unknown) => (body as readonly { id: string }[]).map(({ id }) => id)

/** What became of an event for the event subscription of that name. */
async function traceOf(server: TestServer, eventId: string, name = 'es1') {
  const { eventSubscriptions } = await server.trace(eventId)
  const found = eventSubscriptions.find((one) => one.name === name)
  assert(found, `${eventId} knows nothing of ${name}`)
  return found
}

// ---------------------------------------------------------------- retry

test('an event is tried again thirty seconds after its webhook answers 503', async (t) => {
  const { clock, server } = await start(t)
  const hook = await startRecordingWebhook(t, [503, 200])
  await server.subscribe({ to: hook.url })
  await server.publish({ id: '1' })
  await server.settle()
  await clock.advance(30 * secondMs - 1)
  assert.equal(hook.received.length, 1)
  await clock.advance(1)
  assert.equal(hook.received.length, 2)
  const [first, second] = hook.received
  assert.equal(first?.headers['aeg-delivery-count'], '0')
  assert.equal(second?.headers['aeg-delivery-count'], '1')
  assert.equal(second.headers['aeg-output-event-id'], first.headers['aeg-output-event-id'])
  assert.deepEqual(second.raw, first.raw)
})

test('an endpoint that answers within three minutes is not tried again, one that never answers is', async (t) => {
  const { clock, server } = await start(t)
  // Attempts stay under way here, for which settling would wait.
  clock.settle = turnOfTheLoop
  const open: (() => void)[] = []
  const hook = await startRecordingWebhook(t, (_request, response) => {
    open.push(() => response.end())
  })
  const id = await server.subscribe({ to: hook.url })
  await server.publish([{ id: 'late' }, { id: 'never' }])
  await hook.until(2)
  await clock.advance(30 * secondMs)
  for (const event of ['late', 'never'])
    await eventually(async () => (await traceOf(server, event)).attempts[0]?.outcome === 'TimedOut')
  open[idsOf(hook.received[0]?.body)[0] === 'late' ? 0 : 1]?.()
  await eventually(async () => (await traceOf(server, 'late')).end?.kind === 'delivered')
  assert.equal(await server.metric('busbar_delivery_success_total', { event_subscription: id }), 1)
  await clock.advance(10 * secondMs)
  await hook.until(3)
  assert.deepEqual(idsOf(hook.received[2]?.body), ['never'])
  open[2]?.()
  await eventually(
    async () => (await server.metric('busbar_queued_entries', { event_subscription: id })) === 0,
  )
  assert.equal(hook.received.length, 3)
})

test('each status is retried no earlier than the documents say, or not at all', async (t) => {
  const { clock, server } = await start(t)
  const waits: Readonly<Record<number, number | undefined>> = {
    205: 10 * secondMs,
    302: 10 * secondMs,
    400: undefined,
    401: undefined,
    403: undefined,
    404: 5 * minuteMs,
    408: 2 * minuteMs,
    413: undefined,
    429: 10 * secondMs,
    500: 10 * secondMs,
    502: 10 * secondMs,
    503: 30 * secondMs,
    504: 10 * secondMs,
  }
  const cases = await Promise.all(
    Object.entries(waits).map(async ([status, waitMs]) => {
      const hook = await startRecordingWebhook(t, [Number(status), 200])
      await server.subscribe({ to: hook.url, name: `on-${status}` })
      return { status, waitMs, hook, name: `on-${status}` }
    }),
  )
  const startedAt = clock.now()
  await server.publish({ id: '1' })
  await server.settle()
  for (const { status, waitMs, name } of cases) {
    const { attempts, nextAttemptAt, end } = await traceOf(server, '1', name)
    assert.deepEqual(
      attempts.map((attempt) => attempt.status),
      [Number(status)],
    )
    if (waitMs === undefined)
      assert.deepEqual(end, { kind: 'dropped', at: iso(startedAt), reason: 'UndeliverableDueToClientError' })
    else assert.equal(nextAttemptAt, iso(startedAt + waitMs), status)
  }
  for (const waitMs of [10 * secondMs, 30 * secondMs, 2 * minuteMs, 5 * minuteMs]) {
    const later = cases.filter((one) => one.waitMs === waitMs)
    await clock.advance(startedAt + waitMs - 1 - clock.now())
    for (const { hook, status } of later) assert.equal(hook.received.length, 1, status)
    await clock.advance(1)
    for (const { hook, status } of later) assert.equal(hook.received.length, 2, status)
  }
  await clock.advance(24 * hourMs)
  for (const { hook, waitMs, status } of cases)
    assert.equal(hook.received.length, waitMs === undefined ? 1 : 2, status)
  const hopeless = cases.filter(({ waitMs }) => waitMs === undefined).length
  assert.equal(await server.metric('busbar_dropped_events_total'), hopeless)
  assert.equal(await server.metric('busbar_delivery_success_total'), cases.length - hopeless)
  assert.equal(await server.metric('busbar_delivery_attempt_fail_total'), cases.length)
})

test('six attempts are made in thirty minutes, then the event is dead-lettered into its container', async (t) => {
  const { clock, server, letters, deadLetterDestination } = await startWithDeadLetters(t)
  const times: number[] = []
  const startedAt = clock.now()
  const hook = await startRecordingWebhook(t, (_request, response) => {
    times.push((clock.now() - startedAt) / secondMs)
    response.statusCode = 500
    response.end()
  })
  await server.subscribe({
    to: hook.url,
    name: 'My-Hook',
    properties: { deadLetterDestination, retryPolicy: { eventTimeToLiveInMinutes: 30 } },
  })
  await server.publish({ id: '1', data: { total: 7 } })
  await clock.advance(46 * minuteMs + 40 * secondMs)
  assert.deepEqual(times, [0, 10, 40, 100, 400, 1000])
  assert.equal((await readBlobs(letters)).size, 0)
  await clock.advance(5 * minuteMs)
  const blobs = await readBlobs(letters)
  const [[name, records] = []] = blobs
  assert.match(name ?? '', /^MY-HOOK\/2026\/1\/2\/3\/[0-9a-f-]{36}\.json$/)
  assert.deepEqual(records, [
    {
      id: '1',
      subject: '/orders/1',
      eventType: 'Order.Placed',
      eventTime: '2026-01-02T03:04:05.0000000Z',
      data: { total: 7 },
      dataVersion: '1.0',
      topic: `${subscription}/resourceGroups/rg/providers/Microsoft.EventGrid/topics/orders`,
      metadataVersion: '1',
      deadLetterReason: 'TimeToLiveExceeded',
      deliveryAttempts: 6,
      lastDeliveryOutcome: 'GenericError',
      lastHttpStatusCode: 500,
      publishTime: sevenDigits(startedAt),
      lastDeliveryAttemptTime: sevenDigits(startedAt + 1000 * secondMs),
    },
  ])
})

test('after as many attempts as the policy allows, a CloudEvent is dead-lettered with extension attributes', async (t) => {
  const { clock, server, letters, deadLetterDestination, containerName } = await startWithDeadLetters(t)
  await server.createTopic('clouds', { inputSchema: 'CloudEventSchemaV1_0' })
  const hook = await startRecordingWebhook(t, [503])
  const id = await server.subscribe({
    to: hook.url,
    topic: 'clouds',
    properties: { deadLetterDestination, retryPolicy: { maxDeliveryAttempts: 2 } },
  })
  const event = {
    specversion: '1.0',
    id: 'c1',
    source: '/shop',
    type: 'Order.Placed',
    myext: 'kept',
    data: 1,
  }
  const startedAt = clock.now()
  const options = { topic: 'clouds', contentType: 'application/cloudevents+json' }
  assert.equal((await server.publishRaw(JSON.stringify(event), options)).status, 200)
  await clock.advance(30 * secondMs)
  assert.equal(hook.received.length, 2)
  const waiting = await traceOf(server, 'c1')
  assert.equal(waiting.nextAttemptAt, iso(startedAt + 30 * secondMs + 5 * minuteMs))
  assert.equal(waiting.end, undefined)
  await clock.advance(5 * minuteMs)
  const [[name, records] = []] = await readBlobs(letters)
  assert.deepEqual(records, [
    {
      ...event,
      deadletterreason: 'MaxDeliveryAttemptsExceeded',
      deliveryattempts: 2,
      lastdeliveryoutcome: 'Busy',
      lasthttpstatuscode: 503,
      publishtime: sevenDigits(startedAt),
      lastdeliveryattempttime: sevenDigits(startedAt + 30 * secondMs),
    },
  ])
  const { end, attempts } = await traceOf(server, 'c1')
  assert.deepEqual(end, {
    kind: 'deadLettered',
    at: iso(startedAt + 30 * secondMs + 5 * minuteMs),
    reason: 'MaxDeliveryAttemptsExceeded',
    blob: `${containerName}/${name}`,
  })
  assert.deepEqual(
    attempts.map(({ outcome, status }) => [outcome, status]),
    [
      ['Busy', 503],
      ['Busy', 503],
    ],
  )
  const labels = { event_subscription: id, reason: 'MaxDeliveryAttemptsExceeded' }
  assert.equal(await server.metric('busbar_dead_lettered_total', labels), 1)
  assert.equal(await server.metric('busbar_queued_entries', { event_subscription: id }), 0)
})

test('attempts made before a restart count after it, and the next one is made when it was due', async (t) => {
  const { clock, server } = await start(t)
  const hook = await startRecordingWebhook(t, [500, 500, 200])
  await server.subscribe({ to: hook.url })
  await server.publish({ id: '1' })
  await clock.advance(10 * secondMs)
  assert.equal(hook.received.length, 2)
  await server.restart()
  await clock.advance(30 * secondMs - 1)
  assert.equal(hook.received.length, 2)
  await clock.advance(1)
  assert.equal(hook.received.length, 3)
  assert.deepEqual(
    hook.received.map(({ headers }) => headers['aeg-delivery-count']),
    ['0', '1', '2'],
  )
  assert.equal(new Set(hook.received.map(({ headers }) => headers['aeg-output-event-id'])).size, 1)
  await server.restart()
  await clock.advance(24 * hourMs)
  assert.equal(hook.received.length, 3)
})

test('the trace of an event says what its dead-letter record waits for, until the container is made', async (t) => {
  const { clock, server, letters, deadLetterDestination, containerName } = await startWithDeadLetters(t)
  await letters.delete()
  const hook = await startRecordingWebhook(t, [400])
  const id = await server.subscribe({ to: hook.url, properties: { deadLetterDestination } })
  await server.publish({ id: '1' })
  await clock.advance(6 * hourMs)
  const waiting = await traceOf(server, '1')
  assert.equal(waiting.deadLetter?.reason, 'UndeliverableDueToClientError')
  assert.match(waiting.deadLetter.error ?? '', /^ContainerNotFound: /)
  assert.equal(waiting.end, undefined)
  assert.equal(await server.metric('busbar_dead_letters_waiting', { event_subscription: id }), 1)
  assert.equal(await server.metric('busbar_dropped_events_total'), 0)
  await server.restart()
  await letters.create()
  await clock.advance(5 * minuteMs)
  const [[name] = []] = await readBlobs(letters)
  assert.match(name ?? '', /^ES1\//, containerName)
  assert.equal(await server.metric('busbar_dead_letters_waiting', { event_subscription: id }), 0)
})

test('what was to be dead-lettered before a restart is dead-lettered after it, when it was due', async (t) => {
  const { clock, server, letters, deadLetterDestination } = await startWithDeadLetters(t)
  const hook = await startRecordingWebhook(t, [400])
  await server.subscribe({ to: hook.url, properties: { deadLetterDestination } })
  await server.publish([{ id: '1' }, { id: '2' }])
  await server.settle()
  await clock.advance(minuteMs)
  await server.restart()
  await clock.advance(4 * minuteMs - 1)
  assert.equal((await readBlobs(letters)).size, 0)
  await clock.advance(1)
  const [records, ...more] = (await readBlobs(letters)).values()
  assert.deepEqual(more, [])
  assert.deepEqual(idsOf(records).toSorted(), ['1', '2'])
  assert.deepEqual(
    records?.map(({ deadLetterReason, lastHttpStatusCode }) => [deadLetterReason, lastHttpStatusCode]),
    [
      ['UndeliverableDueToClientError', 400],
      ['UndeliverableDueToClientError', 400],
    ],
  )
  assert.equal(hook.received.length, 2)
})

test('an endpoint that fails for a day delays no neighbour on the same topic, and every event is accounted for', async (t) => {
  const { clock, server } = await start(t)
  let status = 503
  const stuck = await startRecordingWebhook(t, (_request, response) => {
    response.statusCode = status
    response.end()
  })
  const neighbour = await startRecordingWebhook(t)
  const stuckId = await server.subscribe({ to: stuck.url, name: 'stuck' })
  await server.subscribe({ to: neighbour.url, name: 'neighbour' })
  const hours = 24
  for (let hour = 1; hour <= hours; hour++) {
    await server.publish({ id: `hour-${hour}` })
    await server.settle()
    assert.equal(neighbour.received.length, hour)
    await clock.advance(hourMs)
  }
  assert.equal(await server.metric('busbar_delivery_success_total', { event_subscription: stuckId }), 0)
  status = 200
  await clock.advance(13 * hourMs)
  const delivered = await server.metric('busbar_delivery_success_total', { event_subscription: stuckId })
  const dropped = await server.metric('busbar_dropped_events_total', {
    event_subscription: stuckId,
    reason: 'TimeToLiveExceeded',
  })
  assert.equal(delivered + dropped, hours)
  // Only events whose next attempt lay beyond their day are lost to it.
  assert.ok(delivered >= hours / 2, `${delivered} of ${hours} were delivered`)
  assert.equal(await server.metric('busbar_queued_entries'), 0)
  assert.equal(neighbour.received.length, hours)
})

// ---------------------------------------------------------------- filters

test('of one batch each event subscription gets what its filter wants, and what nobody wants is still accepted', async (t) => {
  const { server } = await start(t)
  const placed = await startRecordingWebhook(t)
  const shipped = await startRecordingWebhook(t)
  const options = { webhook: { maxEventsPerBatch: 10 } }
  const placedId = await server.subscribe({
    ...{ to: placed.url, name: 'placed', ...options },
    properties: { filter: { includedEventTypes: ['order.placed'] } },
  })
  const shippedId = await server.subscribe({
    ...{ to: shipped.url, name: 'shipped', ...options },
    properties: { filter: { includedEventTypes: ['Order.Shipped'], subjectBeginsWith: '/orders/' } },
  })
  await server.publish([
    { id: '1' },
    { id: '2', eventType: 'Order.Lost' },
    { id: '3', eventType: 'Order.Shipped' },
    { id: '4', eventType: 'Order.Shipped', subject: '/returns/4' },
    { id: '5' },
  ])
  await server.settle()
  assert.deepEqual(
    placed.received.map(({ body }) => idsOf(body)),
    [['1', '5']],
  )
  assert.deepEqual(
    shipped.received.map(({ body }) => idsOf(body)),
    [['3']],
  )
  const lost = await server.trace('2')
  assert.deepEqual(
    lost.eventSubscriptions.map(({ name, matched }) => [name, matched]),
    [
      ['placed', false],
      ['shipped', false],
    ],
  )
  assert.match((await traceOf(server, '2', 'placed')).refusedBy ?? '', /Order\.Lost/)
  assert.match((await traceOf(server, '4', 'shipped')).refusedBy ?? '', /subject/i)
  const matchedBy = (event_subscription: string) =>
    server.metric('busbar_matched_events_total', { event_subscription })
  assert.equal(await server.metric('busbar_publish_success_total'), 5)
  assert.equal(await server.metric('busbar_unmatched_events_total'), 2)
  assert.equal(await matchedBy(placedId), 2)
  assert.equal(await matchedBy(shippedId), 1)
  assert.equal(await server.metric('busbar_delivery_success_total'), 3)
})

test('a publish to a topic without event subscriptions is answered 200, and can be asked after', async (t) => {
  const { server } = await start(t)
  await server.publish({ id: '1' })
  assert.deepEqual((await server.trace('1')).eventSubscriptions, [])
  assert.equal(await server.metric('busbar_unmatched_events_total'), 1)
})

test('advanced filters of every kind decide as documented, over the wire', async (t) => {
  const { server } = await start(t)
  const data = { n: 5, s: 'Azure Data', b: true, arr: [1, 'x', 3], z: null }
  const cases: readonly (readonly [string, Record<string, unknown>, boolean, boolean?])[] = [
    ['NumberIn', { key: 'data.n', values: [5, 1] }, true],
    ['NumberNotIn', { key: 'data.missing', values: [1] }, true],
    ['NumberLessThan', { key: 'data.n', value: 5 }, false],
    ['NumberLessThanOrEquals', { key: 'data.n', value: 5 }, true],
    ['NumberGreaterThan', { key: 'data.arr', value: 2 }, true, true],
    ['NumberGreaterThanOrEquals', { key: 'data.n', value: 5.5 }, false],
    ['NumberInRange', { key: 'Data.N', values: [[3.14, 999.95]] }, true],
    ['NumberNotInRange', { key: 'data.n', values: [[3.14, 999.95]] }, false],
    ['BoolEquals', { key: 'data.b', value: true }, true],
    ['StringIn', { key: 'data.arr', values: ['X'] }, true, true],
    ['StringNotIn', { key: 'data.missing', values: ['q'] }, true],
    ['StringContains', { key: 'data.s', values: ['azure'] }, true],
    ['StringNotContains', { key: 'data.missing', values: ['q'] }, false],
    ['StringBeginsWith', { key: 'data.n', values: ['5'] }, true],
    ['StringNotBeginsWith', { key: 'subject', values: ['/ORDERS'] }, false],
    ['StringEndsWith', { key: 'data.s', values: ['DATA'] }, true],
    ['StringNotEndsWith', { key: 'data.s', values: ['x'] }, true],
    ['IsNullOrUndefined', { key: 'data.z' }, true],
    ['IsNotNull', { key: 'data.n' }, true],
  ]
  const hook = await startRecordingWebhook(t)
  for (const [operatorType, rest, , enableAdvancedFilteringOnArrays = false] of cases)
    await server.subscribe({
      to: hook.url,
      name: operatorType,
      properties: {
        filter: { advancedFilters: [{ operatorType, ...rest }], enableAdvancedFilteringOnArrays },
      },
    })
  await server.publish({ id: '1', data })
  await server.settle()
  const got = new Set(hook.received.map(({ headers }) => headers['aeg-subscription-name']))
  for (const [operator, , passes] of cases) assert.equal(got.has(operator.toUpperCase()), passes, operator)
  assert.equal(hook.received.length, cases.filter(([, , passes]) => passes).length)
})

test('a filter that is changed decides from the next event on', async (t) => {
  const { server } = await start(t)
  const hook = await startRecordingWebhook(t)
  const id = await server.subscribe({
    to: hook.url,
    properties: { filter: { subjectBeginsWith: '/orders/a' } },
  })
  await server.publish([
    { id: '1', subject: '/orders/a' },
    { id: '2', subject: '/orders/b' },
  ])
  assert.equal((await server.call('PATCH', id, { filter: { subjectBeginsWith: '/orders/b' } })).status, 201)
  await server.publish([
    { id: '3', subject: '/orders/a' },
    { id: '4', subject: '/orders/b' },
  ])
  await server.settle()
  assert.deepEqual(hook.received.flatMap(({ body }) => idsOf(body)).toSorted(), ['1', '4'])
})

// ---------------------------------------------------------------- destinations

test('static, secret and dynamic attributes become headers; their secrets are told by their own calls alone', async (t) => {
  const { server } = await start(t)
  const hook = await startRecordingWebhook(t)
  const mapping = (name: string, type: string, properties: unknown) => ({ name, type, properties })
  const id = await server.subscribe({
    to: `${hook.url}?code=hidden`,
    webhook: {
      deliveryAttributeMappings: [
        mapping('X-Static', 'Static', { value: 'plain', isSecret: false }),
        mapping('Authorization', 'Static', { value: 'Bearer secret', isSecret: true }),
        mapping('X-Color', 'Dynamic', { sourceField: 'data.color' }),
        mapping('X-Total', 'Dynamic', { sourceField: 'data.total' }),
        mapping('X-Object', 'Dynamic', { sourceField: 'data' }),
        mapping('X-Subject', 'Dynamic', { sourceField: 'subject' }),
      ],
    },
  })
  await server.publishRaw(
    '[{"id":"1","subject":"/s","eventType":"t","eventTime":"2026-01-02T03:04:05Z","data":{"color":"red","total":9007199254740993}}]',
  )
  await server.settle()
  const [delivery] = hook.received
  assert.equal(delivery?.url, '/hook?code=hidden')
  const { headers } = delivery
  assert.equal(headers['x-static'], 'plain')
  assert.equal(headers.authorization, 'Bearer secret')
  assert.equal(headers['x-color'], 'red')
  assert.equal(headers['x-total'], '9007199254740993')
  assert.equal(headers['x-object'], undefined)
  assert.equal(headers['x-subject'], '/s')

  const shown = JSON.stringify((await server.call('GET', id)).body)
  assert.ok(shown.includes(`"endpointBaseUrl":"${hook.url}"`))
  assert.doesNotMatch(shown, /code=hidden|Bearer secret/)
  assert.deepEqual((await server.call('POST', `${id}/getFullUrl`)).body, {
    endpointUrl: `${hook.url}?code=hidden`,
  })
  const attributes = await server.call('POST', `${id}/getDeliveryAttributes`)
  assert.deepEqual(attributes.body.value[1], {
    name: 'Authorization',
    type: 'Static',
    properties: { value: 'Bearer secret', isSecret: true },
  })
  await server.restart()
  await server.publish({ id: '2' })
  await server.settle()
  assert.equal(hook.received[1]?.headers.authorization, 'Bearer secret')
})

test('a webhook that does not echo gets events once its owner has followed the validation URL', async (t) => {
  const { server } = await start(t)
  const hook = await startRecordingWebhook(t, [200], { handshake: (_request, response) => response.end() })
  const id = server.idOf()
  const destination = { endpointType: 'WebHook', properties: { endpointUrl: hook.url } }
  assert.equal((await server.call('PUT', id, { properties: { destination } })).status, 201)
  const state = async () => (await server.call('GET', id)).body.properties.provisioningState
  assert.equal(await state(), 'AwaitingManualAction')
  await server.publish({ id: 'before' })

  const [[event] = []] = hook.handshakes.map(
    ({ body }) => body as readonly { readonly data: { readonly validationUrl: string } }[],
  )
  const url = new URL(event?.data.validationUrl ?? '')
  const tampered = new URL(url)
  tampered.searchParams.set('token', 'f'.repeat(64))
  assert.notEqual((await fetch(tampered)).status, 200)
  assert.equal(await state(), 'AwaitingManualAction')
  assert.equal((await fetch(url)).status, 200)
  assert.equal(await state(), 'Succeeded')
  await server.publish({ id: 'after' })
  await server.settle()
  assert.deepEqual(
    hook.received.map(({ body }) => idsOf(body)),
    [['after']],
  )
})

test('nobody following the validation URL for ten minutes fails the event subscription', async (t) => {
  const { clock, server } = await start(t)
  const hook = await startRecordingWebhook(t, [200], { handshake: (_request, response) => response.end() })
  const id = server.idOf()
  const destination = { endpointType: 'WebHook', properties: { endpointUrl: hook.url } }
  await server.call('PUT', id, { properties: { destination } })
  const state = async () => (await server.call('GET', id)).body.properties.provisioningState
  await clock.advance(10 * minuteMs)
  assert.equal(await state(), 'AwaitingManualAction')
  await clock.advance(1)
  await eventually(async () => (await state()) === 'Failed')
  await server.publish({ id: '1' })
  await server.settle()
  assert.equal(hook.received.length, 0)
})

for (const method of ['GET', 'POST'])
  test(`a CloudEvents webhook may withhold its consent and give it later by ${method} to the callback`, async (t) => {
    const { server } = await start(t)
    await server.createTopic('clouds', { inputSchema: 'CloudEventSchemaV1_0' })
    const hook = await startRecordingWebhook(t, [200], { handshake: (_request, response) => response.end() })
    const id = server.idOf('es1', 'clouds')
    const destination = { endpointType: 'WebHook', properties: { endpointUrl: hook.url } }
    await server.call('PUT', id, { properties: { destination } })
    const state = async () => (await server.call('GET', id)).body.properties.provisioningState
    assert.equal(await state(), 'AwaitingManualAction')
    const [handshake] = hook.handshakes
    assert.equal(handshake?.method, 'OPTIONS')
    assert.equal(handshake.headers['webhook-request-origin'], 'eventgrid.azure.net')
    assert.match(handshake.headers['webhook-request-rate'] as string, /^[1-9]\d*$/)
    const callback = handshake.headers['webhook-request-callback'] as string
    assert.equal((await fetch(callback, { method })).status, 200)
    assert.equal(await state(), 'Succeeded')
    const event = { specversion: '1.0', id: '1', source: '/s', type: 't' }
    const options = { topic: 'clouds', contentType: 'application/cloudevents+json' }
    await server.publishRaw(JSON.stringify(event), options)
    await server.settle()
    assert.deepEqual(
      hook.received.map(({ body }) => body),
      [event],
    )
  })

test('a webhook that refuses the handshake gets no event, and the client is told why', async (t) => {
  const { server } = await start(t)
  const hook = await startRecordingWebhook(t, [200], {
    handshake(_request, response) {
      response.statusCode = 404
      response.end()
    },
  })
  const id = server.idOf()
  const destination = { endpointType: 'WebHook', properties: { endpointUrl: hook.url } }
  const { headers } = await server.call('PUT', id, { properties: { destination } })
  const operation = await fetch(headers.get('azure-asyncoperation') ?? '')
  const { status, error } = (await operation.json()) as { status: string; error: { message: string } }
  assert.equal(status, 'Failed')
  assert.match(error.message, /validation handshake failed for http:.*response code 404/)
  assert.equal((await server.call('GET', id)).body.properties.provisioningState, 'Failed')
  await server.publish({ id: '1' })
  await server.settle()
  assert.equal(hook.received.length, 0)
})

test('an event subscription that is deleted says so to its webhook, and what it held is gone', async (t) => {
  const { clock, server } = await start(t)
  const hook = await startRecordingWebhook(t, [503])
  const id = await server.subscribe({ to: hook.url })
  await server.publish({ id: '1' })
  await server.settle()
  assert.ok([200, 202].includes((await server.call('DELETE', id)).status))
  await eventually(() => hook.deletions.length === 1)
  const [[deletion] = []] = hook.deletions.map(({ body }) => body as readonly Record<string, unknown>[])
  assert.equal(deletion?.eventType, 'Microsoft.EventGrid.SubscriptionDeletedEvent')
  assert.deepEqual(deletion.data, { eventSubscriptionId: id })
  await server.restart()
  await clock.advance(24 * hourMs)
  assert.equal(hook.received.length, 1)
  assert.equal(hook.deletions.length, 1)
  assert.equal(await server.metric('busbar_queue_entries'), 0)
})

test('an event subscription ends at its expiration time, with what it held', async (t) => {
  const { clock, server } = await start(t)
  const hook = await startRecordingWebhook(t, [503])
  const id = await server.subscribe({
    to: hook.url,
    properties: { expirationTimeUtc: iso(clock.now() + hourMs) },
  })
  await server.publish({ id: '1' })
  await clock.advance(hourMs - 1)
  assert.equal((await server.call('GET', id)).status, 200)
  await clock.advance(1)
  await eventually(async () => (await server.call('GET', id)).status === 404)
  const attempts = hook.received.length
  await server.publish({ id: '2' })
  await clock.advance(24 * hourMs)
  assert.equal(hook.received.length, attempts)
  assert.equal(await server.metric('busbar_unmatched_events_total'), 1)
})

test('a destination that is changed again and again under load loses no event', async (t) => {
  const { server } = await start(t)
  const received = new Set<string>()
  const hooks = await Promise.all(
    [1, 2, 3].map(() =>
      startRecordingWebhook(t, ({ body }, response) => {
        for (const id of idsOf(body)) received.add(id)
        response.end()
      }),
    ),
  )
  await server.subscribe({ to: hooks[0]?.url ?? '', webhook: { maxEventsPerBatch: 7 } })
  const requests = 60
  const perRequest = 10
  const load = { ended: false }
  const publishing = (async () => {
    for (let request = 0; request < requests; request++)
      await server.publish(
        Array.from({ length: perRequest }, (_, n) => ({ id: String(request * perRequest + n) })),
      )
  })().finally(() => {
    load.ended = true
  })
  let changes = 0
  while (!load.ended) {
    const hook = hooks[++changes % hooks.length]
    await server.subscribe({ to: hook?.url ?? '', webhook: { maxEventsPerBatch: 1 + (changes % 9) } })
  }
  await publishing
  await server.settle()
  assert.ok(changes >= 3, `${changes} changes were made`)
  assert.equal(received.size, requests * perRequest)
  assert.equal(await server.metric('busbar_queued_entries'), 0)
})

test('restarts under load lose nothing that was acknowledged, though every third event fails once', async (t) => {
  const timeScale = 200
  const server = await startTestServer(t, {
    clock: createSystemClock(timeScale),
    flags: { httpsPort: 'off', timeScale: String(timeScale) },
  })
  const seen = new Set<string>()
  const delivered = new Set<string>()
  const hook = await startRecordingWebhook(t, ({ body }, response) => {
    for (const id of idsOf(body)) {
      if (seen.has(id) || seen.size % 3 > 0) delivered.add(id)
      else response.statusCode = 500
      seen.add(id)
    }
    response.end()
  })
  await server.subscribe({ to: hook.url })
  const acknowledged: string[] = []
  const load = { ended: false }
  const publishers = Array.from({ length: 4 }, async (_, publisher) => {
    for (let n = 0; !load.ended; n++) {
      const id = `${publisher}-${n}`
      // While the server is closed there is nobody to publish to; the next turn tries again.
      const isAccepted = await server.publish({ id }).then(
        () => true,
        () => false,
      )
      if (isAccepted) acknowledged.push(id)
      else await turnOfTheLoop()
    }
  })
  for (let restarts = 0; restarts < 3; restarts++) {
    const goal = acknowledged.length + 50
    await eventually(() => acknowledged.length >= goal)
    await server.restart()
  }
  load.ended = true
  await Promise.all(publishers)
  await hook.when(() => acknowledged.every((id) => delivered.has(id)))
})

test('a webhook that agreed before a change stays in force while the new one refuses', async (t) => {
  const { server } = await start(t)
  const first = await startRecordingWebhook(t)
  const second = await startRecordingWebhook(t, [200], {
    handshake(_request, response) {
      response.statusCode = 500
      response.end()
    },
  })
  const id = await server.subscribe({ to: first.url })
  const destination = { endpointType: 'WebHook', properties: { endpointUrl: second.url } }
  await server.call('PATCH', id, { destination })
  assert.equal(second.handshakes.length, 1)
  await server.publish({ id: '1' })
  await server.settle()
  assert.equal(first.received.length, 1)
  assert.equal(second.received.length, 0)
  assert.deepEqual((await server.call('POST', `${id}/getFullUrl`)).body, { endpointUrl: first.url })
})

// ---------------------------------------------------------------- what is told of it

test('the trace of an event tells of its retries, and of its delivery in the end', async (t) => {
  const { clock, server } = await start(t)
  const hook = await startRecordingWebhook(t, [500, 200])
  const id = await server.subscribe({ to: hook.url })
  const startedAt = clock.now()
  await server.publish({ id: 'a/b c', subject: '/s' })
  await server.settle()
  const failed = {
    at: iso(startedAt),
    status: 500,
    outcome: 'GenericError',
    error: 'HTTP 500',
    durationMs: 0,
  }
  const retrying = await server.trace('a/b c')
  assert.deepEqual(retrying, {
    id: 'a/b c',
    type: 'Order.Placed',
    subject: '/s',
    topicId: `${subscription}/resourceGroups/rg/providers/Microsoft.EventGrid/topics/orders`,
    acceptedAt: iso(startedAt),
    eventSubscriptions: [
      { name: 'es1', id, matched: true, attempts: [failed], nextAttemptAt: iso(startedAt + 10 * secondMs) },
    ],
  })
  await clock.advance(10 * secondMs)
  const at = iso(startedAt + 10 * secondMs)
  assert.deepEqual((await server.trace('a/b c')).eventSubscriptions, [
    {
      name: 'es1',
      id,
      matched: true,
      attempts: [failed, { at, status: 200, outcome: 'delivered', durationMs: 0 }],
      end: { kind: 'delivered', at },
    },
  ])
})
