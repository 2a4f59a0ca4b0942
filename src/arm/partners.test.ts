import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Channel } from '@azure/arm-eventgrid'
import { subscription } from '../testing/control-plane.ts'
import { ManualClock } from '../testing/manual-clock.ts'
import { all, connect, webhook } from '../testing/official-clients.ts'
import { defaultSubscriptionId } from './arm.ts'

const dayMs = 86_400_000
const provider = 'providers/Microsoft.EventGrid'

/** A partner with a namespace in group `rg`, and a subscriber with group `theirs`. */
async function start(t: Parameters<typeof connect>[0], { authorize = true } = {}) {
  const clock = new ManualClock()
  const connected = await connect(t, { clock })
  const { eventGrid, resources, server } = connected
  await resources.resourceGroups.createOrUpdate('theirs', { location: 'westus2' })
  const registration = await eventGrid.partnerRegistrations.beginCreateOrUpdateAndWait('rg', 'contoso', {
    location: 'global',
  })
  await eventGrid.partnerNamespaces.beginCreateOrUpdateAndWait('rg', 'contoso-events', {
    location: 'westus2',
    partnerRegistrationFullyQualifiedId: registration.id as string,
    partnerTopicRoutingMode: 'ChannelNameHeader',
  })
  const immutableId = registration.partnerRegistrationImmutableId as string
  if (authorize) {
    await eventGrid.partnerConfigurations.beginCreateOrUpdateAndWait('theirs', {})
    await eventGrid.partnerConfigurations.authorizePartner('theirs', {
      partnerRegistrationImmutableId: immutableId,
    })
  }
  const { channels } = eventGrid
  const makeChannel = (name = 'orders', info: object = {}, more: Partial<Channel> = {}) =>
    channels.createOrUpdate('rg', 'contoso-events', name, {
      channelType: 'PartnerTopic',
      partnerTopicInfo: {
        azureSubscriptionId: defaultSubscriptionId,
        resourceGroupName: 'theirs',
        name: 'contoso-orders',
        source: '/accounts/1',
        ...info,
      },
      messageForActivation: 'Please activate.',
      ...more,
    })
  const channel = (name = 'orders') => channels.get('rg', 'contoso-events', name)
  const topic = (name = 'contoso-orders') => eventGrid.partnerTopics.get('theirs', name)
  return { clock, eventGrid, resources, server, immutableId, makeChannel, channel, topic }
}

const missing = { statusCode: 404 }

test('the official client makes, reads, updates, lists and deletes partner registrations', async (t) => {
  const { eventGrid } = await start(t)
  const { partnerRegistrations } = eventGrid
  const made = await partnerRegistrations.get('rg', 'contoso')
  assert.match(made.partnerRegistrationImmutableId as string, /^[0-9a-f-]{36}$/)
  assert.equal(made.location, 'global')
  await partnerRegistrations.beginUpdateAndWait('rg', 'contoso', { tags: { a: 'b' } })
  assert.deepEqual((await partnerRegistrations.get('rg', 'contoso')).tags, { a: 'b' })
  assert.equal((await all(partnerRegistrations.listByResourceGroup('rg'))).length, 1)
  assert.equal((await all(partnerRegistrations.listBySubscription())).length, 1)
  await assert.rejects(
    partnerRegistrations.beginCreateOrUpdateAndWait('rg', 'contoso', {
      location: 'global',
      partnerRegistrationImmutableId: '0f14d0ab-9605-4a62-a9e4-5ed26688389b',
    }),
    { code: 'PropertyChangeNotAllowed' },
  )
  await partnerRegistrations.beginDeleteAndWait('rg', 'contoso')
  await assert.rejects(partnerRegistrations.get('rg', 'contoso'), missing)
})

