import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { createServer } from 'node:net'
import { type TestContext, test } from 'node:test'
import { createSystemClock } from '../base/clock.ts'
import { startAmqpBroker } from '../testing/amqp-broker.ts'
import { selfSigned } from '../testing/certificate.ts'
import { freePorts } from '../testing/free-port.ts'
import { ManualClock } from '../testing/manual-clock.ts'
import {
  type AmqpAnswer,
  type AmqpEndpoint,
  type AmqpLimits,
  createAmqpSender,
  defaultAmqpLimits,
} from './amqp-sender.ts'
import { type NetworkRules, openNetworkRules } from './network.ts'

/*
 * Against a broker that answers as it is told. What a broker of others makes of the same messages is in
 * `test/amqp-destinations.test.ts`.
 */

const never = new AbortController().signal
const accepted: AmqpAnswer = { kind: 'accepted' }

const message = (id: string, text = '{}') => ({
  message_id: id,
  content_type: 'application/json',
  body: Buffer.from(text),
})

interface OpenOptions {
  readonly clock?: ManualClock
  readonly rules?: Partial<NetworkRules>
  readonly limits?: Partial<AmqpLimits>
}

function openSender(t: TestContext, { clock, rules, limits }: OpenOptions = {}) {
  const sender = createAmqpSender(
    clock ?? createSystemClock(),
    { ...openNetworkRules, ...rules },
    { ...defaultAmqpLimits, ...limits },
  )
  t.after(() => sender.close())
  return sender
}

const endpointAt = (port: number, more: Partial<AmqpEndpoint> = {}): AmqpEndpoint => ({
  ...{ hostname: '127.0.0.1', port, secure: false, credentials: undefined, durable: true },
  ...more,
})

const idsOf = (messages: readonly { readonly message_id?: unknown }[]) =>
  messages.map(({ message_id }) => message_id)

// ---------------------------------------------------------------- one message

test('a message is delivered once the broker has accepted it', async (t) => {
  const broker = await startAmqpBroker(t)
  const channel = openSender(t).open(endpointAt(broker.port), 'orders')
  assert.deepEqual(await channel.send(message('1', '{"é":"😀"}'), never), accepted)
  const [first] = broker.messages
  assert.equal(first?.address, 'orders')
  assert.equal(first?.text, '{"é":"😀"}')
  assert.equal(first?.durable, true)
  assert.equal(first?.content_type, 'application/json')
  assert.deepEqual(broker.users, [undefined], 'without credentials it is anonymous')
})

test('event subscriptions that send by turns to one entity leave one listener each on their signals', async (t) => {
  const broker = await startAmqpBroker(t)
  const sender = openSender(t)
  const users = [1, 2].map(() => ({
    channel: sender.open(endpointAt(broker.port), 'orders'),
    signal: new AbortController().signal,
  }))
  for (let n = 0; n < 20; n++)
    for (const { channel, signal } of users)
      assert.deepEqual(await channel.send(message(String(n)), signal), accepted)
  for (const { signal } of users) assert.equal(getEventListeners(signal, 'abort').length, 1)
})

test('a message of many frames arrives whole', async (t) => {
  const broker = await startAmqpBroker(t)
  const channel = openSender(t).open(endpointAt(broker.port), 'orders')
  const text = JSON.stringify('ü'.repeat(400_000))
  assert.deepEqual(await channel.send(message('1', text), never), accepted)
  assert.equal(broker.messages[0]?.text, text)
})

test('what the broker says of a message is its answer', async (t) => {
  const error = { condition: 'com.microsoft:server-busy', description: 'later' }
  const broker = await startAmqpBroker(t, {
    answers: [{ reject: error }, 'reject', 'release', 'modify', 'undeliverable', 'accept'],
  })
  const channel = openSender(t).open(endpointAt(broker.port), 'orders')
  const answers: AmqpAnswer[] = []
  for (const id of '123456') answers.push(await channel.send(message(id), never))
  const refused = (condition: string, description = '') => ({ kind: 'refused', condition, description })
  assert.deepEqual(answers, [
    refused('com.microsoft:server-busy', 'later'),
    refused('rejected'),
    refused('released'),
    refused('modified'),
    refused('undeliverable-here'),
    accepted,
  ])
  assert.equal(broker.links, 1, 'no answer of these costs the link')
})

test('a message larger than the broker takes is refused before it is sent', async (t) => {
  const broker = await startAmqpBroker(t, { maxMessageBytes: 1000 })
  const channel = openSender(t).open(endpointAt(broker.port), 'orders')
  const answer = await channel.send(message('1', 'x'.repeat(1000)), never)
  assert.equal(answer.kind === 'refused' && answer.condition, 'amqp:link:message-size-exceeded')
  assert.deepEqual(await channel.send(message('2', 'x'.repeat(500)), never), accepted)
  assert.deepEqual(idsOf(broker.messages), ['2'])
})

