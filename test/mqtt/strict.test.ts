import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  noProperties,
  type PublishProperties,
  type RequestedSubscription,
  type Will,
} from '../../src/mqtt/packets/packet.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { acknowledge, connectRaw, knock, message } from '../../src/testing/mqtt-client.ts'
import { startTestBroker, type TestBrokerOptions } from '../../src/testing/test-broker.ts'

/*
 * The strict profile: what the service refuses is refused, with its limits and reason codes.
 *
 * Source: learn.microsoft.com/azure/event-grid/mqtt-support and quotas-limits
 */

const strict = { realm: { profile: 'strict' } } satisfies TestBrokerOptions

const to = (topicFilter: string, options: Partial<RequestedSubscription> = {}): RequestedSubscription => ({
  ...{ topicFilter, qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0 },
  ...options,
})

const will = (rest: Partial<Will> = {}): Will => ({
  ...{ topicName: 'a', payload: Buffer.from('gone'), qos: 0, retain: false, properties: noProperties },
  ...rest,
})

for (const version of [4, 5] as const) {
  const name = (sentence: string) => `in strict, ${sentence} (MQTT ${version === 4 ? '3.1.1' : '5.0'})`
  const clientId = 'client'

  test(name('a client identifier has at most 128 bytes'), async (t) => {
    const { port } = await startTestBroker(t, strict)
    const codes = [128, 129].map(
      async (bytes) => (await knock(t, port, version, { clientId: 'c'.repeat(bytes) })).connack.reasonCode,
    )
    assert.deepEqual(await Promise.all(codes), [0, version === 5 ? 0x85 : 2])
  })

  test(name('a client without an identifier is given one in 5.0 and refused in 3.1.1'), async (t) => {
    const { port } = await startTestBroker(t, strict)
    const { connack } = await knock(t, port, version)
    assert.equal(connack.reasonCode, version === 5 ? 0 : 2)
  })

  test(name('a message with QoS 2 ends the connection'), async (t) => {
    const { port } = await startTestBroker(t, strict)
    const { client, connack } = await knock(t, port, version, { clientId })
    if (version === 5) assert.equal(connack.properties.maximumQos, 1)
    client.send(message('a', '', { qos: 2 }))
    await client.refused(0x9b)
  })

  test(name('a will with QoS 2 is refused'), async (t) => {
    const { port } = await startTestBroker(t, strict)
    const { client, connack } = await knock(t, port, version, { clientId, will: will({ qos: 2 }) })
    assert.equal(connack.reasonCode, version === 5 ? 0x9b : 5)
    assert.deepEqual(await client.rest(), [])
  })

  test(name('a subscription with QoS 2 is granted QoS 1'), async (t) => {
    const { port } = await startTestBroker(t, strict)
    const client = await connectRaw(t, port, version, { clientId })
    assert.equal(await client.subscribe('a', { qos: 2 }), 1)
  })

  test(name('a shared subscription is refused'), async (t) => {
    const { port } = await startTestBroker(t, strict)
    const { client, connack } = await knock(t, port, version, { clientId })
    if (version === 5) assert.equal(connack.properties.sharedSubscriptionAvailable, false)
    assert.equal(await client.subscribe('$share/g/a'), version === 5 ? 0x9e : 0x80)
  })

  test(name('a topic name has at most 8 segments and 256 bytes'), async (t) => {
    const { port } = await startTestBroker(t, strict)
    for (const [topicName, isTaken] of [
      ['1/2/3/4/5/6/7/8', true],
      ['1/2/3/4/5/6/7/8/9', false],
      ['b'.repeat(256), true],
      ['b'.repeat(257), false],
    ] as const)
      for (const qos of [0, 1] as const) {
        const client = await connectRaw(t, port, version, { clientId: `c${qos}${topicName.length}` })
        client.send(message(topicName, '', { qos }))
        if (isTaken) assert.equal((await client.drain()).length, qos)
        else if (version === 5 && qos === 1) assert.equal((await client.next('puback')).reasonCode, 0x90)
        else await client.refused(0x90)
      }
  })

  test(name('a topic filter has at most 8 segments and 256 bytes'), async (t) => {
    const { port } = await startTestBroker(t, strict)
    const client = await connectRaw(t, port, version, { clientId })
    const refused = version === 5 ? 0x8f : 0x80
    assert.equal(await client.subscribe('1/2/3/4/5/6/7/#'), 0)
    assert.equal(await client.subscribe('1/2/3/4/5/6/7/8/#'), refused)
    assert.equal(await client.subscribe('b'.repeat(256)), 0)
    assert.equal(await client.subscribe('b'.repeat(257)), refused)
  })

  test(name('a topic name that begins with $ is not authorized'), async (t) => {
    const { port } = await startTestBroker(t, strict)
    const client = await connectRaw(t, port, version, { clientId })
    client.send(message('$own/a', '', { qos: 1 }))
    if (version === 4) await client.refused(0x87)
    else assert.equal((await client.next('puback')).reasonCode, 0x87)
  })

  test(name('a SUBSCRIBE with more than 10 filters is refused whole'), async (t) => {
    const { port } = await startTestBroker(t, strict)
    const client = await connectRaw(t, port, version, { clientId })
    const subscriptions = Array.from({ length: 11 }, (_, index) => to(`a/${index}`))
    client.send({ type: 'subscribe', packetId: 1, subscriptions, properties: noProperties })
    const { reasonCodes } = await client.next('suback')
    assert.deepEqual(reasonCodes, Array(11).fill(version === 5 ? 0x97 : 0x80))
    client.send({
      type: 'subscribe',
      packetId: 1,
      subscriptions: subscriptions.slice(1),
      properties: noProperties,
    })
    assert.deepEqual((await client.next('suback')).reasonCodes, Array(10).fill(0))
  })

  test(name('a session has at most 50 subscriptions, and one that is there may be made again'), async (t) => {
    const clock = new ManualClock()
    const { port } = await startTestBroker(t, { ...strict, clock })
    const client = await connectRaw(t, port, version, { clientId })
    for (let part = 0; part < 5; part++) {
      const subscriptions = Array.from({ length: 10 }, (_, index) => to(`${part}/${index}`))
      client.send({ type: 'subscribe', packetId: 1, subscriptions, properties: noProperties })
      assert.deepEqual((await client.next('suback')).reasonCodes, Array(10).fill(0))
      await clock.advance(1000)
    }
    assert.equal(await client.subscribe('one more'), version === 5 ? 0x97 : 0x80)
    assert.equal(await client.subscribe('0/0', { qos: 1 }), 1)
  })

  test(name('a session subscribes at most five times a second'), async (t) => {
    const clock = new ManualClock()
    const { port } = await startTestBroker(t, { ...strict, clock })
    const client = await connectRaw(t, port, version, { clientId })
    const codes: number[] = []
    for (let count = 0; count < 7; count++) codes.push(await client.subscribe('a'))
    const refused = version === 5 ? 0x97 : 0x80
    assert.deepEqual(codes, [0, 0, 0, 0, 0, refused, refused])
    await clock.advance(1000)
    assert.equal(await client.subscribe('a'), 0)
  })

  test(name('16 messages are in flight to a client, and no more'), async (t) => {
    const { port } = await startTestBroker(t, strict)
    const client = await connectRaw(t, port, version, {
      clientId,
      properties: version === 5 ? { receiveMaximum: 100 } : noProperties,
    })
    await client.subscribe('a', { qos: 1 })
    const publisher = await connectRaw(t, port, version, { clientId: 'publisher' })
    for (let count = 0; count < 20; count++) await publisher.publish('a', '', { qos: 1 })
    const sent = await client.messages()
    assert.equal(sent.length, 16)
    client.send(acknowledge('puback', sent[0]?.packetId ?? 0))
    assert.equal((await client.messages()).length, 1)
  })

  test(
    name('a session for which more than 100 messages wait ends, and a connected client is told 0x97'),
    async (t) => {
      const { port, realm, brokerRealm } = await startTestBroker(t, strict)
      const kept = {
        clientId,
        cleanStart: false,
        properties: version === 5 ? { sessionExpiryInterval: 60 } : noProperties,
      }
      const client = await connectRaw(t, port, version, kept)
      await client.subscribe('a', { qos: 1 })
      const publisher = await connectRaw(t, port, version, { clientId: 'publisher' })
      for (let count = 0; count < 100; count++) await publisher.publish('a', '', { qos: 1 })
      assert.equal(brokerRealm.sessions.has(clientId), true)
      await publisher.publish('a', '', { qos: 1 })
      const rest = await client.rest()
      if (version === 5) assert.equal((rest.at(-1) as { reasonCode?: number }).reasonCode, 0x97)
      assert.deepEqual(
        realm.ended.map(({ reason }) => reason),
        ['SessionOverflow'],
      )
      assert.equal((await knock(t, port, version, kept)).connack.sessionPresent, false)
    },
  )

  test(name('a client has one session'), async (t) => {
    const { port } = await startTestBroker(t, strict)
    await connectRaw(t, port, version, { clientId: 'a', userName: 'someone' })
    const { connack } = await knock(t, port, version, { clientId: 'b', userName: 'someone' })
    assert.equal(connack.reasonCode, version === 5 ? 0x97 : 3)
    assert.equal(
      (await knock(t, port, version, { clientId: 'a', userName: 'someone' })).connack.reasonCode,
      0,
    )
  })

  test(name('a session name belongs to the client that has it, away or not'), async (t) => {
    const { port } = await startTestBroker(t, strict)
    const kept = {
      clientId: 'a',
      cleanStart: false,
      properties: version === 5 ? { sessionExpiryInterval: 60 } : noProperties,
    }
    const owner = await connectRaw(t, port, version, { ...kept, userName: 'owner' })
    const other = { clientId: 'a', userName: 'other' }
    const refused = version === 5 ? 0x87 : 5
    assert.equal((await knock(t, port, version, other)).connack.reasonCode, refused)
    assert.deepEqual(await owner.drain(), [])
    await owner.leave()
    assert.equal((await knock(t, port, version, other)).connack.reasonCode, refused)
    assert.equal((await knock(t, port, version, { ...kept, userName: 'owner' })).connack.sessionPresent, true)
  })

  test(name('the keep alive is at most 1160 seconds'), async (t) => {
    const clock = new ManualClock()
    const { port } = await startTestBroker(t, { ...strict, clock })
    const { client, connack } = await knock(t, port, version, { clientId, keepAliveSeconds: 0 })
    if (version === 5) assert.equal(connack.properties.serverKeepAlive, 1160)
    await clock.advance(1_739_900)
    assert.deepEqual(await client.drain(), [])
    await clock.advance(1_740_300)
    await client.refused(0x8d)
  })

  test(name('a packet has at most 524288 bytes'), async (t) => {
    const { port } = await startTestBroker(t, strict)
    const { client, connack } = await knock(t, port, version, { clientId })
    if (version === 5) assert.equal(connack.properties.maximumPacketSize, 524_288)
    client.send(message('a', '', { payload: Buffer.alloc(524_288) }))
    await client.refused(0x95)
  })

  test(name('a retained message has at most 65536 bytes'), async (t) => {
    const { port } = await startTestBroker(t, strict)
    const client = await connectRaw(t, port, version, { clientId })
    assert.equal(await client.publish('a', '', { qos: 1, retain: true, payload: Buffer.alloc(65_536) }), 0)
    client.send(message('a', '', { qos: 1, retain: true, payload: Buffer.alloc(65_537) }))
    if (version === 4) await client.refused(0x95)
    else assert.equal((await client.next('puback')).reasonCode, 0x97)
    const other = await connectRaw(t, port, version, { clientId: 'other' })
    other.send(message('a', '', { retain: true, payload: Buffer.alloc(65_537) }))
    await other.refused(0x95)
  })
}

