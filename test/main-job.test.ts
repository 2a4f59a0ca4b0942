import assert from 'node:assert/strict'
import { type RequestOptions, request } from 'node:https'
import { after, type TestContext, test } from 'node:test'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { EventGridManagementClient } from '@azure/arm-eventgrid'
import { ResourceManagementClient } from '@azure/arm-resources'
import {
  AzureKeyCredential,
  AzureSASCredential,
  EventGridDeserializer,
  EventGridPublisherClient,
  generateSharedAccessSignature,
} from '@azure/eventgrid'
import { type CloudEvent, HTTP } from 'cloudevents'
import { defaultSubscriptionId } from '../src/arm/arm.ts'
import {
  type Received,
  type RecordingWebhook,
  startRecordingWebhook,
} from '../src/testing/recording-webhook.ts'
import { eventually, startTestServer } from '../src/testing/test-server.ts'

/*
 * Busbar's main job, seen from outside: the official clients make the resources and publish, over HTTPS and as
 * they are, and a webhook gets what learn.microsoft.com/azure/event-grid documents.
 */

const server = await startTestServer({ after })
// What NODE_EXTRA_CA_CERTS does for a process that is started with it.
setDefaultCACertificates([...getCACertificates(), server.ca])

const credential = {
  getToken: () => Promise.resolve({ token: 'any', expiresOnTimestamp: Date.now() + 3_600_000 }),
}
const settings = { endpoint: server.https }
const eventGrid = new EventGridManagementClient(credential, defaultSubscriptionId, settings)
const resources = new ResourceManagementClient(credential, defaultSubscriptionId, settings)

const guid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

interface Road {
  readonly input: 'EventGridSchema' | 'CloudEventSchemaV1_0'
  readonly output: 'EventGridSchema' | 'CloudEventSchemaV1_0'
  readonly maxEventsPerBatch?: number
}

let roads = 0

/** A topic, an event subscription on it and its webhook, all made by the official clients. */
async function build(t: TestContext, { input, output, maxEventsPerBatch = 1 }: Road) {
  const hook = await startRecordingWebhook(t)
  const group = `group-${++roads}`
  const name = `topic-${roads}`
  await resources.resourceGroups.createOrUpdate(group, { location: 'westus2' })
  const topic = await eventGrid.topics.beginCreateOrUpdateAndWait(group, name, {
    location: 'westus2',
    inputSchema: input,
  })
  const made = await eventGrid.topicEventSubscriptions.beginCreateOrUpdateAndWait(group, name, 'to-Hook', {
    destination: { endpointType: 'WebHook', endpointUrl: hook.url, maxEventsPerBatch },
    eventDeliverySchema: output,
  })
  assert.equal(made.provisioningState, 'Succeeded')
  assert.equal(hook.handshakes.length, 1)
  const { key1 = '' } = await eventGrid.topics.listSharedAccessKeys(group, name)
  return { hook, id: topic.id as string, endpoint: topic.endpoint as string, key1 }
}

/** The only delivery, once it has come and nothing follows. */
async function only(hook: RecordingWebhook): Promise<Received> {
  await hook.until(1)
  await server.settle()
  assert.equal(hook.received.length, 1)
  return hook.received[0] as Received
}

/** Everything that section "headers" of delivery-properties and message-headers says, and nothing of ours beside. */
function assertHeaders({ headers }: Received, expected: Readonly<Record<string, string>>): void {
  const { 'aeg-output-event-id': eventId, 'content-length': _length, host, connection, ...rest } = headers
  assert.match(eventId as string, guid)
  assert.match(host as string, /^127\.0\.0\.1:\d+$/)
  assert.notEqual(connection, 'close')
  assert.deepEqual(rest, {
    accept: '*/*',
    'user-agent': 'Busbar',
    'aeg-subscription-name': 'TO-HOOK',
    'aeg-event-type': 'Notification',
    'aeg-delivery-count': '0',
    ...expected,
  })
}

const eventGridHeaders = {
  'content-type': 'application/json; charset=utf-8',
  'aeg-metadata-version': '1',
  'aeg-data-version': '1.0',
}
const origin = { origin: 'eventgrid.azure.net', 'webhook-request-origin': 'eventgrid.azure.net' }
const cloudEventHeaders = {
  'content-type': 'application/cloudevents+json; charset=utf-8',
  'aeg-metadata-version': '1.0',
  'aeg-data-version': '',
  ...origin,
}

