import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect as connectSocket } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { IClientOptions, MqttClient } from 'mqtt'
import type { TestCertificate } from '../../src/testing/client-certificates.ts'
import { apiVersion, subscription } from '../../src/testing/control-plane.ts'
import { connectMqtt, createTestNamespace, disconnection } from '../../src/testing/mqtt-namespace.ts'
import { type RecordingWebhook, startRecordingWebhook } from '../../src/testing/recording-webhook.ts'
import { temporaryDirectory } from '../../src/testing/temporary-directory.ts'
import { startTestServer, type TestServer, type TestServerOptions } from '../../src/testing/test-server.ts'

import { startBusbar } from '../busbar-process.ts'
import { connectOfficial } from './official-client.ts'

/*
 * Life-cycle events of MQTT clients, as a webhook gets them: the members of the documented examples and no others, and
 * each of the eleven reasons by what brings it about.
 */

type Json = Record<string, unknown>

/** What a webhook was sent, oldest first. */
const eventsOf = ({ received }: RecordingWebhook): readonly Json[] =>
  received.flatMap(({ body }) => (Array.isArray(body) ? (body as Json[]) : [body as Json]))

async function listen(
  t: TestContext,
  server: TestServer,
  scope: string,
  schema: 'EventGridSchema' | 'CloudEventSchemaV1_0' = 'EventGridSchema',
): Promise<RecordingWebhook> {
  const hook = await startRecordingWebhook(t)
  const name = schema === 'EventGridSchema' ? 'grid' : 'cloud'
  const { status, body } = await server.call('PUT', `${scope}${name}`, {
    properties: {
      destination: { endpointType: 'WebHook', properties: { endpointUrl: hook.url } },
      eventDeliverySchema: schema,
    },
  })
  assert.equal(status, 201, JSON.stringify(body))
  await waitFor(async () => {
    const { body: now } = await server.call('GET', `${scope}${name}`)
    return now.properties.provisioningState === 'Succeeded'
  })
  return hook
}

async function waitFor(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setImmediate(resolve))
}

async function start(t: TestContext, options?: TestServerOptions) {
  const server = await startTestServer(t, options)
  const namespace = await createTestNamespace(server, 'myns')
  const enter = (name: string, certificate: TestCertificate, more: IClientOptions = {}) =>
    connectMqtt(t, server, { clientId: 'session1', username: name, ...certificate, ...more })
  const id = subscription + namespace.id
  return { server, namespace, enter, id, scope: `${id}/providers/Microsoft.EventGrid/eventSubscriptions/` }
}

/** Quick, so that no test waits for seconds. */
const quick = { file: { limits: { mqttClientEventQuietMs: 20, mqttClientEventMostMs: 40 } } }

