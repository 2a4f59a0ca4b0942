import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { defaultSubscriptionId } from '../src/arm/arm.ts'
import { createSystemClock } from '../src/base/clock.ts'
import { startAmqpBroker } from '../src/testing/amqp-broker.ts'
import { startAzuriteQueues } from '../src/testing/azurite.ts'
import { subscription } from '../src/testing/control-plane.ts'
import { startFunctionsHost } from '../src/testing/functions-host.ts'
import { type RecordingWebhook, startRecordingWebhook } from '../src/testing/recording-webhook.ts'
import { startRelay } from '../src/testing/relay.ts'
import { eventually, startTestServer } from '../src/testing/test-server.ts'

/*
 * Every kind of topic, every schema that its events are published in, every schema that they are delivered in, and
 * every type of destination: each combination that Azure allows delivers, and each that it refuses is refused.
 *
 * Source: learn.microsoft.com/azure/event-grid/cloud-event-schema, input-mappings, and the articles on each handler
 */

type Input = 'EventGridSchema' | 'CloudEventSchemaV1_0' | 'CustomEventSchema'
type Delivery = 'EventGridSchema' | 'CloudEventSchemaV1_0' | 'CustomInputSchema'

const providers = `${subscription}/resourceGroups/rg/providers`
const eventGrid = `${providers}/Microsoft.EventGrid`
const resource = (type: string, name: string) => `${providers}/${type}/${name}`
const account = resource('Microsoft.Storage/storageAccounts', 'devstoreaccount1')
const app = resource('Microsoft.Web/sites', 'app')
const relayNamespace = resource('Microsoft.Relay/namespaces', 'relay')
const eventNamespace = `${eventGrid}/namespaces/events`
const actionGroup = resource('Microsoft.Insights/actionGroups', 'oncall')
const hubs = resource('Microsoft.EventHub/namespaces', 'telemetry')
const bus = resource('Microsoft.ServiceBus/namespaces', 'bus')
const partnerDestination = `${eventGrid}/partnerDestinations/contoso-inbox`
const vault = resource('Microsoft.KeyVault/vaults', 'secrets')

const whole = { after }
const [hook, host, listener, namespaceHost, alerts, partner, queues, broker] = await Promise.all([
  startRecordingWebhook(whole),
  startFunctionsHost(whole, { functions: ['OnOrder'] }),
  startRecordingWebhook(whole),
  startRecordingWebhook(whole),
  startRecordingWebhook(whole),
  startRecordingWebhook(whole),
  startAzuriteQueues(whole),
  startAmqpBroker(whole),
])
await queues.queue('orders').create()
const relay = await startRelay(whole, createSystemClock(1), { orders: listener.url })
const server = await startTestServer(whole, {
  flags: { httpsPort: 'off' },
  file: {
    connections: {
      [account]: { connectionString: queues.connectionString },
      [app]: { url: host.base },
      [relayNamespace]: { connectionString: relay.connectionString },
      [eventNamespace]: { url: namespaceHost.url.replace('/hook', ''), key: 'key' },
      [actionGroup]: { url: alerts.url },
      [hubs]: { url: broker.url },
      [bus]: { url: broker.url },
    },
  },
})

async function call(method: string, id: string, body?: unknown) {
  const answer = await server.call(method, id, body)
  assert.ok(answer.status < 300, `${method} ${id}: ${answer.status} ${JSON.stringify(answer.body)}`)
  return answer.body
}

// ---------------------------------------------------------------- destinations

interface Sink {
  readonly properties: Readonly<Record<string, unknown>>
  /** Undefined: every schema. */
  readonly carries?: readonly Delivery[]
  /** Everything that has come, each event as it was decoded from JSON. */
  events(): Promise<readonly unknown[]> | readonly unknown[]
}

const recorded = (recorder: RecordingWebhook) => () =>
  recorder.received.flatMap(({ body }) => (body === undefined ? [] : ([body].flat() as unknown[])))
