import assert from 'node:assert/strict'
import { after, type TestContext, test } from 'node:test'
import { startAmqpBroker } from '../src/testing/amqp-broker.ts'
import { startAzurite } from '../src/testing/azurite.ts'
import { subscription } from '../src/testing/control-plane.ts'
import { ManualClock } from '../src/testing/manual-clock.ts'
import { startRabbitMq, withoutRabbitMq } from '../src/testing/rabbitmq.ts'
import { type ReadMessage, readMessages } from '../src/testing/read-messages.ts'
import { eventually, startTestServer, type TestServer } from '../src/testing/test-server.ts'

/*
 * Event hubs, queues and topics of Service Bus through the whole server, with RabbitMQ in their place: a broker of
 * others that speaks their protocol. What it cannot be brought to say comes from a broker that answers as it is told.
 */

const rabbitmq = withoutRabbitMq === false ? startRabbitMq({ after }) : undefined
const azurite = startAzurite({ after })
// A run of other tests alone may end before they listen.
rabbitmq?.catch(() => {})
azurite.catch(() => {})
const withBroker = { skip: withoutRabbitMq }

const secondMs = 1000
const minuteMs = 60 * secondMs

const providers = `${subscription}/resourceGroups/rg/providers`
const namespaces = {
  EventHub: `${providers}/Microsoft.EventHub/namespaces/telemetry`,
  ServiceBusQueue: `${providers}/Microsoft.ServiceBus/namespaces/bus`,
  ServiceBusTopic: `${providers}/Microsoft.ServiceBus/namespaces/bus`,
}
type MessagingType = keyof typeof namespaces
const types = Object.keys(namespaces) as readonly MessagingType[]
const storageAccount = `${providers}/Microsoft.Storage/storageAccounts/letters`

const entityOf = (type: MessagingType, name: string) =>
  `${namespaces[type]}/${{ EventHub: 'eventhubs', ServiceBusQueue: 'queues', ServiceBusTopic: 'topics' }[type]}/${name}`

/** Every namespace is at that URL. */
const connectionsTo = (url: string) =>
  Object.fromEntries(Object.values(namespaces).map((namespace) => [namespace, { url }]))

async function start(t: TestContext, connections: object, more: object = {}) {
  const clock = new ManualClock()
  const file = { connections, ...more }
  const server = await startTestServer(t, { clock, file, flags: { httpsPort: 'off' } })
  return { clock, server }
}

const startWithRabbitMq = async (t: TestContext) => start(t, connectionsTo((await rabbitmq)?.url ?? ''))

interface SubscribeOptions {
  /** Of the entity and of the event subscription. */
  readonly name: string
  readonly topic?: string
  readonly attributes?: readonly object[]
  readonly properties?: object
}

/** Makes an event subscription, and resolves with what became of it. */
async function subscribe(
  server: TestServer,
  endpointType: MessagingType,
  { name, topic = 'orders', attributes, properties = {} }: SubscribeOptions,
) {
  const id = server.idOf(name, topic)
  const answer = await server.call('PUT', id, {
    properties: {
      destination: {
        endpointType,
        properties: {
          resourceId: entityOf(endpointType, name),
          ...(attributes && { deliveryAttributeMappings: attributes }),
        },
      },
      ...properties,
    },
  })
  assert.equal(answer.status, 201, JSON.stringify(answer.body))
  const operation = answer.headers.get('azure-asyncoperation')
  assert.ok(operation)
  let state: { status: string; error?: { message: string } } = { status: '' }
  await eventually(async () => {
    state = (await (await fetch(operation)).json()) as typeof state
    return state.status !== 'InProgress'
  })
  return state
}

const succeeds = async (...[server, type, options]: Parameters<typeof subscribe>) =>
  assert.deepEqual((await subscribe(server, type, options)).status, 'Succeeded')

async function read(name: string, count: number): Promise<readonly ReadMessage[]> {
  const broker = await rabbitmq
  assert.ok(broker)
  return readMessages(broker, name, count)
}

