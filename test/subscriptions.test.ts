import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { EventGridManagementClient } from '@azure/arm-eventgrid'
import { ResourceManagementClient } from '@azure/arm-resources'
import { OperatorError } from '../src/base/operator-error.ts'
import { readOptions } from '../src/config.ts'
import { subscription } from '../src/testing/control-plane.ts'
import { startTestServer } from '../src/testing/test-server.ts'

/*
 * More than one subscription, as the configuration names them: through the official clients over HTTPS.
 */

const staging = '6b1f4c0e-2d5a-4f8b-9c3e-7a1d0e5f2b48'
const server = await startTestServer(
  { after },
  { file: { subscriptions: [{ id: staging.toUpperCase(), displayName: 'Staging' }] } },
)
setDefaultCACertificates([...getCACertificates(), server.ca])

const credential = {
  getToken: () => Promise.resolve({ token: 'any', expiresOnTimestamp: Date.now() + 3_600_000 }),
}
const settings = { endpoint: server.https }
const resources = new ResourceManagementClient(credential, staging, settings)
const eventGrid = new EventGridManagementClient(credential, staging, settings)
const call = (method: string, path: string, body?: unknown) => server.call(method, path, body)

test('the default subscription comes first, the configured ones follow by their names', async () => {
  const answer = await fetch(`${server.http}/subscriptions?api-version=2022-12-01`)
  const { value, count } = (await answer.json()) as {
    value: { subscriptionId: string; displayName: string; state: string }[]
    count: { value: number }
  }
  assert.deepEqual(
    value.map(({ subscriptionId, displayName, state }) => [subscriptionId, displayName, state]),
    [
      ['00000000-0000-0000-0000-000000000000', 'Busbar', 'Enabled'],
      [staging, 'Staging', 'Enabled'],
    ],
  )
  assert.equal(count.value, 2)
  const one = await call('GET', `/subscriptions/${staging.toUpperCase()}`)
  assert.equal(one.body.id, `/subscriptions/${staging}`)
})

test('groups, topics, event subscriptions and lists are of one subscription', async () => {
  await resources.resourceGroups.createOrUpdate('rg', { location: 'westus2' })
  const made = await eventGrid.topics.beginCreateOrUpdateAndWait('rg', 'invoices', { location: 'westus2' })
  assert.equal(
    made.id,
    `/subscriptions/${staging}/resourceGroups/rg/providers/Microsoft.EventGrid/topics/invoices`,
  )
  await eventGrid.eventSubscriptions
    .beginCreateOrUpdateAndWait(made.id ?? '', 'es1', {
      destination: {
        endpointType: 'StorageQueue',
        resourceId: `/subscriptions/${staging}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/none`,
        queueName: 'q',
      },
    })
    .catch((error: { message: string }) => assert.match(error.message, /connection/))
  const names = async (items: AsyncIterable<{ name?: string }>) =>
    (await Array.fromAsync(items)).map(({ name }) => name)
  assert.deepEqual(await names(eventGrid.topics.listBySubscription()), ['invoices'])
  assert.deepEqual(await names(resources.resources.list()), ['invoices'])
  assert.deepEqual(await names(resources.resourceGroups.list()), ['rg'])
  const others = await call('GET', `${subscription}/resources`)
  assert.deepEqual(
    others.body.value.map(({ name }: { name: string }) => name),
    ['orders'],
  )
  const keys = await eventGrid.topics.listSharedAccessKeys('rg', 'invoices')
  const published = await fetch(`${server.http}${new URL(made.endpoint ?? '').pathname}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'aeg-sas-key': keys.key1 ?? '' },
    body: JSON.stringify([
      { id: '1', subject: '/', eventType: 'a', eventTime: '2026-01-02T03:04:05Z', data: {} },
    ]),
  })
  assert.equal(published.status, 200)
})

test('a topic name is taken once for all subscriptions', async () => {
  await resources.resourceGroups.createOrUpdate('rg', { location: 'westus2' })
  await assert.rejects(eventGrid.topics.beginCreateOrUpdateAndWait('rg', 'orders', { location: 'westus2' }), {
    statusCode: 409,
  })
})

test('a group of one subscription is deleted and polled there, and the other keeps its own', async () => {
  await resources.resourceGroups.createOrUpdate('rg', { location: 'westus2' })
  const deleted = await call('DELETE', `/subscriptions/${staging}/resourceGroups/rg`)
  assert.match(
    deleted.headers.get('location') ?? '',
    new RegExp(`/subscriptions/${staging}/operationresults/`),
  )
  assert.equal(await resources.resourceGroups.checkExistence('rg').then(({ body }) => body), false)
  assert.equal((await call('GET', `${subscription}/resourceGroups/rg`)).status, 200)
})

test('a subscription that nobody configured is not found', async () => {
  const { status, body } = await call(
    'GET',
    '/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups',
  )
  assert.equal(status, 404)
  assert.equal(body.error.code, 'SubscriptionNotFound')
})

test('a subscription in the file is a guid, and there once', async (t) => {
  const refused = async (file: object, message: RegExp) => {
    await assert.rejects(startTestServer(t, { file: { ...file } }), (error: unknown) => {
      assert.ok(error instanceof OperatorError)
      assert.match(error.message, message)
      return true
    })
  }
  await refused({ subscriptions: [{ id: 'mine' }] }, /'subscriptions'.*'mine' is not a guid/)
  await refused({ subscriptions: [{ id: staging }, { id: staging.toUpperCase() }] }, /is there twice/)
  assert.deepEqual((await readOptions({ flags: { httpPort: '0', httpsPort: '0' } })).subscriptions, [])
})
