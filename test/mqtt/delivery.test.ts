import assert from 'node:assert/strict'
import { noProperties, type ProtocolVersion } from '../../src/mqtt/packets/packet.ts'
import { acknowledge, connectRaw, knock, message, type RawClient } from '../../src/testing/mqtt-client.ts'
import { startTestBroker } from '../../src/testing/test-broker.ts'
import { both, only5, statement } from './statement.ts'

/* QoS 1 and 2, packet identifiers, flow control and what is sent again: 2.2.1, 4.3, 4.4 and 4.9 of both standards. */

const kept = (version: ProtocolVersion, clientId = 'kept') => ({
  ...{ clientId, cleanStart: false },
  properties: version === 5 ? { sessionExpiryInterval: 3600 } : noProperties,
})

const payloads = (messages: readonly { readonly payload: Uint8Array }[]) =>
  messages.map(({ payload }) => String(payload))

statement(
  { 4: '4.3.2-2', 5: '4.3.2-4' },
  'a QoS 1 message is answered with a PUBACK of its packet identifier',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const client = await connectRaw(t, port, version)
    for (const packetId of [1, 255, 256, 65_535]) {
      client.send(message('a', '', { qos: 1, packetId }))
      const answer = await client.next('puback')
      assert.deepEqual([answer.packetId, answer.reasonCode], [packetId, 0])
    }
  },
)

statement(
  { 4: '4.3.2-2', 5: '4.3.2-5' },
  'after PUBACK the packet identifier is free: the same again is a new message, DUP or not',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const subscriber = await connectRaw(t, port, version)
    await subscriber.subscribe('a')
    const client = await connectRaw(t, port, version)
    await client.publish('a', 'one', { qos: 1 })
    await client.publish('a', 'two', { qos: 1 })
    await client.publish('a', 'three', { qos: 1, dup: true })
    assert.deepEqual(payloads(await subscriber.messages()), ['one', 'two', 'three'])
  },
)

statement(
  { 4: '4.3.3-2', 5: '4.3.3-8' },
  'a QoS 2 message is answered with a PUBREC, and its PUBREL with a PUBCOMP',
  async (t, version) => {
    // [MQTT-4.3.3-11]
    const { port } = await startTestBroker(t)
    const client = await connectRaw(t, port, version)
    client.send(message('a', '', { qos: 2, packetId: 258 }))
    assert.deepEqual(
      await client.next('pubrec').then(({ packetId, reasonCode }) => [packetId, reasonCode]),
      [258, 0],
    )
    client.send(acknowledge('pubrel', 258))
    assert.deepEqual(
      await client.next('pubcomp').then(({ packetId, reasonCode }) => [packetId, reasonCode]),
      [258, 0],
    )
  },
)

statement(
  { 4: '4.3.3-2', 5: '4.3.3-10' },
  'until its PUBREL a QoS 2 message that comes again is answered again and not delivered again',
  async (t, version) => {
    // [MQTT-4.3.3-12]
    const { port } = await startTestBroker(t)
    const subscriber = await connectRaw(t, port, version)
    await subscriber.subscribe('a')
    const client = await connectRaw(t, port, version)
    const sent = message('a', 'x', { qos: 2, packetId: 7 })
    client.send(sent, { ...sent, dup: true })
    await client.next('pubrec')
    assert.equal((await client.next('pubrec')).packetId, 7)
    assert.deepEqual(payloads(await subscriber.messages()), ['x'])
    client.send(acknowledge('pubrel', 7))
    await client.next('pubcomp')
    client.send(sent)
    await client.next('pubrec')
    assert.deepEqual(payloads(await subscriber.messages()), ['x'])
  },
)

statement(
  { 4: '4.3.3-2', 5: '4.3.3-9' },
  'a QoS 2 message that was refused is not one that is under way',
  async (t, version) => {
    if (version === 4) return
    const { port } = await startTestBroker(t, { realm: { mayPublish: (_, topicName) => topicName === 'a' } })
    const subscriber = await connectRaw(t, port, version)
    await subscriber.subscribe('a')
    const client = await connectRaw(t, port, version)
    client.send(message('forbidden', '', { qos: 2, packetId: 7 }))
    assert.equal((await client.next('pubrec')).reasonCode, 0x87)
    client.send(message('a', 'x', { qos: 2, packetId: 7 }))
    assert.equal((await client.next('pubrec')).reasonCode, 0)
    assert.deepEqual(payloads(await subscriber.messages()), ['x'])
  },
)

