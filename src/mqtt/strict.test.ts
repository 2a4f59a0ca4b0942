import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { acknowledge, type ConnectFields, connectRaw, knock, message } from '../testing/mqtt-client.ts'
import type { TestRealmOptions } from '../testing/mqtt-realm.ts'
import { startTestBroker } from '../testing/test-broker.ts'
import type { PublishProperties } from './packets/packet.ts'
import { reasonCodes } from './packets/reason-codes.ts'

/*
 * The strict profile: what Azure refuses is refused, with its reason codes; and each is taken in the open profile, where
 * the client's trace says that Azure would not.
 *
 * Source: learn.microsoft.com/azure/event-grid/mqtt-support and quotas-limits
 */

const strict: TestRealmOptions = { profile: 'strict' }

async function start(t: TestContext, realm = strict) {
  const broker = await startTestBroker(t, { realm })
  return {
    ...broker,
    connect: (version: 4 | 5, fields: ConnectFields = {}) =>
      connectRaw(t, broker.port, version, { clientId: 'a', ...fields }),
    knock: async (version: 4 | 5, fields: ConnectFields = {}) =>
      (await knock(t, broker.port, version, { clientId: 'a', ...fields })).connack,
  }
}

test('CONNACK says what is not available', async (t) => {
  const { properties } = await (await start(t)).knock(5, { properties: { sessionExpiryInterval: 99_999 } })
  assert.deepEqual(properties, {
    sessionExpiryInterval: 3_600,
    receiveMaximum: 1_000,
    maximumQos: 1,
    maximumPacketSize: 524_288,
    topicAliasMaximum: 10,
    subscriptionIdentifiersAvailable: false,
    sharedSubscriptionAvailable: false,
    serverKeepAlive: 1_160,
  })
})

