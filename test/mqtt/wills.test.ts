import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { noProperties, type ProtocolVersion, type Will } from '../../src/mqtt/packets/packet.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { packet } from '../../src/testing/mqtt-bytes.ts'
import { connectRaw, knock, message, type RawClient } from '../../src/testing/mqtt-client.ts'
import { startTestBroker, type TestBrokerOptions } from '../../src/testing/test-broker.ts'
import { both, only5, statement } from './statement.ts'

/* Wills and the end of connections: 3.1.2.5, 3.1.3.2, 3.14 of both standards. */

const will = (rest: Partial<Will> = {}): Will => ({
  ...{ topicName: 'wills/a', payload: Buffer.from('gone'), qos: 1, retain: false, properties: noProperties },
  ...rest,
})

async function startWithWatcher(t: TestContext, version: ProtocolVersion, options: TestBrokerOptions = {}) {
  const started = await startTestBroker(t, options)
  const watcher = await connectRaw(t, started.port, version, { clientId: 'watcher' })
  await watcher.subscribe('wills/#', { qos: 2, retainAsPublished: version === 5 })
  return { ...started, watcher }
}

/** The broker has noticed that the connection is gone. */
async function noticed(
  realm: { readonly ended: readonly unknown[] },
  watcher: RawClient,
  count = 1,
): Promise<void> {
  while (realm.ended.length < count) await watcher.subscribe('nothing')
}

statement(
  { 4: '3.1.2-8', 5: '3.1.2-8' },
  'a will is published when its connection is lost',
  async (t, version) => {
    // [MQTT-3.1.2-7], [MQTT-3.1.2-9]
    const { port, realm, watcher } = await startWithWatcher(t, version)
    for (const qos of [0, 1, 2] as const) {
      const client = await connectRaw(t, port, version, { clientId: `c${qos}`, will: will({ qos }) })
      await client.vanish()
      await noticed(realm, watcher, qos + 1)
      const received = await watcher.messages()
      assert.deepEqual(
        received.map((found) => [found.topicName, String(found.payload), found.qos]),
        [['wills/a', 'gone', qos]],
      )
    }
  },
)

statement(
  { 4: '3.14.4-3', 5: '3.14.4-3' },
  'a will is discarded when the client says DISCONNECT',
  async (t, version) => {
    // [MQTT-3.1.2-10]
    const { port, watcher } = await startWithWatcher(t, version)
    const client = await connectRaw(t, port, version, { will: will() })
    await client.leave()
    assert.deepEqual(await watcher.messages(), [])
  },
)

statement(
  only5('3.14.2.1'),
  'a will is published when the client says DISCONNECT with any other code than 0',
  async (t, version) => {
    const { port, watcher } = await startWithWatcher(t, version)
    for (const code of [0x04, 0x80, 0x98]) {
      const client = await connectRaw(t, port, version, { will: will() })
      await client.leave(noProperties, code)
      assert.equal((await watcher.messages()).length, 1, `0x${code.toString(16)}`)
    }
  },
)

statement(
  { 4: '3.1.2-8', 5: '3.1.2.5' },
  'a will is published when the server ends the connection of a client that breaks the standard',
  async (t, version) => {
    const { port, watcher } = await startWithWatcher(t, version)
    const client = await connectRaw(t, port, version, { will: will() })
    client.send(packet(0x36, 0))
    await client.refused(0x81)
    assert.equal((await watcher.messages()).length, 1)
  },
)

statement(
  { 4: '3.1.2-8', 5: '3.1.2.5' },
  'a will is published when the client does not keep its keep alive',
  async (t, version) => {
    const clock = new ManualClock()
    const { port, watcher } = await startWithWatcher(t, version, {
      clock,
      realm: { limits: { keepAliveSeconds: 60_000 } },
    })
    const client = await connectRaw(t, port, version, { keepAliveSeconds: 10, will: will() })
    await clock.advance(15_300)
    await client.refused(0x8d)
    assert.equal((await watcher.messages()).length, 1)
  },
)

statement(
  { 4: '3.1.2-8', 5: '3.1.2.5' },
  'a will is published when another connection takes the session over',
  async (t, version) => {
    const { port, watcher } = await startWithWatcher(t, version)
    const client = await connectRaw(t, port, version, { clientId: 'a', will: will() })
    await connectRaw(t, port, version, { clientId: 'a' })
    await client.refused(0x8e)
    assert.equal((await watcher.messages()).length, 1)
  },
)

