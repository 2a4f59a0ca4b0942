import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { closeAfter } from '../src/testing/close-after.ts'
import { temporaryDirectory } from '../src/testing/temporary-directory.ts'
import { runBusbar, startBusbar } from './busbar-process.ts'

/*
 * paho-mqtt, the MQTT client that programs in Python use: as a device of an IoT hub, with a shared access signature as
 * its password, and as a client of a namespace. Debian's package belongs to Debian's own interpreter.
 */

const python = '/usr/bin/python3'
const script = fileURLToPath(new URL('paho-client.py', import.meta.url))

const isThere = (() => {
  try {
    execFileSync(python, ['-c', 'import paho.mqtt.client'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
})()
const skip = !isThere && !process.env.CI && 'paho-mqtt is not installed: apt-get install -y python3-paho-mqtt'
const options = { skip }

async function start(t: TestContext) {
  const cwd = await temporaryDirectory(t)
  const ports = ['--mqtt-port', '0', '--mqtts-port', '0', '--mqtt-anonymous']
  await startBusbar(t, cwd, ports)
  const ok = async (...words: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await runBusbar(t, words, { cwd }).ended
    assert.equal(code, 0, `${words.join(' ')}: ${stderr}`)
    return stdout.trimEnd()
  }
  const ca = join(cwd, '.busbar', 'certificates', 'ca.pem')
  return { cwd, ok, ca }
}

/** The script; `printed` resolves when it has said so, `ended` with all that it has said. */
function paho(t: TestContext, ...args: readonly string[]) {
  const child = spawn(python, [script, ...args])
  let said = ''
  const { promise: listens, resolve } = Promise.withResolvers<void>()
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text
      if (said.includes('listens\n')) resolve()
    })
  const ended = once(child, 'close').then(([code]) => {
    assert.equal(code, 0, said)
    return said
  })
  closeAfter(t, async () => {
    child.kill('SIGKILL')
    await ended.catch(() => {})
  })
  return { ended, listens: Promise.race([listens, ended]) }
}

test('paho-mqtt is a device of a hub: it sends, reads its twin and answers a method', options, async (t) => {
  const { cwd, ok, ca } = await start(t)
  await ok('hub', 'create', 'contoso')
  await ok('device', 'create', 'dev1')
  await ok('device', 'twin', 'update', 'dev1', '--desired', '{"interval":60}')
  const monitor = runBusbar(t, ['hub', 'monitor-events', '--count', '1'], { cwd })
  await monitor.told(/following contoso/)
  const device = paho(t, 'device', await ok('device', 'connection-string', 'dev1'), ca)
  await device.listens
  const answer = await ok('device', 'invoke', 'dev1', 'reboot', '--payload', '{"delay":5}')
  assert.equal(answer, 'status   200\npayload  {"got":{"delay":5}}')
  assert.equal(await device.ended, 'connected 0\ntwin $iothub/twin/res/200/?$rid=1 60\nlistens\n')
  const { stdout } = await monitor.ended
  assert.match(stdout, /telemetry {2}dev1 {2}\{"temperature":21\.5\} {2}room=7\n$/)
})

test(
  'paho-mqtt is a client of a namespace, in MQTT 5 with properties, over TCP, TLS and WebSockets',
  options,
  async (t) => {
    const { ca, cwd } = await start(t)
    const run = JSON.parse(await readFile(join(cwd, '.busbar', 'run.json'), 'utf8')) as Record<string, string>
    for (const [listener, ...words] of [
      ['mqtt', 'tcp'],
      ['mqtts', 'tcp', ca],
      ['http', 'websockets'],
      ['https', 'websockets', ca],
    ] as const) {
      const [transport, ...trust] = words
      const { port } = new URL(run[listener] ?? '')
      const { ended } = paho(t, 'namespace', transport, 'localhost', port, ...trust)
      assert.equal(await ended, "connected Success\nmessage rooms/7 21.5 [('room', '7')]\n", listener)
    }
  },
)