/** The message is there before the broker has said so to the server. */
async function deliveredAll(server: TestServer, count: number) {
  await eventually(async () => (await server.metric('busbar_delivery_success_total')) === count)
}

async function attemptsOf(server: TestServer, eventId: string, name: string) {
  const { eventSubscriptions } = await server.trace(eventId)
  const found = eventSubscriptions.find((one) => one.name === name)
  assert.ok(found)
  return found
}

// ---------------------------------------------------------------- schemas

const mapping = {
  inputSchema: 'CustomEventSchema',
  inputSchemaMapping: {
    inputSchemaMappingType: 'Json',
    properties: {
      id: { sourceField: 'number' },
      eventType: { sourceField: 'kind' },
      subject: { defaultValue: 'none' },
      dataVersion: { defaultValue: '2' },
    },
  },
}
const time = '2026-01-02T03:04:05.0000000Z'
const data = '{"price":12345678901234567890,"text":"Zoë \\u20ac"}'

/** Each input schema: an event as it is published, and its body in every delivery schema that the topic allows. */
const inputs = [
  {
    topic: 'grid',
    properties: {},
    contentType: 'application/json',
    published: `{"id":"1","subject":"/s","eventType":"T","eventTime":"${time}","dataVersion":"1","data":${data}}`,
    delivered: (topicId: string) => ({
      EventGridSchema: `{"id":"1","subject":"/s","eventType":"T","eventTime":"${time}","dataVersion":"1","data":${data},"metadataVersion":"1","topic":"${topicId}"}`,
      CloudEventSchemaV1_0: `{"id":"1","source":"${topicId}","specversion":"1.0","type":"T","dataschema":"#1","subject":"/s","time":"${time}","data":${data}}`,
    }),
  },
  {
    topic: 'cloud',
    properties: { inputSchema: 'CloudEventSchemaV1_0' },
    contentType: 'application/cloudevents-batch+json',
    published: `{"specversion":"1.0","id":"1","source":"/x","type":"T","tenant":"c","data":${data}}`,
    delivered: () => ({
      CloudEventSchemaV1_0: `{"specversion":"1.0","id":"1","source":"/x","type":"T","tenant":"c","data":${data}}`,
    }),
  },
  {
    topic: 'custom',
    properties: mapping,
    contentType: 'application/json',
    published: `{"number":"1","kind":"T","price":12345678901234567890}`,
    delivered: (topicId: string) => {
      const custom = `{"number":"1","kind":"T","price":12345678901234567890}`
      return {
        EventGridSchema: `{"id":"1","topic":"${topicId}","subject":"none","eventType":"T","eventTime":"${time}","data":${custom},"dataVersion":"2","metadataVersion":"1"}`,
        CloudEventSchemaV1_0: `{"id":"1","source":"${topicId}","specversion":"1.0","type":"T","dataschema":"#2","subject":"none","time":"${time}","data":${custom}}`,
        CustomInputSchema: custom,
      }
    },
  },
]

/** Members in any order: that is what `src/event/` tests. Numbers keep their digits, as text. */
const members = (text: string) =>
  JSON.parse(text.replaceAll('12345678901234567890', '"12345678901234567890"'))

