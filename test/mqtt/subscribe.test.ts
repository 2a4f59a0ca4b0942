import assert from 'node:assert/strict'
import { noProperties, type RequestedSubscription } from '../../src/mqtt/packets/packet.ts'
import { acknowledge, connectRaw, knock, message } from '../../src/testing/mqtt-client.ts'
import { startTestBroker } from '../../src/testing/test-broker.ts'
import { both, only5, statement } from './statement.ts'

/* SUBSCRIBE, UNSUBSCRIBE and retained messages: sections 3.8 to 3.11 and 3.3.1.3 of both standards. */

const to = (topicFilter: string, options: Partial<RequestedSubscription> = {}): RequestedSubscription => ({
  ...{ topicFilter, qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0 },
  ...options,
})

statement(
  { 4: '3.8.4-2', 5: '3.8.4-2' },
  'SUBACK has the packet identifier of its SUBSCRIBE, and a code for each filter in order',
  async (t, version) => {
    // [MQTT-3.8.4-1], [MQTT-3.8.4-6], [MQTT-3.9.3-1], [MQTT-3.8.4-5]
    const { port } = await startTestBroker(t, {
      realm: { maySubscribe: (_, filter) => filter !== 'forbidden' },
    })
    const client = await connectRaw(t, port, version)
    const subscriptions = [to('a', { qos: 2 }), to('forbidden'), to('b', { qos: 1 }), to('a', { qos: 0 })]
    client.send({ type: 'subscribe', packetId: 4711, subscriptions, properties: noProperties })
    const { packetId, reasonCodes } = await client.next('suback')
    assert.deepEqual([packetId, reasonCodes], [4711, [2, version === 5 ? 0x87 : 0x80, 1, 0]])
  },
)

statement(
  { 4: '3.9.3-2', 5: '3.9.3-2' },
  'a SUBACK has no other codes than the standard gives it',
  async (t, version) => {
    const { port } = await startTestBroker(t, {
      realm: { maySubscribe: () => false, limits: { subscriptionsPerSession: 1, filtersPerSubscribe: 2 } },
    })
    const client = await connectRaw(t, port, version)
    // The decoder of the test's client refuses any other code.
    for (const subscriptions of [
      [to('a')],
      [to('$share/g/a')],
      [to('a'), to('b')],
      [to('a'), to('b'), to('c')],
    ]) {
      client.send({ type: 'subscribe', packetId: 1, subscriptions, properties: noProperties })
      assert.ok((await client.next('suback')).reasonCodes.every((code) => code >= 0x80))
    }
  },
)

statement(
  { 4: '3.8.4-3', 5: '3.8.4-3' },
  'a subscription to the same filter takes the place of the one before',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const client = await connectRaw(t, port, version)
    await client.subscribe('a', { qos: 0 })
    assert.equal(await client.subscribe('a', { qos: 2 }), 2)
    const publisher = await connectRaw(t, port, version)
    await publisher.publish('a', 'x', { qos: 2 })
    assert.deepEqual(
      (await client.messages()).map(({ qos }) => qos),
      [2],
    )
  },
)

statement(
  { 4: '3.8.4-6', 5: '3.8.4-8' },
  'a message comes with the lower of its QoS and the one that was granted',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const publisher = await connectRaw(t, port, version)
    for (const granted of [0, 1, 2] as const) {
      const client = await connectRaw(t, port, version)
      assert.equal(await client.subscribe('a', { qos: granted }), granted)
      for (const qos of [0, 1, 2] as const) await publisher.publish('a', '', { qos })
      const levels = (await client.messages()).map(({ qos }) => qos)
      assert.deepEqual(levels, [0, Math.min(1, granted), granted])
      await client.leave()
    }
  },
)

statement(
  { 4: '3.3.5-1', 5: '3.3.4-2' },
  'where filters overlap, the message comes with the highest QoS of them',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const client = await connectRaw(t, port, version)
    await client.subscribe('a/+', { qos: 1 })
    await client.subscribe('a/#', { qos: 2 })
    await client.subscribe('#', { qos: 0 })
    const publisher = await connectRaw(t, port, version)
    await publisher.publish('a/b', 'x', { qos: 2 })
    assert.deepEqual(
      (await client.messages()).map(({ qos }) => qos),
      [2],
    )
  },
)

