import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt'
import { createTestRealm } from '../testing/mqtt-realm.ts'
import { startTestBroker } from '../testing/test-broker.ts'
import { eventually } from '../testing/test-server.ts'
import type { Message, Qos } from './realm.ts'
import type { Session } from './session.ts'
import { filterMatches } from './topics.ts'

async function connect(t: TestContext, url: string, options: IClientOptions = {}): Promise<MqttClient> {
  const client = await connectAsync(url, { reconnectPeriod: 0, protocolVersion: 4, ...options })
  t.after(() => client.endAsync(true).catch(() => {}))
  return client
}

const messageTo = (topicName: string, qos: Qos = 0): Message => ({
  ...{ topicName, payload: Buffer.from('x'), qos, retain: false, receivedAt: 0 },
})

test('a message to one session reaches that one alone, at no more than the QoS that it has asked for', async (t) => {
  const { url, brokerRealm } = await startTestBroker(t)
  const heard: string[] = []
  for (const [clientId, qos] of [
    ['a', 0],
    ['b', 1],
  ] as const) {
    const client = await connect(t, url, { clientId })
    await client.subscribeAsync('$own/#', { qos })
    client.on('message', (topic, _payload, packet) => heard.push(`${clientId} ${topic} ${packet.qos}`))
  }
  assert.equal(brokerRealm.sendTo('a', messageTo('$own/1')), true)
  assert.equal(brokerRealm.sendTo('b', messageTo('$own/2', 1)), true)
  assert.equal(brokerRealm.sendTo('a', messageTo('$own/3', 1)), true)
  await eventually(() => heard.length === 3)
  assert.deepEqual(heard.toSorted(), ['a $own/1 0', 'a $own/3 0', 'b $own/2 1'])
})

test('a message to one session goes nowhere where its client is gone or has not subscribed', async (t) => {
  const { url, brokerRealm } = await startTestBroker(t)
  const client = await connect(t, url, { clientId: 'a', clean: false })
  await client.subscribeAsync('news/+', { qos: 1 })
  assert.equal(brokerRealm.sendTo('a', messageTo('old/1', 1)), false)
  assert.equal(brokerRealm.sendTo('nobody', messageTo('news/1', 1)), false)
  await client.endAsync()
  await eventually(() => !brokerRealm.sessions.get('a')?.online)
  assert.equal(brokerRealm.sendTo('a', messageTo('news/1', 1)), false)
  assert.equal(brokerRealm.sessions.get('a')?.queuedMessages, 0)
})

test('a message that is offered is told of when it is acknowledged, and can be withdrawn until then', async (t) => {
  const { url, brokerRealm } = await startTestBroker(t)
  const client = await connect(t, url, { clientId: 'a', clean: false })
  await client.subscribeAsync('own/#', { qos: 1 })
  const acknowledged: string[] = []
  const offer = (topicName: string, qos: Qos = 1) =>
    brokerRealm.offer('a', messageTo(topicName, qos), () => acknowledged.push(topicName))
  assert.equal(offer('other/1'), undefined)
  offer('own/0', 0)
  assert.deepEqual(acknowledged, ['own/0'])
  assert.equal(offer('own/1')?.isLost, false)
  assert.deepEqual(acknowledged, ['own/0'])
  await eventually(() => acknowledged.includes('own/1'))
  assert.equal(brokerRealm.sessions.get('a')?.inFlight, 0)

  client.handleMessage = (_packet, callback) => callback(new Error('no'))
  const withdrawn = offer('own/2')
  const kept = offer('own/3')
  assert.equal(brokerRealm.sessions.get('a')?.inFlight, 2)
  withdrawn?.withdraw()
  withdrawn?.withdraw()
  const { inFlight, queuedMessages } = brokerRealm.sessions.get('a') as Session
  assert.deepEqual([inFlight, queuedMessages], [1, 1])
  await client.endAsync(true)
  await eventually(() => !brokerRealm.sessions.get('a')?.online)
  assert.equal(offer('own/4'), undefined)
  await connect(t, url, { clientId: 'a', clean: false })
  await eventually(() => acknowledged.includes('own/3'))
  assert.deepEqual(acknowledged, ['own/0', 'own/1', 'own/3'])
  await connect(t, url, { clientId: 'a', clean: true })
  assert.equal(kept?.isLost, true)
})

test('a client goes to the realm that claims its user name, wherever it has come in', async (t) => {
  const { url, broker, brokerRealm } = await startTestBroker(t)
  const other = broker.addRealm(
    createTestRealm({ name: 'other', claims: (userName) => userName.startsWith('other/') }),
  )
  await connect(t, url, { clientId: 'here', username: 'me', password: 'x' })
  await connect(t, url, { clientId: 'there', username: 'other/me', password: 'x' })
  assert.deepEqual([...brokerRealm.sessions.keys()], ['here'])
  assert.deepEqual([...other.sessions.keys()], ['there'])
  assert.deepEqual([brokerRealm.connections.size, other.connections.size], [1, 1])
})

test('a realm that keeps no retained messages passes them on', async (t) => {
  const passed: Message[] = []
  const { url, brokerRealm } = await startTestBroker(t, {
    realm: {
      keepsNoRetained: true,
      accepted(message) {
        passed.push(message)
        return undefined
      },
    },
  })
  const will = { topic: 'w', payload: Buffer.from('x'), qos: 0 as const, retain: true }
  const client = await connect(t, url, { will })
  await client.publishAsync('a', 'x', { qos: 1, retain: true })
  client.stream.destroy()
  await eventually(() => passed.length === 2)
  assert.deepEqual(
    passed.map(({ topicName, retain, isWill = false }) => [topicName, retain, isWill]),
    [
      ['a', true, false],
      ['w', true, true],
    ],
  )
  assert.equal(brokerRealm.retained.count, 0)
})

test('a message that is not accepted in the end is not acknowledged', async (t) => {
  const failed = Promise.reject(new Error('the disk is full'))
  failed.catch(() => {})
  const { url } = await startTestBroker(t, { realm: { accepted: () => failed } })
  const client = await connect(t, url)
  client.on('error', () => {})
  const closed = new Promise<void>((resolve) => {
    client.once('close', () => resolve())
  })
  let acknowledged = false
  client.publish('a', 'x', { qos: 1 }, (error) => (acknowledged = !error))
  await closed
  assert.equal(acknowledged, false)
})

test('a filter matches level by level, and its wildcards not what begins with a dollar', () => {
  const yes = ['a/b a/b', 'a/+ a/b', 'a/# a/b/c', 'a/# a', '# a/b', '$own/# $own/x/?$rid=1', '+/b a/b']
  const no = ['a/b a', 'a/+ a/b/c', 'a/+ a', '# $own/x', '+/x $own/x', 'a a/b', 'a/b/# a']
  for (const [list, expected] of [
    [yes, true],
    [no, false],
  ] as const)
    for (const pair of list) {
      const [filter = '', topicName = ''] = pair.split(' ')
      assert.equal(filterMatches(filter, topicName), expected, pair)
    }
})
