import assert from 'node:assert/strict'
import { after, type TestContext, test } from 'node:test'
import { startAmqpBroker } from '../src/testing/amqp-broker.ts'
import { startAzurite, startAzuriteQueues } from '../src/testing/azurite.ts'
import { subscription } from '../src/testing/control-plane.ts'
import { ManualClock } from '../src/testing/manual-clock.ts'
import {
  makeNamespaceTopic,
  namespaceEventSubscriptionId,
  namespaceTopicId,
  publishReadings,
  pushTo,
  subscribeReadings,
} from '../src/testing/namespaces.ts'
import { startRecordingWebhook } from '../src/testing/recording-webhook.ts'
import { startTestServer } from '../src/testing/test-server.ts'

/*
 * Push delivery of what is published to the topics of namespaces, over real sockets.
 */

const secondMs = 1_000
const minuteMs = 60 * secondMs
const hourMs = 60 * minuteMs

const storageAccount = `${subscription}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/letters`
const azurite = startAzurite({ after })
// A run of other tests alone may end before it listens.
azurite.catch(() => {})
let containers = 0

async function start(
  t: TestContext,
  connections: Readonly<Record<string, unknown>> = {},
  limits: Readonly<Record<string, number>> = {},
) {
  const clock = new ManualClock()
  const file = { connections, limits }
  const server = await startTestServer(t, { clock, file, flags: { httpsPort: 'off' } })
  await makeNamespaceTopic(server)
  return { clock, server }
}

/** A server that knows a storage account, with a new container in it. */
async function startWithContainer(t: TestContext) {
  const { connectionString, container } = await azurite
  const containerName = `readings-${++containers}`
  const letters = container(containerName)
  await letters.create()
  const deadLettering = {
    deadLetterDestinationWithResourceIdentity: {
      identity: { type: 'SystemAssigned' },
      deadLetterDestination: {
        endpointType: 'StorageBlob',
        properties: { resourceId: storageAccount, blobContainerName: containerName },
      },
    },
  }
  const blobs = async () => {
    const found: { name: string; records: Record<string, unknown>[] }[] = []
    for await (const { name } of letters.listBlobsFlat()) {
      const text = (await letters.getBlobClient(name).downloadToBuffer()).toString()
      found.push({ name, records: JSON.parse(text) as Record<string, unknown>[] })
    }
    return found
  }
  return {
    ...(await start(t, { [storageAccount]: { connectionString } })),
    ...{ deadLettering, blobs, letters },
  }
}

const idsOf = (received: readonly { readonly body: unknown }[]) =>
  received.map(({ body }) => (body as { id: string }).id)

test('an event of a namespace topic is delivered as a CloudEvent, with the headers of namespaces', async (t) => {
  const { server } = await start(t)
  const hook = await startRecordingWebhook(t)
  const attributes = [
    { name: 'x-tenant', type: 'Static', properties: { value: 'contoso', isSecret: true } },
    { name: 'x-unit', type: 'Dynamic', properties: { sourceField: 'data.unit' } },
  ]
  await subscribeReadings(server, pushTo(hook.url, {}, { deliveryAttributeMappings: attributes }))
  await publishReadings(server, { id: '1', subject: '/boiler', data: { unit: 'bar' }, clienttype: 'sensor' })
  const [request, ...more] = hook.received
  assert.equal(more.length, 0)
  const { headers } = request as NonNullable<typeof request>
  assert.deepEqual(request?.body, {
    ...{ specversion: '1.0', source: '/plant', type: 'reading', id: '1', subject: '/boiler' },
    ...{ data: { unit: 'bar' }, clienttype: 'sensor' },
  })
  assert.equal(headers['content-type'], 'application/cloudevents+json; charset=utf-8')
  assert.equal(headers['aeg-subscription-name'], 'ES1')
  assert.equal(headers['aeg-delivery-count'], '0')
  assert.equal(headers['aeg-metadata-version'], '1.0')
  assert.equal(headers['aeg-compatibility-mode-enabled'], 'false')
  assert.match(String(headers['aeg-output-event-id']), /^[0-9a-f-]{36}$/)
  assert.equal(headers['x-tenant'], 'contoso')
  assert.equal(headers['x-unit'], 'bar')
  const { topicId, eventSubscriptions } = await server.trace('1')
  assert.equal(topicId, namespaceTopicId())
  assert.deepEqual(
    eventSubscriptions.map(({ id, end }) => [id, end?.kind]),
    [[namespaceEventSubscriptionId(), 'delivered']],
  )
})

