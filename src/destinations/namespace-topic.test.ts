import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deliveryOf } from '../testing/destinations.ts'
import { testEvent, testTopicId } from '../testing/events.ts'
import { openDestination } from '../testing/open-destination.ts'
import { startRecordingWebhook } from '../testing/recording-webhook.ts'

const never = new AbortController().signal
const namespace = '/subscriptions/0/resourceGroups/rg/providers/Microsoft.EventGrid/namespaces/events'
const resourceId = `${namespace}/topics/orders`

test('an event is published to the topic of a namespace as a CloudEvent, with the key of the connection', async (t) => {
  const host = await startRecordingWebhook(t, [400, 200])
  const url = host.url.replace('/hook', '')
  const connections = { [namespace]: { url, key: 'classified' } }
  const { to, verify } = openDestination(t, 'NamespaceTopic', { resourceId }, { connections })
  assert.deepEqual(await verify('CloudEventSchemaV1_0'), { kind: 'verified' })
  const event = testEvent('1')
  assert.deepEqual(await to('CloudEventSchemaV1_0').deliver([deliveryOf(event)], never), {
    kind: 'delivered',
    status: 200,
  })
  const [question, request] = host.received
  assert.equal(question?.raw.length, 0)
  assert.equal(question.headers.authorization, 'SharedAccessKey classified')
  assert.ok(request)
  assert.equal(request.method, 'POST')
  assert.equal(request.url, '/topics/orders:publish?api-version=2024-06-01')
  assert.equal(request.headers.authorization, 'SharedAccessKey classified')
  assert.equal(request.headers['content-type'], 'application/cloudevents+json; charset=utf-8')
  const { id, source, specversion } = request.body as Record<string, unknown>
  assert.deepEqual([id, source, specversion], ['1', testTopicId, '1.0'])
})

test('a namespace that refuses the key is tried again, and the key is not repeated', async (t) => {
  const host = await startRecordingWebhook(t, ({ headers }, response) => {
    response.statusCode = 401
    response.end(`no right with ${headers.authorization}`)
  })
  const connections = { [namespace]: { url: host.url.replace('/hook', ''), key: 'classified' } }
  const { to } = openDestination(t, 'NamespaceTopic', { resourceId }, { connections })
  assert.deepEqual(await to('CloudEventSchemaV1_0').deliver([deliveryOf(testEvent('1'))], never), {
    ...{ kind: 'retry', name: 'Unauthorized', status: 401, minimumDelayMs: 300_000 },
    error: 'HTTP 401: no right with SharedAccessKey Hidden',
  })
})

for (const [status, code] of [
  [401, 'Unauthorized'],
  [403, 'Forbidden'],
  [404, 'NotFound'],
] as const)
  test(`a topic whose namespace answers ${status} to a request without events is refused`, async (t) => {
    const host = await startRecordingWebhook(t, [status])
    const connections = { [namespace]: { url: host.url.replace('/hook', ''), key: 'classified' } }
    const { verify } = openDestination(t, 'NamespaceTopic', { resourceId }, { connections })
    assert.deepEqual(await verify('CloudEventSchemaV1_0'), {
      kind: 'refused',
      code,
      message: `The topic '${resourceId}' cannot be used. HTTP ${status}.`,
    })
  })

test('a topic whose namespace cannot be reached is refused', async (t) => {
  const connections = { [namespace]: { url: 'http://127.0.0.1:1', key: 'classified' } }
  const { verify } = openDestination(t, 'NamespaceTopic', { resourceId }, { connections })
  const verification = await verify('CloudEventSchemaV1_0')
  assert.ok(verification.kind === 'refused')
  assert.equal(verification.code, 'SocketError')
  assert.match(verification.message, /ECONNREFUSED/)
})
