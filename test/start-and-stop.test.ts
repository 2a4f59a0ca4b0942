import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { type IncomingMessage } from 'node:http'
import { get } from 'node:https'
import { type AddressInfo, connect, createServer } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { temporaryDirectory } from '../src/testing/temporary-directory.ts'
import { runBusbar, startBusbar } from './busbar-process.ts'

test('a started server says so in one line, is healthy over HTTP and HTTPS, and tells its ports in run.json', async (t) => {
  const cwd = await temporaryDirectory(t)
  const { line, http, https, pid } = await startBusbar(t, cwd)
  const said =
    /^busbar \d+\.\d+\.\d+ ready {2}http http:\S+:\d+ {2}https https:\S+:\d+ {2}mqtt (mqtt:\S+:\d+) {2}mqtts (mqtts:\S+:\d+) {2}amqps (amqps:\S+:\d+) {2}data \.busbar$/.exec(
      line,
    )
  assert.ok(said, line)
  const [, mqtt, mqtts, amqps] = said

  const run: unknown = JSON.parse(readFileSync(join(cwd, '.busbar', 'run.json'), 'utf8'))
  const caFile = join(cwd, '.busbar', 'certificates', 'ca.pem')
  assert.deepEqual(run, { pid, http, https, mqtt, mqtts, amqps, caFile })

  assert.equal((await fetch(`${http}/healthz`)).status, 200)
  const [response] = (await once(get(`${https}/healthz`, { ca: readFileSync(caFile) }), 'response')) as [
    IncomingMessage,
  ]
  assert.equal(response.statusCode, 200)
  assert.equal(await text(response), 'ready\n')
  assert.equal(await (await fetch(`${http}/ca.pem`)).text(), readFileSync(caFile, 'utf8'))
  assert.match(await (await fetch(`${http}/metrics`)).text(), /^busbar_build_info\{version="/m)
  assert.match(await (await fetch(http)).text(), /<h1>Busbar<\/h1>/)
})

for (const signal of ['SIGINT', 'SIGTERM'] as const)
  test(`${signal} stops the server with exit code 0 and leaves no run.json`, async (t) => {
    const cwd = await temporaryDirectory(t)
    const busbar = await startBusbar(t, cwd)
    busbar.kill(signal)
    const { code, stdout } = await busbar.ended
    assert.equal(code, 0)
    assert.equal(stdout, `${busbar.line}\n`)
    assert.equal(existsSync(join(cwd, '.busbar', 'run.json')), false)
  })

test('a second signal ends a stop that waits for a request under way', async (t) => {
  const cwd = await temporaryDirectory(t)
  const busbar = await startBusbar(t, cwd)
  const { port } = new URL(busbar.http)
  const socket = connect(Number(port), '127.0.0.1').on('error', () => {})
  t.after(() => socket.destroy())
  // One request is answered, so that the connection is known to be accepted; the next one stays half sent.
  socket.write('GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /healthz HTTP/1.1\r\nHost:')
  await once(socket, 'data')
  busbar.kill('SIGTERM')
  await refusesConnections(Number(port))
  busbar.kill('SIGTERM')
  const { code } = await busbar.ended
  assert.equal(code, 128 + 15)
})

test('a Ctrl-C that npm passes on a second time is still one Ctrl-C', async (t) => {
  const cwd = await temporaryDirectory(t)
  const busbar = await startBusbar(t, cwd)
  busbar.kill('SIGINT')
  busbar.kill('SIGINT')
  assert.equal((await busbar.ended).code, 0)
})

test('a request under way when the signal comes is still answered', async (t) => {
  const cwd = await temporaryDirectory(t)
  const busbar = await startBusbar(t, cwd)
  const { port } = new URL(busbar.http)
  const socket = connect(Number(port), '127.0.0.1')
  t.after(() => socket.destroy())
  socket.write('GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /healthz HTTP/1.1\r\nHost:')
  await once(socket, 'data')
  busbar.kill('SIGTERM')
  await refusesConnections(Number(port))
  const rest = text(socket)
  socket.write(' a\r\n\r\n')
  assert.match(await rest, /^HTTP\/1\.1 503 .*\r\nConnection: close\r\n.*stopping\n$/s)
  assert.equal((await busbar.ended).code, 0)
})

test('a server that was killed is started again at once', async (t) => {
  const cwd = await temporaryDirectory(t)
  const first = await startBusbar(t, cwd)
  first.kill('SIGKILL')
  await first.ended
  const second = await startBusbar(t, cwd)
  assert.equal((await fetch(`${second.http}/healthz`)).status, 200)
})

test('a data directory serves one process, and the other is told which one has it', async (t) => {
  const cwd = await temporaryDirectory(t)
  const first = await startBusbar(t, cwd)
  const second = runBusbar(t, ['start', '--http-port', '0', '--https-port', '0'], { cwd })
  const { code, stderr } = await second.ended
  assert.equal(code, 1)
  assert.match(
    stderr,
    new RegExp(`^busbar: The data directory .* is in use by another process \\(pid ${first.pid}\\)`),
  )
  assert.equal((await fetch(`${first.http}/healthz`)).status, 200)
})

test('a data directory of a newer format is refused', async (t) => {
  const cwd = await temporaryDirectory(t)
  writeFileSync(join(cwd, 'format.json'), '{"format":99}')
  const { code, stderr } = await runBusbar(t, ['start', '--data-dir', '.'], { cwd }).ended
  assert.equal(code, 1)
  assert.match(stderr, /has format 99, and this version knows up to 1/)
})

test('a data directory that cannot be made is refused in one line', async (t) => {
  const cwd = await temporaryDirectory(t)
  writeFileSync(join(cwd, 'file'), '')
  const { code, stderr } = await runBusbar(t, ['start', '--data-dir', 'file/data'], { cwd }).ended
  assert.equal(code, 1)
  assert.match(stderr, /^busbar: The data directory \S+ cannot be used: ENOTDIR.*\n$/)
})

test('a port that is taken is named together with its flag', async (t) => {
  const cwd = await temporaryDirectory(t)
  const other = createServer().listen(0, '127.0.0.1')
  t.after(() => other.close())
  await once(other, 'listening')
  const port = String((other.address() as AddressInfo).port)
  const busbar = runBusbar(t, ['start', '--http-port', '0', '--https-port', port, '--log-level', 'error'], {
    cwd,
  })
  const { code, stdout, stderr } = await busbar.ended
  assert.equal(code, 1)
  assert.equal(stdout, '')
  assert.equal(
    stderr,
    `busbar: port ${port} on 127.0.0.1 is already in use: choose another with --https-port, 0 for any free port, or off.\n`,
  )
})

test('what is wrong with the settings is one line on stderr and exit code 1, with the command line itself 2', async (t) => {
  const cwd = await temporaryDirectory(t)
  writeFileSync(join(cwd, 'bad.yaml'), 'limits: {requestByte: 1}')
  const cases: readonly (readonly [readonly string[], RegExp, number?])[] = [
    [
      ['start', '--htpp-port', '1'],
      /^busbar: unknown option '--htpp-port' \(Did you mean --http-port\?\)\n$/,
      2,
    ],
    [['strat'], /^busbar: unknown command 'strat' \(Did you mean start\?\)\n$/, 2],
    [['start', 'now'], /^busbar: too many arguments.*\n$/, 2],
    [['start', '--host', '0.0.0.0'], /^busbar: --host 0\.0\.0\.0 can be reached.*no 'auth' section.*\n$/],
    [['start', '--config', 'bad.yaml'], /bad\.yaml: unknown key 'limits\.requestByte'.*'requestBytes'\?\n$/],
    [
      ['start', '--mqtt-port', '1', '--mqtts-port', '1'],
      /^busbar: --mqtt-port and --mqtts-port are both 1.*\n$/,
    ],
    [['trace', 'an-event'], /^busbar: No server runs on .*\n$/],
    [['store', 'check'], /^busbar: There is no store in .*\n$/],
    [['trust'], /^busbar: There is no .*ca\.pem yet.*\n$/],
  ]
  await Promise.all(
    cases.map(async ([args, message, expected = 1]) => {
      const { code, stderr } = await runBusbar(t, args, { cwd }).ended
      assert.match(stderr, message)
      assert.equal(code, expected)
    }),
  )
  const { stderr } = await runBusbar(t, ['start'], { cwd, env: { BUSBAR_HOTS: '::1' } }).ended
  assert.match(stderr, /^busbar: Unknown environment variable BUSBAR_HOTS\. Did you mean 'BUSBAR_HOST'\?\n$/)
})

test('the version and the help of every command are there', async (t) => {
  const cwd = await temporaryDirectory(t)
  assert.match((await runBusbar(t, ['--version'], { cwd }).ended).stdout, /^\d+\.\d+\.\d+\n$/)
  const help = (await runBusbar(t, ['--help'], { cwd }).ended).stdout
  for (const command of ['start', 'trust', 'trace', 'store']) {
    assert.match(help, new RegExp(`^  ${command} `, 'm'))
    const own = await runBusbar(t, [command, '--help'], { cwd }).ended
    assert.equal(own.code, 0)
    assert.match(own.stdout, /--data-dir <DIR>/)
  }
})

test('trust prints a line per client with the path of the authority', async (t) => {
  const cwd = await temporaryDirectory(t)
  await startBusbar(t, cwd)
  const { stdout } = await runBusbar(t, ['trust'], { cwd }).ended
  const caFile = join(cwd, '.busbar', 'certificates', 'ca.pem')
  assert.match(stdout, new RegExp(`NODE_EXTRA_CA_CERTS=${caFile}$`, 'm'))
  assert.match(stdout, new RegExp(`REQUESTS_CA_BUNDLE=${caFile}$`, 'm'))
})

test('trace asks the running server, over HTTPS too, and says when nothing is known', async (t) => {
  const cwd = await temporaryDirectory(t)
  const { https } = await startBusbar(t, cwd)
  for (const more of [[], ['--url', https]]) {
    const { code, stderr } = await runBusbar(t, ['trace', 'an event', ...more], { cwd }).ended
    assert.equal(code, 1)
    assert.match(stderr, /^busbar: Nothing is known of an event 'an event'.* \(404 EventNotFound\)\n$/)
  }
})

test('the store of a running server is not inspected', async (t) => {
  const cwd = await temporaryDirectory(t)
  await startBusbar(t, cwd)
  const { code, stderr } = await runBusbar(t, ['store', 'check'], { cwd }).ended
  assert.equal(code, 1)
  assert.match(stderr, /is in use by another process/)
})

test('the store of a server that was killed is whole', async (t) => {
  const cwd = await temporaryDirectory(t)
  const busbar = await startBusbar(t, cwd)
  busbar.kill('SIGKILL')
  await busbar.ended
  for (const what of ['check', 'stat', 'repair'])
    assert.equal((await runBusbar(t, ['store', what], { cwd }).ended).code, 0)
})

/** Resolves once nobody accepts connections on the port any more. */
async function refusesConnections(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, '127.0.0.1')
    const refused = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(false))
      socket.once('error', () => resolve(true))
    })
    socket.destroy()
    if (refused) return
  }
}
