import assert from 'node:assert/strict'
import { subscription } from './control-plane.ts'
import type { TestServer } from './test-server.ts'

/** The namespace of tests, and the id of one of its topics. */
export const testNamespaceId = `${subscription}/resourceGroups/rg/providers/Microsoft.EventGrid/namespaces/plant`
export const namespaceTopicId = (topic = 'readings') => `${testNamespaceId}/topics/${topic}`
export const namespaceEventSubscriptionId = (name = 'es1', topic = 'readings') =>
  `${namespaceTopicId(topic)}/eventSubscriptions/${name}`

const put = async (server: TestServer, id: string, body: unknown) => {
  const answer = await server.call('PUT', id, body)
  assert([200, 201].includes(answer.status), `PUT ${id}: ${JSON.stringify(answer.body)}`)
}

/**
 * Makes the namespace `plant` with a topic `readings`, and a custom topic `clouds` whose events go there: what
 * `publish` with that topic sends is published to the namespace's topic.
 */
export async function makeNamespaceTopic(
  server: TestServer,
  topic: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  await put(server, testNamespaceId, { location: 'westus2', identity: { type: 'SystemAssigned' } })
  await put(server, namespaceTopicId(), { properties: topic })
  await server.createTopic('clouds', { inputSchema: 'CloudEventSchemaV1_0' })
  await put(server, server.idOf('onward', 'clouds'), {
    properties: {
      destination: { endpointType: 'NamespaceTopic', properties: { resourceId: namespaceTopicId() } },
    },
  })
}

/** Publishes CloudEvents through it; members that one must have are filled in. */
export async function publishReadings(
  server: TestServer,
  ...events: readonly Readonly<Record<string, unknown>>[]
): Promise<void> {
  const body = events.map((event) => ({ specversion: '1.0', source: '/plant', type: 'reading', ...event }))
  const contentType = 'application/cloudevents-batch+json'
  const response = await server.publishRaw(JSON.stringify(body), { topic: 'clouds', contentType })
  assert.equal(response.status, 200, await response.text())
  await server.settle()
}

/** What `deliveryConfiguration` of a push event subscription says. */
export const pushTo = (
  endpointUrl: string,
  push: Readonly<Record<string, unknown>> = {},
  webhook: Readonly<Record<string, unknown>> = {},
) => ({
  deliveryMode: 'Push',
  push: { destination: { endpointType: 'WebHook', properties: { endpointUrl, ...webhook } }, ...push },
})

/** Makes an event subscription on the topic and expects that it succeeds. */
export async function subscribeReadings(
  server: TestServer,
  deliveryConfiguration: unknown,
  properties: Readonly<Record<string, unknown>> = {},
  name = 'es1',
): Promise<void> {
  const id = namespaceEventSubscriptionId(name)
  await put(server, id, { properties: { deliveryConfiguration, ...properties } })
  const { body } = await server.call('GET', id)
  assert.equal(body.properties.provisioningState, 'Succeeded')
}