for (const { topic: topicName, properties, contentType, published, delivered } of inputs)
  test(
    `events of the ${topicName} input schema reach every broker in every delivery schema`,
    withBroker,
    async (t) => {
      const { server } = await startWithRabbitMq(t)
      const topic = await server.createTopic(topicName, properties)
      const forms = Object.entries(delivered(topic.id))
      const each = types.flatMap((type) =>
        forms.map(([schema, text]) => ({
          type,
          schema,
          text,
          name: `${type}-${topicName}-${schema}`.replace('_', '-'),
        })),
      )
      for (const { type, schema, name } of each)
        await succeeds(server, type, { name, topic: topicName, properties: { eventDeliverySchema: schema } })
      const response = await server.publishRaw(`[${published}]`, { topic: topicName, contentType })
      assert.equal(response.status, 200, await response.text())
      await server.settle()
      for (const { type, schema, text, name } of each) {
        const [message] = await read(name, 1)
        assert.ok(message)
        const inArray = type === 'EventHub' && schema !== 'CloudEventSchemaV1_0'
        assert.deepEqual(members(message.text), inArray ? [members(text)] : members(text), name)
        assert.ok(message.text.includes('12345678901234567890'))
        const isCloud = schema === 'CloudEventSchemaV1_0'
        assert.equal(
          message.content_type,
          isCloud ? 'application/cloudevents+json; charset=utf-8' : 'application/json; charset=utf-8',
        )
        const { 'aeg-output-event-id': outputEventId, ...aeg } = message.application_properties ?? {}
        assert.equal(message.message_id, outputEventId)
        assert.deepEqual(aeg, {
          'aeg-subscription-name': name.toUpperCase(),
          'aeg-delivery-count': '0',
          'aeg-event-type': 'Notification',
          'aeg-metadata-version': topicName === 'cloud' ? '1.0' : '1',
          'aeg-data-version': { grid: '1', cloud: '', custom: '2' }[topicName],
        })
      }
      await deliveredAll(server, each.length)
      const { attempts, end } = await attemptsOf(server, '1', each[0]?.name ?? '')
      assert.equal(attempts[0]?.outcome, 'delivered')
      assert.equal(end?.kind, 'delivered')
    },
  )

test('attributes reach a queue, and a secret one is shown to nobody', withBroker, async (t) => {
  const { server } = await startWithRabbitMq(t)
  const name = 'attributes'
  await succeeds(server, 'ServiceBusQueue', {
    name,
    attributes: [
      { name: 'tenant', type: 'Static', properties: { value: 'contoso' } },
      { name: 'token', type: 'Static', properties: { value: 'hush', isSecret: true } },
      { name: 'Label', type: 'Dynamic', properties: { sourceField: 'eventType' } },
      { name: 'CorrelationId', type: 'Dynamic', properties: { sourceField: 'data.order' } },
      { name: 'absent', type: 'Dynamic', properties: { sourceField: 'data.nothing' } },
    ],
  })
  const { body } = await server.call('GET', server.idOf(name))
  assert.doesNotMatch(JSON.stringify(body), /hush/)
  assert.deepEqual(body.properties.destination.properties.deliveryAttributeMappings[1].properties, {
    value: 'Hidden',
    isSecret: true,
  })
  await server.publish({ id: '1', eventType: 'Order.Placed', data: { order: 42 } })
  await server.settle()
  const [message] = await read(name, 1)
  assert.equal(message?.subject, 'Order.Placed')
  assert.equal(message.correlation_id, '42')
  const properties = message.application_properties ?? {}
  assert.equal(properties.tenant, 'contoso')
  assert.equal(properties.token, 'hush')
  assert.ok(!('absent' in properties))
})

// ---------------------------------------------------------------- failures

test(
  'an event that the broker has no room for is sent again with the MessageId it had',
  withBroker,
  async (t) => {
    const { clock, server } = await startWithRabbitMq(t)
    await succeeds(server, 'ServiceBusQueue', { name: 'full' })
    await server.publish({ id: 'first' })
    await server.settle()
    await server.publish({ id: 'second' })
    await server.settle()
    const { attempts } = await attemptsOf(server, 'second', 'full')
    // RabbitMQ 3.10 means to reject it and breaks the connection instead.
    assert.equal(attempts.length, 1)
    assert.match(attempts[0]?.outcome ?? '', /^(GenericError|SocketError)$/)
    await read('full', 1)
    await clock.advance(10 * secondMs)
    const [second] = await read('full', 1)
    assert.equal(members(second?.text ?? '').id, 'second')
    assert.equal(second?.application_properties?.['aeg-delivery-count'], '1')
    assert.equal(second.message_id, second.application_properties['aeg-output-event-id'])
  },
)