statement(
  { 4: '3.10.4-4', 5: '3.10.4-4' },
  'UNSUBACK has the packet identifier of its UNSUBSCRIBE, and in 5.0 a code for each filter in order',
  async (t, version) => {
    // [MQTT-3.10.4-5], [MQTT-3.10.4-6], [MQTT-3.11.3-1], [MQTT-3.11.3-2]
    const { port } = await startTestBroker(t)
    const client = await connectRaw(t, port, version)
    await client.subscribe('a')
    client.send({
      type: 'unsubscribe',
      packetId: 4711,
      topicFilters: ['never', 'a', 'a', '#'],
      properties: noProperties,
    })
    const { packetId, reasonCodes } = await client.next('unsuback')
    assert.deepEqual([packetId, reasonCodes], [4711, version === 5 ? [0x11, 0, 0x11, 0x11] : []])
  },
)

statement(
  { 4: '3.10.4-1', 5: '3.10.4-1' },
  'a filter is unsubscribed when it is the same, character by character',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const client = await connectRaw(t, port, version)
    await client.subscribe('a/b')
    client.send({
      type: 'unsubscribe',
      packetId: 1,
      topicFilters: ['a/+', '#', 'A/b', 'a/b/'],
      properties: noProperties,
    })
    await client.next('unsuback')
    const publisher = await connectRaw(t, port, version)
    await publisher.publish('a/b', 'x', { qos: 1 })
    assert.equal((await client.messages()).length, 1)
  },
)

statement({ 4: '3.10.4-2', 5: '3.10.4-2' }, 'after UNSUBACK no new message comes', async (t, version) => {
  const { port } = await startTestBroker(t)
  const client = await connectRaw(t, port, version)
  await client.subscribe('a', { qos: 1 })
  client.send({ type: 'unsubscribe', packetId: 1, topicFilters: ['a'], properties: noProperties })
  await client.next('unsuback')
  const publisher = await connectRaw(t, port, version)
  await publisher.publish('a', 'x', { qos: 1 })
  assert.deepEqual(await client.messages(), [])
})

statement(
  { 4: '3.10.4-3', 5: '3.10.4-3' },
  'what was begun before UNSUBSCRIBE is completed',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const client = await connectRaw(t, port, version)
    await client.subscribe('a', { qos: 2 })
    const publisher = await connectRaw(t, port, version)
    await publisher.publish('a', 'x', { qos: 2 })
    const { packetId } = await client.next('publish')
    client.send({ type: 'unsubscribe', packetId: 1, topicFilters: ['a'], properties: noProperties })
    await client.next('unsuback')
    client.send(acknowledge('pubrec', packetId))
    assert.equal((await client.next('pubrel')).packetId, packetId)
    client.send(acknowledge('pubcomp', packetId))
    assert.deepEqual(await client.drain(), [])
  },
)

// ---------------------------------------------------------------- options of 5.0

statement(only5('3.8.3-3'), 'with No Local a client does not get its own messages', async (t, version) => {
  const { port } = await startTestBroker(t)
  const client = await connectRaw(t, port, version)
  await client.subscribe('a', { noLocal: true })
  await client.subscribe('b')
  const other = await connectRaw(t, port, version)
  await client.publish('a', 'own', { qos: 1 })
  await client.publish('b', 'own', { qos: 1 })
  await other.publish('a', 'foreign', { qos: 1 })
  const received = await client.messages()
  assert.deepEqual(
    received.map(({ topicName, payload }) => [topicName, String(payload)]),
    [
      ['b', 'own'],
      ['a', 'foreign'],
    ],
  )
})

statement(
  only5('3.3.1-12'),
  'without Retain As Published, RETAIN is 0 in a message as it is published',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const client = await connectRaw(t, port, version)
    await client.subscribe('a')
    const publisher = await connectRaw(t, port, version)
    await publisher.publish('a', 'x', { qos: 1, retain: true })
    await publisher.publish('a', 'x', { qos: 1, retain: false })
    assert.deepEqual(
      (await client.messages()).map(({ retain }) => retain),
      [false, false],
    )
  },
)

statement(
  only5('3.3.1-13'),
  'with Retain As Published, RETAIN is as it was published',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const client = await connectRaw(t, port, version)
    await client.subscribe('a', { retainAsPublished: true })
    const publisher = await connectRaw(t, port, version)
    await publisher.publish('a', 'x', { qos: 1, retain: true })
    await publisher.publish('a', 'x', { qos: 1, retain: false })
    assert.deepEqual(
      (await client.messages()).map(({ retain }) => retain),
      [true, false],
    )
  },
)

