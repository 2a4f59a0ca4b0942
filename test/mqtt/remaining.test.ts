import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { noProperties } from '../../src/mqtt/packets/packet.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import {
  acknowledge,
  connectPacket,
  connectRaw,
  knock,
  message,
  openRaw,
} from '../../src/testing/mqtt-client.ts'
import { startTestBroker } from '../../src/testing/test-broker.ts'
import { both, only5, statement } from './statement.ts'

/* Statements that stand alone, and where every other one of MQTT 5.0 is proved. */

statement(
  { 4: '3.3.1.3', 5: '3.2.2-14' },
  'a publish with RETAIN ends the connection where nothing is retained',
  async (t, version) => {
    const { port } = await startTestBroker(t, { realm: { features: { retain: false } } })
    for (const qos of [0, 1, 2] as const) {
      const client = await connectRaw(t, port, version)
      client.send(message('a', '', { qos, retain: true }))
      await client.refused(0x9a)
    }
  },
)

statement(only5('3.2.2-11'), 'a publish above the maximum QoS ends the connection', async (t, version) => {
  const { port } = await startTestBroker(t, { realm: { features: { maximumQos: 1 } } })
  const client = await connectRaw(t, port, version)
  client.send(message('a', '', { qos: 2 }))
  await client.refused(0x9b)
})

statement(
  both('4.3.1-1'),
  'QoS 0 is sent with QoS 0 and DUP 0, and has no packet identifier',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const subscriber = await connectRaw(t, port, version)
    await subscriber.subscribe('a', { qos: 2 })
    const publisher = await connectRaw(t, port, version)
    await publisher.publish('a', 'x')
    const [received] = await subscriber.messages()
    assert.deepEqual([received?.qos, received?.dup, received?.packetId], [0, false, 0])
  },
)

statement(
  only5('4.3.2-1'),
  'QoS 1 and 2 are first sent with DUP 0 and a packet identifier',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const subscriber = await connectRaw(t, port, version)
    await subscriber.subscribe('a', { qos: 2 })
    const publisher = await connectRaw(t, port, version)
    for (const qos of [1, 2] as const) {
      await publisher.publish('a', 'x', { qos })
      const received = await subscriber.next('publish')
      assert.deepEqual([received.qos, received.dup, received.packetId > 0], [qos, false, true])
    }
  },
)

statement(
  only5('4.3.2-3'),
  'a packet identifier is not used again before the message with it is acknowledged',
  async (t, version) => {
    const { port } = await startTestBroker(t, { realm: { limits: { outboundInFlight: 2 } } })
    const subscriber = await connectRaw(t, port, version)
    await subscriber.subscribe('a', { qos: 1 })
    const publisher = await connectRaw(t, port, version)
    for (let index = 0; index < 40; index++) await publisher.publish('a', `${index}`, { qos: 1 })
    const [held, second] = await subscriber.messages()
    let last = second?.packetId ?? 0
    for (let index = 2; index < 40; index++) {
      subscriber.send(acknowledge('puback', last))
      const { packetId } = await subscriber.next('publish')
      assert.notEqual(packetId, held?.packetId)
      last = packetId
    }
  },
)

statement(
  only5('4.3.3-13'),
  'after PUBCOMP the packet identifier of a QoS 2 message begins a new one',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const subscriber = await connectRaw(t, port, version)
    await subscriber.subscribe('a')
    const publisher = await connectRaw(t, port, version)
    for (const payload of ['one', 'two']) await publisher.publish('a', payload, { qos: 2, packetId: 5 })
    assert.deepEqual(
      (await subscriber.messages()).map(({ payload }) => String(payload)),
      ['one', 'two'],
    )
  },
)

statement(
  only5('4.3.3-7'),
  'a QoS 2 message that was sent is not taken back by its expiry',
  async (t, version) => {
    const clock = new ManualClock()
    const { port } = await startTestBroker(t, { clock })
    const subscriber = await connectRaw(t, port, version)
    await subscriber.subscribe('a', { qos: 2 })
    const publisher = await connectRaw(t, port, version)
    await publisher.publish('a', 'x', { qos: 2, properties: { messageExpiryInterval: 1 } })
    const { packetId } = await subscriber.next('publish')
    await clock.advance(10_000)
    subscriber.send(acknowledge('pubrec', packetId))
    assert.equal((await subscriber.next('pubrel')).packetId, packetId)
  },
)

