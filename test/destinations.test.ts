import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { EventGridManagementClient, type WebHookEventSubscriptionDestination } from '@azure/arm-eventgrid'
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose'
import { defaultSubscriptionId } from '../src/arm/arm.ts'
import { createSystemClock } from '../src/base/clock.ts'
import { startAzurite, startAzuriteQueues } from '../src/testing/azurite.ts'
import { subscription } from '../src/testing/control-plane.ts'
import { startFunctionsHost } from '../src/testing/functions-host.ts'
import { startRecordingWebhook } from '../src/testing/recording-webhook.ts'
import { startRelay } from '../src/testing/relay.ts'
import { eventually, startTestServer } from '../src/testing/test-server.ts'

/*
 * Every destination type through the whole server: the official client makes the event subscription, the official
 * emulator or a stand-in of the service gets the event, in each delivery schema.
 */

const resources = `${subscription}/resourceGroups/rg/providers`
const account = `${resources}/Microsoft.Storage/storageAccounts/devstoreaccount1`
const letterAccount = `${resources}/Microsoft.Storage/storageAccounts/letters`
const app = `${resources}/Microsoft.Web/sites/app`
const relayNamespace = `${resources}/Microsoft.Relay/namespaces/relay`
const eventNamespace = `${resources}/Microsoft.EventGrid/namespaces/events`
const actionGroup = `${resources}/Microsoft.Insights/actionGroups/oncall`

const mortalApp = `${resources}/Microsoft.Web/sites/mortal`
const strictNamespace = `${resources}/Microsoft.EventGrid/namespaces/strict`
const deafGroup = `${resources}/Microsoft.Insights/actionGroups/deaf`

const whole = { after }
const [queues, blobs, host, listener, namespaceHost, alerts] = await Promise.all([
  startAzuriteQueues(whole),
  startAzurite(whole),
  startFunctionsHost(whole, { functions: ['OnOrder'], key: 'system-key' }),
  startRecordingWebhook(whole),
  startRecordingWebhook(whole),
  startRecordingWebhook(whole),
])
const strictHost = await startRecordingWebhook(whole, [400, 403])
const endings: (() => unknown)[] = []
const mortalHost = await startFunctionsHost(
  { after: (end) => void endings.push(end) },
  { functions: ['OnOrder'] },
)
const endMortalHost = async () => {
  await Promise.all(endings.splice(0).map((end) => end()))
}
after(endMortalHost)
const relay = await startRelay(whole, createSystemClock(1), { orders: listener.url })
const server = await startTestServer(whole, {
  flags: { httpsPort: 'off' },
  file: {
    limits: { deadLetterDelayMs: 0 },
    connections: {
      [account]: { connectionString: queues.connectionString },
      [letterAccount]: { connectionString: blobs.connectionString },
      [app]: { url: host.base, key: 'system-key' },
      [relayNamespace]: { connectionString: relay.connectionString },
      [eventNamespace]: { url: namespaceHost.url.replace('/hook', ''), key: 'access-key' },
      [actionGroup]: { url: alerts.url },
      [mortalApp]: { url: mortalHost.base },
      [strictNamespace]: { url: strictHost.url.replace('/hook', ''), key: 'access-key' },
      // Port 1 is never listened on.
      [deafGroup]: { url: 'http://127.0.0.1:1/' },
    },
  },
})

const eventGrid = new EventGridManagementClient(
  { getToken: () => Promise.resolve({ token: 'any', expiresOnTimestamp: Date.now() + 3_600_000 }) },
  defaultSubscriptionId,
  { endpoint: server.http, allowInsecureConnection: true },
)
eventGrid.pipeline.removePolicy({ name: 'bearerTokenAuthenticationPolicy' })

interface Road {
  /** What the client sends as `destination`, flat as the official one has it. */
  readonly destination: Readonly<Record<string, unknown>> & { readonly endpointType: string }
  /** The event with that id, once it came. */
  arrived(id: string): Promise<unknown>
}

