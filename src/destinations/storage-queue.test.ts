import assert from 'node:assert/strict'
import { after, type TestContext, test } from 'node:test'
import type { DeliverySchema } from '../event/event.ts'
import { startAzuriteQueues } from '../testing/azurite.ts'
import { deliveryContext, deliveryOf, settingsOf } from '../testing/destinations.ts'
import { testEvent } from '../testing/events.ts'
import { ManualClock } from '../testing/manual-clock.ts'
import { startRecordingWebhook } from '../testing/recording-webhook.ts'
import type { Connection } from './connections.ts'
import { openDestinations } from './index.ts'
import { openNetworkRules } from './network.ts'

const never = new AbortController().signal
const resourceId =
  '/subscriptions/0/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/devstoreaccount1'

const azurite = startAzuriteQueues({ after })
azurite.catch(() => {})
let queues = 0

async function open(t: TestContext, connection: Connection, more: Readonly<Record<string, unknown>> = {}) {
  const queueName = `orders-${++queues}`
  const destinations = openDestinations({
    clock: new ManualClock(),
    // What the operator configured is not subject to where webhooks may be.
    rules: { ...openNetworkRules, allowHttp: false, allowPrivateAddresses: false },
    connections: new Map([[resourceId.toLowerCase(), connection]]),
  })
  t.after(() => destinations.close())
  const settings = settingsOf('StorageQueue', { resourceId, queueName, ...more })
  return {
    queue: (await azurite).queue(queueName),
    destination: (schema: DeliverySchema) => destinations.create(settings, deliveryContext(schema)),
    verify: () =>
      destinations.verify(
        {
          ...{ settings, context: deliveryContext('EventGridSchema'), validationCode: 'c' },
          validationUrl: 'https://127.0.0.1/',
        },
        never,
      ),
  }
}

const configured = async () => ({ connectionString: (await azurite).connectionString })

test('a message is one event in base64, in the delivery schema, and stays seven days', async (t) => {
  const { queue, destination } = await open(t, await configured())
  await queue.create()
  const event = testEvent('1', 'EventGridSchema', { data: { text: 'Zürich <&> 😀', big: 1 } })
  assert.deepEqual(await destination('EventGridSchema').deliver([deliveryOf(event)], never), {
    kind: 'delivered',
    status: 201,
  })
  const cloud = testEvent('2', 'CloudEventSchemaV1_0')
  await destination('CloudEventSchemaV1_0').deliver([deliveryOf(cloud)], never)
  const { receivedMessageItems } = await queue.receiveMessages({ numberOfMessages: 2 })
  const bodies = receivedMessageItems.map(({ messageText }) =>
    JSON.parse(Buffer.from(messageText, 'base64').toString()),
  )
  assert.deepEqual(bodies, [event.envelope, cloud.envelope])
  const [first] = receivedMessageItems
  assert.ok(first)
  assert.equal(first.expiresOn.getTime() - first.insertedOn.getTime(), 7 * 24 * 60 * 60 * 1000)
})

test('a message is plain text where the connection says so, and expires when the destination says so', async (t) => {
  const connection = { ...(await configured()), queueMessageEncoding: 'text' } as const
  const { queue, destination } = await open(t, connection, { queueMessageTimeToLiveInSeconds: 60 })
  await queue.create()
  const event = testEvent('1', 'EventGridSchema', { data: { text: 'a < b && "c" > d\n' } })
  await destination('EventGridSchema').deliver([deliveryOf(event)], never)
  const [message] = (await queue.receiveMessages()).receivedMessageItems
  assert.ok(message)
  assert.deepEqual(JSON.parse(message.messageText), event.envelope)
  assert.equal(message.expiresOn.getTime() - message.insertedOn.getTime(), 60_000)
})

test('a message may never expire', async (t) => {
  const { queue, destination } = await open(t, await configured(), { queueMessageTimeToLiveInSeconds: -1 })
  await queue.create()
  await destination('EventGridSchema').deliver([deliveryOf(testEvent('1'))], never)
  const [message] = (await queue.receiveMessages()).receivedMessageItems
  assert.ok(message && message.expiresOn.getUTCFullYear() > 3000)
})

