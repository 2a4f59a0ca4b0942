import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { AzureKeyCredential, generateSharedAccessSignature } from '@azure/eventgrid'
import { createLog } from '../base/log.ts'
import { openEmbeddedStore } from '../store/engines/embedded/embedded.ts'
import { closeAfter } from '../testing/close-after.ts'
import { ManualClock } from '../testing/manual-clock.ts'
import { type PullServer, startPullServer } from '../testing/pull-server.ts'
import { temporaryDirectory } from '../testing/temporary-directory.ts'

const version = 'api-version=2024-06-01'
const subscription = '/topics/orders/eventsubscriptions/all'

async function receive(server: PullServer, max = 100, more = ''): Promise<Received[]> {
  const { status, body } = await server.post(`${subscription}:receive?maxEvents=${max}&${version}${more}`)
  assert.equal(status, 200, JSON.stringify(body))
  return body.value.map(({ brokerProperties, event }: Answered) => ({
    id: event.id,
    count: brokerProperties.deliveryCount,
    token: brokerProperties.lockToken,
  }))
}
interface Received {
  readonly id: string
  readonly count: number
  readonly token: string
}
interface FailedToken {
  readonly lockToken: string
  readonly error: { readonly code: string }
}
interface Answered {
  readonly brokerProperties: { readonly deliveryCount: number; readonly lockToken: string }
  readonly event: { readonly id: string }
}

const settle = async (server: PullServer, verb: string, lockTokens: readonly string[], more = '') =>
  (await server.post(`${subscription}:${verb}?${version}${more}`, { lockTokens })).body

async function startWithClock(t: TestContext, options: Parameters<typeof startPullServer>[1] = {}) {
  const clock = new ManualClock()
  const server = await startPullServer(t, { ...options, clock })
  clock.settle = async () => {
    do await setImmediate()
    while (server.outlets.busy)
  }
  return { clock, server }
}

test('an event is received as it was published, with a token and its delivery count', async (t) => {
  const server = await startPullServer(t)
  const event = {
    specversion: '1.0',
    ...{ id: 'a', source: '/s', type: 't', time: '2026-01-02T03:04:05.1234567Z', ext: 7, other: true },
    data: { big: 1 },
  }
  const published = await server.post(`/topics/orders:publish?${version}`, event, {
    'content-type': 'application/cloudevents+json; charset=utf-8',
  })
  assert.deepEqual([published.status, published.body], [200, {}])
  const { status, headers, body } = await server.post(`${subscription}:receive?${version}`)
  assert.equal(status, 200)
  assert.equal(headers.get('content-type'), 'application/json; charset=utf-8')
  assert.match(headers.get('x-ms-request-id') ?? '', /^[0-9a-f-]{36}$/)
  const [{ brokerProperties, event: received }] = body.value
  assert.deepEqual(received, event)
  assert.deepEqual(Object.keys(brokerProperties), ['lockToken', 'deliveryCount'])
  assert.equal(brokerProperties.deliveryCount, 1)
  assert.match(brokerProperties.lockToken, /^[A-Za-z0-9+/]{36}$/)
})

test('as many events as there are come at once, up to the number asked for, in the order of publishing', async (t) => {
  const server = await startPullServer(t)
  await server.publish('a', 'b', 'c')
  assert.deepEqual(
    (await receive(server, 2)).map(({ id }) => id),
    ['a', 'b'],
  )
  assert.deepEqual(
    (await receive(server, 100)).map(({ id }) => id),
    ['c'],
  )
})

test('an acknowledged event is gone, and its token is lost from then on', async (t) => {
  const server = await startPullServer(t)
  await server.publish('a')
  const [{ token }] = (await receive(server)) as [Received]
  assert.deepEqual(await settle(server, 'acknowledge', [token]), {
    succeededLockTokens: [token],
    failedLockTokens: [],
  })
  const queue = await server.store.queues.open('uid-all')
  assert.equal(queue.counts().entries, 0)
  assert.deepEqual(await settle(server, 'acknowledge', [token]), {
    succeededLockTokens: [],
    failedLockTokens: [{ lockToken: token, error: { code: 'TokenLost', message: 'Token has expired.' } }],
  })
})

