import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, test } from 'node:test'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { EventGridManagementClient } from '@azure/arm-eventgrid'
import { EventGridDeserializer, isSystemEvent } from '@azure/eventgrid'
import { defaultSubscriptionId } from '../src/arm/arm.ts'
import { subscription } from '../src/testing/control-plane.ts'
import { startRecordingWebhook } from '../src/testing/recording-webhook.ts'
import { temporaryDirectory } from '../src/testing/temporary-directory.ts'
import { startTestServer } from '../src/testing/test-server.ts'
import { runBusbar } from './busbar-process.ts'

/*
 * Events of Azure's services, raised by hand: they reach whoever subscribed to them, as the service's own would.
 */

const server = await startTestServer({ after })
setDefaultCACertificates([...getCACertificates(), server.ca])

const credential = {
  getToken: () => Promise.resolve({ token: 'any', expiresOnTimestamp: Date.now() + 3_600_000 }),
}
const eventGrid = new EventGridManagementClient(credential, defaultSubscriptionId, { endpoint: server.https })
const deserializer = new EventGridDeserializer()

const cli = fileURLToPath(new URL('../src/cli/cli.ts', import.meta.url))
const nearExpiry = 'Microsoft.KeyVault.SecretNearExpiry'
const vault = `${subscription}/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/contoso`

const trigger = (body: Readonly<Record<string, unknown>>) =>
  fetch(`${server.http}/events/trigger`, { method: 'POST', body: JSON.stringify(body) })

test('a secret near its expiry reaches the event subscriptions of its vault’s system topic in both schemas', async (t) => {
  const topic = await eventGrid.systemTopics.beginCreateOrUpdateAndWait('rg', 'vault-events', {
    location: 'westus2',
    source: vault,
    topicType: 'Microsoft.KeyVault.vaults',
  })
  assert.equal(topic.topicType, 'Microsoft.KeyVault.vaults')
  const subscribe = async (name: string, eventDeliverySchema: string, filter = {}) => {
    const hook = await startRecordingWebhook(t)
    await eventGrid.systemTopicEventSubscriptions.beginCreateOrUpdateAndWait('rg', 'vault-events', name, {
      destination: { endpointType: 'WebHook', endpointUrl: hook.url },
      eventDeliverySchema,
      filter,
    })
    return hook
  }
  const grid = await subscribe('grid', 'EventGridSchema')
  const cloud = await subscribe('cloud', 'CloudEventSchemaV1_0', { includedEventTypes: [nearExpiry] })
  const other = await subscribe('other', 'EventGridSchema', {
    includedEventTypes: ['Microsoft.KeyVault.SecretExpired'],
  })

  const answer = await trigger({ eventType: nearExpiry, source: vault, subject: 'db-password', id: 'kv-1' })
  assert.equal(answer.status, 200)
  const raised = (await answer.json()) as Record<string, unknown>
  await Promise.all([grid.until(1), cloud.until(1)])
  await server.settle()
  assert.equal(other.received.length, 0)

  const [delivered] = grid.received
  assert.equal(delivered?.headers['aeg-event-type'], 'Notification')
  assert.equal(delivered.headers['aeg-data-version'], '1')
  assert.deepEqual(delivered.body, [raised])
  const [event] = await deserializer.deserializeEventGridEvents(delivered.raw.toString())
  assert.ok(event && isSystemEvent(nearExpiry, event))
  assert.deepEqual([event.id, event.subject, event.topic], ['kv-1', 'db-password', vault])
  assert.deepEqual(event.data, raised['data'])

  const [cloudEvent] = await deserializer.deserializeCloudEvents(cloud.received[0]?.raw.toString() ?? '')
  assert.ok(cloudEvent && isSystemEvent(nearExpiry, cloudEvent))
  assert.deepEqual(
    [cloudEvent.id, cloudEvent.subject, cloudEvent.source, cloudEvent.dataschema],
    ['kv-1', 'db-password', vault, '#1'],
  )
  assert.deepEqual(cloudEvent.data, raised['data'])

  const traced = await server.trace('kv-1')
  assert.deepEqual(traced.eventSubscriptions.map(({ name, matched }) => `${name}: ${matched}`).toSorted(), [
    'cloud: true',
    'grid: true',
    'other: false',
  ])
})