statement(
  { 4: '3.1.2-16', 5: '3.1.2-14' },
  'a will without retain is published as a message that is not retained',
  async (t, version) => {
    const { port, realm, watcher } = await startWithWatcher(t, version)
    const client = await connectRaw(t, port, version, { will: will() })
    await client.vanish()
    await noticed(realm, watcher)
    assert.deepEqual(
      (await watcher.messages()).map(({ retain }) => retain),
      [false],
    )
    const late = await connectRaw(t, port, version)
    await late.subscribe('wills/#')
    assert.deepEqual(await late.messages(), [])
  },
)

statement(
  { 4: '3.1.2-17', 5: '3.1.2-15' },
  'a will with retain is published as a retained message',
  async (t, version) => {
    const { port, realm, watcher } = await startWithWatcher(t, version)
    const client = await connectRaw(t, port, version, { will: will({ retain: true }) })
    await client.vanish()
    await noticed(realm, watcher)
    assert.deepEqual(
      (await watcher.messages()).map(({ retain }) => retain),
      [version === 5],
    )
    const late = await connectRaw(t, port, version)
    await late.subscribe('wills/#')
    assert.deepEqual(
      (await late.messages()).map(({ retain }) => retain),
      [true],
    )
  },
)

statement(
  { 4: '3.1.2-12', 5: '3.1.2.5' },
  'without a will nothing is published at the end',
  async (t, version) => {
    const { port, realm, watcher } = await startWithWatcher(t, version)
    const client = await connectRaw(t, port, version)
    await client.vanish()
    await noticed(realm, watcher)
    assert.deepEqual(await watcher.messages(), [])
  },
)

statement(
  { 4: '3.1.2-10', 5: '3.1.2-10' },
  'a will is published once: not again at the end of the next connection',
  async (t, version) => {
    const { port, realm, watcher } = await startWithWatcher(t, version)
    const kept = {
      clientId: 'a',
      cleanStart: false,
      properties: version === 5 ? { sessionExpiryInterval: 60 } : noProperties,
    }
    const client = await connectRaw(t, port, version, { ...kept, will: will() })
    await client.vanish()
    await noticed(realm, watcher)
    assert.equal((await watcher.messages()).length, 1)
    const again = await connectRaw(t, port, version, kept)
    await again.vanish()
    await noticed(realm, watcher, 2)
    assert.deepEqual(await watcher.messages(), [])
  },
)

statement(
  only5('3.1.3-10'),
  'the properties of a will are those of the message, user properties in their order',
  async (t, version) => {
    const { port, realm, watcher } = await startWithWatcher(t, version)
    const properties = {
      payloadFormatIndicator: 1,
      messageExpiryInterval: 100,
      contentType: 'text/plain',
      responseTopic: 'answers',
      correlationData: Buffer.from([1, 2]),
      userProperties: [
        ['b', '1'],
        ['a', '2'],
        ['b', '3'],
      ],
    } as const
    const client = await connectRaw(t, port, version, { will: will({ properties }) })
    await client.vanish()
    await noticed(realm, watcher)
    assert.deepEqual((await watcher.messages())[0]?.properties, properties)
  },
)

const delayed = {
  clientId: 'a',
  properties: { sessionExpiryInterval: 3600 },
  will: will({ properties: { willDelayInterval: 30 } }),
}

statement(
  only5('3.1.3.2.2'),
  'a delayed will is published when its delay has passed, and no earlier',
  async (t, version) => {
    const clock = new ManualClock()
    const { port, realm, watcher } = await startWithWatcher(t, version, { clock })
    const client = await connectRaw(t, port, version, delayed)
    await clock.advance(100_000) // the delay begins with the end of the connection, not with its last packet
    await client.vanish()
    await noticed(realm, watcher)
    await clock.advance(29_800)
    assert.deepEqual(await watcher.messages(), [])
    await clock.advance(500)
    assert.equal((await watcher.messages()).length, 1)
  },
)

