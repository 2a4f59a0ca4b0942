import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deliveryOf } from '../testing/destinations.ts'
import { testEvent, testTopicId } from '../testing/events.ts'
import { startFunctionsHost } from '../testing/functions-host.ts'
import { openDestination } from '../testing/open-destination.ts'
import { startRecordingWebhook } from '../testing/recording-webhook.ts'

const never = new AbortController().signal
const app = '/subscriptions/0/resourceGroups/rg/providers/Microsoft.Web/sites/app'
const resourceId = `${app}/functions/OnOrder`
const key = 'system+key/=='

test('a function gets events at the path of its host, with its name, the key, and every header', async (t) => {
  const host = await startFunctionsHost(t, { functions: ['OnOrder'], key })
  const wire = {
    resourceId,
    deliveryAttributeMappings: [
      { name: 'x-key1', type: 'Dynamic', properties: { sourceField: 'data.key1' } },
    ],
  }
  const { to } = openDestination(t, 'AzureFunction', wire, {
    connections: { [app]: { url: host.base, key } },
  })
  const delivery = deliveryOf(testEvent('1'))
  assert.deepEqual(await to('EventGridSchema').deliver([delivery], never), { kind: 'delivered', status: 202 })
  const [request] = host.received
  assert.ok(request)
  assert.equal(request.url, '/runtime/webhooks/eventgrid?functionName=OnOrder&code=system%2Bkey%2F%3D%3D')
  assert.deepEqual(request.body, [testEvent('1').envelope])
  assert.equal(request.headers['aeg-event-type'], 'Notification')
  assert.equal(request.headers['aeg-subscription-name'], 'THERMOSTATALERT')
  assert.equal(request.headers['aeg-output-event-id'], delivery.outputEventId)
  assert.equal(request.headers['x-key1'], 'value1')
})

test('a function may take its events in batches', async (t) => {
  const host = await startFunctionsHost(t, { functions: ['OnOrder'] })
  const { to } = openDestination(
    t,
    'AzureFunction',
    { resourceId, maxEventsPerBatch: 10 },
    { connections: { [app]: { url: host.base } } },
  )
  const destination = to('CloudEventSchemaV1_0')
  assert.equal(destination.maxEvents, 10)
  assert.equal(destination.preferredBytes, 64 * 1024)
  const events = ['1', '2'].map((id) => testEvent(id, 'CloudEventSchemaV1_0'))
  await destination.deliver(
    events.map((event) => deliveryOf(event)),
    never,
  )
  assert.deepEqual(
    host.received[0]?.body,
    events.map(({ envelope }) => envelope),
  )
  assert.equal(host.received[0].headers['content-type'], 'application/cloudevents-batch+json; charset=utf-8')
})

for (const schema of ['EventGridSchema', 'CloudEventSchemaV1_0'] as const)
  test(`a function with an Event Grid trigger answers the handshake of ${schema}`, async (t) => {
    const host = await startFunctionsHost(t, { functions: ['OnOrder'], key })
    const { verify } = openDestination(
      t,
      'AzureFunction',
      { resourceId },
      { connections: { [app]: { url: host.base, key } } },
    )
    assert.deepEqual(await verify(schema), { kind: 'verified' })
    assert.equal(host.handshakes[0]?.method, 'POST')
    assert.equal(host.handshakes[0].headers['aeg-event-type'], 'SubscriptionValidation')
  })

test('the handshake of a CloudEvent has the code in a string of JSON', async (t) => {
  const host = await startFunctionsHost(t, { functions: ['OnOrder'] })
  const { verify } = openDestination(
    t,
    'AzureFunction',
    { resourceId },
    { connections: { [app]: { url: host.base } } },
  )
  await verify('CloudEventSchemaV1_0')
  const [handshake] = host.handshakes
  assert.ok(handshake)
  const { id, data, ...event } = handshake.body as Record<string, string>
  assert.match(id as string, /^[0-9a-f-]{36}$/)
  assert.equal(JSON.parse(data as string).validationCode, 'the-code')
  assert.deepEqual(event, {
    specversion: '1.0',
    source: testTopicId,
    subject: '',
    type: 'Microsoft.EventGrid.SubscriptionValidationEvent',
    time: '2026-01-02T03:04:05.0000000Z',
  })
})

test('a function without Event Grid trigger is refused, and events for it wait under a name of their own', async (t) => {
  const host = await startFunctionsHost(t, { functions: ['Other'], key })
  const connections = { [app]: { url: host.base, key } }
  const { to, verify } = openDestination(t, 'AzureFunction', { resourceId }, { connections })
  const verification = await verify('EventGridSchema')
  assert.ok(verification.kind === 'refused')
  assert.match(verification.message, /response code 404/)
  assert.ok(!verification.message.includes(key) && !verification.message.includes('system%2B'))
  assert.deepEqual(await to('EventGridSchema').deliver([deliveryOf(testEvent('1'))], never), {
    ...{ kind: 'retry', name: 'InvalidAzureFunctionDestination', status: 404, minimumDelayMs: 300_000 },
    error: "HTTP 404: cannot find function: 'OnOrder', available function names: [Other]",
  })
})

test('an endpoint that answers without the code is no function with an Event Grid trigger', async (t) => {
  const hook = await startRecordingWebhook(t, [200], {
    handshake: (_request, response) => response.end('ok'),
  })
  const url = hook.url.replace('/hook', '')
  const { verify } = openDestination(t, 'AzureFunction', { resourceId }, { connections: { [app]: { url } } })
  assert.deepEqual(await verify('EventGridSchema'), {
    kind: 'refused',
    code: 'InvalidAzureFunctionDestination',
    message: `The function '${resourceId}' cannot be used. It answered without the validation code, as none with an Event Grid trigger does.`,
  })
})

test('a wrong key is tried again, and the key is not repeated', async (t) => {
  const host = await startFunctionsHost(t, { functions: ['OnOrder'], key: 'another' })
  const connections = { [app]: { url: host.base, key } }
  const { to } = openDestination(t, 'AzureFunction', { resourceId }, { connections })
  assert.deepEqual(await to('EventGridSchema').deliver([deliveryOf(testEvent('1'))], never), {
    ...{ kind: 'retry', name: 'Unauthorized', status: 401, minimumDelayMs: 300_000, error: 'HTTP 401' },
  })
})

test('a function is told that its event subscription was deleted, in the word that its host knows', async (t) => {
  const host = await startFunctionsHost(t, { functions: ['OnOrder'] })
  const connections = { [app]: { url: host.base } }
  const { to } = openDestination(t, 'AzureFunction', { resourceId }, { connections })
  await to('EventGridSchema').announceDeletion(never)
  assert.equal(host.received[0]?.headers['aeg-event-type'], 'Unsubscribe')
})
