import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { temporaryDirectory } from '../src/testing/temporary-directory.ts'
import { type BusbarProcess, runBusbar, startBusbar } from './busbar-process.ts'

/* `busbar mqtt`: each command in a process of its own, beside a server for clients without credentials. */

async function start(t: TestContext) {
  const cwd = await temporaryDirectory(t)
  const server = await startBusbar(t, cwd, ['--mqtt-port', '0', '--mqtts-port', '0', '--mqtt-anonymous'])
  const run = (...words: readonly string[]): BusbarProcess => {
    const child = runBusbar(t, ['mqtt', ...words], { cwd })
    return child
  }
  const ok = async (...words: readonly string[]): Promise<string> => {
    const child = run(...words)
    child.write('')
    const { code, stdout, stderr } = await child.ended
    assert.equal(code, 0, `${words.join(' ')}: ${stderr}`)
    return stdout
  }
  const url = (scheme: string) => new RegExp(`  ${scheme} (\\S+)`).exec(server.line)?.[1] ?? ''
  return { cwd, run, ok, url, http: server.http }
}

test('what pub publishes sub prints, with its properties, over TCP, TLS and WebSocket', async (t) => {
  const { run, ok, url, http } = await start(t)
  const brokers = [[], ['--broker', url('mqtts')], ['--broker', `${http.replace('http', 'ws')}/mqtt`]]
  for (const broker of brokers) {
    const sub = run('sub', 'devices/+', '--qos', '2', '--count', '1', '--json', ...broker)
    await sub.told(/subscribed to devices\/\+/)
    const properties = ['--content-type', 'text/plain', '--user-property', 'a=1', '--user-property', 'a=2']
    await ok('pub', 'devices/1', '21 °C', '--qos', '2', ...properties, ...broker)
    const { code, stdout, stderr } = await sub.ended
    assert.equal(code, 0, stderr)
    assert.deepEqual(JSON.parse(stdout), {
      ...{ topicName: 'devices/1', qos: 2, retain: false, dup: false, payload: '21 °C' },
      ...{
        contentType: 'text/plain',
        userProperties: [
          ['a', '1'],
          ['a', '2'],
        ],
      },
    })
  }
})

test('pub publishes each line of stdin as a message, in order, in MQTT 3.1.1 too', async (t) => {
  const { run } = await start(t)
  for (const version of ['5', '3.1.1']) {
    const sub = run('sub', 'lines', '--count', '1000', '--mqtt-version', version, '--qos', '1')
    await sub.told(/subscribed/)
    const pub = run('pub', 'lines', '--qos', '1', '--mqtt-version', version)
    const lines = Array.from({ length: 1000 }, (_, index) => `line ${index}`)
    pub.write(`${lines.join('\n')}\n`)
    assert.equal((await pub.ended).code, 0)
    const { stdout } = await sub.ended
    assert.deepEqual(
      stdout.trimEnd().split('\n'),
      lines.map((line) => `lines  ${line}`),
    )
  }
})

test('an operator sees clients and sessions, disconnects one, and deletes a retained message', async (t) => {
  const { run, ok } = await start(t)
  const sub = run('sub', 'news/#', '--id', 'reader')
  await sub.told(/subscribed/)
  assert.match(await ok('clients'), /^reader +\S+ +MQTT5 +127\.0\.0\.1 /m)
  assert.match(await ok('sessions'), /^reader +\S+ +yes +no /m)
  assert.match(await ok('sessions', 'reader'), /^news\/# +0$/m)
  assert.equal(JSON.parse(await ok('clients', '--json'))[0].name, 'reader')

  await ok('pub', 'news/today', 'fine', '--retain')
  assert.match(await ok('retained', '--filter', 'news/+'), /^news\/today +0 +4 /m)
  assert.equal(await ok('retained', '--delete', 'news/today'), 'deleted what was retained for news/today\n')
  assert.equal((await ok('retained')).trimEnd().split('\n').length, 1)

  assert.equal(await ok('disconnect', 'reader'), 'disconnected reader\n')
  const { code, stderr } = await sub.ended
  assert.equal(code, 1)
  assert.match(stderr, /An administrator has disconnected the client/)
  assert.match(await ok('trace', 'reader'), /disconnected +ServerInitiatedDisconnect/)
  const again = await run('disconnect', 'reader').ended
  assert.equal(again.code, 1)
  assert.match(again.stderr, /There is no session 'reader'/)
})

test('bench tells what was sent and received, and misses nothing', async (t) => {
  const { ok } = await start(t)
  const line = [
    '--publishers',
    '2',
    '--subscribers',
    '3',
    '--seconds',
    '1',
    '--qos',
    '1',
    '--rate',
    '200',
    '--json',
  ]
  const result = JSON.parse(await ok('bench', ...line))
  assert.ok(result.sent > 100, JSON.stringify(result))
  assert.deepEqual([result.received, result.missing], [result.sent * 3, 0])
  assert.ok(result.latencyP50Ms > 0)
})

test('a command says what is wrong with its options, and that the broker refuses or is not there', async (t) => {
  const { run } = await start(t)
  const wrong: readonly [line: readonly string[], code: number, says: RegExp][] = [
    [['pub', 'a', 'x', '--content-type', 't', '--mqtt-version', '3.1.1'], 2, /Properties need MQTT 5/],
    [['pub', 'a', 'x', '--file', 'y'], 2, /given twice/],
    [['pub', 'a', 'x', '--broker', 'http://127.0.0.1/'], 2, /--broker must be/],
    [['pub', 'a', 'x', '--cert', 'c'], 2, /go together/],
    [['pub', 'a', 'x', '--broker', 'mqtt://127.0.0.1:9'], 1, /cannot be reached/],
    [['sub', 'a/#/b'], 1, /refused the filter 'a\/#\/b'/],
    [['sub', 'a', '--qos', '3'], 2, /from 0 to 2/],
    [['sub', 'a', '--authentication-method', 'SECRET'], 1, /refused the client/],
  ]
  for (const [line, expected, says] of wrong) {
    const { code, stderr } = await run(...line).ended
    assert.equal(code, expected, `${line.join(' ')}: ${stderr}`)
    assert.match(stderr, says)
  }
})
