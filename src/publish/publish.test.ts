import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import {
  AzureKeyCredential,
  AzureSASCredential,
  EventGridPublisherClient,
  generateSharedAccessSignature,
} from '@azure/eventgrid'
import type { GridEvent } from '../event/event.ts'
import { StoreUnavailable } from '../store/store.ts'
import { type PublishServer, sendRaw, startPublishServer } from '../testing/publish-server.ts'
import { defaultPublishLimits } from './limits.ts'

const event = { id: '1', subject: 's', eventType: 't', eventTime: '2026-11-21T13:00:00+0100', data: { a: 1 } }
const cloud = { specversion: '1.0', id: '1', source: '/s', type: 't', data: { a: 1 } }

const endpoint = (server: PublishServer, topic: string) => `${server.url}/topics/${topic}/api/events`

const post = (server: PublishServer, topic: string, body: string | Buffer, headers = {}) =>
  sendRaw(endpoint(server, topic), 'POST', { 'aeg-sas-key': server.topic(topic).keys[0], ...headers }, body)

const bodyOf = ({ source, start, end, tail }: GridEvent) =>
  Buffer.concat([source.subarray(start, end), tail]).toString()

test('a publish is answered 200 with an empty body and the documented headers', async (t) => {
  const server = await startPublishServer(t)
  const answer = await post(server, 'events', JSON.stringify([event, event]))
  assert.equal(answer.status, 200)
  assert.equal(answer.text, '')
  assert.equal(answer.headers['content-length'], '0')
  assert.equal(answer.headers['api-supported-versions'], '2018-01-01')
  assert.match(String(answer.headers['x-ms-request-id']), /^[0-9a-f-]{36}$/)
  assert.equal(answer.headers['strict-transport-security'], undefined, 'forbidden on a plain connection')
  assert.equal(server.accepted.length, 2)
})

test('a publish is answered only after its events have been accepted', async (t) => {
  const server = await startPublishServer(t)
  const { promise: reached, resolve: onReached } = Promise.withResolvers<void>()
  const { promise: accepted, resolve: finish } = Promise.withResolvers<void>()
  server.onAccept = () => {
    onReached()
    return accepted
  }
  let answered = false
  const answer = post(server, 'events', JSON.stringify([event])).then(({ status }) => {
    answered = true
    return status
  })
  await reached
  await post(server, 'events', 'no JSON')
  assert.equal(answered, false)
  finish()
  assert.equal(await answer, 200)
})

test('the second key, the key in the query, and the endpoint by host name or in another case are good too', async (t) => {
  const server = await startPublishServer(t)
  const { keys } = server.topic('events')
  const body = JSON.stringify([event])
  const send = async (url: string, headers: Record<string, string>) =>
    (await sendRaw(url, 'POST', headers, body)).status
  const url = endpoint(server, 'events')
  assert.equal(await send(url, { 'aeg-sas-key': keys[1] }), 200)
  assert.equal(await send(`${url}?aeg-sas-key=${encodeURIComponent(keys[0])}`, {}), 200)
  assert.equal(await send(`${url}/?api-version=2018-01-01`, { 'aeg-sas-key': keys[0] }), 200)
  assert.equal(await send(`${server.url}/TOPICS/events/Api/EVENTS`, { 'aeg-sas-key': keys[0] }), 200)
  const host = 'events.westus2-1.eventgrid.azure.net:4843'
  assert.equal(await send(`${server.url}/api/events`, { 'aeg-sas-key': keys[0], host }), 200)
  assert.equal(server.accepted.length, 5)
})

test('a header counts before the query', async (t) => {
  const server = await startPublishServer(t)
  const { keys } = server.topic('events')
  const url = `${endpoint(server, 'events')}?aeg-sas-key=${encodeURIComponent(keys[0])}`
  const body = JSON.stringify([event])
  assert.equal((await sendRaw(url, 'POST', { authorization: 'Bearer x' }, body)).status, 401)
  assert.equal((await sendRaw(url, 'POST', { 'aeg-sas-key': 'x' }, body)).status, 401)
})

test('the key of another topic is refused', async (t) => {
  const server = await startPublishServer(t)
  const [key] = server.topic('clouds').keys
  const answer = await post(server, 'events', JSON.stringify([event]), { 'aeg-sas-key': key })
  assert.equal(answer.status, 401)
  assert.equal(server.accepted.length, 0)
})

test('a regenerated key is good at once, and the one before it no more', async (t) => {
  const server = await startPublishServer(t)
  const before = server.topic('events').keys
  const body = JSON.stringify([event])
  assert.equal((await post(server, 'events', body)).status, 200)
  server.change('events', { keys: ['bmV3', before[1]] })
  assert.equal((await post(server, 'events', body, { 'aeg-sas-key': before[0] })).status, 401)
  assert.equal((await post(server, 'events', body)).status, 200)
})