const sent = (address: string) => () =>
  broker.messages
    .filter((message) => message.address === address)
    .flatMap(({ text }) => [JSON.parse(text)].flat() as unknown[])

const queued: unknown[] = []
const sinks: Readonly<Record<string, Sink>> = {
  WebHook: { properties: { endpointUrl: hook.url }, events: recorded(hook) },
  AzureFunction: {
    properties: { resourceId: `${app}/functions/OnOrder` },
    carries: ['EventGridSchema', 'CloudEventSchemaV1_0'],
    events: recorded(host),
  },
  EventHub: { properties: { resourceId: `${hubs}/eventhubs/hub` }, events: sent('hub') },
  ServiceBusQueue: { properties: { resourceId: `${bus}/queues/queue` }, events: sent('queue') },
  ServiceBusTopic: { properties: { resourceId: `${bus}/topics/topic` }, events: sent('topic') },
  StorageQueue: {
    properties: { resourceId: account, queueName: 'orders' },
    async events() {
      const { receivedMessageItems } = await queues.queue('orders').receiveMessages({ numberOfMessages: 32 })
      for (const { messageText } of receivedMessageItems)
        queued.push(JSON.parse(Buffer.from(messageText, 'base64').toString()))
      return queued
    },
  },
  HybridConnection: {
    properties: { resourceId: `${relayNamespace}/hybridConnections/orders` },
    events: recorded(listener),
  },
  NamespaceTopic: {
    properties: { resourceId: `${eventNamespace}/topics/orders` },
    carries: ['CloudEventSchemaV1_0'],
    events: recorded(namespaceHost),
  },
  MonitorAlert: {
    properties: { severity: 'Sev2', actionGroups: [actionGroup] },
    carries: ['CloudEventSchemaV1_0'],
    events: () =>
      alerts.received.map(({ body }) => (body as { data: { alertContext: unknown } }).data.alertContext),
  },
  PartnerDestination: {
    properties: { resourceId: partnerDestination },
    carries: ['CloudEventSchemaV1_0'],
    events: recorded(partner),
  },
}

/** Which schema an event was delivered in: each has a member that the others lack. */
function schemaOf(event: object): Delivery {
  if ('specversion' in event) return 'CloudEventSchemaV1_0'
  return 'metadataVersion' in event ? 'EventGridSchema' : 'CustomInputSchema'
}

// ---------------------------------------------------------------- kinds of topics

const allowed: Readonly<Record<Input, readonly Delivery[]>> = {
  EventGridSchema: ['EventGridSchema', 'CloudEventSchemaV1_0'],
  CloudEventSchemaV1_0: ['CloudEventSchemaV1_0'],
  CustomEventSchema: ['EventGridSchema', 'CloudEventSchemaV1_0', 'CustomInputSchema'],
}
const deliveries: readonly Delivery[] = ['EventGridSchema', 'CloudEventSchemaV1_0', 'CustomInputSchema']

const schemaProperties = (inputSchema: Input) => ({
  inputSchema,
  ...(inputSchema === 'CustomEventSchema' && {
    inputSchemaMapping: {
      inputSchemaMappingType: 'Json',
      properties: {
        id: { sourceField: 'order' },
        topic: { sourceField: 'tenant' },
        subject: { defaultValue: 'none' },
        eventType: { defaultValue: 'Order.Placed' },
      },
    },
  }),
})

/** An event of that id as its publisher writes it. `tenant` names the topic of a domain. */
function eventOf(input: Input, id: string, tenant?: string): object {
  switch (input) {
    case 'EventGridSchema':
      return {
        ...{ id, topic: tenant, subject: '/orders/1', eventType: 'Order.Placed', dataVersion: '1' },
        ...{ eventTime: '2026-01-02T03:04:05Z', data: { total: 1 } },
      }
    case 'CloudEventSchemaV1_0':
      return { specversion: '1.0', id, source: tenant ?? '/shop', type: 'Order.Placed', data: { total: 1 } }
    case 'CustomEventSchema':
      return { order: id, tenant, total: 1 }
  }
}