statement(
  only5('4.8.2-4'),
  'a QoS 2 message of a share is completed with the member that has it, also after it comes back',
  async (t, version) => {
    // [MQTT-4.8.2-5]
    const { port, realm } = await startTestBroker(t)
    const kept = (clientId: string) => ({
      clientId,
      cleanStart: false,
      properties: { sessionExpiryInterval: 60 },
    })
    const members = [
      await connectRaw(t, port, version, kept('m0')),
      await connectRaw(t, port, version, kept('m1')),
    ]
    for (const member of members) await member.subscribe('$share/g/a', { qos: 2 })
    const publisher = await connectRaw(t, port, version)
    await publisher.publish('a', 'x', { qos: 2 })
    const received = await Promise.all(members.map((member) => member.messages()))
    const index = received.findIndex((messages) => messages.length > 0)
    const { packetId = 0 } = received[index]?.[0] ?? {}
    await members[index]?.vanish()
    while (realm.ended.length === 0) await members[1 - index]?.drain()
    assert.deepEqual(await members[1 - index]?.messages(), [])
    const again = await connectRaw(t, port, version, kept(`m${index}`))
    assert.deepEqual(
      (await again.messages()).map((packet) => [packet.packetId, packet.dup]),
      [[packetId, true]],
    )
  },
)

statement(
  { 4: '4.8.0-1', 5: '4.13.2-1' },
  'a protocol error ends the connection, in 5.0 with its reason code',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const client = await connectRaw(t, port, version)
    client.send(connectPacket(version))
    await client.refused(0x82)
  },
)

statement(
  only5('4.1.0-2'),
  'the state of a session is discarded when its connection is closed and its expiry has passed',
  async (t, version) => {
    const clock = new ManualClock()
    const { port, brokerRealm } = await startTestBroker(t, { clock })
    const client = await connectRaw(t, port, version, {
      clientId: 'a',
      properties: { sessionExpiryInterval: 10 },
    })
    await client.subscribe('a', { qos: 1 })
    await client.leave()
    while (brokerRealm.connections.size > 0) await new Promise((resolve) => setImmediate(resolve))
    assert.equal(brokerRealm.sessions.size, 1)
    await clock.advance(10_500)
    assert.equal(brokerRealm.sessions.size, 0)
  },
)

statement(
  only5('3.14.0-1'),
  'a client that is refused gets CONNACK and no DISCONNECT',
  async (t, version) => {
    const { port } = await startTestBroker(t, { realm: { limits: { clientIdBytes: 3 } } })
    const client = await openRaw(t, port, version)
    client.send(connectPacket(version, { clientId: 'four' }))
    assert.deepEqual(
      (await client.rest()).map(({ type }) => type),
      ['connack'],
    )
  },
)

statement(
  only5('3.2.2-8'),
  'reason codes and properties of the server are those that the standard gives it',
  async (t, version) => {
    // The decoder of the test's client refuses any other, in every test here.
    const { port } = await startTestBroker(t)
    const { connack } = await knock(t, port, version, { properties: noProperties })
    assert.equal(connack.reasonCode, 0)
  },
)

/** Statements that bind the client alone, or that say what a client may count on. */
const ofTheClient = [
  ...[
    '2.2.1-2',
    '3.1.2-18',
    '3.1.2-19',
    '3.1.2-20',
    '3.1.2-21',
    '3.1.2-30',
    '3.3.2-10',
    '3.3.2-11',
    '3.3.4-8',
  ],
  ...[
    '3.2.2-4',
    '3.2.2-5',
    '3.2.2-17',
    '4.3.3-3',
    '4.5.0-2',
    '4.6.0-1',
    '4.6.0-2',
    '4.6.0-3',
    '4.6.0-4',
    '4.12.0-4',
  ],
]

