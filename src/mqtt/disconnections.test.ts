import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { ManualClock } from '../testing/manual-clock.ts'
import { acknowledge, connectPacket, connectRaw, message, openRaw } from '../testing/mqtt-client.ts'
import { testIdentity } from '../testing/mqtt-realm.ts'
import { startTestBroker, type TestBroker, type TestBrokerOptions } from '../testing/test-broker.ts'
import { noProperties } from './packets/packet.ts'
import { reasonCodes } from './packets/reason-codes.ts'
import { type DisconnectionReason, disconnectionReasons } from './realm.ts'

/*
 * Each of the eleven reasons by a situation that has it, in both versions: what the client is told, and what the realm.
 *
 * Source: learn.microsoft.com/azure/event-grid/event-schema-event-grid-namespace
 */

type Client = Awaited<ReturnType<typeof connectRaw>>

interface Situation {
  readonly reason: DisconnectionReason
  readonly when: string
  /** What an MQTT 5 client is told; undefined: nothing. */
  readonly code: number | undefined
  readonly options?: TestBrokerOptions
  readonly happens: (client: Client, broker: TestBroker, t: TestContext) => Promise<void> | void
}

let allowed = true
const clock = new ManualClock()

const situations: readonly Situation[] = [
  {
    ...{ reason: 'ClientInitiatedDisconnect', when: 'the client says DISCONNECT', code: undefined },
    happens: (client) => client.send({ type: 'disconnect', reasonCode: 0, properties: noProperties }),
  },
  {
    ...{ reason: 'ConnectionLost', when: 'the socket is reset', code: undefined },
    happens: (client) => void client.socket.resetAndDestroy(),
  },
  {
    ...{ reason: 'ClientError', when: 'a packet is malformed', code: reasonCodes.malformedPacket },
    happens: (client) => client.send(Buffer.from([0x30, 0x03, 0x00, 0x05, 0x61])),
  },
  {
    ...{ reason: 'ClientError', when: 'the keep-alive runs out', code: reasonCodes.keepAliveTimeout },
    options: { clock },
    happens: () => clock.advance(15_100),
  },
  {
    ...{
      reason: 'ClientAuthenticationError',
      when: 'its credentials expire',
      code: reasonCodes.notAuthorized,
    },
    options: {
      clock,
      realm: {
        authenticate: async () => ({
          kind: 'admitted',
          identity: { ...testIdentity('a'), expiresAt: clock.now() + 5_000 },
        }),
      },
    },
    happens: () => clock.advance(5_000),
  },
  {
    ...{
      reason: 'ClientAuthenticationError',
      when: 'the client is disabled',
      code: reasonCodes.notAuthorized,
    },
    options: { realm: { standing: () => (allowed ? undefined : { text: 'disabled' }) } },
    happens(_, { realm }) {
      allowed = false
      realm.changeRights()
    },
  },
  {
    ...{
      reason: 'ClientAuthorizationError',
      when: 'it publishes what it may not',
      code: reasonCodes.notAuthorized,
    },
    options: { realm: { mayPublish: () => false } },
    happens: (client) => client.send(message('a', 'x')),
  },
  {
    ...{
      reason: 'ClientAuthorizationError',
      when: 'a subscription is taken back',
      code: reasonCodes.notAuthorized,
    },
    options: { realm: { maySubscribe: () => allowed } },
    async happens(client, { realm }) {
      await client.subscribe('a/#')
      allowed = false
      realm.changeRights(new Set(['a']))
    },
  },
  {
    ...{
      reason: 'IpForbidden',
      when: 'its address is not allowed any more',
      code: reasonCodes.administrativeAction,
    },
    options: { realm: { mayConnect: () => allowed } },
    happens(_, { realm }) {
      allowed = false
      realm.changeRights()
    },
  },
  {
    ...{
      reason: 'QuotaExceeded',
      when: 'it goes on publishing too fast',
      code: reasonCodes.messageRateTooHigh,
    },
    options: { realm: { limits: { sessionPublishesPerSecond: 1 } } },
    happens: (client) => client.send(...Array.from({ length: 200 }, () => message('a', 'x'))),
  },
  {
    ...{
      reason: 'SessionOverflow',
      when: 'it does not acknowledge what it gets',
      code: reasonCodes.quotaExceeded,
    },
    options: { realm: { limits: { sessionQueueMessages: 5 } } },
    async happens(client, { port }, t) {
      await client.subscribe('a', { qos: 1 })
      const publisher = await connectRaw(t, port, 5)
      for (let count = 0; count < 6; count++) await publisher.publish('a', 'x', { qos: 1 })
    },
  },
  {
    ...{
      reason: 'SessionTakenOver',
      when: 'its session name connects again',
      code: reasonCodes.sessionTakenOver,
    },
    async happens(_, { port }, t) {
      await connectRaw(t, port, 5, { clientId: 'a', userName: 'a' })
    },
  },
  {
    ...{ reason: 'ServerError', when: 'the server fails', code: reasonCodes.unspecifiedError },
    options: {
      realm: {
        accepted: () => {
          throw new Error('a bug')
        },
      },
    },
    happens: (client) => client.send(message('a', 'x')),
  },
  {
    ...{
      reason: 'ServerInitiatedDisconnect',
      when: 'the server stops',
      code: reasonCodes.serverShuttingDown,
    },
    happens: (_, { broker }) => broker.close(),
  },
]