test('a released event comes again at once, counted once more, and its old token is lost', async (t) => {
  const server = await startPullServer(t)
  await server.publish('a')
  const [first] = (await receive(server)) as [Received]
  assert.equal((await settle(server, 'release', [first.token])).succeededLockTokens.length, 1)
  const [second] = (await receive(server)) as [Received]
  assert.deepEqual([second.id, second.count], ['a', 2])
  assert.notEqual(second.token, first.token)
  assert.equal((await settle(server, 'acknowledge', [first.token])).failedLockTokens.length, 1)
  assert.equal((await settle(server, 'acknowledge', [second.token])).failedLockTokens.length, 0)
})

const keptBack = async (t: TestContext, seconds: number) => {
  const { clock, server } = await startWithClock(t)
  await server.publish('a')
  const [{ token }] = (await receive(server)) as [Received]
  await settle(server, 'release', [token], `&releaseDelayInSeconds=${seconds}`)
  const waiting = receive(server, 1, '&maxWaitTime=10')
  while (server.outlets.waiting === 0) await setImmediate()
  await clock.advance(9_999)
  if (seconds === 10) {
    assert.equal(server.outlets.waiting, 1)
    await clock.advance(1)
    assert.equal((await waiting).length, 1)
  } else {
    await clock.advance(1)
    assert.deepEqual(await waiting, [])
    await clock.advance((seconds - 10) * 1000)
    assert.equal((await receive(server)).length, 1)
  }
}

test('an event released with a delay is kept back for as long: 10, 60, 600 or 3600 seconds', async (t) => {
  for (const seconds of [10, 60, 600, 3600])
    await t.test(`${seconds} seconds`, (inner) => keptBack(inner, seconds))
})

test('a lock ends after its duration: then another receiver has the event, and the token is lost', async (t) => {
  const { clock, server } = await startWithClock(t)
  await server.publish('a')
  const [first] = (await receive(server)) as [Received]
  await clock.advance(59_999)
  const waiting = receive(server, 1, '&maxWaitTime=120')
  while (server.outlets.waiting === 0) await setImmediate()
  await clock.advance(1)
  const [second] = (await waiting) as [Received]
  assert.deepEqual([second.id, second.count], ['a', 2])
  assert.equal((await settle(server, 'renewLock', [first.token])).failedLockTokens[0].error.code, 'TokenLost')
})

test('a renewed lock lasts for its duration from then on, under the same token', async (t) => {
  const { clock, server } = await startWithClock(t)
  await server.publish('a')
  const [{ token }] = (await receive(server)) as [Received]
  await clock.advance(59_999)
  assert.deepEqual(await settle(server, 'renewLock', [token]), {
    succeededLockTokens: [token],
    failedLockTokens: [],
  })
  await clock.advance(59_999)
  assert.deepEqual(await settle(server, 'acknowledge', [token]), {
    succeededLockTokens: [token],
    failedLockTokens: [],
  })
})

test('a rejected event is given up, and never comes again', async (t) => {
  const { clock, server } = await startWithClock(t)
  await server.publish('a')
  const [{ token }] = (await receive(server)) as [Received]
  assert.equal((await settle(server, 'reject', [token])).succeededLockTokens.length, 1)
  await clock.advance(1000)
  assert.deepEqual(server.givenUp, [{ id: 'a', reason: 'Rejected', attempts: 1 }])
  assert.equal((await settle(server, 'acknowledge', [token])).failedLockTokens.length, 1)
})

test('an event whose last delivery is released is given up, whatever the delay', async (t) => {
  const { clock, server } = await startWithClock(t)
  await server.put({ maxDeliveryCount: 2 })
  await server.publish('a')
  for (const more of ['', '&releaseDelayInSeconds=3600']) {
    const [{ token }] = (await receive(server)) as [Received]
    await settle(server, 'release', [token], more)
  }
  await clock.advance(1000)
  assert.deepEqual(server.givenUp, [{ id: 'a', reason: 'MaxDeliveryAttemptsExceeded', attempts: 2 }])
})