/** Where the others are proved, when no test has their number in its name. */
const elsewhere: Readonly<Record<string, readonly [file: string, text: string]>> = {
  '1.5.4-3': ['src/mqtt/packets/decoder.test.ts', 'U+FEFF is a character like any other'],
  '3.1.2-16': ['src/testing/malformed-packets.ts', 'a user name without its flag'],
  '3.1.2-17': ['src/testing/malformed-packets.ts', 'a user name flag without a user name'],
  '3.2.2-1': ['src/mqtt/packets/decoder.test.ts', 'CONNACK with reserved flags'],
  '4.3.2-2': ['test/mqtt/remaining.test.ts', 'QoS 1 and 2 are first sent with DUP 0'],
  '4.3.3-1': [
    'test/mqtt/delivery.test.ts',
    'messages in flight to a client have packet identifiers of their own',
  ],
  '4.6.0-6': ['test/mqtt/publish.test.ts', 'messages of one topic keep their order'],
  '1.5.7-1': ['src/testing/malformed-packets.ts', 'the name of a user property'],
  '2.2.1-5': [
    'test/mqtt/delivery.test.ts',
    'a QoS 1 message is answered with a PUBACK of its packet identifier',
  ],
  '2.2.1-6': ['test/mqtt/subscribe.test.ts', 'SUBACK has the packet identifier of its SUBSCRIBE'],
  '2.2.2-1': ['src/testing/malformed-packets.ts', 'a PUBLISH without properties and their length'],
  '3.1.3-1': ['src/testing/malformed-packets.ts', 'a user name without its flag'],
  '3.1.3-2': ['test/mqtt/connect.test.ts', 'a second connection of a client takes its session over'],
  '3.1.3-3': ['src/testing/malformed-packets.ts', 'a CONNECT without a client id'],
  '3.1.3-4': ['src/testing/malformed-packets.ts', 'a client id that is not UTF-8'],
  '3.1.3-11': ['src/testing/malformed-packets.ts', 'an empty will topic'],
  '3.1.3-12': ['src/testing/malformed-packets.ts', 'a user name that is not UTF-8'],
  '3.1.4-1': ['test/mqtt/malformed.test.ts', 'a malformed packet ends its connection'],
  '3.1.4-4': ['test/mqtt/connect.test.ts', 'a clean start discards the session that was there'],
  '3.2.2-20': ['test/mqtt/connect.test.ts', 'a CONNACK with a reason string that is too large'],
  '3.3.2-1': ['src/testing/malformed-packets.ts', 'a PUBLISH that ends in its topic name'],
  '3.3.2-8': ['src/testing/malformed-packets.ts', "['topicAlias', uint16(0), 0x94]"],
  '3.3.2-13': ['src/testing/malformed-packets.ts', 'a response topic'],
  '3.3.2-19': ['src/testing/malformed-packets.ts', 'a content type'],
  '3.3.4-5': [
    'test/mqtt/subscribe.test.ts',
    'a message that matched several subscriptions has the identifiers of all',
  ],
  '3.4.2-2': ['test/mqtt/connect.test.ts', 'a client that wants no problem information'],
  '3.4.2-3': ['test/mqtt/connect.test.ts', 'a client that wants no problem information'],
  '3.5.2-2': ['test/mqtt/connect.test.ts', 'a client that wants no problem information'],
  '3.5.2-3': ['test/mqtt/connect.test.ts', 'a client that wants no problem information'],
  '3.6.1-1': ['src/testing/malformed-packets.ts', "['PUBREL', 0x60, 2"],
  '3.6.2-2': ['test/mqtt/delivery.test.ts', 'towards a client QoS 2 goes through'],
  '3.6.2-3': ['test/mqtt/delivery.test.ts', 'towards a client QoS 2 goes through'],
  '3.7.2-2': ['test/mqtt/delivery.test.ts', 'a PUBREL of an unknown packet identifier'],
  '3.7.2-3': ['test/mqtt/delivery.test.ts', 'a PUBREL of an unknown packet identifier'],
  '3.8.1-1': ['src/testing/malformed-packets.ts', "['SUBSCRIBE', 0x80, 2"],
  '3.8.3-1': ['src/testing/malformed-packets.ts', 'a topic filter of SUBSCRIBE'],
  '3.8.4-7': ['test/mqtt/subscribe.test.ts', 'SUBACK has the packet identifier of its SUBSCRIBE'],
  '3.9.2-1': ['test/mqtt/connect.test.ts', 'a client that wants no problem information'],
  '3.9.2-2': ['test/mqtt/connect.test.ts', 'a client that wants no problem information'],
  '3.10.1-1': ['src/testing/malformed-packets.ts', "['UNSUBSCRIBE', 0xa0, 2"],
  '3.10.3-1': ['src/testing/malformed-packets.ts', 'a topic filter of UNSUBSCRIBE'],
  '3.11.2-1': ['test/mqtt/connect.test.ts', 'a client that wants no problem information'],
  '3.11.2-2': ['test/mqtt/connect.test.ts', 'a client that wants no problem information'],
  '3.14.1-1': ['src/testing/malformed-packets.ts', "['DISCONNECT', 0xe0, 0"],
  '3.14.2-4': ['test/mqtt/connect.test.ts', 'a DISCONNECT with a reason string that is too large'],
  '3.15.1-1': ['src/testing/malformed-packets.ts', "'AUTH', 0xf0, 0"],
  '3.15.2-2': ['test/mqtt/authentication.test.ts', 'a client may authenticate again'],
  '3.15.2-3': ['test/mqtt/authentication.test.ts', 'a client may authenticate again'],
  '4.2.0-1': ['src/mqtt/listeners/listeners.test.ts', 'packets may be cut anywhere across frames'],
  '4.7.1-1': ['src/testing/malformed-packets.ts', "'a PUBLISH to "],
  '4.7.3-2': ['src/testing/malformed-packets.ts', "['U+0000', [0x61, 0x00]"],
  '4.12.0-2': ['test/mqtt/authentication.test.ts', 'CONNACK names the method that CONNECT named'],
  '6.0.0-1': ['src/mqtt/listeners/listeners.test.ts', 'a text frame ends the connection'],
  '6.0.0-2': ['src/mqtt/listeners/listeners.test.ts', 'packets may be cut anywhere across frames'],
  '6.0.0-3': [
    'src/mqtt/listeners/listeners.test.ts',
    'a WebSocket without a subprotocol is refused in the strict profile',
  ],
  '6.0.0-4': [
    'src/mqtt/listeners/listeners.test.ts',
    'a WebSocket without a subprotocol is taken in the open profile',
  ],
}

