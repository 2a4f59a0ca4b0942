import assert from 'node:assert/strict'
import { setImmediate as turn } from 'node:timers/promises'
import { noProperties } from '../../src/mqtt/packets/packet.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { connectPacket, connectRaw, knock, message, openRaw } from '../../src/testing/mqtt-client.ts'
import { startTestBroker } from '../../src/testing/test-broker.ts'
import { both, only5, statement } from './statement.ts'

/* CONNECT and CONNACK: sections 3.1 and 3.2 of both standards. */

statement(both('3.1.0-1'), 'a client that sends no CONNECT in time is cut', async (t, version) => {
  const clock = new ManualClock()
  const { port, realm } = await startTestBroker(t, { clock })
  const client = await openRaw(t, port, version)
  await knock(t, port, version) // the first connection has been accepted too
  await clock.advance(realm.limits.connectMs + 1000)
  assert.deepEqual(await client.rest(), [])
})

statement(both('3.1.0-2'), 'a second CONNECT ends the connection', async (t, version) => {
  const { port } = await startTestBroker(t)
  const client = await connectRaw(t, port, version, { clientId: 'a' })
  client.send(connectPacket(version, { clientId: 'a' }))
  await client.refused(0x82)
})

statement(
  { 4: '3.1.2-6', 5: '3.1.2-4' },
  'a clean start discards the session that was there, and says so',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const kept = {
      clientId: 'a',
      cleanStart: false,
      properties: version === 5 ? { sessionExpiryInterval: 60 } : noProperties,
    }
    const first = await connectRaw(t, port, version, kept)
    await first.subscribe('news', { qos: 1 })
    await first.leave()
    const publisher = await connectRaw(t, port, version)
    await publisher.publish('news', 'missed', { qos: 1 })

    const { client, connack } = await knock(t, port, version, { ...kept, cleanStart: true })
    assert.equal(connack.sessionPresent, false)
    await publisher.publish('news', 'too', { qos: 1 })
    assert.deepEqual(await client.messages(), [])
  },
)

statement(
  { 4: '3.1.2-4', 5: '3.1.2-5' },
  'without a clean start the session goes on: its subscriptions and what it missed',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const kept = {
      clientId: 'a',
      cleanStart: false,
      properties: version === 5 ? { sessionExpiryInterval: 60 } : noProperties,
    }
    const first = await connectRaw(t, port, version, kept)
    await first.subscribe('news', { qos: 2 })
    await first.leave()
    const publisher = await connectRaw(t, port, version)
    await publisher.publish('news', 'one', { qos: 1 })
    await publisher.publish('news', 'two', { qos: 2 })

    const { client, connack } = await knock(t, port, version, kept)
    assert.equal(connack.sessionPresent, true)
    const messages = await client.messages()
    assert.deepEqual(
      messages.map(({ payload, qos }) => [String(payload), qos]),
      [
        ['one', 1],
        ['two', 2],
      ],
    )
    await publisher.publish('news', 'three', { qos: 0 })
    assert.deepEqual(
      (await client.messages()).map(({ payload }) => String(payload)),
      ['three'],
    )
  },
)

statement(
  { 4: '3.2.2-3', 5: '3.1.2-6' },
  'without a clean start and without a session, one begins, and CONNACK says that there was none',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const { connack } = await knock(t, port, version, { clientId: 'new', cleanStart: false })
    assert.equal(connack.sessionPresent, false)
  },
)

statement(
  { 4: '3.2.2-1', 5: '3.2.2-2' },
  'an accepted clean start is answered with Session Present 0 and code 0',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const { connack } = await knock(t, port, version, { clientId: 'a' })
    assert.deepEqual([connack.sessionPresent, connack.reasonCode], [false, 0])
  },
)

statement(
  { 4: '3.2.2-2', 5: '3.2.2-3' },
  'Session Present is 1 where the session was kept',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const kept = {
      clientId: 'a',
      cleanStart: false,
      properties: version === 5 ? { sessionExpiryInterval: 60 } : noProperties,
    }
    const first = await connectRaw(t, port, version, kept)
    await first.vanish()
    const { connack } = await knock(t, port, version, kept)
    assert.equal(connack.sessionPresent, true)
  },
)