test('events of a namespace topic are delivered in batches where the webhook asks for it', async (t) => {
  const { server } = await start(t)
  const hook = await startRecordingWebhook(t)
  await subscribeReadings(server, pushTo(hook.url, {}, { maxEventsPerBatch: 10 }))
  await publishReadings(server, { id: '1' }, { id: '2' })
  const type = 'application/cloudevents-batch+json; charset=utf-8'
  assert.ok(hook.received.every(({ headers }) => headers['content-type'] === type))
  assert.deepEqual(
    hook.received.flatMap(({ body }) => idsOf((body as unknown[]).map((each) => ({ body: each })))).sort(),
    ['1', '2'],
  )
})

test('a webhook is asked in the way of CloudEvents, without a callback and a rate', async (t) => {
  const { server } = await start(t)
  const hook = await startRecordingWebhook(t)
  await subscribeReadings(server, pushTo(hook.url))
  const [asked, ...more] = hook.handshakes
  assert.equal(more.length, 0)
  assert.equal(asked?.method, 'OPTIONS')
  assert.equal(asked?.headers['webhook-request-origin'], 'eventgrid.azure.net')
  assert.equal(asked?.headers['webhook-request-callback'], undefined)
  assert.equal(asked?.headers['webhook-request-rate'], undefined)
})

test('a webhook that does not allow the origin fails the event subscription of a namespace topic', async (t) => {
  const { server } = await start(t)
  const hook = await startRecordingWebhook(t, [200], {
    handshake: (_request, response) => {
      response.end()
    },
  })
  const properties = { deliveryConfiguration: pushTo(hook.url) }
  await server.call('PUT', namespaceEventSubscriptionId(), { properties })
  const { body } = await server.call('GET', namespaceEventSubscriptionId())
  assert.equal(body.properties.provisioningState, 'Failed')
  await publishReadings(server, { id: '1' })
  assert.equal(hook.received.length, 0)
})

test('an event that is not taken is tried again after 10 s, 30 s, 1 min, and every 5 min, ten times in all', async (t) => {
  const { server, clock } = await start(t)
  const moments: number[] = []
  const startedAt = clock.now()
  const hook = await startRecordingWebhook(t, (_request, response) => {
    moments.push(clock.now() - startedAt)
    response.statusCode = 500
    response.end()
  })
  await subscribeReadings(server, pushTo(hook.url))
  await publishReadings(server, { id: '1' })
  await clock.advance(2 * hourMs)
  const waits = [10, 30, 60, ...Array.from({ length: 6 }, () => 300)].map((seconds) => seconds * secondMs)
  let at = 0
  assert.deepEqual(moments, [0, ...waits.map((wait) => (at += wait))])
  assert.equal(
    await server.metric('busbar_dropped_events_total', { reason: 'MaxDeliveryAttemptsExceeded' }),
    1,
  )
})

for (const status of [400, 401, 403, 404, 413, 414])
  test(`an event of a namespace topic to which a webhook answers ${status} is not tried again`, async (t) => {
    const { server, clock } = await start(t)
    const hook = await startRecordingWebhook(t, [status, 200])
    await subscribeReadings(server, pushTo(hook.url))
    await publishReadings(server, { id: '1' })
    await clock.advance(hourMs)
    assert.equal(hook.received.length, 1)
    assert.equal(
      await server.metric('busbar_dropped_events_total', { reason: 'UndeliverableDueToClientError' }),
      1,
    )
  })

test('an event of a namespace topic is given up when its time to live is over, and not before', async (t) => {
  const { server, clock } = await start(t)
  const hook = await startRecordingWebhook(t, [503])
  await subscribeReadings(server, pushTo(hook.url, { eventTimeToLive: 'PT2M' }))
  await publishReadings(server, { id: '1' })
  await clock.advance(2 * minuteMs - 1)
  const attempts = hook.received.length
  assert.equal(await server.metric('busbar_dropped_events_total'), 0)
  await clock.advance(hourMs)
  assert.equal(hook.received.length, attempts)
  assert.equal(await server.metric('busbar_dropped_events_total', { reason: 'TimeToLiveExceeded' }), 1)
})

