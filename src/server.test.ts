import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createLog } from './base/log.ts'
import { readOptions, type SettingName } from './config.ts'
import { startServer } from './server.ts'
import { closeAfter } from './testing/close-after.ts'
import { temporaryDirectory } from './testing/temporary-directory.ts'

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

async function start(t: TestContext, dataDir: string, more: Partial<Record<SettingName, string>> = {}) {
  const flags = { dataDir, httpPort: '0', httpsPort: '0', ...more }
  const server = await startServer(await readOptions({ flags, cwd: dataDir }), { log: createLog('silent') })
  closeAfter(t, () => server.close())
  return server
}