test('an event whose last lock ends is given up, also when nobody receives', async (t) => {
  const { clock, server } = await startWithClock(t)
  await server.put({ maxDeliveryCount: 1 })
  await server.publish('a')
  await receive(server)
  await clock.advance(59_999)
  assert.deepEqual(server.givenUp, [])
  await clock.advance(1000)
  assert.deepEqual(server.givenUp, [{ id: 'a', reason: 'MaxDeliveryAttemptsExceeded', attempts: 1 }])
})

test('an event is given up when its time to live is over, a locked one when its lock ends', async (t) => {
  const { clock, server } = await startWithClock(t)
  await server.put({ eventTimeToLiveMs: 100_000 })
  await server.publish('a', 'b')
  await clock.advance(70_000)
  await receive(server, 1)
  await clock.advance(29_999)
  assert.deepEqual(server.givenUp, [])
  await clock.advance(1000)
  assert.deepEqual(server.givenUp, [{ id: 'b', reason: 'TimeToLiveExceeded', attempts: 0 }])
  await clock.advance(30_000)
  assert.deepEqual(server.givenUp.at(-1), { id: 'a', reason: 'TimeToLiveExceeded', attempts: 1 })
})

test('nothing to receive is answered with an empty list when the wait is over', async (t) => {
  const { clock, server } = await startWithClock(t)
  const waiting = server.post(`${subscription}:receive?maxWaitTime=10&${version}`)
  while (server.outlets.waiting === 0) await setImmediate()
  await clock.advance(9_999)
  assert.equal(server.outlets.waiting, 1)
  await clock.advance(1)
  const { status, body } = await waiting
  assert.deepEqual([status, body], [200, { value: [] }])
})

test('receivers are served in the order in which they came, each with what is there', async (t) => {
  const { server } = await startWithClock(t)
  const order: number[] = []
  const waiting: Promise<void>[] = []
  for (const n of [0, 1, 2]) {
    waiting.push(
      receive(server, 1, '&maxWaitTime=120').then((events) => {
        order.push(n)
        assert.equal(events.length, 1)
      }),
    )
    while (server.outlets.waiting <= n) await setImmediate()
  }
  for (let n = 0; n < 3; n++) {
    await server.publish(String(n))
    await waiting[n]
  }
  assert.deepEqual(order, [0, 1, 2])
})

test('a receiver that goes away while it waits locks nothing', async (t) => {
  const { server } = await startWithClock(t)
  const { hostname, port } = new URL(server.url)
  const socket = connect(Number(port), hostname)
  socket.write(
    `POST /namespaces/ns${subscription}:receive?${version} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n` +
      `Authorization: SharedAccessKey ${server.namespace.keys[0]}\r\n\r\n`,
  )
  while (server.outlets.waiting === 0) await setImmediate()
  socket.destroy()
  while (server.outlets.waiting > 0) await setImmediate()
  await server.publish('a')
  const [event] = (await receive(server)) as [Received]
  assert.equal(event.count, 1)
})

test('deleting the event subscription ends those who wait for its events with 404', async (t) => {
  const { server } = await startWithClock(t)
  const waiting = server.post(`${subscription}:receive?${version}`)
  while (server.outlets.waiting === 0) await setImmediate()
  await server.remove()
  const { status, headers, body } = await waiting
  assert.deepEqual([status, body.error.code], [404, 'NotFound'])
  assert.equal(headers.get('x-ms-error-code'), 'NotFound')
})

test('a page of large events ends before it is too large, and has at least one', async (t) => {
  const server = await startPullServer(t, { batchBytes: 500 })
  await server.publish('a'.repeat(200), 'b'.repeat(200), 'c'.repeat(2000), 'd')
  const pages: string[] = []
  for (let n = 0; n < 4; n++) pages.push((await receive(server)).map(({ id }) => id[0]).join(''))
  assert.deepEqual(pages, ['a', 'b', 'c', 'd'])
})