statement(
  only5('3.3.4-3'),
  'a message has the identifier of the subscription that it matched',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const client = await connectRaw(t, port, version)
    await client.subscribe('a', { qos: 1 }, { subscriptionIdentifier: 1 })
    await client.subscribe('b', { qos: 1 }, { subscriptionIdentifier: 268_435_455 })
    await client.subscribe('c', { qos: 1 })
    const publisher = await connectRaw(t, port, version)
    for (const topic of ['a', 'b', 'c'])
      for (const qos of [0, 1] as const) await publisher.publish(topic, '', { qos })
    assert.deepEqual(
      (await client.messages()).map(({ properties }) => properties.subscriptionIdentifiers),
      [[1], [1], [268_435_455], [268_435_455], undefined, undefined],
    )
  },
)

statement(
  only5('3.3.4-4'),
  'a message that matched several subscriptions has the identifiers of all',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const client = await connectRaw(t, port, version)
    await client.subscribe('a/+', { qos: 1 }, { subscriptionIdentifier: 1 })
    await client.subscribe('a/#', { qos: 0 }, { subscriptionIdentifier: 2 })
    await client.subscribe('#', { qos: 2 })
    const publisher = await connectRaw(t, port, version)
    await publisher.publish('a/b', '', { qos: 1 })
    const received = await client.messages()
    const identifiers = received.flatMap(({ properties }) => properties.subscriptionIdentifiers ?? [])
    assert.deepEqual([received.length, identifiers.toSorted()], [1, [1, 2]])
  },
)

statement(
  only5('3.8.4-3'),
  'a subscription that takes the place of another brings its identifier, or none',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const client = await connectRaw(t, port, version)
    const publisher = await connectRaw(t, port, version)
    await client.subscribe('a', {}, { subscriptionIdentifier: 1 })
    await client.subscribe('a', {}, { subscriptionIdentifier: 2 })
    await publisher.publish('a', '', { qos: 1 })
    await client
      .next('publish')
      .then(({ properties }) => assert.deepEqual(properties.subscriptionIdentifiers, [2]))
    await client.subscribe('a')
    await publisher.publish('a', '', { qos: 1 })
    await client.next('publish').then(({ properties }) => assert.deepEqual(properties, {}))
  },
)

statement(
  only5('3.2.2.3.12'),
  'where subscription identifiers are not there, CONNACK says so and one ends the connection',
  async (t, version) => {
    const { port } = await startTestBroker(t, { realm: { features: { subscriptionIdentifiers: false } } })
    const { client, connack } = await knock(t, port, version)
    assert.equal(connack.properties.subscriptionIdentifiersAvailable, false)
    client.send({
      type: 'subscribe',
      packetId: 1,
      subscriptions: [to('a')],
      properties: { subscriptionIdentifier: 1 },
    })
    await client.refused(0xa1)
  },
)

// ---------------------------------------------------------------- retained messages

statement(
  { 4: '3.3.1-6', 5: '3.3.1-9' },
  'a new subscription gets the retained messages that match, with RETAIN',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const publisher = await connectRaw(t, port, version)
    await publisher.publish('a/1', 'one', { qos: 1, retain: true })
    await publisher.publish('a/2', 'two', { qos: 0, retain: true })
    await publisher.publish('b', 'other', { qos: 1, retain: true })
    await publisher.publish('a/3', 'not retained', { qos: 1 })
    const client = await connectRaw(t, port, version)
    await client.subscribe('a/+', { qos: 1 })
    const received = await client.messages()
    assert.deepEqual(
      received
        .map(({ topicName, payload, retain, qos, dup }) => [topicName, String(payload), retain, qos, dup])
        .toSorted(),
      [
        ['a/1', 'one', true, 1, false],
        ['a/2', 'two', true, 0, false],
      ],
    )
  },
)

statement(
  { 4: '3.3.1-9', 5: '3.3.1-12' },
  'a subscription that is there already gets a retained publish as any other',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const client = await connectRaw(t, port, version)
    await client.subscribe('a')
    const publisher = await connectRaw(t, port, version)
    await publisher.publish('a', 'x', { qos: 1, retain: true })
    assert.deepEqual(
      (await client.messages()).map(({ retain }) => retain),
      [false],
    )
  },
)

statement(
  { 4: '3.3.1-5', 5: '3.3.1-5' },
  'a retained message replaces the one before, whatever their QoS',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const publisher = await connectRaw(t, port, version)
    for (const [first, second] of [
      [1, 0],
      [0, 2],
      [2, 1],
    ] as const) {
      await publisher.publish('a', 'old', { qos: first, retain: true })
      await publisher.publish('a', 'new', { qos: second, retain: true })
      const client = await connectRaw(t, port, version)
      await client.subscribe('a', { qos: 2 })
      assert.deepEqual(
        (await client.messages()).map(({ payload, qos }) => [String(payload), qos]),
        [['new', second]],
      )
    }
  },
)

