import assert from 'node:assert/strict'
import { after, type TestContext, test } from 'node:test'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { AzureKeyCredential, EventGridDeserializer, EventGridPublisherClient } from '@azure/eventgrid'
import { type CloudEvent, HTTP } from 'cloudevents'
import { type DeliverySchema, deliverySchemas, type InputSchema } from '../src/event/event.ts'
import { ManualClock } from '../src/testing/manual-clock.ts'
import { type Received, startRecordingWebhook } from '../src/testing/recording-webhook.ts'
import { startTestServer, type TestTopic } from '../src/testing/test-server.ts'

/*
 * Every input schema with every delivery schema, from the publisher's request to what a webhook receives.
 *
 * Source: learn.microsoft.com/azure/event-grid/event-schema; cloud-event-schema; input-mappings
 */

// It begins now: certificates are issued by it.
const clock = new ManualClock(Date.now())
const server = await startTestServer({ after }, { clock })
// What NODE_EXTRA_CA_CERTS does for a process that is started with it.
setDefaultCACertificates([...getCACertificates(), server.ca])

const publishTime = new Date(clock.now()).toISOString().replace('Z', '0000Z')
const guid = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/

/** The mapping of the documented sample: a type from the event, the rest by default. */
const mapping = {
  inputSchemaMappingType: 'Json',
  properties: {
    eventType: { sourceField: 'kind' },
    subject: { defaultValue: 'none' },
    dataVersion: { defaultValue: '1.0' },
  },
}

/** For each input schema what is published, with white space, numbers and escapes that must outlive the journey. */
const published = {
  EventGridSchema:
    '{ "id":"1", "subject":"/s", "eventType":"Created", "eventTime":"2026-11-21T13:00:00+01:00", "data": {"n":12345678901234567890,"x":1.50,"e":"\\u00e9"}, "dataVersion":"2" }',
  CloudEventSchemaV1_0:
    '{ "specversion":"1.0", "id":"1", "source":"/shop", "type":"Created", "ext":"x", "n5":1.0, "data": {"n":12345678901234567890} }',
  CustomEventSchema: '{ "kind":"Created", "p": {"n":12345678901234567890,"x":1.50,"e":"\\u00e9"} }',
} satisfies Record<InputSchema, string>

const wireNames = {
  EventGridSchema: 'EventGridEvent',
  CloudEventSchemaV1_0: 'CloudEventV10',
  CustomEventSchema: 'CustomInputEvent',
} satisfies Record<InputSchema, string>

const json = { 'content-type': 'application/json; charset=utf-8' }
const origin = { origin: 'eventgrid.azure.net', 'webhook-request-origin': 'eventgrid.azure.net' }
const oneCloudEvent = { 'content-type': 'application/cloudevents+json; charset=utf-8', ...origin }
const manyCloudEvents = { 'content-type': 'application/cloudevents-batch+json; charset=utf-8', ...origin }

const { EventGridSchema: grid, CloudEventSchemaV1_0: cloud, CustomEventSchema: custom } = published
const data = '{"n":12345678901234567890,"x":1.50,"e":"\\u00e9"}'
/** The event of the Event Grid schema as it is delivered: what was left out comes after what was published. */
const stamped = (topicId: string) => `${grid.slice(0, -1)},"topic":"${topicId}","metadataVersion":"1"}`

interface Row {
  readonly input: InputSchema
  readonly output: DeliverySchema
  /** Of the topic that was published to, and with the id that the event was given. */
  readonly expected: (topicId: string, id: string) => string
  readonly headers: Readonly<Record<string, string>>
}

const versions = (metadata: string, dataVersion: string) => ({
  'aeg-metadata-version': metadata,
  'aeg-data-version': dataVersion,
})