/** Made ready: where event subscriptions stand, and how an event of that id is published there. */
interface Ready {
  readonly collection: string
  publish(id: string): Promise<void>
}

interface Kind {
  readonly name: string
  readonly inputs: readonly Input[]
  /** @param name a name that nothing else has */
  prepare(input: Input, name: string): Promise<Ready>
}

const everyInput: readonly Input[] = ['EventGridSchema', 'CloudEventSchemaV1_0', 'CustomEventSchema']
const extension = (id: string) => `${id}/providers/Microsoft.EventGrid/eventSubscriptions`

/** Posts to the endpoint of what has one. */
async function publisherOf(id: string, input: Input, headers: Readonly<Record<string, string>> = {}) {
  const { properties } = await call('GET', id)
  const { key1 } = await call('POST', `${id}/listKeys`)
  const contentType =
    input === 'CloudEventSchemaV1_0' ? 'application/cloudevents-batch+json' : 'application/json'
  return async (event: object) => {
    const response = await fetch(properties.endpoint, {
      method: 'POST',
      headers: { 'content-type': contentType, 'aeg-sas-key': key1, ...headers },
      body: JSON.stringify([event]),
    })
    assert.equal(response.status, 200, await response.text())
  }
}

const domainKind = (name: string, scopeOf: (domainId: string) => string): Kind => ({
  name,
  inputs: everyInput,
  async prepare(input, unique) {
    const id = `${eventGrid}/domains/${unique}`
    await call('PUT', id, { location: 'westus2', properties: schemaProperties(input) })
    const publish = await publisherOf(id, input)
    return {
      collection: extension(scopeOf(id)),
      publish: (eventId) => publish(eventOf(input, eventId, 'tenant-a')),
    }
  },
})

const raised = (id: string) =>
  server.raise(vault, 'Microsoft.KeyVault.vaults', [
    {
      ...{ id, topic: vault, subject: 'secret', eventType: 'Microsoft.KeyVault.SecretExpired' },
      ...{ eventTime: '2026-01-02T03:04:05Z', dataVersion: '1', data: { total: 1 } },
    },
  ])

const kinds: readonly Kind[] = [
  {
    name: 'topic',
    inputs: everyInput,
    async prepare(input, unique) {
      const id = `${eventGrid}/topics/${unique}`
      await call('PUT', id, { location: 'westus2', properties: schemaProperties(input) })
      const publish = await publisherOf(id, input)
      return { collection: extension(id), publish: (eventId) => publish(eventOf(input, eventId)) }
    },
  },
  domainKind('domain', (id) => id),
  domainKind('domain topic', (id) => `${id}/topics/tenant-a`),
  {
    name: 'system topic',
    inputs: ['EventGridSchema'],
    async prepare(_input, unique) {
      const id = `${eventGrid}/systemTopics/of-${unique}`
      await call('PUT', id, {
        location: 'westus2',
        properties: { source: vault, topicType: 'Microsoft.KeyVault.vaults' },
      })
      return { collection: `${id}/eventSubscriptions`, publish: raised }
    },
  },
  {
    name: 'Azure resource',
    inputs: ['EventGridSchema'],
    prepare: () => Promise.resolve({ collection: extension(vault), publish: raised }),
  },
  {
    name: 'partner topic',
    inputs: ['CloudEventSchemaV1_0'],
    async prepare() {
      await call('PUT', `${eventGrid}/partnerNamespaces/contoso/channels/orders`, {
        properties: {
          channelType: 'PartnerTopic',
          partnerTopicInfo: {
            ...{ azureSubscriptionId: defaultSubscriptionId, resourceGroupName: 'rg' },
            ...{ name: 'contoso-orders', source: '/accounts/1' },
          },
        },
      })
      await call('POST', `${eventGrid}/partnerTopics/contoso-orders/activate`)
      const publish = await publisherOf(`${eventGrid}/partnerNamespaces/contoso`, 'CloudEventSchemaV1_0', {
        'aeg-channel-name': 'orders',
      })
      return {
        collection: `${eventGrid}/partnerTopics/contoso-orders/eventSubscriptions`,
        publish: (eventId) => publish(eventOf('CloudEventSchemaV1_0', eventId)),
      }
    },
  },
]

