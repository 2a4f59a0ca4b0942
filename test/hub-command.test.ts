import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import device from 'azure-iot-device'
import deviceMqtt from 'azure-iot-device-mqtt'
import { issueTestCertificate, x509Of } from '../src/testing/client-certificates.ts'
import { closeAfter } from '../src/testing/close-after.ts'
import { freePorts } from '../src/testing/free-port.ts'
import { temporaryDirectory } from '../src/testing/temporary-directory.ts'
import { eventually } from '../src/testing/test-server.ts'
import { type BusbarProcess, runBusbar, startBusbar } from './busbar-process.ts'

/* `busbar hub` and `busbar device`: each command in a process of its own, and devices by the official client. */

async function start(t: TestContext) {
  const cwd = await temporaryDirectory(t)
  const server = await startBusbar(t, cwd, ['--mqtt-port', '0', '--mqtts-port', '0'])
  const run = (...words: readonly string[]): BusbarProcess => runBusbar(t, words, { cwd })
  const ok = async (line: string, ...words: readonly string[]): Promise<string> => {
    const child = run(...line.split(' '), ...words)
    child.write('')
    const { code, stdout, stderr } = await child.ended
    assert.equal(code, 0, `${line}: ${stderr}`)
    return stdout
  }
  const refused = async (expected: number, says: RegExp, line: string, ...words: readonly string[]) => {
    const child = run(...line.split(' '), ...words)
    child.write('')
    const { code, stderr } = await child.ended
    assert.equal(code, expected, `${line}: ${stderr}`)
    assert.match(stderr, says)
  }
  /** The official client, with what the command printed and the authority alone. */
  const open = async (connectionString: string, options: device.DeviceClientOptions = {}) => {
    const client = device.Client.fromConnectionString(connectionString, deviceMqtt.Mqtt)
    client.setRetryPolicy({ shouldRetry: () => false, nextRetryTimeout: () => 0 })
    closeAfter(t, () => client.close().catch(() => {}))
    const ca = readFileSync(join(cwd, '.busbar', 'certificates', 'ca.pem'), 'utf8')
    await client.setOptions({ ca, ...options })
    await client.open()
    return client
  }
  return { cwd, server, run, ok, refused, open }
}

test('a hub is made, listed, shown and deleted, and a command takes the only one there is', async (t) => {
  const { ok, refused } = await start(t)
  await refused(1, /There is no IoT hub: "busbar hub create NAME" makes one\./, 'device list')
  assert.match(await ok('hub create contoso --tags team=x'), /^host +contoso\.azure-devices\.net$/m)
  await refused(
    1,
    /There is an IoT hub 'contoso' already, in the resource group 'default'/,
    'hub create Contoso',
  )
  assert.match(
    await ok('hub list'),
    /^contoso +default +westus2 +S1 +Succeeded +contoso\.azure-devices\.net$/m,
  )
  await ok('device create dev1')
  assert.match(await ok('hub show'), /^devices +1\nconnected +0$/m)
  assert.match(
    await ok('hub connection-string'),
    /^HostName=contoso\.azure-devices\.net;SharedAccessKeyName=iothubowner;SharedAccessKey=\S{43}=\n$/,
  )
  assert.match(await ok('hub connection-string contoso --policy SERVICE'), /;SharedAccessKeyName=service;/)
  await refused(2, /has no policy 'x': it has iothubowner, service,/, 'hub connection-string --policy x')

  await ok('hub create fabrikam --sku F1 --partition-count 2')
  await refused(2, /several IoT hubs, say which with --hub: contoso, fabrikam\./, 'device list')
  await refused(2, /several IoT hubs, name one of them: contoso, fabrikam\./, 'hub monitor-events')
  assert.match(await ok('device list --hub contoso'), /^dev1 +enabled +Disconnected +sas +no +never$/m)
  await refused(1, /There is no IoT hub 'none': there are contoso, fabrikam\./, 'device list --hub none')
  const { properties, sku } = JSON.parse(await ok('hub show fabrikam --json'))
  assert.deepEqual([properties.eventHubEndpoints.events.partitionCount, sku.name], [2, 'F1'])
  assert.equal(await ok('hub delete fabrikam'), 'deleted hub fabrikam\n')
})

