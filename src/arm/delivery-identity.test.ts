import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  eventSubscriptionPath,
  knownAccount,
  startControlPlane,
  topicPath,
  toWebhook,
} from '../testing/control-plane.ts'

const queue = {
  endpointType: 'StorageQueue',
  properties: { resourceId: knownAccount, queueName: 'orders', queueMessageTimeToLiveInSeconds: 60 },
}
const identity = { type: 'SystemAssigned', userAssignedIdentity: null }
const deliveryWithResourceIdentity = { identity, destination: queue }

async function started(t: Parameters<typeof startControlPlane>[0]) {
  const server = await startControlPlane(t)
  await server.makeTopic()
  await server.call('PATCH', topicPath, { identity: { type: 'SystemAssigned' } })
  return server
}

test('a destination that is reached with an identity of the topic is shown with it, and not beside it', async (t) => {
  const { call } = await started(t)
  const body = { properties: { deliveryWithResourceIdentity: { ...deliveryWithResourceIdentity } } }
  const made = await call('PUT', eventSubscriptionPath, body)
  assert.equal(made.status, 201, JSON.stringify(made.body))
  const { properties } = (await call('GET', eventSubscriptionPath)).body
  assert.equal(properties.destination, null)
  assert.deepEqual(properties.deliveryWithResourceIdentity, deliveryWithResourceIdentity)
  assert.equal((await call('POST', `${eventSubscriptionPath}/getFullUrl`)).body.endpointUrl, null)
})

test('an update goes from the one way of delivering to the other, and leaves it when it names neither', async (t) => {
  const { call } = await started(t)
  const ways = async () => {
    const { destination, deliveryWithResourceIdentity: withIdentity } = (
      await call('GET', eventSubscriptionPath)
    ).body.properties
    return [destination?.endpointType, withIdentity?.destination.endpointType]
  }
  await call('PUT', eventSubscriptionPath, toWebhook())
  assert.deepEqual(await ways(), ['WebHook', undefined])
  const updated = await call('PATCH', eventSubscriptionPath, { deliveryWithResourceIdentity })
  assert.equal(updated.status, 201, JSON.stringify(updated.body))
  assert.deepEqual(await ways(), [undefined, 'StorageQueue'])
  await call('PATCH', eventSubscriptionPath, { labels: ['x'] })
  assert.deepEqual(await ways(), [undefined, 'StorageQueue'])
  await call('PATCH', eventSubscriptionPath, { destination: queue })
  assert.deepEqual(await ways(), ['StorageQueue', undefined])
  const both = await call('PATCH', eventSubscriptionPath, {
    destination: queue,
    deliveryWithResourceIdentity,
  })
  assert.equal(both.status, 400)
})

test('what was read of a delivery with an identity may be sent back', async (t) => {
  const { call } = await started(t)
  await call('PUT', eventSubscriptionPath, { properties: { deliveryWithResourceIdentity } })
  const read = (await call('GET', eventSubscriptionPath)).body
  const echoed = await call('PATCH', eventSubscriptionPath, read)
  assert.equal(echoed.status, 201, JSON.stringify(echoed.body))
  assert.deepEqual((await call('GET', eventSubscriptionPath)).body.properties, read.properties)
})

test('a dead-letter container that is reached with an identity of the topic is shown with it, and an update changes the way', async (t) => {
  const { call, catalog } = await started(t)
  const container = {
    endpointType: 'StorageBlob',
    properties: { resourceId: knownAccount, blobContainerName: 'letters' },
  }
  const deadLetterWithResourceIdentity = { identity, deadLetterDestination: container }
  const made = await call('PUT', eventSubscriptionPath, toWebhook({ deadLetterWithResourceIdentity }))
  assert.equal(made.status, 201, JSON.stringify(made.body))
  const ways = async () => {
    const { properties } = (await call('GET', eventSubscriptionPath)).body
    return [properties.deadLetterDestination, properties.deadLetterWithResourceIdentity]
  }
  assert.deepEqual(await ways(), [null, deadLetterWithResourceIdentity])
  const inForce = () => [...catalog.eventSubscriptions()].map(({ deadLetter }) => deadLetter)
  const letters = { storageAccountId: knownAccount, containerName: 'letters' }
  assert.deepEqual(inForce(), [letters])
  await call('PATCH', eventSubscriptionPath, { deadLetterDestination: container })
  assert.deepEqual(await ways(), [container, null])
  assert.deepEqual(inForce(), [letters])
  await call('PATCH', eventSubscriptionPath, { deadLetterWithResourceIdentity })
  assert.deepEqual(await ways(), [null, deadLetterWithResourceIdentity])
  await call('PATCH', eventSubscriptionPath, { deadLetterWithResourceIdentity: null })
  assert.deepEqual(await ways(), [null, null])
  assert.deepEqual(inForce(), [undefined])
})