test('the answer to tokens keeps their order and says what is wrong with each', async (t) => {
  const server = await startPullServer(t)
  await server.put({}, 'other')
  await server.publish('a', 'b')
  const [a, b] = (await receive(server)) as [Received, Received]
  const foreign = (await server.post(`/topics/orders/eventsubscriptions/other:receive?${version}`)).body
    .value[0].brokerProperties.lockToken
  const answer = await settle(server, 'acknowledge', [b.token, 'nonsense', a.token, b.token, foreign, ''])
  assert.deepEqual(answer.succeededLockTokens, [b.token, a.token])
  assert.deepEqual(
    answer.failedLockTokens.map(({ lockToken, error }: FailedToken) => [lockToken, error.code]),
    [
      ['nonsense', 'BadToken'],
      [b.token, 'TokenLost'],
      [foreign, 'TokenLost'],
      ['', 'BadToken'],
    ],
  )
})

test('preview versions tell of a failed token in flat members', async (t) => {
  const server = await startPullServer(t)
  for (const preview of ['2023-06-01-preview', '2023-10-01-preview']) {
    const { body } = await server.post(`${subscription}:acknowledge?API-Version=${preview}`, {
      lockTokens: ['x'],
    })
    assert.deepEqual(body.failedLockTokens, [
      { lockToken: 'x', errorCode: 'BadToken', errorDescription: 'The value is not a lock token.' },
    ])
  }
  const { body } = await server.post(`${subscription}:acknowledge?api-version=2023-11-01`, {
    lockTokens: ['x'],
  })
  assert.equal(body.failedLockTokens[0].error.code, 'BadToken')
})

test('a thousand tokens are taken in one request, and one more is refused', async (t) => {
  const server = await startPullServer(t)
  const tokens = Array.from({ length: 1000 }, (_, n) => `t${n}`)
  assert.equal((await settle(server, 'renewLock', tokens)).failedLockTokens.length, 1000)
  const { status, body } = await server.post(`${subscription}:acknowledge?${version}`, {
    lockTokens: [...tokens, 'x'],
  })
  assert.equal(status, 400)
  assert.match(body.error.message, /1001 lock tokens, which is more than the maximum of 1000/)
})

test('parameters and bodies that are not as they must be are answered 400, naming what was expected', async (t) => {
  const server = await startPullServer(t)
  const refused = async (path: string, body?: unknown) => {
    const answer = await server.post(path, body)
    assert.equal(answer.status, 400, path)
    assert.equal(answer.body.error.code, 'BadRequest')
    return answer.body.error.message as string
  }
  for (const value of ['0', '101', '-1', 'x', '1.5', ''])
    assert.match(await refused(`${subscription}:receive?maxEvents=${value}&${version}`), /from 1 to 100/)
  for (const value of ['9', '121'])
    assert.match(await refused(`${subscription}:receive?maxWaitTime=${value}&${version}`), /from 10 to 120/)
  for (const value of ['1', '-0', '3601', ''])
    assert.match(
      await refused(`${subscription}:release?releaseDelayInSeconds=${value}&${version}`, {
        lockTokens: ['x'],
      }),
      /0, 10, 60, 600, 3600/,
    )
  for (const body of [
    '',
    '{',
    '[]',
    '{}',
    { lockTokens: [] },
    { lockTokens: 'x' },
    { lockTokens: [1] },
    'null',
  ])
    await refused(`${subscription}:acknowledge?${version}`, body)
  assert.match(await refused(`/topics/orders/eventsubscriptions/pushed:receive?${version}`), /deliveryMode/)
})

