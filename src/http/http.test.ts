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
