import assert from 'node:assert/strict'
import { after, type TestContext, test } from 'node:test'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { type Domain, EventGridManagementClient } from '@azure/arm-eventgrid'
import { AzureKeyCredential, EventGridPublisherClient } from '@azure/eventgrid'
import { defaultSubscriptionId } from '../src/arm/arm.ts'
import { subscription } from '../src/testing/control-plane.ts'
import { type RecordingWebhook, startRecordingWebhook } from '../src/testing/recording-webhook.ts'
import { startTestServer } from '../src/testing/test-server.ts'

/*
 * Event domains, seen from outside: one endpoint and one key for all tenants, and no tenant sees the events of
 * another. The official clients make the resources and publish.
 *
 * Source: learn.microsoft.com/azure/event-grid/event-domains
 */

const server = await startTestServer({ after })
setDefaultCACertificates([...getCACertificates(), server.ca])

const credential = {
  getToken: () => Promise.resolve({ token: 'any', expiresOnTimestamp: Date.now() + 3_600_000 }),
}
const eventGrid = () =>
  new EventGridManagementClient(credential, defaultSubscriptionId, { endpoint: server.https })

async function makeDomain(name: string, properties: Partial<Domain> = {}) {
  const { domains } = eventGrid()
  const made = await domains.beginCreateOrUpdateAndWait('rg', name, { location: 'westus2', ...properties })
  const { key1 = '' } = await domains.listSharedAccessKeys('rg', name)
  return { id: made.id as string, endpoint: made.endpoint as string, key: new AzureKeyCredential(key1) }
}

const to = (hook: RecordingWebhook) => ({
  destination: { endpointType: 'WebHook' as const, endpointUrl: hook.url },
})

/** Webhooks of a domain and of two of its topics. */
async function subscribe(t: TestContext, domain: string) {
  const client = eventGrid()
  const [all, one, two] = [
    await startRecordingWebhook(t),
    await startRecordingWebhook(t),
    await startRecordingWebhook(t),
  ]
  await client.domainEventSubscriptions.beginCreateOrUpdateAndWait('rg', domain, 'to-all', to(all))
  await client.domainTopicEventSubscriptions.beginCreateOrUpdateAndWait(
    'rg',
    domain,
    'one',
    'to-one',
    to(one),
  )
  await client.eventSubscriptions.beginCreateOrUpdateAndWait(
    `${subscription}/resourceGroups/rg/providers/Microsoft.EventGrid/domains/${domain}/topics/two`,
    'to-two',
    to(two),
  )
  return { all, one, two }
}

const firstBody = ({ received: [first] }: RecordingWebhook) => first?.body

const idsOf = ({ received }: RecordingWebhook) =>
  received
    .flatMap(({ body }) => (Array.isArray(body) ? body : [body]) as { id: string }[])
    .map(({ id }) => id)

test('events in the Event Grid schema go to the domain topic that they name and to the domain', async (t) => {
  const { id, endpoint, key } = await makeDomain('grid')
  const { all, one, two } = await subscribe(t, 'grid')
  const event = { eventType: 'Order.Placed', subject: '/orders', dataVersion: '1.0', data: { n: 1 } }
  await new EventGridPublisherClient(endpoint, 'EventGrid', key).send([
    { ...event, id: '1', topic: 'one' },
    { ...event, id: '2', topic: 'TWO' },
    { ...event, id: '3', topic: 'nobody-made-it' },
    { ...event, id: '4', topic: `${id}/topics/one` },
  ])
  await all.until(4)
  await one.until(2)
  await two.until(1)
  await server.settle()
  assert.deepEqual(idsOf(all).toSorted(), ['1', '2', '3', '4'])
  assert.deepEqual(idsOf(one).toSorted(), ['1', '4'])
  assert.deepEqual(idsOf(two), ['2'])
  const [delivered] = firstBody(two) as readonly [{ topic: string }]
  assert.equal(delivered.topic.toLowerCase(), `${id}/topics/two`.toLowerCase())
})

test('CloudEvents go to the domain topic that their source names', async (t) => {
  const { endpoint, key } = await makeDomain('clouds', { inputSchema: 'CloudEventSchemaV1_0' })
  const { all, one, two } = await subscribe(t, 'clouds')
  const client = new EventGridPublisherClient(endpoint, 'CloudEvent', key)
  await client.send([
    { id: '1', type: 't', source: 'one', data: { n: 1 } },
    { id: '2', type: 't', source: '/elsewhere', data: { n: 2 } },
  ])
  await all.until(2)
  await one.until(1)
  await server.settle()
  assert.deepEqual(idsOf(all).toSorted(), ['1', '2'])
  assert.deepEqual(idsOf(one), ['1'])
  assert.deepEqual(idsOf(two), [])
  assert.equal((firstBody(one) as { source: string }).source, 'one')
})