for (const { reason, when, code, options, happens } of situations)
  for (const version of [4, 5] as const)
    test(`a connection ends with ${reason} when ${when}, in MQTT ${version}`, async (t) => {
      allowed = true
      const broker = await startTestBroker(t, options)
      const client = await connectRaw(t, broker.port, version, {
        ...{ clientId: 'a', userName: 'a', keepAliveSeconds: 10 },
      })
      await happens(client, broker, t)
      const rest = await client.rest()
      const said = rest.filter(({ type }) => type === 'disconnect')
      assert.deepEqual(
        said.map((packet) => 'reasonCode' in packet && packet.reasonCode),
        version === 5 && code !== undefined ? [code] : [],
      )
      assert.deepEqual(await ended(broker, 'a'), [
        { authenticationName: 'a', sessionName: 'a', sequenceNumber: 1, reason },
      ])
    })

test('every reason has a situation here', () => {
  assert.deepEqual(
    [...new Set(situations.map(({ reason }) => reason))].toSorted(),
    [...disconnectionReasons].toSorted(),
  )
})

test('a client that was not let in has neither connected nor disconnected', async (t) => {
  const broker = await startTestBroker(t, {
    realm: { authenticate: async () => ({ kind: 'refused', reasonCode: 0x87, text: 'no' }) },
  })
  await assert.rejects(connectRaw(t, broker.port, 5, { clientId: 'a' }))
  assert.deepEqual([broker.realm.connections, broker.realm.ended], [[], []])
})

for (const version of [4, 5] as const)
  test(`a client whose CONNECT is being decided when the server stops is told so, in MQTT ${version}`, async (t) => {
    const asked = Promise.withResolvers<void>()
    const broker = await startTestBroker(t, {
      realm: {
        authenticate() {
          asked.resolve()
          return new Promise(() => {})
        },
      },
    })
    const client = await openRaw(t, broker.port, version)
    client.send(connectPacket(version, { clientId: 'a' }))
    await asked.promise
    await broker.broker.close()
    const { reasonCode } = await client.next('connack')
    assert.equal(reasonCode, version === 5 ? reasonCodes.serverUnavailable : 3)
    assert.deepEqual(await client.rest(), [])
  })

test('what was sent to a client comes before the DISCONNECT of the same turn', async (t) => {
  const broker = await startTestBroker(t, { realm: { limits: { sessionQueueMessages: 5 } } })
  const client = await connectRaw(t, broker.port, 5, { clientId: 'a' })
  await client.subscribe('a', { qos: 1 })
  const publisher = await connectRaw(t, broker.port, 5)
  publisher.send(
    ...Array.from({ length: 6 }, (_, index) => message('a', 'x', { qos: 1, packetId: index + 1 })),
  )
  const rest = await client.rest()
  assert.deepEqual(
    rest.map(({ type }) => type),
    [...new Array<string>(5).fill('publish'), 'disconnect'],
  )
})

test('what a session that overflows had is gone, and its client may begin a new one', async (t) => {
  const broker = await startTestBroker(t, { realm: { limits: { sessionQueueBytes: 1_000 } } })
  const fields = { clientId: 'a', properties: { sessionExpiryInterval: 60 } }
  const client = await connectRaw(t, broker.port, 5, fields)
  await client.subscribe('a', { qos: 1 })
  const publisher = await connectRaw(t, broker.port, 5)
  await publisher.publish('a', 'x'.repeat(600), { qos: 1 })
  const { packetId } = await client.next('publish')
  client.send(acknowledge('puback', packetId))
  await client.drain()
  await publisher.publish('a', 'x'.repeat(600), { qos: 1 })
  await publisher.publish('a', 'x'.repeat(600), { qos: 1 })
  await client.rest()
  assert.equal(broker.brokerRealm.sessions.has('a'), false)
  const again = await connectRaw(t, broker.port, 5, { ...fields, cleanStart: false })
  assert.deepEqual(await again.messages(), [])
})

/** The ends of that session's connections, once the realm has been told of one. */
async function ended({ realm }: TestBroker, sessionName: string) {
  for (;;) {
    const found = realm.ended.filter((end) => end.sessionName === sessionName)
    if (found.length > 0) return found
    await new Promise(setImmediate)
  }
}
