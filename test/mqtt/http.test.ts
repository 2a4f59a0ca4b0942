import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { IPublishPacket } from 'mqtt'
import { connectMqtt, createTestNamespace } from '../../src/testing/mqtt-namespace.ts'
import { eventually, startTestServer, type TestServerOptions } from '../../src/testing/test-server.ts'
import { startTokenIssuer } from '../../src/testing/token-issuer.ts'

/* MQTT messages over HTTP: one is published, and retained ones are read. */

const principalId = '2c1d7a90-8f4e-4b6a-a5d3-1e2f3a4b5c6d'
const roles = {
  publisher: 'a12b0b94-b317-4dcd-84a8-502ce99884c6',
  subscriber: '4b0f2fd7-60b4-4eca-896f-4435034f8bf5',
}

async function start(t: TestContext, options: TestServerOptions = {}) {
  const entra = await startTokenIssuer(t)
  const server = await startTestServer(t, {
    ...options,
    file: { auth: { issuers: [{ issuer: entra.url }] }, ...options.file },
  })
  const namespace = await createTestNamespace(server, 'myns')
  await namespace.allow(['allowed/#'])
  for (const [n, role] of Object.values(roles).entries()) {
    const { status, body } = await server.call(
      'PUT',
      `${namespace.id}/topicSpaces/space/providers/Microsoft.Authorization/roleAssignments/6f1c2a53-4d3e-4c5b-9a87-0b1c2d3e4f5${n}`,
      {
        properties: {
          roleDefinitionId: `/providers/Microsoft.Authorization/roleDefinitions/${role}`,
          principalId,
          principalType: 'ServicePrincipal',
        },
      },
    )
    assert.equal(status, 201, JSON.stringify(body))
  }
  const token = await entra.token(
    { aud: 'https://eventgrid.azure.net/', oid: principalId },
    Date.now() + 600_000,
  )
  interface Init {
    readonly body?: string
    readonly headers?: Readonly<Record<string, string>>
  }
  const call = (method: string, path: string, init: Init = {}, prefix = '') =>
    fetch(`${server.http}${prefix}/mqtt/${path}`, {
      method,
      ...init,
      headers: { authorization: `Bearer ${token}`, ...init.headers },
    })
  const certificate = await namespace.register('client1')
  const client = await connectMqtt(t, server, { clientId: 'session1', username: 'client1', ...certificate })
  const messages: IPublishPacket[] = []
  client.on('message', (_topic, _payload, packet) => messages.push(packet))
  await client.subscribeAsync('allowed/#', { qos: 1 })
  return { server, namespace, call, client, messages }
}

const publishVersion = 'api-version=2025-02-15-preview'
const readVersion = 'api-version=2025-11-16-preview'

async function refused(answer: Promise<Response>, status: number, words: RegExp): Promise<Response> {
  const response = await answer
  const text = await response.text()
  assert.equal(response.status, status, text)
  assert.match((JSON.parse(text) as { error: { message: string } }).error.message, words)
  return response
}

test('a message that is published over HTTP reaches subscribers with all of its properties', async (t) => {
  const { server, call, messages } = await start(t)
  const answer = await call('POST', `messages?topic=allowed%2Fa&qos=1&retain=0&${publishVersion}`, {
    body: '{"a":1}',
    headers: {
      'content-type': 'application/json',
      'mqtt-qos': '0',
      'mqtt-retain': '1',
      'mqtt-response-topic': 'answers%2F%C3%A9',
      'mqtt-correlation-data': 'AQID',
      'mqtt-user-properties': Buffer.from('[{"Urgency":"alert"},{"Urgency":"again"}]').toString('base64'),
      'mqtt-message-expiry': '3600',
      'mqtt-payload-format-indicator': '1',
    },
  })
  assert.equal(answer.status, 204, await answer.text())
  // By the path that the namespace has under every host name, too.
  const plain = await call(
    'POST',
    `messages?topic=allowed%2Fb&${publishVersion}`,
    { headers: { 'mqtt-user-properties': '[{"a":"b"}]' } },
    '/namespaces/westus2/myns',
  )
  assert.equal(plain.status, 204, await plain.text())
  await eventually(() => messages.length === 2)
  const [first, second] = messages as [IPublishPacket, IPublishPacket]
  assert.equal(first.payload.toString(), '{"a":1}')
  assert.deepEqual([first.topic, first.qos, first.retain], ['allowed/a', 1, false])
  const { messageExpiryInterval = 0, userProperties, ...properties } = first.properties ?? {}
  assert(messageExpiryInterval > 3500 && messageExpiryInterval <= 3600)
  assert.deepEqual({ ...userProperties }, { Urgency: ['alert', 'again'] })
  assert.deepEqual(properties, {
    payloadFormatIndicator: true,
    responseTopic: 'answers/é',
    correlationData: Buffer.from([1, 2, 3]),
    contentType: 'application/json',
  })
  assert.equal(second.payload.length, 0)
  assert.deepEqual({ ...second.properties?.userProperties }, { a: 'b' })
  assert.equal(await server.metric('busbar_mqtt_published_messages_total', { protocol: 'http-publish' }), 2)
})

