import assert from 'node:assert/strict'
import { noProperties, type PublishProperties } from '../../src/mqtt/packets/packet.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { connectRaw, knock, message } from '../../src/testing/mqtt-client.ts'
import { startTestBroker } from '../../src/testing/test-broker.ts'
import { both, only5, statement } from './statement.ts'

/* PUBLISH and what it carries: section 3.3 of both standards, and the topic names of 4.7. */

const everyProperty: PublishProperties = {
  payloadFormatIndicator: 1,
  contentType: 'text/plain',
  responseTopic: 'answers/1',
  correlationData: Buffer.from([0, 1, 255]),
  userProperties: [
    ['b', '1'],
    ['a', '2'],
    ['b', '3'],
    ['', ''],
  ],
}

statement(both('3.3.1-3'), 'DUP of a message that comes in is not passed on', async (t, version) => {
  const { port } = await startTestBroker(t)
  const subscriber = await connectRaw(t, port, version)
  await subscriber.subscribe('a', { qos: 2 })
  const publisher = await connectRaw(t, port, version)
  await publisher.publish('a', 'one', { qos: 1, dup: true })
  await publisher.publish('a', 'two', { qos: 2, dup: true })
  assert.deepEqual(
    (await subscriber.messages()).map(({ dup }) => dup),
    [false, false],
  )
})

statement(both('3.3.1-1'), 'a message that is sent again has DUP set', async (t, version) => {
  const { port } = await startTestBroker(t)
  const kept = {
    clientId: 'a',
    cleanStart: false,
    properties: version === 5 ? { sessionExpiryInterval: 60 } : noProperties,
  }
  const first = await connectRaw(t, port, version, kept)
  await first.subscribe('a', { qos: 2 })
  const publisher = await connectRaw(t, port, version)
  await publisher.publish('a', 'one', { qos: 1 })
  await publisher.publish('a', 'two', { qos: 2 })
  const sent = await first.messages()
  await first.vanish()
  const again = await connectRaw(t, port, version, kept)
  assert.deepEqual(
    await again.messages(),
    sent.map((packet) => ({ ...packet, dup: true })),
  )
})

statement(
  { 4: '3.3.2-3', 5: '3.3.2-3' },
  'a message reaches those whose filter matches its topic name, and nobody else',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const filters = [
      'a/b',
      'a/+',
      '+/b',
      '+/+',
      'a/#',
      '#',
      'a/b/#',
      'a/b/+',
      'a',
      '+',
      '/a/b',
      'a/b/',
      'A/b',
      'a/B',
      '/#',
    ]
    const matching = new Set(['a/b', 'a/+', '+/b', '+/+', 'a/#', '#', 'a/b/#'])
    const publisher = await connectRaw(t, port, version)
    for (const filter of filters) {
      const subscriber = await connectRaw(t, port, version)
      await subscriber.subscribe(filter)
      await publisher.publish('a/b', 'x', { qos: 1 })
      const topics = (await subscriber.messages()).map(({ topicName }) => topicName)
      assert.deepEqual(topics, matching.has(filter) ? ['a/b'] : [], filter)
    }
  },
)

statement(
  both('4.7.1-2'),
  '# matches its parent and whatever is below it, and stands last alone',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const subscriber = await connectRaw(t, port, version)
    await subscriber.subscribe('sport/tennis/#')
    const publisher = await connectRaw(t, port, version)
    const topics = [
      'sport/tennis',
      'sport/tennis/',
      'sport/tennis/a',
      'sport/tennis/a/b',
      'sport',
      'sport/tennisx',
      'sport/other',
    ]
    for (const topic of topics) await publisher.publish(topic, '', { qos: 1 })
    assert.deepEqual(
      (await subscriber.messages()).map(({ topicName }) => topicName),
      topics.slice(0, 4),
    )
    for (const filter of ['sport/tennis#', 'sport/#/ranking', '#/a', 'a#'])
      await refusedFilter(await connectRaw(t, port, version), filter)
  },
)

