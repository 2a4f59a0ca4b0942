import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { administratorKeys } from '../auth/administrators.ts'
import { RequestError } from '../base/errors.ts'
import { createLog } from '../base/log.ts'
import { Metrics } from '../base/metrics.ts'
import { listen } from '../http/http.ts'
import { createOpsDoor, type Phase } from './ops.ts'

test('/healthz answers 200 when ready, and 503 before and while stopping', async (t) => {
  const server = await start(t)
  for (const [phase, status] of [
    ['starting', 503],
    ['ready', 200],
    ['stopping', 503],
  ] as const) {
    server.phase = phase
    const response = await fetch(`${server.url}/healthz`)
    assert.equal(response.status, status)
    assert.equal(await response.text(), `${phase}\n`)
  }
})

test('/metrics answers Prometheus text', async (t) => {
  const server = await start(t)
  server.metrics.counter('busbar_things_total', 'Things.').add(3)
  const response = await fetch(`${server.url}/metrics`)
  assert.equal(response.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8')
  assert.match(await response.text(), /^busbar_things_total 3$/m)
})

test('/ca.pem answers the authority to trust', async (t) => {
  const { url } = await start(t)
  assert.equal(await (await fetch(`${url}/ca.pem`)).text(), 'the authority')
})

test('the first page names version, listeners and facts, and shows markup in them as text', async (t) => {
  const { url } = await start(t)
  const response = await fetch(`${url}/`)
  const page = await response.text()
  assert.equal(response.headers.get('content-type'), 'text/html; charset=utf-8')
  assert.match(page, /1\.2\.3/)
  assert.match(page, /http:\/\/127\.0\.0\.1:1/)
  assert.match(page, /&lt;b&gt;data&lt;\/b&gt;/)
})

test('the trace of an event is found by its id, percent-encoded in the path', async (t) => {
  const { url } = await start(t)
  const response = await fetch(`${url}/events/a%2Fb/trace`, { headers: { Authorization: 'Bearer the-key' } })
  assert.equal(response.status, 200)
  assert.deepEqual(await response.json(), { id: 'a/b' })
})

test('the trace of an event that is not known is 404, and of one that is asked for without a key 401', async (t) => {
  const { url } = await start(t)
  const headers = { Authorization: 'Bearer the-key' }
  const unknown = await fetch(`${url}/events/other/trace`, { headers })
  assert.equal(unknown.status, 404)
  assert.equal(((await unknown.json()) as { error: { code: string } }).error.code, 'EventNotFound')
  assert.equal((await fetch(`${url}/events/a%2Fb/trace`)).status, 401)
  assert.equal((await fetch(`${url}/events/%zz/trace`, { headers })).status, 400)
})

test('what is not GET or HEAD is refused, and what is not of this door is left to the next', async (t) => {
  const { url } = await start(t)
  const post = await fetch(`${url}/healthz`, { method: 'POST' })
  assert.equal(post.status, 405)
  assert.equal(post.headers.get('allow'), 'GET, HEAD')
  assert.equal((await fetch(`${url}/metrics`, { method: 'HEAD' })).status, 200)
  for (const path of ['/events//trace', '/events/a/b/trace', '/toString', '/healthz/'])
    assert.equal((await fetch(url + path)).status, 418, path)
})

async function start(t: TestContext) {
  const metrics = new Metrics()
  const byKey = administratorKeys([{ name: 'ada', key: 'the-key' }])
  const server = { url: '', phase: 'ready' as Phase, metrics }
  const door = createOpsDoor({
    phase: () => server.phase,
    metrics,
    caPem: () => 'the authority',
    status: () => ({
      version: '1.2.3',
      phase: server.phase,
      listeners: ['http://127.0.0.1:1'],
      facts: { 'Data directory': '<b>data</b>' },
    }),
    readTrace: (id) => (id === 'a/b' ? { id } : undefined),
    followTail: () => ({ status: 200, body: 'followed' }),
    authorize: async ({ headers }) => {
      const caller = byKey((headers.authorization ?? '').replace('Bearer ', ''))
      if (!caller) throw new RequestError(401, 'AuthenticationFailed', 'Who are you?')
      return caller
    },
  })
  const next = () => ({ status: 418 })
  const listener = await listen({
    host: '127.0.0.1',
    port: 0,
    doors: [door, next],
    log: createLog('silent'),
  })
  t.after(() => listener.close(0))
  server.url = listener.url
  return server
}