/** The event without what is never the same. */
function steady(event: Json | undefined, { id, time }: { id: string; time: string }): Json {
  assert(event)
  const { [id]: given, [time]: at, ...rest } = event
  assert.match(given as string, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
  assert.match(at as string, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z$/)
  return rest
}

const dataOf = (event: Json | undefined) => event?.['data'] as Json

test('each event has the members of its documented example in both schemas, on the namespace and on its system topic', async (t) => {
  const { server, namespace, enter, id, scope } = await start(t, quick)
  const systemTopic = '/resourceGroups/rg/providers/Microsoft.EventGrid/systemTopics/mqtt'
  const made = await server.call('PUT', systemTopic, {
    location: 'westus2',
    properties: { source: id, topicType: 'Microsoft.EventGrid.Namespaces' },
  })
  assert.equal(made.status, 201, JSON.stringify(made.body))
  const gridHook = await listen(t, server, scope)
  const cloudHook = await listen(t, server, `${systemTopic}/eventSubscriptions/`, 'CloudEventSchemaV1_0')

  const certificate = await namespace.register('client1', { attributes: { attribute1: 'value1' } })
  await Promise.all([gridHook, cloudHook].map((hook) => hook.when(() => eventsOf(hook).length >= 1)))
  const client = await enter('client1', certificate)
  await client.endAsync()
  await Promise.all([gridHook, cloudHook].map((hook) => hook.when(() => eventsOf(hook).length >= 3)))
  await namespace.remove('clients/client1')
  await Promise.all([gridHook, cloudHook].map((hook) => hook.when(() => eventsOf(hook).length >= 4)))

  const name = { namespaceName: 'myns', clientAuthenticationName: 'client1' }
  const session = { ...name, clientSessionName: 'session1', sequenceNumber: 1 }
  const byType = (hook: RecordingWebhook, member: string) =>
    new Map(eventsOf(hook).map((event) => [(event[member] as string).split('.').at(-1), event]))
  const grid = byType(gridHook, 'eventType')
  const cloud = byType(cloudHook, 'type')
  const created = dataOf(grid.get('MQTTClientCreatedOrUpdated'))
  assert.equal(created['createdOn'], created['updatedOn'])
  for (const [type, subject, data] of [
    ['MQTTClientSessionConnected', 'clients/client1/sessions/session1', session],
    [
      'MQTTClientSessionDisconnected',
      'clients/client1/sessions/session1',
      { ...session, disconnectionReason: 'ClientInitiatedDisconnect' },
    ],
    [
      'MQTTClientCreatedOrUpdated',
      'clients/client1',
      {
        createdOn: created['createdOn'],
        updatedOn: created['updatedOn'],
        ...name,
        clientName: 'client1',
        state: 'Enabled',
        attributes: { attribute1: 'value1' },
      },
    ],
    ['MQTTClientDeleted', 'clients/client1', { ...name, clientName: 'client1' }],
  ] as const) {
    assert.deepEqual(steady(grid.get(type), { id: 'id', time: 'eventTime' }), {
      eventType: `Microsoft.EventGrid.${type}`,
      topic: id,
      subject,
      dataVersion: '1',
      metadataVersion: '1',
      data,
    })
    assert.deepEqual(steady(cloud.get(type), { id: 'id', time: 'time' }), {
      specversion: '1.0',
      type: `Microsoft.EventGrid.${type}`,
      source: id,
      subject,
      data,
    })
  }
})

test('a client that is made and deleted within a few seconds is told of once, as deleted', async (t) => {
  const { server, namespace, scope } = await start(t, {
    file: { limits: { mqttClientEventQuietMs: 300, mqttClientEventMostMs: 500 } },
  })
  const hook = await listen(t, server, scope)
  await namespace.put('clients/brief', {})
  await namespace.put('clients/brief', { description: 'changed' })
  await namespace.remove('clients/brief')
  await namespace.put('clients/other', {})
  await hook.when(() => eventsOf(hook).length >= 2)
  await server.settle()
  assert.deepEqual(
    eventsOf(hook)
      .map(({ eventType, subject }) => [(eventType as string).split('MQTTClient')[1], subject])
      .toSorted(),
    [
      ['CreatedOrUpdated', 'clients/other'],
      ['Deleted', 'clients/brief'],
    ],
  )
})

for (const protocolVersion of [4, 5] as const)
  test(`who takes over a session in version ${protocolVersion} has the next number, and the old connection is told of`, async (t) => {
    const { server, namespace, enter, scope } = await start(t)
    const certificate = await namespace.register('client1')
    const hook = await listen(t, server, scope)
    const first = await enter('client1', certificate, { protocolVersion })
    const gone = disconnection(first)
    await enter('client1', certificate, { protocolVersion })
    assert.equal(await gone, protocolVersion === 5 ? 0x8e : undefined)
    await hook.when(() => eventsOf(hook).length >= 3)
    const told = eventsOf(hook).map((event) => {
      const { sequenceNumber, disconnectionReason } = dataOf(event)
      return `${String(sequenceNumber)} ${String(disconnectionReason)}`
    })
    // In whatever order they come.
    assert.deepEqual(told.toSorted(), ['1 SessionTakenOver', '1 undefined', '2 undefined'])
  })

/** What brings about each reason, once the client is connected. */
const situations: Readonly<Record<string, (world: Situation) => unknown>> = {
  ClientInitiatedDisconnect: ({ client }) => client.endAsync(),
  ConnectionLost: ({ client }) => client.stream.destroy(),
  // A second CONNECT. [MQTT-3.1.0-2]
  ClientError: ({ client }) =>
    client.stream.write(
      Buffer.from(
        client.options.protocolVersion === 5
          ? '101000044d5154540502003c00000361626300'
          : '100f00044d5154540402003c0003616263',
        'hex',
      ),
    ),
  ClientAuthenticationError: ({ namespace }) => namespace.put('clients/client1', { state: 'Disabled' }),
  ClientAuthorizationError: ({ namespace }) => namespace.remove('permissionBindings/Subscriber'),
  IpForbidden: ({ server, namespace }) =>
    server.call('PATCH', namespace.id, {
      properties: {
        publicNetworkAccess: 'Enabled',
        inboundIpRules: [{ ipMask: '10.9.8.7', action: 'Allow' }],
      },
    }),
  QuotaExceeded: ({ client }) => {
    for (let n = 0; n < 1000; n++) client.publish('allowed/b', 'x', { qos: 0 })
  },
  SessionOverflow: async ({ client, other }) => {
    // It does not read what waits for it, nor acknowledges.
    client.stream.pause()
    client.stream.removeAllListeners('data')
    for (let n = 0; n < 30; n++) await other.publishAsync('allowed/a', 'x', { qos: 1 })
  },
  SessionTakenOver: ({ enter }) => enter(),
  // What the webhook does not get before the end it gets after the next start.
  ServerInitiatedDisconnect: ({ server }) => server.restart(),
}

interface Situation {
  readonly server: TestServer
  readonly namespace: Awaited<ReturnType<typeof createTestNamespace>>
  readonly client: MqttClient
  readonly other: MqttClient
  readonly enter: () => Promise<MqttClient>
}

for (const protocolVersion of [4, 5] as const)
  for (const [reason, bringAbout] of Object.entries(situations))
    test(`a client of version ${protocolVersion} is told of as ${reason}`, async (t) => {
      const isRate = reason === 'QuotaExceeded'
      const { server, namespace, enter, scope } = await start(t, {
        file: {
          mqtt: { limits: { sessionQueueMessages: 20, ...(isRate && { sessionPublishesPerSecond: 10 }) } },
        },
      })
      const certificate = await namespace.register('client1')
      const second = await namespace.register('client2')
      await namespace.allow(['allowed/#'])
      const hook = await listen(t, server, scope)
      const again = () => enter('client1', certificate, { protocolVersion })
      const client = await again()
      await client.subscribeAsync('allowed/a', { qos: 1 })
      const other = await enter('client2', second, { clientId: 'session2' })
      await bringAbout({ server, namespace, client, other, enter: again })
      const found = () =>
        eventsOf(hook).find((event) => {
          const { clientSessionName, disconnectionReason } = dataOf(event)
          return clientSessionName === 'session1' && disconnectionReason !== undefined
        })
      await hook.when(() => found() !== undefined)
      assert.deepEqual(dataOf(found()), {
        namespaceName: 'myns',
        clientAuthenticationName: 'client1',
        clientSessionName: 'session1',
        sequenceNumber: 1,
        disconnectionReason: reason,
      })
    })

test('a failed CONNECT and a TLS connection without one are not told of', async (t) => {
  const { server, namespace, enter, scope } = await start(t)
  const certificate = await namespace.register('client1')
  const hook = await listen(t, server, scope)
  await assert.rejects(enter('nobody', certificate))
  const { port } = new URL(server.mqtts)
  const socket = connectSocket(Number(port), '127.0.0.1')
  await once(socket, 'connect')
  socket.destroy()
  const client = await enter('client1', certificate)
  await client.endAsync()
  await hook.when(() => eventsOf(hook).length >= 2)
  await server.settle()
  assert.equal(eventsOf(hook).length, 2)
})

test('life-cycle events reach a topic of a namespace, as any other destination', async (t) => {
  const { server, namespace, enter, id } = await start(t)
  const certificate = await namespace.register('client1')
  const topic = `${namespace.id}/topics/lifecycle`
  assert.equal((await server.call('PUT', topic, { properties: {} })).status, 201)
  const queue = `${topic}/eventSubscriptions/queue`
  const queued = await server.call('PUT', queue, {
    properties: { deliveryConfiguration: { deliveryMode: 'Queue', queue: {} } },
  })
  assert.equal(queued.status, 201, JSON.stringify(queued.body))
  const made = await server.call('PUT', `${id}/providers/Microsoft.EventGrid/eventSubscriptions/lifecycle`, {
    properties: {
      destination: { endpointType: 'NamespaceTopic', properties: { resourceId: subscription + topic } },
      eventDeliverySchema: 'CloudEventSchemaV1_0',
    },
  })
  assert.equal(made.status, 201, JSON.stringify(made.body))
  const client = await enter('client1', certificate)
  await client.endAsync()
  const { body: keys } = await server.call('POST', `${namespace.id}/listKeys`)
  const types: string[] = []
  while (types.length < 2) {
    const response = await fetch(
      `${server.http}/namespaces/westus2/myns/topics/lifecycle/eventsubscriptions/queue:receive?api-version=2024-06-01&maxEvents=10&maxWaitTime=10`,
      { method: 'POST', headers: { authorization: `SharedAccessKey ${keys.key1}` } },
    )
    assert.equal(response.status, 200, await response.clone().text())
    const { value } = (await response.json()) as { value: { event: Json }[] }
    types.push(...value.map(({ event }) => event['type'] as string))
  }
  assert.deepEqual(types.toSorted(), [
    'Microsoft.EventGrid.MQTTClientSessionConnected',
    'Microsoft.EventGrid.MQTTClientSessionDisconnected',
  ])
})

for (const protocolVersion of [4, 5] as const)
  test(`a client of version ${protocolVersion} that was connected when the server was killed is told of as ServerError`, async (t) => {
    const cwd = await temporaryDirectory(t)
    const flags = ['--https-port', 'off', '--mqtt-port', '0', '--mqtts-port', 'off', '--mqtt-anonymous']
    const startBroker = async () => {
      const busbar = await startBusbar(t, cwd, flags)
      const { mqtt } = JSON.parse(readFileSync(join(cwd, '.busbar', 'run.json'), 'utf8')) as { mqtt: string }
      return { ...busbar, mqtt }
    }
    const killed = await startBroker()
    const hook = await startRecordingWebhook(t)
    const namespace = `${subscription}/resourceGroups/dev/providers/Microsoft.EventGrid/namespaces/dev`
    const eventSubscription = `${namespace}/providers/Microsoft.EventGrid/eventSubscriptions/lifecycle`
    const response = await fetch(`${killed.http}${eventSubscription}?api-version=${apiVersion}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        properties: { destination: { endpointType: 'WebHook', properties: { endpointUrl: hook.url } } },
      }),
    })
    assert.equal(response.status, 201, await response.text())
    await hook.when(() => hook.handshakes.length > 0)
    await connectOfficial(t, killed.mqtt, { protocolVersion, clientId: 'victim' })
    await hook.when(() => eventsOf(hook).length >= 1)
    killed.kill('SIGKILL')
    await killed.ended

    const second = await startBroker()
    // An event that was delivered just before the kill may come twice.
    const data = () => eventsOf(hook).map(dataOf)
    const ended = () => data().find(({ disconnectionReason }) => disconnectionReason !== undefined)
    await hook.when(() => ended() !== undefined)
    assert.deepEqual(ended(), { ...data()[0], disconnectionReason: 'ServerError' })
    await connectOfficial(t, second.mqtt, { protocolVersion, clientId: 'victim' })
    const first = data()[0]?.['sequenceNumber'] as number
    await hook.when(() => data().some(({ sequenceNumber }) => (sequenceNumber as number) > first))
  })