const rows: readonly Row[] = [
  {
    input: 'EventGridSchema',
    output: 'EventGridSchema',
    expected: (topicId) => `[${stamped(topicId)}]`,
    headers: { ...json, ...versions('1', '2') },
  },
  {
    input: 'EventGridSchema',
    output: 'CloudEventSchemaV1_0',
    expected: (topicId) =>
      `{"id":"1","source":"${topicId}","specversion":"1.0","type":"Created","dataschema":"#2","subject":"/s","time":"2026-11-21T13:00:00+01:00","data":${data}}`,
    headers: { ...oneCloudEvent, ...versions('1', '2') },
  },
  {
    input: 'CloudEventSchemaV1_0',
    output: 'CloudEventSchemaV1_0',
    expected: () => cloud,
    headers: { ...oneCloudEvent, ...versions('1.0', '') },
  },
  {
    input: 'CustomEventSchema',
    output: 'EventGridSchema',
    expected: (topicId, id) =>
      `[{"id":"${id}","topic":"${topicId}","subject":"none","eventType":"Created","eventTime":"${publishTime}","dataVersion":"1.0","metadataVersion":"1","data":${custom}}]`,
    headers: { ...json, ...versions('1', '1.0') },
  },
  {
    input: 'CustomEventSchema',
    output: 'CloudEventSchemaV1_0',
    expected: (topicId, id) =>
      `{"id":"${id}","source":"${topicId}","specversion":"1.0","type":"Created","dataschema":"#1.0","subject":"none","time":"${publishTime}","data":${custom}}`,
    headers: { ...oneCloudEvent, ...versions('1', '1.0') },
  },
  {
    input: 'CustomEventSchema',
    output: 'CustomInputSchema',
    expected: () => `[${custom}]`,
    headers: { ...json, ...versions('1', '1.0') },
  },
]

let topics = 0

async function createTopic(inputSchema: InputSchema, properties: Readonly<Record<string, unknown>> = {}) {
  const inputSchemaMapping = inputSchema === 'CustomEventSchema' ? mapping : null
  return server.createTopic(`topic-${++topics}`, { inputSchema, inputSchemaMapping, ...properties })
}

interface Wanted {
  readonly topic: TestTopic
  readonly output?: DeliverySchema
  readonly maxEventsPerBatch?: number
  readonly filter?: Readonly<Record<string, unknown>>
  readonly attributes?: readonly unknown[]
}

async function subscribe(t: TestContext, { topic, output, maxEventsPerBatch = 1, ...more }: Wanted) {
  const hook = await startRecordingWebhook(t)
  const { filter, attributes: deliveryAttributeMappings } = more
  await server.subscribe({
    to: hook.url,
    topic: topic.name,
    name: 'to-hook',
    webhook: { maxEventsPerBatch, ...(deliveryAttributeMappings && { deliveryAttributeMappings }) },
    properties: { ...(output && { eventDeliverySchema: output }), ...(filter && { filter }) },
  })
  return hook
}

/** Publishes bytes as they are, in the form that holds many events. */
async function publish({ name: topic }: TestTopic, input: InputSchema, ...events: readonly string[]) {
  const contentType =
    input === 'CloudEventSchemaV1_0' ? 'application/cloudevents-batch+json' : 'application/json'
  const response = await server.publishRaw(`[${events.join(',')}]`, { topic, contentType })
  assert.equal(response.status, 200, await response.text())
  await server.settle()
}

/** What says something of the event or the schema. */
const headersOf = ({ headers }: Received) =>
  Object.fromEntries(
    ['content-type', 'origin', 'webhook-request-origin', 'aeg-metadata-version', 'aeg-data-version']
      .filter((name) => headers[name] !== undefined)
      .map((name) => [name, headers[name]]),
  )

