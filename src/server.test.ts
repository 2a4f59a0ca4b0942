import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createLog } from './base/log.ts'
import { readOptions, type SettingName } from './config.ts'
import { startServer } from './server.ts'
import { closeAfter } from './testing/close-after.ts'
import { ManualClock, turnOfTheLoop } from './testing/manual-clock.ts'
import { startRecordingWebhook } from './testing/recording-webhook.ts'
import { temporaryDirectory } from './testing/temporary-directory.ts'
import { startTestServer } from './testing/test-server.ts'

test('a start that fails gives back everything it took', async (t) => {
  const other = createServer().listen(0, '127.0.0.1')
  t.after(() => other.close())
  await once(other, 'listening')
  const httpsPort = String((other.address() as AddressInfo).port)
  const dataDir = await temporaryDirectory(t)

  await assert.rejects(start(t, dataDir, { httpsPort }), { name: 'OperatorError' })
  assert.equal(existsSync(join(dataDir, 'run.json')), false)
  const server = await start(t, dataDir)
  assert.equal((await fetch(`${server.http}/healthz`)).status, 200)
})

test('a listener that is off is neither open nor in what the server says of itself', async (t) => {
  const server = await start(t, await temporaryDirectory(t), { httpsPort: 'off' })
  assert.equal(server.https, undefined)
  assert.match(server.http ?? '', /^http:/)
})

test('a server on an IPv6 address is reached there', async (t) => {
  const server = await start(t, await temporaryDirectory(t), { host: '::1' })
  assert.match(server.http ?? '', /^http:\/\/\[::1\]:/)
  assert.equal((await fetch(`${server.http}/healthz`)).status, 200)
})

test('the metrics tell of the process and of the store', async (t) => {
  const server = await start(t, await temporaryDirectory(t))
  const text = await (await fetch(`${server.http}/metrics`)).text()
  for (const name of [
    'process_resident_memory_bytes',
    'nodejs_event_loop_delay_seconds',
    'busbar_queue_entries',
  ])
    assert.match(text, new RegExp(`^${name}(\\{[^}]*\\})? [0-9.e+-]+$`, 'm'))
})

test('an attempt under way when the server stops has more than four seconds to be answered', async (t) => {
  const clock = new ManualClock()
  const server = await startTestServer(t, { clock })
  let held: ServerResponse | undefined
  const hook = await startRecordingWebhook(t, (_request, response) => {
    if (held) response.end()
    else held = response
  })
  await server.subscribe({ to: hook.url })
  await server.publish({ id: '1' })
  await hook.until(1)
  // What is under way is never settled here.
  clock.settle = turnOfTheLoop

  const closed = server.close()
  for (let second = 1; second < 5; second++) {
    await turnOfTheLoop()
    await clock.advance(1_000)
  }
  held?.end()
  await closed
  await server.restart()
  await server.settle()
  assert.equal(hook.received.length, 1)
})

async function start(t: TestContext, dataDir: string, more: Partial<Record<SettingName, string>> = {}) {
  const flags = { dataDir, httpPort: '0', httpsPort: '0', ...more }
  const server = await startServer(await readOptions({ flags, cwd: dataDir }), { log: createLog('silent') })
  closeAfter(t, () => server.close())
  return server
}
