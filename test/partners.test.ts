import assert from 'node:assert/strict'
import { after, type TestContext, test } from 'node:test'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { EventGridManagementClient } from '@azure/arm-eventgrid'
import { AzureKeyCredential, EventGridPublisherClient } from '@azure/eventgrid'
import { defaultSubscriptionId } from '../src/arm/arm.ts'
import { type RecordingWebhook, startRecordingWebhook } from '../src/testing/recording-webhook.ts'
import { startTestServer } from '../src/testing/test-server.ts'

/*
 * Partner events, seen from outside: a partner publishes to its namespace, and each subscriber gets what is for its
 * own partner topic once it has activated that.
 *
 * Source: learn.microsoft.com/azure/event-grid/partner-events-overview and onboard-partner
 */

const server = await startTestServer({ after })
setDefaultCACertificates([...getCACertificates(), server.ca])

const credential = {
  getToken: () => Promise.resolve({ token: 'any', expiresOnTimestamp: Date.now() + 3_600_000 }),
}
const eventGrid = () =>
  new EventGridManagementClient(credential, defaultSubscriptionId, { endpoint: server.https })

/** A partner with a namespace of that routing mode, authorized in group `rg`. */
async function makePartner(
  name: string,
  partnerTopicRoutingMode: 'ChannelNameHeader' | 'SourceEventAttribute',
) {
  const { partnerRegistrations, partnerConfigurations, partnerNamespaces } = eventGrid()
  const { id } = await partnerRegistrations.beginCreateOrUpdateAndWait('rg', name, { location: 'global' })
  if (!(await server.call('GET', configuration)).body?.id)
    await partnerConfigurations.beginCreateOrUpdateAndWait('rg', {})
  await partnerConfigurations.authorizePartner('rg', { partnerName: name })
  const namespace = await partnerNamespaces.beginCreateOrUpdateAndWait('rg', name, {
    location: 'westus2',
    partnerRegistrationFullyQualifiedId: id as string,
    partnerTopicRoutingMode,
  })
  const { key1 = '' } = await partnerNamespaces.listSharedAccessKeys('rg', name)
  const publisher = new EventGridPublisherClient(
    namespace.endpoint as string,
    'CloudEvent',
    new AzureKeyCredential(key1),
  )
  return { id: namespace.id as string, endpoint: namespace.endpoint as string, key1, publisher }
}

const configuration = '/resourceGroups/rg/providers/Microsoft.EventGrid/partnerConfigurations/default'

/** A channel, its partner topic, and a webhook that stands on that. */
async function makeChannel(t: TestContext, namespace: string, name: string, activate = true) {
  const { channels, partnerTopics, partnerTopicEventSubscriptions } = eventGrid()
  const topicName = `${namespace}-${name}`
  await channels.createOrUpdate('rg', namespace, name, {
    channelType: 'PartnerTopic',
    partnerTopicInfo: {
      azureSubscriptionId: defaultSubscriptionId,
      resourceGroupName: 'rg',
      name: topicName,
      source: `/accounts/${name}`,
    },
  })
  if (activate) await partnerTopics.activate('rg', topicName)
  const hook = await startRecordingWebhook(t)
  await partnerTopicEventSubscriptions.beginCreateOrUpdateAndWait('rg', topicName, 'own', {
    destination: { endpointType: 'WebHook', endpointUrl: hook.url },
  })
  return hook
}

const idsOf = ({ received }: RecordingWebhook) => received.map(({ body }) => (body as { id: string }).id)
const event = (id: string, source = '/anywhere') => ({ id, source, type: 't', data: {} })

test('events go to the partner topic of the channel that the request names, and to no other', async (t) => {
  const { publisher } = await makePartner('by-name', 'ChannelNameHeader')
  const one = await makeChannel(t, 'by-name', 'one')
  const two = await makeChannel(t, 'by-name', 'two')
  await publisher.send([event('1'), event('2', '/accounts/two')], { channelName: 'ONE' })
  await publisher.send([event('3')], { channelName: 'two' })
  await one.until(2)
  await two.until(1)
  await server.settle()
  assert.deepEqual(idsOf(one).toSorted(), ['1', '2'])
  assert.deepEqual(idsOf(two), ['3'])
  assert.equal((two.received[0]?.body as { source?: string } | undefined)?.source, '/anywhere')
})