test('a device comes here with the connection string that is printed, and answers a method', async (t) => {
  const { ok, run, refused, open } = await start(t)
  await ok('hub create contoso')
  await refused(1, /There is no device 'dev1': "busbar device list" shows/, 'device connection-string dev1')
  await ok('device create dev1')
  await refused(1, /DeviceAlreadyExists/, 'device create dev1')
  await refused(1, /the device is not connected/, 'device invoke dev1 reboot')
  const printed = (await ok('device connection-string dev1')).trimEnd()
  assert.match(
    printed,
    /^HostName=contoso\.azure-devices\.net;DeviceId=dev1;SharedAccessKey=.*;GatewayHostName=localhost:\d+$/,
  )
  const client = await open(printed)
  assert.match(await ok('device list'), /^dev1 +enabled +Connected /m)
  client.onDeviceMethod('reboot', (request, response) => {
    void response.send(202, { got: request.payload })
  })
  // The client subscribes behind the call above.
  await eventually(async () => {
    const { code } = await run('device', 'invoke', 'dev1', 'reboot', '--connect-timeout', '10').ended
    return code === 0
  })
  assert.deepEqual(JSON.parse(await ok('device invoke dev1 reboot --json --payload {"delay":5}')), {
    status: 202,
    payload: { got: { delay: 5 } },
  })
  assert.match(await ok('device invoke reboot -n dev1'), /^status +202\npayload +\{"got":null\}\n$/)
  await refused(2, /--payload must be JSON: got 'x'/, 'device invoke dev1 reboot --payload x')
  assert.match(await ok('device connection-string dev1 --no-gateway'), /;SharedAccessKey=[^;]*\n$/)
  assert.match(
    await ok('device connection-string dev1 --gateway busbar.test'),
    /;GatewayHostName=busbar\.test\n$/,
  )
  assert.match(await ok('device connection-string dev1 --gateway busbar.test:8883'), /=busbar\.test\n$/)
  await client.close()
  assert.equal(await ok('device delete dev1'), 'deleted device dev1\n')
})

test('a device with a certificate comes here with the connection string that is printed', async (t) => {
  const { ok, refused, open } = await start(t)
  await ok('hub create contoso')
  const certificate = await issueTestCertificate({ subject: 'CN=anything' })
  await ok('device create x509 --thumbprint', x509Of(certificate).fingerprint256)
  const printed = (await ok('device connection-string x509')).trimEnd()
  assert.match(printed, /^HostName=localhost:\d+;DeviceId=x509;x509=true$/)
  await open(printed, certificate)
  assert.match(await ok('device list'), /^x509 +enabled +Connected +selfSigned /m)
  await refused(1, /'x509' proves itself by 'selfSigned'/, 'device send x509 hello')
  await refused(2, /exclude each other/, 'device create x --thumbprint a --keys b')
})

test('a device has the keys, the state and the edge that it is made with', async (t) => {
  const { ok } = await start(t)
  await ok('hub create contoso')
  const [one, two] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)].map((key) => key.toString('base64'))
  await ok('device create dev1 --edge --disabled --keys', String(one), String(two))
  const shown = JSON.parse(await ok('device show dev1 --json'))
  assert.deepEqual(shown.authentication.symmetricKey, { primaryKey: one, secondaryKey: two })
  assert.deepEqual([shown.status, shown.capabilities.iotEdge], ['disabled', true])
  assert.match(
    await ok('device connection-string dev1 --key-type secondary'),
    new RegExp(`SharedAccessKey=${two};`),
  )
})