test('the official client makes, reads, updates, lists and deletes partner namespaces', async (t) => {
  const { server, eventGrid } = await start(t)
  const { partnerNamespaces } = eventGrid
  const made = await partnerNamespaces.get('rg', 'contoso-events')
  assert.equal(made.endpoint, `${server.url}/partnerNamespaces/westus2/contoso-events/api/events`)
  assert.equal(made.partnerTopicRoutingMode, 'ChannelNameHeader')
  await partnerNamespaces.beginUpdateAndWait('rg', 'contoso-events', { publicNetworkAccess: 'Disabled' })
  assert.equal((await partnerNamespaces.get('rg', 'contoso-events')).publicNetworkAccess, 'Disabled')
  const keys = await partnerNamespaces.listSharedAccessKeys('rg', 'contoso-events')
  const renewed = await partnerNamespaces.regenerateKey('rg', 'contoso-events', { keyName: 'key1' })
  assert.deepEqual([renewed.key1 === keys.key1, renewed.key2 === keys.key2], [false, true])
  assert.equal((await all(partnerNamespaces.listByResourceGroup('rg'))).length, 1)
  assert.equal((await all(partnerNamespaces.listBySubscription())).length, 1)
  const registration = made.partnerRegistrationFullyQualifiedId as string
  const changed = { location: 'westus2', partnerRegistrationFullyQualifiedId: registration }
  await assert.rejects(
    partnerNamespaces.beginCreateOrUpdateAndWait('rg', 'contoso-events', {
      ...changed,
      partnerTopicRoutingMode: 'SourceEventAttribute',
    }),
    { code: 'PropertyChangeNotAllowed' },
  )
  await assert.rejects(
    partnerNamespaces.beginCreateOrUpdateAndWait('rg', 'other', {
      ...changed,
      partnerRegistrationFullyQualifiedId: `${registration}-none`,
    }),
    { statusCode: 400, message: /does not exist/ },
  )
  await partnerNamespaces.beginDeleteAndWait('rg', 'contoso-events')
  await assert.rejects(partnerNamespaces.get('rg', 'contoso-events'), missing)
})

test('a partner configuration authorizes partners until a time, and no longer', async (t) => {
  const { clock, eventGrid, immutableId, makeChannel } = await start(t, { authorize: false })
  const { partnerConfigurations } = eventGrid
  const refused = { statusCode: 403, code: 'AuthorizationFailed' }
  await assert.rejects(makeChannel(), refused)
  const made = await partnerConfigurations.beginCreateOrUpdateAndWait('theirs', {
    partnerAuthorization: { defaultMaximumExpirationTimeInDays: 3 },
  })
  assert.equal(made.location, 'global')
  await assert.rejects(makeChannel(), refused)
  const authorized = await partnerConfigurations.authorizePartner('theirs', { partnerName: 'Contoso' })
  const [partner] = authorized.partnerAuthorization?.authorizedPartnersList ?? []
  assert.equal(partner?.authorizationExpirationTimeInUtc?.getTime(), clock.now() + 3 * dayMs)
  await clock.advance(3 * dayMs)
  await assert.rejects(makeChannel(), refused)
  await partnerConfigurations.authorizePartner('theirs', { partnerName: 'contoso' })
  await makeChannel()
  await partnerConfigurations.beginUpdateAndWait('theirs', { defaultMaximumExpirationTimeInDays: 5 })
  const read = await partnerConfigurations.get('theirs')
  assert.equal(read.partnerAuthorization?.defaultMaximumExpirationTimeInDays, 5)
  assert.equal(read.partnerAuthorization?.authorizedPartnersList?.length, 1)
  await partnerConfigurations.authorizePartner('theirs', { partnerRegistrationImmutableId: immutableId })
  const left = await partnerConfigurations.unauthorizePartner('theirs', { partnerName: 'CONTOSO' })
  assert.deepEqual(
    left.partnerAuthorization?.authorizedPartnersList?.map((each) => each.partnerRegistrationImmutableId),
    [immutableId],
  )
  assert.equal((await all(partnerConfigurations.listByResourceGroup('theirs'))).length, 1)
  assert.equal((await all(partnerConfigurations.listBySubscription())).length, 1)
  await partnerConfigurations.beginDeleteAndWait('theirs')
  await assert.rejects(partnerConfigurations.get('theirs'), missing)
  // What was made stays; more is not.
  await makeChannel()
  await assert.rejects(makeChannel('more', { name: 'another' }), refused)
})

test('a channel makes a partner topic in the group of its subscriber, who activates it', async (t) => {
  const { clock, eventGrid, immutableId, makeChannel, channel, topic } = await start(t)
  const made = await makeChannel()
  assert.equal(made.readinessState, 'NeverActivated')
  assert.equal(made.expirationTimeIfNotActivatedUtc?.getTime(), clock.now() + 7 * dayMs)
  const found = await topic()
  assert.deepEqual(
    [found.activationState, found.source, found.location, found.messageForActivation],
    ['NeverActivated', '/accounts/1', 'westus2', 'Please activate.'],
  )
  assert.equal(found.partnerRegistrationImmutableId, immutableId)
  const { partnerTopics } = eventGrid
  assert.equal((await partnerTopics.activate('theirs', 'contoso-orders')).activationState, 'Activated')
  assert.equal((await channel()).readinessState, 'Activated')
  assert.equal((await partnerTopics.deactivate('theirs', 'contoso-orders')).activationState, 'Deactivated')
  assert.equal((await channel()).readinessState, 'Activated')
  await partnerTopics.update('theirs', 'contoso-orders', {
    tags: { a: 'b' },
    identity: { type: 'SystemAssigned' },
  })
  const updated = await topic()
  assert.deepEqual([updated.tags, updated.identity?.type], [{ a: 'b' }, 'SystemAssigned'])
  assert.equal((await all(partnerTopics.listByResourceGroup('theirs'))).length, 1)
  assert.equal((await all(partnerTopics.listBySubscription())).length, 1)
  // Making the channel again takes nothing away.
  await makeChannel('orders', {}, { messageForActivation: 'Thank you.' })
  const after = await topic()
  assert.deepEqual(
    [after.activationState, after.messageForActivation, after.tags],
    ['Deactivated', 'Thank you.', { a: 'b' }],
  )
  assert.equal((await channel()).readinessState, 'Activated')
  assert.equal((await all(eventGrid.channels.listByPartnerNamespace('rg', 'contoso-events'))).length, 1)
})