statement(
  { 4: '4.4.0-1', 5: '4.3.3-10' },
  'a QoS 2 message that is sent again on another connection of its session is not delivered again',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const subscriber = await connectRaw(t, port, version)
    await subscriber.subscribe('a')
    const first = await connectRaw(t, port, version, kept(version))
    const sent = message('a', 'x', { qos: 2, packetId: 7 })
    first.send(sent)
    await first.next('pubrec')
    await first.vanish()
    const again = await connectRaw(t, port, version, kept(version))
    again.send({ ...sent, dup: true })
    await again.next('pubrec')
    again.send(acknowledge('pubrel', 7))
    assert.equal((await again.next('pubcomp')).reasonCode, 0)
    assert.deepEqual(payloads(await subscriber.messages()), ['x'])
  },
)

statement(
  { 4: '4.3.3-2', 5: '3.7.2-1' },
  'a PUBREL of an unknown packet identifier is answered with PUBCOMP, in 5.0 with 0x92',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const client = await connectRaw(t, port, version)
    client.send(acknowledge('pubrel', 99))
    const answer = await client.next('pubcomp')
    assert.deepEqual([answer.packetId, answer.reasonCode], [99, version === 5 ? 0x92 : 0])
  },
)

statement(
  { 4: '4.3.3-1', 5: '4.3.3-4' },
  'a PUBREC of an unknown packet identifier is answered with PUBREL, in 5.0 with 0x92',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const client = await connectRaw(t, port, version)
    client.send(acknowledge('pubrec', 99))
    const answer = await client.next('pubrel')
    assert.deepEqual([answer.packetId, answer.reasonCode], [99, version === 5 ? 0x92 : 0])
  },
)

statement(
  both('4.3.2'),
  'PUBACK and PUBCOMP of unknown packet identifiers are passed over',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const client = await connectRaw(t, port, version)
    client.send(acknowledge('puback', 99), acknowledge('pubcomp', 99))
    assert.deepEqual(await client.drain(), [])
  },
)

statement(
  { 4: '2.3.1-4', 5: '2.2.1-4' },
  'messages in flight to a client have packet identifiers of their own, none of them 0',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const client = await connectRaw(t, port, version)
    await client.subscribe('a', { qos: 2 })
    const publisher = await connectRaw(t, port, version)
    for (let index = 0; index < 60; index++)
      await publisher.publish('a', '', { qos: index % 2 === 0 ? 1 : 2 })
    const ids = (await client.messages()).map(({ packetId }) => packetId)
    assert.equal(ids.length, 60)
    assert.equal(new Set(ids).size, 60)
    assert.ok(!ids.includes(0))
  },
)

statement(
  { 4: '4.3.3-1', 5: '4.3.3-4' },
  'towards a client QoS 2 goes through PUBREC, PUBREL and PUBCOMP, with one packet identifier',
  async (t, version) => {
    // [MQTT-4.3.3-2], [MQTT-4.3.3-5], [MQTT-4.3.3-6]; [MQTT-2.3.1-6] of 3.1.1
    const { port } = await startTestBroker(t)
    const client = await connectRaw(t, port, version)
    await client.subscribe('a', { qos: 2 })
    const publisher = await connectRaw(t, port, version)
    await publisher.publish('a', 'x', { qos: 2 })
    const { packetId, qos } = await client.next('publish')
    assert.equal(qos, 2)
    assert.deepEqual(await client.drain(), []) // nothing more before PUBREC
    client.send(acknowledge('pubrec', packetId))
    assert.deepEqual(await client.next('pubrel').then((pubrel) => [pubrel.packetId, pubrel.reasonCode]), [
      packetId,
      0,
    ])
    client.send(acknowledge('pubrec', packetId)) // again: PUBREL again, no message again
    assert.equal((await client.next('pubrel')).packetId, packetId)
    client.send(acknowledge('pubcomp', packetId))
    assert.deepEqual(await client.drain(), [])
  },
)