test('a twin is shown and changed, and a query finds it', async (t) => {
  const { ok, refused } = await start(t)
  await ok('hub create contoso')
  for (const n of [1, 2, 3]) await ok(`device create dev${n}`)
  await ok('device twin update dev1 --tags {"site":"north"} --desired {"interval":60,"old":1}')
  const changed = JSON.parse(await ok('device twin update dev1 --desired {"old":null}'))
  assert.deepEqual([changed.tags, changed.properties.desired.interval], [{ site: 'north' }, 60])
  assert.equal(changed.properties.desired.old, undefined)
  assert.deepEqual(JSON.parse(await ok('device twin dev1')), JSON.parse(await ok('device twin show dev1')))
  await refused(1, /412/, 'device twin update dev1 --etag AAAAAAAAAAA= --tags {}')
  const replaced = JSON.parse(
    await ok('device twin update dev1 --replace --tags {"site":"south"} --desired {}'),
  )
  assert.deepEqual([replaced.tags, replaced.properties.desired.interval], [{ site: 'south' }, undefined])
  await refused(2, /Say what to change/, 'device twin update dev1')
  await refused(2, /--tags must be a JSON object: got '\[\]'/, 'device twin update dev1 --tags []')

  const query = `SELECT deviceId FROM devices WHERE tags.site = 'south'`
  assert.equal(await ok('device query', query), '{"deviceId":"dev1"}\n')
  assert.deepEqual(JSON.parse(await ok('device query --json', query)), [{ deviceId: 'dev1' }])
  assert.equal((await ok('device query --top 2', 'SELECT * FROM devices')).trimEnd().split('\n').length, 2)
  await refused(1, /400/, 'device query', 'SELECT')
})

/** Of lines on stdout: without the time of day. */
const withoutTimes = (stdout: string) =>
  stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.replace(/^\d\d:\d\d:\d\d\.\d{3} {2}/, ''))

test('monitor-events shows what devices send, and makes nothing for it', async (t) => {
  const { ok, run, server } = await start(t)
  await ok('hub create contoso')
  await ok('device create dev1')
  await ok('device create dev2')
  await ok('device send dev1 before')
  const all = run('hub', 'monitor-events', '--count', '2')
  await all.told(/following contoso/)
  const one = run('hub', 'monitor-events', 'contoso', '--device', 'dev2', '--json', '--count', '1')
  await one.told(/following contoso/)
  assert.deepEqual(await systemTopics(server.http), [])
  const json = ['--content-type', 'application/json', '--property', 'room=é 7']
  await ok('device send dev1', '{"temperature":21.5}', ...json)
  const sender = run('device', 'send', 'dev2', '--protocol', 'mqtt', ...json.slice(2))
  sender.write('from stdin')
  assert.match((await sender.ended).stdout, /^10 bytes of dev2 accepted over mqtt\n$/)
  const { code, stdout, stderr } = await all.ended
  assert.equal(code, 0, stderr)
  assert.deepEqual(withoutTimes(stdout), [
    'telemetry  dev1  {"temperature":21.5}  room=é 7',
    'telemetry  dev2  from stdin  room=é 7',
  ])
  const told = await one.ended
  assert.equal(told.code, 0, told.stderr)
  const { sequenceNumber, properties, body, systemProperties } = JSON.parse(told.stdout)
  assert.deepEqual([sequenceNumber >= 0, properties], [true, { room: 'é 7' }])
  assert.equal(systemProperties['iothub-connection-device-id'], 'dev2')
  assert.equal(Buffer.from(body, 'base64').toString(), 'from stdin')

  const interrupted = run('hub', 'monitor-events')
  await interrupted.told(/following contoso/)
  interrupted.kill('SIGINT')
  assert.equal((await interrupted.ended).code, 0)
})

test('monitor-events begins where it is told to: at the beginning, at a time, at a number of a partition', async (t) => {
  const { ok, refused } = await start(t)
  await ok('hub create contoso --partition-count 2')
  await ok('device create dev1')
  for (const body of ['one', 'two', 'three']) await ok('device send dev1', body)
  const lines = async (words: string) =>
    (await ok(`hub monitor-events --json ${words}`))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
  const bodies = (found: readonly { readonly body: string }[]) =>
    found.map(({ body }) => Buffer.from(body, 'base64').toString())
  const kept = await lines('--from earliest --count 3')
  assert.deepEqual(bodies(kept), ['one', 'two', 'three'])
  const { partition, sequenceNumber, enqueuedTimeUtc } = kept[1]
  assert.deepEqual(bodies(await lines(`--from ${enqueuedTimeUtc} --count 2`)), ['two', 'three'])
  const numbered = `--partition ${partition} --from ${sequenceNumber} --count 1`
  assert.deepEqual(bodies(await lines(numbered)), ['two'])
  assert.match(
    await ok('hub monitor-events --from earliest --count 1'),
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z {2}telemetry {2}dev1 {2}one\n$/,
  )
  await refused(2, /a sequence number only with --partition/, 'hub monitor-events --from 1')
  await refused(2, /It must be latest, earliest, a time/, 'hub monitor-events --from yesterday')
  await refused(1, /partition must be a whole number from 0 to 1/, 'hub monitor-events --partition 2')
})