const gridEvent = {
  id: 'grid-1',
  eventType: 'Order.Placed',
  subject: '/orders/1',
  dataVersion: '1.0',
  eventTime: new Date(Date.UTC(2026, 0, 2, 3, 4, 5, 678)),
  data: { total: 12.5, tags: ['a', 'ä'] },
}
/** As the official client writes it, without the brackets of the array. */
const gridEventText =
  '"id":"grid-1","subject":"/orders/1","data":{"total":12.5,"tags":["a","ä"]},' +
  '"eventType":"Order.Placed","eventTime":"2026-01-02T03:04:05.678Z","dataVersion":"1.0"'

const cloudEvent = {
  id: 'cloud-1',
  source: '/shop',
  type: 'Order.Placed',
  subject: '/orders/1',
  time: new Date(Date.UTC(2026, 0, 2, 3, 4, 5, 678)),
  data: { total: 12.5 },
  extensionAttributes: { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' },
}

const asCloudEvents = ({ headers, raw }: Received): CloudEvent[] =>
  [HTTP.toEvent({ headers, body: raw.toString('utf8') })].flat() as CloudEvent[]

// ---------------------------------------------------------------- official clients, every schema

test('an event published with a key is delivered in an array, with every documented header', async (t) => {
  const { hook, id, endpoint, key1 } = await build(t, { input: 'EventGridSchema', output: 'EventGridSchema' })
  assert.match(endpoint, /^https:/)
  await new EventGridPublisherClient(endpoint, 'EventGrid', new AzureKeyCredential(key1)).send([gridEvent])
  const delivery = await only(hook)
  assert.equal(delivery.method, 'POST')
  assert.equal(delivery.url, '/hook')
  assertHeaders(delivery, eventGridHeaders)
  assert.equal(delivery.raw.toString(), `[{${gridEventText},"topic":"${id}","metadataVersion":"1"}]`)
  const [read] = await new EventGridDeserializer().deserializeEventGridEvents(delivery.raw.toString())
  assert.deepEqual(read, { ...gridEvent, topic: id, metadataVersion: '1' })
})

test('a CloudEvent published with a SAS token is delivered as one object with its extensions', async (t) => {
  const { hook, endpoint, key1 } = await build(t, {
    input: 'CloudEventSchemaV1_0',
    output: 'CloudEventSchemaV1_0',
  })
  const signature = await generateSharedAccessSignature(
    endpoint,
    new AzureKeyCredential(key1),
    new Date(Date.now() + 60_000),
  )
  const client = new EventGridPublisherClient(endpoint, 'CloudEvent', new AzureSASCredential(signature))
  await client.send([cloudEvent])
  const delivery = await only(hook)
  assertHeaders(delivery, cloudEventHeaders)
  const { time, extensionAttributes, ...rest } = cloudEvent
  const wire = {
    ...rest,
    time: time.toISOString(),
    ...extensionAttributes,
    specversion: '1.0',
    datacontenttype: 'application/json',
  }
  assert.deepEqual(delivery.body, wire)
  const [read] = await new EventGridDeserializer().deserializeCloudEvents(delivery.raw.toString())
  assert.deepEqual(read, { ...cloudEvent, specversion: '1.0', datacontenttype: 'application/json' })
  const [event] = asCloudEvents(delivery)
  assert.deepEqual(JSON.parse(JSON.stringify(event)), wire)
})

test('an Event Grid event is delivered as a CloudEvent whose source is the topic', async (t) => {
  const { hook, id, endpoint, key1 } = await build(t, {
    input: 'EventGridSchema',
    output: 'CloudEventSchemaV1_0',
  })
  await new EventGridPublisherClient(endpoint, 'EventGrid', new AzureKeyCredential(key1)).send([gridEvent])
  const delivery = await only(hook)
  assertHeaders(delivery, { ...cloudEventHeaders, 'aeg-metadata-version': '1', 'aeg-data-version': '1.0' })
  assert.equal(
    delivery.raw.toString(),
    `{"id":"grid-1","source":"${id}","specversion":"1.0","type":"Order.Placed","dataschema":"#1.0",` +
      '"subject":"/orders/1","time":"2026-01-02T03:04:05.678Z","data":{"total":12.5,"tags":["a","ä"]}}',
  )
  const [read] = await new EventGridDeserializer().deserializeCloudEvents(delivery.raw.toString())
  assert.equal(read?.source, id)
  assert.equal(asCloudEvents(delivery)[0]?.id, 'grid-1')
})

for (const { input, output } of [
  { input: 'EventGridSchema', output: 'EventGridSchema' },
  { input: 'EventGridSchema', output: 'CloudEventSchemaV1_0' },
  { input: 'CloudEventSchemaV1_0', output: 'CloudEventSchemaV1_0' },
] as const)
  test(`with batching on, events published together from ${input} to ${output} arrive in one array`, async (t) => {
    const { hook, endpoint, key1 } = await build(t, { input, output, maxEventsPerBatch: 10 })
    const key = new AzureKeyCredential(key1)
    const ids = ['b1', 'b2', 'b3']
    // With a data version there would be a `dataschema` of "#1.0", which the documents show and which `cloudevents`
    // refuses when it reads a batch.
    if (input === 'EventGridSchema')
      await new EventGridPublisherClient(endpoint, 'EventGrid', key).send(
        ids.map((id) => ({ ...gridEvent, id, dataVersion: '' })),
      )
    else
      await new EventGridPublisherClient(endpoint, 'CloudEvent', key).send(
        ids.map((id) => ({ ...cloudEvent, id })),
      )
    const delivery = await only(hook)
    assert.equal(
      delivery.headers['content-type'],
      output === 'EventGridSchema'
        ? 'application/json; charset=utf-8'
        : 'application/cloudevents-batch+json; charset=utf-8',
    )
    const text = delivery.raw.toString()
    const read =
      output === 'EventGridSchema'
        ? await new EventGridDeserializer().deserializeEventGridEvents(text)
        : await new EventGridDeserializer().deserializeCloudEvents(text)
    assert.deepEqual(
      read.map(({ id }) => id),
      ids,
    )
    if (output === 'CloudEventSchemaV1_0')
      assert.deepEqual(
        asCloudEvents(delivery).map(({ id }) => id),
        ids,
      )
  })

test('with batching off, events published together arrive one by one, each with an id of its own', async (t) => {
  const { hook, endpoint, key1 } = await build(t, { input: 'EventGridSchema', output: 'EventGridSchema' })
  const events = Array.from({ length: 20 }, (_, n) => ({ ...gridEvent, id: `n${n}` }))
  await new EventGridPublisherClient(endpoint, 'EventGrid', new AzureKeyCredential(key1)).send(events)
  await hook.until(events.length)
  const ids = hook.received.map(({ body }) => (body as readonly { id: string }[]).map(({ id }) => id))
  assert.deepEqual(ids.flat().toSorted(), events.map(({ id }) => id).toSorted())
  assert.equal(new Set(hook.received.map(({ headers }) => headers['aeg-output-event-id'])).size, 20)
})

test('a CloudEvent with binary data keeps its data_base64', async (t) => {
  const { hook, endpoint, key1 } = await build(t, {
    input: 'CloudEventSchemaV1_0',
    output: 'CloudEventSchemaV1_0',
  })
  const client = new EventGridPublisherClient(endpoint, 'CloudEvent', new AzureKeyCredential(key1))
  const data = Uint8Array.of(0, 255, 1, 254)
  await client.send([{ ...cloudEvent, data, datacontenttype: 'application/octet-stream' }])
  const [read] = await new EventGridDeserializer().deserializeCloudEvents((await only(hook)).raw.toString())
  assert.deepEqual(new Uint8Array(read?.data as Uint8Array), data)
})

test('a wrong key, an expired token and an unknown topic reach the official client as its errors', async (t) => {
  const { hook, endpoint, key1 } = await build(t, { input: 'EventGridSchema', output: 'EventGridSchema' })
  const wrong = new EventGridPublisherClient(endpoint, 'EventGrid', new AzureKeyCredential('d3Jvbmc='))
  await assert.rejects(wrong.send([gridEvent]), { statusCode: 401, code: 'Unauthorized' })
  const signature = await generateSharedAccessSignature(
    endpoint,
    new AzureKeyCredential(key1),
    new Date(Date.now() - 60_000),
  )
  const late = new EventGridPublisherClient(endpoint, 'EventGrid', new AzureSASCredential(signature))
  await assert.rejects(late.send([gridEvent]), { statusCode: 401, code: 'Unauthorized' })
  const nowhere = endpoint.replace(/topic-\d+/, 'no-such-topic')
  const lost = new EventGridPublisherClient(nowhere, 'EventGrid', new AzureKeyCredential(key1))
  await assert.rejects(lost.send([gridEvent]), { statusCode: 404 })
  await server.settle()
  assert.equal(hook.received.length, 0)
})

test('a key that was regenerated is refused from then on, and the new one is taken', async (t) => {
  const { hook, id, endpoint, key1 } = await build(t, { input: 'EventGridSchema', output: 'EventGridSchema' })
  const [, group = '', name = ''] = /resourceGroups\/([^/]+)\/.*\/topics\/(.+)$/.exec(id) ?? []
  const { key1: renewed = '' } = await eventGrid.topics.beginRegenerateKeyAndWait(group, name, {
    keyName: 'key1',
  })
  const client = (key: string) =>
    new EventGridPublisherClient(endpoint, 'EventGrid', new AzureKeyCredential(key))
  await assert.rejects(client(key1).send([gridEvent]), { statusCode: 401 })
  await client(renewed).send([gridEvent])
  await only(hook)
})

test('an event subscription that was deleted gets its deletion event and nothing more', async (t) => {
  const { hook, id, endpoint, key1 } = await build(t, { input: 'EventGridSchema', output: 'EventGridSchema' })
  await eventGrid.eventSubscriptions.beginDeleteAndWait(id, 'to-Hook')
  await eventually(() => hook.deletions.length === 1)
  const [deletion] = hook.deletions
  assert.equal(deletion?.headers['aeg-event-type'], 'SubscriptionDeletion')
  const [event] = await new EventGridDeserializer().deserializeEventGridEvents(deletion.raw.toString())
  assert.equal(event?.eventType, 'Microsoft.EventGrid.SubscriptionDeletedEvent')
  assert.deepEqual(event.data, {
    eventSubscriptionId: `${id}/providers/Microsoft.EventGrid/eventSubscriptions/to-Hook`,
  })
  await new EventGridPublisherClient(endpoint, 'EventGrid', new AzureKeyCredential(key1)).send([gridEvent])
  await server.settle()
  assert.equal(hook.received.length, 0)
})

test('deleting the group deletes the topic, whose endpoint is then unknown', async (t) => {
  const { hook, id, endpoint, key1 } = await build(t, { input: 'EventGridSchema', output: 'EventGridSchema' })
  const [, group = ''] = /resourceGroups\/([^/]+)\//.exec(id) ?? []
  await resources.resourceGroups.beginDeleteAndWait(group)
  const client = new EventGridPublisherClient(endpoint, 'EventGrid', new AzureKeyCredential(key1))
  await assert.rejects(client.send([gridEvent]), { statusCode: 404 })
  await eventually(() => hook.deletions.length === 1)
})

// ---------------------------------------------------------------- raw HTTPS

/** Posts exactly these bytes to an endpoint over HTTPS; resolves with the status and the body. */
function post(
  endpoint: string,
  key: string,
  contentType: string | undefined,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const options: RequestOptions = {
      method: 'POST',
      headers: { 'aeg-sas-key': key, ...(contentType && { 'content-type': contentType }), ...headers },
    }
    request(endpoint, options, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (more: string) => {
        text += more
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
    })
      .on('error', reject)
      .end(Buffer.from(body))
  })
}