test('a channel is updated without a body in the answer, and tells its partner topic', async (t) => {
  const { server, clock, eventGrid, makeChannel, channel, topic } = await start(t)
  await makeChannel()
  const until = new Date(clock.now() + dayMs)
  const eventTypeInfo = { kind: 'Inline' as const, inlineEventTypes: { placed: { displayName: 'Placed' } } }
  const path = `/resourceGroups/rg/${provider}/partnerNamespaces/contoso-events/channels/orders`
  const answer = await server.call('PATCH', path, { properties: {} })
  assert.deepEqual([answer.status, answer.body], [200, undefined])
  await eventGrid.channels.update('rg', 'contoso-events', 'orders', {
    expirationTimeIfNotActivatedUtc: until,
    partnerTopicInfo: { eventTypeInfo },
  })
  for (const each of [await channel(), await topic()])
    assert.equal(each.expirationTimeIfNotActivatedUtc?.getTime(), until.getTime())
  assert.equal((await topic()).eventTypeInfo?.inlineEventTypes?.placed?.displayName, 'Placed')
  assert.equal((await channel()).partnerTopicInfo?.source, '/accounts/1')
  for (const moved of [{ source: '/other' }, { name: 'other' }, { resourceGroupName: 'rg' }])
    await assert.rejects(makeChannel('orders', moved), { code: 'PropertyChangeNotAllowed' })
})

test('what nobody activates in time is removed on both sides', async (t) => {
  const { clock, makeChannel, channel, topic } = await start(t)
  await makeChannel()
  await clock.advance(7 * dayMs - 1)
  await topic()
  await clock.advance(1)
  await assert.rejects(topic(), missing)
  await assert.rejects(channel(), missing)
})

test('what was activated in time stays', async (t) => {
  const { clock, eventGrid, makeChannel, channel, topic } = await start(t)
  await makeChannel()
  await eventGrid.partnerTopics.activate('theirs', 'contoso-orders')
  await clock.advance(30 * dayMs)
  assert.equal((await topic()).activationState, 'Activated')
  assert.equal((await channel()).readinessState, 'Activated')
})

test('deleting one side leaves the other idle, and making the channel again wakes it', async (t) => {
  const { eventGrid, makeChannel, channel, topic } = await start(t)
  await makeChannel()
  await eventGrid.partnerTopics.activate('theirs', 'contoso-orders')
  await eventGrid.channels.beginDeleteAndWait('rg', 'contoso-events', 'orders')
  assert.equal((await topic()).provisioningState, 'IdleDueToMirroredChannelResourceDeletion')
  await eventGrid.partnerTopics.update('theirs', 'contoso-orders', { tags: { a: 'b' } })
  assert.equal((await topic()).provisioningState, 'IdleDueToMirroredChannelResourceDeletion')
  await makeChannel()
  assert.deepEqual(
    [(await topic()).provisioningState, (await topic()).activationState],
    ['Succeeded', 'Activated'],
  )
  await eventGrid.partnerTopics.beginDeleteAndWait('theirs', 'contoso-orders')
  assert.equal((await channel()).provisioningState, 'IdleDueToMirroredPartnerTopicDeletion')
  await makeChannel()
  assert.equal((await channel()).provisioningState, 'Succeeded')
  assert.equal((await topic()).activationState, 'NeverActivated')
  await eventGrid.partnerNamespaces.beginDeleteAndWait('rg', 'contoso-events')
  assert.equal((await topic()).provisioningState, 'IdleDueToMirroredChannelResourceDeletion')
})

