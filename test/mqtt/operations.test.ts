import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { connectAsync, type IClientOptions, type MqttClient, connect as mqttConnect } from 'mqtt'
import { startTestServer, type TestServer } from '../../src/testing/test-server.ts'

/* The broker within the whole server, without credentials, as an operator sees it. */

interface Run {
  readonly mqtt: string
  readonly mqtts: string
}

const runOf = ({ dataDir }: TestServer): Run =>
  JSON.parse(readFileSync(join(dataDir, 'run.json'), 'utf8')) as Run

async function connect(t: TestContext, url: string, options: IClientOptions = {}): Promise<MqttClient> {
  const client = await connectAsync(url, { reconnectPeriod: 0, ...options })
  t.after(() => client.endAsync(true))
  return client
}

async function ask(server: TestServer, path: string, method = 'GET') {
  const response = await fetch(`${server.http}/broker/${path}`, { method })
  const text = await response.text()
  return {
    status: response.status,
    body: text === '' ? undefined : (JSON.parse(text) as Record<string, unknown>),
  }
}

const anonymous = { flags: { mqttAnonymous: 'true' }, file: { diagnostics: {} } } as const

test('without credentials, namespace dev is made and takes messages over TCP, TLS and WebSocket', async (t) => {
  const server = await startTestServer(t, anonymous)
  const { mqtt, mqtts } = runOf(server)
  const subscriber = await connect(t, mqtt, { clientId: 's' })
  await subscriber.subscribeAsync('a/#', { qos: 1 })
  const got: string[] = []
  const { promise, resolve } = Promise.withResolvers<void>()
  subscriber.on('message', (topic) => {
    got.push(topic)
    if (got.length === 4) resolve()
  })
  const urls = [
    mqtt,
    mqtts,
    `${server.http.replace('http', 'ws')}/mqtt`,
    `${server.https.replace('https', 'wss')}/`,
  ]
  for (const [index, url] of urls.entries()) {
    const publisher = await connect(t, url, { ca: server.ca, protocolVersion: 5 })
    await publisher.publishAsync(`a/${index}`, 'x', { qos: 1 })
  }
  await promise
  assert.deepEqual(got, ['a/0', 'a/1', 'a/2', 'a/3'])
  const { body } = await ask(server, 'namespaces')
  const [namespace] = (body as { value: { name: string; profile: string }[] }).value
  assert.deepEqual([namespace?.name, namespace?.profile], ['dev', 'open'])
  assert.ok(
    (await server.metric('busbar_mqtt_published_messages_total', { namespace: 'dev', qos: '1' })) >= 4,
  )
})

test('an operator sees sessions, why a message comes or not, and disconnects a client', async (t) => {
  const server = await startTestServer(t, anonymous)
  const { mqtt } = runOf(server)
  const client = await connect(t, mqtt, { clientId: 'machine/1', clean: false })
  await client.subscribeAsync({ 'a/+': { qos: 1 } })
  await client.publishAsync('kept', 'x', { qos: 1, retain: true })
  const name = encodeURIComponent('machine/1')
  const { body } = await ask(server, `sessions/${name}`)
  const { subscriptions, connected, durable } = body as Record<string, unknown>
  assert.deepEqual([connected, durable], [true, true])
  assert.equal((subscriptions as { topicFilter: string }[])[0]?.topicFilter, 'a/+')
  assert.equal((await ask(server, `sessions/${name}/explain?topic=a/b`)).body?.['receives'], true)
  assert.equal((await ask(server, `sessions/${name}/explain?topic=b`)).body?.['receives'], false)
  const { value: retained = [] } = (await ask(server, 'retained')).body ?? {}
  assert.deepEqual(
    (retained as { topicName: string }[]).map(({ topicName }) => topicName),
    ['kept'],
  )
  assert.equal((await ask(server, 'retained?topic=kept', 'DELETE')).status, 204)
  assert.equal((await ask(server, 'retained?topic=kept', 'DELETE')).status, 404)

  const { promise, resolve } = Promise.withResolvers<void>()
  client.once('close', resolve)
  assert.equal((await ask(server, `sessions/${name}/disconnect`, 'POST')).status, 204)
  await promise
  assert.equal((await ask(server, `sessions/${name}/disconnect`, 'POST')).status, 409)
  const trace = JSON.stringify((await ask(server, `sessions/${name}/trace`)).body)
  assert.match(trace, /"connected".*"disconnected".*ServerInitiatedDisconnect 0x98/)
  assert.equal((await ask(server, `sessions/${name}`, 'DELETE')).status, 204)
  assert.equal((await ask(server, `sessions/${name}`)).status, 404)
  await server.close()
  const log = readFileSync(join(server.dataDir, 'logs', 'MqttDisconnections.ndjson'), 'utf8')
  assert.match(log, /"operationName":"Microsoft.EventGrid\/topicspaces\/disconnect"/)
})

test('what waits for an absent client, and what is retained, is there after a restart', async (t) => {
  const server = await startTestServer(t, anonymous)
  const absent = await connect(t, runOf(server).mqtt, { clientId: 'absent', clean: false })
  await absent.subscribeAsync('a', { qos: 2 })
  await absent.endAsync()
  const publisher = await connect(t, runOf(server).mqtt, { clientId: 'p' })
  for (const qos of [1, 2] as const) await publisher.publishAsync('a', `at ${qos}`, { qos })
  await publisher.publishAsync('kept', 'still here', { qos: 1, retain: true })
  await server.restart()
  const got: string[] = []
  const { promise, resolve } = Promise.withResolvers<void>()
  // Made before it connects: what waits comes at once.
  const back = mqttConnect(runOf(server).mqtt, { clientId: 'absent', clean: false, reconnectPeriod: 0 })
  t.after(() => back.endAsync(true))
  back.on('message', (topic, payload) => {
    got.push(`${topic} ${payload.toString()}`)
    if (got.length === 2) back.subscribe('kept')
    if (got.length === 3) resolve()
  })
  await promise
  assert.deepEqual(got, ['a at 1', 'a at 2', 'kept still here'])
})
