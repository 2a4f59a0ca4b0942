import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { EventGridManagementClient } from '@azure/arm-eventgrid'
import { ResourceManagementClient } from '@azure/arm-resources'
import { defaultSubscriptionId } from '../src/arm/arm.ts'
import { subscription } from '../src/testing/control-plane.ts'
import { ManualClock } from '../src/testing/manual-clock.ts'
import { startRecordingWebhook } from '../src/testing/recording-webhook.ts'
import { eventually, startTestServer, type TestServer } from '../src/testing/test-server.ts'

/*
 * Resources that move to another group, with what stands on them and the events that wait.
 */

const groupOf = (name: string) => `${subscription}/resourceGroups/${name}`
const idIn = (group: string, type: string, name: string) => `${groupOf(group)}/providers/${type}/${name}`
const topicIn = (group: string, name = 'orders') => idIn(group, 'Microsoft.EventGrid/topics', name)

const credential = {
  getToken: () => Promise.resolve({ token: 'any', expiresOnTimestamp: Date.now() + 3_600_000 }),
}

function clientsOf(server: TestServer) {
  const settings = { endpoint: server.http, allowInsecureConnection: true }
  const eventGrid = new EventGridManagementClient(credential, defaultSubscriptionId, settings)
  const { resources, pipeline } = new ResourceManagementClient(credential, defaultSubscriptionId, settings)
  for (const each of [eventGrid.pipeline, pipeline])
    each.removePolicy({ name: 'bearerTokenAuthenticationPolicy' })
  return { eventGrid, resources }
}

async function start(t: TestContext, clock?: ManualClock) {
  const server = await startTestServer(t, { ...(clock && { clock }) })
  await server.call('PUT', '/resourceGroups/other', { location: 'westus2' })
  const move = (ids: readonly string[], action = 'moveResources', target = groupOf('other')) =>
    server.call('POST', `/resourceGroups/rg/${action}`, { resources: ids, targetResourceGroup: target })
  return { server, move, ...clientsOf(server) }
}

test('a topic moves with its keys, its endpoint, its event subscriptions and the events that wait for them', async (t) => {
  const clock = new ManualClock()
  const { server, eventGrid, resources } = await start(t, clock)
  const receiver = { status: 503 }
  const hook = await startRecordingWebhook(t, (_request, response) => {
    response.statusCode = receiver.status
    response.end()
  })
  await server.subscribe({ to: hook.url })
  await server.publish({ id: 'waits' })
  await server.settle()
  const before = await eventGrid.topics.listSharedAccessKeys('rg', 'orders')
  const { endpoint } = await eventGrid.topics.get('rg', 'orders')

  await resources.beginValidateMoveResourcesAndWait('rg', {
    resources: [topicIn('rg')],
    targetResourceGroup: groupOf('other'),
  })
  assert.equal((await eventGrid.topics.get('rg', 'orders')).name, 'orders')
  await resources.beginMoveResourcesAndWait('rg', {
    resources: [topicIn('rg')],
    targetResourceGroup: groupOf('other'),
  })

  await assert.rejects(eventGrid.topics.get('rg', 'orders'), { statusCode: 404 })
  const moved = await eventGrid.topics.get('other', 'orders')
  assert.equal(moved.id, topicIn('other'))
  assert.equal(moved.endpoint, endpoint)
  assert.deepEqual(await eventGrid.topics.listSharedAccessKeys('other', 'orders'), before)
  const [es] = await Array.fromAsync(eventGrid.topicEventSubscriptions.list('other', 'orders'))
  assert.equal(es?.name, 'es1')
  receiver.status = 200
  await server.publish({ id: 'new' })
  await clock.advance(60_000)
  await server.settle()
  const delivered = hook.received.slice(1).flatMap(({ body }) => body as { id: string; topic: string }[])
  assert.deepEqual(
    delivered.map(({ id }) => id).toSorted(),
    ['new', 'waits'],
    'both of them once, after the first attempt that failed',
  )
  // What was accepted before tells where it came from.
  assert.deepEqual(Object.fromEntries(delivered.map(({ id, topic }) => [id, topic])), {
    waits: topicIn('rg'),
    new: topicIn('other'),
  })
  assert.equal(await server.metric('busbar_delivery_success_total', { topic: topicIn('other') }), 2)
  await server.restart()
  const after = clientsOf(server)
  assert.equal((await after.eventGrid.topics.get('other', 'orders')).id, topicIn('other'))
  await assert.rejects(after.eventGrid.topics.get('rg', 'orders'), { statusCode: 404 })
})

