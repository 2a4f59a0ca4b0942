import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { apiVersion, subscription } from '../../src/testing/control-plane.ts'
import { temporaryDirectory } from '../../src/testing/temporary-directory.ts'
import { eventually } from '../../src/testing/test-server.ts'
import { startBusbar } from '../busbar-process.ts'
import { connectOfficial, persistent } from './official-client.ts'

/*
 * The real process with the official MQTT client, killed with SIGKILL: whatever the broker has acknowledged is there
 * after the next start.
 */

const flags = [
  '--https-port',
  'off',
  '--mqtt-port',
  '0',
  '--mqtts-port',
  'off',
  '--mqtt-anonymous',
  '--log-level',
  'warn',
]

async function startBroker(t: TestContext, cwd: string) {
  const busbar = await startBusbar(t, cwd, flags)
  const { mqtt } = JSON.parse(readFileSync(join(cwd, '.busbar', 'run.json'), 'utf8')) as { mqtt: string }
  return {
    ...busbar,
    mqtt,
    async killed() {
      busbar.kill('SIGKILL')
      await busbar.ended
      return startBroker(t, cwd)
    },
  }
}

for (const version of [4, 5] as const) {
  const name = version === 4 ? '3.1.1' : '5.0'
  const options = persistent[version]

  test(`what was acknowledged for an absent session of MQTT ${name} is there after a kill`, async (t) => {
    const first = await startBroker(t, await temporaryDirectory(t))
    const { client: absent } = await connectOfficial(t, first.mqtt, { ...options, clientId: 'absent' })
    await absent.subscribeAsync({ 'one/#': { qos: 1 }, 'two/#': { qos: 2 }, gone: { qos: 1 } })
    await absent.unsubscribeAsync('gone')
    await absent.endAsync()
    const { client: publisher } = await connectOfficial(t, first.mqtt, { clientId: 'publisher' })
    const expected: string[] = []
    for (let n = 0; n < 50; n++) {
      expected.push(`message ${n}`)
      // Each of these promises is an acknowledgement.
      await publisher.publishAsync(n % 2 ? 'one/a' : 'two/b', `message ${n}`, { qos: n % 2 ? 1 : 2 })
    }
    await publisher.publishAsync('gone', 'nobody wants it', { qos: 1 })

    const second = await first.killed()
    const back = await connectOfficial(t, second.mqtt, { ...options, clientId: 'absent' })
    assert.equal(back.connack.sessionPresent, true)
    assert.deepEqual((await back.texts(50)).toSorted(), expected.toSorted())
    // In order on each topic.
    const ofTopic = (topic: string) => back.messages.filter((message) => message.topic === topic)
    for (const topic of ['one/a', 'two/b']) {
      const numbers = ofTopic(topic).map(({ payload }) => Number(payload.toString().slice(8)))
      assert.deepEqual(
        numbers,
        numbers.toSorted((a, b) => a - b),
      )
    }
    // The subscriptions are there, too.
    const { client: later } = await connectOfficial(t, second.mqtt, { clientId: 'later' })
    await later.publishAsync('one/c', 'after', { qos: 1 })
    assert.equal((await back.texts(51)).at(-1), 'after')
    assert.equal(back.messages.length, 51)
  })

  test(`retained messages of MQTT ${name} are there after a kill, the newest of each topic`, async (t) => {
    const first = await startBroker(t, await temporaryDirectory(t))
    const { client } = await connectOfficial(t, first.mqtt, { protocolVersion: version, clientId: 'a' })
    for (const [topic, text] of [
      ['kept/1', 'old'],
      ['kept/1', 'new'],
      ['kept/2', 'removed'],
      ['kept/3', 'third'],
      ['kept/2', ''],
    ] as const)
      await client.publishAsync(topic, text, { qos: 1, retain: true })

    const second = await first.killed()
    const reader = await connectOfficial(t, second.mqtt, { protocolVersion: version, clientId: 'reader' })
    await reader.client.subscribeAsync('kept/#', { qos: 1 })
    assert.deepEqual((await reader.texts(2)).toSorted(), ['new', 'third'])
    assert(reader.messages.every(({ retain }) => retain))
    await reader.client.publishAsync('kept/4', 'last', { qos: 1 })
    assert.equal((await reader.texts(3)).length, 3)
  })
}