/** Where parsing and printing again would change something. */
const hardData =
  '{"big":9007199254740993,"long":1234567890123456789012345678901234567890,"float":1.10,"exp":1E+2,"neg":-0,' +
  '"escaped":"\\u0041\\/\\ud83d\\ude00\\u0000","plain":"😀 ü \u2028", "dup":1,"dup":2, "" : [ ] }'

test('numbers beyond 2^53, escapes and white space within an Event Grid event arrive byte for byte', async (t) => {
  const { hook, id, endpoint, key1 } = await build(t, { input: 'EventGridSchema', output: 'EventGridSchema' })
  const event =
    `"data":${hardData}, "id":"h\\u00e4rd", "subject" : "s", "eventType":"t",` +
    ' "eventTime":"2017-08-10T21:03:07+00:00"'
  // Documented calls with curl say nothing of JSON, and name no api-version.
  const answer = await post(endpoint, key1, 'application/x-www-form-urlencoded', ` [ {${event}} ] `)
  assert.deepEqual(answer, { status: 200, text: '' })
  const { raw } = await only(hook)
  assert.equal(raw.toString(), `[{${event},"topic":"${id}","dataVersion":"","metadataVersion":"1"}]`)
})

test('the data of an Event Grid event is the same bytes in its CloudEvent', async (t) => {
  const { hook, endpoint, key1 } = await build(t, {
    input: 'EventGridSchema',
    output: 'CloudEventSchemaV1_0',
  })
  const event = `{"id":"1","subject":"s","eventType":"t","eventTime":"2026-01-02T03:04:05Z","data":${hardData}}`
  await post(endpoint, key1, undefined, `[${event}]`)
  const { raw } = await only(hook)
  assert.ok(raw.toString().endsWith(`"time":"2026-01-02T03:04:05Z","data":${hardData}}`), raw.toString())
})