test('no event is lost that is published while its domain moves there and back', async (t) => {
  const { server, move, eventGrid } = await start(t)
  const hook = await startRecordingWebhook(t)
  await eventGrid.domains.beginCreateOrUpdateAndWait('rg', 'dom', { location: 'westus2' })
  const destination = { endpointType: 'WebHook' as const, endpointUrl: hook.url }
  await eventGrid.domainTopicEventSubscriptions.beginCreateOrUpdateAndWait('rg', 'dom', 'tenant', 'all', {
    destination,
  })
  const { key1 = '' } = await eventGrid.domains.listSharedAccessKeys('rg', 'dom')
  const { endpoint = '' } = await eventGrid.domains.get('rg', 'dom')
  let published = 0
  const moving = new AbortController()
  const publish = async () => {
    while (!moving.signal.aborted) {
      const id = String(published++)
      const event = { id, topic: 'tenant', subject: 's', eventType: 't', dataVersion: '1', data: {} }
      const { status } = await fetch(endpoint.replace(server.https, server.http), {
        method: 'POST',
        headers: { 'aeg-sas-key': key1, 'content-type': 'application/json' },
        body: JSON.stringify([{ ...event, eventTime: new Date().toISOString() }]),
      })
      assert.equal(status, 200)
    }
  }
  const publishers = Array.from({ length: 8 }, publish)
  const domain = (group: string) => idIn(group, 'Microsoft.EventGrid/domains', 'dom')
  for (let n = 0; n < 10; n++) {
    assert.equal((await move([domain('rg')])).status, 204)
    const back = { resources: [domain('other')], targetResourceGroup: groupOf('rg') }
    assert.equal((await server.call('POST', '/resourceGroups/other/moveResources', back)).status, 204)
  }
  moving.abort()
  await Promise.all(publishers)
  assert.ok(published > 20, `${published} events`)
  const ids = () =>
    new Set(hook.received.flatMap(({ body }) => (body as { id: string }[]).map(({ id }) => id)))
  await eventually(() => ids().size === published)
})

test('what stands on others, waits, or is named by its id does not move, and the refusal says why', async (t) => {
  const { server, move } = await start(t)
  const put = (id: string, body: object) => server.call('PUT', id, { location: 'westus2', ...body })
  const account = idIn('rg', 'Microsoft.Storage/storageAccounts', 'uploads')
  await put(account, {})
  await put(idIn('rg', 'Microsoft.EventGrid/systemTopics', 'uploads'), {
    properties: { source: account, topicType: 'Microsoft.Storage.StorageAccounts' },
  })
  const registration = idIn('rg', 'Microsoft.EventGrid/partnerRegistrations', 'contoso')
  await put(registration, { location: 'global' })
  const refusal = async (ids: readonly string[], action?: string, target?: string) => {
    const { status, body } = await move(ids, action, target)
    return `${status} ${body.error.code} ${body.error.message}`
  }
  assert.match(await refusal([account]), /^400 ResourceMoveNotSupported .*systemTopics\/uploads' names/)
  assert.match(await refusal([account], 'validateMoveResources'), /^400 ResourceMoveNotSupported/)
  assert.match(
    await refusal([registration]),
    /^400 ResourceMoveNotSupported .*partnerRegistrations' do not move/,
  )
  assert.match(await refusal([topicIn('rg', 'none')]), /^404 ResourceNotFound/)
  assert.match(await refusal([topicIn('other')]), /^400 InvalidRequest .*resources in 'rg'/)
  assert.match(await refusal([`${topicIn('rg')}/eventSubscriptions/es1`]), /^400 InvalidRequest/)
  assert.match(await refusal([topicIn('rg')], undefined, groupOf('none')), /^404 ResourceGroupNotFound/)
  assert.match(await refusal([topicIn('rg')], undefined, groupOf('rg')), /^400 InvalidRequest .*another/)
  assert.match(await refusal([]), /^400 InvalidRequest/)
  const vault = (group: string) => idIn(group, 'Microsoft.KeyVault/vaults', 'keys')
  for (const group of ['rg', 'other']) await put(vault(group), {})
  assert.match(await refusal([vault('rg')]), /^409 Conflict There is a resource .*already/)
  const lock = `${topicIn('rg')}/providers/Microsoft.Authorization/locks/one`
  await server.call('PUT', lock, { properties: { level: 'CanNotDelete' } })
  assert.match(await refusal([topicIn('rg')]), /^409 ScopeLocked/)
})

test('a move is told of as an action of its group, a write where a resource is now and a delete where it was', async (t) => {
  const { server, move } = await start(t)
  const hook = await startRecordingWebhook(t)
  await server.call(
    'PUT',
    `${topicIn('rg')}/providers/Microsoft.Authorization/roleAssignments/7d2b6a5e-3c1f-4b8e-9d0a-5f6e7c8b9a01`,
    {
      properties: {
        roleDefinitionId: `${subscription}/providers/Microsoft.Authorization/roleDefinitions/d5a91429-5739-47e2-a06b-3470a27159e7`,
        principalId: '0f14d0ab-9605-4a62-a9e4-5ed26688389b',
      },
    },
  )
  await server.call('PUT', `${subscription}/providers/Microsoft.EventGrid/eventSubscriptions/all`, {
    properties: { destination: { endpointType: 'WebHook', properties: { endpointUrl: hook.url } } },
  })
  await server.settle()
  const seen = hook.received.length
  assert.equal((await move([topicIn('rg')])).status, 204)
  await server.settle()
  const told = hook.received
    .slice(seen)
    .flatMap(({ body }) => body as { eventType: string; subject: string }[])
    .map(({ eventType, subject }) => `${eventType.replace('Microsoft.Resources.Resource', '')} ${subject}`)
    .filter((line) => !line.includes('eventSubscriptions'))
    .toSorted()
  const assignment = `${topicIn('rg')}/providers/Microsoft.Authorization/roleAssignments/7d2b6a5e-3c1f-4b8e-9d0a-5f6e7c8b9a01`
  assert.deepEqual(told, [
    `ActionSuccess ${groupOf('rg')}`,
    `DeleteSuccess ${topicIn('rg')}`,
    `DeleteSuccess ${assignment}`,
    `WriteSuccess ${topicIn('other')}`,
  ])
})