test('an event without a domain topic is refused, and nothing of its request is taken', async (t) => {
  const { endpoint, key } = await makeDomain('strict')
  const { all } = await subscribe(t, 'strict')
  const event = { eventType: 'Order.Placed', subject: '/orders', dataVersion: '1.0', data: {} }
  const sent = new EventGridPublisherClient(endpoint, 'EventGrid', key).send([
    { ...event, id: '1', topic: 'one' },
    { ...event, id: '2' },
  ])
  await assert.rejects(sent, { statusCode: 400 })
  await server.settle()
  assert.deepEqual(all.received, [])
})

test("no tenant's event reaches another tenant, whatever the order and mixture of requests", async (t) => {
  const { endpoint, key } = await makeDomain('tenants')
  const client = eventGrid()
  const tenants = Array.from({ length: 8 }, (_, n) => `tenant-${n}`)
  const hooks = await Promise.all(
    tenants.map(async (tenant) => {
      const hook = await startRecordingWebhook(t)
      await client.domainTopicEventSubscriptions.beginCreateOrUpdateAndWait(
        'rg',
        'tenants',
        tenant,
        'own',
        to(hook),
      )
      return { tenant, hook }
    }),
  )
  const publisher = new EventGridPublisherClient(endpoint, 'EventGrid', key)
  const rounds = 10
  await Promise.all(
    Array.from({ length: rounds }, (_, round) =>
      publisher.send(
        tenants.map((_tenant, n) => {
          const tenant = tenants[(n * 5 + round) % tenants.length] as string
          const event = { eventType: 't', subject: '/', dataVersion: '1', data: { tenant } }
          return { ...event, id: `${tenant}/${round}`, topic: tenant }
        }),
      ),
    ),
  )
  await Promise.all(hooks.map(({ hook }) => hook.until(rounds)))
  await server.settle()
  for (const { tenant, hook } of hooks)
    assert.deepEqual(
      idsOf(hook).toSorted(),
      Array.from({ length: rounds }, (_, round) => `${tenant}/${round}`).toSorted(),
    )
})

test('an event subscription of a domain topic is deleted with its topic, and its webhook is told', async (t) => {
  await makeDomain('short')
  const { one } = await subscribe(t, 'short')
  const client = eventGrid()
  await client.domainTopicEventSubscriptions.beginDeleteAndWait('rg', 'short', 'one', 'to-one')
  await one.when(() => one.deletions.length > 0)
  await assert.rejects(client.domainTopics.get('rg', 'short', 'one'), { statusCode: 404 })
  await client.domainTopics.beginDeleteAndWait('rg', 'short', 'two')
  await assert.rejects(client.domainTopicEventSubscriptions.get('rg', 'short', 'two', 'to-two'), {
    statusCode: 404,
  })
})

test('the trace of an event in a domain tells of its domain topic, and of no other', async (t) => {
  const { id, endpoint, key } = await makeDomain('traced')
  const { one } = await subscribe(t, 'traced')
  await new EventGridPublisherClient(endpoint, 'EventGrid', key).send([
    { id: 'traced-1', topic: 'one', eventType: 't', subject: '/', dataVersion: '1', data: {} },
  ])
  await one.until(1)
  await server.settle()
  const trace = await server.trace('traced-1')
  assert.equal(trace.topicId.toLowerCase(), `${id}/topics/one`.toLowerCase())
  assert.deepEqual(trace.eventSubscriptions.map(({ name }) => name).toSorted(), ['to-all', 'to-one'])
})

test('domains, their topics and what stands on them outlive the process', async (t) => {
  const { endpoint, key } = await makeDomain('lasting')
  const { one } = await subscribe(t, 'lasting')
  await server.restart()
  const again = await eventGrid().domains.get('rg', 'lasting')
  const url = new URL(new URL(endpoint).pathname, server.https).href
  assert.equal(again.endpoint, url)
  await new EventGridPublisherClient(url, 'EventGrid', key).send([
    { id: '1', topic: 'one', eventType: 't', subject: '/', dataVersion: '1', data: {} },
  ])
  await one.until(1)
})

test('events in a custom schema go to the domain topic that their mapping names', async (t) => {
  const { endpoint, key } = await makeDomain('custom', {
    inputSchema: 'CustomEventSchema',
    inputSchemaMapping: {
      inputSchemaMappingType: 'Json',
      topic: { sourceField: 'tenant' },
      id: { sourceField: 'number' },
      eventType: { defaultValue: 'Order.Placed' },
      subject: { sourceField: 'number' },
      dataVersion: { defaultValue: '1' },
    },
  })
  const { all, one, two } = await subscribe(t, 'custom')
  const publisher = new EventGridPublisherClient(endpoint, 'Custom', key)
  await publisher.send([
    { tenant: 'one', number: '1' },
    { tenant: 'two', number: '2' },
  ])
  await all.until(2)
  await one.until(1)
  await two.until(1)
  await server.settle()
  assert.deepEqual([idsOf(one), idsOf(two)], [['1'], ['2']])
  await assert.rejects(publisher.send([{ number: '3' }]), { statusCode: 400 })
})