statement(both('4.7.1-3'), '+ matches one level, empty or not, and fills its level', async (t, version) => {
  const { port } = await startTestBroker(t)
  const subscriber = await connectRaw(t, port, version)
  await subscriber.subscribe('sport/+/one')
  const publisher = await connectRaw(t, port, version)
  const topics = ['sport/a/one', 'sport//one', 'sport/one', 'sport/a/b/one', 'sport/a/one/', '/sport/a/one']
  for (const topic of topics) await publisher.publish(topic, '', { qos: 1 })
  assert.deepEqual(
    (await subscriber.messages()).map(({ topicName }) => topicName),
    topics.slice(0, 2),
  )
  for (const filter of ['sport+', 'a/+b', 'a/b+/c', '++'])
    await refusedFilter(await connectRaw(t, port, version), filter)
})

/** In 5.0 the filter is refused alone; 3.1.1 closes the connection. */
async function refusedFilter(
  client: Awaited<ReturnType<typeof connectRaw>>,
  topicFilter: string,
): Promise<void> {
  const subscription = {
    topicFilter,
    qos: 0,
    noLocal: false,
    retainAsPublished: false,
    retainHandling: 0,
  } as const
  client.send({ type: 'subscribe', packetId: 1, subscriptions: [subscription], properties: noProperties })
  if (client.version === 4) assert.deepEqual(await client.rest(), [], topicFilter)
  else assert.deepEqual((await client.next('suback')).reasonCodes, [0x8f], topicFilter)
}

statement(
  both('4.7.2-1'),
  'a filter that begins with a wildcard does not match topic names that begin with $',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const publisher = await connectRaw(t, port, version)
    for (const [filter, isMatch] of [
      ['#', false],
      ['+/a', false],
      ['+/#', false],
      ['$own/#', true],
      ['$own/+', true],
      ['$own/a', true],
    ] as const) {
      const subscriber = await connectRaw(t, port, version)
      await subscriber.subscribe(filter)
      await publisher.publish('$own/a', 'x', { qos: 1 })
      assert.equal((await subscriber.messages()).length, isMatch ? 1 : 0, filter)
    }
  },
)

statement(
  both('4.7.3-1'),
  'topic names and filters of one character are taken, the slash alone too',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const subscriber = await connectRaw(t, port, version)
    for (const filter of ['a', '/', ' ', '水']) assert.equal(await subscriber.subscribe(filter), 0)
    const publisher = await connectRaw(t, port, version)
    for (const topic of ['a', '/', ' ', '水']) await publisher.publish(topic, '', { qos: 1 })
    assert.equal((await subscriber.messages()).length, 4)
  },
)

statement(both('4.7.3-3'), 'topic names and filters of 65,535 bytes are taken', async (t, version) => {
  const { port } = await startTestBroker(t)
  const subscriber = await connectRaw(t, port, version)
  const topic = 'a'.repeat(65_535)
  assert.equal(await subscriber.subscribe(topic), 0)
  const publisher = await connectRaw(t, port, version)
  await publisher.publish(topic, 'x', { qos: 1 })
  assert.deepEqual(
    (await subscriber.messages()).map(({ topicName }) => topicName),
    [topic],
  )
})

statement(
  both('4.7.3-4'),
  'topic names are compared as they are: case and composition tell them apart',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const subscriber = await connectRaw(t, port, version)
    await subscriber.subscribe('Caf\u00e9')
    const publisher = await connectRaw(t, port, version)
    for (const topic of ['caf\u00e9', 'Cafe\u0301', 'CAF\u00c9', 'Cafe'])
      await publisher.publish(topic, '', { qos: 1 })
    assert.deepEqual(await subscriber.messages(), [])
    await publisher.publish('Caf\u00e9', '', { qos: 1 })
    assert.equal((await subscriber.messages()).length, 1)
  },
)

statement(
  only5('3.3.2-4'),
  'payload format indicator and the other properties reach every subscriber as they came',
  async (t, version) => {
    // [MQTT-3.3.2-15], [MQTT-3.3.2-16], [MQTT-3.3.2-17], [MQTT-3.3.2-18], [MQTT-3.3.2-20]
    const { port } = await startTestBroker(t)
    const publisher = await connectRaw(t, port, version)
    for (const qos of [0, 1, 2] as const) {
      const subscriber = await connectRaw(t, port, version)
      await subscriber.subscribe('a', { qos })
      await publisher.publish('a', 'x', { qos, properties: everyProperty })
      const [received] = await subscriber.messages()
      assert.deepEqual(received?.properties, everyProperty)
    }
  },
)

