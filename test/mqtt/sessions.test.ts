import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { noProperties } from '../../src/mqtt/packets/packet.ts'
import { connectRaw } from '../../src/testing/mqtt-client.ts'
import { startRecordingWebhook } from '../../src/testing/recording-webhook.ts'
import { eventually, startTestServer, type TestServerOptions } from '../../src/testing/test-server.ts'
import { connectOfficial, persistent } from './official-client.ts'

/* Sessions without a connection: how much may wait for them, and how they end. */

async function start(t: TestContext, options: TestServerOptions = {}) {
  const server = await startTestServer(t, { ...options, flags: { mqttAnonymous: 'true', ...options.flags } })
  const connect = (clientId: string, more: Parameters<typeof connectOfficial>[2] = {}) =>
    connectOfficial(t, server.mqtt, { clientId, ...more })
  const dropped = (reason: string) => server.metric('busbar_mqtt_dropped_sessions_total', { reason })
  return { server, connect, dropped }
}

for (const version of [4, 5] as const)
  for (const [what, size, limits] of [
    ['messages', 1, { sessionQueueMessages: 100 }],
    ['bytes', 20_000, { sessionQueueBytes: 1_048_576 }],
  ] as const)
    test(`an absent session of version ${version} for which more ${what} wait than may is removed and counted`, async (t) => {
      const { connect, dropped } = await start(t, { file: { mqtt: { limits } } })
      const absent = await connect('absent', persistent[version])
      await absent.client.subscribeAsync('a', { qos: 1 })
      await absent.client.endAsync()
      const { client } = await connect('publisher')
      const most = what === 'messages' ? 100 : 52
      for (let n = 0; n < most; n++) await client.publishAsync('a', 'x'.repeat(size), { qos: 1 })
      assert.equal(await dropped('SessionOverflow'), 0)
      await client.publishAsync('a', 'x'.repeat(size), { qos: 1 })
      assert.equal(await dropped('SessionOverflow'), 1)
      const back = await connect('absent', persistent[version])
      assert.equal(back.connack.sessionPresent, false)
      assert.deepEqual(back.messages, [])
    })

test('a session that has expired is gone with what waited for it', async (t) => {
  const { server, connect, dropped } = await start(t)
  const brief = { ...persistent[5], properties: { sessionExpiryInterval: 1 } }
  const absent = await connect('absent', brief)
  await absent.client.subscribeAsync('a', { qos: 1 })
  await absent.client.endAsync()
  const { client } = await connect('publisher')
  await client.publishAsync('a', 'late', { qos: 1 })
  const queuesBefore = await server.metric('busbar_queues')
  await eventually(async () => (await dropped('SessionExpiry')) === 1)
  await eventually(async () => (await server.metric('busbar_queues')) === queuesBefore - 1)
  const back = await connect('absent', brief)
  assert.equal(back.connack.sessionPresent, false)
})

test('a session that expires after a restart is gone then, too', async (t) => {
  const { server, connect, dropped } = await start(t)
  const brief = { ...persistent[5], properties: { sessionExpiryInterval: 1 } }
  const absent = await connect('absent', brief)
  await absent.client.endAsync()
  await server.restart()
  await eventually(async () => (await dropped('SessionExpiry')) === 1)
  const back = await connect('absent', brief)
  assert.equal(back.connack.sessionPresent, false)
})

for (const version of [4, 5] as const)
  test(`a client of version ${version} that keeps silent is cut, its will is published, and it is told of as ClientError`, async (t) => {
    const { server, connect } = await start(t)
    const hook = await startRecordingWebhook(t)
    const { status } = await server.call(
      'PUT',
      '/resourceGroups/dev/providers/Microsoft.EventGrid/namespaces/dev/providers/Microsoft.EventGrid/eventSubscriptions/lifecycle',
      { properties: { destination: { endpointType: 'WebHook', properties: { endpointUrl: hook.url } } } },
    )
    assert.equal(status, 201)
    await hook.when(() => hook.handshakes.length > 0)
    const watcher = await connect('watcher')
    await watcher.client.subscribeAsync('wills', { qos: 1 })
    const port = Number(new URL(server.mqtt).port)
    const payload = Buffer.from('farewell')
    const will = { topicName: 'wills', payload, qos: 1, retain: false, properties: noProperties } as const
    const silent = await connectRaw(t, port, version, { clientId: 'silent', keepAliveSeconds: 1, will })
    await silent.refused(0x8d)
    assert.deepEqual(await watcher.texts(1), ['farewell'])
    const ended = () =>
      hook.received
        .flatMap(({ body }) => body as { data: Record<string, unknown> }[])
        .find(({ data }) => data['disconnectionReason'] !== undefined)
    await hook.when(() => ended() !== undefined)
    assert.equal(ended()?.data['clientSessionName'], 'silent')
    assert.equal(ended()?.data['disconnectionReason'], 'ClientError')
  })
