import assert from 'node:assert/strict'
import { after, type TestContext, test } from 'node:test'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { EventGridManagementClient } from '@azure/arm-eventgrid'
import { defaultSubscriptionId } from '../src/arm/arm.ts'
import { subscription } from '../src/testing/control-plane.ts'
import {
  type Received,
  type RecordingWebhook,
  startRecordingWebhook,
} from '../src/testing/recording-webhook.ts'
import { startTestServer } from '../src/testing/test-server.ts'

/*
 * What Azure services raise, seen from outside: it reaches event subscriptions on the source and on its system topic.
 *
 * Source: learn.microsoft.com/azure/event-grid/system-topics
 */

const server = await startTestServer({ after })
setDefaultCACertificates([...getCACertificates(), server.ca])

const credential = {
  getToken: () => Promise.resolve({ token: 'any', expiresOnTimestamp: Date.now() + 3_600_000 }),
}
const eventGrid = () =>
  new EventGridManagementClient(credential, defaultSubscriptionId, { endpoint: server.https })

const group = `${subscription}/resourceGroups/rg`
const account = (name: string) => `${group}/providers/Microsoft.Storage/storageAccounts/${name}`
const storageAccounts = 'Microsoft.Storage.StorageAccounts'
const created = (id: string) => ({
  id,
  eventType: 'Microsoft.Storage.BlobCreated',
  subject: '/blobServices/default/containers/c/blobs/b',
})

async function subscribe(t: TestContext, scope: string, filter = {}) {
  const hook = await startRecordingWebhook(t)
  await eventGrid().eventSubscriptions.beginCreateOrUpdateAndWait(scope, 'on-source', {
    destination: { endpointType: 'WebHook', endpointUrl: hook.url },
    filter,
  })
  return hook
}

const idsOf = ({ received }: RecordingWebhook) =>
  received.flatMap(({ body }) => (body as { id: string }[]).map(({ id }) => id))

test('an event subscription on a source gets what is raised of it, with the source as its topic', async (t) => {
  const source = account('uploads')
  const hook = await subscribe(t, source)
  const other = await subscribe(t, account('others'))
  await server.raise(source, storageAccounts, [created('1'), created('2')])
  await hook.until(2)
  await server.settle()
  assert.deepEqual(idsOf(hook).toSorted(), ['1', '2'])
  assert.deepEqual(other.received, [])
  const { body } = hook.received[0] as Received
  const [delivered] = body as readonly [{ topic: string }]
  assert.equal(delivered.topic, source)
  const { systemTopic = '' } = await eventGrid().extensionTopics.get(source)
  assert.equal(await server.metric('busbar_publish_success_total', { topic: systemTopic }), 2)
  assert.equal((await server.trace('1')).topicId, systemTopic)
  await eventGrid().eventSubscriptions.beginDeleteAndWait(source, 'on-source')
  assert.equal(await server.metric('busbar_publish_success_total', { topic: systemTopic }), 0)
  await server.raise(source, storageAccounts, [created('3')])
})

test('a system topic passes on what is raised of its source to its own event subscriptions', async (t) => {
  const source = account('shared')
  const { systemTopics, systemTopicEventSubscriptions } = eventGrid()
  await systemTopics.beginCreateOrUpdateAndWait('rg', 'shared', {
    location: 'westus2',
    source,
    topicType: storageAccounts,
  })
  const hook = await startRecordingWebhook(t)
  await systemTopicEventSubscriptions.beginCreateOrUpdateAndWait('rg', 'shared', 'own', {
    destination: { endpointType: 'WebHook', endpointUrl: hook.url },
    filter: { includedEventTypes: ['Microsoft.Storage.BlobDeleted'] },
  })
  const onSource = await subscribe(t, source)
  await server.raise(source.toLowerCase(), storageAccounts.toLowerCase(), [
    created('1'),
    { ...created('2'), eventType: 'Microsoft.Storage.BlobDeleted' },
  ])
  await hook.until(1)
  await onSource.until(2)
  await server.settle()
  assert.deepEqual(idsOf(hook), ['2'])
  assert.deepEqual(idsOf(onSource).toSorted(), ['1', '2'])
  const trace = await server.trace('1')
  assert.deepEqual(
    trace.eventSubscriptions.map(({ name, matched }) => [name, matched]),
    [
      ['on-source', true],
      ['own', false],
    ],
  )
})

test('a subscription and a resource group are sources, each of its own events', async (t) => {
  const onSubscription = await subscribe(t, subscription)
  const onGroup = await subscribe(t, group)
  const written = (id: string) => ({
    id,
    eventType: 'Microsoft.Resources.ResourceWriteSuccess',
    subject: '/x',
  })
  await server.raise(subscription, 'Microsoft.Resources.Subscriptions', [written('1')])
  await server.raise(group, 'Microsoft.Resources.ResourceGroups', [written('2')])
  // Resource Manager tells of what was made for this test as well.
  const ours = (hook: RecordingWebhook) => idsOf(hook).filter((id) => id === '1' || id === '2')
  await onSubscription.when(() => ours(onSubscription).length > 0)
  await onGroup.when(() => ours(onGroup).length > 0)
  await server.settle()
  assert.deepEqual([ours(onSubscription), ours(onGroup)], [['1'], ['2']])
})

test('what stands on a source outlives the process, and so does what was raised', async (t) => {
  const source = account('lasting')
  const hook = await subscribe(t, source)
  await server.raise(source, storageAccounts, [created('1')])
  await server.restart()
  await server.raise(source, storageAccounts, [created('2')])
  await hook.until(2)
  await server.settle()
  assert.deepEqual([...new Set(idsOf(hook))].toSorted(), ['1', '2'])
})