statement(
  only5('3.3.2-17'),
  'a payload format indicator of 0 and an empty content type are passed on too',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const subscriber = await connectRaw(t, port, version)
    await subscriber.subscribe('a')
    const publisher = await connectRaw(t, port, version)
    const properties = {
      payloadFormatIndicator: 0,
      contentType: '',
      correlationData: Buffer.alloc(0),
    } as const
    await publisher.publish('a', 'x', { qos: 1, properties })
    assert.deepEqual((await subscriber.messages())[0]?.properties, properties)
  },
)

statement(
  both('1.5.3'),
  'a message crosses between the versions: 3.1.1 gets the payload, 5.0 gets all',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const other = version === 4 ? 5 : 4
    const subscriber = await connectRaw(t, port, other)
    await subscriber.subscribe('a', { qos: 2 })
    const publisher = await connectRaw(t, port, version)
    await publisher.publish('a', 'x', { qos: 2, properties: version === 5 ? everyProperty : noProperties })
    const [received] = await subscriber.messages()
    assert.deepEqual([String(received?.payload), received?.properties], ['x', {}])
  },
)

statement(only5('3.3.2-5'), 'a message whose expiry has passed is not delivered', async (t, version) => {
  const clock = new ManualClock()
  const { port } = await startTestBroker(t, { clock })
  const kept = { clientId: 'a', cleanStart: false, properties: { sessionExpiryInterval: 3600 } }
  const first = await connectRaw(t, port, version, kept)
  await first.subscribe('a', { qos: 1 })
  await first.leave()
  const publisher = await connectRaw(t, port, version)
  await publisher.publish('a', 'short', { qos: 1, properties: { messageExpiryInterval: 10 } })
  await publisher.publish('a', 'long', { qos: 1, properties: { messageExpiryInterval: 100 } })
  await publisher.publish('a', 'ever', { qos: 1 })
  await clock.advance(11_000)
  const again = await connectRaw(t, port, version, kept)
  assert.deepEqual(
    (await again.messages()).map(({ payload }) => String(payload)),
    ['long', 'ever'],
  )
})

statement(
  only5('3.3.2-6'),
  'the expiry interval that is passed on is less what the message has waited',
  async (t, version) => {
    const clock = new ManualClock()
    const { port } = await startTestBroker(t, { clock })
    const kept = { clientId: 'a', cleanStart: false, properties: { sessionExpiryInterval: 3600 } }
    const first = await connectRaw(t, port, version, kept)
    await first.subscribe('a', { qos: 1 })
    const publisher = await connectRaw(t, port, version)
    await publisher.publish('a', 'now', { qos: 1, properties: { messageExpiryInterval: 100 } })
    assert.deepEqual(
      (await first.messages()).map(({ properties }) => properties.messageExpiryInterval),
      [100],
    )
    await first.leave()
    await publisher.publish('a', 'later', { qos: 1, properties: { messageExpiryInterval: 100 } })
    await clock.advance(40_000)
    const again = await connectRaw(t, port, version, kept)
    const intervals = (await again.messages()).map(({ payload, properties }) => [
      String(payload),
      properties.messageExpiryInterval,
    ])
    assert.deepEqual(intervals, [
      ['now', 60],
      ['later', 60],
    ])
  },
)

statement(
  only5('3.3.2-12'),
  'every alias up to the maximum is taken, and stands for its topic name from then on',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const subscriber = await connectRaw(t, port, version)
    await subscriber.subscribe('#')
    const { client: publisher, connack } = await knock(t, port, version)
    const { topicAliasMaximum = 0 } = connack.properties
    assert.ok(topicAliasMaximum > 0)
    for (let topicAlias = 1; topicAlias <= topicAliasMaximum; topicAlias++)
      publisher.send(message(`topics/${topicAlias}`, '', { properties: { topicAlias } }))
    for (let topicAlias = 1; topicAlias <= topicAliasMaximum; topicAlias++)
      publisher.send(message('', '', { properties: { topicAlias } }))
    await publisher.drain()
    const names = Array.from({ length: topicAliasMaximum }, (_, index) => `topics/${index + 1}`)
    const received = await subscriber.messages()
    assert.deepEqual(
      received.map(({ topicName }) => topicName),
      [...names, ...names],
    )
    assert.ok(received.every(({ properties }) => properties.topicAlias === undefined))
  },
)