test('a structured CloudEvent over raw HTTPS arrives byte for byte', async (t) => {
  const { hook, endpoint, key1 } = await build(t, {
    input: 'CloudEventSchemaV1_0',
    output: 'CloudEventSchemaV1_0',
  })
  const event = `{"specversion":"1.0", "type":"t","source":"/s","id":"1","myext":7,"data":${hardData}}`
  const { status } = await post(
    `${endpoint}?api-version=2018-01-01`,
    key1,
    'application/cloudevents+json',
    event,
  )
  assert.equal(status, 200)
  assert.equal((await only(hook)).raw.toString(), event)
})

test('a batch of CloudEvents over raw HTTPS is taken apart, byte for byte', async (t) => {
  const { hook, endpoint, key1 } = await build(t, {
    input: 'CloudEventSchemaV1_0',
    output: 'CloudEventSchemaV1_0',
  })
  const events = ['1', '2'].map(
    (id) => `{"specversion":"1.0","type":"t","source":"/s","id":"${id}","data":1e400}`,
  )
  const type = 'application/cloudevents-batch+json; charset=utf-8'
  assert.equal((await post(endpoint, key1, type, `[${events.join(' ,\n')}]`)).status, 200)
  await hook.until(2)
  assert.deepEqual(hook.received.map(({ raw }) => raw.toString()).toSorted(), events)
})

