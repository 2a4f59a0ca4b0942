import assert from 'node:assert/strict'
import { noProperties } from '../../src/mqtt/packets/packet.ts'
import { connectRaw, knock } from '../../src/testing/mqtt-client.ts'
import { testIdentity } from '../../src/testing/mqtt-realm.ts'
import { startTestBroker, type TestBrokerOptions } from '../../src/testing/test-broker.ts'
import { only5, statement } from './statement.ts'

/* Enhanced authentication: 3.15 and 4.12 of 5.0, which alone has it. */

/** Lets in whoever has the method TOKEN and the token `good`. */
const tokens = (tellsMore = false): TestBrokerOptions => ({
  realm: {
    authenticate: async ({ authenticationMethod: method, authenticationData: data, clientId }) =>
      method === undefined || (method === 'TOKEN' && String(data) === 'good')
        ? {
            kind: 'admitted',
            identity: testIdentity(clientId),
            ...(tellsMore && { authenticationData: Buffer.from('welcome') }),
          }
        : { kind: 'refused', reasonCode: method === 'TOKEN' ? 0x87 : 0x8c, text: 'no' },
    reauthenticate: async (identity, { authenticationData }) =>
      String(authenticationData) === 'good'
        ? { kind: 'admitted', identity }
        : { kind: 'refused', reasonCode: 0x87, text: 'no' },
  },
})

const method = { authenticationMethod: 'TOKEN', authenticationData: Buffer.from('good') }

statement(
  only5('4.12.0-1'),
  'an authentication method that is not known is refused, and the connection closed',
  async (t, version) => {
    const { port } = await startTestBroker(t, tokens())
    const { client, connack } = await knock(t, port, version, {
      properties: { authenticationMethod: 'OTHER' },
    })
    assert.equal(connack.reasonCode, 0x8c)
    assert.deepEqual(await client.rest(), [])
  },
)

statement(
  only5('4.12.0-5'),
  'CONNACK names the method that CONNECT named, and has the data of the server',
  async (t, version) => {
    const { port } = await startTestBroker(t, tokens(true))
    const { connack } = await knock(t, port, version, { properties: method })
    assert.equal(connack.properties.authenticationMethod, 'TOKEN')
    assert.equal(String(connack.properties.authenticationData), 'welcome')
  },
)

statement(
  only5('4.12.0-6'),
  'a client without a method is never sent AUTH, and CONNACK names none',
  async (t, version) => {
    const { port } = await startTestBroker(t, tokens())
    const { client, connack } = await knock(t, port, version)
    assert.equal(connack.properties.authenticationMethod, undefined)
    assert.deepEqual(await client.drain(), [])
  },
)

statement(
  only5('4.12.0-7'),
  'AUTH from a client that named no method is a protocol error',
  async (t, version) => {
    const { port } = await startTestBroker(t, tokens())
    const client = await connectRaw(t, port, version)
    client.send({ type: 'auth', reasonCode: 0x19, properties: method })
    await client.refused(0x82)
  },
)

statement(
  only5('4.12.1-1'),
  'a client may authenticate again with its method, and goes on meanwhile',
  async (t, version) => {
    const { port } = await startTestBroker(t, tokens())
    const client = await connectRaw(t, port, version, { properties: method })
    await client.subscribe('a')
    client.send({ type: 'auth', reasonCode: 0x19, properties: method })
    const answer = await client.next('auth')
    assert.deepEqual([answer.reasonCode, answer.properties.authenticationMethod], [0, 'TOKEN'])
    await client.publish('a', 'x', { qos: 1 }).catch(() => assert.fail('it did not go on'))
  },
)

statement(
  only5('4.12.1-2'),
  'a client that fails to authenticate again is disconnected',
  async (t, version) => {
    const { port, realm } = await startTestBroker(t, tokens())
    const client = await connectRaw(t, port, version, { properties: method })
    client.send({
      type: 'auth',
      reasonCode: 0x19,
      properties: { ...method, authenticationData: Buffer.from('bad') },
    })
    await client.refused(0x87)
    assert.deepEqual(
      realm.ended.map(({ reason }) => reason),
      ['ClientAuthenticationError'],
    )
  },
)

statement(only5('4.12.0-5'), 'a client may not change its method', async (t, version) => {
  const { port } = await startTestBroker(t, tokens())
  const client = await connectRaw(t, port, version, { properties: method })
  client.send({ type: 'auth', reasonCode: 0x19, properties: { ...method, authenticationMethod: 'OTHER' } })
  await client.refused(0x82)
})

statement(
  only5('4.12.0-3'),
  'AUTH that goes on with an authentication which nobody began is a protocol error',
  async (t, version) => {
    const { port } = await startTestBroker(t, tokens())
    const client = await connectRaw(t, port, version, { properties: method })
    client.send({ type: 'auth', reasonCode: 0x18, properties: method })
    await client.refused(0x82)
  },
)

statement(
  only5('3.1.4-2'),
  'a client whose authentication fails is told why it may be told, and nothing else',
  async (t, version) => {
    const { port, realm } = await startTestBroker(t, tokens())
    const properties = { ...method, authenticationData: Buffer.from('bad') }
    const { client, connack } = await knock(t, port, version, {
      properties,
      cleanStart: false,
      clientId: 'a',
    })
    assert.equal(connack.reasonCode, 0x87)
    assert.deepEqual(await client.rest(), [])
    assert.deepEqual([realm.connections, realm.ended], [[], []])
    assert.notEqual(connack.properties, noProperties)
  },
)