test('with disableLocalAuth keys and tokens are refused', async (t) => {
  const server = await startPublishServer(t)
  server.change('events', { disableLocalAuth: true })
  const answer = await post(server, 'events', JSON.stringify([event]))
  assert.equal(answer.status, 401)
  assert.match(answer.text, /disableLocalAuth/)
})

test('with public network access disabled every publish is refused, before the credential', async (t) => {
  const server = await startPublishServer(t)
  server.change('events', { publicNetworkAccess: false })
  const answer = await post(server, 'events', 'no JSON', { 'aeg-sas-key': 'wrong' })
  assert.deepEqual([answer.status, answer.code, answer.detailCode], [403, 'Forbidden', 'Forbidden'])
})

test('OPTIONS tells the input schema without a credential', async (t) => {
  const server = await startPublishServer(t)
  for (const [topic, schema] of [
    ['events', 'EventGridEvent'],
    ['clouds', 'CloudEventV10'],
  ] as const) {
    const answer = await sendRaw(endpoint(server, topic), 'OPTIONS', {})
    assert.equal(answer.status, 200)
    assert.equal(answer.text, '')
    assert.equal(answer.headers['allow'], 'POST,OPTIONS')
    assert.equal(answer.headers['aeg-input-event-schema'], schema)
    assert.equal(answer.headers['api-supported-versions'], '2018-01-01')
  }
})

test('another verb is told which ones there are, and HEAD finds nothing', async (t) => {
  const server = await startPublishServer(t)
  assert.equal((await sendRaw(endpoint(server, 'events'), 'GET', {})).headers['allow'], 'OPTIONS, POST')
  assert.equal((await sendRaw(endpoint(server, 'events'), 'HEAD', {})).status, 404)
})

test('a full disk is answered 503 with Retry-After, and publishing goes on when there is room again', async (t) => {
  const server = await startPublishServer(t)
  server.onAccept = () => {
    throw new StoreUnavailable('The disk is full.', true)
  }
  const refused = await post(server, 'events', JSON.stringify([event]))
  assert.deepEqual([refused.status, refused.code], [503, 'ServiceUnavailable'])
  assert.ok(Number(refused.headers['retry-after']) > 0)
  server.onAccept = () => {}
  assert.equal((await post(server, 'events', JSON.stringify([event]))).status, 200)
})

test('a bug behind the door is answered 500 and counted, and the room it took is given back', async (t) => {
  const server = await startPublishServer(t, { limits: { ...defaultPublishLimits, pendingRequests: 1 } })
  server.onAccept = () => {
    throw new Error('A bug.')
  }
  for (let times = 0; times < 3; times++)
    assert.equal((await post(server, 'events', JSON.stringify([event]))).status, 500)
  assert.match(server.metrics.encode(), /busbar_publish_fail_total\{.*error="InternalServerError"\} 3/)
})

test('one request more than may be pending is answered 429 with Retry-After', async (t) => {
  const server = await startPublishServer(t, { limits: { ...defaultPublishLimits, pendingRequests: 1 } })
  const { promise: reached, resolve: onReached } = Promise.withResolvers<void>()
  const { promise: accepted, resolve: finish } = Promise.withResolvers<void>()
  server.onAccept = () => {
    onReached()
    return accepted
  }
  const first = post(server, 'events', JSON.stringify([event]))
  await reached
  const second = await post(server, 'events', JSON.stringify([event]))
  assert.deepEqual([second.status, second.code, second.headers['retry-after']], [429, 'TooManyRequests', '1'])
  finish()
  assert.equal((await first).status, 200)
  assert.equal((await post(server, 'events', JSON.stringify([event]))).status, 200)
})

test('requests and events exactly as large as allowed are accepted', async (t) => {
  const server = await startPublishServer(t)
  const { requestBytes } = defaultPublishLimits
  const bare = JSON.stringify([{ ...event, data: '' }]).length
  const largest = JSON.stringify([{ ...event, data: 'x'.repeat(requestBytes - bare) }])
  assert.equal(largest.length, requestBytes)
  assert.equal((await post(server, 'events', largest)).status, 200)
  const small = { id: '', subject: '', eventType: '', eventTime: '2026-11-21' }
  assert.equal(
    (await post(server, 'events', JSON.stringify(Array.from({ length: 5_000 }, () => small)))).status,
    200,
  )
  assert.equal(server.accepted.length, 5_001)
})

