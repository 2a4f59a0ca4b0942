import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { RequestError } from '../base/errors.ts'
import { type AmqpBrokerOptions, startAmqpBroker } from '../testing/amqp-broker.ts'
import { selfSigned } from '../testing/certificate.ts'
import { deliveryContext, deliveryOf, settingsOf } from '../testing/destinations.ts'
import { testEvent } from '../testing/events.ts'
import { freePorts } from '../testing/free-port.ts'
import { ManualClock } from '../testing/manual-clock.ts'
import type { Connection } from './connections.ts'
import type { Outcome } from './destination.ts'
import { openDestinations } from './index.ts'
import { openNetworkRules } from './network.ts'

/* Event hubs, queues and topics of Service Bus, against a broker that answers as it is told. */

const never = new AbortController().signal
const providers = '/subscriptions/0/resourceGroups/rg/providers'
const namespaces = {
  EventHub: `${providers}/Microsoft.EventHub/namespaces/Telemetry`,
  ServiceBusQueue: `${providers}/Microsoft.ServiceBus/namespaces/Bus`,
  ServiceBusTopic: `${providers}/Microsoft.ServiceBus/namespaces/Bus`,
}
type MessagingType = keyof typeof namespaces
const resourceIds: Readonly<Record<MessagingType, string>> = {
  EventHub: `${namespaces.EventHub}/eventhubs/Readings`,
  ServiceBusQueue: `${namespaces.ServiceBusQueue}/queues/Orders`,
  ServiceBusTopic: `${namespaces.ServiceBusTopic}/topics/Returns`,
}
const types = Object.keys(resourceIds) as readonly MessagingType[]

type Attribute = Readonly<Record<string, unknown>>
const fixed = (name: string, value: string, isSecret = false): Attribute => ({
  ...{ name, type: 'Static', properties: { value, isSecret } },
})
const dynamic = (name: string, sourceField: string): Attribute => ({
  ...{ name, type: 'Dynamic', properties: { sourceField } },
})

function open(
  t: TestContext,
  type: MessagingType,
  connection: Connection,
  deliveryAttributeMappings: readonly Attribute[] = [],
) {
  const destinations = openDestinations({
    clock: new ManualClock(),
    rules: openNetworkRules,
    connections: new Map([[namespaces[type].toLowerCase(), connection]]),
  })
  t.after(() => destinations.close())
  const settings = settingsOf(type, { resourceId: resourceIds[type], deliveryAttributeMappings })
  const context = deliveryContext('EventGridSchema')
  return {
    destination: (schema = context.deliverySchema) => destinations.create(settings, deliveryContext(schema)),
    verify: () =>
      destinations.verify(
        { settings, context, validationCode: 'c', validationUrl: 'https://127.0.0.1/' },
        never,
      ),
  }
}

async function start(
  t: TestContext,
  type: MessagingType,
  attributes: readonly Attribute[] = [],
  options?: AmqpBrokerOptions,
) {
  const broker = await startAmqpBroker(t, options)
  return { broker, ...open(t, type, { url: broker.url }, attributes) }
}

const event = testEvent('1', 'EventGridSchema', {
  data: { customer: 'Zoë', count: 7, big: 900719925474099, deep: { a: 1 }, long: 'x'.repeat(4097) },
})

// ---------------------------------------------------------------- messages

test('an attribute with a name that every object has is an application property like any other', async (t) => {
  const { broker, destination } = await start(t, 'ServiceBusQueue', [fixed('constructor', 'acme')])
  const outcome = await destination().deliver([deliveryOf(event)], never)
  assert.equal(outcome.kind, 'delivered')
  assert.equal(broker.messages[0]?.application_properties?.constructor, 'acme')
  assert.equal(broker.messages[0]?.message_annotations, undefined)
})

for (const type of types)
  test(`a message for ${type} has the event as body and Event Grid's headers as application properties`, async (t) => {
    const { broker, destination } = await start(t, type)
    const delivery = deliveryOf(event, 2)
    assert.deepEqual(await destination().deliver([delivery], never), { kind: 'delivered', status: undefined })
    const [message] = broker.messages
    assert.ok(message)
    const envelope = event.source.toString()
    assert.equal(message.address, resourceIds[type].split('/').at(-1))
    assert.equal(message.text, type === 'EventHub' ? `[${envelope}]` : envelope)
    assert.equal(message.content_type, 'application/json; charset=utf-8')
    assert.equal(message.message_id, delivery.outputEventId)
    assert.deepEqual(message.application_properties, {
      'aeg-subscription-name': 'THERMOSTATALERT',
      'aeg-delivery-count': '2',
      'aeg-event-type': 'Notification',
      'aeg-metadata-version': '1',
      'aeg-data-version': '1.0',
      'aeg-output-event-id': delivery.outputEventId,
    })
  })