for (const version of [4, 5] as const) {
  test(`QoS 2 ends the connection, and a subscription with it is granted 1, in MQTT ${version}`, async (t) => {
    const client = await (await start(t)).connect(version)
    assert.equal(await client.subscribe('a', { qos: 2 }), 1)
    client.send(message('a', 'x', { qos: 2 }))
    await client.refused(reasonCodes.qosNotSupported)
  })

  test(`a will with QoS 2 is refused, in MQTT ${version}`, async (t) => {
    const will = { topicName: 'w', payload: Buffer.from('x'), qos: 2, retain: false, properties: {} } as const
    const { reasonCode } = await (await start(t)).knock(version, { will })
    assert.equal(reasonCode, version === 5 ? reasonCodes.qosNotSupported : 5)
  })

  test(`a shared subscription is refused, in MQTT ${version}`, async (t) => {
    const client = await (await start(t)).connect(version)
    assert.equal(await client.subscribe('$share/g/a'), version === 5 ? 0x9e : 0x80)
  })

  test(`a client identifier of 128 bytes is taken, of 129 refused, in MQTT ${version}`, async (t) => {
    const { knock: ask } = await start(t, { ...strict, limits: { sessionsPerClient: 2 } })
    assert.equal((await ask(version, { clientId: 'x'.repeat(128) })).reasonCode, 0)
    assert.equal((await ask(version, { clientId: 'x'.repeat(129) })).reasonCode, version === 5 ? 0x85 : 2)
  })

  test(`a topic filter of 8 segments and 256 bytes is the longest, in MQTT ${version}`, async (t) => {
    const client = await (await start(t)).connect(version)
    const refused = version === 5 ? 0x8f : 0x80
    assert.equal(await client.subscribe('1/2/3/4/5/6/7/8'), 0)
    assert.equal(await client.subscribe('1/2/3/4/5/6/7/8/9'), refused)
    assert.equal(await client.subscribe('x'.repeat(256)), 0)
    assert.equal(await client.subscribe('x'.repeat(257)), refused)
  })

  test(`a second session of a client is over its quota, in MQTT ${version}`, async (t) => {
    const { connect, knock: ask } = await start(t)
    await connect(version, { userName: 'u' })
    const { reasonCode } = await ask(version, { userName: 'u', clientId: 'b' })
    assert.equal(reasonCode, version === 5 ? reasonCodes.quotaExceeded : 3)
  })

  test(`a session name of another client is refused, in MQTT ${version}`, async (t) => {
    const { connect, knock: ask } = await start(t)
    const owner = await connect(version, { userName: 'u' })
    const { reasonCode } = await ask(version, { userName: 'v' })
    assert.equal(reasonCode, version === 5 ? reasonCodes.notAuthorized : 5)
    assert.deepEqual(await owner.drain(), [])
  })

  test(`an eleventh filter in one SUBSCRIBE has all of them refused, in MQTT ${version}`, async (t) => {
    const client = await (await start(t)).connect(version)
    const options = { qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const
    const subscriptions = Array.from({ length: 11 }, (_, index) => ({
      topicFilter: String(index),
      ...options,
    }))
    client.send({ type: 'subscribe', packetId: 1, subscriptions, properties: {} })
    const { reasonCodes: codes } = await client.next('suback')
    assert.deepEqual(codes, new Array(11).fill(version === 5 ? 0x97 : 0x80))
  })

  test(`a sixth SUBSCRIBE within a second is over the rate, in MQTT ${version}`, async (t) => {
    const client = await (await start(t)).connect(version)
    for (let count = 0; count < 5; count++) assert.equal(await client.subscribe(String(count)), 0)
    assert.equal(await client.subscribe('5'), version === 5 ? 0x97 : 0x80)
  })

  test(`a message to a reserved topic name is not authorized, in MQTT ${version}`, async (t) => {
    const client = await (await start(t)).connect(version)
    client.send(message('$a', 'x'))
    await client.refused(reasonCodes.notAuthorized)
  })
}

test('a 3.1.1 client needs a client identifier, and a 5.0 client gets one', async (t) => {
  const { knock: ask } = await start(t)
  assert.equal((await ask(4, { clientId: '' })).reasonCode, 2)
  assert.match((await ask(5, { clientId: '' })).properties.assignedClientIdentifier ?? '', /./)
})

test('a topic name that is too long ends the connection at QoS 0, and is refused by PUBACK at QoS 1', async (t) => {
  const client = await (await start(t)).connect(5)
  const long = '1/2/3/4/5/6/7/8/9'
  assert.equal(await client.publish(long, 'x', { qos: 1 }), reasonCodes.topicNameInvalid)
  client.send(message(long, 'x'))
  await client.refused(reasonCodes.topicNameInvalid)
})

test('a retained payload of more than 64 KiB is refused', async (t) => {
  const client = await (await start(t)).connect(5)
  const retain = { retain: true, qos: 1 } as const
  assert.equal(await client.publish('a', 'x'.repeat(65_536), retain), 0)
  assert.equal(await client.publish('a', 'x'.repeat(65_537), retain), reasonCodes.quotaExceeded)
  client.send(message('a', 'x'.repeat(65_537), { retain: true }))
  await client.refused(reasonCodes.packetTooLarge)
})

const longProperties: Readonly<Record<string, PublishProperties>> = {
  'a content type of 257 bytes': { contentType: 'x'.repeat(257) },
  'a response topic of 257 bytes': { responseTopic: 'x'.repeat(257) },
  'correlation data of 257 bytes': { correlationData: Buffer.alloc(257) },
  'user properties of 32,769 bytes': { userProperties: [['x', 'y'.repeat(32_768)]] },
}
for (const [what, properties] of Object.entries(longProperties))
  test(`${what} is refused, and noted where it is taken`, async (t) => {
    const client = await (await start(t)).connect(5)
    const code = reasonCodes.implementationSpecificError
    assert.equal(await client.publish('a', 'x', { qos: 1, properties }), code)
    client.send(message('a', 'x', { properties }))
    await client.refused(code)

    const open = await start(t, {})
    const other = await open.connect(5)
    assert.equal(await other.publish('a', 'x', { qos: 1, properties }), 0)
    assert.match(JSON.stringify(open.brokerRealm.trace.read('a')), /would fail in Azure/)
  })

const userProperties = [['a', 'b']] as const
test('user properties in CONNECT are refused, and ignored in the open profile', async (t) => {
  const fields = { properties: { userProperties } }
  assert.equal((await (await start(t)).knock(5, fields)).reasonCode, 0x83)
  assert.equal((await (await start(t, {})).knock(5, fields)).reasonCode, 0)
})

test('user properties in SUBSCRIBE, UNSUBSCRIBE and DISCONNECT end the connection', async (t) => {
  const { connect } = await start(t)
  const subscriptions = [
    { topicFilter: 'a', qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0 },
  ] as const
  const properties = { userProperties }
  for (const packet of [
    { type: 'subscribe', packetId: 1, subscriptions, properties },
    { type: 'unsubscribe', packetId: 1, topicFilters: ['a'], properties },
    { type: 'disconnect', reasonCode: 0, properties },
  ] as const) {
    const client = await connect(5)
    client.send(packet)
    await client.refused(reasonCodes.implementationSpecificError)
  }
})

test('a subscription identifier ends the connection', async (t) => {
  const client = await (await start(t)).connect(5)
  const subscription = {
    topicFilter: 'a',
    qos: 0,
    noLocal: false,
    retainAsPublished: false,
    retainHandling: 0,
  } as const
  client.send({
    ...{ type: 'subscribe', packetId: 1, subscriptions: [subscription] },
    properties: { subscriptionIdentifier: 1 },
  })
  await client.refused(reasonCodes.subscriptionIdentifiersNotSupported)
})

test('a topic alias above 10 ends the connection', async (t) => {
  const client = await (await start(t)).connect(5)
  assert.equal(await client.publish('a', 'x', { qos: 1, properties: { topicAlias: 10 } }), 0)
  client.send(message('a', 'x', { properties: { topicAlias: 11 } }))
  await client.refused(reasonCodes.topicAliasInvalid)
})

test('a message that the client refuses ends its connection, and only there', async (t) => {
  for (const realm of [strict, {}]) {
    const { connect, port } = await start(t, realm)
    const client = await connect(5)
    await client.subscribe('a', { qos: 1 })
    const publisher = await connectRaw(t, port, 5, { clientId: 'p' })
    await publisher.publish('a', 'x', { qos: 1 })
    const { packetId } = await client.next('publish')
    client.send(acknowledge('puback', packetId, reasonCodes.implementationSpecificError))
    if (realm === strict) await client.refused(reasonCodes.implementationSpecificError)
    else assert.deepEqual(await client.drain(), [])
  }
})

test('sixteen messages of QoS 1 are in flight towards a client, and no more', async (t) => {
  const { connect, port } = await start(t)
  const client = await connect(5)
  await client.subscribe('a', { qos: 1 })
  const publisher = await connectRaw(t, port, 5, { clientId: 'p' })
  for (let count = 0; count < 20; count++) await publisher.publish('a', String(count), { qos: 1 })
  const first = await client.messages()
  assert.equal(first.length, 16)
  client.send(...first.map(({ packetId }) => acknowledge('puback', packetId)))
  const rest = await client.messages()
  assert.deepEqual(
    rest.map(({ payload }) => Buffer.from(payload).toString()),
    ['16', '17', '18', '19'],
  )
})

test('each limit and feature can be set by itself', async (t) => {
  const client = await (
    await start(t, { ...strict, limits: { topicSegments: 9 }, features: { sharedSubscriptions: true } })
  ).connect(5)
  assert.equal(await client.subscribe('1/2/3/4/5/6/7/8/9'), 0)
  assert.equal(await client.subscribe('$share/g/a'), 0)
})

test('what Azure would refuse is noted once for each client in the open profile', async (t) => {
  const { connect, brokerRealm } = await start(t, {})
  const client = await connect(5)
  for (let count = 0; count < 3; count++) await client.publish('a', 'x', { qos: 2 })
  const noted = brokerRealm.trace.read('a').filter(({ what }) => what === 'would fail in Azure')
  assert.equal(noted.length, 1)
})