statement(only5('3.3.2-9'), 'an alias above the maximum ends the connection', async (t, version) => {
  const { port } = await startTestBroker(t)
  const { client, connack } = await knock(t, port, version)
  client.send(
    message('a', '', { properties: { topicAlias: (connack.properties.topicAliasMaximum ?? 0) + 1 } }),
  )
  await client.refused(0x94)
})

statement(only5('3.3.2.3.4'), 'an alias may be given to another topic name', async (t, version) => {
  const { port } = await startTestBroker(t)
  const subscriber = await connectRaw(t, port, version)
  await subscriber.subscribe('#')
  const publisher = await connectRaw(t, port, version)
  const properties = { topicAlias: 1 }
  publisher.send(
    message('a', '', { properties }),
    message('b', '', { properties }),
    message('', '', { properties }),
  )
  await publisher.drain()
  assert.deepEqual(
    (await subscriber.messages()).map(({ topicName }) => topicName),
    ['a', 'b', 'b'],
  )
})

statement(only5('3.3.2-7'), 'an alias does not outlive its connection', async (t, version) => {
  const { port } = await startTestBroker(t)
  const kept = { clientId: 'a', cleanStart: false, properties: { sessionExpiryInterval: 60 } }
  const first = await connectRaw(t, port, version, kept)
  await first.publish('a', '', { qos: 1, properties: { topicAlias: 1 } })
  await first.leave()
  const again = await connectRaw(t, port, version, kept)
  again.send(message('', '', { properties: { topicAlias: 1 } }))
  await again.refused(0x82)
})

statement(
  only5('3.2.2-18'),
  'where aliases are not offered, any alias ends the connection',
  async (t, version) => {
    const { port } = await startTestBroker(t, { realm: { limits: { topicAliases: 0 } } })
    const { client, connack } = await knock(t, port, version)
    assert.equal(connack.properties.topicAliasMaximum ?? 0, 0)
    client.send(message('a', '', { properties: { topicAlias: 1 } }))
    await client.refused(0x94)
  },
)

statement(only5('3.1.2-27'), 'a client that did not ask for aliases gets none', async (t, version) => {
  const { port } = await startTestBroker(t)
  for (const properties of [noProperties, { topicAliasMaximum: 0 }]) {
    const subscriber = await connectRaw(t, port, version, { properties })
    await subscriber.subscribe('#')
    const publisher = await connectRaw(t, port, version)
    for (let count = 0; count < 3; count++) await publisher.publish('a', '', { qos: 1 })
    const received = await subscriber.messages()
    assert.deepEqual(
      received.map(({ topicName, properties: { topicAlias } }) => [topicName, topicAlias]),
      [
        ['a', undefined],
        ['a', undefined],
        ['a', undefined],
      ],
    )
  }
})

statement(
  only5('3.1.2-26'),
  'aliases towards a client are never above the maximum that it said, and stand for the right names',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const subscriber = await connectRaw(t, port, version, { properties: { topicAliasMaximum: 2 } })
    await subscriber.subscribe('#')
    const publisher = await connectRaw(t, port, version)
    const topics = ['a', 'b', 'c', 'a', 'b', 'c', 'd', 'a']
    for (const topic of topics) await publisher.publish(topic, '', { qos: 1 })
    const known = new Map<number, string>()
    const resolved = (await subscriber.messages()).map(({ topicName, properties: { topicAlias } }) => {
      if (topicAlias === undefined) return topicName
      assert.ok(topicAlias >= 1 && topicAlias <= 2)
      if (topicName !== '') known.set(topicAlias, topicName)
      return known.get(topicAlias)
    })
    assert.deepEqual(resolved, topics)
  },
)