statement(
  { 4: '3.2.2-4', 5: '3.2.2-6' },
  'a CONNACK that refuses has Session Present 0',
  async (t, version) => {
    const { port } = await startTestBroker(t, {
      realm: { authenticate: async () => ({ kind: 'refused', reasonCode: 0x87, text: 'no' }) },
    })
    const { client, connack } = await knock(t, port, version, { clientId: 'a', cleanStart: false })
    assert.deepEqual([connack.sessionPresent, connack.reasonCode], [false, version === 5 ? 0x87 : 5])
    assert.deepEqual(await client.rest(), [])
  },
)

statement(
  { 4: '3.2.2-5', 5: '3.2.2-7' },
  'after a CONNACK that refuses, the connection is closed',
  async (t, version) => {
    for (const [reasonCode, returnCode] of [
      [0x84, 1],
      [0x85, 2],
      [0x88, 3],
      [0x89, 3],
      [0x97, 3],
      [0x9f, 3],
      [0x86, 4],
      [0x87, 5],
      [0x8a, 5],
      [0x8c, 5],
    ] as const) {
      const { port } = await startTestBroker(t, {
        realm: { authenticate: async () => ({ kind: 'refused', reasonCode, text: 'no' }) },
      })
      const { client, connack } = await knock(t, port, version, { clientId: 'a' })
      assert.equal(connack.reasonCode, version === 5 ? reasonCode : returnCode)
      assert.deepEqual(await client.rest(), [])
    }
  },
)

statement(
  { 4: '3.2.2-6' },
  'where no return code fits, the connection is closed without CONNACK',
  async (t, version) => {
    const { port } = await startTestBroker(t, {
      realm: { authenticate: async () => ({ kind: 'refused', reasonCode: 0x80, text: 'no' }) },
    })
    const client = await openRaw(t, port, version)
    client.send(connectPacket(version, { clientId: 'a' }))
    assert.deepEqual(await client.rest(), [])
  },
)

statement(
  { 4: '3.1.4-5', 5: '3.1.4-6' },
  'what follows a CONNECT that is refused is not processed',
  async (t, version) => {
    const { port, realm } = await startTestBroker(t, {
      realm: {
        authenticate: async ({ clientId }) =>
          clientId === 'bad'
            ? { kind: 'refused', reasonCode: 0x87, text: 'no' }
            : {
                kind: 'admitted',
                identity: {
                  ...{
                    authenticationName: clientId,
                    ownerKey: clientId,
                    attributes: {},
                    expiresAt: undefined,
                  },
                  ...{ record: {}, log: {} },
                },
              },
      },
    })
    const subscriber = await connectRaw(t, port, version, { clientId: 'good' })
    await subscriber.subscribe('#')
    const client = await openRaw(t, port, version)
    client.send(connectPacket(version, { clientId: 'bad' }), message('a', 'x', { qos: 1 }), {
      type: 'pingreq',
    })
    const [connack, ...rest] = await client.rest()
    assert.equal(connack?.type, 'connack')
    assert.deepEqual(rest, [])
    assert.deepEqual(await subscriber.messages(), [])
    assert.equal(realm.connections.length, 1)
  },
)

statement(
  { 4: '3.1.4-5', 5: '3.1.4-5' },
  'what a client sends right behind its CONNECT is processed once it is let in, and CONNACK comes first',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const client = await openRaw(t, port, version)
    client.send(
      connectPacket(version, { clientId: 'a' }),
      {
        type: 'subscribe',
        packetId: 1,
        subscriptions: [
          { topicFilter: 'a', qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0 },
        ],
        properties: noProperties,
      },
      message('a', 'x', { qos: 1, packetId: 2 }),
    )
    await client.next('connack')
    const rest = await client.drain()
    assert.deepEqual(rest.map(({ type }) => type).toSorted(), ['puback', 'publish', 'suback'])
  },
)

statement(
  { 4: '3.2.0-1', 5: '3.2.0-1' },
  'CONNACK is the first packet that a client gets',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const kept = {
      clientId: 'a',
      cleanStart: false,
      properties: version === 5 ? { sessionExpiryInterval: 60 } : noProperties,
    }
    const first = await connectRaw(t, port, version, kept)
    await first.subscribe('#', { qos: 1 })
    await first.leave()
    const publisher = await connectRaw(t, port, version)
    await publisher.publish('a', 'x', { qos: 1 })
    const { client } = await knock(t, port, version, kept)
    await client.next('publish')
  },
)