test('monitor-events misses nothing that is sent before it has come back to a server that was away', async (t) => {
  const cwd = await temporaryDirectory(t)
  const port = String((await freePorts(1))[0])
  const ports = ['--http-port', port, '--mqtt-port', '0', '--mqtts-port', '0']
  const first = await startBusbar(t, cwd, ports)
  const run = (...words: readonly string[]) => runBusbar(t, words, { cwd })
  const ok = async (...words: readonly string[]) => {
    const { code, stderr } = await run(...words).ended
    assert.equal(code, 0, stderr)
  }
  await ok('hub', 'create', 'contoso')
  await ok('device', 'create', 'dev1')
  const monitor = run('hub', 'monitor-events', '--count', '2')
  await monitor.told(/following contoso/)
  await ok('device', 'send', 'dev1', 'one')
  await monitor.printed(/one/)
  first.kill('SIGKILL')
  await first.ended
  await monitor.told(/Trying again until Ctrl-C/)
  // Stopped, it cannot have come back when the message is sent.
  monitor.kill('SIGSTOP')
  await startBusbar(t, cwd, ports)
  await ok('device', 'send', 'dev1', 'two')
  monitor.kill('SIGCONT')
  const { code, stdout, stderr } = await monitor.ended
  assert.equal(code, 0, stderr)
  assert.deepEqual(withoutTimes(stdout), ['telemetry  dev1  one', 'telemetry  dev1  two'])
  assert.match(stderr, /the server is there again/)
})

test('monitor-events --events tells of connections too, of a hub that nobody listens to, and leaves nothing behind', async (t) => {
  const { ok, run, server, open } = await start(t)
  await ok('hub create contoso')
  await ok('device create dev1')
  await ok('device create dev2')
  const all = run('hub', 'monitor-events', '--events', '--count', '4')
  await all.told(/following contoso/)
  const one = run('hub', 'monitor-events', '--events', '--device', 'dev2', '--json', '--count', '1')
  await one.told(/following contoso/)
  await ok('device send dev1 hello --protocol mqtt')
  const client = await open((await ok('device connection-string dev2')).trimEnd())
  const { code, stdout, stderr } = await all.ended
  assert.equal(code, 0, stderr)
  // Messages and events come in two ways.
  assert.deepEqual(withoutTimes(stdout).toSorted(), [
    'connected  dev1',
    'connected  dev2',
    'disconnected  dev1',
    'telemetry  dev1  hello',
  ])
  const told = await one.ended
  assert.equal(told.code, 0, told.stderr)
  assert.equal(JSON.parse(told.stdout).type, 'Microsoft.Devices.DeviceConnected')
  await client.close()

  // Ctrl-C ends it, and takes with it what it has made.
  const interrupted = run('hub', 'monitor-events', '--events')
  await interrupted.told(/following contoso/)
  assert.equal((await systemTopics(server.http)).length, 1)
  interrupted.kill('SIGINT')
  assert.equal((await interrupted.ended).code, 0)
  assert.deepEqual(await systemTopics(server.http), [])
})

async function systemTopics(http: string): Promise<readonly unknown[]> {
  const path =
    '/subscriptions/00000000-0000-0000-0000-000000000000/providers/Microsoft.EventGrid/systemTopics'
  const answer = await fetch(`${http}${path}?api-version=2025-02-15`)
  return ((await answer.json()) as { readonly value: readonly unknown[] }).value
}

