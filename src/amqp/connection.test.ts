import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { AmqpError, Connection, EventContext, Receiver, Sender } from 'rhea'
import { createLog } from '../base/log.ts'
import { ManualClock } from '../testing/manual-clock.ts'
import { createAmqpServer } from './amqp.ts'
import { AmqpRefusal } from './errors.ts'
import type { AmqpGuest } from './guest.ts'
import { type AmqpLimits, defaultAmqpLimits } from './limits.ts'
import type { AmqpLink, OutgoingLink } from './links.ts'
import { loadRhea } from './rhea.ts'

/* What a connection is to its guest, and what it takes of a peer: over sockets without TLS, with rhea as the peer. */

interface Opening {
  readonly attach?: (link: AmqpLink) => void
  readonly limits?: Partial<AmqpLimits>
  readonly isProven?: boolean
}

async function open(t: TestContext, { attach = () => {}, limits = {}, isProven = true }: Opening) {
  const clock = new ManualClock()
  const closed: string[] = []
  const guest: AmqpGuest = {
    signIn: () => Promise.resolve(true),
    putToken: () => Promise.resolve({ status: 200, description: 'OK' }),
    attach,
    isProven,
    closed: () => closed.push('closed'),
  }
  const amqp = createAmqpServer({
    ...{ clock, log: createLog('silent'), guestOf: () => guest, limits: { ...defaultAmqpLimits, ...limits } },
  })
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    sockets.push(socket)
    amqp.accept(socket, { isTls: true, remoteAddress: '', serverName: undefined, certificates: [] })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const connect = async (options: object = {}): Promise<Connection> => {
    const rhea = await loadRhea()
    const connection = rhea.create_container().connect({ port, reconnect: false, ...options })
    for (const name of [
      'sender_error',
      'receiver_error',
      'session_error',
      'connection_error',
      'disconnected',
    ])
      connection.on(name, () => {})
    await Promise.race([once(connection, 'connection_open'), once(connection, 'disconnected')])
    return connection
  }
  return { amqp, clock, port, connect, closed }
}

const errorOf = ({ error }: { error?: unknown }) => (error as AmqpError | undefined)?.condition

test('a link that is refused says why, and one that is held is answered when it is decided', async (t) => {
  const decided = Promise.withResolvers<void>()
  const { connect } = await open(t, {
    attach(link) {
      if (link.address === 'no') throw new AmqpRefusal('amqp:not-found', 'There is nothing.')
      link.hold()
      void decided.promise.then(() =>
        link.kind === 'incoming'
          ? link.open({ credit: 1, messageBytes: 100, received: (_messages, delivery) => delivery.accept() })
          : link.close(new AmqpRefusal('amqp:not-allowed', 'No.')),
      )
    },
  })
  const connection = await connect()
  const refused = connection.open_sender('no')
  await once(refused, 'sender_error')
  assert.equal(errorOf(refused), 'amqp:not-found')
  const held = connection.open_sender('later')
  const heldToo = connection.open_receiver('later')
  let isAnswered = false
  held.on('sender_open', () => {
    isAnswered = true
  })
  for (let turn = 0; turn < 20; turn++) await nextTurn()
  assert.equal(isAnswered, false)
  decided.resolve()
  await Promise.all([once(held, 'sendable'), once(heldToo, 'receiver_error')])
  assert.equal(errorOf(heldToo), 'amqp:not-allowed')
  const accepted = once(held, 'accepted')
  held.send({ body: 'x' })
  await accepted
  connection.close()
})

test('no more messages come in than were asked for, and more when they are settled', async (t) => {
  const settle: (() => void)[] = []
  const { connect } = await open(t, {
    attach: (link) =>
      link.kind === 'incoming' &&
      link.open({
        ...{ credit: 8, messageBytes: 100 },
        received: (_messages, delivery) => settle.push(() => delivery.accept()),
      }),
  })
  const connection = await connect()
  const sender = connection.open_sender('in')
  await once(sender, 'sendable')
  for (let n = 0; n < 20; n++) sender.send({ body: 'x' })
  while (settle.length < 8) await nextTurn()
  for (let turn = 0; turn < 20; turn++) await nextTurn()
  assert.equal(settle.length, 8)
  for (let n = 0; n < 20; n++) {
    while (settle.length <= n) await nextTurn()
    settle[n]?.()
  }
  assert.equal(settle.length, 20)
  connection.close()
})

test('nothing more is read from a peer whose messages are not settled', async (t) => {
  const came: unknown[] = []
  const until = async (count: number, act = () => {}) => {
    while (came.length < count) {
      act()
      await nextTurn()
    }
  }
  const settle: (() => void)[] = []
  const { connect } = await open(t, {
    limits: { unsettledBytes: 10_000 },
    attach: (link) =>
      link.kind === 'incoming' &&
      link.open({
        ...{ credit: 1000, messageBytes: 10_000 },
        received: (messages, delivery) => {
          came.push(...messages)
          settle.push(() => delivery.accept())
        },
      }),
  })
  const connection = await connect()
  const sender = connection.open_sender('in')
  await once(sender, 'sendable')
  for (let n = 0; n < 100; n++) sender.send({ body: 'x'.repeat(1000) })
  await until(10)
  for (let turn = 0; turn < 50; turn++) await nextTurn()
  assert.ok(came.length <= 11, `${came.length} came`)
  await until(100, () => settle.shift()?.())
  connection.close()
})