test('what a namespace topic gives up is dead-lettered in the form and under the path of namespaces', async (t) => {
  const { server, clock, deadLettering, blobs } = await startWithContainer(t)
  const publishedAt = clock.now()
  const hook = await startRecordingWebhook(t, [401])
  const deliveryAttributeMappings = [
    { name: 'x-secret', type: 'Static', properties: { value: 'classified', isSecret: true } },
    { name: 'x-plain', type: 'Static', properties: { value: 'plain', isSecret: false } },
    { name: 'x-unit', type: 'Dynamic', properties: { sourceField: 'data.unit' } },
  ]
  await subscribeReadings(server, pushTo(hook.url, deadLettering, { deliveryAttributeMappings }))
  await publishReadings(server, { id: '1', data: { unit: 'bar' } })
  await clock.advance(6 * minuteMs)
  const [blob, ...more] = await blobs()
  assert.equal(more.length, 0)
  assert.match(String(blob?.name), /^plant\/readings\/es1\/2026\/1\/2\/3\/[0-9a-f-]{36}\.json$/)
  const moment = new Date(publishedAt).toISOString().replace('Z', '0000Z')
  assert.deepEqual(blob?.records, [
    {
      deadLetterProperties: {
        deadletterreason: 'Undeliverable due to client error',
        deliveryattempts: 1,
        deliveryresult: 'Unauthorized',
        publishutc: moment,
        deliveryattemptutc: moment,
      },
      customDeliveryProperties: { 'x-plain': 'plain', 'x-unit': 'bar' },
      event: { specversion: '1.0', source: '/plant', type: 'reading', id: '1', data: { unit: 'bar' } },
    },
  ])
})

test('what a namespace topic has dead-lettered is replayed to a mended webhook, byte for byte', async (t) => {
  const { server, clock, deadLettering, blobs } = await startWithContainer(t)
  const receiver = { status: 400 }
  const hook = await startRecordingWebhook(t, (_request, response) => {
    response.statusCode = receiver.status
    response.end()
  })
  await subscribeReadings(server, pushTo(hook.url, deadLettering))
  await publishReadings(server, { id: '1', data: { text: 'a, "b" } ]', list: [1.0, { n: 2 }] } })
  await clock.advance(6 * minuteMs)
  assert.equal((await blobs()).length, 1)
  receiver.status = 200
  const response = await fetch(`${server.http}/deadletters/replay`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ eventSubscription: namespaceEventSubscriptionId() }),
  })
  assert.equal(response.status, 200, await response.clone().text())
  assert.equal(((await response.json()) as { replayed: number }).replayed, 1)
  await server.settle()
  const [refused, delivered, ...more] = hook.received
  assert.equal(more.length, 0)
  assert.equal(delivered?.raw.toString(), refused?.raw.toString())
  assert.deepEqual(await blobs(), [])
})

test('a dead letter of a namespace topic waits for its container for as many days as it says and is then dropped', async (t) => {
  const { server, clock, deadLettering, blobs, letters } = await startWithContainer(t)
  const hook = await startRecordingWebhook(t, [400])
  const { deadLetterDestinationWithResourceIdentity: lettering } = deadLettering
  const patience = { ...lettering, deliveryRetryPeriodInDays: 1 }
  const push = pushTo(hook.url, { deadLetterDestinationWithResourceIdentity: patience })
  await subscribeReadings(server, push)
  await letters.delete()
  await publishReadings(server, { id: '1' })
  const reason = { reason: 'DeadLetterContainerNotFound' }
  await clock.advance(23 * hourMs)
  assert.equal(await server.metric('busbar_dead_letters_waiting'), 1)
  assert.equal(await server.metric('busbar_dropped_events_total', reason), 0)
  await clock.advance(2 * hourMs)
  assert.equal(await server.metric('busbar_dropped_events_total', reason), 1)
  assert.equal(await server.metric('busbar_dead_letters_waiting'), 0)
  await letters.create().catch(() => {})
  assert.deepEqual(await blobs(), [])
})

test('filters of a namespace topic see types, attributes and data, and arrays without being told', async (t) => {
  const { server } = await start(t)
  const hook = await startRecordingWebhook(t)
  const filtersConfiguration = {
    includedEventTypes: ['READING'],
    filters: [
      { operatorType: 'StringBeginsWith', key: 'clienttype', values: ['5'] },
      { operatorType: 'NumberIn', key: 'data.values', values: [7] },
      { operatorType: 'NumberNotInRange', key: 'data.missing', values: [[1, 2]] },
    ],
  }
  await subscribeReadings(server, pushTo(hook.url), { filtersConfiguration })
  await publishReadings(
    server,
    { id: 'yes', clienttype: 55, data: { values: [1, 7] } },
    { id: 'other type', type: 'alarm', clienttype: 5, data: { values: [7] } },
    { id: 'other attribute', clienttype: 6, data: { values: [7] } },
    { id: 'other data', clienttype: 5, data: { values: [8] } },
    { id: 'in range', clienttype: 5, data: { values: [7], missing: 1.5 } },
  )
  assert.deepEqual(idsOf(hook.received), ['yes'])
})

