import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WebSocket } from 'ws'
import { startTestServer } from '../../src/testing/test-server.ts'

/*
 * Where MQTT clients need no credential, a page of another site in the browser of whoever runs the server must not
 * be one.
 */

const open = (url: string, origin?: string) =>
  new Promise<number>((resolve, reject) => {
    const socket = new WebSocket(url, 'mqtt', origin === undefined ? {} : { origin })
    socket.once('open', () => {
      socket.terminate()
      resolve(101)
    })
    socket.once('unexpected-response', (_request, response) => resolve(response.statusCode ?? 0))
    socket.once('error', reject)
  })

test('without credentials only pages of this machine may open a WebSocket', async (t) => {
  const server = await startTestServer(t, { flags: { mqttAnonymous: 'on' } })
  const url = `${server.http.replace('http', 'ws')}/mqtt`
  assert.equal(await open(url), 101, 'no page at all')
  assert.equal(await open(url, 'http://localhost:3000'), 101)
  assert.equal(await open(url, 'https://pages.example.org'), 403)
  assert.equal(await open(url, 'null'), 403)
})
