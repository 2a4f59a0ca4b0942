import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { type TestContext, test } from 'node:test'
import {
  noProperties,
  type Packet,
  type PacketOf,
  type ProtocolVersion,
} from '../../src/mqtt/packets/packet.ts'
import { connectPacket, connectRaw, knock, message, openRaw } from '../../src/testing/mqtt-client.ts'
import { encodeAll } from '../../src/testing/mqtt-packets.ts'
import { temporaryDirectory } from '../../src/testing/temporary-directory.ts'
import { startBusbar } from '../busbar-process.ts'

/* The whole server in a process of its own, as `--mqtt-anonymous` makes it. */

async function start(t: TestContext, cwd: string) {
  const server = await startBusbar(t, cwd, ['--mqtt-port', '0', '--mqtts-port', 'off', '--mqtt-anonymous'])
  const port = Number(/ {2}mqtt \S+:(\d+)/.exec(server.line)?.[1])
  return { ...server, port }
}

const kept = (version: ProtocolVersion) => ({
  ...{ clientId: `kept-${version}`, cleanStart: false },
  properties: version === 5 ? { sessionExpiryInterval: 3600 } : noProperties,
})

test('every packet of a client may be cut at every byte, and the connection lost there, and others are undisturbed', async (t) => {
  const { port } = await start(t, await temporaryDirectory(t))
  const bystander = await connectRaw(t, port, 5, { clientId: 'bystander' })
  await bystander.subscribe('bystanders')
  for (const version of [4, 5] as const)
    for (const packet of packetsOf(version)) {
      const hello = encodeAll([connectPacket(version, { clientId: '', cleanStart: true })], version)
      const bytes = encodeAll([packet], version)
      const cuts = Array.from({ length: bytes.length }, (_, cut) => cut)
      await Promise.all(
        cuts.map(async (cut) => {
          const broken = await openRaw(t, port, version)
          broken.send(
            packet.type === 'connect'
              ? bytes.subarray(0, cut)
              : Buffer.concat([hello, bytes.subarray(0, cut)]),
          )
          if (packet.type !== 'connect') await broken.next('connack')
          await broken.vanish()

          const whole = await openRaw(t, port, version)
          whole.send(...(packet.type === 'connect' ? [] : [hello]), bytes.subarray(0, cut))
          if (packet.type !== 'connect') await whole.next('connack')
          whole.send(bytes.subarray(cut))
          if (packet.type === 'connect') await whole.next('connack')
          if (packet.type === 'disconnect') await whole.rest()
          else await whole.drain()
          await whole.vanish()
        }),
      )
      await bystander.publish('bystanders', packet.type, { qos: 1 })
      assert.equal(String((await bystander.next('publish')).payload), packet.type)
    }
})

function packetsOf(version: ProtocolVersion): readonly Packet[] {
  const properties = version === 5 ? ({ userProperties: [['a', 'b']] } as const) : noProperties
  const more =
    version === 5 ? ({ ...properties, contentType: 'text/plain', topicAlias: 3 } as const) : noProperties
  const will = {
    topicName: 'wills',
    payload: Buffer.from('gone'),
    qos: 1,
    retain: false,
    properties,
  } as const
  return [
    connectPacket(version, { will, properties }),
    message('cut/0', 'payload', { properties: more }),
    message('cut/1', 'payload', { qos: 1, packetId: 3, properties: more }),
    message('cut/2', 'payload', { qos: 2, packetId: 4, retain: true, properties: more }),
    { type: 'puback', packetId: 9, reasonCode: 0, properties },
    { type: 'pubrec', packetId: 9, reasonCode: 0, properties },
    { type: 'pubrel', packetId: 9, reasonCode: 0, properties },
    { type: 'pubcomp', packetId: 9, reasonCode: 0, properties },
    {
      ...{ type: 'subscribe', packetId: 5, properties },
      subscriptions: [
        { topicFilter: 'none/+', qos: 1, noLocal: false, retainAsPublished: false, retainHandling: 2 },
      ],
    },
    { type: 'unsubscribe', packetId: 6, topicFilters: ['none/+', 'b'], properties },
    { type: 'pingreq' },
    { type: 'disconnect', reasonCode: 0, properties },
  ]
}

for (const version of [4, 5] as const)
  test(`[MQTT-4.1.0-1] a session, what waits for it and what is retained outlive kill -9 (MQTT ${version === 4 ? '3.1.1' : '5.0'})`, async (t) => {
    const cwd = await temporaryDirectory(t)
    const before = await start(t, cwd)
    const client = await connectRaw(t, before.port, version, kept(version))
    await client.subscribe('a/#', { qos: 2 })
    await client.leave()
    const publisher = await connectRaw(t, before.port, version, { clientId: 'publisher' })
    for (let index = 0; index < 20; index++)
      assert.equal(await publisher.publish('a/b', `${index}`, { qos: index % 2 === 0 ? 1 : 2 }), 0)
    assert.equal(await publisher.publish('retained', 'still', { qos: 1, retain: true }), 0)
    before.kill('SIGKILL')
    await before.ended

    const after = await start(t, cwd)
    const { client: again, connack } = await knock(t, after.port, version, kept(version))
    assert.equal(connack.sessionPresent, true)
    // They come from disk, and so not before the answer to a ping.
    const received: PacketOf<'publish'>[] = []
    for (let count = 0; count < 20; count++) received.push(await again.next('publish'))
    // In order for the same topic and QoS [MQTT-4.6.0-5].
    for (const qos of [1, 2])
      assert.deepEqual(
        received.filter((packet) => packet.qos === qos).map(({ payload }) => Number(String(payload))),
        Array.from({ length: 10 }, (_, index) => 2 * index + qos - 1),
      )
    const other = await connectRaw(t, after.port, version, { clientId: 'other' })
    await other.subscribe('retained')
    assert.deepEqual(
      (await other.messages()).map(({ payload }) => String(payload)),
      ['still'],
    )
  })

test('a filter that the configuration refuses is refused with 0x80, whoever asks', async (t) => {
  const cwd = await temporaryDirectory(t)
  await writeFile(`${cwd}/busbar.yaml`, 'mqtt:\n  refusedFilters: [test/nosubscribe]\n')
  const { port } = await start(t, cwd)
  for (const version of [4, 5] as const) {
    const client = await connectRaw(t, port, version)
    assert.deepEqual(
      [await client.subscribe('test/nosubscribe'), await client.subscribe('test/+')],
      [0x80, 0],
    )
  }
})