test('what is not there is answered 404, and another method than POST 405', async (t) => {
  const server = await startPullServer(t)
  const { origin } = new URL(server.url)
  const statusOf = async (url: string, method = 'POST') =>
    (await fetch(url, { method, headers: { 'aeg-sas-key': server.namespace.keys[0] } })).status
  assert.equal(await statusOf(`${origin}/namespaces/other/topics/orders:publish?${version}`), 404)
  assert.equal(await statusOf(`${server.url}/topics/other:publish?${version}`), 404)
  assert.equal(await statusOf(`${server.url}/topics/orders/eventsubscriptions/x:receive?${version}`), 404)
  assert.equal(await statusOf(`${server.url}/topics/orders:receive?${version}`), 404)
  assert.equal(await statusOf(`${server.url}/topics/orders:publish?${version}`, 'GET'), 405)
  assert.equal(await statusOf(`${server.url}${subscription}%3Areceive?${version}`, 'PUT'), 405)
})

test('paths are matched in any letter case, with the colon in either spelling', async (t) => {
  const server = await startPullServer(t)
  await server.publish('a')
  const { status, body } = await server.post(`/Topics/ORDERS/eventSubscriptions/ALL%3aReceive?${version}`)
  assert.deepEqual([status, body.value.length], [200, 1])
})

test('without an api-version the newest is meant, unless the profile is strict; unknown ones are refused', async (t) => {
  const open = await startPullServer(t)
  const strict = await startPullServer(t, { isStrict: true })
  assert.equal((await open.post(`${subscription}:acknowledge`, { lockTokens: ['x'] })).status, 200)
  assert.equal((await strict.post(`${subscription}:acknowledge`, { lockTokens: ['x'] })).status, 400)
  const { status, body } = await open.post(`${subscription}:acknowledge?api-version=2020-01-01`)
  assert.deepEqual([status, body.error.code], [400, 'UnsupportedApiVersion'])
  const renew = `${subscription}:renewLock?api-version=2023-11-01`
  assert.equal((await open.post(renew, { lockTokens: ['x'] })).status, 200)
  assert.equal((await strict.post(renew, { lockTokens: ['x'] })).status, 404)
})

// ---------------------------------------------------------------------------------------------------- credentials

const asAnonymous = { authorization: '' }

test('keys of the namespace and of the topic are good in every place where clients put them', async (t) => {
  const server = await startPullServer(t)
  const path = `${subscription}:acknowledge?${version}`
  const statusOf = async (headers: Record<string, string>, more = '') => {
    const response = await fetch(server.url + path + more, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: '{"lockTokens":["x"]}',
    })
    return response.status
  }
  for (const key of [...server.namespace.keys, ...server.topicKeys]) {
    assert.equal(await statusOf({ authorization: `SharedAccessKey ${key}` }), 200)
    assert.equal(await statusOf({ authorization: `sharedaccesskey ${key}` }), 200)
    assert.equal(await statusOf({ 'aeg-sas-key': key }), 200)
    assert.equal(await statusOf({}, `&aeg-sas-key=${encodeURIComponent(key)}`), 200)
  }
  for (const headers of [
    {},
    { authorization: 'SharedAccessKey wrong' },
    { authorization: 'SharedAccessKey' },
    { authorization: 'Basic eDp5' },
    { 'aeg-sas-key': '' },
    { 'aeg-sas-token': 'r=x' },
  ] as Record<string, string>[]) {
    const response = await fetch(server.url + path, { method: 'POST', headers, body: '{}' })
    assert.equal(response.status, 401)
    assert.match(response.headers.get('www-authenticate') ?? '', /^Bearer/)
    const { error } = (await response.json()) as { error: { code: string; message: string } }
    assert.equal(error.code, 'Unauthorized')
    assert.ok(!server.namespace.keys.some((key) => error.message.includes(key)))
  }
  server.change({ disableLocalAuth: true })
  assert.equal(await statusOf({ 'aeg-sas-key': server.namespace.keys[0] }), 401)
})

