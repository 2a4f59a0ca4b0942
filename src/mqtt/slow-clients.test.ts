import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '../testing/manual-clock.ts'
import { connectRaw, message, openRaw } from '../testing/mqtt-client.ts'
import { startTestBroker } from '../testing/test-broker.ts'

const kilobytes = (count: number) => 'x'.repeat(count * 1024)

test('a client that does not read loses messages of QoS 0, counted, and others lose none', async (t) => {
  const { port, brokerRealm } = await startTestBroker(t, { realm: { limits: { outputBytes: 65_536 } } })
  const slow = await connectRaw(t, port, 5, { clientId: 'slow' })
  await slow.subscribe('a')
  slow.socket.pause()
  const quick = await connectRaw(t, port, 5)
  await quick.subscribe('a')
  const publisher = await connectRaw(t, port, 5)
  let sent = 0
  while (brokerRealm.stats.droppedQos0 === 0 && sent < 2_000) {
    for (let count = 0; count < 20; count++) publisher.send(message('a', kilobytes(16)))
    sent += 20
    await publisher.drain()
    for (let count = 0; count < 20; count++) await quick.next('publish')
  }
  assert.ok(brokerRealm.stats.droppedQos0 > 0, `${sent} were sent`)
  assert.match(JSON.stringify(brokerRealm.trace.read('slow')), /message dropped/)
  slow.socket.resume()
  const got = await slow.messages()
  assert.ok(got.length > 0 && got.length < sent)
})

test('messages of QoS 1 for a client that does not read wait for it, in order', async (t) => {
  const { port } = await startTestBroker(t, { realm: { limits: { outputBytes: 65_536 } } })
  const slow = await connectRaw(t, port, 5)
  await slow.subscribe('a', { qos: 1 })
  slow.socket.pause()
  const publisher = await connectRaw(t, port, 5)
  for (let count = 0; count < 300; count++)
    await publisher.publish('a', `${count} ${kilobytes(30)}`, { qos: 1, packetId: count + 1 })
  slow.socket.resume()
  for (let count = 0; count < 300; count++) {
    const { payload, packetId } = await slow.next('publish')
    assert.equal(Number.parseInt(Buffer.from(payload).toString(), 10), count)
    slow.send({ type: 'puback', packetId, reasonCode: 0, properties: {} })
  }
})

test('a client that takes nothing for too long is cut', async (t) => {
  const clock = new ManualClock()
  const { port, realm, brokerRealm } = await startTestBroker(t, {
    ...{ clock, realm: { limits: { outputBytes: 65_536, outputStallMs: 10_000 } } },
  })
  const stuck = await connectRaw(t, port, 4, { clientId: 'stuck' })
  await stuck.subscribe('a')
  stuck.socket.pause()
  const publisher = await connectRaw(t, port, 4)
  while (brokerRealm.stats.droppedQos0 === 0) {
    publisher.send(message('a', kilobytes(200)))
    await publisher.drain()
  }
  await clock.advance(10_000)
  await clock.advance(10_000)
  assert.deepEqual(
    realm.ended.map(({ sessionName, reason }) => [sessionName, reason]),
    [['stuck', 'ConnectionLost']],
  )
})

test('a connection on which no CONNECT comes is closed', async (t) => {
  const { port } = await startTestBroker(t, { realm: { limits: { connectMs: 200 } } })
  const silent = await openRaw(t, port, 5)
  assert.deepEqual(await silent.rest(), [])
})