statement(
  { 4: '3.3.1-10', 5: '3.3.1-6' },
  'an empty retained publish removes what was retained, and is itself not retained',
  async (t, version) => {
    // [MQTT-3.3.1-7], [MQTT-3.3.1-11] of 3.1.1
    const { port } = await startTestBroker(t)
    const publisher = await connectRaw(t, port, version)
    await publisher.publish('a', 'x', { qos: 1, retain: true })
    const before = await connectRaw(t, port, version)
    await before.subscribe('a')
    await before.next('publish')
    await publisher.publish('a', '', { qos: 1, retain: true })
    assert.deepEqual(
      (await before.messages()).map(({ payload, retain }) => [payload.length, retain]),
      [[0, false]],
    )
    const client = await connectRaw(t, port, version)
    await client.subscribe('a')
    assert.deepEqual(await client.messages(), [])
  },
)

statement(
  { 4: '3.3.1-12', 5: '3.3.1-8' },
  'a publish without RETAIN neither stores nor replaces nor removes',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const publisher = await connectRaw(t, port, version)
    await publisher.publish('a', 'kept', { qos: 1, retain: true })
    await publisher.publish('a', 'passing', { qos: 1 })
    await publisher.publish('a', '', { qos: 1 })
    await publisher.publish('b', 'passing', { qos: 1 })
    const client = await connectRaw(t, port, version)
    await client.subscribe('#')
    assert.deepEqual(
      (await client.messages()).map(({ payload }) => String(payload)),
      ['kept'],
    )
  },
)

statement(
  { 4: '3.1.2-7', 5: '3.1.2.5' },
  'a retained message is no part of a session: it outlives its publisher',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const publisher = await connectRaw(t, port, version)
    await publisher.publish('a', 'x', { qos: 1, retain: true })
    await publisher.leave()
    const client = await connectRaw(t, port, version)
    await client.subscribe('a')
    assert.equal((await client.messages()).length, 1)
  },
)

statement(
  { 4: '3.8.4-3', 5: '3.3.1-9' },
  'a subscription again gets retained messages again',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const publisher = await connectRaw(t, port, version)
    await publisher.publish('a', 'x', { qos: 1, retain: true })
    const client = await connectRaw(t, port, version)
    for (let count = 0; count < 2; count++) {
      await client.subscribe('a', { retainHandling: 0 })
      assert.equal((await client.messages()).length, 1)
    }
  },
)

statement(
  only5('3.3.1-10'),
  'with Retain Handling 1 only a new subscription gets retained messages',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const publisher = await connectRaw(t, port, version)
    await publisher.publish('a', 'x', { qos: 1, retain: true })
    const client = await connectRaw(t, port, version)
    await client.subscribe('a', { retainHandling: 1 })
    assert.equal((await client.messages()).length, 1)
    await client.subscribe('a', { retainHandling: 1, qos: 1 })
    assert.equal((await client.messages()).length, 0)
  },
)

statement(
  only5('3.3.1-11'),
  'with Retain Handling 2 no subscription gets retained messages',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const publisher = await connectRaw(t, port, version)
    await publisher.publish('a', 'x', { qos: 1, retain: true })
    const client = await connectRaw(t, port, version)
    await client.subscribe('a', { retainHandling: 2 })
    assert.deepEqual(await client.messages(), [])
  },
)

statement(
  only5('3.3.1.3'),
  'a retained message keeps RETAIN whatever Retain As Published is, and has its properties',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const publisher = await connectRaw(t, port, version)
    const properties = { contentType: 'text/plain', userProperties: [['a', 'b']] } as const
    await publisher.publish('a', 'x', { qos: 1, retain: true, properties })
    for (const retainAsPublished of [false, true]) {
      const client = await connectRaw(t, port, version)
      await client.subscribe('a', { retainAsPublished }, { subscriptionIdentifier: 5 })
      const [received] = await client.messages()
      assert.equal(received?.retain, true)
      assert.deepEqual(received?.properties, { ...properties, subscriptionIdentifiers: [5] })
    }
  },
)

statement(
  both('4.7.2-1'),
  'retained messages of topics that begin with $ do not come for a wildcard',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const publisher = await connectRaw(t, port, version)
    await publisher.publish('$own/a', 'x', { qos: 1, retain: true })
    const client = await connectRaw(t, port, version)
    await client.subscribe('#')
    await client.subscribe('+/a')
    assert.deepEqual(await client.messages(), [])
    await client.subscribe('$own/+')
    assert.equal((await client.messages()).length, 1)
  },
)

// ---------------------------------------------------------------- shared subscriptions