for (const type of types)
  test(`a CloudEvent for ${type} is one object`, async (t) => {
    const { broker, destination } = await start(t, type)
    const cloudEvent = testEvent('1', 'CloudEventSchemaV1_0')
    await destination('CloudEventSchemaV1_0').deliver([deliveryOf(cloudEvent)], never)
    const [message] = broker.messages
    assert.equal(message?.text, cloudEvent.source.toString())
    assert.equal(message.content_type, 'application/cloudevents+json; charset=utf-8')
    assert.equal(message.application_properties?.['aeg-metadata-version'], '1.0')
    assert.equal(message.application_properties['aeg-data-version'], '')
  })

test('attributes of an event hub are application properties, and PartitionKey is the partition key', async (t) => {
  const { broker, destination } = await start(t, 'EventHub', [
    fixed('x-tenant', 'contoso'),
    fixed('x-secret', 'hush', true),
    dynamic('customer', 'data.customer'),
    dynamic('count', 'data.count'),
    dynamic('no-text', 'data.deep'),
    dynamic('too-long', 'data.long'),
    dynamic('MessageId', 'subject'),
    dynamic('partitionkey', 'data.big'),
  ])
  const delivery = deliveryOf(event)
  await destination().deliver([delivery], never)
  const [message] = broker.messages
  const { 'aeg-output-event-id': id, ...properties } = message?.application_properties ?? {}
  assert.equal(id, delivery.outputEventId)
  assert.equal(message?.message_id, id)
  assert.deepEqual(message?.message_annotations, { 'x-opt-partition-key': '900719925474099' })
  assert.deepEqual(properties, {
    'aeg-subscription-name': 'THERMOSTATALERT',
    'aeg-delivery-count': '0',
    'aeg-event-type': 'Notification',
    'aeg-metadata-version': '1',
    'aeg-data-version': '1.0',
    'x-tenant': 'contoso',
    'x-secret': 'hush',
    customer: 'Zoë',
    count: '7',
    MessageId: '/orders/1',
  })
})

test('attributes named as properties of Service Bus set these', async (t) => {
  const { broker, destination } = await start(t, 'ServiceBusQueue', [
    dynamic('MessageId', 'id'),
    fixed('PartitionKey', 'p'),
    fixed('CorrelationId', 'c'),
    dynamic('Label', 'eventType'),
    fixed('ReplyTo', 'r'),
    fixed('ReplyToSessionId', 'rs'),
    dynamic('To', 'subject'),
    fixed('ViaPartitionKey', 'v'),
    fixed('Other', 'o'),
  ])
  const delivery = deliveryOf(event)
  await destination().deliver([delivery], never)
  const [message] = broker.messages
  assert.ok(message)
  assert.equal(message.message_id, '1')
  assert.equal(message.correlation_id, 'c')
  assert.equal(message.subject, 'Order.Placed')
  assert.equal(message.reply_to, 'r')
  assert.equal(message.reply_to_group_id, 'rs')
  assert.equal(message.to, '/orders/1')
  assert.deepEqual(message.message_annotations, {
    'x-opt-partition-key': 'p',
    'x-opt-via-partition-key': 'v',
  })
  assert.equal(message.application_properties?.Other, 'o')
  assert.equal(Object.keys(message.application_properties).length, 7)
})

test('a session is the group of a message, and what an event lacks keeps what it has otherwise', async (t) => {
  const { broker, destination } = await start(t, 'ServiceBusTopic', [dynamic('SessionId', 'data.customer')])
  await destination().deliver([deliveryOf(event)], never)
  assert.equal(broker.messages[0]?.group_id, 'Zoë')
  const { broker: other, destination: lacking } = await start(t, 'ServiceBusTopic', [
    dynamic('MessageId', 'data.nothing'),
  ])
  const delivery = deliveryOf(event)
  await lacking().deliver([delivery], never)
  assert.equal(other.messages[0]?.message_id, delivery.outputEventId)
})