test('every attempt at an event has the same MessageId', async (t) => {
  const busy = { condition: 'com.microsoft:server-busy', description: 'later' }
  const broker = await startAmqpBroker(t, { answers: [{ reject: busy }, 'release', 'accept'] })
  const { clock, server } = await start(t, connectionsTo(broker.url))
  await succeeds(server, 'ServiceBusTopic', { name: 'busy' })
  await server.publish({ id: '1' })
  await server.settle()
  await clock.advance(30 * secondMs - 1)
  assert.equal(broker.messages.length, 1)
  await clock.advance(1)
  assert.equal(broker.messages.length, 2)
  await clock.advance(30 * secondMs)
  assert.equal(broker.messages.length, 3)
  assert.equal(new Set(broker.messages.map(({ message_id }) => message_id)).size, 1)
  const { attempts, end } = await attemptsOf(server, '1', 'busy')
  assert.deepEqual(
    attempts.map(({ outcome }) => outcome),
    ['Busy', 'GenericError', 'delivered'],
  )
  assert.equal(end?.kind, 'delivered')
})

test(
  'an event is dead-lettered for the broker that is down, and later ones wait until it is back',
  withBroker,
  async (t) => {
    const broker = await rabbitmq
    assert.ok(broker)
    const { connectionString, container } = await azurite
    const letters = container('amqp-letters')
    await letters.create()
    const { clock, server } = await start(t, {
      ...connectionsTo(broker.url),
      [storageAccount]: { connectionString },
    })
    await succeeds(server, 'ServiceBusQueue', {
      name: 'once',
      properties: {
        retryPolicy: { maxDeliveryAttempts: 1 },
        deadLetterDestination: {
          endpointType: 'StorageBlob',
          properties: { resourceId: storageAccount, blobContainerName: 'amqp-letters' },
        },
      },
    })
    await succeeds(server, 'EventHub', { name: 'patient' })
    await server.publish({ id: 'before' })
    await server.settle()
    assert.equal((await read('patient', 1)).length, 1)

    await broker.stop()
    await server.publish({ id: 'down' })
    await server.settle()
    const { attempts, nextAttemptAt } = await attemptsOf(server, 'down', 'patient')
    assert.equal(attempts[0]?.outcome, 'SocketError')
    assert.equal(nextAttemptAt, new Date(clock.now() + 10 * secondMs).toISOString())

    await broker.start()
    await clock.advance(10 * secondMs)
    // A broker that is killed may not have kept that its first message was taken, and hand it out again.
    let id: string | undefined
    while (id !== 'down') {
      const [message] = await read('patient', 1)
      id = members(message?.text ?? '')[0].id
      assert.match(String(id), /^(before|down)$/)
    }

    await clock.advance(5 * minuteMs)
    const blobs: unknown[] = []
    for await (const { name } of letters.listBlobsFlat())
      blobs.push(...JSON.parse((await letters.getBlobClient(name).downloadToBuffer()).toString()))
    assert.equal(blobs.length, 1)
    const [record] = blobs as readonly Record<string, unknown>[]
    assert.equal(record?.id, 'down')
    assert.equal(record.deadLetterReason, 'MaxDeliveryAttemptsExceeded')
    assert.equal(record.lastDeliveryOutcome, 'SocketError')
    assert.equal(record.deliveryAttempts, 1)
    // Nothing that was accepted before the broker was killed is lost.
    const kept = await read('once', 1)
    assert.equal(members(kept[0]?.text ?? '').id, 'before')
  },
)

