import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import { type TestContext, test } from 'node:test'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { connectAsync, type IClientOptions } from 'mqtt'
import { type ClientOptions, WebSocket } from 'ws'
import { createLog } from '../../base/log.ts'
import { listen } from '../../http/http.ts'
import { selfSigned } from '../../testing/certificate.ts'
import { connectPacket, RawClient } from '../../testing/mqtt-client.ts'
import { testIdentity } from '../../testing/mqtt-realm.ts'
import { startTestBroker, type TestBroker, type TestBrokerOptions } from '../../testing/test-broker.ts'
import type { ConnectRequest } from '../realm.ts'
import { createWebSocketUpgrade } from './websocket.ts'

/** Remembers what clients came with. */
function watch(): {
  readonly requests: ConnectRequest[]
  readonly realm: NonNullable<TestBrokerOptions['realm']>
} {
  const requests: ConnectRequest[] = []
  return {
    requests,
    realm: {
      async authenticate(request) {
        requests.push(request)
        return { kind: 'admitted', identity: testIdentity(request.clientId) }
      },
    },
  }
}

const tls = { key: selfSigned.key, cert: selfSigned.cert }

/** A message to itself, over whatever is between. */
async function echo(t: TestContext, url: string, options: IClientOptions = {}): Promise<void> {
  const client = await connectAsync(url, { reconnectPeriod: 0, rejectUnauthorized: false, ...options })
  t.after(() => client.endAsync(true))
  await client.subscribeAsync('echo', { qos: 1 })
  const { promise, resolve } = Promise.withResolvers<string>()
  client.once('message', (topic, payload) => resolve(`${topic} ${payload.toString()}`))
  await client.publishAsync('echo', 'hello', { qos: 1 })
  assert.equal(await promise, 'echo hello')
}

for (const version of ['TLSv1.2', 'TLSv1.3'] as const)
  test(`a client over ${version} without a certificate is let to its CONNECT`, async (t) => {
    const { requests, realm } = watch()
    const { url } = await startTestBroker(t, { realm, listen: { tls } })
    await echo(t, url, { minVersion: version, maxVersion: version } as IClientOptions)
    assert.deepEqual(
      requests.map(({ secure, certificates }) => [secure, certificates.length]),
      [[true, 0]],
    )
  })

test('a certificate of a client is handed on, whoever signed it', async (t) => {
  const { requests, realm } = watch()
  const { url } = await startTestBroker(t, { realm, listen: { tls } })
  await echo(t, url, { ...selfSigned, protocolVersion: 5 })
  const [certificate] = requests[0]?.certificates ?? []
  const [, base64 = ''] = /-----\n([^-]+)-----END/.exec(selfSigned.cert) ?? []
  assert.deepEqual(Buffer.from(certificate as Uint8Array), Buffer.from(base64, 'base64'))
})

test('the name that a TLS client asks for decides its realm, and one of no realm is closed', async (t) => {
  const names: (string | undefined)[] = []
  const started: TestBroker = await startTestBroker(t, {
    listen: {
      tls,
      realmOf: (name) => {
        names.push(name)
        return name === 'none.example' ? undefined : started.brokerRealm
      },
    },
  })
  const open = (servername: string): TLSSocket =>
    connectTls({ host: '127.0.0.1', port: started.port, servername, rejectUnauthorized: false })
  const good = open('Here.example')
  t.after(() => good.destroy())
  await once(good, 'secureConnect')
  const client = new RawClient(good, 4)
  client.send(connectPacket(4, { clientId: 'a' }))
  assert.equal((await client.next('connack')).reasonCode, 0)
  const bad = open('none.example')
  bad.on('error', () => {})
  await once(bad, 'close')
  assert.deepEqual(names, ['here.example', 'none.example'])
})

for (const secure of [false, true])
  test(`a proxy says for whom it speaks, ${secure ? 'before TLS' : 'before MQTT'}`, async (t) => {
    const { requests, realm } = watch()
    const { port } = await startTestBroker(t, {
      realm,
      listen: { proxyProtocol: true, ...(secure && { tls }) },
    })
    const socket = connectTcp(port, '127.0.0.1')
    t.after(() => socket.destroy())
    await once(socket, 'connect')
    socket.write('PROXY TCP4 192.0.2.7 10.0.0.1 4660 1883\r\n')
    const channel = secure ? connectTls({ socket, rejectUnauthorized: false }) : socket
    if (secure) await once(channel, 'secureConnect')
    const client = new RawClient(channel, 4)
    client.send(connectPacket(4, { clientId: 'a' }))
    await client.next('connack')
    assert.deepEqual(
      requests.map(({ remoteAddress, secure: over }) => [remoteAddress, over]),
      [['192.0.2.7', secure]],
    )
  })

test('what does not begin with a PROXY header is closed where one is expected', async (t) => {
  const { port } = await startTestBroker(t, { listen: { proxyProtocol: true } })
  const socket = connectTcp(port, '127.0.0.1')
  const client = new RawClient(socket, 4)
  client.send(connectPacket(4, { clientId: 'a' }))
  assert.deepEqual(await client.rest(), [])
})