// ---------------------------------------------------------------- sharing

test('event subscriptions share one connection to a broker and one link to an entity', async (t) => {
  const broker = await startAmqpBroker(t)
  const sender = openSender(t)
  const endpoint = endpointAt(broker.port)
  const channels = ['orders', 'orders', 'returns'].map((address) => sender.open(endpoint, address))
  await Promise.all(channels.map((channel, index) => channel.send(message(String(index)), never)))
  assert.deepEqual([broker.connections, broker.links], [1, 2])
  assert.deepEqual(broker.messages.map(({ address }) => address).toSorted(), ['orders', 'orders', 'returns'])
})

test('a connection is closed when nobody uses it any more, and made again for whoever comes next', async (t) => {
  const broker = await startAmqpBroker(t)
  const sender = openSender(t)
  const endpoint = endpointAt(broker.port)
  const [one, other] = [sender.open(endpoint, 'orders'), sender.open(endpoint, 'orders')]
  await one.send(message('1'), never)
  await one.close()
  await one.close()
  assert.deepEqual(await other.send(message('2'), never), accepted)
  await other.close()
  await broker.when(() => broker.openConnections === 0)
  const next = sender.open(endpoint, 'orders')
  assert.deepEqual(await next.send(message('3'), never), accepted)
  assert.equal(broker.connections, 2)
})

test('closing waits for the answers to what was sent', async (t) => {
  const broker = await startAmqpBroker(t, { credit: 0 })
  const channel = openSender(t).open(endpointAt(broker.port), 'orders')
  const answer = channel.send(message('1'), never)
  const closed = channel.close()
  await broker.when(() => broker.links === 1)
  broker.credit(1)
  assert.deepEqual(await answer, accepted)
  await closed
})

// ---------------------------------------------------------------- flow

test('no more is sent than the broker has given credit for', async (t) => {
  const broker = await startAmqpBroker(t, { credit: 2, answers: ['nothing'] })
  const channel = openSender(t).open(endpointAt(broker.port), 'orders')
  for (const id of '12345') void channel.send(message(id), never)
  await broker.until(2)
  assert.deepEqual(idsOf(broker.messages), ['1', '2'])
  broker.credit(1)
  await broker.until(3)
  assert.deepEqual(idsOf(broker.messages), ['1', '2', '3'])
})

test('no more than the limit waits for answers', async (t) => {
  const broker = await startAmqpBroker(t, { answers: ['nothing'] })
  const channel = openSender(t, { limits: { outstandingPerEntity: 3 } }).open(
    endpointAt(broker.port),
    'orders',
  )
  for (const id of '12345') void channel.send(message(id), never)
  await broker.until(3)
  assert.deepEqual(idsOf(broker.messages), ['1', '2', '3'])
})

test('an entity without credit holds up no other', async (t) => {
  const broker = await startAmqpBroker(t, { credit: 1, answers: ['nothing', 'accept'] })
  const sender = openSender(t)
  const full = sender.open(endpointAt(broker.port), 'full')
  for (const id of '12') void full.send(message(id), never)
  await broker.until(1)
  assert.deepEqual(await sender.open(endpointAt(broker.port), 'orders').send(message('3'), never), accepted)
})

test('a thousand messages at once all arrive, in order', async (t) => {
  const broker = await startAmqpBroker(t, { credit: 10 })
  const channel = openSender(t).open(endpointAt(broker.port), 'orders')
  const ids = Array.from({ length: 1000 }, (_, index) => String(index))
  const answers = await Promise.all(ids.map((id) => channel.send(message(id), never)))
  assert.ok(answers.every(({ kind }) => kind === 'accepted'))
  assert.deepEqual(idsOf(broker.messages), ids)
})

// ---------------------------------------------------------------- refusals

const notFound = { condition: 'amqp:not-found', description: 'no such queue' }

test('a broker that has no such entity says so to everything that waits for it', async (t) => {
  const broker = await startAmqpBroker(t, {
    refuse: (address) => (address === 'orders' ? undefined : notFound),
  })
  const sender = openSender(t)
  const channel = sender.open(endpointAt(broker.port), 'nowhere')
  const answers = await Promise.all([channel.probe(never), channel.send(message('1'), never)])
  assert.deepEqual(answers, [
    { kind: 'refused', ...notFound },
    { kind: 'refused', ...notFound },
  ])
  assert.deepEqual(await sender.open(endpointAt(broker.port), 'orders').probe(never), accepted)
  assert.equal(broker.connections, 1)
})