/** A partner with a namespace, and its partner destination, made ready. */
before(async () => {
  await call('PUT', `${eventGrid}/partnerRegistrations/contoso`, { location: 'global' })
  await call('PUT', `${eventGrid}/partnerConfigurations/default`, {})
  await call('POST', `${eventGrid}/partnerConfigurations/default/authorizePartner`, {
    partnerName: 'contoso',
  })
  await call('PUT', `${eventGrid}/partnerNamespaces/contoso`, {
    location: 'westus2',
    properties: {
      partnerRegistrationFullyQualifiedId: `${eventGrid}/partnerRegistrations/contoso`,
      partnerTopicRoutingMode: 'ChannelNameHeader',
    },
  })
  await call('PUT', `${eventGrid}/partnerNamespaces/contoso/channels/inbox`, {
    properties: {
      channelType: 'PartnerDestination',
      partnerDestinationInfo: {
        ...{ azureSubscriptionId: defaultSubscriptionId, resourceGroupName: 'rg', name: 'contoso-inbox' },
        ...{ endpointType: 'WebHook', endpointServiceContext: 'orders' },
        properties: { endpointUrl: partner.url },
      },
    },
  })
  await call('POST', `${partnerDestination}/activate`)
})

// ---------------------------------------------------------------- every combination

let combinations = 0

for (const kind of kinds)
  for (const input of kind.inputs)
    describe(`${kind.name}, published as ${input}`, () => {
      const eventId = `event-${++combinations}`
      const roads = Object.entries(sinks).flatMap(([endpointType, sink]) =>
        deliveries.map((delivery) => ({
          ...{ endpointType, sink, delivery },
          name: `${endpointType}-${delivery.slice(0, 6)}`,
          isAllowed: allowed[input].includes(delivery) && (sink.carries?.includes(delivery) ?? true),
        })),
      )
      let ready: Ready | undefined

      const make = ({ name, endpointType, sink, delivery }: (typeof roads)[number]) =>
        server.call('PUT', `${ready?.collection}/${name}`, {
          properties: {
            destination: { endpointType, properties: sink.properties },
            eventDeliverySchema: delivery,
          },
        })

      before(async () => {
        ready = await kind.prepare(input, `matrix-${combinations}-${eventId}`)
        for (const road of roads.filter(({ isAllowed }) => isAllowed)) {
          const made = await make(road)
          assert.equal(made.status, 201, `${road.name}: ${JSON.stringify(made.body)}`)
          assert.equal(made.body.properties.provisioningState, 'Succeeded', road.name)
        }
        await ready.publish(eventId)
        await server.settle()
      })

      for (const road of roads) {
        const { endpointType, sink, delivery, isAllowed } = road
        if (!isAllowed)
          test(`${endpointType} in ${delivery} is refused`, async () => {
            const answer = await make(road)
            assert.equal(answer.status, 400, JSON.stringify(answer.body))
            assert.match(answer.body.error.message, new RegExp(delivery))
          })
        else
          test(`${endpointType} in ${delivery} is delivered`, async () => {
            let found: readonly object[] = []
            await eventually(async () => {
              found = ((await sink.events()) as { id?: string; order?: string }[]).filter(
                (event) => (event.id ?? event.order) === eventId && schemaOf(event) === delivery,
              )
              return found.length > 0
            })
            assert.equal(found.length, 1)
            if (delivery === 'CustomInputSchema') return
            const { data } = found[0] as { readonly data: object }
            assert.equal((data as { total: number }).total, 1)
          })
      }

      // What is raised of the source must not meet the next kind's event subscriptions twice.
      after(async () => {
        for (const { name, isAllowed } of roads)
          if (isAllowed) await server.call('DELETE', `${ready?.collection}/${name}`)
      })
    })
