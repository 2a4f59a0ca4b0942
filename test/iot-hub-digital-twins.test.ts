import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import iothub from 'azure-iothub'
import { testDevices } from '../src/testing/iot-devices.ts'
import { iotHubs } from '../src/testing/iot-hubs.ts'
import { eventually, startTestServer } from '../src/testing/test-server.ts'

/*
 * Digital twins by the official client. It asks the port of its host name, and its requests trust what the process does.
 */

// The client has no option for an authority: this process alone trusts whatever answers.
process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
const server = await startTestServer({ after })
const { createHub, keyOf, connect } = iotHubs(server)
const hostName = await createHub('contoso')
const key = await keyOf('contoso', 'iothubowner')
const registry = connect(hostName, 'iothubowner', key)
const twins = new iothub.DigitalTwinClient(
  new iothub.IoTHubTokenCredentials(
    `HostName=localhost:${new URL(server.https).port};SharedAccessKeyName=iothubowner;SharedAccessKey=${key}`,
  ),
)
const { newDevice, openDevice } = testDevices(server, hostName, registry)

interface Answer {
  readonly _response: {
    readonly bodyAsText: string
    readonly headers: { get(name: string): string | undefined }
  }
}

test('a digital twin shows what is wanted and what is acknowledged, of the root and of components', async (t) => {
  const client = await openDevice(t, 'thermo', await newDevice(t, 'thermo'))
  const twin = await client.getTwin()
  await new Promise<void>((resolve, reject) => {
    twin.properties.reported.update(
      {
        serial: 'A1',
        sensor: { __t: 'c', target: { value: 20, ac: 200, av: 2, ad: 'reached' }, current: 19 },
      },
      (error: Error | undefined) => (error ? reject(error) : resolve()),
    )
  })
  const patch = [
    { op: 'add', path: '/sensor/target', value: 21 },
    { op: 'add', path: '/interval', value: { minutes: 5 } },
  ]
  const { responseBody: before } = await registry.getTwin('thermo')
  await twins.updateDigitalTwin('thermo', patch, `"${before.etag}"`)
  const found = (await twins.getDigitalTwin('thermo')) as unknown as Record<string, Record<string, unknown>>
  assert.equal(found.$dtId, 'thermo')
  assert.equal(found.serial, 'A1')
  const { $metadata, ...sensor } = found.sensor as Record<string, Record<string, Record<string, unknown>>>
  assert.deepEqual(sensor, { target: 20, current: 19 })
  const { lastUpdateTime, ...target } = $metadata?.target ?? {}
  assert.match(String(lastUpdateTime), /^\d{4}-/)
  assert.deepEqual(target, {
    ...{ desiredValue: 21, desiredVersion: 2, ackVersion: 2, ackCode: 200, ackDescription: 'reached' },
  })
  const { responseBody: after1 } = await registry.getTwin('thermo')
  assert.deepEqual(after1.properties.desired.sensor, { __t: 'c', target: 21 })
  assert.deepEqual(after1.properties.desired.interval, { minutes: 5 })

  await assert.rejects(
    twins.updateDigitalTwin('thermo', patch, `"${before.etag}"`),
    (error: Error & { statusCode?: number }) => error.statusCode === 412,
  )
  await assert.rejects(
    twins.updateDigitalTwin('thermo', [{ op: 'move', path: '/a', from: '/b' }]),
    (error: Error & { statusCode?: number }) => error.statusCode === 400,
  )
  await twins.updateDigitalTwin('thermo', [
    { op: 'replace', path: '/interval', value: { seconds: 9 } },
    { op: 'remove', path: '/sensor' },
    { op: 'add', path: '/lamp', value: { $metadata: {}, on: true } },
  ])
  const { responseBody: last } = await registry.getTwin('thermo')
  assert.deepEqual(last.properties.desired.interval, { seconds: 9 })
  assert.deepEqual(last.properties.desired.lamp, { on: true, __t: 'c' })
  assert.equal(last.properties.desired.sensor, undefined)
})

test('commands of the root and of components reach the device as methods', async (t) => {
  const client = await openDevice(t, 'commanded', await newDevice(t, 'commanded'))
  client.onDeviceMethod('reboot', (request, response) =>
    response.send(202, { delay: request.payload }, () => {}),
  )
  client.onDeviceMethod('sensor*reset', (_request, response) => response.send(200, 'done', () => {}))
  const options = { responseTimeoutInSeconds: 10, connectTimeoutInSeconds: 5 }
  let root: Answer | undefined
  await eventually(async () => {
    root = await twins.invokeCommand('commanded', 'reboot', 5, options).then(
      (answer) => answer as unknown as Answer,
      () => undefined,
    )
    return root !== undefined
  })
  const { _response: answered } = root as unknown as Answer
  assert.equal(answered.headers.get('x-ms-command-statuscode'), '202')
  const { _response: response } = (await twins.invokeComponentCommand(
    'commanded',
    'sensor',
    'reset',
    {},
    options,
  )) as unknown as Answer
  assert.equal(response.bodyAsText, '"done"')
  await assert.rejects(
    twins.invokeCommand('nobody', 'reboot', {}),
    (error: Error & { statusCode?: number }) => error.statusCode === 404,
  )
})