for (const { input, output, expected, headers } of rows)
  test(`what is published in ${input} is delivered in ${output}`, async (t) => {
    const topic = await createTopic(input)
    const hook = await subscribe(t, { topic, output })
    await publish(topic, input, published[input])
    assert.equal(hook.received.length, 1)
    const delivery = hook.received[0] as Received
    const text = delivery.raw.toString()
    const [id = ''] = guid.exec(text.replaceAll(topic.id, '')) ?? []
    assert.equal(text, expected(topic.id, id))
    assert.deepEqual(headersOf(delivery), headers)
    // The handshake is the one that belongs to the delivery schema.
    assert.equal(hook.handshakes.length, 1)
    assert.equal(hook.handshakes[0]?.method, output === 'CloudEventSchemaV1_0' ? 'OPTIONS' : 'POST')
  })

for (const { input, output } of rows)
  test(`a batch of ${input} is one array in ${output}`, async (t) => {
    const topic = await createTopic(input)
    const hook = await subscribe(t, { topic, output, maxEventsPerBatch: 10 })
    await publish(topic, input, published[input], published[input])
    assert.equal(hook.received.length, 1)
    const { body, headers } = hook.received[0] as Received
    assert.equal((body as unknown[]).length, 2)
    const many = output === 'CloudEventSchemaV1_0' ? manyCloudEvents : json
    assert.equal(headers['content-type'], many['content-type'])
  })

test('the official clients read what becomes of custom events', async (t) => {
  for (const output of ['EventGridSchema', 'CloudEventSchemaV1_0'] as const) {
    const topic = await createTopic('CustomEventSchema')
    const hook = await subscribe(t, { topic, output })
    await publish(topic, 'CustomEventSchema', custom)
    const { raw, headers } = hook.received[0] as Received
    if (output === 'EventGridSchema') {
      const [event] = await new EventGridDeserializer().deserializeEventGridEvents(raw.toString())
      assert.equal(event?.eventType, 'Created')
      assert.equal(event?.topic, topic.id)
    } else {
      const event = HTTP.toEvent({ headers, body: raw.toString() }) as CloudEvent
      assert.equal(event.type, 'Created')
      assert.equal(event.source, topic.id)
    }
  }
})

const pairs = Object.keys(deliverySchemas).flatMap((input) =>
  ['EventGridSchema', 'CloudEventSchemaV1_0', 'CustomInputSchema'].map((output) => [input, output] as const),
)

for (const [input, output] of pairs) {
  if (rows.some((row) => row.input === input && row.output === output)) continue
  test(`an event subscription that wants ${input} in ${output} is refused`, async () => {
    const topic = await createTopic(input as InputSchema)
    const { status, body } = await server.call('PUT', server.idOf('es1', topic.name), {
      properties: {
        destination: { endpointType: 'WebHook', properties: { endpointUrl: 'http://127.0.0.1:1/' } },
        eventDeliverySchema: output,
      },
    })
    assert.equal(status, 400)
    assert.equal(body.error.code, 'InvalidRequest')
    assert.match(body.error.message, new RegExp(`'${output}' is not available.*'${input}'; available: `))
  })
}

test('an event subscription that names no delivery schema gets the one that belongs to its topic', async (t) => {
  const defaults = {
    EventGridSchema: 'EventGridSchema',
    CloudEventSchemaV1_0: 'CloudEventSchemaV1_0',
    CustomEventSchema: 'EventGridSchema',
  } satisfies Record<InputSchema, DeliverySchema>
  for (const [input, output] of Object.entries(defaults) as [InputSchema, DeliverySchema][]) {
    const topic = await createTopic(input)
    await subscribe(t, { topic })
    const { body } = await server.call('GET', server.idOf('to-hook', topic.name))
    assert.equal(body.properties.eventDeliverySchema, output)
  }
})

test('the older words of delivery schemas mean those of today', async (t) => {
  const topic = await createTopic('CustomEventSchema')
  for (const [older, today] of [
    ['InputEventSchema', 'CustomInputSchema'],
    ['CloudEventV01Schema', 'CloudEventSchemaV1_0'],
  ] as const) {
    await subscribe(t, { topic, output: older as DeliverySchema })
    const { body } = await server.call('GET', server.idOf('to-hook', topic.name))
    assert.equal(body.properties.eventDeliverySchema, today)
  }
})