test('a binary-mode CloudEvent is delivered structured, its headers as attributes and its body as data', async (t) => {
  const { hook, endpoint, key1 } = await build(t, {
    input: 'CloudEventSchemaV1_0',
    output: 'CloudEventSchemaV1_0',
  })
  const { status } = await post(endpoint, key1, 'application/json', hardData, {
    'ce-specversion': '1.0',
    'ce-type': 'Order.Placed',
    'ce-source': '/shop',
    'ce-id': 'binary-1',
    'ce-subject': 'caf%C3%A9',
    'ce-time': '2026-01-02T03:04:05Z',
    'ce-myext': 'seven',
  })
  assert.equal(status, 200)
  const delivery = await only(hook)
  assertHeaders(delivery, cloudEventHeaders)
  assert.ok(delivery.raw.includes(hardData), delivery.raw.toString())
  const { data, ...attributes } = delivery.body as Record<string, unknown>
  assert.ok(data)
  assert.deepEqual(attributes, {
    specversion: '1.0',
    type: 'Order.Placed',
    source: '/shop',
    id: 'binary-1',
    subject: 'café',
    time: '2026-01-02T03:04:05Z',
    myext: 'seven',
    datacontenttype: 'application/json',
  })
  assert.equal(asCloudEvents(delivery)[0]?.id, 'binary-1')
})