for (const qos of [1, 2] as const)
  test(`a kill amid messages of QoS ${qos} loses none that was acknowledged`, async (t) => {
    const first = await startBroker(t, await temporaryDirectory(t))
    const sessions = Array.from({ length: 5 }, (_, n) => `absent${n}`)
    for (const clientId of sessions) {
      const { client } = await connectOfficial(t, first.mqtt, { ...persistent[5], clientId })
      await client.subscribeAsync('#', { qos })
      await client.endAsync()
    }
    const publisher = await connectOfficial(t, first.mqtt, { clientId: 'publisher' })
    const acknowledged: string[] = []
    let next = 0
    const publish = async (): Promise<void> => {
      const text = `${next++}`
      await publisher.client.publishAsync(`t/${next % 3}`, text, { qos })
      acknowledged.push(text)
      return publish()
    }
    // They end when the connection does.
    for (let n = 0; n < 20; n++) void publish().catch(() => {})
    await eventually(() => acknowledged.length > 300)
    const second = await first.killed()
    for (const clientId of sessions) {
      const back = await connectOfficial(t, second.mqtt, { ...persistent[5], clientId })
      const seen = () => new Set(back.messages.map(({ payload }) => payload.toString()))
      await eventually(() => acknowledged.every((text) => seen().has(text)))
      if (qos === 2) assert.equal(seen().size, back.messages.length, 'none came twice')
      await back.client.endAsync()
    }
  })

test('a message that was not acknowledged before a kill comes again as the same one', async (t) => {
  const first = await startBroker(t, await temporaryDirectory(t))
  const options = persistent[5]
  // The client takes a message and does not acknowledge it.
  const silent = await connectOfficial(t, first.mqtt, {
    ...options,
    clientId: 'silent',
    customHandleAcks: () => {},
  })
  const seen = new Map<string, number>()
  silent.client.on('packetreceive', (packet) => {
    if (packet.cmd === 'publish') seen.set(packet.topic, packet.messageId as number)
  })
  await silent.client.subscribeAsync({ 'in/1': { qos: 1 }, 'in/2': { qos: 2 } })
  const { client: publisher } = await connectOfficial(t, first.mqtt, { clientId: 'publisher' })
  await publisher.publishAsync('in/1', 'once at least', { qos: 1 })
  await publisher.publishAsync('in/2', 'exactly once', { qos: 2 })
  await publisher.publishAsync('in/1', 'second', { qos: 1 })
  await eventually(() => seen.size > 0)
  await silent.cut()
  await publisher.endAsync()

  const second = await first.killed()
  const again = await connectOfficial(t, second.mqtt, { ...options, clientId: 'silent' })
  assert.deepEqual((await again.texts(3)).toSorted(), ['exactly once', 'once at least', 'second'])
  const [first1] = again.messages.filter(({ topic }) => topic === 'in/1')
  assert.deepEqual([first1?.messageId, first1?.dup], [seen.get('in/1'), true])
})

test('the will of a client that was connected when the broker was killed is published after the start', async (t) => {
  const first = await startBroker(t, await temporaryDirectory(t))
  const watcher = await connectOfficial(t, first.mqtt, { ...persistent[5], clientId: 'watcher' })
  await watcher.client.subscribeAsync('wills/#', { qos: 1 })
  await connectOfficial(t, first.mqtt, {
    ...persistent[5],
    clientId: 'mortal',
    will: { topic: 'wills/mortal', payload: Buffer.from('farewell'), qos: 1, retain: false },
  })
  const second = await first.killed()
  const back = await connectOfficial(t, second.mqtt, { ...persistent[5], clientId: 'watcher' })
  assert.deepEqual(await back.texts(1), ['farewell'])
})

test('the event of a message that was acknowledged is received after a kill', async (t) => {
  const first = await startBroker(t, await temporaryDirectory(t))
  const namespace = `${subscription}/resourceGroups/dev/providers/Microsoft.EventGrid/namespaces/dev`
  const topic = `${namespace}/topics/messages`
  const call = async (method: string, id: string, body: object) => {
    const response = await fetch(`${first.http}${id}?api-version=${apiVersion}`, {
      method,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    assert(response.ok, `${method} ${id}: ${await response.clone().text()}`)
    return (await response.json()) as Record<string, string>
  }
  await call('PUT', topic, { properties: {} })
  await call('PUT', `${topic}/eventSubscriptions/queue`, {
    properties: { deliveryConfiguration: { deliveryMode: 'Queue', queue: {} } },
  })
  await call('PATCH', namespace, {
    properties: { topicSpacesConfiguration: { state: 'Enabled', routeTopicResourceId: topic } },
  })
  const { key1 } = await call('POST', `${namespace}/listKeys`, {})
  const { client } = await connectOfficial(t, first.mqtt, { clientId: 'publisher' })
  const expected = Array.from({ length: 40 }, (_, n) => `${n}`)
  await Promise.all(expected.map((text) => client.publishAsync('a', text, { qos: 1 })))

  const second = await first.killed()
  const received: string[] = []
  while (received.length < expected.length) {
    const response = await fetch(
      `${second.http}/namespaces/westus2/dev/topics/messages/eventsubscriptions/queue:receive?api-version=2024-06-01&maxEvents=100&maxWaitTime=10`,
      { method: 'POST', headers: { authorization: `SharedAccessKey ${key1}` } },
    )
    const { value } = (await response.json()) as { value: { event: { data_base64: string } }[] }
    assert(value.length > 0, `${received.length} events were received`)
    received.push(...value.map(({ event }) => Buffer.from(event.data_base64, 'base64').toString()))
  }
  assert.deepEqual(received, expected)
})