for (const how of ['detach', 'end', 'close'] as const)
  test(`what a broker does not answer before it sends ${how} has its reason as answer`, async (t) => {
    const error = { condition: 'com.microsoft:entity-disabled', description: 'off' }
    const broker = await startAmqpBroker(t, {
      answers: [{ [how]: error } as unknown as { detach: typeof error }, 'accept'],
    })
    const channel = openSender(t).open(endpointAt(broker.port), 'orders')
    assert.deepEqual(await channel.send(message('1'), never), { kind: 'refused', ...error })
    assert.deepEqual(await channel.send(message('2'), never), accepted)
  })

test('a link that the broker closed for being idle is opened again by the next message', async (t) => {
  const broker = await startAmqpBroker(t)
  const channel = openSender(t).open(endpointAt(broker.port), 'orders')
  await channel.send(message('1'), never)
  broker.detach({ condition: 'amqp:link:detach-forced', description: 'idle for too long' })
  await broker.when(() => broker.openLinks === 0)
  assert.deepEqual(await channel.send(message('2'), never), accepted)
  assert.deepEqual(await channel.send(message('3'), never), accepted)
  assert.deepEqual([broker.connections, broker.links], [1, 2])
})

test('a broker takes the name and the key of the connection, whatever their characters', async (t) => {
  const broker = await startAmqpBroker(t, { passwords: { Sendér: 'schlüssel+/=' } })
  const sender = openSender(t)
  const known = { user: 'Sendér', password: 'schlüssel+/=' }
  const open = (credentials: AmqpEndpoint['credentials']) =>
    sender.open(endpointAt(broker.port, { credentials }), 'orders')
  assert.deepEqual(await open(known).send(message('1'), never), accepted)
  const wrong = await open({ ...known, password: 'x' }).send(message('2'), never)
  assert.equal(wrong.kind === 'refused' && wrong.condition, 'amqp:unauthorized-access')
  assert.deepEqual(broker.users, ['Sendér', 'Sendér'])
})

// ---------------------------------------------------------------- connections

test('a message whose connection breaks has failed, and the next one goes over a new connection', async (t) => {
  const broker = await startAmqpBroker(t, { answers: ['drop', 'accept'] })
  const channel = openSender(t).open(endpointAt(broker.port), 'orders')
  const lost = await channel.send(message('1'), never)
  assert.equal(lost.kind, 'failed')
  assert.deepEqual(await channel.send(message('2'), never), accepted)
  assert.equal(broker.connections, 2)
})

test('what cannot be reached fails with the reason of the network', async (t) => {
  const [port = 0] = await freePorts(1)
  const sender = openSender(t)
  const codeOf = async (endpoint: AmqpEndpoint) => {
    const answer = await sender.open(endpoint, 'orders').send(message('1'), never)
    return answer.kind === 'failed' && answer.code
  }
  assert.equal(await codeOf(endpointAt(port)), 'ECONNREFUSED')
  assert.equal(await codeOf(endpointAt(port, { hostname: 'nowhere.invalid' })), 'ENOTFOUND')
})

test('a broker that cannot be reached is not asked again at once, and less often each time', async (t) => {
  const clock = new ManualClock()
  const [port = 0] = await freePorts(1)
  const channel = openSender(t, { clock }).open(endpointAt(port), 'orders')
  const first = await channel.send(message('1'), never)
  assert.equal(first.kind, 'failed')
  const broker = await startAmqpBroker(t, { port })
  await clock.advance(99)
  assert.equal(await channel.send(message('2'), never), first)
  assert.equal(broker.connections, 0)
  await clock.advance(1)
  assert.deepEqual(await channel.send(message('3'), never), accepted)
})

test('a broker that stays away is asked at most every two seconds', async (t) => {
  const clock = new ManualClock()
  const [port = 0] = await freePorts(1)
  const channel = openSender(t, { clock }).open(endpointAt(port), 'orders')
  const seen = new Set<AmqpAnswer>()
  for (let moment = 0; moment < 10_000; moment += 100) {
    seen.add(await channel.send(message('1'), never))
    await clock.advance(100)
  }
  // After 0, 100, 300, 700, 1500, 3100 and then each 2000 ms.
  assert.equal(seen.size, 9)
})

test('a server that accepts connections and says nothing is given up', async (t) => {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => sockets.add(socket))
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const clock = new ManualClock()
  const channel = openSender(t, { clock, limits: { connectMs: 10_000 } }).open(endpointAt(port), 'orders')
  const answer = channel.send(message('1'), never)
  await clock.advance(10_000)
  assert.deepEqual(await answer, {
    ...{ kind: 'failed', code: 'ETIMEDOUT' },
    message: 'The broker could not be reached in time.',
  })
})

