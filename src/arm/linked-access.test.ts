import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventSubscriptions } from '../resources/event-subscriptions/event-subscriptions.ts'
import { namespaceEventSubscriptions } from '../resources/namespace-event-subscriptions.ts'
import { namespaces } from '../resources/namespaces.ts'
import type { ResourceType } from '../resources/resource-type.ts'
import type { WireObject } from '../wire/shape.ts'
import { linkedAccess } from './linked-access.ts'
import type { ResourceRef } from './resource-ref.ts'

const group = '/subscriptions/s/resourceGroups/rg/providers'
const hub = `${group}/Microsoft.EventHub/namespaces/n/eventhubs/h`
const account = `${group}/Microsoft.Storage/storageAccounts/a`
const topic = `${group}/Microsoft.EventGrid/topics/t`

const scopesOf = (type: ResourceType, body: WireObject) =>
  linkedAccess({ type } as ResourceRef, body, undefined).map(({ scope }) => scope)

test('what an event subscription delivers to must be permitted, however its members are spelled', () => {
  const destination = { endpointType: 'EventHub', properties: { resourceId: hub } }
  assert.deepEqual(scopesOf(eventSubscriptions, { properties: { destination } }), [hub])
  assert.deepEqual(
    scopesOf(eventSubscriptions, { PROPERTIES: { Destination: { Properties: { ResourceID: hub } } } }),
    [hub],
  )
  assert.deepEqual(scopesOf(eventSubscriptions, { Destination: destination }), [hub])
})

test('so must what one on a topic of a namespace pushes and dead-letters to', () => {
  const container = { endpointType: 'StorageBlob', properties: { resourceId: account } }
  const push = {
    destination: { endpointType: 'EventHub', properties: { resourceId: hub } },
    deadLetterDestinationWithResourceIdentity: { deadLetterDestination: container },
  }
  assert.deepEqual(
    scopesOf(namespaceEventSubscriptions, { properties: { deliveryConfiguration: { push } } }),
    [hub, account],
  )
  const queue = { deadLetterDestinationWithResourceIdentity: container }
  assert.deepEqual(
    scopesOf(namespaceEventSubscriptions, { properties: { DeliveryConfiguration: { Queue: queue } } }),
    [account],
  )
})

test('so must the topic that a namespace routes messages to', () => {
  const topicSpacesConfiguration = { RouteTopicResourceId: topic }
  assert.deepEqual(scopesOf(namespaces, { properties: { topicSpacesConfiguration } }), [topic])
})
