import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { createPrivateKey } from 'node:crypto'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { SignJWT } from 'jose'
import { issueTestCertificate } from '../src/testing/client-certificates.ts'
import { closeAfter } from '../src/testing/close-after.ts'
import { createTestNamespace } from '../src/testing/mqtt-namespace.ts'
import { temporaryDirectory } from '../src/testing/temporary-directory.ts'
import { startTestServer } from '../src/testing/test-server.ts'
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

/** Who it says it is, and how it proves it. */
interface Proof {
  readonly user?: string
  /** Files of the certificate and its key. */
  readonly certificate?: readonly [string, string]
  readonly method?: string
  readonly token?: string
}

/** A client of a namespace that subscribes, publishes at QoS 2 and gets what it has published. */
async function talks(
  t: TestContext,
  url: string,
  ca: string,
  topic: string,
  proof: Proof = {},
): Promise<void> {
  const { protocol, port } = new URL(url)
  const told = {
    ...{ topic, ...proof, transport: protocol.startsWith('http') ? 'websockets' : 'tcp' },
    ...(/^(mqtts|https):$/.test(protocol) && { ca }),
  }
  const said = await paho(t, 'namespace', 'localhost', port, JSON.stringify(told)).ended
  assert.equal(said, `connected Success\nmessage ${topic} 21.5 [('room', '7')]\n`, url)
}

test('paho-mqtt is a client of a namespace, over TCP, TLS and WebSockets', options, async (t) => {
  const { ca, cwd } = await start(t)
  const run = JSON.parse(await readFile(join(cwd, '.busbar', 'run.json'), 'utf8')) as Record<string, string>
  for (const listener of ['mqtt', 'mqtts', 'http', 'https'])
    await talks(t, run[listener] ?? '', ca, 'rooms/7')
})

test('paho-mqtt proves itself to a namespace by certificates and by tokens', options, async (t) => {
  const server = await startTestServer(t)
  const namespace = await createTestNamespace(server)
  const directory = await temporaryDirectory(t)
  const file = async (name: string, text: string) => {
    await writeFile(join(directory, name), text)
    return join(directory, name)
  }
  const ca = await file('ca.pem', server.ca)
  await namespace.allow([`machines/\${client.authenticationName}/#`])
  const { cert, key } = await namespace.register('robot')
  const certificate = [await file('robot.pem', cert), await file('robot.key', key)] as const
  for (const url of [server.mqtts, server.https])
    await talks(t, url, ca, 'machines/robot/x', { user: 'robot', certificate })

  const issuer = await issueTestCertificate({ subject: 'CN=issuer', rsa: true })
  const iss = 'https://issuer.example.org/'
  const encodedIssuerCertificates = [{ kid: 'one', encodedCertificate: issuer.cert }]
  await namespace.configure({
    clientAuthentication: {
      customJwtAuthentication: { tokenIssuer: iss, encodedIssuerCertificates },
    },
  })
  await namespace.put('clientGroups/north', { query: 'attributes.area = "north"' })
  await namespace.allow([`machines/\${client.authenticationName}/#`], 'north')
  const aud = 'machines.westus2-1.ts.eventgrid.azure.net'
  const token = await new SignJWT({ iss, aud, sub: 'vehicle', area: 'north' })
    .setProtectedHeader({ alg: 'RS256', kid: 'one', typ: 'JWT' })
    .setNotBefore('0s')
    .setExpirationTime('10m')
    .sign(createPrivateKey(issuer.key))
  for (const url of [server.mqtts, server.https])
    await talks(t, url, ca, 'machines/vehicle/x', { method: 'CUSTOM-JWT', token })
})