test('in strict, user properties are taken in PUBLISH and wills, and anywhere else they end the connection', async (t) => {
  const { port } = await startTestBroker(t, strict)
  const userProperties = [['a', 'b']] as const
  const properties = { userProperties }
  const { connack } = await knock(t, port, 5, { clientId: 'a', properties })
  assert.equal(connack.reasonCode, 0x83)
  const good = await connectRaw(t, port, 5, { clientId: 'a', will: will({ properties }) })
  assert.equal(await good.publish('a', '', { qos: 1, properties }), 0)
  for (const packet of [
    { type: 'subscribe', packetId: 1, subscriptions: [to('a')], properties },
    { type: 'unsubscribe', packetId: 1, topicFilters: ['a'], properties },
    { type: 'disconnect', reasonCode: 0, properties },
    { type: 'puback', packetId: 1, reasonCode: 0, properties },
    { type: 'auth', reasonCode: 0x19, properties: { ...properties, authenticationMethod: 'x' } },
  ] as const) {
    const client = await connectRaw(t, port, 5, { clientId: packet.type })
    client.send(packet)
    await client.refused(0x83)
  }
})

test('in strict, properties of a message have their bounds', async (t) => {
  const { port } = await startTestBroker(t, strict)
  const bounds: readonly [at: (bytes: number) => PublishProperties, most: number][] = [
    [(bytes) => ({ contentType: 'c'.repeat(bytes) }), 256],
    [(bytes) => ({ responseTopic: 'r'.repeat(bytes) }), 256],
    [(bytes) => ({ correlationData: Buffer.alloc(bytes) }), 256],
    [(bytes) => ({ userProperties: [['n', 'v'.repeat(bytes - 1)]] }), 32_768],
  ]
  for (const [at, most] of bounds) {
    const client = await connectRaw(t, port, 5, { clientId: 'a' })
    assert.equal(await client.publish('a', '', { qos: 1, properties: at(most) }), 0)
    assert.equal(await client.publish('a', '', { qos: 1, properties: at(most + 1) }), 0x83)
    client.send(message('a', '', { properties: at(most + 1) }))
    await client.refused(0x83)
    const { connack } = await knock(t, port, 5, { clientId: 'a', will: will({ properties: at(most + 1) }) })
    assert.equal(connack.reasonCode, 0x83)
  }
})