statement(only5('3.2.0-2'), 'CONNACK comes once', async (t, version) => {
  const { port } = await startTestBroker(t)
  const client = await connectRaw(t, port, version)
  assert.deepEqual(await client.drain(), [])
})

statement(
  { 4: '3.1.4-2', 5: '3.1.4-3' },
  'a second connection of a client takes its session over',
  async (t, version) => {
    const { port, realm } = await startTestBroker(t)
    const first = await connectRaw(t, port, version, { clientId: 'a' })
    await connectRaw(t, port, version, { clientId: 'a' })
    await first.refused(0x8e)
    assert.deepEqual(
      realm.ended.map(({ reason }) => reason),
      ['SessionTakenOver'],
    )
  },
)

statement(
  { 4: '3.1.3-5', 5: '3.1.3-5' },
  'client identifiers of 1 to 23 letters and digits are taken',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    for (const clientId of [
      '0',
      'Z',
      'abcdefghijklmnopqrstuvw',
      'ABCDEFGHIJKLMNOPQRSTUVW',
      '01234567890123456789012',
    ])
      assert.equal((await knock(t, port, version, { clientId })).connack.reasonCode, 0)
  },
)

statement(
  only5('3.1.3-7'),
  'an empty client identifier is answered with an assigned one',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const { connack } = await knock(t, port, version)
    assert.ok((connack.properties.assignedClientIdentifier ?? '').length > 0)
  },
)

statement(only5('3.2.2-16'), 'assigned client identifiers are new ones', async (t, version) => {
  const { port } = await startTestBroker(t)
  const assigned = new Set<string | undefined>()
  for (let count = 0; count < 20; count++)
    assigned.add((await knock(t, port, version)).connack.properties.assignedClientIdentifier)
  assert.equal(assigned.size, 20)
})

statement(
  { 4: '3.1.3-6', 5: '3.1.3-6' },
  'clients with empty client identifiers are apart',
  async (t, version) => {
    const { port, realm } = await startTestBroker(t)
    const first = await connectRaw(t, port, version)
    await connectRaw(t, port, version)
    assert.deepEqual(await first.drain(), [])
    assert.equal(new Set(realm.connections.map(({ sessionName }) => sessionName)).size, 2)
  },
)

statement(
  { 4: '3.1.3-9', 5: '3.1.3-8' },
  'a client identifier that is not taken is refused, and the connection closed',
  async (t, version) => {
    const { port } = await startTestBroker(t, { realm: { limits: { clientIdBytes: 8 } } })
    const { client, connack } = await knock(t, port, version, { clientId: 'ninebytes' })
    assert.equal(connack.reasonCode, version === 5 ? 0x85 : 2)
    assert.deepEqual(await client.rest(), [])
    assert.equal((await knock(t, port, version, { clientId: 'eightbyt' })).connack.reasonCode, 0)
  },
)

statement({ 4: '3.1.3-8' }, 'an empty client identifier needs a clean session', async (t, version) => {
  const { port } = await startTestBroker(t)
  const { client, connack } = await knock(t, port, version, { cleanStart: false })
  assert.equal(connack.reasonCode, 2)
  assert.deepEqual(await client.rest(), [])
})

statement(
  { 4: '3.1.2-24', 5: '3.1.2-22' },
  'a client that is silent for one and a half times its keep alive is cut, and no earlier',
  async (t, version) => {
    const clock = new ManualClock()
    const { port, realm } = await startTestBroker(t, { clock })
    const client = await connectRaw(t, port, version, { keepAliveSeconds: 10 })
    await clock.advance(14_900)
    assert.deepEqual(await client.drain(), [])
    await clock.advance(14_900)
    assert.deepEqual(realm.ended, [])
    await clock.advance(300)
    await client.refused(0x8d)
    assert.deepEqual(
      realm.ended.map(({ reason }) => reason),
      ['ClientError'],
    )
  },
)