/** A recorder's bodies are looked through for the event. */
const arrivedAt =
  (recorder: Awaited<ReturnType<typeof startRecordingWebhook>>, unwrap: (body: unknown) => unknown) =>
  async (id: string) => {
    const find = () =>
      recorder.received
        .map(({ body }) => unwrap(body) as { id?: string; order?: string } | undefined)
        .find((event) => event?.id === id || event?.order === id)
    await recorder.when(() => find() !== undefined)
    return find()
  }
const single = (body: unknown) => (Array.isArray(body) ? (body[0] as unknown) : body)

const roads: readonly Road[] = [
  {
    destination: { endpointType: 'StorageQueue', resourceId: account, queueName: 'orders' },
    async arrived(id) {
      let found: { id?: string; order?: string } | undefined
      await eventually(async () => {
        const { receivedMessageItems } = await queues
          .queue('orders')
          .receiveMessages({ numberOfMessages: 32 })
        const events = receivedMessageItems.map(
          ({ messageText }) => JSON.parse(Buffer.from(messageText, 'base64').toString()) as typeof found,
        )
        found ??= events.find((event) => event?.id === id || event?.order === id)
        return found !== undefined
      })
      return found
    },
  },
  {
    destination: { endpointType: 'AzureFunction', resourceId: `${app}/functions/OnOrder` },
    arrived: arrivedAt(host, single),
  },
  {
    destination: {
      endpointType: 'HybridConnection',
      resourceId: `${relayNamespace}/hybridConnections/orders`,
    },
    arrived: arrivedAt(listener, single),
  },
  {
    destination: { endpointType: 'NamespaceTopic', resourceId: `${eventNamespace}/topics/orders` },
    arrived: arrivedAt(namespaceHost, single),
  },
  {
    destination: { endpointType: 'MonitorAlert', severity: 'Sev2', actionGroups: [actionGroup] },
    arrived: arrivedAt(alerts, (body) => (body as { data: { alertContext: unknown } }).data.alertContext),
  },
]

await queues.queue('orders').create()
await server.createTopic('grid')
await server.createTopic('cloud', { inputSchema: 'CloudEventSchemaV1_0' })
await server.createTopic('custom', {
  inputSchema: 'CustomEventSchema',
  inputSchemaMapping: {
    inputSchemaMappingType: 'Json',
    properties: {
      id: { sourceField: 'order' },
      subject: { defaultValue: 'none' },
      eventType: { defaultValue: 'Order.Placed' },
      dataVersion: { defaultValue: '1.0' },
    },
  },
})

const officially = ['StorageQueue', 'AzureFunction', 'HybridConnection']

/** By the official client where it has that type, else as it is documented; the destination must agree. */
async function subscribe(topic: string, name: string, { destination }: Road, more: object): Promise<void> {
  const { endpointType, ...properties } = destination
  if (officially.includes(endpointType)) {
    const { topicEventSubscriptions } = eventGrid
    const made = await topicEventSubscriptions.beginCreateOrUpdateAndWait('rg', topic, name, {
      destination: destination as never,
      ...more,
    })
    assert.equal(made.provisioningState, 'Succeeded')
    return
  }
  const body = { properties: { destination: { endpointType, properties }, ...more } }
  assert.equal((await server.call('PUT', server.idOf(name, topic), body)).status, 201)
  const read = await server.call('GET', server.idOf(name, topic))
  assert.equal(read.body.properties.provisioningState, 'Succeeded')
}

const matrix = [
  ['grid', 'EventGridSchema'],
  ['grid', 'CloudEventSchemaV1_0'],
  ['cloud', 'CloudEventSchemaV1_0'],
  ['custom', 'CustomInputSchema'],
  ['custom', 'EventGridSchema'],
  ['custom', 'CloudEventSchemaV1_0'],
] as const

const carried: Readonly<Record<string, readonly string[]>> = {
  AzureFunction: ['EventGridSchema', 'CloudEventSchemaV1_0'],
  NamespaceTopic: ['CloudEventSchemaV1_0'],
  MonitorAlert: ['CloudEventSchemaV1_0'],
}

/** Publishes an event of that id in the topic's own input schema. */
async function publish(topic: string, id: string): Promise<void> {
  if (topic === 'grid') return server.publish({ id, data: { total: 1 } }, { topic })
  const event =
    topic === 'cloud'
      ? { specversion: '1.0', id, source: '/shop', type: 'Order.Placed', data: { total: 1 } }
      : { order: id, total: 1 }
  const contentType = topic === 'cloud' ? 'application/cloudevents-batch+json' : 'application/json'
  const response = await server.publishRaw(JSON.stringify([event]), { topic, contentType })
  assert.equal(response.status, 200, await response.text())
}