test('in strict, a subscription identifier ends the connection', async (t) => {
  const { port } = await startTestBroker(t, strict)
  const { client, connack } = await knock(t, port, 5, { clientId: 'a' })
  assert.equal(connack.properties.subscriptionIdentifiersAvailable, false)
  client.send({
    type: 'subscribe',
    packetId: 1,
    subscriptions: [to('a')],
    properties: { subscriptionIdentifier: 1 },
  })
  await client.refused(0xa1)
})

test('in strict, a client sets at most 10 topic aliases and gets none', async (t) => {
  const { port } = await startTestBroker(t, strict)
  const { client, connack } = await knock(t, port, 5, {
    clientId: 'a',
    properties: { topicAliasMaximum: 10 },
  })
  assert.deepEqual([connack.properties.topicAliasMaximum, connack.properties.receiveMaximum], [10, 1000])
  const subscriber = await connectRaw(t, port, 5, { clientId: 'b', properties: { topicAliasMaximum: 10 } })
  await subscriber.subscribe('b')
  for (const topicAlias of [1, 10]) await client.publish('b', '', { qos: 1, properties: { topicAlias } })
  assert.deepEqual(
    (await subscriber.messages()).map(({ properties }) => properties),
    [{}, {}],
  )
  client.send(message('b', '', { properties: { topicAlias: 11 } }))
  await client.refused(0x94)
})