test('one event over its own limit is refused where requests may be larger', async (t) => {
  const limits = { ...defaultPublishLimits, requestBytes: 10_000, eventBytes: JSON.stringify(event).length }
  const server = await startPublishServer(t, { limits })
  assert.equal((await post(server, 'events', JSON.stringify([event, event]))).status, 200)
  const answer = await post(server, 'events', JSON.stringify([event, { ...event, id: '12' }]))
  assert.deepEqual([answer.status, answer.detailCode], [413, 'PayloadTooLarge'])
  assert.equal(server.accepted.length, 2)
})

test('publishing is counted by topic: events accepted, requests refused by reason, latency', async (t) => {
  const server = await startPublishServer(t)
  await post(server, 'events', JSON.stringify([event, event, event]))
  await post(server, 'events', '[]')
  await post(server, 'events', '[]')
  await post(server, 'events', '[]', { 'aeg-sas-key': 'wrong' })
  const text = server.metrics.encode()
  const { id } = server.topic('events')
  assert.ok(text.includes(`busbar_publish_success_total{topic="${id}"} 3\n`))
  assert.ok(
    text.includes(
      `busbar_publish_fail_total{topic="${id}",error_type="BadRequest",error="InputJsonInvalid"} 2\n`,
    ),
  )
  assert.ok(
    text.includes(
      `busbar_publish_fail_total{topic="${id}",error_type="Unauthorized",error="Unauthorized"} 1\n`,
    ),
  )
  assert.ok(text.includes(`busbar_publish_latency_ms_count{topic="${id}"} 1\n`))
})

test('CloudEvents are accepted one by one, in batches, as plain JSON and in binary mode', async (t) => {
  const server = await startPublishServer(t)
  const send = async (type: string, body: string, headers = {}) =>
    assert.equal((await post(server, 'clouds', body, { 'content-type': type, ...headers })).status, 200)
  await send('application/cloudevents+json', JSON.stringify(cloud))
  await send('Application/CloudEvents+JSON; charset="UTF-8"', JSON.stringify(cloud))
  await send('application/cloudevents-batch+json; charset=utf-8', JSON.stringify([cloud, cloud]))
  await send('application/json', JSON.stringify(cloud))
  await send('application/json', '{"big":12345678901234567890}', {
    'ce-specversion': '1.0',
    'ce-id': '1',
    'ce-source': '/s',
    'ce-type': 't',
    'ce-subject': '"Euro %E2%82%AC 100% \\"ok\\""',
    'ce-raw': Buffer.from('zoë').toString('latin1'),
    'ce-datacontenttype': 'text/plain',
  })
  assert.equal(server.accepted.length, 6)
  const binary = server.accepted.at(-1) as GridEvent
  assert.equal(
    bodyOf(binary),
    '{"specversion":"1.0","id":"1","source":"/s","type":"t","subject":"Euro € 100% \\"ok\\"","raw":"zoë","datacontenttype":"application/json","data":{"big":12345678901234567890}}',
  )
  assert.equal(binary.subject, 'Euro € 100% "ok"')
})

test('the official client publishes Event Grid events with a key', async (t) => {
  const server = await startPublishServer(t)
  const client = new EventGridPublisherClient(
    endpoint(server, 'events'),
    'EventGrid',
    new AzureKeyCredential(server.topic('events').keys[0]),
    { allowInsecureConnection: true },
  )
  await client.send([
    { id: 'a', eventType: 't', subject: 's', dataVersion: '1.0', data: { n: 1 }, eventTime: new Date(0) },
    { eventType: 't', subject: 's', dataVersion: '2.0', data: { n: 2 } },
  ])
  const [first, second] = server.accepted
  assert.deepEqual(JSON.parse(bodyOf(first as GridEvent)), {
    id: 'a',
    eventType: 't',
    subject: 's',
    dataVersion: '1.0',
    data: { n: 1 },
    eventTime: '1970-01-01T00:00:00.000Z',
    metadataVersion: '1',
    topic: server.topic('events').id,
  })
  assert.equal(second?.dataVersion, '2.0')
})

test('the official client publishes CloudEvents with a token from its own generateSharedAccessSignature', async (t) => {
  const server = await startPublishServer(t)
  const url = endpoint(server, 'clouds')
  const key = new AzureKeyCredential(server.topic('clouds').keys[1])
  const token = await generateSharedAccessSignature(url, key, new Date(Date.now() + 60_000))
  const client = new EventGridPublisherClient(url, 'CloudEvent', new AzureSASCredential(token), {
    allowInsecureConnection: true,
  })
  await client.send([
    { id: 'a', type: 't', source: '/s', subject: 'x', data: { n: 1 }, extensionAttributes: { ext: 'y' } },
    {
      type: 't',
      source: '/s',
      data: new Uint8Array([1, 2, 3]),
      datacontenttype: 'application/octet-stream',
    },
  ])
  const [first, second] = server.accepted
  assert.equal(first?.envelope['ext'], 'y')
  assert.equal(first?.subject, 'x')
  assert.equal(second?.envelope['data_base64'], 'AQID')
})

