import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { missingAuthorization } from '../auth/errors.ts'
import { createLog } from '../base/log.ts'
import type { GridEvent } from '../event/event.ts'
import { listen } from '../http/http.ts'
import { createCheckData } from '../sources/check-data.ts'
import { createDataSchemas } from '../sources/data-schemas.ts'
import { StoreUnavailable } from '../store/store.ts'
import { everythingPermitted } from '../testing/access.ts'
import { ManualClock } from '../testing/manual-clock.ts'
import { createTriggerDoor } from './trigger.ts'

const vault =
  '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/contoso-rg/providers/Microsoft.KeyVault/vaults/contoso'
const group = '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg'
const hub = `${group}/providers/Microsoft.Devices/IotHubs/myhub`
const nearExpiry = 'Microsoft.KeyVault.SecretNearExpiry'
const telemetry = 'Microsoft.Devices.DeviceTelemetry'

test('the name of an event type alone raises its example, from an example of its source', async (t) => {
  const { raised, trigger } = await start(t)
  const answer = await trigger({ eventType: 'microsoft.keyvault.SECRETNEAREXPIRY' })
  assert.equal(answer.status, 200)
  assert.equal(raised.length, 1)
  assert.equal(raised[0]?.sourceId, vault)
  assert.equal(raised[0].topicType, 'Microsoft.KeyVault.vaults')
  const { id, ...event } = JSON.parse(raised[0].text) as Record<string, unknown>
  assert.match(id as string, /^[0-9a-f-]{36}$/)
  assert.deepEqual(event, {
    topic: vault,
    subject: 'newsecret',
    eventType: nearExpiry,
    eventTime: '2026-01-01T00:00:00.0000000Z',
    data: {
      Id: 'https://contoso.vault.azure.net/secrets/newsecret/ee059b2bb5bc48398a53b168c6cdcb10',
      VaultName: 'contoso',
      ObjectType: 'Secret',
      ObjectName: 'newsecret',
      Version: 'ee059b2bb5bc48398a53b168c6cdcb10',
      NBF: 1559081980,
      EXP: 1559082102,
    },
    dataVersion: '1',
    metadataVersion: '1',
  })
  assert.equal(answer.text, raised[0].text)
})

test('whatever of the event is given is kept, the digits of its numbers included', async (t) => {
  const { raised, trigger } = await start(t)
  const answer = await trigger(
    `{"eventType":"${telemetry}","source":"${hub}","subject":"devices/d7","id":"7","dataVersion":"x",` +
      '"eventTime":"2026-02-03","data":{"body":{"n":12345678901234567890, "m":1.0},"properties":{},"systemProperties":{}}}',
  )
  assert.equal(answer.status, 200, answer.text)
  assert.equal(raised[0]?.sourceId, hub)
  const event = JSON.parse(raised[0].text) as Record<string, unknown>
  assert.match(raised[0].text, /"n":12345678901234567890, "m":1\.0/)
  const { data: _data, ...envelope } = event
  assert.deepEqual(envelope, {
    topic: hub.toUpperCase(),
    subject: 'devices/d7',
    eventType: telemetry,
    eventTime: '2026-02-03',
    id: '7',
    dataVersion: 'x',
    metadataVersion: '1',
  })
})

test('of the topic types that carry an event type, the source decides', async (t) => {
  const { raised, trigger } = await start(t)
  const eventType = 'Microsoft.Resources.ResourceWriteSuccess'
  for (const body of [{ eventType }, { eventType, source: '/subscriptions/s' }, { eventType, source: group }])
    assert.equal((await trigger(body)).status, 200)
  assert.deepEqual(
    raised.map(({ topicType }) => topicType),
    ['Subscriptions', 'Subscriptions', 'ResourceGroups'].map((each) => `Microsoft.Resources.${each}`),
  )
})

