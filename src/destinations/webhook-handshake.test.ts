import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { DeliverySchema } from '../event/event.ts'
import { webhookTo } from '../testing/destinations.ts'
import { testTopicId } from '../testing/events.ts'
import { ManualClock } from '../testing/manual-clock.ts'
import { startRecordingWebhook, type WebhookHandler } from '../testing/recording-webhook.ts'
import type { Verification } from './destination.ts'
import { openDestinations } from './index.ts'
import { type NetworkRules, openNetworkRules } from './network.ts'

const validationUrl = 'https://127.0.0.1:4843/validate?id=code&token=token'
const never = new AbortController().signal

interface Asking {
  readonly clock?: ManualClock
  readonly rules?: NetworkRules
}

function verify(
  t: TestContext,
  endpointUrl: string,
  deliverySchema: DeliverySchema,
  { clock = new ManualClock(), rules = openNetworkRules }: Asking = {},
): Promise<Verification> {
  const destinations = openDestinations({ clock, rules })
  t.after(() => destinations.close())
  const settings = webhookTo(endpointUrl)
  const context = {
    eventSubscriptionName: 'Alerts',
    eventSubscriptionId: `${testTopicId}/providers/Microsoft.EventGrid/eventSubscriptions/Alerts`,
    topicId: testTopicId,
    deliverySchema,
  }
  return destinations.verify({ settings, context, validationCode: 'the-code', validationUrl }, never)
}

const answer =
  (status: number, body: string, headers: Record<string, string> = {}): WebhookHandler =>
  (_request, response) => {
    response.writeHead(status, headers)
    response.end(body)
  }

test('an endpoint that sends the validation code back is verified', async (t) => {
  const hook = await startRecordingWebhook(t)
  assert.deepEqual(await verify(t, `${hook.url}?code=1`, 'EventGridSchema'), { kind: 'verified' })
  const [request] = hook.handshakes
  assert.ok(request)
  assert.equal(request.method, 'POST')
  assert.equal(request.url, '/hook?code=1')
  assert.equal(request.headers['aeg-event-type'], 'SubscriptionValidation')
  assert.equal(request.headers['aeg-subscription-name'], 'ALERTS')
  assert.equal(request.headers['content-type'], 'application/json; charset=utf-8')
  const events = request.body as Record<string, unknown>[]
  assert.equal(events.length, 1)
  const { id, eventTime, ...event } = events[0] as Record<string, unknown>
  assert.equal(typeof id, 'string')
  assert.equal(eventTime, '2026-01-02T03:04:05.0000000Z')
  assert.deepEqual(event, {
    topic: testTopicId,
    subject: '',
    data: { validationCode: 'the-code', validationUrl },
    eventType: 'Microsoft.EventGrid.SubscriptionValidationEvent',
    metadataVersion: '1',
    dataVersion: '1',
  })
})

test('the name of the answered property may be in any letter case, and its value may not', async (t) => {
  const upper = await startRecordingWebhook(t, [200], {
    handshake: answer(200, '{"ValidationResponse":"the-code"}'),
  })
  assert.equal((await verify(t, upper.url, 'EventGridSchema')).kind, 'verified')
  const wrong = await startRecordingWebhook(t, [200], {
    handshake: answer(200, '{"validationResponse":"THE-CODE"}'),
  })
  assert.equal((await verify(t, wrong.url, 'EventGridSchema')).kind, 'manual')
})

for (const body of ['', 'ok', '[]', 'null', '{}'])
  test(`200 with the body ${JSON.stringify(body)} leaves validation to a person`, async (t) => {
    const hook = await startRecordingWebhook(t, [200], { handshake: answer(200, body) })
    assert.deepEqual(await verify(t, hook.url, 'EventGridSchema'), { kind: 'manual' })
  })