test('an event subscription on an IoT hub gets what the hub raises, its topic in upper case', async (t) => {
  const hook = await startRecordingWebhook(t)
  const hub = `${subscription}/resourceGroups/rg/providers/Microsoft.Devices/IotHubs/MyHub`
  const made = await eventGrid.eventSubscriptions.beginCreateOrUpdateAndWait(hub, 'devices', {
    destination: { endpointType: 'WebHook', endpointUrl: hook.url },
  })
  assert.deepEqual(made.filter?.includedEventTypes?.toSorted(), [
    'Microsoft.Devices.DeviceConnected',
    'Microsoft.Devices.DeviceCreated',
    'Microsoft.Devices.DeviceDeleted',
    'Microsoft.Devices.DeviceDisconnected',
    'Microsoft.Devices.DeviceTelemetry',
  ])
  assert.equal((await trigger({ eventType: 'Microsoft.Devices.DeviceCreated', source: hub })).status, 200)
  await hook.until(1)
  const [event] = await deserializer.deserializeEventGridEvents(hook.received[0]?.raw.toString() ?? '')
  assert.equal(event?.topic, hub.toUpperCase())
  assert.equal(event.subject, 'devices/LogicAppTestDevice')
})

test('busbar trigger raises an event and prints it; a refusal is one line, and the exit code says so', async (t) => {
  const cwd = await temporaryDirectory(t)
  const run = (...args: readonly string[]) =>
    runBusbar(t, ['trigger', '--url', server.http, ...args], { cwd }).ended
  const file = join(cwd, 'secret.json')
  const data = { Id: 'https://v/secrets/s', VaultName: 'v', ObjectType: 'Secret', EXP: 1 }
  writeFileSync(file, JSON.stringify(data).replace(/1}$/, '12345678901234567890}'))

  const raised = await run(nearExpiry, '--source', vault, '--subject', 's', '--data', `@${file}`, '--id', '7')
  assert.equal(raised.code, 0, raised.stderr)
  assert.match(raised.stdout, /^\{.*"EXP":12345678901234567890\}.*\}\n$/)
  const { topic, subject, id } = JSON.parse(raised.stdout) as Record<string, unknown>
  assert.deepEqual({ topic, subject, id }, { topic: vault, subject: 's', id: '7' })

  const piped = execFile(
    process.execPath,
    [cli, 'trigger', '--url', server.http, nearExpiry, '--data', '-'],
    {
      cwd,
    },
  )
  piped.stdin?.end(JSON.stringify(data))
  const stdout = piped.stdout ? await text(piped.stdout) : ''
  assert.deepEqual((JSON.parse(stdout) as { data: unknown }).data, data)

  const refused = await run(nearExpiry, '--data', '{"VaultName":7}')
  assert.equal(refused.code, 1)
  assert.equal(refused.stdout, '')
  assert.match(refused.stderr, /^busbar: [^\n]*'data\/VaultName' must be a string, got 7[^\n]*\n$/)
  const unknown = await run('Microsoft.KeyVault.SecretNearExpiri')
  assert.match(unknown.stderr, /^busbar: [^\n]*Did you mean 'Microsoft\.KeyVault\.SecretNearExpiry'[^\n]*\n$/)
  const noJson = await run(nearExpiry, '--data', 'secret')
  assert.match(noJson.stderr, /^busbar: --data must be JSON, @FILE or -[^\n]*\n$/)
  assert.ok([unknown, noJson].every(({ code }) => code !== 0))
})
