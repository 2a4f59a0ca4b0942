import assert from 'node:assert/strict'
import { after, type TestContext, test } from 'node:test'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { EventGridManagementClient } from '@azure/arm-eventgrid'
import { ResourceManagementClient } from '@azure/arm-resources'
import { EventGridDeserializer, type ResourceWriteSuccessEventData } from '@azure/eventgrid'
import { defaultSubscriptionId } from '../src/arm/arm.ts'
import { createCheckData } from '../src/sources/check-data.ts'
import { createDataSchemas } from '../src/sources/data-schemas.ts'
import { subscription } from '../src/testing/control-plane.ts'
import { type RecordingWebhook, startRecordingWebhook } from '../src/testing/recording-webhook.ts'
import { startTestServer } from '../src/testing/test-server.ts'

/*
 * What Resource Manager tells of its operations, seen from outside: the official clients make, change and delete
 * resources, and webhooks on the subscription and on a resource group are told.
 *
 * Source: learn.microsoft.com/azure/event-grid/event-schema-subscriptions, event-schema-resource-groups
 */

const server = await startTestServer({ after })
setDefaultCACertificates([...getCACertificates(), server.ca])

const credential = {
  getToken: () => Promise.resolve({ token: 'any', expiresOnTimestamp: Date.now() + 3_600_000 }),
}
const eventGrid = () =>
  new EventGridManagementClient(credential, defaultSubscriptionId, { endpoint: server.https })
const resources = () =>
  new ResourceManagementClient(credential, defaultSubscriptionId, { endpoint: server.https })

const checkData = createCheckData(createDataSchemas())

type Schema = 'EventGridSchema' | 'CloudEventSchemaV1_0'

/** What a webhook was told of a resource, in the order of the operations. */
interface Told {
  readonly type: string
  readonly source: string
  readonly subject: string
  readonly data: ResourceWriteSuccessEventData
}

async function read(hook: RecordingWebhook, schema: Schema): Promise<Told[]> {
  const deserializer = new EventGridDeserializer()
  const told: Told[] = []
  for (const { raw } of hook.received) {
    const text = raw.toString()
    if (schema === 'EventGridSchema') {
      for (const event of await deserializer.deserializeEventGridEvents(text)) {
        const { eventType: type, topic: source = '', subject, data } = event
        assert.equal(event.dataVersion, '2')
        told.push({ type, source, subject, data: data as ResourceWriteSuccessEventData })
      }
    } else
      for (const event of await deserializer.deserializeCloudEvents(text)) {
        const { type, source, subject = '', data } = event
        told.push({ type, source, subject, data: data as ResourceWriteSuccessEventData })
      }
  }
  return told
}

let made = 0

/** A webhook on a scope, or on a system topic of that scope. */
async function listen(t: TestContext, scope: string, schema: Schema, by: 'scope' | 'systemTopic') {
  const hook = await startRecordingWebhook(t)
  const name = `listener-${++made}`
  const info = {
    destination: { endpointType: 'WebHook', endpointUrl: hook.url } as const,
    eventDeliverySchema: schema,
  }
  const { eventSubscriptions, systemTopics, systemTopicEventSubscriptions } = eventGrid()
  if (by === 'scope') {
    await eventSubscriptions.beginCreateOrUpdateAndWait(scope, name, info)
    t.after(() => eventSubscriptions.beginDeleteAndWait(scope, name))
  } else {
    const topicType =
      scope === subscription ? 'Microsoft.Resources.Subscriptions' : 'Microsoft.Resources.ResourceGroups'
    await systemTopics.beginCreateOrUpdateAndWait('rg', name, {
      location: 'global',
      source: scope,
      topicType,
    })
    await systemTopicEventSubscriptions.beginCreateOrUpdateAndWait('rg', name, name, info)
    t.after(() => systemTopics.beginDeleteAndWait('rg', name))
  }
  return hook
}