test('an event subscription that is received from keeps its events, and nothing delivers them', async (t) => {
  const { server } = await start(t)
  await subscribeReadings(server, { deliveryMode: 'Queue', queue: {} })
  await publishReadings(server, { id: '1' })
  const [waiting] = (await server.trace('1')).eventSubscriptions
  assert.deepEqual([waiting?.matched, waiting?.attempts, waiting?.end], [true, [], undefined])
})

test('an Event Grid event that goes on to a namespace topic of this server is a CloudEvent there', async (t) => {
  const { server } = await start(t)
  const hook = await startRecordingWebhook(t)
  await subscribeReadings(server, pushTo(hook.url))
  const id = server.idOf('onward', 'orders')
  const destination = { endpointType: 'NamespaceTopic', properties: { resourceId: namespaceTopicId() } }
  const properties = { destination, eventDeliverySchema: 'CloudEventSchemaV1_0' }
  assert.equal((await server.call('PUT', id, { properties })).status, 201)
  await server.publish({ id: 'order', eventType: 'placed', subject: '/1', data: { n: 1 } })
  await server.settle()
  const [received] = hook.received.map(({ body }) => body as Record<string, unknown>)
  const { specversion, type, source, data } = received ?? {}
  assert.deepEqual(
    { specversion, type, source, data },
    {
      ...{ specversion: '1.0', type: 'placed', data: { n: 1 } },
      source: server.idOf('', 'orders').split('/providers/Microsoft.EventGrid/eventSubscriptions')[0],
    },
  )
})

test('events for a namespace topic that is deleted wait until there is one again', async (t) => {
  const { server, clock } = await start(t)
  const hook = await startRecordingWebhook(t)
  await server.call('DELETE', namespaceTopicId())
  await publishReadings(server, { id: '1' })
  await server.call('PUT', namespaceTopicId(), { properties: {} })
  await subscribeReadings(server, pushTo(hook.url))
  await clock.advance(6 * minuteMs)
  assert.deepEqual(idsOf(hook.received), ['1'])
})

test('an event subscription that nobody reads gets no more events than its limit, and the others go on', async (t) => {
  const { server } = await start(t, {}, { backlogEvents: 3 })
  const hook = await startRecordingWebhook(t)
  await subscribeReadings(server, { deliveryMode: 'Queue', queue: { eventTimeToLive: 'PT1H' } }, {}, 'unread')
  await subscribeReadings(server, pushTo(hook.url))
  for (const id of ['1', '2', '3', '4', '5']) await publishReadings(server, { id })
  assert.equal(hook.received.length, 5)
  const unread = { event_subscription: namespaceEventSubscriptionId('unread') }
  assert.equal(
    await server.metric('busbar_dropped_events_total', { ...unread, reason: 'BacklogLimitExceeded' }),
    2,
  )
  const [missed] = (await server.trace('5')).eventSubscriptions.filter(({ name }) => name === 'unread')
  assert.equal(missed?.matched, false)
  assert.match(String(missed?.refusedBy), /backlogEvents/)
  const [waits] = (await server.trace('3')).eventSubscriptions.filter(({ name }) => name === 'unread')
  assert.equal(waits?.matched, true)
})

const providers = `${subscription}/resourceGroups/rg/providers`

/** A push event subscription that delivers with the namespace's identity. */
const pushWithIdentity = (endpointType: string, properties: Readonly<Record<string, unknown>>) => ({
  deliveryMode: 'Push',
  push: {
    deliveryWithResourceIdentity: {
      identity: { type: 'SystemAssigned' },
      destination: { endpointType, properties },
    },
  },
})