for (const status of [202, 204, 302, 400, 500])
  test(`${status} to a validation event is a refusal, whatever the body, and is not asked again`, async (t) => {
    const hook = await startRecordingWebhook(t, [200], {
      handshake: answer(status, status === 204 ? '' : '{"validationResponse":"the-code"}'),
    })
    const verification = await verify(t, `${hook.url}?code=secret`, 'EventGridSchema')
    assert.ok(verification.kind === 'refused')
    assert.match(
      verification.message,
      new RegExp(
        `^Webhook validation handshake failed for ${hook.url}\\. ` +
          `Http POST request failed with response code ${status}\\. ` +
          'For troublehooting, visit https://aka\\.ms/esvalidation\\. ' +
          'Activity id:[0-9a-f-]{36}, timestamp: 1/2/2026 3:04:05 AM \\(UTC\\)\\.$',
      ),
    )
    assert.equal(hook.handshakes.length, 1)
  })

test('an endpoint that does not answer is asked three times, five seconds apart', async (t) => {
  const clock = new ManualClock()
  const hook = await startRecordingWebhook(t, [200], { handshake: () => {} })
  let verification: Verification | undefined
  const asked = verify(t, hook.url, 'EventGridSchema', { clock }).then((result) => {
    verification = result
  })
  await hook.when(() => hook.handshakes.length === 1)
  await clock.advance(30_000)
  await clock.advance(4_999)
  assert.equal(hook.handshakes.length, 1)
  await clock.advance(1)
  await hook.when(() => hook.handshakes.length === 2)
  await clock.advance(35_000)
  await hook.when(() => hook.handshakes.length === 3)
  assert.equal(verification, undefined)
  await clock.advance(30_000)
  await asked
  assert.ok(verification)
  assert.equal((verification as Verification).kind, 'refused')
})

test('an endpoint that is allowed by the header of OPTIONS is verified', async (t) => {
  const hook = await startRecordingWebhook(t)
  assert.deepEqual(await verify(t, hook.url, 'CloudEventSchemaV1_0'), { kind: 'verified' })
  const [request] = hook.handshakes
  assert.equal(request?.method, 'OPTIONS')
  assert.equal(request?.headers['webhook-request-origin'], 'eventgrid.azure.net')
  assert.equal(request?.headers['webhook-request-callback'], validationUrl)
  assert.equal(request?.headers['webhook-request-rate'], '120')
  assert.equal(request?.raw.length, 0)
})

test('every origin may be allowed with an asterisk, and no allowed rate is needed', async (t) => {
  const hook = await startRecordingWebhook(t, [200], {
    handshake: answer(200, '', { 'WebHook-Allowed-Origin': '*' }),
  })
  assert.equal((await verify(t, hook.url, 'CloudEventSchemaV1_0')).kind, 'verified')
})

test('an answer that withholds the header leaves validation to the callback', async (t) => {
  const hook = await startRecordingWebhook(t, [200], { handshake: answer(200, '') })
  assert.deepEqual(await verify(t, hook.url, 'CloudEventSchemaV1_0'), { kind: 'manual' })
})

test('another origin, or a status that is no success, is a refusal', async (t) => {
  const other = await startRecordingWebhook(t, [200], {
    handshake: answer(200, '', { 'WebHook-Allowed-Origin': 'example.com' }),
  })
  assert.equal((await verify(t, other.url, 'CloudEventSchemaV1_0')).kind, 'refused')
  const denied = await startRecordingWebhook(t, [200], {
    handshake: answer(405, '', { 'WebHook-Allowed-Origin': '*' }),
  })
  const verification = await verify(t, denied.url, 'CloudEventSchemaV1_0')
  assert.ok(verification.kind === 'refused')
  assert.match(
    verification.message,
    /Http OPTIONS request failed with response code 405\. .*esvalidationcloudevent\./,
  )
})

test('an endpoint that the network rules forbid is refused without being asked', async (t) => {
  const clock = new ManualClock()
  const hook = await startRecordingWebhook(t)
  const rules = { ...openNetworkRules, allowPrivateAddresses: false }
  const verification = await verify(t, hook.url, 'EventGridSchema', { clock, rules })
  assert.ok(verification.kind === 'refused')
  assert.match(verification.message, /has the private address 127\.0\.0\.1/)
  assert.equal(hook.connections, 0)
})
