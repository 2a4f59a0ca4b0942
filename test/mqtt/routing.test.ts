import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { subscription } from '../../src/testing/control-plane.ts'
import { connectMqtt, createTestNamespace } from '../../src/testing/mqtt-namespace.ts'
import { startRecordingWebhook } from '../../src/testing/recording-webhook.ts'
import { startTestServer, type TestServer } from '../../src/testing/test-server.ts'

/*
 * MQTT messages as events of the topic that they are routed to: received from a queue of the same namespace, and
 * delivered from a custom topic.
 */

type Json = Record<string, unknown>

const enrichments = {
  static: [{ key: 'region', value: 'north', valueType: 'String' }],
  dynamic: [
    { key: 'name', value: '${client.authenticationName}' },
    { key: 'floor', value: '${client.attributes.floor}' },
    { key: 'missing', value: '${mqtt.message.userProperties.missing}' },
    { key: 'pfi', value: '${mqtt.message.pfi}' },
  ],
}

async function start(t: TestContext) {
  const server = await startTestServer(t)
  const namespace = await createTestNamespace(server, 'myns')
  const topic = `${namespace.id}/topics/messages`
  await create(server, topic, {})
  await create(server, `${topic}/eventSubscriptions/queue`, {
    deliveryConfiguration: { deliveryMode: 'Queue', queue: {} },
  })
  const certificate = await namespace.register('client1', { attributes: { floor: 5 } })
  await namespace.allow(['#'])
  const client = await connectMqtt(t, server, { clientId: 'session1', username: 'client1', ...certificate })
  const { body: keys } = await server.call('POST', `${namespace.id}/listKeys`)
  const receive = async (count: number): Promise<readonly Json[]> => {
    const events: Json[] = []
    while (events.length < count) {
      const response = await fetch(
        `${server.http}/namespaces/westus2/myns/topics/messages/eventsubscriptions/queue:receive?api-version=2024-06-01&maxEvents=10&maxWaitTime=10`,
        { method: 'POST', headers: { authorization: `SharedAccessKey ${keys.key1}` } },
      )
      assert.equal(response.status, 200, await response.clone().text())
      const { value } = (await response.json()) as { value: { event: Json }[] }
      events.push(...value.map(({ event }) => event))
    }
    return events
  }
  return { server, namespace, client, receive, topicId: subscription + topic }
}

async function create(server: TestServer, path: string, properties: Json): Promise<void> {
  const { status, body } = await server.call('PUT', path, { location: 'westus2', properties })
  assert(status < 300, `${path}: ${JSON.stringify(body)}`)
}

test('messages are received from a queue of the same namespace as CloudEvents with their enrichments', async (t) => {
  const { namespace, client, receive, topicId } = await start(t)
  await client.publishAsync('before', 'it is routed', { qos: 1 })
  await namespace.configure({ routeTopicResourceId: topicId, routingEnrichments: enrichments })
  await client.publishAsync('machines/1', '{"n": 21.50}', {
    qos: 1,
    properties: { contentType: 'application/json; charset=utf-8', payloadFormatIndicator: true },
  })
  await client.publishAsync('machines/2', Buffer.from([0, 255]), { qos: 1 })
  const events = await receive(2)
  const common = { specversion: '1.0', type: 'MQTT.EventPublished', source: 'myns' }
  const added = { region: 'north', name: 'client1', floor: 5, missing: '' }
  assert.deepEqual(
    events.map(({ id, time, ...event }) => {
      assert(typeof id === 'string' && typeof time === 'string')
      return event
    }),
    [
      {
        ...common,
        subject: 'machines/1',
        datacontenttype: 'application/json; charset=utf-8',
        ...added,
        pfi: 1,
        data: { n: 21.5 },
      },
      {
        ...common,
        subject: 'machines/2',
        datacontenttype: 'application/octet-stream',
        ...added,
        pfi: 0,
        data_base64: 'AP8=',
      },
    ],
  )
})

test('a message that nobody may want any more is acknowledged, and counted as not routed', async (t) => {
  const { server, namespace, client, topicId } = await start(t)
  await namespace.configure({ routeTopicResourceId: topicId })
  assert.equal((await server.call('DELETE', `${topicId}/eventSubscriptions/queue`)).status < 300, true)
  assert.equal((await server.call('DELETE', topicId)).status < 300, true)
  await client.publishAsync('a', '1', { qos: 1 })
  await client.publishAsync('a', '2', { qos: 2 })
  const failed = 'busbar_mqtt_failed_routed_messages_total'
  assert.equal(await server.metric(failed, { error: 'TopicNotFoundError' }), 2)
  assert.equal(await server.metric('busbar_mqtt_routed_messages_total'), 0)
})

test('messages go to a custom topic once the identity of the namespace may send to it', async (t) => {
  const { server, namespace, client } = await start(t)
  const hook = await startRecordingWebhook(t)
  const topic = await server.createTopic('routed', { inputSchema: 'CloudEventSchemaV1_0' })
  await server.subscribe({
    to: hook.url,
    topic: 'routed',
    properties: { eventDeliverySchema: 'CloudEventSchemaV1_0' },
  })
  const { status, body } = await server.call('PUT', namespace.id, {
    location: 'westus2',
    identity: { type: 'SystemAssigned' },
    properties: {
      topicSpacesConfiguration: {
        state: 'Enabled',
        routeTopicResourceId: topic.id,
        routingIdentityInfo: { type: 'SystemAssigned' },
      },
    },
  })
  assert(status < 300, JSON.stringify(body))
  await client.publishAsync('a', 'refused', { qos: 1 })
  const failed = 'busbar_mqtt_failed_routed_messages_total'
  assert.equal(await server.metric(failed, { error: 'AuthenticationError' }), 1)
  const { principalId } = (await server.call('GET', namespace.id)).body.identity
  const sender = 'd5a91429-5739-47e2-a06b-3470a27159e7'
  await create(
    server,
    `${topic.id}/providers/Microsoft.Authorization/roleAssignments/6f1c2a53-4d3e-4c5b-9a87-0b1c2d3e4f50`,
    {
      roleDefinitionId: `/providers/Microsoft.Authorization/roleDefinitions/${sender}`,
      principalId,
      principalType: 'ServicePrincipal',
    },
  )
  await client.publishAsync('a', 'sent', { qos: 1 })
  await hook.until(1)
  const [event] = hook.received.flatMap((request) => request.body as Json[])
  assert.equal(Buffer.from(event?.['data_base64'] as string, 'base64').toString(), 'sent')
})

test('a dynamic enrichment that is no variable is refused when the namespace is written', async (t) => {
  const { server, namespace } = await start(t)
  const { status, body } = await server.call('PATCH', namespace.id, {
    properties: {
      topicSpacesConfiguration: {
        state: 'Enabled',
        routingEnrichments: { dynamic: [{ key: 'a', value: '${client.unknown}' }] },
      },
    },
  })
  assert.equal(status, 400)
  assert.match(body.error.message, /one variable: .*client\.unknown/s)
})