test('one event does not leave its partition key to the next', async (t) => {
  const { broker, destination } = await start(t, 'EventHub', [dynamic('PartitionKey', 'data.customer')])
  const ready = destination()
  await ready.deliver([deliveryOf(event)], never)
  await ready.deliver([deliveryOf(testEvent('2'))], never)
  assert.deepEqual(
    broker.messages.map(({ message_annotations }) => message_annotations),
    [{ 'x-opt-partition-key': 'Zoë' }, undefined],
  )
})

// ---------------------------------------------------------------- outcomes

const minuteMs = 60_000
const outcomes: readonly (readonly [string, string, string, number | undefined])[] = [
  ['amqp:not-found', '', 'NotFound', 5 * minuteMs],
  ['amqp:unauthorized-access', '', 'Unauthorized', 5 * minuteMs],
  ['com.microsoft:server-busy', '', 'Busy', 30_000],
  ['com.microsoft:timeout', '', 'TimedOut', 2 * minuteMs],
  ['amqp:resource-limit-exceeded', '', 'Full', 10_000],
  ['com.microsoft:entity-disabled', '', 'Disabled', 10_000],
  ['amqp:link:message-size-exceeded', '', 'PayloadTooLarge', undefined],
  ['com.microsoft:session-cannot-be-locked', '', 'SessionQueueNotSupported', undefined],
  [
    'amqp:not-allowed',
    'The SessionId was not set on a message, and it cannot be sent to the entity.',
    'SessionQueueNotSupported',
    undefined,
  ],
  ['amqp:not-allowed', '', 'BadRequest', undefined],
  ['com.microsoft:argument-error', '', 'BadRequest', undefined],
  ['amqp:internal-error', '', 'GenericError', 10_000],
]
for (const [condition, description, name, minimumDelayMs] of outcomes)
  test(`${condition}${description && ` for want of a session`} is the outcome ${name}`, async (t) => {
    const { destination } = await start(t, 'ServiceBusQueue', [], {
      answers: [{ reject: { condition, description } }],
    })
    const outcome = await destination().deliver([deliveryOf(event)], never)
    const error = description === '' ? condition : `${condition}: ${description}`
    const expected: Outcome =
      minimumDelayMs === undefined
        ? { kind: 'hopeless', name: name as 'Busy', status: undefined, error }
        : { kind: 'retry', name: name as 'Busy', status: undefined, error, minimumDelayMs }
    assert.deepEqual(outcome, expected)
  })

test('a secret that the broker repeats is not in the outcome', async (t) => {
  const { destination } = await start(t, 'ServiceBusQueue', [fixed('x-secret', 'hush', true)], {
    answers: [{ reject: { condition: 'amqp:internal-error', description: 'no hush please' } }],
  })
  const outcome = await destination().deliver([deliveryOf(event)], never)
  assert.equal(outcome.kind === 'retry' && outcome.error, 'amqp:internal-error: no Hidden please')
})

test('without a connection in the configuration events wait', async (t) => {
  const destinations = openDestinations({ clock: new ManualClock(), rules: openNetworkRules })
  t.after(() => destinations.close())
  const settings = settingsOf('EventHub', { resourceId: resourceIds.EventHub })
  const destination = destinations.create(settings, deliveryContext('EventGridSchema'))
  const outcome = await destination.deliver([deliveryOf(event)], never)
  assert.equal(outcome.kind === 'retry' && outcome.name, 'NotFound')
  assert.equal(outcome.kind === 'retry' && outcome.minimumDelayMs, 5 * minuteMs)
})

// ---------------------------------------------------------------- verification

for (const type of types)
  test(`${type} is verified by a link to it`, async (t) => {
    const { broker, verify } = await start(t, type)
    assert.deepEqual(await verify(), { kind: 'verified' })
    assert.equal(broker.links, 1)
    await broker.when(() => broker.openConnections === 0)
  })

test('an entity that is not there is refused by its name and that of its namespace', async (t) => {
  const { broker, verify } = await start(t, 'ServiceBusTopic', [], {
    refuse: () => ({ condition: 'amqp:not-found', description: 'nothing here' }),
  })
  assert.deepEqual(await verify(), {
    ...{ kind: 'refused', code: 'NotFound' },
    message: `The topic 'Returns' in the namespace 'Bus' cannot be used. ${broker.url} answers amqp:not-found: nothing here`,
  })
})