test('deleting the group of either side ends, and leaves the other side idle', async (t) => {
  const { eventGrid, resources, makeChannel, channel } = await start(t)
  await makeChannel()
  await resources.resourceGroups.beginDeleteAndWait('theirs')
  assert.equal((await channel()).provisioningState, 'IdleDueToMirroredPartnerTopicDeletion')
  await assert.rejects(makeChannel('more', { name: 'another' }), { statusCode: 403 })
  await resources.resourceGroups.beginDeleteAndWait('rg')
  assert.deepEqual(await all(eventGrid.partnerNamespaces.listBySubscription()), [])
})

test('two channels cannot have one partner topic', async (t) => {
  const { makeChannel } = await start(t)
  await makeChannel()
  await assert.rejects(makeChannel('second'), { statusCode: 409 })
})

test('many requests about both sides at the same moment all end', async (t) => {
  const { eventGrid, makeChannel, channel, topic } = await start(t)
  await makeChannel()
  await Promise.all(
    Array.from({ length: 8 }, (_, n) =>
      n % 2 === 0
        ? makeChannel('orders', {}, { messageForActivation: String(n) })
        : eventGrid.partnerTopics.activate('theirs', 'contoso-orders'),
    ),
  )
  assert.equal((await topic()).activationState, 'Activated')
  assert.equal((await channel()).readinessState, 'Activated')
})

test('the official client makes, reads, updates, lists and deletes event subscriptions on a partner topic', async (t) => {
  const { server, eventGrid, makeChannel } = await start(t)
  await makeChannel()
  const { partnerTopicEventSubscriptions: calls } = eventGrid
  const on = ['theirs', 'contoso-orders'] as const
  const made = await calls.beginCreateOrUpdateAndWait(...on, 'first', {
    destination: webhook('https://example.org/hook?code=1'),
  })
  assert.equal(made.eventDeliverySchema, 'CloudEventSchemaV1_0')
  assert.equal(made.type, 'Microsoft.EventGrid/partnerTopics/eventSubscriptions')
  assert.deepEqual((await calls.beginUpdateAndWait(...on, 'first', { labels: ['x'] })).labels, ['x'])
  assert.equal((await calls.get(...on, 'first')).id, made.id)
  assert.equal((await all(calls.listByPartnerTopic(...on))).length, 1)
  assert.equal((await calls.getFullUrl(...on, 'first')).endpointUrl, 'https://example.org/hook?code=1')
  assert.deepEqual((await calls.getDeliveryAttributes(...on, 'first')).value, [])
  const extension = `/resourceGroups/theirs/${provider}/partnerTopics/contoso-orders/${provider}/eventSubscriptions/x`
  assert.equal((await server.call('PUT', extension, {})).status, 400)
  await calls.beginDeleteAndWait(...on, 'first')
  await assert.rejects(calls.get(...on, 'first'), missing)
})

test('a channel to a partner destination makes one, whose endpoint is told to nobody but delivery', async (t) => {
  const { server, makeChannel } = await start(t)
  await makeChannel()
  const namespace = `/resourceGroups/rg/${provider}/partnerNamespaces/contoso-events`
  const path = `${namespace}/channels/inbox`
  const body = {
    properties: {
      channelType: 'PartnerDestination',
      partnerDestinationInfo: {
        azureSubscriptionId: defaultSubscriptionId,
        resourceGroupName: 'theirs',
        name: 'contoso-inbox',
        endpointType: 'WebHook',
        endpointServiceContext: 'orders',
        properties: {
          endpointUrl: 'https://contoso.example/inbox?code=secret',
          clientAuthentication: {
            clientAuthenticationType: 'AzureAD',
            properties: {
              azureActiveDirectoryTenantId: 'tenant',
              azureActiveDirectoryApplicationIdOrUri: 'app',
            },
          },
        },
      },
    },
  }
  const made = await server.call('PUT', path, body)
  assert.equal(made.status, 201, JSON.stringify(made.body))
  const destination = `/resourceGroups/theirs/${provider}/partnerDestinations/contoso-inbox`
  const read = await server.call('GET', destination)
  assert.equal(read.body.properties.endpointBaseUrl, 'https://contoso.example/inbox')
  for (const answer of [made, read, await server.call('GET', path)])
    assert.doesNotMatch(JSON.stringify(answer.body), /secret/)
  const full = await server.call('POST', `${path}/getFullUrl`)
  assert.equal(full.body.endpointUrl, 'https://contoso.example/inbox?code=secret')
  const facts = () => server.catalog.partners.destination(`${subscription}${destination.toUpperCase()}`)
  assert.deepEqual(facts(), {
    endpointUrl: 'https://contoso.example/inbox?code=secret',
    azureActiveDirectoryTenantId: 'tenant',
    azureActiveDirectoryApplicationIdOrUri: 'app',
    activated: false,
  })
  const activated = await server.call('POST', `${destination}/activate`)
  assert.equal(activated.body.properties.activationState, 'Activated')
  assert.equal(facts()?.activated, true)
  assert.equal((await server.call('GET', path)).body.properties.readinessState, 'Activated')
  await server.call('DELETE', path)
  assert.equal(facts()?.activated, false)
  const idle = await server.call('GET', destination)
  assert.equal(idle.body.properties.provisioningState, 'IdleDueToMirroredChannelResourceDeletion')
})

