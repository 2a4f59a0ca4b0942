import assert from 'node:assert/strict'
import { subscription } from '../../src/testing/control-plane.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { type RawAnswer, sendRaw } from '../../src/testing/publish-server.ts'
import { type RecordingWebhook, startRecordingWebhook } from '../../src/testing/recording-webhook.ts'
import { startTestServer, type TestServer, type TestTopic } from '../../src/testing/test-server.ts'

type Ending = Parameters<typeof startTestServer>[0]

/** One request to a topic's endpoint. A credential is added unless one is given, or `anonymous`. */
export interface Request {
  readonly method?: string
  readonly contentType?: string | null
  readonly headers?: Readonly<Record<string, string>>
  /** Follows the endpoint, such as `?api-version=2018-01-01`. */
  readonly query?: string
  readonly anonymous?: boolean
}

/** One server on a clock moved by hand, for all rules; each makes topics of its own. */
export interface World {
  readonly server: TestServer
  readonly clock: ManualClock
  readonly topic: (properties?: Readonly<Record<string, unknown>>) => Promise<TestTopic>
  readonly domain: (properties?: Readonly<Record<string, unknown>>) => Promise<TestTopic>
  /** A PUT that succeeds. */
  readonly put: (id: string, body: unknown) => Promise<void>
  /** Sends a body as it is, or as JSON. */
  readonly send: (topic: TestTopic, body: unknown, request?: Request) => Promise<RawAnswer>
  /** A webhook with an event subscription on the topic, or on whatever has that ARM id, which it has agreed to. */
  readonly subscribe: (
    t: Ending,
    topic: TestTopic | string,
    properties?: Readonly<Record<string, unknown>>,
    answers?: readonly number[],
    webhook?: Readonly<Record<string, unknown>>,
  ) => Promise<RecordingWebhook>
}

export const gridEvent = (more: Readonly<Record<string, unknown>> = {}) => ({
  id: '1',
  subject: '/orders/1',
  eventType: 'Orders.Placed',
  eventTime: '2026-01-02T03:04:05Z',
  data: { n: 1 },
  dataVersion: '1.0',
  ...more,
})

export const cloudEvent = (more: Readonly<Record<string, unknown>> = {}) => ({
  specversion: '1.0',
  id: '1',
  source: '/shop',
  type: 'Orders.Placed',
  data: { n: 1 },
  ...more,
})

export const structured = 'application/cloudevents+json; charset=utf-8'
export const batched = 'application/cloudevents-batch+json; charset=utf-8'

export async function createWorld(t: Ending): Promise<World> {
  const clock = new ManualClock()
  const server = await startTestServer(t, { clock })
  let topics = 0
  let subscriptions = 0
  const put: World['put'] = async (id, body) => {
    const { status, body: answer } = await server.call('PUT', id, body)
    assert.ok(status === 200 || status === 201, `PUT ${id}: ${status} ${JSON.stringify(answer)}`)
    assert.equal(answer.properties?.provisioningState ?? 'Succeeded', 'Succeeded', id)
  }
  return {
    server,
    clock,
    put,
    topic: (properties) => server.createTopic(`topic-${++topics}`, properties),
    async domain(properties = {}) {
      const name = `domain-${++topics}`
      const id = `${subscription}/resourceGroups/rg/providers/Microsoft.EventGrid/domains/${name}`
      await put(id, { location: 'westus2', properties })
      const { body } = await server.call('GET', id)
      const keys = await server.call('POST', `${id}/listKeys`)
      return { name, id, endpoint: body.properties.endpoint, ...keys.body } as TestTopic
    },
    send(topic, body, request = {}) {
      const { method = 'POST', contentType = 'application/json', headers = {}, query = '' } = request
      return sendRaw(
        server.http + new URL(topic.endpoint).pathname + query,
        method,
        {
          ...(contentType !== null && { 'content-type': contentType }),
          ...(!request.anonymous && { 'aeg-sas-key': topic.key1 }),
          ...headers,
        },
        typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body),
      )
    },
    async subscribe(ending, topic, properties = {}, answers = [200], webhook = {}) {
      const hook = await startRecordingWebhook(ending, answers)
      const scope = typeof topic === 'string' ? topic : topic.id
      const parent = isNestedOnly(scope) ? scope : `${scope}/providers/Microsoft.EventGrid`
      await put(`${parent}/eventSubscriptions/subscription-${++subscriptions}`, {
        properties: {
          destination: { endpointType: 'WebHook', properties: { endpointUrl: hook.url, ...webhook } },
          ...properties,
        },
      })
      return hook
    },
  }
}

/** What has event subscriptions as children alone. */
const isNestedOnly = (id: string) => /\/(?:systemTopics|partnerTopics)\/[^/]+$/i.test(id)

/** The events of all deliveries to a webhook, one by one. */
export const eventsOf = (hook: RecordingWebhook): Record<string, unknown>[] =>
  hook.received.flatMap(({ body }) => [body].flat() as Record<string, unknown>[])

/** A publish that is refused in the protocol's words. */
export function assertRefused(answer: RawAnswer, status: number, code: string, detailCode?: string): void {
  assert.deepEqual(
    [answer.status, answer.code, detailCode === undefined ? undefined : answer.detailCode],
    [status, code, detailCode],
    answer.text,
  )
}