test('a signature is good for what lies below the URL that was signed, and for no more', async (t) => {
  const server = await startPullServer(t)
  const sign = (url: string, key = server.namespace.keys[0], at = Date.UTC(2030, 0)) =>
    generateSharedAccessSignature(url, new AzureKeyCredential(key), new Date(at))
  const statusOf = async (token: string, path: string) => {
    const byHeader = await server.post(
      path,
      { lockTokens: ['x'] },
      { ...asAnonymous, 'aeg-sas-token': token },
    )
    const response = await fetch(server.url + path, {
      method: 'POST',
      headers: { authorization: `SharedAccessSignature ${token}`, 'content-type': 'application/json' },
      body: '{"lockTokens":["x"]}',
    })
    assert.equal(response.status, byHeader.status)
    return byHeader.status
  }
  const publish = `/topics/orders:publish?${version}`
  const acknowledge = `${subscription}:acknowledge?${version}`
  // What is published is no event, so that 415 says that the credential was good.
  for (const [url, publishing, acknowledging] of [
    [server.url, 415, 200],
    [`${server.url}/`, 415, 200],
    [`${server.url}/topics/orders`, 415, 200],
    [`${server.url}/topics/ORDERS/`, 415, 200],
    [`${server.url}${subscription}`, 401, 200],
    [`${server.url}/topics/order`, 401, 401],
    [`${server.url}/topics/orders/eventsubscriptions/al`, 401, 401],
    ['https://ns.westus2-1.eventgrid.azure.net', 415, 200],
    ['https://ns.westus2-1.eventgrid.azure.net/topics/orders', 415, 200],
    [`https://ns.westus2-1.eventgrid.azure.net${subscription}`, 401, 200],
    ['https://other.westus2-1.eventgrid.azure.net/topics/orders', 401, 401],
  ] as const) {
    const token = await sign(url)
    assert.equal(await statusOf(token, publish), publishing, `publishing with a token for ${url}`)
    assert.equal(await statusOf(token, acknowledge), acknowledging, `acknowledging with a token for ${url}`)
  }
  assert.equal(await statusOf(await sign(server.url, server.topicKeys[1]), acknowledge), 200)
  assert.equal(await statusOf(await sign(server.url, 'b3RoZXI='), acknowledge), 401)
  assert.equal(await statusOf(await sign(server.url, undefined, Date.UTC(2020, 0)), acknowledge), 401)
})

test('a bearer needs the right to send or to receive, on the event subscription or above it', async (t) => {
  const server = await startPullServer(t)
  server.bearers.set('ada', {
    objectId: 'ada',
    principalIds: ['ada'],
    expiresAt: Number.MAX_SAFE_INTEGER,
    isUser: false,
    isPrincipal: true,
  })
  const topicId = `${server.namespace.id}/topics/orders`
  const statusOf = async (path: string, token = 'ada') =>
    (await server.post(path, { lockTokens: ['x'] }, { authorization: `Bearer ${token}` })).status
  const publish = `/topics/orders:publish?${version}`
  const acknowledge = `${subscription}:acknowledge?${version}`
  assert.deepEqual([await statusOf(publish), await statusOf(acknowledge)], [403, 403])
  server.permitted.add(`ada Microsoft.EventGrid/events/send/action ${topicId}`)
  assert.deepEqual([await statusOf(publish), await statusOf(acknowledge)], [415, 403])
  server.permitted.add(`ada Microsoft.EventGrid/events/receive/action ${topicId}/eventSubscriptions/all`)
  assert.equal(await statusOf(acknowledge), 200)
  assert.equal(await statusOf(acknowledge, 'nobody'), 401)
  server.change({ disableLocalAuth: true })
  assert.equal(await statusOf(acknowledge), 200)
})

test('the network rules of the namespace are judged before the credential', async (t) => {
  const server = await startPullServer(t)
  const refusedWith = async (properties: Parameters<PullServer['change']>[0]) => {
    server.change(properties)
    const { status, body } = await server.post(`${subscription}:receive?${version}`, undefined, asAnonymous)
    assert.equal(status, 403)
    server.change({ publicNetworkAccess: true, allowsAddress: undefined, requiresTls: false })
    return body.error.message as string
  }
  assert.match(await refusedWith({ publicNetworkAccess: false }), /public network access is disabled/)
  assert.match(await refusedWith({ allowsAddress: () => false }), /inboundIpRules/)
  assert.match(await refusedWith({ requiresTls: true }), /minimumTlsVersionAllowed/)
})