test('nothing is sent to a peer that gives no credit, or does not read', async (t) => {
  const links: OutgoingLink[] = []
  const { connect } = await open(t, {
    limits: { waitingBytes: 50_000 },
    attach(attached) {
      if (attached.kind !== 'outgoing') return
      attached.open()
      links.push(attached)
    },
  })
  const connection = await connect()
  const receiver = connection.open_receiver({ source: 'out', credit_window: 0 })
  await once(receiver, 'receiver_open')
  const [out] = links as [OutgoingLink]
  assert.equal(out.canSend, false)
  receiver.add_credit(2)
  const until = async (canSend: boolean) => {
    while (out.canSend !== canSend) await nextTurn()
  }
  await until(true)
  let sent = 0
  for (; out.canSend; sent++) out.send({ body: Buffer.from('x') })
  assert.equal(sent, 2)
  const { socket } = connection as unknown as { readonly socket: Socket }
  receiver.add_credit(1_000_000)
  await until(true)
  socket.pause()
  // What the network takes is nobody's: then it ends.
  for (let turn = 0; turn < 2000; turn++) {
    while (out.canSend) out.send({ body: Buffer.alloc(20_000) })
    await nextTurn()
  }
  assert.equal(out.canSend, false)
  socket.resume()
  await until(true)
  connection.close()
})

test('a connection that proves nothing ends in time, and one above the limit at once', async (t) => {
  const { connect, clock, amqp } = await open(t, {
    isProven: false,
    limits: { connections: 1, unprovenMs: 500 },
  })
  const first = await connect()
  const second = await connect()
  assert.equal(second.is_open(), false)
  assert.equal(amqp.connections, 1)
  const closed = once(first, 'connection_close')
  await clock.advance(499)
  assert.equal(first.is_open(), true)
  await clock.advance(1)
  await closed
  assert.equal(errorOf(first), 'amqp:unauthorized-access')
})

test('what a peer may not ask for ends its connection', async (t) => {
  const { connect } = await open(t, { limits: { sessionsPerConnection: 2, linksPerConnection: 2 } })
  const closing = async (act: (connection: Connection) => void, options?: object) => {
    const connection = await connect(options)
    act(connection)
    if (errorOf(connection) === undefined) await once(connection, 'connection_close')
    return errorOf(connection)
  }
  assert.equal(await closing(() => {}, { max_frame_size: 100 }), 'amqp:invalid-field')
  assert.equal(await closing(() => {}, { idle_time_out: 10 }), 'amqp:not-allowed')
  const sessions = (connection: Connection) => {
    for (let n = 0; n < 3; n++) connection.create_session().begin()
  }
  assert.equal(await closing(sessions), 'amqp:resource-limit-exceeded')
  const links = (connection: Connection) => {
    for (let n = 0; n < 3; n++) connection.open_sender('$cbs')
  }
  assert.equal(await closing(links), 'amqp:resource-limit-exceeded')
  const withoutCredit = (connection: Connection) => {
    const sender = connection.open_sender('in') as Sender & { credit: number }
    sender.on('sender_open', () => {
      sender.credit = 1
      const { outgoing } = sender.session as unknown as { readonly outgoing: object }
      Object.assign(outgoing, { remote_next_transfer_id: 0 })
      sender.send({ body: 'x' })
    })
  }
  assert.equal(await closing(withoutCredit), 'amqp:link:transfer-limit-exceeded')
})

test('a range of settlements goes over those that are there', async (t) => {
  const outcomes: string[] = []
  const { connect } = await open(t, {
    attach(link) {
      if (link.kind !== 'outgoing') return
      link.open(() => {
        if (outcomes.length === 0) link.send({ body: Buffer.from('x') }, (outcome) => outcomes.push(outcome))
        outcomes.push('sent')
      })
    },
  })
  const connection = await connect()
  const receiver: Receiver = connection.open_receiver({ source: 'out', autoaccept: false })
  const [{ delivery }] = (await once(receiver, 'message')) as [EventContext]
  // As rhea writes it, with an end that no peer has reached.
  const { session } = receiver as unknown as { readonly session: { output(frame: unknown): void } }
  const written: unknown[] = []
  const output = session.output.bind(session)
  session.output = (frame) => {
    written.push(frame)
    output(Object.assign(frame as object, { last: 0xffffffff }))
  }
  delivery?.accept()
  while (!outcomes.includes('accepted')) await nextTurn()
  assert.ok(written.length > 0)
  connection.close()
})