test('a connection whose key is wrong is refused without a word of it', async (t) => {
  const { port } = await startAmqpBroker(t, { passwords: { send: 'right' } })
  const { verify } = open(t, 'ServiceBusQueue', { url: `amqp://send:wrong@127.0.0.1:${port}` })
  const verification = await verify()
  assert.equal(verification.kind, 'refused')
  assert.match(verification.message, /'Orders' in the namespace 'Bus' .* amqp:unauthorized-access/)
  assert.doesNotMatch(verification.message, /wrong|right/)
})

test('a broker that is down now may be there later', async (t) => {
  const [port = 0] = await freePorts(1)
  const { verify } = open(t, 'EventHub', { url: `amqp://127.0.0.1:${port}` })
  assert.deepEqual(await verify(), { kind: 'verified' })
})

// ---------------------------------------------------------------- connections

const keys = 'SharedAccessKeyName=send;SharedAccessKey=a+/b=='

test("an emulator's connection string means no TLS, and its key is what PLAIN says", async (t) => {
  const broker = await startAmqpBroker(t, { passwords: { send: 'a+/b==' } })
  const connectionString = `Endpoint=sb://127.0.0.1:${broker.port};${keys};UseDevelopmentEmulator=true;`
  const { destination } = open(t, 'EventHub', { connectionString })
  assert.equal(destination().origin, `amqp://127.0.0.1:${broker.port}`)
  assert.equal((await destination().deliver([deliveryOf(event)], never)).kind, 'delivered')
  assert.equal(broker.connections, 1)
})

test('any other connection string means TLS', async (t) => {
  const broker = await startAmqpBroker(t, { passwords: { send: 'a+/b==' }, certificate: selfSigned })
  const connectionString = `Endpoint=sb://127.0.0.1:${broker.port}/;${keys}`
  const { destination } = open(t, 'ServiceBusQueue', { connectionString })
  assert.equal((await destination().deliver([deliveryOf(event)], never)).kind, 'delivered')
  const usual = open(t, 'ServiceBusQueue', { connectionString: `Endpoint=sb://bus.example.net/;${keys}` })
  assert.equal(usual.destination().origin, 'amqps://bus.example.net:5671')
})

test('a connection string for another entity is refused', async (t) => {
  const { port } = await startAmqpBroker(t, { passwords: { send: 'a+/b==' } })
  const endpoint = `Endpoint=sb://127.0.0.1:${port};${keys};UseDevelopmentEmulator=true`
  const other = await open(t, 'EventHub', { connectionString: `${endpoint};EntityPath=other` }).verify()
  assert.equal(other.kind === 'refused' && /'Readings' .*EntityPath 'other'/.test(other.message), true)
  const same = await open(t, 'EventHub', { connectionString: `${endpoint};EntityPath=readings` }).verify()
  assert.equal(same.kind, 'verified')
})

// ---------------------------------------------------------------- what is refused

const refusals: readonly (readonly [string, MessagingType, Readonly<Record<string, unknown>>, RegExp])[] = [
  ['no resource id', 'EventHub', { resourceId: undefined }, /properties\.resourceId.*eventhubs/],
  ['a namespace', 'EventHub', { resourceId: namespaces.EventHub }, /properties\.resourceId/],
  [
    'a topic as a queue',
    'ServiceBusQueue',
    { resourceId: resourceIds.ServiceBusTopic },
    /namespaces\/queues/,
  ],
  [
    'a queue as a topic',
    'ServiceBusTopic',
    { resourceId: resourceIds.ServiceBusQueue },
    /namespaces\/topics/,
  ],
  [
    'an Authorization',
    'EventHub',
    { deliveryAttributeMappings: [fixed('authorization', 'x')] },
    /Authorization for an event hub, whose connection authorizes/,
  ],
  [
    'one MessageId for all messages',
    'ServiceBusQueue',
    { deliveryAttributeMappings: [fixed('Other', 'x'), fixed('MessageId', 'x')] },
    /MessageId must have the type Dynamic/,
  ],
  [
    'MessageId beside SessionId',
    'ServiceBusTopic',
    { deliveryAttributeMappings: [dynamic('MessageId', 'id'), fixed('SessionId', 's')] },
    /Only one of the attributes MessageId and SessionId/,
  ],
]
for (const [name, type, wire, message] of refusals)
  test(`refused for ${type}: ${name}`, () => {
    assert.throws(
      () => settingsOf(type, { resourceId: resourceIds[type], ...wire }),
      (error: Error) => error instanceof RequestError && message.test(error.message),
    )
  })