test('a token from the official client for one topic opens no other, and none after it expires', async (t) => {
  const server = await startPublishServer(t)
  const key = new AzureKeyCredential(server.topic('events').keys[0])
  const tokenFor = (topic: string, at: number) =>
    generateSharedAccessSignature(endpoint(server, topic), key, new Date(at))
  const send = async (token: string, headers = {}) => {
    const anonymous = { 'aeg-sas-token': token, ...headers }
    return (await sendRaw(endpoint(server, 'events'), 'POST', anonymous, JSON.stringify([event]))).status
  }
  const soon = Date.now() + 60_000
  assert.equal(await send(await tokenFor('events', soon)), 200)
  assert.equal(await send(await tokenFor('clouds', soon)), 401)
  assert.equal(await send(await tokenFor('events', Date.now() - 1_000)), 401)
  const authorization = `SharedAccessSignature ${await tokenFor('events', soon)}`
  const viaAuthorization = await sendRaw(
    endpoint(server, 'events'),
    'POST',
    { authorization },
    JSON.stringify([event]),
  )
  assert.equal(viaAuthorization.status, 200)
})

test('a token made for a public host name of the server is good whatever host the request names', async (t) => {
  const server = await startPublishServer(t, { publicHosts: ['Bus.Example.com'] })
  const key = new AzureKeyCredential(server.topic('events').keys[0])
  const send = async (host: string) => {
    const token = await generateSharedAccessSignature(
      `https://${host}/topics/events/api/events`,
      key,
      new Date(Date.now() + 60_000),
    )
    const body = JSON.stringify([event])
    return (await sendRaw(endpoint(server, 'events'), 'POST', { 'aeg-sas-token': token }, body)).status
  }
  assert.equal(await send('bus.example.com'), 200)
  assert.equal(await send('other.example.com'), 401)
})

test('the official client sees why its events were refused', async (t) => {
  const server = await startPublishServer(t)
  const client = new EventGridPublisherClient(
    endpoint(server, 'events'),
    'EventGrid',
    new AzureKeyCredential('x'),
    {
      allowInsecureConnection: true,
    },
  )
  await assert.rejects(
    client.send([{ eventType: 't', subject: 's', dataVersion: '1', data: {} }]),
    (error: { statusCode?: number; code?: string; message?: string }) =>
      error.statusCode === 401 && error.code === 'Unauthorized' && /access key/.test(error.message ?? ''),
  )
})

test('a token made for the endpoint by host name is good at the endpoint by path as well', async (t) => {
  const server = await startPublishServer(t)
  const key = new AzureKeyCredential(server.topic('events').keys[0])
  const send = async (name: string) => {
    const url = `https://${name}.westus2-1.eventgrid.azure.net/api/events`
    const token = await generateSharedAccessSignature(url, key, new Date(Date.now() + 60_000))
    const headers = { 'aeg-sas-token': token }
    return (await sendRaw(endpoint(server, 'events'), 'POST', headers, JSON.stringify([event]))).status
  }
  assert.equal(await send('events'), 200)
  assert.equal(await send('clouds'), 401)
})

test('a client that goes away in the middle of its body leaves nothing behind', async (t) => {
  const server = await startPublishServer(t, { limits: { ...defaultPublishLimits, pendingRequests: 1 } })
  const [key] = server.topic('events').keys
  for (let times = 0; times < 3; times++) {
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
    socket.write(
      `POST /topics/events/api/events HTTP/1.1\r\nHost: x\r\naeg-sas-key: ${key}\r\nContent-Length: 1000\r\n\r\n[`,
    )
    // While its body is awaited, it holds the only place there is.
    while ((await post(server, 'events', JSON.stringify([event]))).status !== 429) await setImmediate()
    socket.destroy()
    while ((await post(server, 'events', JSON.stringify([event]))).status !== 200) await setImmediate()
  }
})

test('a refusal quotes no more of what was sent than a message should hold', async (t) => {
  const server = await startPublishServer(t)
  const long = 'x'.repeat(500_000)
  for (const wrong of [
    { ...event, eventTime: long },
    { ...event, [long]: 1 },
    { ...event, topic: long },
  ]) {
    const answer = await post(server, 'events', JSON.stringify([wrong]))
    assert.ok(answer.status === 400 || answer.status === 401)
    assert.ok(answer.text.length < 5_000, String(answer.text.length))
  }
})