// ------------------------------------------------------------------------------------------------------ publishing

const publishAs = (server: PullServer, contentType: string, body: string, headers = {}) =>
  server.post(`/topics/orders:publish?${version}`, body, { 'content-type': contentType, ...headers })
const event = { specversion: '1.0', id: '1', source: '/s', type: 't', data: 1 }
const binary = { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': '/s', 'ce-type': 't' }
const receivedEvents = async (server: PullServer) =>
  (await server.post(`${subscription}:receive?maxEvents=100&${version}`)).body.value.map(
    (each: { event: unknown }) => each.event,
  )

test('binary data comes back as data_base64 with its content type and extensions, JSON as data', async (t) => {
  const server = await startPullServer(t)
  const protobuf = { ...binary, 'ce-ext': 'caf%C3%A9' }
  assert.equal((await publishAs(server, 'application/protobuf', '\u0001\u0002', protobuf)).status, 200)
  assert.equal((await publishAs(server, 'application/vnd.x+json; v=1', '{"a":1}', binary)).status, 200)
  assert.equal((await publishAs(server, 'text/plain', '', binary)).status, 200)
  const context = { specversion: '1.0', id: '1', source: '/s', type: 't' }
  assert.deepEqual(await receivedEvents(server), [
    { ...context, ext: 'café', datacontenttype: 'application/protobuf', data_base64: 'AQI=' },
    { ...context, datacontenttype: 'application/vnd.x+json; v=1', data: { a: 1 } },
    { ...context, datacontenttype: 'text/plain' },
  ])
})

test('content types that say of no event what it is are answered 415', async (t) => {
  const server = await startPullServer(t)
  for (const type of ['application/json', 'text/plain', 'application/cloudevents+avro'])
    assert.equal((await publishAs(server, type, JSON.stringify(event))).status, 415, type)
  assert.equal((await publishAs(server, 'application/cloudevents+avro', 'x', binary)).status, 415)
})

test('events that are not as they must be are refused, with all that came with them', async (t) => {
  const server = await startPullServer(t)
  const batch = 'application/cloudevents-batch+json'
  for (const wrong of [
    '',
    '{',
    '[]',
    JSON.stringify(event),
    JSON.stringify([event, { ...event, id: '' }]),
    JSON.stringify([{ ...event, specversion: '0.3' }]),
    JSON.stringify([{ ...event, Upper: 1 }]),
    JSON.stringify([{ ...event, data_base64: 'AQI=' }]),
    JSON.stringify([{ ...event, time: 'yesterday' }]),
  ])
    assert.equal((await publishAs(server, batch, wrong)).status, 400, wrong)
  assert.equal((await publishAs(server, 'application/cloudevents+json', JSON.stringify([event]))).status, 400)
  assert.equal((await publishAs(server, 'application/json', '{', binary)).status, 400)
  const queue = await server.store.queues.open('uid-all')
  assert.equal(queue.counts().entries, 0)
})

test('too many events and too many bytes are answered 413', async (t) => {
  const server = await startPullServer(t)
  const batch = 'application/cloudevents-batch+json'
  const many = (n: number) => JSON.stringify(Array.from({ length: n }, () => event))
  assert.equal((await publishAs(server, batch, many(1000))).status, 200)
  assert.equal((await publishAs(server, batch, many(1001))).status, 413)
  const large = JSON.stringify({ ...event, data: 'x'.repeat(1_048_576) })
  assert.equal((await publishAs(server, 'application/cloudevents+json', large)).status, 413)
})

test('an event without data is taken, but not in the strict profile', async (t) => {
  const open = await startPullServer(t)
  const strict = await startPullServer(t, { isStrict: true })
  const { data: _, ...bare } = event
  const type = 'application/cloudevents+json'
  assert.equal((await publishAs(open, type, JSON.stringify(bare))).status, 200)
  const { status, body } = await publishAs(strict, type, JSON.stringify(bare))
  assert.equal(status, 400)
  assert.match(body.error.message, /'data' attribute is required/)
  const long = { ...event, ['x'.repeat(21)]: 1 }
  assert.equal((await publishAs(open, type, JSON.stringify(long))).status, 200)
  assert.equal((await publishAs(strict, type, JSON.stringify(long))).status, 400)
  assert.equal((await publishAs(strict, type, JSON.stringify({ ...event, n: 2 ** 31 }))).status, 400)
  assert.equal((await publishAs(strict, type, JSON.stringify({ ...event, n: -(2 ** 31) }))).status, 200)
  const given = { ...binary, 'ce-datacontenttype': 'text/plain' }
  assert.equal((await publishAs(open, 'text/plain', 'x', given)).status, 200)
  assert.equal((await publishAs(strict, 'text/plain', 'x', given)).status, 400)
})

// -------------------------------------------------------------------------------------------- quotas, metrics, trace

test('the strict profile refuses what is beyond the throughput units with 429 and Retry-After, the open one counts', async (t) => {
  for (const isStrict of [false, true]) {
    const { clock, server } = await startWithClock(t, { isStrict })
    const ids = Array.from({ length: 1000 }, (_, n) => String(n))
    await server.publish(...ids)
    const answer = await publishAs(server, 'application/cloudevents+json', JSON.stringify(event))
    if (isStrict) {
      assert.equal(answer.status, 429)
      assert.equal(answer.body.error.code, 'TooManyRequests')
      assert.equal(answer.headers.get('retry-after'), '1')
      await clock.advance(1000)
      await server.publish('again')
    } else assert.equal(answer.status, 200)
    assert.match(server.metrics.encode(), /busbar_throughput_exceeded_total\{[^}]*direction="ingress"\} 1\n/)
  }
})