statement(
  { 4: '3.1.2-10', 5: '3.1.2.10' },
  'a keep alive of 0 is never too long silent',
  async (t, version) => {
    const clock = new ManualClock()
    const { port } = await startTestBroker(t, { clock, realm: { limits: { keepAliveSeconds: 65_535 } } })
    const client = await connectRaw(t, port, version)
    await clock.advance(version === 4 ? 10 * 86_400_000 : 65_535_000)
    assert.deepEqual(await client.drain(), [])
  },
)

statement(
  only5('3.2.2-21'),
  'where the server sets the keep alive, CONNACK says so and the server goes by it',
  async (t, version) => {
    const clock = new ManualClock()
    const { port } = await startTestBroker(t, { clock, realm: { limits: { keepAliveSeconds: 20 } } })
    for (const asked of [0, 21, 65_535]) {
      const { client, connack } = await knock(t, port, version, { keepAliveSeconds: asked })
      assert.equal(connack.properties.serverKeepAlive, 20)
      await clock.advance(30_300)
      await client.refused(0x8d)
    }
  },
)

statement(only5('3.2.2-22'), 'a keep alive that the server takes is not in CONNACK', async (t, version) => {
  const { port } = await startTestBroker(t, { realm: { limits: { keepAliveSeconds: 20 } } })
  const { connack } = await knock(t, port, version, { keepAliveSeconds: 20 })
  assert.equal(connack.properties.serverKeepAlive, undefined)
})

statement(
  only5('3.1.2-23'),
  'a session expires when its interval has passed after the connection, and no earlier',
  async (t, version) => {
    const clock = new ManualClock()
    const { port } = await startTestBroker(t, { clock })
    const kept = { clientId: 'a', cleanStart: false, properties: { sessionExpiryInterval: 60 } }
    const isPresent = async (waitMs: number) => {
      const client = await connectRaw(t, port, version, kept)
      await clock.advance(200_000) // as long as it is connected it does not expire
      await client.leave()
      await clock.advance(waitMs)
      const { client: again, connack } = await knock(t, port, version, kept)
      await again.leave()
      return connack.sessionPresent
    }
    assert.equal(await isPresent(59_000), true)
    assert.equal(await isPresent(60_500), false)
  },
)

statement(
  only5('3.1.2.11.2'),
  'without an expiry interval a session ends with its connection',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const first = await connectRaw(t, port, version, { clientId: 'a', cleanStart: false })
    await first.leave()
    const { connack } = await knock(t, port, version, { clientId: 'a', cleanStart: false })
    assert.equal(connack.sessionPresent, false)
  },
)

statement(
  only5('3.2.2.3.2'),
  'an expiry above the maximum is lowered, and CONNACK says to what',
  async (t, version) => {
    const { port, realm } = await startTestBroker(t)
    for (const asked of [realm.limits.sessionExpirySeconds + 1, 0xffffffff]) {
      const { connack } = await knock(t, port, version, { properties: { sessionExpiryInterval: asked } })
      assert.equal(connack.properties.sessionExpiryInterval, realm.limits.sessionExpirySeconds)
    }
    const { connack } = await knock(t, port, version, { properties: { sessionExpiryInterval: 60 } })
    assert.equal(connack.properties.sessionExpiryInterval, undefined)
  },
)

statement(only5('3.1.2-28'), 'CONNACK never has response information', async (t, version) => {
  const { port } = await startTestBroker(t)
  for (const requestResponseInformation of [false, true]) {
    const { connack } = await knock(t, port, version, { properties: { requestResponseInformation } })
    assert.equal(connack.properties.responseInformation, undefined)
  }
})

statement(
  only5('3.1.2-29'),
  'a client that wants no problem information gets reason strings in CONNACK and DISCONNECT alone',
  async (t, version) => {
    const { port } = await startTestBroker(t, {
      realm: { maySubscribe: () => false, mayPublish: () => false },
    })
    const client = await connectRaw(t, port, version, { properties: { requestProblemInformation: false } })
    client.send(
      {
        type: 'subscribe',
        packetId: 1,
        subscriptions: [
          { topicFilter: 'a', qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0 },
        ],
        properties: noProperties,
      },
      { type: 'unsubscribe', packetId: 2, topicFilters: ['a'], properties: noProperties },
      message('a', '', { qos: 1, packetId: 3 }),
      message('a', '', { qos: 2, packetId: 4 }),
    )
    const packets = await client.drain()
    assert.equal(packets.length, 4)
    for (const packet of packets) assert.deepEqual('properties' in packet && packet.properties, {})
  },
)