for (const road of roads) {
  const { endpointType } = road.destination
  for (const [topic, schema] of matrix) {
    const name = `${endpointType}-${schema.slice(0, 6)}`.replaceAll('_', '')
    const carries = carried[endpointType]?.includes(schema) ?? true

    if (!carries)
      test(`${endpointType} is refused events of ${topic} in ${schema}, both being named`, async () => {
        const { endpointType: type, ...properties } = road.destination
        const answer = await server.call('PUT', server.idOf(name, topic), {
          properties: { destination: { endpointType: type, properties }, eventDeliverySchema: schema },
        })
        assert.equal(answer.status, 400)
        assert.match(answer.body.error.message, new RegExp(`type ${type} takes .* '${schema}'`))
      })
    else
      test(`${endpointType} gets an event of ${topic} in ${schema}`, async () => {
        await subscribe(topic, name, road, { eventDeliverySchema: schema })
        const id = `${endpointType}-${topic}-${schema}`
        await publish(topic, id)
        const event = (await road.arrived(id)) as Record<string, unknown>
        const total = { total: 1 }
        const data = topic === 'custom' ? { order: id, ...total } : total
        if (schema === 'CustomInputSchema') assert.deepEqual(event, data)
        else {
          assert.deepEqual(event.data, data)
          assert.equal(event[schema === 'EventGridSchema' ? 'eventType' : 'type'], 'Order.Placed')
          assert.equal('specversion' in event, schema === 'CloudEventSchemaV1_0')
        }
        assert.equal((await server.call('DELETE', server.idOf(name, topic))).status, 202)
      })
  }
}

// ---------------------------------------------------------------- what fails

/** The only record of a container, once there is one. */
async function letterIn(container: string): Promise<Record<string, unknown>> {
  const client = blobs.container(container)
  let letter: Record<string, unknown> | undefined
  await eventually(async () => {
    for await (const { name } of client.listBlobsFlat()) {
      const text = (await client.getBlobClient(name).downloadToBuffer()).toString()
      letter = (JSON.parse(text) as Record<string, unknown>[])[0]
    }
    return letter !== undefined
  })
  return letter as Record<string, unknown>
}

interface Loss {
  readonly why: string
  readonly destination: Road['destination']
  readonly outcome: string
  /** Default: all attempts, of which there is one, were made. */
  readonly reason?: string
  /** What must be there when the event subscription is made. */
  readonly prepare?: () => Promise<unknown>
  readonly lose?: () => Promise<unknown>
}

const losses: readonly Loss[] = [
  {
    why: 'the queue is deleted',
    destination: { endpointType: 'StorageQueue', resourceId: account, queueName: 'soon-gone' },
    outcome: 'NotFound',
    prepare: () => queues.queue('soon-gone').create(),
    lose: () => queues.queue('soon-gone').delete(),
  },
  {
    why: 'the host of the function ends',
    destination: { endpointType: 'AzureFunction', resourceId: `${mortalApp}/functions/OnOrder` },
    outcome: 'SocketError',
    lose: endMortalHost,
  },
  {
    why: 'the relay does not know the hybrid connection',
    destination: {
      endpointType: 'HybridConnection',
      resourceId: `${relayNamespace}/hybridConnections/unknown`,
    },
    outcome: 'NotFound',
  },
  {
    why: 'the namespace forbids it',
    destination: { endpointType: 'NamespaceTopic', resourceId: `${strictNamespace}/topics/orders` },
    outcome: 'Forbidden',
    reason: 'UndeliverableDueToClientError',
  },
  {
    why: 'the endpoint of the action group is not there',
    destination: { endpointType: 'MonitorAlert', severity: 'Sev4', actionGroups: [deafGroup] },
    outcome: 'SocketError',
  },
]