statement(
  { 4: '4.8.2', 5: '4.8.2-3' },
  'each message goes to one member of a shared subscription, with the QoS that it was granted',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const members = await Promise.all([0, 1, 2].map(() => connectRaw(t, port, version)))
    for (const [index, member] of members.entries())
      await member.subscribe('$share/group/a/+', { qos: index as 0 | 1 | 2 })
    const alone = await connectRaw(t, port, version)
    await alone.subscribe('a/+')
    const publisher = await connectRaw(t, port, version)
    for (let index = 0; index < 30; index++) await publisher.publish(`a/${index}`, '', { qos: 2 })
    const received = await Promise.all(members.map((member) => member.messages()))
    const topics = received.flat().map(({ topicName }) => topicName)
    assert.equal(topics.length, 30)
    assert.equal(new Set(topics).size, 30)
    for (const [index, messages] of received.entries()) assert.ok(messages.every(({ qos }) => qos === index))
    assert.equal((await alone.messages()).length, 30)
  },
)

statement(
  { 4: '4.8.2', 5: '4.8.2-1' },
  'the name of a share is not empty and has no / + #, and a filter follows it',
  async (t, version) => {
    // [MQTT-4.8.2-2]
    const { port } = await startTestBroker(t)
    for (const filter of [
      '$share//a',
      '$share/+/a',
      '$share/g#/a',
      '$share/g',
      '$share/g/',
      '$share/g/a#',
      '$share/',
    ]) {
      const client = await connectRaw(t, port, version)
      const properties = noProperties
      client.send({ type: 'subscribe', packetId: 1, subscriptions: [to(filter)], properties })
      const [answer] = await client.drain().catch(() => [])
      const refused =
        answer === undefined || (answer.type === 'suback' && (answer.reasonCodes[0] ?? 0) >= 0x80)
      assert.ok(refused, filter)
      if (version === 5 && answer?.type === 'suback') assert.equal(answer.reasonCodes[0], 0x8f, filter)
    }
  },
)

statement(
  only5('4.8.2'),
  'a shared subscription gets no retained messages when it begins',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const publisher = await connectRaw(t, port, version)
    await publisher.publish('a', 'x', { qos: 1, retain: true })
    const client = await connectRaw(t, port, version)
    await client.subscribe('$share/g/a')
    assert.deepEqual(await client.messages(), [])
  },
)

statement(
  only5('4.8.2-6'),
  'a message that a member of a share refuses goes to no other member',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const members = await Promise.all([0, 1].map(() => connectRaw(t, port, version)))
    for (const member of members) await member.subscribe('$share/g/a', { qos: 2 })
    const publisher = await connectRaw(t, port, version)
    for (const qos of [1, 2] as const) {
      await publisher.publish('a', 'x', { qos })
      const received = await Promise.all(members.map((member) => member.messages()))
      const index = received.findIndex((messages) => messages.length > 0)
      const packetId = received[index]?.[0]?.packetId ?? 0
      members[index]?.send(acknowledge(qos === 1 ? 'puback' : 'pubrec', packetId, 0x80))
      for (const member of members) assert.deepEqual(await member.drain(), [])
    }
  },
)

statement(
  only5('4.8.2'),
  'who unsubscribes from a share leaves it, and the others go on',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const [first, second] = [await connectRaw(t, port, version), await connectRaw(t, port, version)]
    for (const member of [first, second]) await member.subscribe('$share/g/a')
    first.send({ type: 'unsubscribe', packetId: 1, topicFilters: ['$share/g/a'], properties: noProperties })
    assert.deepEqual((await first.next('unsuback')).reasonCodes, [0])
    const publisher = await connectRaw(t, port, version)
    for (let count = 0; count < 4; count++) await publisher.publish('a', '', { qos: 1 })
    assert.deepEqual([(await first.messages()).length, (await second.messages()).length], [0, 4])
  },
)

statement(
  both('3.8.4-4'),
  'a SUBSCRIBE of many filters is the same as many SUBSCRIBEs',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const client = await connectRaw(t, port, version)
    const subscriptions = Array.from({ length: 500 }, (_, index) =>
      to(`topics/${index}`, { qos: (index % 3) as 0 | 1 | 2 }),
    )
    client.send({ type: 'subscribe', packetId: 1, subscriptions, properties: noProperties })
    assert.deepEqual(
      (await client.next('suback')).reasonCodes,
      subscriptions.map(({ qos }) => qos),
    )
    const publisher = await connectRaw(t, port, version)
    publisher.send(...subscriptions.map(({ topicFilter }) => message(topicFilter)))
    await publisher.drain()
    assert.equal((await client.messages()).length, 500)
  },
)