test('a message to a device waits until it takes it, and a wrong one is refused with what to do', async (t) => {
  const { ok, run, refused, open } = await start(t)
  await ok('hub create contoso')
  await refused(1, /There is no device 'nobody': "busbar device list"/, 'device c2d send nobody hello')
  await ok('device create dev1')
  const words = ['--property', 'urgent=é', '--message-id', 'm1', '--content-type', 'text/plain']
  assert.equal(
    await ok('device c2d send dev1', 'come home', ...words),
    '9 bytes for dev1 accepted: they wait until it takes them\n',
  )
  const sender = run('device', 'c2d', 'send', '-n', 'dev1', '--json', '--ack', 'full')
  sender.write('from stdin')
  assert.deepEqual(JSON.parse((await sender.ended).stdout), { deviceId: 'dev1', bytes: 10 })
  const client = await open((await ok('device connection-string dev1')).trimEnd())
  const messages: device.Message[] = []
  client.on('message', (message: device.Message) => {
    messages.push(message)
    void client.complete(message)
  })
  await eventually(() => messages.length === 2)
  assert.deepEqual(
    messages.map(({ data }) => data.toString()),
    ['come home', 'from stdin'],
  )
  const [first, second] = messages
  assert.deepEqual([first?.messageId, first?.contentType], ['m1', 'text/plain'])
  assert.equal(first?.properties.getValue('urgent'), 'é')
  assert.equal(second?.properties.getValue('iothub-ack'), 'full')
  await client.close()
  await refused(2, /It must be one of none, positive/, 'device c2d send dev1 x --ack maybe')
  await refused(1, /AMQP at localhost:9: .*ECONNREFUSED/, 'device c2d send dev1 x --gateway localhost:9')
})

test('fifty simulated devices send for a while, and are gone where that is wanted', async (t) => {
  const { ok, run } = await start(t)
  await ok('hub create contoso')
  await ok('device create s1')
  const monitor = run('hub', 'monitor-events', '--device', 's7', '--count', '2')
  await monitor.told(/following/)
  const words = ['--devices', '50', '--prefix', 's', '--every', '500ms', '--for', '2s', '--delete', '--json']
  const simulation = run('device', 'simulate', ...words, '--body', '{"n":{n},"of":"{device}"}')
  const { code, stdout, stderr } = await simulation.ended
  assert.equal(code, 0, stderr)
  const report = JSON.parse(stdout)
  assert.deepEqual(
    [report.devices, report.made, report.connected, report.sent, report.acknowledged, report.failed],
    [50, 49, 50, 200, 200, 0],
    stdout,
  )
  assert.ok(report.latencyP50Ms > 0 && report.latencyMaxMs >= report.latencyP99Ms)
  assert.match((await monitor.ended).stdout, /^.* telemetry {2}s7 {2}\{"n":1,"of":"s7"\}\n.*"n":2,.*\n$/)
  // Only what it has made.
  assert.match(await ok('device list'), /^DEVICE.*\ns1 .*\n$/)
})

test('a simulation tells why devices cannot send, and ends early with Ctrl-C', async (t) => {
  const { ok, run, refused } = await start(t)
  await ok('hub create contoso')
  await ok('device create s1 --disabled')
  const simulation = run(
    'device',
    'simulate',
    '--devices',
    '2',
    '--prefix',
    's',
    '--every',
    '100ms',
    '--for',
    '1h',
  )
  await simulation.told(/1 of 2 are connected/)
  simulation.kill('SIGINT')
  const { code, stdout } = await simulation.ended
  assert.equal(code, 1)
  assert.match(stdout, /times: The broker refused the client: not authorized \(5\)/)
  await refused(2, /It must be a time such as 500ms/, 'device simulate --every soon')
  await refused(
    1,
    /None of the devices could connect: mqtts:.* cannot be reached/,
    'device simulate --devices 1 --for 100ms --every 100ms --gateway localhost:9',
  )
})

test('what is wrong with a command is said with what to do', async (t) => {
  const { ok, refused } = await start(t)
  await ok('hub create contoso')
  await ok('device create dev1')
  await refused(2, /A name is missing/, 'device show')
  await refused(2, /The method is missing/, 'device invoke dev1')
  await refused(2, /--property takes NAME=VALUE: got 'x'/, 'device send dev1 body --property x')
  await refused(2, /--gateway must be HOST or HOST:PORT/, 'device connection-string dev1 --gateway a/b')
  await refused(2, /from 5 to 300/, 'device invoke dev1 m --timeout 1')
  assert.match(await ok('device simulate --help'), /\{device\}, \{n\}/)
  assert.match(await ok('hub --help'), /monitor-events/)
})