test('in strict, a client that refuses a message is disconnected', async (t) => {
  const { port, realm } = await startTestBroker(t, strict)
  const client = await connectRaw(t, port, 5, { clientId: 'a' })
  await client.subscribe('a', { qos: 1 })
  const publisher = await connectRaw(t, port, 5, { clientId: 'b' })
  await publisher.publish('a', '', { qos: 1 })
  const { packetId } = await client.next('publish')
  client.send(acknowledge('puback', packetId, 0x80))
  await client.refused(0x83)
  assert.deepEqual(
    realm.ended.map(({ reason }) => reason),
    ['ClientError'],
  )
})

test('a message expiry interval of 0 never expires, as the service has it, and is not passed on', async (t) => {
  const clock = new ManualClock()
  const { port } = await startTestBroker(t, { clock })
  const kept = { clientId: 'a', cleanStart: false, properties: { sessionExpiryInterval: 20_000 } }
  const client = await connectRaw(t, port, 5, kept)
  await client.subscribe('a', { qos: 1 })
  await client.leave()
  const publisher = await connectRaw(t, port, 5)
  await publisher.publish('a', 'x', { qos: 1, properties: { messageExpiryInterval: 0 } })
  await clock.advance(10_000_000)
  const again = await connectRaw(t, port, 5, kept)
  assert.deepEqual(
    (await again.messages()).map(({ properties }) => properties),
    [{}],
  )
})

test('a will delay above 300 seconds is lowered to 300', async (t) => {
  const clock = new ManualClock()
  const { port, realm } = await startTestBroker(t, { clock })
  const watcher = await connectRaw(t, port, 5)
  await watcher.subscribe('a')
  const client = await connectRaw(t, port, 5, {
    clientId: 'a',
    properties: { sessionExpiryInterval: 3000 },
    will: will({ properties: { willDelayInterval: 1000 } }),
  })
  await client.vanish()
  while (realm.ended.length === 0) await watcher.drain()
  await clock.advance(299_800)
  assert.deepEqual(await watcher.messages(), [])
  await clock.advance(500)
  assert.equal((await watcher.messages()).length, 1)
})