test('a queue with sessions dead-letters what has none without another attempt', async (t) => {
  const description = 'The SessionId was not set on a message, and it cannot be sent to the entity.'
  const broker = await startAmqpBroker(t, {
    answers: ({ group_id }) =>
      group_id === undefined ? { reject: { condition: 'amqp:not-allowed', description } } : 'accept',
  })
  const { server } = await start(t, connectionsTo(broker.url))
  await succeeds(server, 'ServiceBusQueue', { name: 'plain' })
  await succeeds(server, 'ServiceBusQueue', {
    name: 'sessions',
    attributes: [{ name: 'SessionId', type: 'Dynamic', properties: { sourceField: 'subject' } }],
  })
  await server.publish({ id: '1' })
  await server.settle()
  const { attempts, end } = await attemptsOf(server, '1', 'plain')
  assert.deepEqual(
    attempts.map(({ outcome }) => outcome),
    ['SessionQueueNotSupported'],
  )
  assert.equal(end?.kind === 'dropped' && end.reason, 'UndeliverableDueToClientError')
  assert.equal((await attemptsOf(server, '1', 'sessions')).end?.kind, 'delivered')
})

// ---------------------------------------------------------------- control plane

test('a queue that the connection may not send to is refused by name', withBroker, async (t) => {
  const broker = await rabbitmq
  assert.ok(broker)
  const { server } = await start(t, connectionsTo(broker.url.replace('busbar', 'reader')))
  const { status, error } = await subscribe(server, 'ServiceBusQueue', { name: 'forbidden' })
  assert.equal(status, 'Failed')
  assert.match(
    error?.message ?? '',
    /The queue 'forbidden' in the namespace 'bus' .*amqp:unauthorized-access/,
  )
  assert.doesNotMatch(error?.message ?? '', /not a secret/)
})

test('TLS to the broker needs an authority that is known', withBroker, async (t) => {
  const broker = await rabbitmq
  assert.ok(broker)
  const connections = connectionsTo(
    broker.url.replace('amqp:', 'amqps:').replace(/\d+$/, `${broker.securePort}`),
  )
  const { server: strict } = await start(t, connections)
  await succeeds(strict, 'EventHub', { name: 'strict' })
  await strict.publish({ id: '1' })
  await strict.settle()
  const { attempts } = await attemptsOf(strict, '1', 'strict')
  assert.match(attempts[0]?.error ?? '', /^DEPTH_ZERO_SELF_SIGNED_CERT/)

  const { server: lenient } = await start(t, connections, { webhooks: { allowSelfSigned: true } })
  await succeeds(lenient, 'EventHub', { name: 'lenient' })
  await lenient.publish({ id: '1' })
  await lenient.settle()
  assert.equal((await read('lenient', 1)).length, 1)
})

test('an entity without a configured connection is refused when the event subscription is made', async (t) => {
  const { server } = await start(t, {})
  const { status, body } = await server.call('PUT', server.idOf(), {
    properties: {
      destination: { endpointType: 'EventHub', properties: { resourceId: entityOf('EventHub', 'readings') } },
    },
  })
  assert.equal(status, 400)
  assert.match(body.error.message, /eventhubs\/readings' is reached is not known.*connectionString or url/)
})

test('an event subscription with a broker reads back as it was made, and moves to another queue', async (t) => {
  const broker = await startAmqpBroker(t)
  const { server } = await start(t, connectionsTo(broker.url))
  await succeeds(server, 'ServiceBusQueue', { name: 'one' })
  const { body } = await server.call('GET', server.idOf('one'))
  const { destination } = body.properties
  assert.deepEqual(destination, {
    endpointType: 'ServiceBusQueue',
    properties: { resourceId: entityOf('ServiceBusQueue', 'one'), deliveryAttributeMappings: null },
  })
  destination.properties.resourceId = entityOf('ServiceBusQueue', 'other')
  await server.call('PATCH', server.idOf('one'), { destination })
  await eventually(async () => {
    const { body: now } = await server.call('GET', server.idOf('one'))
    return now.properties.provisioningState === 'Succeeded'
  })
  await server.publish({ id: '1' })
  await server.settle()
  assert.deepEqual(
    broker.messages.map(({ address }) => address),
    ['other'],
  )
  const fullUrl = await server.call('POST', `${server.idOf('one')}/getFullUrl`)
  assert.equal(fullUrl.body.endpointUrl, null)
})