test('a queue takes messages of 64 KiB, base64 included, and an event that is larger is hopeless', async (t) => {
  const { queue, destination } = await open(t, await configured())
  await queue.create()
  const event = (bytes: number) => {
    const empty = testEvent('1', 'EventGridSchema', { data: '' }).source.length
    return deliveryOf(testEvent('1', 'EventGridSchema', { data: 'x'.repeat(bytes - empty) }))
  }
  const most = (64 * 1024 * 3) / 4
  const to = destination('EventGridSchema')
  assert.equal((await to.deliver([event(most)], never)).kind, 'delivered')
  assert.deepEqual(await to.deliver([event(most + 1)], never), {
    kind: 'hopeless',
    name: 'PayloadTooLarge',
    status: undefined,
    error: 'A message of 65540 bytes does not fit into a storage queue, which takes 65536.',
  })
})

test('a queue that is there is verified, and one that is missing is refused by its name and account', async (t) => {
  const { queue, verify, destination } = await open(t, await configured())
  const refused = await verify()
  assert.ok(refused.kind === 'refused')
  assert.equal(
    refused.message,
    `The queue '${queue.name}' of the storage account '${resourceId}' cannot be used. HTTP 404: QueueNotFound.`,
  )
  assert.deepEqual(await destination('EventGridSchema').deliver([deliveryOf(testEvent('1'))], never), {
    ...{ kind: 'retry', name: 'NotFound', status: 404, minimumDelayMs: 300_000 },
    error: 'HTTP 404: QueueNotFound',
  })
  await queue.create()
  assert.deepEqual(await verify(), { kind: 'verified' })
})

test('a wrong key is refused at once, and is no reason to retry', async (t) => {
  const { connectionString } = await configured()
  const wrong = { connectionString: connectionString.replace(/AccountKey=[^;]*/, 'AccountKey=YWJj') }
  const { queue, verify, destination } = await open(t, wrong)
  await queue.create()
  const refused = await verify()
  assert.ok(refused.kind === 'refused')
  assert.match(refused.message, /cannot be used\. HTTP 403: AuthenticationFailed\.$/)
  assert.equal(refused.code, 'Forbidden')
  const outcome = await destination('EventGridSchema').deliver([deliveryOf(testEvent('1'))], never)
  assert.deepEqual([outcome.kind, outcome.kind !== 'delivered' && outcome.name], ['hopeless', 'Forbidden'])
})

test('statuses of a resource follow their own column: 401 is tried again after five minutes', async (t) => {
  const answers: readonly (readonly [number, string, string, number | undefined])[] = [
    [400, 'hopeless', 'BadRequest', undefined],
    [401, 'retry', 'Unauthorized', 300_000],
    [413, 'hopeless', 'PayloadTooLarge', undefined],
    [503, 'retry', 'Busy', 30_000],
    [500, 'retry', 'GenericError', 10_000],
  ]
  const service = await startRecordingWebhook(
    t,
    answers.map(([status]) => status),
  )
  const endpoint = service.url.replace('/hook', '/a')
  const { destination } = await open(t, {
    connectionString: `AccountName=a;AccountKey=YWJj;QueueEndpoint=${endpoint}`,
  })
  const to = destination('EventGridSchema')
  for (const [status, kind, name, minimumDelayMs] of answers) {
    const outcome = await to.deliver([deliveryOf(testEvent('1'))], never)
    const got = [outcome.status, outcome.kind, outcome.kind === 'delivered' ? '' : outcome.name]
    assert.deepEqual(got, [status, kind, name])
    assert.equal(outcome.kind === 'retry' ? outcome.minimumDelayMs : undefined, minimumDelayMs)
  }
})

test('without a connection, events wait for one', async (t) => {
  const { destination, verify } = await open(t, { connectionString: 'nonsense' })
  const outcome = await destination('EventGridSchema').deliver([deliveryOf(testEvent('1'))], never)
  assert.deepEqual(outcome, {
    ...{ kind: 'retry', name: 'NotFound', status: undefined, minimumDelayMs: 300_000 },
    error: `${resourceId} cannot be reached. Its connectionString has a part without an equals sign.`,
  })
  assert.equal((await verify()).kind, 'refused')
})