statement(
  only5('3.2.2-19'),
  'a CONNACK with a reason string that is too large for the client comes without it',
  async (t, version) => {
    const { port } = await startTestBroker(t, {
      realm: { authenticate: async () => ({ kind: 'refused', reasonCode: 0x87, text: 'no '.repeat(100) }) },
    })
    const { client, connack } = await knock(t, port, version, { properties: { maximumPacketSize: 40 } })
    assert.equal(connack.reasonCode, 0x87)
    assert.equal(connack.properties.reasonString, undefined)
    assert.deepEqual(await client.rest(), [])
  },
)

statement(
  only5('3.14.2-3'),
  'a DISCONNECT with a reason string that is too large for the client comes without it',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const client = await connectRaw(t, port, version, {
      clientId: 'a',
      properties: { maximumPacketSize: 20 },
    })
    await connectRaw(t, port, version, { clientId: 'a' })
    const [disconnect] = await client.rest()
    assert.deepEqual(disconnect, { type: 'disconnect', reasonCode: 0x8e, properties: {} })
  },
)

statement(
  { 4: '3.1.2.6', 5: '3.2.2-12' },
  'a will with a QoS above the maximum is refused',
  async (t, version) => {
    const { port } = await startTestBroker(t, { realm: { features: { maximumQos: 1 } } })
    const will = {
      topicName: 'a',
      payload: Buffer.from(''),
      qos: 2,
      retain: false,
      properties: noProperties,
    } as const
    const { client, connack } = await knock(t, port, version, { will })
    assert.equal(connack.reasonCode, version === 5 ? 0x9b : 5)
    assert.deepEqual(await client.rest(), [])
  },
)

statement(only5('3.2.2-9'), 'where QoS 2 is not there, CONNACK says the maximum', async (t, version) => {
  const { port } = await startTestBroker(t, { realm: { features: { maximumQos: 1 } } })
  assert.equal((await knock(t, port, version)).connack.properties.maximumQos, 1)
})

statement(
  only5('3.2.2-10'),
  'a subscription with QoS 2 is granted QoS 1 where there is no more',
  async (t, version) => {
    const { port } = await startTestBroker(t, { realm: { features: { maximumQos: 1 } } })
    const client = await connectRaw(t, port, version)
    assert.deepEqual(
      [await client.subscribe('a', { qos: 2 }), await client.subscribe('b', { qos: 1 })],
      [1, 1],
    )
  },
)

statement(only5('3.2.2-13'), 'a retained will is refused where nothing is retained', async (t, version) => {
  const { port } = await startTestBroker(t, { realm: { features: { retain: false } } })
  const will = {
    topicName: 'a',
    payload: Buffer.from(''),
    qos: 0,
    retain: true,
    properties: noProperties,
  } as const
  const { client, connack } = await knock(t, port, version, { will })
  assert.equal(connack.reasonCode, 0x9a)
  assert.deepEqual(await client.rest(), [])
  assert.equal((await knock(t, port, version)).connack.properties.retainAvailable, false)
})

statement(
  only5('3.2.2-15'),
  'a packet above the maximum size that CONNACK said ends the connection',
  async (t, version) => {
    const { port } = await startTestBroker(t, { realm: { limits: { packetBytes: 100 } } })
    const { client, connack } = await knock(t, port, version)
    assert.equal(connack.properties.maximumPacketSize, 100)
    client.send(message('a', 'x'.repeat(94))) // 2 + 3 + 1 + 94
    assert.deepEqual(await client.drain(), [])
    client.send(message('a', 'x'.repeat(95)))
    await client.refused(0x95)
  },
)

statement(
  { 4: '3.1.2.4', 5: '3.1.2.4' },
  'a session that is not kept leaves nothing behind',
  async (t, version) => {
    const { port, brokerRealm } = await startTestBroker(t)
    const client = await connectRaw(t, port, version, { clientId: 'a' })
    await client.subscribe('news', { qos: 1 })
    await client.leave()
    while (brokerRealm.sessions.size > 0) await turn()
    const { connack } = await knock(t, port, version, { clientId: 'a', cleanStart: false })
    assert.equal(connack.sessionPresent, false)
  },
)