statement(
  only5('3.1.3-9'),
  'a delayed will is not published when the client is back before its delay has passed',
  async (t, version) => {
    const clock = new ManualClock()
    const { port, realm, watcher } = await startWithWatcher(t, version, { clock })
    const client = await connectRaw(t, port, version, delayed)
    await client.vanish()
    await noticed(realm, watcher)
    await clock.advance(20_000)
    const { will: _, ...without } = delayed
    await connectRaw(t, port, version, { ...without, cleanStart: false })
    await clock.advance(60_000)
    assert.deepEqual(await watcher.messages(), [])
  },
)

statement(
  only5('3.1.2-8'),
  'a delayed will is published when its session ends before its delay has passed',
  async (t, version) => {
    const clock = new ManualClock()
    const { port, realm, watcher } = await startWithWatcher(t, version, { clock })
    const client = await connectRaw(t, port, version, {
      ...delayed,
      properties: { sessionExpiryInterval: 5 },
    })
    await client.vanish()
    await noticed(realm, watcher)
    await clock.advance(5_500)
    assert.equal((await watcher.messages()).length, 1)
  },
)

statement(
  only5('3.1.2.5'),
  'a delayed will of a session that ends with its connection is published at once',
  async (t, version) => {
    const clock = new ManualClock()
    const { port, realm, watcher } = await startWithWatcher(t, version, { clock })
    const client = await connectRaw(t, port, version, { clientId: 'a', will: delayed.will })
    await client.vanish()
    await noticed(realm, watcher)
    assert.equal((await watcher.messages()).length, 1)
  },
)

statement(
  only5('3.1.4-3'),
  'a delayed will is published when a clean start ends its session',
  async (t, version) => {
    const clock = new ManualClock()
    const { port, realm, watcher } = await startWithWatcher(t, version, { clock })
    const client = await connectRaw(t, port, version, delayed)
    await client.vanish()
    await noticed(realm, watcher)
    await connectRaw(t, port, version, { clientId: 'a', cleanStart: true })
    assert.equal((await watcher.messages()).length, 1)
  },
)

statement(
  only5('3.14.2.2.2'),
  'DISCONNECT may change when the session expires, to 0 too',
  async (t, version) => {
    const clock = new ManualClock()
    const { port } = await startTestBroker(t, { clock })
    const kept = { clientId: 'a', cleanStart: false, properties: { sessionExpiryInterval: 100 } }
    for (const [sessionExpiryInterval, waitMs, isPresent] of [
      [10, 9_000, true],
      [10, 10_500, false],
      [1000, 500_000, true],
      [0, 0, false],
    ] as const) {
      const client = await connectRaw(t, port, version, { ...kept, cleanStart: true })
      await client.leave({ sessionExpiryInterval })
      await clock.advance(waitMs)
      const again = await connectRaw(t, port, version, { clientId: 'b' })
      await again.leave()
      const returning = await connectRawPresent(t, port, kept)
      assert.equal(returning, isPresent, `${sessionExpiryInterval} s, after ${waitMs} ms`)
    }
  },
)

async function connectRawPresent(t: TestContext, port: number, fields: object): Promise<boolean> {
  return (await knock(t, port, 5, fields)).connack.sessionPresent
}

statement(
  only5('3.14.2-2'),
  'DISCONNECT may not give an expiry to a session that had none',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const client = await connectRaw(t, port, version)
    client.send({ type: 'disconnect', reasonCode: 0, properties: { sessionExpiryInterval: 1 } })
    await client.refused(0x82)
  },
)

statement(
  both('3.14.4-1'),
  'after DISCONNECT nothing that the client sends is processed, and the connection is closed',
  async (t, version) => {
    // [MQTT-3.14.4-2]
    const { port, watcher } = await startWithWatcher(t, version)
    const client = await connectRaw(t, port, version)
    client.send(
      { type: 'disconnect', reasonCode: 0, properties: noProperties },
      message('wills/x', 'late', { qos: 1 }),
    )
    assert.deepEqual(await client.rest(), [])
    assert.deepEqual(await watcher.messages(), [])
  },
)

statement(
  both('3.14'),
  'a server that stops says so in 5.0 and closes every connection',
  async (t, version) => {
    const { port, broker } = await startTestBroker(t)
    const client = await connectRaw(t, port, version)
    await broker.close()
    await client.refused(0x8b)
  },
)