statement(
  { 4: '4.4.0-1', 5: '4.4.0-1' },
  'a client that comes back gets what it had not acknowledged, with the same packet identifiers, in order',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const first = await connectRaw(t, port, version, kept(version))
    await first.subscribe('a', { qos: 2 })
    const publisher = await connectRaw(t, port, version)
    for (const [payload, qos] of [
      ['0', 1],
      ['1', 2],
      ['2', 1],
      ['3', 2],
      ['4', 2],
    ] as const)
      await publisher.publish('a', payload, { qos })
    const sent = await first.messages()
    const ids = sent.map(({ packetId }) => packetId)
    first.send(acknowledge('puback', ids[0] ?? 0), acknowledge('pubrec', ids[1] ?? 0))
    await first.next('pubrel')
    first.send(acknowledge('pubrec', ids[4] ?? 0))
    await first.next('pubrel')
    first.send(acknowledge('pubcomp', ids[4] ?? 0))
    assert.deepEqual(await first.drain(), [])
    await first.vanish()

    const again = await connectRaw(t, port, version, kept(version))
    const resent = await again.drain()
    const expected = [
      ['pubrel', ids[1], undefined],
      ['publish', ids[2], true],
      ['publish', ids[3], true],
    ]
    const shown = resent.map((packet) => [
      packet.type,
      'packetId' in packet && packet.packetId,
      packet.type === 'publish' ? packet.dup : undefined,
    ])
    assert.deepEqual(shown.toSorted(), expected.toSorted())
    const published = resent.filter(({ type }) => type === 'publish')
    assert.deepEqual(payloads(published as never), ['2', '3'])
  },
)

statement(only5('4.4.0-1'), 'nothing is sent again as long as the connection lasts', async (t, version) => {
  const { port } = await startTestBroker(t)
  const client = await connectRaw(t, port, version)
  await client.subscribe('a', { qos: 2 })
  const publisher = await connectRaw(t, port, version)
  await publisher.publish('a', '', { qos: 1 })
  await publisher.publish('a', '', { qos: 2 })
  assert.equal((await client.messages()).length, 2)
  for (let count = 0; count < 5; count++) assert.deepEqual(await client.drain(), [])
})

statement(
  only5('4.4.0-2'),
  'a message that the client refuses in PUBACK or PUBREC is not sent again',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const first = await connectRaw(t, port, version, kept(version))
    await first.subscribe('a', { qos: 2 })
    const publisher = await connectRaw(t, port, version)
    await publisher.publish('a', '', { qos: 1 })
    await publisher.publish('a', '', { qos: 2 })
    const [one, two] = await first.messages()
    first.send(
      acknowledge('puback', one?.packetId ?? 0, 0x80),
      acknowledge('pubrec', two?.packetId ?? 0, 0x97),
    )
    assert.deepEqual(await first.drain(), []) // no PUBREL follows a PUBREC that refuses
    await first.vanish()
    const again = await connectRaw(t, port, version, kept(version))
    assert.deepEqual(await again.drain(), [])
  },
)

statement(
  { 4: '4.5.0-1', 5: '4.5.0-1' },
  'messages of QoS 1 and 2 wait for a session whose client is away',
  async (t, version) => {
    // [MQTT-3.1.2-5] of 3.1.1
    const { port } = await startTestBroker(t)
    const first = await connectRaw(t, port, version, kept(version))
    await first.subscribe('a', { qos: 1 })
    await first.leave()
    const publisher = await connectRaw(t, port, version)
    for (let index = 0; index < 200; index++)
      await publisher.publish('a', String(index), { qos: index % 2 === 0 ? 1 : 2 })
    const again = await connectRaw(t, port, version, kept(version))
    const received: string[] = []
    while (received.length < 200) {
      const batch = await again.messages()
      received.push(...payloads(batch))
      again.send(...batch.map(({ packetId }) => acknowledge('puback', packetId)))
    }
    assert.deepEqual(
      received,
      Array.from({ length: 200 }, (_, index) => String(index)),
    )
  },
)

statement(
  only5('3.3.4-9'),
  'no more messages of QoS 1 and 2 are in flight than the client takes, and QoS 0 goes on',
  async (t, version) => {
    // [MQTT-4.9.0-1], [MQTT-4.9.0-2], [MQTT-4.9.0-3]
    const { port } = await startTestBroker(t)
    const client = await connectRaw(t, port, version, { properties: { receiveMaximum: 3 } })
    await client.subscribe('a', { qos: 2 })
    const publisher = await connectRaw(t, port, version)
    for (let index = 0; index < 8; index++)
      await publisher.publish('a', `${index}`, { qos: index % 2 === 0 ? 1 : 2 })
    await publisher.publish('a', 'zero')
    const first = await client.messages()
    assert.deepEqual(payloads(first), ['0', '1', '2', 'zero'])

    client.send(acknowledge('puback', first[0]?.packetId ?? 0))
    assert.deepEqual(payloads(await client.messages()), ['3'])

    // A PUBREC does not make room: only its PUBCOMP does.
    client.send(acknowledge('pubrec', first[1]?.packetId ?? 0))
    await client.next('pubrel')
    assert.deepEqual(await client.drain(), [])
    client.send(acknowledge('pubcomp', first[1]?.packetId ?? 0))
    assert.deepEqual(payloads(await client.messages()), ['4'])

    // A PUBREC that refuses does.
    const five = first[2]?.packetId ?? 0
    client.send(acknowledge('puback', five))
    const [fifth] = await client.messages()
    assert.deepEqual(String(fifth?.payload), '5')
    client.send(acknowledge('pubrec', fifth?.packetId ?? 0, 0x80))
    assert.deepEqual(payloads(await client.messages()), ['6'])
  },
)

