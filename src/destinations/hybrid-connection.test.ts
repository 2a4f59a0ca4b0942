import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deliveryOf } from '../testing/destinations.ts'
import { testEvent } from '../testing/events.ts'
import { ManualClock } from '../testing/manual-clock.ts'
import { openDestination } from '../testing/open-destination.ts'
import { startRecordingWebhook } from '../testing/recording-webhook.ts'
import { startRelay } from '../testing/relay.ts'

const never = new AbortController().signal
const namespace = '/subscriptions/0/resourceGroups/rg/providers/Microsoft.Relay/namespaces/relay'
const resourceId = `${namespace}/hybridConnections/orders`
const minuteMs = 60_000

test('an event goes through the relay to the listener, with every header, and its status comes back', async (t) => {
  const clock = new ManualClock()
  const listener = await startRecordingWebhook(t, [200, 503])
  const { connectionString } = await startRelay(t, clock, { orders: listener.url })
  const wire = {
    resourceId,
    deliveryAttributeMappings: [
      { name: 'x-key', type: 'Static', properties: { value: 'classified', isSecret: true } },
      { name: 'x-key1', type: 'Dynamic', properties: { sourceField: 'data.key1' } },
    ],
  }
  const { to } = openDestination(t, 'HybridConnection', wire, {
    clock,
    connections: { [namespace]: { connectionString } },
  })
  const destination = to('EventGridSchema')
  const delivery = deliveryOf(testEvent('1'), 3)
  assert.deepEqual(await destination.deliver([delivery], never), { kind: 'delivered', status: 200 })
  const [request] = listener.received
  assert.ok(request)
  assert.deepEqual(request.body, [testEvent('1').envelope])
  assert.equal(request.headers['content-type'], 'application/json; charset=utf-8')
  assert.equal(request.headers['aeg-delivery-count'], '3')
  assert.equal(request.headers['aeg-output-event-id'], delivery.outputEventId)
  assert.equal(request.headers['x-key'], 'classified')
  assert.equal(request.headers['x-key1'], 'value1')
  assert.equal(request.headers.servicebusauthorization, undefined)
  const again = await destination.deliver([delivery], never)
  assert.deepEqual([again.kind, again.status], ['retry', 503])
})

test('one signature serves the requests of most of an hour, and then another does', async (t) => {
  const clock = new ManualClock()
  const listener = await startRecordingWebhook(t)
  const { connectionString, signatures } = await startRelay(t, clock, { orders: listener.url })
  const connections = { [namespace]: { connectionString } }
  const { to } = openDestination(t, 'HybridConnection', { resourceId }, { clock, connections })
  const destination = to('CloudEventSchemaV1_0')
  for (const waitMs of [0, 54 * minuteMs, minuteMs]) {
    await clock.advance(waitMs)
    const event = testEvent('1', 'CloudEventSchemaV1_0')
    assert.equal((await destination.deliver([deliveryOf(event)], never)).kind, 'delivered')
  }
  assert.equal(signatures.length, 3)
  assert.equal(signatures[0], signatures[1])
  assert.notEqual(signatures[1], signatures[2])
})

test('a relay that does not know the key is tried again in five minutes, one without the hybrid connection too', async (t) => {
  const clock = new ManualClock()
  const { connectionString } = await startRelay(t, clock, {})
  const wrong = connectionString.replace(/SharedAccessKey=[^;]*/, 'SharedAccessKey=YWJj')
  for (const [given, name] of [
    [wrong, 'Unauthorized'],
    [connectionString, 'NotFound'],
  ] as const) {
    const connections = { [namespace]: { connectionString: given } }
    const { to } = openDestination(t, 'HybridConnection', { resourceId }, { clock, connections })
    const outcome = await to('EventGridSchema').deliver([deliveryOf(testEvent('1'))], never)
    assert.ok(outcome.kind === 'retry')
    assert.deepEqual([outcome.name, outcome.minimumDelayMs], [name, 5 * minuteMs])
  }
})

test('the connection of another hybrid connection is refused', async (t) => {
  const connectionString =
    'Endpoint=sb://r.example.org;SharedAccessKeyName=n;SharedAccessKey=k;EntityPath=other'
  const connections = { [namespace]: { connectionString } }
  const { verify } = openDestination(t, 'HybridConnection', { resourceId }, { connections })
  assert.deepEqual(await verify('EventGridSchema'), {
    kind: 'refused',
    code: 'NotFound',
    message: `The hybrid connection '${resourceId}' cannot be used. Its connectionString is for the hybrid connection 'other'.`,
  })
})

test('a namespace without port of its own is reached over TLS', (t) => {
  const connectionString = 'Endpoint=sb://r.example.org/;SharedAccessKeyName=n;SharedAccessKey=k'
  const connections = { [namespace]: { connectionString } }
  const { to } = openDestination(t, 'HybridConnection', { resourceId }, { connections })
  assert.equal(to('EventGridSchema').origin, 'https://r.example.org')
})