test('requests to publish that are not as they must be are refused, and nothing is published', async (t) => {
  const { server, call, messages } = await start(t, {
    file: { mqtt: { limits: { packetBytes: 1024, retainedMessageBytes: 100 } } },
  })
  const post = (query: string, headers: Record<string, string> = {}, body = 'x') =>
    call('POST', `messages?${query}`, { body, headers })
  const good = `topic=allowed%2Fa&${publishVersion}`
  await refused(post(publishVersion), 400, /'topic' is missing/)
  await refused(post('topic=allowed%2Fa'), 400, /api-version' is missing/)
  await refused(post('topic=allowed%2Fa&api-version=2020-01-01'), 400, /'2020-01-01' is not supported/)
  await refused(post(`${good}&qos=2`), 400, /'qos' must be 0 or 1/)
  await refused(post(good, { 'mqtt-retain': 'yes' }), 400, /'mqtt-retain' must be 0 or 1/)
  await refused(post(good, { 'mqtt-correlation-data': '!' }), 400, /base64/)
  await refused(post(good, { 'mqtt-user-properties': '{"a":"b"}' }), 400, /array of objects/)
  await refused(post(good, { 'mqtt-user-properties': '[{"a":1}]' }), 400, /array of objects/)
  await refused(post(good, { 'mqtt-message-expiry': '-1' }), 400, /whole number/)
  await refused(post(good, { 'mqtt-response-topic': '%zz' }), 400, /percent-encoded/)
  await refused(post(good, { 'mqtt-response-topic': 'a%2F%23' }), 400, /no topic name/)
  await refused(post(`topic=allowed%2F%23&${publishVersion}`), 403, /no topic name/)
  await refused(post(`topic=other&${publishVersion}`), 403, /does not match any topicspaces/)
  await refused(post(good, {}, 'x'.repeat(1025)), 413, /1024/)
  await refused(post(`${good}&retain=1`, {}, 'x'.repeat(101)), 413, /at most 100 bytes/)
  await refused(call('GET', `messages?${good}`), 405, /use POST/)
  await refused(post(good, { authorization: 'Basic abc' }), 401, /must be Bearer/)
  await refused(post(good, { authorization: 'Bearer abc' }), 401, /not authorized/)
  await refused(fetch(`${server.http}/mqtt/messages?${good}`, { method: 'POST' }), 401, /Authorization/)
  await refused(
    fetch(`${server.http}/namespaces/westus2/other/mqtt/messages?${good}`, { method: 'POST' }),
    404,
    /No namespace/,
  )
  assert.deepEqual(messages, [])
})

test('in the strict profile no more than 512 KiB come over HTTP in a second', async (t) => {
  const { call } = await start(t, { flags: { profile: 'strict' } })
  const body = 'x'.repeat(400_000)
  const statuses = new Set<number>()
  for (let round = 0; round < 10 && !statuses.has(429); round++)
    await Promise.all(
      Array.from({ length: 4 }, async () => {
        const { status, headers } = await call('POST', `messages?topic=allowed%2Fa&${publishVersion}`, {
          body,
        })
        if (status === 429) assert.equal(headers.get('retry-after'), '1')
        statuses.add(status)
      }),
    )
  assert.deepEqual([...statuses].toSorted(), [204, 429])
})

test('a retained message is read as it was published, and listed page by page', async (t) => {
  const { call, client } = await start(t)
  for (const n of [3, 1, 2])
    await client.publishAsync(`allowed/${n}`, `payload ${n}`, {
      qos: 1,
      retain: true,
      properties: n === 2 ? { messageExpiryInterval: 600 } : {},
    })
  const one = await call('GET', `retainedMessages/message?topic=allowed%2F1&${readVersion}`)
  assert.equal(one.status, 200)
  assert.equal(await one.text(), 'payload 1')
  assert.equal(one.headers.get('content-type'), 'application/octet-stream')
  assert.equal(one.headers.get('x-ms-mqtt-topic'), 'allowed/1')
  assert.equal(one.headers.get('x-ms-mqtt-qos'), '1')
  assert.equal(one.headers.get('x-ms-mqtt-size'), `${'allowed/1payload 1'.length}`)
  assert.equal(one.headers.get('x-ms-mqtt-expiry'), null)
  const modified = one.headers.get('x-ms-mqtt-last-modified')
  assert.match(modified ?? '', /^\d{4}-\d\d-\d\dT/)

  interface Listed {
    readonly nextLink: string | null
    readonly retainedMessages: readonly Record<string, unknown>[]
  }
  const first = await call('GET', `retainedMessages?topicFilter=allowed%2F%2B&maxResults=2&${readVersion}`)
  assert.equal(first.status, 200)
  const { nextLink, retainedMessages } = (await first.json()) as Listed
  assert.deepEqual(retainedMessages[0], {
    topic: 'allowed/1',
    qos: 1,
    size: 18,
    expiry: null,
    lastModifiedTime: modified,
  })
  assert.match(retainedMessages[1]?.['expiry'] as string, /^\d{4}-/)
  assert(nextLink)
  const path = new URL(nextLink)
  const second = await call('GET', (path.pathname + path.search).slice('/mqtt/'.length))
  const rest = (await second.json()) as Listed
  assert.deepEqual([rest.nextLink, rest.retainedMessages.map(({ topic }) => topic)], [null, ['allowed/3']])

  // An empty payload deletes it: a subscriber that comes late gets what both ways of reading show.
  await client.publishAsync('allowed/1', '', { qos: 1, retain: true })
  await refused(call('GET', `retainedMessages/message?topic=allowed%2F1&${readVersion}`), 404, /No message/)
  const list = (await (
    await call('GET', `retainedMessages?topicFilter=allowed%2F%23&${readVersion}`)
  ).json()) as Listed
  assert.deepEqual(
    list.retainedMessages.map(({ topic }) => topic),
    ['allowed/2', 'allowed/3'],
  )
})

test('requests to read retained messages that are not as they must be are refused', async (t) => {
  const { call } = await start(t)
  const get = (path: string) => call('GET', `${path}&${readVersion}`)
  await refused(get('retainedMessages?x=1'), 400, /Exactly one/)
  await refused(get('retainedMessages?topicFilter=a&continuationToken=b'), 400, /Exactly one/)
  await refused(get('retainedMessages?continuationToken=b'), 400, /not one that was given/)
  await refused(get('retainedMessages?topicFilter=allowed%2F%23&maxResults=101'), 400, /from 1 to 100/)
  await refused(get('retainedMessages?topicFilter=allowed%2F%23%2Fa'), 400, /no topic filter/)
  await refused(get('retainedMessages?topicFilter=%23'), 403, /may subscribe to/)
  await refused(get('retainedMessages/message?x=1'), 400, /'topic' is missing/)
  await refused(get('retainedMessages/message?topic=other'), 403, /may subscribe to/)
  await refused(
    call('GET', `retainedMessages?topicFilter=allowed%2F%23&${publishVersion}`),
    400,
    /must be one of 2025-11-16-preview/,
  )
})
