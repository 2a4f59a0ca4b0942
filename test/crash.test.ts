import assert from 'node:assert/strict'
import { once } from 'node:events'
import { appendFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { startAzurite } from '../src/testing/azurite.ts'
import { apiVersion, subscription } from '../src/testing/control-plane.ts'
import { startRecordingWebhook } from '../src/testing/recording-webhook.ts'
import { temporaryDirectory } from '../src/testing/temporary-directory.ts'
import { eventually } from '../src/testing/test-server.ts'
import { runBusbar, startBusbar } from './busbar-process.ts'

/*
 * The real process, killed with SIGKILL: whatever was acknowledged is there after the next start, which needs
 * nobody's help. Delivery waits run a hundred times faster, so that ten seconds are over in a tenth.
 */

const flags = ['--time-scale', '100', '--https-port', 'off', '--log-level', 'warn']
const group = `${subscription}/resourceGroups/rg`
const topicId = `${group}/providers/Microsoft.EventGrid/topics/orders`
const publishPath = '/topics/westus2/orders/api/events'

type Busbar = Awaited<ReturnType<typeof startBusbar>>

async function call(busbar: Busbar, method: string, id: string, body?: unknown) {
  const response = await fetch(`${busbar.http}${id}?api-version=${apiVersion}`, {
    method,
    headers: { 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  assert.ok(response.ok, `${method} ${id}: ${response.status}`)
  return response.json() as Promise<Record<string, unknown>>
}

/** A process with topic `orders` and an event subscription to that URL; resolves with the topic's key too. */
async function startWithTopic(
  t: TestContext,
  to: string,
  { file, properties }: { readonly file?: object; readonly properties?: object } = {},
) {
  const cwd = await temporaryDirectory(t)
  if (file) writeFileSync(join(cwd, 'busbar.yaml'), JSON.stringify(file))
  const busbar = await startBusbar(t, cwd, flags)
  await call(busbar, 'PUT', group, { location: 'westus2' })
  await call(busbar, 'PUT', topicId, { location: 'westus2' })
  const destination = {
    endpointType: 'WebHook',
    properties: { endpointUrl: to, maxEventsPerBatch: 50 },
  }
  const eventSubscription = `${topicId}/providers/Microsoft.EventGrid/eventSubscriptions/es1`
  await call(busbar, 'PUT', eventSubscription, { properties: { destination, ...properties } })
  const { key1 } = await call(busbar, 'POST', `${topicId}/listKeys`)
  return { cwd, busbar, key: key1 as string, eventSubscription }
}

function publish(busbar: Busbar, key: string, ids: readonly string[]): Promise<Response> {
  const events = ids.map((id) => ({
    ...{ id, subject: '/orders', eventType: 'Order.Placed', eventTime: '2026-01-02T03:04:05Z' },
    data: { text: 'x'.repeat(500) },
  }))
  return fetch(busbar.http + publishPath, {
    method: 'POST',
    headers: { 'aeg-sas-key': key, 'content-type': 'application/json' },
    body: JSON.stringify(events),
  })
}

async function kill(busbar: Busbar): Promise<void> {
  busbar.kill('SIGKILL')
  assert.equal((await busbar.ended).signal, 'SIGKILL')
}

/** A webhook that agrees to the handshake and then goes away; `back` starts it again on the same port. */
async function startFlakyWebhook(t: TestContext) {
  const up = new AsyncDisposableStack()
  const { url, port } = await startRecordingWebhook({ after: (close) => up.defer(close) })
  return {
    url,
    goes: () => up.disposeAsync(),
    back: () => startRecordingWebhook(t, [200], { port }),
  }
}

const idsOf = (body: unknown) => (body as readonly { readonly id: string }[]).map(({ id }) => id)
const names = (prefix: string, count: number) => Array.from({ length: count }, (_, n) => `${prefix}-${n}`)

/** The journal's segments, oldest first. */
function segments(cwd: string): readonly string[] {
  const directory = join(cwd, '.busbar', 'store', 'journal')
  return readdirSync(directory)
    .filter((name) => name.endsWith('.journal'))
    .toSorted()
    .map((name) => join(directory, name))
}

test('events that wait for a webhook that is down outlive kill -9, twice, and arrive when it is back', async (t) => {
  const hook = await startFlakyWebhook(t)
  const { cwd, busbar, key } = await startWithTopic(t, hook.url)
  await hook.goes()
  const first = names('first', 100)
  assert.equal((await publish(busbar, key, first)).status, 200)
  await kill(busbar)

  const second = await startBusbar(t, cwd, flags)
  const later = names('second', 100)
  assert.equal((await publish(second, key, later)).status, 200)
  await kill(second)

  const webhook = await hook.back()
  await startBusbar(t, cwd, flags)
  const got = new Set<string>()
  await webhook.when(() => {
    for (const { body } of webhook.received) for (const id of idsOf(body)) got.add(id)
    return got.size === 200
  })
  assert.deepEqual([...got].toSorted(), [...first, ...later].toSorted())
})

test('every publish that was answered 200 is delivered, wherever kill -9 struck', async (t) => {
  const got = new Set<string>()
  const webhook = await startRecordingWebhook(t, ({ body }, response) => {
    for (const id of idsOf(body)) got.add(id)
    response.end()
  })
  const { cwd, busbar, key } = await startWithTopic(t, webhook.url)
  const acknowledged: string[] = []
  let running = busbar
  for (let round = 1; round <= 3; round++) {
    const current = running
    const goal = acknowledged.length + round * 40
    const publishers = names(`round-${round}`, 8).map(async (publisher) => {
      for (let n = 0; ; n++) {
        const id = `${publisher}-${n}`
        // The connection breaks when the process dies: nothing was promised of that event.
        const answer = await publish(current, key, [id]).catch(() => undefined)
        if (answer?.status !== 200) return
        acknowledged.push(id)
      }
    })
    await eventually(() => acknowledged.length >= goal)
    await kill(current)
    await Promise.all(publishers)
    running = await startBusbar(t, cwd, flags)
  }
  await webhook.when(() => acknowledged.every((id) => got.has(id)))
  assert.ok(acknowledged.length >= 240)
})

test('every event that is given up is dead-lettered, and replayed, wherever kill -9 struck', async (t) => {
  const { connectionString, container } = await startAzurite(t)
  const letters = container('letters')
  await letters.create()
  const account = `${group}/providers/Microsoft.Storage/storageAccounts/letters`
  let isMended = false
  const got = new Set<string>()
  const webhook = await startRecordingWebhook(t, ({ body }, response) => {
    if (isMended) for (const id of idsOf(body)) got.add(id)
    response.statusCode = isMended ? 200 : 400
    response.end()
  })
  const { cwd, busbar, key, eventSubscription } = await startWithTopic(t, webhook.url, {
    file: {
      connections: { [account]: { connectionString } },
      limits: { deadLetterDelayMs: 2_000 },
    },
    properties: {
      deadLetterDestination: {
        endpointType: 'StorageBlob',
        properties: { resourceId: account, blobContainerName: 'letters' },
      },
    },
  })
  const inContainer = async () => {
    const ids = new Set<string>()
    for await (const { name } of letters.listBlobsFlat())
      for (const id of idsOf(JSON.parse(String(await letters.getBlobClient(name).downloadToBuffer()))))
        ids.add(id)
    return ids
  }
  let running = busbar
  const all: string[] = []
  for (let round = 1; round <= 4; round++) {
    const before = webhook.received.length
    for (let n = 0; n < 10; n++) {
      const ids = names(`round-${round}-${n}`, 50)
      assert.equal((await publish(running, key, ids)).status, 200)
      all.push(...ids)
    }
    // Each time another part of them has been given up, and some of those are being written.
    await webhook.until(before + 2 * round)
    await kill(running)
    running = await startBusbar(t, cwd, flags)
  }
  await eventually(async () => (await inContainer()).size === all.length)

  isMended = true
  const replay = (server: Busbar) =>
    fetch(`${server.http}/deadletters/replay`, {
      method: 'POST',
      body: JSON.stringify({ eventSubscription }),
    })
  for (let round = 1; round <= 3; round++) {
    const ended = replay(running).catch(() => undefined)
    const wanted = got.size + 1
    await webhook.when(() => got.size >= wanted || got.size === all.length)
    await kill(running)
    await ended
    running = await startBusbar(t, cwd, flags)
  }
  assert.equal((await replay(running)).status, 200)
  await webhook.when(() => got.size === all.length)
  assert.equal((await inContainer()).size, 0)
})

test('resources that were acknowledged outlive kill -9, with their keys', async (t) => {
  const cwd = await temporaryDirectory(t)
  const busbar = await startBusbar(t, cwd, flags)
  await call(busbar, 'PUT', group, { location: 'westus2' })
  const keys = new Map<string, unknown>()
  const making = names('topic', 50).map(async (name) => {
    const id = `${group}/providers/Microsoft.EventGrid/topics/${name}`
    const made = await call(busbar, 'PUT', id, { location: 'westus2', tags: { name } }).catch(() => undefined)
    if (made) keys.set(id, undefined)
  })
  await eventually(() => keys.size >= 10)
  for (const id of keys.keys()) {
    keys.set(id, await call(busbar, 'POST', `${id}/listKeys`))
    if (keys.size > 20) break
  }
  await kill(busbar)
  await Promise.all(making)

  const next = await startBusbar(t, cwd, flags)
  for (const [id, known] of keys) {
    const { tags, properties } = await call(next, 'GET', id)
    assert.deepEqual(tags, { name: id.split('/').at(-1) })
    assert.equal((properties as { provisioningState: string }).provisioningState, 'Succeeded')
    if (known) assert.deepEqual(await call(next, 'POST', `${id}/listKeys`), known)
  }
})

test('a server that is stopped in the moment of a delivery still ends as it should, and delivers nothing again', async (t) => {
  const webhook = await startRecordingWebhook(t)
  const { cwd, busbar, key } = await startWithTopic(t, webhook.url)
  for (let round = 1, running = busbar; round <= 3; round++) {
    assert.equal((await publish(running, key, [`round-${round}`])).status, 200)
    await webhook.until(round)
    running.kill('SIGTERM')
    const { code, stderr } = await running.ended
    assert.equal(code, 0, stderr)
    assert.equal(stderr, '')
    running = await startBusbar(t, cwd, flags)
  }
  assert.deepEqual(
    webhook.received.map(({ body }) => idsOf(body)),
    [['round-1'], ['round-2'], ['round-3']],
  )
})

test('a publish under way when the server is told to stop is answered, and its connection ended', async (t) => {
  const webhook = await startRecordingWebhook(t)
  const { cwd, busbar, key } = await startWithTopic(t, webhook.url)
  const socket = connect(Number(new URL(busbar.http).port), '127.0.0.1')
  t.after(() => socket.destroy())
  const body = '[{"id":"1","subject":"s","eventType":"t","eventTime":"2026-01-02T03:04:05Z"}]'
  socket.write(
    `POST ${publishPath} HTTP/1.1\r\nHost: a\r\naeg-sas-key: ${key}\r\nExpect: 100-continue\r\n` +
      `Content-Length: ${body.length}\r\n\r\n`,
  )
  const [goOn] = (await once(socket, 'data')) as [Buffer]
  assert.match(goOn.toString(), /^HTTP\/1\.1 100 /)
  busbar.kill('SIGTERM')
  await eventually(async () => (await fetch(`${busbar.http}/healthz`).catch(() => undefined)) === undefined)
  const answer = text(socket)
  socket.write(body)
  assert.match(await answer, /^HTTP\/1\.1 200 .*\r\nConnection: close\r\n/s)
  assert.equal((await busbar.ended).code, 0)
  await startBusbar(t, cwd, flags)
  await webhook.until(1)
})

test('a stop does not wait for a webhook that never answers, and its event comes again as if never tried', async (t) => {
  let answers = false
  const webhook = await startRecordingWebhook(t, (_request, response) => {
    if (answers) response.end()
  })
  const { cwd, busbar, key } = await startWithTopic(t, webhook.url)
  assert.equal((await publish(busbar, key, ['1'])).status, 200)
  await webhook.until(1)
  busbar.kill('SIGTERM')
  const { code, stderr } = await busbar.ended
  assert.equal(code, 0, stderr)
  answers = true
  await startBusbar(t, cwd, flags)
  await webhook.until(2)
  const [first, second] = webhook.received
  assert.equal(second?.headers['aeg-delivery-count'], '0')
  assert.equal(second.headers['aeg-output-event-id'], first?.headers['aeg-output-event-id'])
})

test('a torn tail is cut and reported at start, and nothing that was acknowledged goes with it', async (t) => {
  const hook = await startFlakyWebhook(t)
  const { cwd, busbar, key } = await startWithTopic(t, hook.url)
  await hook.goes()
  const ids = names('event', 20)
  assert.equal((await publish(busbar, key, ids)).status, 200)
  await kill(busbar)
  // As much of a record as a power cut may leave of a write that nobody was answered for.
  const last = segments(cwd).at(-1) as string
  appendFileSync(last, Buffer.concat([Buffer.from('BUSR'), Buffer.alloc(37, 0xa5)]))

  const webhook = await hook.back()
  const next = await startBusbar(t, cwd, flags)
  const got = new Set<string>()
  await webhook.when(() => {
    for (const { body } of webhook.received) for (const id of idsOf(body)) got.add(id)
    return got.size === ids.length
  })
  next.kill('SIGTERM')
  const { code, stderr } = await next.ended
  assert.equal(code, 0)
  assert.match(stderr, /cut at the last whole record, position \d+/)
})

test('damage before the tail stops the start with its place, and what repair leaves is delivered', async (t) => {
  const hook = await startFlakyWebhook(t)
  const { cwd, busbar, key } = await startWithTopic(t, hook.url)
  await hook.goes()
  for (const id of ['before', 'damaged', 'after'])
    assert.equal((await publish(busbar, key, [id])).status, 200)
  await kill(busbar)
  const [segment = ''] = segments(cwd)
  const bytes = readFileSync(segment)
  const at = bytes.indexOf('"damaged"')
  assert.ok(at > 0)
  bytes[at + 1] = (bytes[at + 1] as number) ^ 1
  writeFileSync(segment, bytes)

  const refused = await runBusbar(t, ['start', '--http-port', '0', ...flags], { cwd }).ended
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /segment 0+\.journal at position \d+/)
  assert.deepEqual(readFileSync(segment), bytes)

  assert.notEqual((await runBusbar(t, ['store', 'check'], { cwd }).ended).code, 0)
  assert.equal((await runBusbar(t, ['store', 'repair'], { cwd }).ended).code, 0)
  assert.equal((await runBusbar(t, ['store', 'check'], { cwd }).ended).code, 0)
  const webhook = await hook.back()
  await startBusbar(t, cwd, flags)
  await webhook.when(() => {
    const got = webhook.received.flatMap(({ body }) => idsOf(body))
    return got.includes('before') && got.includes('after')
  })
})

test('a second process on the same data directory is refused and disturbs nothing', async (t) => {
  const webhook = await startRecordingWebhook(t)
  const { cwd, busbar, key } = await startWithTopic(t, webhook.url)
  const { code, stderr } = await runBusbar(t, ['start', '--http-port', '0', ...flags], { cwd }).ended
  assert.equal(code, 1)
  assert.match(stderr, new RegExp(`in use by another process \\(pid ${busbar.pid}\\)`))
  assert.equal((await publish(busbar, key, ['1'])).status, 200)
  await webhook.until(1)
})
