import assert from 'node:assert/strict'
import { startRecordingWebhook, type WebhookHandler } from '../../../src/testing/recording-webhook.ts'
import type { Rule, Section } from '../rule.ts'
import { cloudEvent, gridEvent, structured, type World } from '../world.ts'

interface Handshake {
  readonly deliverySchema?: string
  readonly answer: WebhookHandler
}

/** Makes an event subscription whose webhook answers the handshake so; resolves with the state it is left in. */
async function ask(t: Parameters<typeof startRecordingWebhook>[0], world: World, handshake: Handshake) {
  const topic = await world.topic()
  const hook = await startRecordingWebhook(t, [200], { handshake: handshake.answer })
  const id = world.server.idOf('asked', topic.name)
  await world.server.call('PUT', id, {
    properties: {
      destination: { endpointType: 'WebHook', properties: { endpointUrl: `${hook.url}?code=secret` } },
      eventDeliverySchema: handshake.deliverySchema ?? 'EventGridSchema',
    },
  })
  const { body } = await world.server.call('GET', id)
  return { topic, hook, id, state: body.properties.provisioningState as string }
}

const reply =
  (
    status: number,
    body: (code: string) => string,
    headers: Readonly<Record<string, string>> = {},
  ): WebhookHandler =>
  ({ body: sent }, response) => {
    const [event] = (sent ?? [{ data: {} }]) as [{ data: { validationCode?: string } }]
    response.writeHead(status, headers)
    response.end(body(event.data.validationCode ?? ''))
  }

const echo = (name: string) => (code: string) => JSON.stringify({ [name]: code })

const handshake = (rule: string, given: Handshake, expected: string): Rule => ({
  rule,
  async check(t, world) {
    const { state } = await ask(t, world, given)
    assert.equal(state, expected)
  },
})

const clouds = (status: number, headers: Readonly<Record<string, string>>): Handshake => ({
  deliverySchema: 'CloudEventSchemaV1_0',
  answer: reply(status, () => '', headers),
})