test('a request that names no channel, or one that is not there, is refused', async (t) => {
  const { publisher, endpoint, key1 } = await makePartner('refusing', 'ChannelNameHeader')
  const hook = await makeChannel(t, 'refusing', 'one')
  await assert.rejects(publisher.send([event('1')]), { statusCode: 400 })
  await assert.rejects(publisher.send([event('1')], { channelName: 'none' }), { statusCode: 404 })
  const grid = new EventGridPublisherClient(endpoint, 'EventGrid', new AzureKeyCredential(key1))
  const gridEvent = { id: '1', eventType: 't', subject: '/', dataVersion: '1', data: {} }
  await assert.rejects(grid.send([gridEvent]), (error: { statusCode: number }) => error.statusCode >= 400)
  await server.settle()
  assert.deepEqual(hook.received, [])
})

test('events go to the partner topic of the channel that has their source', async (t) => {
  const { id, publisher } = await makePartner('by-source', 'SourceEventAttribute')
  const one = await makeChannel(t, 'by-source', 'one')
  const two = await makeChannel(t, 'by-source', 'two')
  await publisher.send([
    event('1', '/accounts/one'),
    event('2', '/accounts/two'),
    event('3', '/accounts/none'),
  ])
  await one.until(1)
  await two.until(1)
  await server.settle()
  assert.deepEqual([idsOf(one), idsOf(two)], [['1'], ['2']])
  assert.equal(await server.metric('busbar_unmatched_events_total', { topic: id }), 1)
  const trace = await server.trace('1')
  assert.match(trace.topicId, /\/partnerTopics\/by-source-one$/)
  assert.deepEqual(
    trace.eventSubscriptions.map(({ name, matched }) => [name, matched]),
    [['own', true]],
  )
})

test('a partner topic gets events while it is activated, and those of other times are wanted by nobody', async (t) => {
  const { id, publisher } = await makePartner('by-turns', 'ChannelNameHeader')
  const hook = await makeChannel(t, 'by-turns', 'one', false)
  const { partnerTopics } = eventGrid()
  const send = (eventId: string) => publisher.send([event(eventId)], { channelName: 'one' })
  await send('before')
  await partnerTopics.activate('rg', 'by-turns-one')
  await send('while')
  await partnerTopics.deactivate('rg', 'by-turns-one')
  await send('after')
  await hook.until(1)
  await server.settle()
  assert.deepEqual(idsOf(hook), ['while'])
  assert.equal(await server.metric('busbar_unmatched_events_total', { topic: id }), 2)
})

test('channels, partner topics and their activation outlive the process', async (t) => {
  const { endpoint, key1 } = await makePartner('lasting', 'ChannelNameHeader')
  const hook = await makeChannel(t, 'lasting', 'one')
  await server.restart()
  const url = new URL(new URL(endpoint).pathname, server.https).href
  const publisher = new EventGridPublisherClient(url, 'CloudEvent', new AzureKeyCredential(key1))
  await publisher.send([event('1')], { channelName: 'one' })
  await hook.until(1)
})

test("a subscriber's events are delivered to a partner destination once it is activated", async (t) => {
  await makePartner('taking', 'ChannelNameHeader')
  const inbox = await startRecordingWebhook(t)
  const provider = '/resourceGroups/rg/providers/Microsoft.EventGrid'
  const channel = await server.call('PUT', `${provider}/partnerNamespaces/taking/channels/inbox`, {
    properties: {
      channelType: 'PartnerDestination',
      partnerDestinationInfo: {
        resourceGroupName: 'rg',
        name: 'taking-inbox',
        properties: { endpointUrl: `${inbox.url}?code=secret` },
      },
    },
  })
  assert.equal(channel.status, 201, JSON.stringify(channel.body))
  const destination = `${provider}/partnerDestinations/taking-inbox`
  const { id } = (await server.call('GET', destination)).body
  assert.equal((await server.call('POST', `${destination}/activate`)).status, 200)
  await server.createTopic('outgoing', { inputSchema: 'CloudEventSchemaV1_0' })
  const made = await server.call('PUT', server.idOf('to-partner', 'outgoing'), {
    properties: {
      destination: { endpointType: 'PartnerDestination', properties: { resourceId: id } },
      eventDeliverySchema: 'CloudEventSchemaV1_0',
    },
  })
  assert.equal(made.status, 201, JSON.stringify(made.body))
  const published = await server.publishRaw(
    JSON.stringify({ specversion: '1.0', id: '1', source: '/s', type: 't' }),
    { topic: 'outgoing', contentType: 'application/cloudevents+json' },
  )
  assert.equal(published.status, 200)
  await inbox.until(1)
  assert.match(inbox.received[0]?.url ?? '', /code=secret/)
})