test('what is done to events is counted by event subscription', async (t) => {
  const server = await startPullServer(t)
  await server.publish('a', 'b', 'c')
  const [a, b] = (await receive(server)) as [Received, Received]
  await settle(server, 'acknowledge', [a.token, 'x'])
  await settle(server, 'release', [b.token])
  const text = server.metrics.encode()
  for (const line of [
    /busbar_publish_success_total\{topic="[^"]+"\} 3\n/,
    /busbar_received_events_total\{topic="[^"]+",event_subscription="[^"]+\/all"\} 3\n/,
    /busbar_acknowledged_events_total\{.*\} 1\n/,
    /busbar_acknowledged_fail_total\{.*error="BadToken"\} 1\n/,
    /busbar_released_events_total\{.*\} 1\n/,
    /busbar_queued_entries\{.*\} 2\n/,
    /busbar_locked_entries\{.*\} 1\n/,
    /busbar_waiting_receivers\{.*\} 0\n/,
    /busbar_received_latency_ms_count\{.*\} 1\n/,
  ])
    assert.match(text, line)
})

test('the trace of an event shows who had it and what they did with it', async (t) => {
  const server = await startPullServer(t)
  await server.publish('a')
  const [first] = (await receive(server)) as [Received]
  await settle(server, 'release', [first.token])
  const [second] = (await receive(server)) as [Received]
  await settle(server, 'acknowledge', [second.token])
  const [traced] = server.trace.read('a')?.eventSubscriptions ?? []
  assert.deepEqual(
    traced?.attempts.map(({ outcome }) => outcome),
    ['received', 'released', 'received'],
  )
  assert.equal(traced?.end?.kind, 'acknowledged')
})

test('however many events run out of time together, all of them are given up', async (t) => {
  const directory = await temporaryDirectory(t)
  const store = await openEmbeddedStore({ directory, log: createLog('silent') })
  const { clock, server } = await startWithClock(t, { store })
  closeAfter(t, () => store.close())
  await server.put({ eventTimeToLiveMs: 60_000 })
  for (let n = 0; n < 12; n++) await server.publish(...Array.from({ length: 1000 }, (_, m) => `${n}-${m}`))
  await clock.advance(61_000)
  assert.equal(server.givenUp.length, 12_000)
  assert.equal((await store.queues.open('uid-all')).counts().entries, 0)
})