test('one connection more than there may be is closed', async (t) => {
  const { port } = await startTestBroker(t, { listen: { connections: 1 } })
  const first = new RawClient(connectTcp(port, '127.0.0.1'), 4)
  t.after(() => first.socket.destroy())
  first.send(connectPacket(4, { clientId: 'a' }))
  await first.next('connack')
  assert.deepEqual(await new RawClient(connectTcp(port, '127.0.0.1'), 4).rest(), [])
})

// ------------------------------------------------------------------ WebSocket

async function startWebSocket(t: TestContext, options: TestBrokerOptions = {}, isTls = false) {
  const started = await startTestBroker(t, options)
  const { broker, brokerRealm } = started
  const upgrade = createWebSocketUpgrade({
    broker,
    realmOf: (_, path) => (path === '' || path === '/namespaces/n' ? brokerRealm : undefined),
    frameBytes: 1_000_000,
    addressOf: ({ socket }) => socket.remoteAddress ?? '',
  })
  const listener = await listen({
    ...{ host: '127.0.0.1', port: 0, log: createLog('silent'), upgrade },
    doors: [() => ({ status: 200, body: 'plain' })],
    ...(isTls && { tls: { ...tls, requestCert: true, rejectUnauthorized: false } }),
  })
  t.after(async () => {
    await broker.close()
    await listener.close(0)
  })
  const open = (path: string, protocols: string[], more: ClientOptions = {}) => {
    const socket = new WebSocket(`${listener.url.replace('http', 'ws')}${path}`, protocols, more)
    t.after(() => socket.terminate())
    return socket
  }
  return { ...started, http: listener.url, ws: listener.url.replace('http', 'ws'), open }
}

for (const path of ['/mqtt', '/', '/namespaces/n/mqtt'])
  for (const protocolVersion of [4, 5] as const)
    test(`MQTT ${protocolVersion} is spoken over WebSocket at ${path}`, async (t) => {
      const { ws } = await startWebSocket(t)
      await echo(t, `${ws}${path}`, { protocolVersion })
    })

test('a client over WebSocket and TLS may show a certificate', async (t) => {
  const { requests, realm } = watch()
  const { ws } = await startWebSocket(t, { realm }, true)
  await echo(t, `${ws}/mqtt`, selfSigned)
  assert.deepEqual(
    requests.map(({ secure, certificates }) => [secure, certificates.length]),
    [[true, 1]],
  )
})

test('a path of no realm has no WebSocket, and a request that offers another upgrade is answered as it is', async (t) => {
  const { http, open } = await startWebSocket(t)
  const [error] = (await once(open('/other/mqtt', ['mqtt']), 'error')) as [Error]
  assert.match(error.message, /404/)
  const [elsewhere] = (await once(open('/elsewhere', ['mqtt']), 'error')) as [Error]
  assert.match(elsewhere.message, /404/)
  const answer = await fetch(http)
  assert.equal(await answer.text(), 'plain')
})

test('a WebSocket without a subprotocol is taken in the open profile, one with another is not', async (t) => {
  const { open } = await startWebSocket(t)
  await once(open('/mqtt', []), 'open')
  await once(open('/mqtt', ['amqp']), 'error')
  const old = open('/mqtt', ['mqttv3.1'])
  await once(old, 'open')
  assert.equal(old.protocol, 'mqttv3.1')
})

test('a WebSocket without a subprotocol is refused in the strict profile', async (t) => {
  const { open } = await startWebSocket(t, { realm: { profile: 'strict' } })
  const [error] = (await once(open('/mqtt', []), 'error')) as [Error]
  assert.match(error.message, /400/)
})

test('packets may be cut anywhere across frames, and joined in one', async (t) => {
  const { open, realm } = await startWebSocket(t)
  const socket = open('/mqtt', ['mqtt'])
  await once(socket, 'open')
  const connect = Buffer.from('100d00044d5154540402003c000161', 'hex')
  for (const byte of connect) socket.send(Buffer.of(byte))
  const [connack] = (await once(socket, 'message')) as [Buffer]
  assert.equal(connack.toString('hex'), '20020000')
  socket.send(Buffer.from('c000c000', 'hex'))
  const [pings] = (await once(socket, 'message')) as [Buffer]
  assert.equal(pings.toString('hex'), 'd000d000')
  socket.close()
  await once(socket, 'close')
  while (realm.ended.length === 0) await new Promise(setImmediate)
  // A close frame is a leave in good order for life-cycle events, whatever MQTT thinks of it.
  assert.equal(realm.ended[0]?.reason, 'ClientInitiatedDisconnect')
})

test('a text frame ends the connection', async (t) => {
  const { open, realm } = await startWebSocket(t)
  const socket = open('/mqtt', ['mqtt'])
  await once(socket, 'open')
  socket.send(Buffer.from('100d00044d5154540402003c000161', 'hex'))
  await once(socket, 'message')
  socket.send('text')
  await once(socket, 'close')
  assert.equal(realm.ended[0]?.reason, 'ClientError')
})