statement(
  only5('3.3.4-7'),
  'a client that sends more than the Receive Maximum of the server is disconnected',
  async (t, version) => {
    const { port } = await startTestBroker(t, { realm: { limits: { receiveMaximum: 2 } } })
    const { client, connack } = await knock(t, port, version)
    assert.equal(connack.properties.receiveMaximum, 2)
    client.send(message('a', '', { qos: 2, packetId: 1 }), message('a', '', { qos: 2, packetId: 2 }))
    assert.equal((await client.drain()).length, 2)
    client.send(message('a', '', { qos: 2, packetId: 3 }))
    await client.refused(0x93)
  },
)

statement(
  only5('3.3.4-10'),
  'a full window holds back PUBLISH alone: SUBACK and PUBACK go on',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const client = await connectRaw(t, port, version, { properties: { receiveMaximum: 1 } })
    await client.subscribe('a', { qos: 1 })
    const publisher = await connectRaw(t, port, version)
    for (let count = 0; count < 3; count++) await publisher.publish('a', '', { qos: 1 })
    assert.equal((await client.messages()).length, 1)
    assert.equal(await client.subscribe('b'), 0)
    assert.equal(await client.publish('c', '', { qos: 1, packetId: 77 }), 0)
  },
)

statement(
  both('4.9.0'),
  'in 3.1.1 too there is a bound to what is in flight, and everything arrives',
  async (t, version) => {
    const { port } = await startTestBroker(t, { realm: { limits: { outboundInFlight: 5 } } })
    const client = await connectRaw(t, port, version)
    await client.subscribe('a', { qos: 1 })
    const publisher = await connectRaw(t, port, version)
    for (let index = 0; index < 12; index++) await publisher.publish('a', `${index}`, { qos: 1 })
    const received: string[] = []
    for (const expected of [5, 5, 2]) {
      const batch = await client.messages()
      assert.equal(batch.length, expected)
      received.push(...payloads(batch))
      client.send(...batch.map(({ packetId }) => acknowledge('puback', packetId)))
    }
    assert.deepEqual(
      received,
      Array.from({ length: 12 }, (_, index) => `${index}`),
    )
  },
)

statement(
  { 4: '4.6.0-6', 5: '4.6.0-5' },
  'order is kept for a session that was away, what is sent again first',
  async (t, version) => {
    const { port } = await startTestBroker(t, { realm: { limits: { outboundInFlight: 3 } } })
    const first = await connectRaw(t, port, version, kept(version))
    await first.subscribe('a', { qos: 1 })
    const publisher = await connectRaw(t, port, version)
    for (let index = 0; index < 6; index++) await publisher.publish('a', `${index}`, { qos: 1 })
    assert.deepEqual(payloads(await first.messages()), ['0', '1', '2'])
    await first.vanish()
    for (let index = 6; index < 8; index++) await publisher.publish('a', `${index}`, { qos: 1 })
    const again = await connectRaw(t, port, version, kept(version))
    const received: string[] = []
    while (received.length < 8) {
      const batch = await again.messages()
      received.push(...payloads(batch))
      again.send(...batch.map(({ packetId }) => acknowledge('puback', packetId)))
    }
    assert.deepEqual(received, ['0', '1', '2', '3', '4', '5', '6', '7'])
  },
)

statement(
  both('2.2.1'),
  'client and server choose packet identifiers apart: the same one may be in flight both ways',
  async (t, version) => {
    const { port } = await startTestBroker(t)
    const client = await connectRaw(t, port, version)
    await client.subscribe('a', { qos: 2 })
    const publisher = await connectRaw(t, port, version)
    await publisher.publish('a', 'x', { qos: 2 })
    const { packetId } = await client.next('publish')
    client.send(message('b', '', { qos: 2, packetId }))
    assert.equal((await client.next('pubrec')).packetId, packetId)
    await exchange(client, packetId)
    client.send(acknowledge('pubrel', packetId))
    assert.equal((await client.next('pubcomp')).reasonCode, 0)
  },
)

async function exchange(client: RawClient, packetId: number): Promise<void> {
  client.send(acknowledge('pubrec', packetId))
  assert.equal((await client.next('pubrel')).packetId, packetId)
  client.send(acknowledge('pubcomp', packetId))
  assert.deepEqual(await client.drain(), [])
}