statement(
  only5('3.1.2-24'),
  'a message that is larger than the client takes is not sent to it, and counts as delivered',
  async (t, version) => {
    // [MQTT-3.1.2-25]
    const { port } = await startTestBroker(t)
    const subscriber = await connectRaw(t, port, version, {
      clientId: 'small',
      properties: { maximumPacketSize: 50, receiveMaximum: 1 },
    })
    await subscriber.subscribe('a', { qos: 2 })
    const publisher = await connectRaw(t, port, version)
    for (const qos of [0, 1, 2] as const) await publisher.publish('a', 'x'.repeat(50), { qos })
    assert.deepEqual(await subscriber.drain(), [])
    await publisher.publish('a', 'small', { qos: 1 })
    assert.deepEqual(
      (await subscriber.messages()).map(({ payload }) => String(payload)),
      ['small'],
    )
  },
)

statement(
  { 4: '3.3.4-1', 5: '3.3.4-1' },
  'QoS 0 is not answered, QoS 1 with PUBACK, QoS 2 with PUBREC',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const client = await connectRaw(t, port, version)
    client.send(
      message('a'),
      message('a', '', { qos: 1, packetId: 5 }),
      message('a', '', { qos: 2, packetId: 6 }),
    )
    const answers = await client.drain()
    assert.deepEqual(
      answers.map((packet) => [packet.type, 'packetId' in packet && packet.packetId]),
      [
        ['puback', 5],
        ['pubrec', 6],
      ],
    )
  },
)

statement(
  { 4: '3.3.5-2', 5: '3.4.2-1' },
  'a message that is not allowed reaches nobody, and its sender is told as its version can',
  async (t, version) => {
    const { port, realm } = await startTestBroker(t, {
      realm: { mayPublish: (_, topicName) => topicName !== 'forbidden' },
    })
    const subscriber = await connectRaw(t, port, version)
    await subscriber.subscribe('#')
    for (const qos of [0, 1, 2] as const) {
      const client = await connectRaw(t, port, version)
      client.send(message('forbidden', 'x', { qos }))
      if (version === 4 || qos === 0) await client.refused(0x87)
      else {
        const [answer] = await client.drain()
        assert.deepEqual(answer && 'reasonCode' in answer && answer.reasonCode, 0x87)
        assert.equal(await client.publish('allowed', '', { qos: 1, packetId: 9 }), 0)
      }
    }
    const received = await subscriber.messages()
    assert.ok(received.every(({ topicName }) => topicName === 'allowed'))
    const reasons = new Set(realm.ended.map(({ reason }) => reason))
    assert.deepEqual([...reasons], ['ClientAuthorizationError'])
  },
)

statement(both('3.12.4-1'), 'PINGREQ is answered with PINGRESP', async (t, version) => {
  const { port } = await startTestBroker(t)
  const client = await connectRaw(t, port, version)
  client.send({ type: 'pingreq' }, { type: 'pingreq' })
  await client.next('pingresp')
  await client.next('pingresp')
})

statement(
  both('2.1.4'),
  'an empty payload and one of the largest packet size are passed on as they are',
  async (t, version) => {
    const { port, realm } = await startTestBroker(t)
    const subscriber = await connectRaw(t, port, version)
    await subscriber.subscribe('a')
    const publisher = await connectRaw(t, port, version)
    const most = realm.limits.packetBytes - (version === 5 ? 8 : 7)
    const payload = Buffer.alloc(most, 'x')
    publisher.send(message('a'), message('a', '', { payload }))
    await publisher.drain()
    const received = await subscriber.messages()
    assert.deepEqual(
      received.map((packet) => packet.payload.length),
      [0, most],
    )
    assert.ok(Buffer.from(received[1]?.payload ?? []).equals(payload))
  },
)

statement(both('4.6.0-5'), 'messages of one topic keep their order', async (t, version) => {
  const { port } = await startTestBroker(t)
  for (const qos of [0, 1, 2] as const) {
    const subscriber = await connectRaw(t, port, version)
    await subscriber.subscribe('a', { qos })
    const publisher = await connectRaw(t, port, version)
    const count = 50
    for (let index = 0; index < count; index++)
      publisher.send(message('a', String(index), { qos, packetId: qos === 0 ? 0 : index + 1 }))
    await publisher.drain()
    const payloads = (await subscriber.messages()).map(({ payload }) => Number(String(payload)))
    assert.deepEqual(
      payloads,
      Array.from({ length: count }, (_, index) => index),
      `QoS ${qos}`,
    )
  }
})