/** How many normative statements each section of MQTT 5.0 has: appendix B. */
const statements: Readonly<Record<string, number>> = {
  ...{ '1.5.4': 3, '1.5.5': 1, '1.5.7': 1, '2.1.3': 1, '2.2.1': 6, '2.2.2': 1 },
  ...{ '3.1.0': 2, '3.1.2': 30, '3.1.3': 12, '3.1.4': 6, '3.2.0': 2, '3.2.2': 22 },
  ...{ '3.3.1': 13, '3.3.2': 20, '3.3.4': 10, '3.4.2': 3, '3.5.2': 3, '3.6.1': 1, '3.6.2': 3, '3.7.2': 3 },
  ...{ '3.8.1': 1, '3.8.3': 5, '3.8.4': 8, '3.9.2': 2, '3.9.3': 2, '3.10.1': 1, '3.10.3': 2, '3.10.4': 6 },
  ...{ '3.11.2': 2, '3.11.3': 2, '3.12.4': 1, '3.14.0': 1, '3.14.1': 1, '3.14.2': 4, '3.14.4': 3 },
  ...{ '3.15.1': 1, '3.15.2': 3, '4.1.0': 2, '4.2.0': 1, '4.3.1': 1, '4.3.2': 5, '4.3.3': 13, '4.4.0': 2 },
  ...{ '4.5.0': 2, '4.6.0': 6, '4.7.1': 3, '4.7.2': 1, '4.7.3': 4, '4.8.2': 6, '4.9.0': 3 },
  ...{ '4.12.0': 7, '4.12.1': 2, '4.13.1': 1, '4.13.2': 1, '6.0.0': 4 },
}

test('every normative statement of MQTT 5.0 that a broker can break has a test', () => {
  const root = new URL('../../', import.meta.url)
  const read = (path: string) => readFileSync(new URL(path, root), 'utf8')
  const files = readdirSync(new URL('test/mqtt/', root)).filter((name) => name.endsWith('.test.ts'))
  const text = [
    ...files.map((name) => read(`test/mqtt/${name}`)),
    read('src/testing/malformed-packets.ts'),
  ].join('\n')
  const isNamed = (number: string) =>
    text.includes(`MQTT-${number}]`) ||
    text.includes(`MQTT-${number}'`) ||
    text.includes(`'${number}')`) ||
    text.includes(`5: '${number}'`)
  const missing = Object.entries(statements)
    .flatMap(([section, count]) => Array.from({ length: count }, (_, index) => `${section}-${index + 1}`))
    .filter((number) => number !== '2.2.1-1')
    .filter((number) => !ofTheClient.includes(number) && !(number in elsewhere) && !isNamed(number))
  assert.deepEqual(missing, [])
  for (const [number, [file, proof]] of Object.entries(elsewhere))
    assert.ok(read(file).includes(proof), `${file} no longer has '${proof}', which proves [MQTT-${number}]`)
})