test('TLS needs a certificate from a known authority', async (t) => {
  const broker = await startAmqpBroker(t, { certificate: selfSigned })
  const endpoint = endpointAt(broker.port, { secure: true })
  const strict = { allowSelfSigned: false }
  const unknown = await openSender(t, { rules: strict }).open(endpoint, 'orders').send(message('1'), never)
  assert.equal(unknown.kind === 'failed' && unknown.code, 'DEPTH_ZERO_SELF_SIGNED_CERT')
  const rules = { ...strict, extraCa: [selfSigned.cert] }
  assert.deepEqual(
    await openSender(t, { rules }).open(endpoint, 'orders').send(message('2'), never),
    accepted,
  )
})

test('a broker at a private address needs its name among the allowed hosts', async (t) => {
  const broker = await startAmqpBroker(t)
  const rules = { allowPrivateAddresses: false }
  for (const hostname of ['127.0.0.1', 'localhost']) {
    const endpoint = endpointAt(broker.port, { hostname })
    const answer = await openSender(t, { rules }).open(endpoint, 'orders').send(message('1'), never)
    assert.equal(answer.kind === 'failed' && answer.code, 'BUSBAR_NOT_ALLOWED', hostname)
    const allowed = openSender(t, { rules: { ...rules, allowedHosts: [hostname] } })
    assert.deepEqual(await allowed.open(endpoint, 'orders').send(message('2'), never), accepted)
  }
  assert.deepEqual(idsOf(broker.messages), ['2', '2'])
})

// ---------------------------------------------------------------- time

test('a message without an answer times out after thirty seconds, and later ones go over a new link', async (t) => {
  const clock = new ManualClock()
  const broker = await startAmqpBroker(t, { answers: ['nothing', 'accept'] })
  const channel = openSender(t, { clock }).open(endpointAt(broker.port), 'orders')
  const silent = channel.send(message('1'), never)
  await broker.until(1)
  await clock.advance(30_000)
  assert.deepEqual(await silent, { kind: 'timeout' })
  assert.deepEqual(await channel.send(message('2'), never), accepted)
  assert.deepEqual([broker.connections, broker.links], [1, 2])
})

test('links without answers are closed one by one, and the connection stays', async (t) => {
  const clock = new ManualClock()
  const broker = await startAmqpBroker(t, { answers: ['nothing', 'nothing', 'nothing', 'accept'] })
  const channel = openSender(t, { clock }).open(endpointAt(broker.port), 'orders')
  for (const count of [1, 2, 3]) {
    const silent = channel.send(message(String(count)), never)
    await broker.until(count)
    await clock.advance(30_000)
    assert.deepEqual(await silent, { kind: 'timeout' })
  }
  assert.deepEqual(await channel.send(message('4'), never), accepted)
  assert.equal(broker.connections, 1, 'each link was closed in good order')
})

test('a connection over which the third link in a row answers nothing is given up', async (t) => {
  const clock = new ManualClock()
  const broker = await startAmqpBroker(t)
  const channel = openSender(t, { clock }).open(endpointAt(broker.port), 'orders')
  assert.deepEqual(await channel.send(message('1'), never), accepted)
  broker.freeze()
  for (const id of ['2', '3', '4']) {
    const silent = channel.send(message(id), never)
    await clock.advance(30_000)
    assert.deepEqual(await silent, { kind: 'timeout' })
  }
  assert.deepEqual(await channel.send(message('5'), never), accepted)
  assert.equal(broker.connections, 2)
})

test('a message that the broker gives no credit for times out unsent', async (t) => {
  const clock = new ManualClock()
  const broker = await startAmqpBroker(t, { credit: 0 })
  const channel = openSender(t, { clock }).open(endpointAt(broker.port), 'orders')
  await channel.probe(never)
  const waiting = channel.send(message('1'), never)
  await clock.advance(30_000)
  assert.deepEqual(await waiting, { kind: 'timeout' })
  broker.credit(1)
  assert.deepEqual(await channel.send(message('2'), never), accepted)
  assert.deepEqual(idsOf(broker.messages), ['2'])
})

test('a message ends at once when its signal is raised, and others go on', async (t) => {
  const broker = await startAmqpBroker(t, { answers: ['nothing', 'accept'] })
  const sender = openSender(t)
  const abort = new AbortController()
  const cut = sender.open(endpointAt(broker.port), 'orders').send(message('1'), abort.signal)
  await broker.until(1)
  abort.abort()
  assert.deepEqual(await cut, { kind: 'aborted' })
  const other = sender.open(endpointAt(broker.port), 'orders')
  assert.deepEqual(await other.send(message('2'), never), accepted)
  assert.deepEqual(await other.send(message('3'), abort.signal), { kind: 'aborted' })
})

test('closing the sender cuts what is under way', async (t) => {
  const broker = await startAmqpBroker(t, { answers: ['nothing'] })
  const sender = openSender(t)
  const cut = sender.open(endpointAt(broker.port), 'orders').send(message('1'), never)
  await broker.until(1)
  await sender.close()
  assert.deepEqual(await cut, { kind: 'aborted' })
  await broker.when(() => broker.openConnections === 0)
})