for (const [index, { why, destination, outcome, prepare, lose, ...loss }] of losses.entries()) {
  const { endpointType } = destination
  const { reason = 'MaxDeliveryAttemptsExceeded' } = loss
  test(`an event for ${endpointType} is dead-lettered as ${outcome} when ${why}`, async () => {
    const [name, container] = [`lost-${index}`, `letters-${index}`]
    await prepare?.()
    await blobs.container(container).create()
    const deadLetter = { resourceId: letterAccount, blobContainerName: container }
    const isOfficial = officially.includes(endpointType)
    await subscribe(
      'cloud',
      name,
      { destination, arrived: () => Promise.resolve() },
      {
        retryPolicy: { maxDeliveryAttempts: 1 },
        deadLetterDestination: {
          endpointType: 'StorageBlob',
          ...(isOfficial ? deadLetter : { properties: deadLetter }),
        },
      },
    )
    await lose?.()
    await publish('cloud', name)
    const letter = await letterIn(container)
    assert.equal(letter.id, name)
    assert.equal(letter.lastdeliveryoutcome, outcome)
    assert.equal(letter.deadletterreason, reason)
    await server.call('DELETE', server.idOf(name, 'cloud'))
  })
}

test('a queue that is not there fails the creation of its event subscription, by its name', async () => {
  const { topicEventSubscriptions } = eventGrid
  const made = topicEventSubscriptions.beginCreateOrUpdateAndWait('rg', 'grid', 'nowhere', {
    destination: { endpointType: 'StorageQueue', resourceId: account, queueName: 'nowhere' },
  })
  await assert.rejects(made, /The queue 'nowhere' of the storage account .* HTTP 404: QueueNotFound/)
  const { provisioningState } = await topicEventSubscriptions.get('rg', 'grid', 'nowhere')
  assert.equal(provisioningState, 'Failed')
})

test('a queue that is reached with the identity of its topic gets events like any other', async () => {
  const road = roads[0] as Road
  await eventGrid.topics.beginUpdateAndWait('rg', 'grid', { identity: { type: 'SystemAssigned' } })
  await eventGrid.topicEventSubscriptions.beginCreateOrUpdateAndWait('rg', 'grid', 'by-identity', {
    deliveryWithResourceIdentity: {
      identity: { type: 'SystemAssigned' },
      destination: road.destination as never,
    },
  })
  const read = await eventGrid.topicEventSubscriptions.get('rg', 'grid', 'by-identity')
  assert.equal(read.destination, null)
  assert.equal(read.deliveryWithResourceIdentity?.destination?.endpointType, 'StorageQueue')
  await publish('grid', 'by-identity')
  assert.equal(((await road.arrived('by-identity')) as { id: string }).id, 'by-identity')
})

test('a webhook that is protected by Entra ID gets a token that its own check accepts', async (t) => {
  const hook = await startRecordingWebhook(t)
  await eventGrid.topicEventSubscriptions.beginCreateOrUpdateAndWait('rg', 'grid', 'protected', {
    destination: {
      endpointType: 'WebHook',
      endpointUrl: hook.url,
      azureActiveDirectoryTenantId: defaultSubscriptionId,
      azureActiveDirectoryApplicationIdOrUri: 'api://orders',
    },
  })
  const read = await eventGrid.topicEventSubscriptions.get('rg', 'grid', 'protected')
  const { azureActiveDirectoryTenantId, azureActiveDirectoryApplicationIdOrUri } =
    read.destination as WebHookEventSubscriptionDestination
  assert.equal(azureActiveDirectoryTenantId, defaultSubscriptionId)
  assert.equal(azureActiveDirectoryApplicationIdOrUri, 'api://orders')
  await publish('grid', 'protected')
  await hook.until(1)
  for (const { headers } of [...hook.handshakes, ...hook.received]) {
    const [scheme, token = ''] = (headers.authorization ?? '').split(' ')
    assert.equal(scheme, 'Bearer')
    const { iss = '' } = decodeJwt(token)
    const discovery = await fetch(`${iss.replace(/\/$/, '')}/.well-known/openid-configuration`)
    const { jwks_uri } = (await discovery.json()) as { jwks_uri: string }
    await jwtVerify(token, createRemoteJWKSet(new URL(jwks_uri)), { issuer: iss, audience: 'api://orders' })
  }
})