test('a topic tells its input schema to whoever asks with OPTIONS', async () => {
  for (const input of Object.keys(wireNames) as InputSchema[]) {
    const { endpoint } = await createTopic(input)
    const response = await fetch(server.http + new URL(endpoint).pathname, { method: 'OPTIONS' })
    assert.equal(response.headers.get('aeg-input-event-schema'), wireNames[input])
  }
})

test('the official client publishes custom events', async (t) => {
  const topic = await createTopic('CustomEventSchema')
  const hook = await subscribe(t, { topic, output: 'CustomInputSchema' })
  const endpoint = server.https + new URL(topic.endpoint).pathname
  const client = new EventGridPublisherClient(endpoint, 'Custom', new AzureKeyCredential(topic.key1))
  await client.send([{ kind: 'Created', foo: 1 }])
  await server.settle()
  assert.equal(hook.received[0]?.raw.toString(), '[{"kind":"Created","foo":1}]')
  await assert.rejects(client.send([{ foo: 1 }]), {
    statusCode: 400,
    message: /Event 0 of schema CustomInputEvent has no eventType: the field 'kind'/,
  })
})

test('filters and delivery attributes see the fields that are mapped, and those of the event below data', async (t) => {
  const topic = await createTopic('CustomEventSchema')
  const hook = await subscribe(t, {
    topic,
    output: 'CustomInputSchema',
    filter: {
      includedEventTypes: ['Created'],
      subjectBeginsWith: 'no',
      advancedFilters: [
        { operatorType: 'StringIn', key: 'data.p.color', values: ['red'] },
        { operatorType: 'StringEndsWith', key: 'topic', values: [topic.name] },
        { operatorType: 'IsNullOrUndefined', key: 'p.color' },
      ],
    },
    attributes: [
      { name: 'x-color', type: 'Dynamic', properties: { sourceField: 'data.p.color' } },
      { name: 'x-type', type: 'Dynamic', properties: { sourceField: 'eventType' } },
    ],
  })
  await publish(
    topic,
    'CustomEventSchema',
    '{"kind":"Deleted","p":{"color":"red"}}',
    '{"kind":"Created","p":{"color":"blue"}}',
    '{"kind":"Created","p":{"color":"RED"}}',
  )
  assert.deepEqual(
    hook.received.map(({ body }) => body),
    [[{ kind: 'Created', p: { color: 'RED' } }]],
  )
  assert.equal(hook.received[0]?.headers['x-color'], 'RED')
  assert.equal(hook.received[0]?.headers['x-type'], 'Created')
})

test('a custom event can be traced, with what filters made of it', async (t) => {
  const topic = await createTopic('CustomEventSchema', {
    inputSchemaMapping: {
      inputSchemaMappingType: 'Json',
      properties: {
        id: { sourceField: 'key' },
        eventType: { defaultValue: 'T' },
        subject: { sourceField: 's' },
      },
    },
  })
  await subscribe(t, { topic, filter: { includedEventTypes: ['Other'] } })
  await publish(topic, 'CustomEventSchema', '{"key":4711,"s":"here"}')
  const { type, subject, eventSubscriptions } = await server.trace('4711')
  assert.deepEqual({ type, subject }, { type: 'T', subject: 'here' })
  assert.match(eventSubscriptions[0]?.refusedBy ?? '', /'T'/)
})

test('events of a custom topic outlive a restart', async (t) => {
  const topic = await createTopic('CustomEventSchema')
  const waiting = await startRecordingWebhook(t, [500, 200])
  await server.subscribe({
    to: waiting.url,
    topic: topic.name,
    properties: { eventDeliverySchema: 'CustomInputSchema' },
  })
  await publish(topic, 'CustomEventSchema', custom)
  await server.restart()
  await clock.advance(10_000)
  await server.settle()
  assert.deepEqual(
    waiting.received.map(({ raw }) => raw.toString()),
    [`[${custom}]`, `[${custom}]`],
  )
})