test('events of a namespace topic go to an event hub with the identity of the namespace, a partition key among their attributes', async (t) => {
  const broker = await startAmqpBroker(t)
  const hub = `${providers}/Microsoft.EventHub/namespaces/telemetry`
  const { server } = await start(t, { [hub]: { url: broker.url } })
  const configuration = pushWithIdentity('EventHub', {
    resourceId: `${hub}/eventhubs/readings`,
    deliveryAttributeMappings: [
      { name: 'PartitionKey', type: 'Dynamic', properties: { sourceField: 'subject' } },
      { name: 'unit', type: 'Static', properties: { value: 'bar' } },
    ],
  })
  await subscribeReadings(server, configuration)
  await publishReadings(server, { id: '1', subject: '/boiler', data: { n: 1 } })
  await broker.until(1)
  const [message] = broker.messages
  assert.ok(message)
  assert.equal(message.address, 'readings')
  assert.equal(message.message_annotations?.['x-opt-partition-key'], '/boiler')
  const properties = message.application_properties
  assert.equal(properties?.['aeg-subscription-name'], 'ES1')
  assert.equal(properties?.['aeg-compatibility-mode-enabled'], 'false')
  assert.equal(properties?.['aeg-metadata-version'], '1.0')
  assert.equal(properties?.['unit'], 'bar')
})

test('what an event hub refuses for want of a right is tried again after five minutes', async (t) => {
  const denied = { condition: 'amqp:unauthorized-access', description: 'no right' }
  const broker = await startAmqpBroker(t, { answers: [{ detach: denied }, 'accept'] })
  const hub = `${providers}/Microsoft.EventHub/namespaces/telemetry`
  const { server, clock } = await start(t, { [hub]: { url: broker.url } })
  await subscribeReadings(server, pushWithIdentity('EventHub', { resourceId: `${hub}/eventhubs/readings` }))
  await publishReadings(server, { id: '1' })
  await clock.advance(5 * minuteMs - 1)
  assert.equal(broker.messages.length, 1)
  await clock.advance(1)
  assert.equal(broker.messages.length, 2)
})

test('events of a namespace topic go to a storage queue', async (t) => {
  const { connectionString, queue } = await startAzuriteQueues(t)
  const account = `${providers}/Microsoft.Storage/storageAccounts/queues`
  const messages = queue('readings')
  await messages.create()
  const { server } = await start(t, { [account]: { connectionString } })
  await subscribeReadings(server, {
    deliveryMode: 'Push',
    push: {
      destination: {
        endpointType: 'StorageQueue',
        properties: { resourceId: account, queueName: 'readings' },
      },
    },
  })
  await publishReadings(server, { id: '1' })
  const { receivedMessageItems } = await messages.receiveMessages()
  const [item] = receivedMessageItems
  const event = JSON.parse(Buffer.from(String(item?.messageText), 'base64').toString()) as Record<
    string,
    unknown
  >
  assert.deepEqual([event.specversion, event.id], ['1.0', '1'])
})

test('events of one namespace topic go on to another of this server', async (t) => {
  const { server } = await start(t)
  const other = namespaceTopicId('copies')
  await server.call('PUT', other, { properties: {} })
  const hook = await startRecordingWebhook(t)
  const onward = { endpointType: 'NamespaceTopic', properties: { resourceId: other } }
  await subscribeReadings(server, { deliveryMode: 'Push', push: { destination: onward } })
  const id = namespaceEventSubscriptionId('es1', 'copies')
  const properties = { deliveryConfiguration: pushTo(hook.url) }
  assert.equal((await server.call('PUT', id, { properties })).status, 201)
  await publishReadings(server, { id: '1', data_base64: 'AAEC' })
  const [received] = hook.received.map(({ body }) => body as Record<string, unknown>)
  assert.equal(received?.data_base64, 'AAEC')
})

test('a namespace topic is no destination of its own events', async (t) => {
  const { server } = await start(t)
  const destination = { endpointType: 'NamespaceTopic', properties: { resourceId: namespaceTopicId() } }
  const deliveryConfiguration = { deliveryMode: 'Push', push: { destination } }
  const answer = await server.call('PUT', namespaceEventSubscriptionId(), {
    properties: { deliveryConfiguration },
  })
  assert.equal(answer.status, 400)
  assert.match(answer.body.error.message, /without end/)
})

test('an event that waits for its webhook is delivered after a restart', async (t) => {
  const { server, clock } = await start(t)
  const hook = await startRecordingWebhook(t, [503, 200])
  await subscribeReadings(server, pushTo(hook.url))
  await publishReadings(server, { id: '1' })
  assert.equal(hook.received.length, 1)
  await server.restart()
  await clock.advance(30 * secondMs)
  await hook.until(2)
  assert.deepEqual(idsOf(hook.received), ['1', '1'])
  assert.equal(hook.received[1]?.headers['aeg-delivery-count'], '1')
})
