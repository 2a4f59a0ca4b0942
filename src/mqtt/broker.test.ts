import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt'
import { connectRaw } from '../testing/mqtt-client.ts'
import { startTestBroker } from '../testing/test-broker.ts'

async function connect(t: TestContext, url: string, options: IClientOptions = {}): Promise<MqttClient> {
  const client = await connectAsync(url, { reconnectPeriod: 0, protocolVersion: 5, ...options })
  t.after(() => client.endAsync(true))
  return client
}

/** The next messages that come to the client, as topic and text. */
async function next(client: MqttClient, count: number): Promise<readonly string[]> {
  const seen: string[] = []
  const { promise, resolve } = Promise.withResolvers<void>()
  client.on('message', (topic, payload) => {
    seen.push(`${topic} ${payload.toString()}`)
    if (seen.length === count) resolve()
  })
  await promise
  return seen
}

for (const protocolVersion of [4, 5] as const)
  for (const qos of [0, 1, 2] as const)
    test(`a message of QoS ${qos} reaches a subscriber in MQTT ${protocolVersion}`, async (t) => {
      const { url } = await startTestBroker(t)
      const subscriber = await connect(t, url, { protocolVersion })
      const publisher = await connect(t, url, { protocolVersion })
      await subscriber.subscribeAsync('a/+', { qos: 2 })
      const got = next(subscriber, 1)
      await publisher.publishAsync('a/b', 'hello', { qos })
      assert.deepEqual(await got, ['a/b hello'])
    })

test('a message with expiry interval 0 never expires, and is forwarded without it', async (t) => {
  const { port } = await startTestBroker(t)
  const fields = { clientId: 'a', cleanStart: false, properties: { sessionExpiryInterval: 60 } }
  const absent = await connectRaw(t, port, 5, fields)
  await absent.subscribe('a', { qos: 1 })
  await absent.leave()
  const publisher = await connectRaw(t, port, 5)
  await publisher.publish('a', 'x', { qos: 1, properties: { messageExpiryInterval: 0 } })
  const [message] = await (await connectRaw(t, port, 5, fields)).messages()
  assert.deepEqual(message?.properties, {})
})

test('a message with expiry interval 0 expires at once where the standard is asked for', async (t) => {
  const { port } = await startTestBroker(t, { realm: { features: { expiryZeroIsNever: false } } })
  const fields = { clientId: 'a', cleanStart: false, properties: { sessionExpiryInterval: 60 } }
  const absent = await connectRaw(t, port, 5, fields)
  await absent.subscribe('a', { qos: 1 })
  await absent.leave()
  const publisher = await connectRaw(t, port, 5)
  await publisher.publish('a', 'x', { qos: 1, properties: { messageExpiryInterval: 0 } })
  assert.deepEqual(await (await connectRaw(t, port, 5, fields)).messages(), [])
})