for (const schema of ['EventGridSchema', 'CloudEventSchemaV1_0'] as const)
  for (const by of ['scope', 'systemTopic'] as const)
    test(`${schema}, by ${by}: the subscription hears of all of its groups, a group of its own alone, each once`, async (t) => {
      const mine = `${subscription}/resourceGroups/mine-${++made}`
      const other = `${subscription}/resourceGroups/other-${made}`
      const { resourceGroups } = resources()
      const name = (id: string) => id.slice(id.lastIndexOf('/') + 1)
      await resourceGroups.createOrUpdate(name(mine), { location: 'westus2' })
      const onSubscription = await listen(t, subscription, schema, by)
      const onGroup = await listen(t, mine, schema, by)

      const topicId = (group: string) => `${group}/providers/Microsoft.EventGrid/topics/orders-${made}`
      const { topics } = eventGrid()
      await topics.beginCreateOrUpdateAndWait(name(mine), name(topicId(mine)), { location: 'westus2' })
      await topics.listSharedAccessKeys(name(mine), name(topicId(mine)))
      await assert.rejects(
        topics.beginCreateOrUpdateAndWait(name(mine), 'x'.repeat(60), { location: 'westus2' }),
      )
      await resourceGroups.createOrUpdate(name(other), { location: 'eastus' })
      await topics.beginCreateOrUpdateAndWait(name(other), name(topicId(other)), { location: 'eastus' })
      await topics.get(name(other), name(topicId(other)))
      await resourceGroups.beginDeleteAndWait(name(other))
      await topics.beginDeleteAndWait(name(mine), name(topicId(mine)))

      const inMine = [
        ['ResourceWriteSuccess', topicId(mine)],
        ['ResourceActionSuccess', topicId(mine)],
        ['ResourceWriteFailure', `${mine}/providers/Microsoft.EventGrid/topics/${'x'.repeat(60)}`],
        ['ResourceDeleteSuccess', topicId(mine)],
      ]
      const everywhere = [
        ...inMine.slice(0, 3),
        ['ResourceWriteSuccess', other],
        ['ResourceWriteSuccess', topicId(other)],
        ['ResourceDeleteSuccess', topicId(other)],
        ['ResourceDeleteSuccess', other],
        ...inMine.slice(3),
      ]
      const isOurs = ({ subject }: Told) => !/\/(?:eventSubscriptions|systemTopics)\//i.test(subject)
      for (const [hook, source, expected] of [
        [onSubscription, subscription, everywhere],
        [onGroup, mine, inMine],
      ] as const) {
        await server.settle()
        const told = (await read(hook, schema)).filter(isOurs)
        // Deliveries overtake one another.
        assert.deepEqual(
          told.map(({ type, subject }) => [type.replace('Microsoft.Resources.', ''), subject]).toSorted(),
          expected.toSorted(),
        )
        for (const { type, source: from, subject, data } of told) {
          assert.equal(from, source)
          assert.equal(data.resourceUri, subject)
          assert.deepEqual(await checkData(type, JSON.parse(JSON.stringify(data))), [])
        }
      }
    })

test('an event subscription on the subscription hears of its own making', async (t) => {
  const hook = await listen(t, subscription, 'EventGridSchema', 'scope')
  await server.settle()
  const [own] = await read(hook, 'EventGridSchema')
  assert.equal(own?.type, 'Microsoft.Resources.ResourceWriteSuccess')
  assert.match(
    own?.subject ?? '',
    /^\/subscriptions\/[^/]+\/providers\/Microsoft\.EventGrid\/eventSubscriptions\//,
  )
  assert.equal(own?.data.operationName, 'Microsoft.EventGrid/eventSubscriptions/write')
})

test('filters choose among operations as among any events', async (t) => {
  const hook = await startRecordingWebhook(t)
  const { eventSubscriptions } = eventGrid()
  await eventSubscriptions.beginCreateOrUpdateAndWait(subscription, 'keys', {
    destination: { endpointType: 'WebHook', endpointUrl: hook.url },
    filter: {
      includedEventTypes: ['Microsoft.Resources.ResourceActionSuccess'],
      advancedFilters: [
        {
          operatorType: 'StringEndsWith',
          key: 'data.operationName',
          values: ['/listKeys/action'],
        },
      ],
    },
  })
  t.after(() => eventSubscriptions.beginDeleteAndWait(subscription, 'keys'))
  await server.createTopic('filtered')
  await eventGrid().topics.beginRegenerateKeyAndWait('rg', 'filtered', { keyName: 'key1' })
  await hook.until(1)
  await server.settle()
  const told = await read(hook, 'EventGridSchema')
  assert.deepEqual(
    told.map(({ data }) => data.operationName),
    ['Microsoft.EventGrid/topics/listKeys/action'],
  )
})

test('publishing is no operation of the control plane', async (t) => {
  const hook = await listen(t, subscription, 'EventGridSchema', 'scope')
  await server.settle()
  const before = hook.received.length
  await server.publish({ id: '1' }, { topic: 'orders' })
  await server.settle()
  assert.equal(hook.received.length, before)
})

test('what was told before the process ended is delivered by the next one', async (t) => {
  const hook = await startRecordingWebhook(t, (_request, response) => {
    response.writeHead(isOpen ? 200 : 503).end()
  })
  let isOpen = false
  await eventGrid().eventSubscriptions.beginCreateOrUpdateAndWait(subscription, 'lasting', {
    destination: { endpointType: 'WebHook', endpointUrl: hook.url },
    filter: { subjectEndsWith: '/topics/lasting' },
  })
  await server.createTopic('lasting')
  await hook.until(1)
  await server.restart()
  isOpen = true
  await hook.until(2)
  const told = await read(hook, 'EventGridSchema')
  assert.ok(told.every(({ subject }) => subject.endsWith('/topics/lasting')))
  await eventGrid().eventSubscriptions.beginDeleteAndWait(subscription, 'lasting')
})
