import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { createLog } from '../base/log.ts'
import { closeAfter } from '../testing/close-after.ts'
import { type Door, defaultHttpLimits, type HttpLimits, listen } from './http.ts'

test('a request that was on its way on an open connection when the stop began is answered', async (t) => {
  const listener = await open(t, () => ({ status: 200, body: 'yes' }))
  const socket = await knock(t, listener.port)
  const closed = listener.close(5_000)
  socket.write('GET /2 HTTP/1.1\r\nHost: a\r\n\r\n')
  const answer = await text(socket)
  assert.match(answer, /^HTTP\/1\.1 200 OK\r\n.*^Connection: close\r\n.*yes$/ms)
  await closed
})

test('a stop waits for no connection on which nothing is asked', async (t) => {
  const listener = await open(t, () => ({ status: 200 }))
  const socket = await knock(t, listener.port)
  const ended = once(socket, 'close')
  // Longer than a test may take: what ends the connection is not the end of the grace.
  await listener.close(3_600_000)
  await ended
})

for (const [what, head] of [
  ['head', 'GET / HTTP/1.1\r\nHost:'],
  ['body', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n1'],
] as const)
  test(`a request whose ${what} takes longer than the limit is answered 408 soon after`, async (t) => {
    const listener = await open(t, (request) => request.body(10).then(() => ({ status: 200 })), {
      ...defaultHttpLimits,
      requestMs: 50,
    })
    const socket = connect(listener.port, '127.0.0.1')
    t.after(() => socket.destroy())
    socket.write(head)
    assert.match(await text(socket), /^HTTP\/1\.1 408 Request Timeout\r\nConnection: close\r\n/)
  })

test('a streamed body comes as it is made, and the connection serves the next request', async (t) => {
  const steps = [Promise.withResolvers<string>(), Promise.withResolvers<string>()]
  const listener = await open(t, () => ({
    status: 200,
    async *stream() {
      for (const { promise } of steps) yield await promise
    },
  }))
  const response = await fetch(listener.url)
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  const next = async () => Buffer.from((await reader.read()).value ?? []).toString()
  steps[0]?.resolve('one\n')
  assert.equal(await next(), 'one\n')
  steps[1]?.resolve('two\n')
  assert.equal(await next(), 'two\n')
  assert.equal((await reader.read()).done, true)
  assert.equal((await fetch(listener.url, { method: 'HEAD' })).status, 200)
})

test('a client that reads nothing is asked for nothing more, and is cut when that lasts', async (t) => {
  const piece = Buffer.alloc(1024 * 1024)
  let made = 0
  const ended = Promise.withResolvers<void>()
  const listener = await open(
    t,
    () => ({
      status: 200,
      async *stream(signal) {
        while (!signal.aborted) {
          made++
          yield piece
        }
        ended.resolve()
      },
    }),
    { ...defaultHttpLimits, idleMs: 100 },
  )
  const socket = connect(listener.port, '127.0.0.1').on('error', () => {})
  t.after(() => socket.destroy())
  socket.pause()
  socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await ended.promise
  // What the system's own buffers took, and not what a hundred milliseconds could have made.
  assert.ok(made < 100, `${made} MiB were made`)
})

test('the signal of a streamed body aborts when the client goes', async (t) => {
  const aborted = Promise.withResolvers<void>()
  const listener = await open(t, () => ({
    status: 200,
    stream: (signal) => untilAborted(signal, aborted.resolve),
  }))
  const socket = await knock(t, listener.port)
  socket.destroy()
  await aborted.promise
})

test('a stop ends streamed bodies, whole', async (t) => {
  const listener = await open(t, () => ({ status: 200, stream: (signal) => untilAborted(signal, () => {}) }))
  const response = await fetch(listener.url)
  const body = response.text()
  await listener.close(3_600_000)
  assert.equal(await body, 'begun\nended\n')
})

test('a streamed body that fails is cut, so that it is not taken for a whole one', async (t) => {
  const listener = await open(t, () => ({
    status: 200,
    // oxlint-disable-next-line require-yield -- it fails before
    async *stream(): AsyncGenerator<string> {
      await Promise.resolve()
      throw new Error('broken')
    },
  }))
  const response = await fetch(listener.url)
  await assert.rejects(response.text())
})

async function* untilAborted(signal: AbortSignal, then: () => void): AsyncGenerator<string> {
  yield 'begun\n'
  if (!signal.aborted) await once(signal, 'abort')
  then()
  yield 'ended\n'
}

async function open(t: TestContext, door: Door, limits: HttpLimits = defaultHttpLimits) {
  const log = createLog('silent')
  const listener = await listen({ host: '127.0.0.1', port: 0, doors: [door], log, limits })
  closeAfter(t, () => listener.close(0))
  return listener
}

/** A connection on which one request has been answered. */
async function knock(t: TestContext, port: number) {
  const socket = connect(port, '127.0.0.1')
  t.after(() => socket.destroy())
  socket.write('GET /1 HTTP/1.1\r\nHost: a\r\n\r\n')
  await once(socket, 'data')
  return socket
}