export const webhooks: Section = {
  title: 'Webhook validation',
  source:
    'learn.microsoft.com/azure/event-grid/end-point-validation-event-grid-events-schema, end-point-validation-cloud-events-schema',
  rules: [
    {
      rule: 'A validation event is posted alone, as an array of one, with `aeg-event-type: SubscriptionValidation`',
      async check(t, world) {
        const { hook, topic } = await ask(t, world, { answer: reply(200, echo('validationResponse')) })
        const [request] = hook.handshakes
        assert.equal(request?.headers['aeg-event-type'], 'SubscriptionValidation')
        assert.equal(request.headers['aeg-subscription-name'], 'ASKED')
        const [event, ...others] = request.body as [Record<string, unknown>]
        assert.deepEqual(others, [])
        const { id, eventTime, data, ...rest } = event
        assert.deepEqual(rest, {
          topic: topic.id,
          subject: '',
          eventType: 'Microsoft.EventGrid.SubscriptionValidationEvent',
          metadataVersion: '1',
          dataVersion: '1',
        })
        assert.match(String(id), /^[0-9a-f-]{36}$/)
        assert.match(String(eventTime), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z$/)
        assert.deepEqual(Object.keys(data as object), ['validationCode', 'validationUrl'])
      },
    },
    handshake(
      '200 with `validationResponse` and the code completes validation',
      { answer: reply(200, echo('validationResponse')) },
      'Succeeded',
    ),
    handshake(
      'The name of the answered property may be in another letter case',
      { answer: reply(200, echo('ValidationResponse')) },
      'Succeeded',
    ),
    handshake(
      '202 with the code does not count',
      { answer: reply(202, echo('validationResponse')) },
      'Failed',
    ),
    handshake(
      '200 without the code leaves the event subscription in `AwaitingManualAction`',
      { answer: reply(200, () => '') },
      'AwaitingManualAction',
    ),
    handshake('Any other status fails the event subscription', { answer: reply(404, () => '') }, 'Failed'),
    {
      rule: 'A GET of `validationUrl` within ten minutes completes validation; after that it fails',
      provedBy: [
        [
          'test/delivery.test.ts',
          'a webhook that does not echo gets events once its owner has followed the validation URL',
        ],
        [
          'test/delivery.test.ts',
          'nobody following the validation URL for ten minutes fails the event subscription',
        ],
      ],
    },
    {
      rule: 'An endpoint that does not answer is asked again after five seconds, three times in all',
      provedBy: [
        [
          'src/destinations/webhook-handshake.test.ts',
          'an endpoint that does not answer is asked three times, five seconds apart',
        ],
      ],
    },
    {
      rule: 'A changed destination is validated first; the one before stays in force until it agrees',
      provedBy: [
        [
          'test/delivery.test.ts',
          'a webhook that agreed before a change stays in force while the new one refuses',
        ],
      ],
    },
    {
      rule: 'CloudEvents: `OPTIONS` carries `WebHook-Request-Origin`, `WebHook-Request-Callback` and `WebHook-Request-Rate`',
      async check(t, world) {
        const { hook } = await ask(t, world, clouds(200, { 'WebHook-Allowed-Origin': '*' }))
        const [request] = hook.handshakes
        assert.equal(request?.method, 'OPTIONS')
        assert.equal(request.headers['webhook-request-origin'], 'eventgrid.azure.net')
        assert.equal(request.headers['webhook-request-rate'], '120')
        assert.match(String(request.headers['webhook-request-callback']), /\/validate\?id=/)
      },
    },
    handshake(
      'CloudEvents: the origin in `WebHook-Allowed-Origin` grants permission',
      clouds(200, { 'WebHook-Allowed-Origin': 'eventgrid.azure.net' }),
      'Succeeded',
    ),
    handshake(
      'CloudEvents: `*` grants permission, and `WebHook-Allowed-Rate` may be left out',
      clouds(204, { 'WebHook-Allowed-Origin': '*' }),
      'Succeeded',
    ),
    handshake(
      'CloudEvents: another origin is a refusal',
      clouds(200, { 'WebHook-Allowed-Origin': 'example.org' }),
      'Failed',
    ),
    handshake(
      'CloudEvents: without the header the callback decides',
      clouds(200, {}),
      'AwaitingManualAction',
    ),
    {
      rule: 'CloudEvents: the callback completes validation by GET and by POST',
      async check(t, world) {
        for (const method of ['GET', 'POST']) {
          const { hook, id } = await ask(t, world, clouds(200, {}))
          const callback = new URL(String(hook.handshakes[0]?.headers['webhook-request-callback']))
          const answer = await fetch(world.server.http + callback.pathname + callback.search, { method })
          assert.equal(answer.status, 200)
          const { body } = await world.server.call('GET', id)
          assert.equal(body.properties.provisioningState, 'Succeeded')
        }
      },
    },
    {
      rule: 'CloudEvents: each delivery names its origin in `Origin` and `WebHook-Request-Origin`',
      async check(t, world) {
        const topic = await world.topic({ inputSchema: 'CloudEventSchemaV1_0' })
        const hook = await world.subscribe(t, topic)
        await world.send(topic, cloudEvent(), { contentType: structured })
        await world.server.settle()
        for (const name of ['origin', 'webhook-request-origin'])
          assert.equal(hook.received[0]?.headers[name], 'eventgrid.azure.net')
      },
    },
    {
      rule: 'A deleted event subscription is announced once, with `aeg-event-type: SubscriptionDeletion`',
      async check(t, world) {
        const topic = await world.topic()
        const hook = await startRecordingWebhook(t)
        const id = await world.server.subscribe({ to: hook.url, topic: topic.name, name: 'leaving' })
        await world.server.call('DELETE', id)
        await world.server.settle()
        const [deletion] = hook.deletions
        const [event] = (deletion?.body ?? []) as Record<string, unknown>[]
        assert.equal(event?.['eventType'], 'Microsoft.EventGrid.SubscriptionDeletedEvent')
        assert.deepEqual(event['data'], { eventSubscriptionId: id })
        await world.send(topic, [gridEvent()])
        await world.server.settle()
        assert.deepEqual([hook.deletions.length, hook.received.length], [1, 0])
      },
    },
    {
      rule: 'Only HTTPS endpoints with a certificate of a known authority are called',
      status: 'differs',
      note: 'on a loopback bind `http://` webhooks and private addresses are allowed unless configured otherwise; self-signed certificates are refused unless configured',
      provedBy: [
        [
          'src/destinations/network.test.ts',
          'the rules are applied to the address that a connection is made to',
        ],
        [
          'src/destinations/webhook.test.ts',
          'a certificate must be from a known authority, unless the rules say otherwise',
        ],
      ],
    },
  ],
}