test('what cannot be raised is refused, and says what was expected and what came', async (t) => {
  const { raised, trigger } = await start(t)
  const event = { eventType: nearExpiry }
  const refusals: readonly (readonly [body: unknown, status: number, code: string, message: RegExp])[] = [
    [
      { eventType: 'Microsoft.KeyVault.SecretNearExpire' },
      404,
      'EventTypeNotFound',
      /Did you mean '.*SecretNearExpiry'/,
    ],
    [{}, 400, 'InvalidRequest', /'eventType' must be the name of an event type.*got nothing/],
    [{ eventType: 7 }, 400, 'InvalidRequest', /'eventType' must be a string; got 7/],
    [{ ...event, subjct: 's' }, 400, 'InvalidRequest', /'subjct' is not known.*Did you mean 'subject'/],
    [{ ...event, Subject: 'a', subject: 'b' }, 400, 'InvalidRequest', /'subject' must be given once/],
    [{ ...event, eventTime: 'soon' }, 400, 'InvalidRequest', /'eventTime' must be an ISO 8601 .*got "soon"/],
    [{ ...event, id: '' }, 400, 'InvalidRequest', /'id' must be a string that is not empty/],
    [
      { ...event, source: hub },
      400,
      'InvalidRequest',
      /'source' must be the id .*providers\/Microsoft\.KeyVault\/vaults\/\{name\}; got '.*myhub'/,
    ],
    [
      { ...event, data: { VaultName: 7 } },
      400,
      'InvalidEventData',
      /'data\/VaultName' must be a string, got 7/,
    ],
    [
      { eventType: 'Microsoft.EventGrid.SubscriptionValidationEvent' },
      400,
      'InvalidRequest',
      /no source raises it/,
    ],
    ['[]', 400, 'InvalidRequest', /must be a JSON object; got an array/],
    ['{', 400, 'BadRequest', /not valid JSON/],
    [`{"eventType":"${nearExpiry}","data":${'['.repeat(70)}${']'.repeat(70)}}`, 400, 'BadRequest', /nested/],
    [{ ...event, subject: 'x'.repeat(3_000) }, 413, 'RequestEntityTooLarge', /2000 bytes/],
  ]
  for (const [body, status, code, message] of refusals) {
    const answer = await trigger(body)
    const { error } = JSON.parse(answer.text) as { error: { code: string; message: string } }
    assert.deepEqual([answer.status, error.code], [status, code], answer.text)
    assert.match(error.message, message)
  }
  assert.equal(raised.length, 0)
})

test('who may not use the control plane may raise nothing, and nothing but POST is taken', async (t) => {
  const { raised, trigger, url } = await start(t, { authorized: false })
  assert.equal((await trigger({ eventType: nearExpiry })).status, 401)
  const got = await fetch(`${url}/events/trigger`)
  assert.equal(got.status, 405)
  assert.equal(got.headers.get('allow'), 'POST')
  assert.equal((await fetch(`${url}/events/trigger/`)).status, 404)
  assert.equal(raised.length, 0)
})

test('an event that cannot be stored is answered 503 with when to come again', async (t) => {
  const { trigger } = await start(t, { failure: new StoreUnavailable('the disk is full', true) })
  const answer = await trigger({ eventType: nearExpiry })
  assert.equal(answer.status, 503)
  assert.equal(answer.headers.get('retry-after'), '5')
  assert.match(answer.text, /the disk is full/)
})

interface Raised {
  readonly sourceId: string
  readonly topicType: string
  /** The event as it would be delivered. */
  readonly text: string
}

async function start(
  t: TestContext,
  { authorized = true, failure }: { authorized?: boolean; failure?: Error } = {},
) {
  const raised: Raised[] = []
  const schemas = createDataSchemas()
  const door = createTriggerDoor({
    raise: async (sourceId, topicType, events) => {
      if (failure) throw failure
      for (const event of events) raised.push({ sourceId, topicType, text: textOf(event) })
    },
    authorize: async () => {
      if (!authorized) throw missingAuthorization()
      return { name: 'tester', isOwner: true }
    },
    access: everythingPermitted,
    schemas,
    checkData: createCheckData(schemas),
    limits: { events: 1, eventBytes: 2_000, nesting: 64 },
    clock: new ManualClock(Date.UTC(2026, 0, 1)),
  })
  const listener = await listen({ host: '127.0.0.1', port: 0, doors: [door], log: createLog('silent') })
  t.after(() => listener.close(0))
  const trigger = async (body: unknown) => {
    const response = await fetch(`${listener.url}/events/trigger`, {
      method: 'POST',
      body: typeof body === 'string' ? body : JSON.stringify(body),
    })
    return { status: response.status, headers: response.headers, text: await response.text() }
  }
  return { url: listener.url, raised, trigger }
}

const textOf = ({ source, start: from, end, tail }: GridEvent) =>
  Buffer.concat([source.subarray(from, end), tail]).toString()
