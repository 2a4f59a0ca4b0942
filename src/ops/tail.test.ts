import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { closeAfter } from '../testing/close-after.ts'
import { startRecordingWebhook } from '../testing/recording-webhook.ts'
import { eventually, startTestServer, type TestServer } from '../testing/test-server.ts'

/** Opens a tail over a real socket; `next` answers with its lines in turn. */
async function follow(t: TestContext, { http }: TestServer, query: Readonly<Record<string, string>>) {
  const stop = new AbortController()
  closeAfter(t, () => stop.abort())
  const url = `${http}/events/tail?${new URLSearchParams(query).toString()}`
  const response = await fetch(url, { signal: stop.signal })
  assert.equal(response.status, 200)
  const lines = createInterface({ input: Readable.fromWeb(response.body as never).on('error', () => {}) })
  const iterator = lines[Symbol.asyncIterator]()
  const next = async () => JSON.parse((await iterator.next()).value as string) as Record<string, unknown>
  return { type: response.headers.get('content-type'), next, stop: () => stop.abort() }
}

test('a topic and an event subscription are followed over HTTP, ids in any letter case', async (t) => {
  const server = await startTestServer(t)
  const hook = await startRecordingWebhook(t)
  const id = await server.subscribe({ to: hook.url })
  const topicId = id.replace(/\/providers\/Microsoft.EventGrid\/eventSubscriptions.*/, '')
  const topic = await follow(t, server, { topic: topicId.toUpperCase() })
  assert.equal(topic.type, 'application/x-ndjson; charset=utf-8')
  // As a child, and not as an extension.
  const child = id.replace('/providers/Microsoft.EventGrid/eventSubscriptions', '/eventSubscriptions')
  const attempts = await follow(t, server, { eventSubscription: child })
  assert.equal((await topic.next()).topic, topicId)
  assert.equal((await attempts.next()).eventSubscription, id)
  assert.equal(await server.metric('busbar_tail_followers'), 2)
  await server.publish({ id: 'e1', data: { n: 1 } })
  const accepted = await topic.next()
  assert.deepEqual([accepted.kind, accepted.id, accepted.matched], ['accepted', 'e1', ['es1']])
  const attempt = await attempts.next()
  assert.deepEqual([attempt.kind, attempt.id, attempt.status], ['attempt', 'e1', 200])
  topic.stop()
  attempts.stop()
  await eventually(async () => (await server.metric('busbar_tail_followers')) === 0)
})

test('what cannot be followed is refused, and so is who may not, and one follower too many', async (t) => {
  const administratorKey = 'a-long-key-of-ada-for-this-test'
  const server = await startTestServer(t, {
    administratorKey,
    file: {
      limits: { tailFollowers: 1 },
      auth: { administrators: [{ name: 'ada', key: administratorKey }] },
    },
  })
  const authorization = `Bearer ${administratorKey}`
  const topic = server.idOf().replace(/\/providers\/Microsoft.EventGrid\/eventSubscriptions.*/, '')
  const ask = async (query: string, headers: Record<string, string> = { authorization }) => {
    const { status, body } = await fetch(`${server.http}/events/tail?${query}`, { headers })
    await body?.cancel()
    return status
  }
  assert.equal(await ask(`topic=${topic}`, {}), 401)
  assert.equal(await ask(''), 400)
  assert.equal(await ask(`topic=${topic}&eventSubscription=${server.idOf()}`), 400)
  assert.equal(await ask(`topic=${topic}x`), 404)
  assert.equal(await ask(`eventSubscription=${server.idOf('none')}`), 404)
  const stop = new AbortController()
  closeAfter(t, () => stop.abort())
  await fetch(`${server.http}/events/tail?topic=${topic}`, {
    headers: { authorization },
    signal: stop.signal,
  })
  assert.equal(await ask(`topic=${topic}`), 429)
})

test('a reader that stands still misses lines and is told so; publishing goes on', async (t) => {
  const server = await startTestServer(t)
  const topic = server.idOf().replace(/\/providers\/Microsoft.EventGrid\/eventSubscriptions.*/, '')
  const socket = connect({ port: Number(new URL(server.http).port), host: '127.0.0.1' })
  closeAfter(t, () => socket.destroy())
  socket.write(`GET /events/tail?topic=${topic} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
  await once(socket, 'readable')
  // Far more than the sockets' buffers and what may wait for a follower.
  const data = 'x'.repeat(15_000)
  for (let n = 0; n < 60; n++)
    await server.publish(Array.from({ length: 50 }, (_, index) => ({ id: `${n}.${index}`, data })))
  let text = ''
  let ids = 0
  const last = { id: 'last', data }
  let missed = 0
  await server.publish(last)
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk
    ids += chunk.split('"kind":"accepted"').length - 1
    missed = Number(/"kind":"missed","lines":(\d+)/.exec(text)?.[1] ?? 0)
  })
  await eventually(() => missed > 0)
  assert.ok(missed < 3001, `${missed} missed`)
  assert.ok(ids > 0)
})