test('no partner is verified here', async (t) => {
  const { eventGrid } = await start(t)
  assert.deepEqual(await all(eventGrid.verifiedPartners.list()), [])
  await assert.rejects(eventGrid.verifiedPartners.get('contoso'), missing)
})

test('a partner that was authorized by name is unauthorized by name and id together, and the other way round', async (t) => {
  const { eventGrid, immutableId } = await start(t)
  const { partnerConfigurations } = eventGrid
  const listed = async () =>
    (await partnerConfigurations.get('theirs')).partnerAuthorization?.authorizedPartnersList?.length
  const [byId, byName] = [{ partnerRegistrationImmutableId: immutableId }, { partnerName: 'contoso' }]
  const both = { ...byId, ...byName }
  await partnerConfigurations.unauthorizePartner('theirs', byId)
  for (const [given, taken] of [
    [byName, both],
    [both, byName],
    [both, byId],
    [byId, both],
  ] as const) {
    await partnerConfigurations.authorizePartner('theirs', given)
    assert.equal(await listed(), 1)
    await partnerConfigurations.unauthorizePartner('theirs', taken)
    assert.equal(await listed(), 0, JSON.stringify([given, taken]))
  }
  await partnerConfigurations.authorizePartner('theirs', both)
  const other = '00000000-0000-0000-0000-000000000001'
  await partnerConfigurations.unauthorizePartner('theirs', { ...both, partnerRegistrationImmutableId: other })
  assert.equal(await listed(), 1)
})

test('a channel that a crash left without its partner topic has it after the next start', async (t) => {
  const { server, makeChannel } = await start(t)
  await makeChannel()
  const [found] = server.catalog.below('Microsoft.EventGrid/partnerTopics', '')
  assert.ok(found)
  await server.catalog.remove([found.resource])
  await server.close()
  const { eventGrid } = await connect(t, { disk: server.disk })
  const topic = await eventGrid.partnerTopics.get('theirs', 'contoso-orders')
  assert.equal(topic.activationState, 'NeverActivated')
  assert.equal(topic.source, '/accounts/1')
  await eventGrid.partnerTopics.activate('theirs', 'contoso-orders')
  const channel = await eventGrid.channels.get('rg', 'contoso-events', 'orders')
  assert.equal(channel.readinessState, 'Activated')
})

test('a channel that a crash left alone where its partner is no longer authorized is idle', async (t) => {
  const { server, makeChannel, eventGrid: first } = await start(t)
  await makeChannel()
  const [found] = server.catalog.below('Microsoft.EventGrid/partnerTopics', '')
  assert.ok(found)
  await server.catalog.remove([found.resource])
  await first.partnerConfigurations.beginDeleteAndWait('theirs')
  await server.close()
  const { eventGrid } = await connect(t, { disk: server.disk })
  const channel = await eventGrid.channels.get('rg', 'contoso-events', 'orders')
  assert.equal(channel.provisioningState, 'IdleDueToMirroredPartnerTopicDeletion')
})

test('a delete that a crash cut off after the other side was told leaves both as they were', async (t) => {
  const { server, makeChannel } = await start(t)
  await makeChannel()
  const [found] = server.catalog.below('Microsoft.EventGrid/partnerTopics', '')
  assert.ok(found)
  const { twinId: _let, ...alone } = found.resource
  await server.catalog.put({ ...alone, provisioningState: 'IdleDueToMirroredChannelResourceDeletion' })
  await server.close()
  const { eventGrid } = await connect(t, { disk: server.disk })
  const topic = await eventGrid.partnerTopics.get('theirs', 'contoso-orders')
  assert.equal(topic.provisioningState, 'Succeeded')
  await eventGrid.channels.beginDeleteAndWait('rg', 'contoso-events', 'orders')
  assert.equal(
    (await eventGrid.partnerTopics.get('theirs', 'contoso-orders')).provisioningState,
    'IdleDueToMirroredChannelResourceDeletion',
  )
})
