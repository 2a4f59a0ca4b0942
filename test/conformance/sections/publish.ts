import assert from 'node:assert/strict'
import type { Rule, Section } from '../rule.ts'
import { assertRefused, batched, cloudEvent, gridEvent, structured, type World } from '../world.ts'

const badJson = [400, 'BadRequest', 'InputJsonInvalid'] as const
const badMedia = [415, 'UnsupportedMediaType', 'InvalidContentType'] as const
const denied = [401, 'Unauthorized', 'Unauthorized'] as const

const clouds = (world: World) => world.topic({ inputSchema: 'CloudEventSchemaV1_0' })

/** What is delivered of one event as it was published. */
const stamped = (rule: string, event: object, expected: Readonly<Record<string, unknown>>): Rule => ({
  rule,
  async check(t, world) {
    const topic = await world.topic()
    const hook = await world.subscribe(t, topic)
    assert.equal((await world.send(topic, [event])).status, 200)
    await world.server.settle()
    const [[delivered]] = hook.received.map(({ body }) => body as [Record<string, unknown>]) as [
      [Record<string, unknown>],
    ]
    for (const [name, value] of Object.entries(expected))
      assert.deepEqual(delivered[name], value === topicId ? topic.id : value, name)
  },
})
const topicId = Symbol('the ARM id of the topic')

const missing = (schema: 'grid' | 'cloud', name: string, reported = name): Rule => ({
  rule: `${schema === 'grid' ? 'An Event Grid event' : 'A CloudEvent'} without \`${name}\` is refused with 400 \`InputJsonInvalid\`, naming \`${reported}\``,
  async check(_t, world) {
    const topic = schema === 'grid' ? await world.topic() : await clouds(world)
    const { [name]: _left, ...event } = (schema === 'grid' ? gridEvent() : cloudEvent()) as Record<
      string,
      unknown
    >
    const answer =
      schema === 'grid'
        ? await world.send(topic, [event])
        : await world.send(topic, event, { contentType: structured })
    assertRefused(answer, ...badJson)
    assert.ok(answer.text.includes(`'${reported}'`), answer.text)
  },
})

const accepted = (
  rule: string,
  schema: 'grid' | 'cloud',
  body: unknown,
  contentType: string | null,
  headers: Readonly<Record<string, string>> = {},
): Rule => ({
  rule,
  async check(_t, world) {
    const topic = schema === 'grid' ? await world.topic() : await clouds(world)
    const answer = await world.send(topic, body, { contentType, headers })
    assert.equal(answer.status, 200, answer.text)
  },
})

const refused = (
  rule: string,
  schema: 'grid' | 'cloud',
  body: unknown,
  [status, code, detailCode]: readonly [number, string, string],
  contentType: string | null = schema === 'grid' ? 'application/json' : structured,
  headers: Readonly<Record<string, string>> = {},
): Rule => ({
  rule,
  async check(_t, world) {
    const topic = schema === 'grid' ? await world.topic() : await clouds(world)
    assertRefused(await world.send(topic, body, { contentType, headers }), status, code, detailCode)
  },
})

/** A body of exactly so many bytes with one event in it. */
function eventOfBytes(bytes: number): string {
  const empty = JSON.stringify(gridEvent({ data: '' }))
  return JSON.stringify(gridEvent({ data: 'x'.repeat(bytes - Buffer.byteLength(empty)) }))
}

const binaryHeaders = {
  'ce-specversion': '1.0',
  'ce-id': '1',
  'ce-source': '/shop',
  'ce-type': 'Orders.Placed',
}

export const publish: Section = {
  title: 'Publishing',
  source: 'learn.microsoft.com/azure/event-grid/post-to-custom-topic',
  rules: [
    {
      rule: 'A publish is answered 200 with an empty body, `x-ms-request-id` and `api-supported-versions: 2018-01-01`',
      async check(_t, world) {
        const answer = await world.send(await world.topic(), [gridEvent()], {
          query: '?api-version=2018-01-01',
        })
        assert.deepEqual([answer.status, answer.text], [200, ''])
        assert.match(String(answer.headers['x-ms-request-id']), /^[0-9a-f-]{36}$/)
        assert.equal(answer.headers['api-supported-versions'], '2018-01-01')
        assert.equal(answer.headers['content-length'], '0')
      },
    },
    accepted('An api-version may be left out', 'grid', [gridEvent()], 'application/json'),
    {
      rule: 'Another api-version than 2018-01-01 is refused with 400',
      async check(_t, world) {
        const answer = await world.send(await world.topic(), [gridEvent()], {
          query: '?api-version=2019-01-01',
        })
        assertRefused(answer, 400, 'BadRequest')
      },
    },
    {
      rule: "The endpoint's path matches in any letter case, with or without a slash at its end",
      async check(_t, world) {
        const topic = await world.topic()
        const upper = { ...topic, endpoint: topic.endpoint.replace('/api/events', '/API/Events') }
        assert.equal((await world.send(upper, [gridEvent()])).status, 200)
        assert.equal((await world.send(topic, [gridEvent()], { query: '/' })).status, 200)
      },
    },
    {
      rule: '`OPTIONS` is answered 200 without a credential, and tells the input schema in `aeg-input-event-schema`',
      async check(_t, world) {
        for (const [topic, schema] of [
          [await world.topic(), 'EventGridEvent'],
          [await clouds(world), 'CloudEventV10'],
          [await world.topic({ inputSchema: 'CustomEventSchema' }), 'CustomInputEvent'],
        ] as const) {
          const answer = await world.send(topic, '', { method: 'OPTIONS', anonymous: true })
          assert.equal(answer.status, 200)
          assert.equal(answer.headers['aeg-input-event-schema'], schema)
          assert.equal(answer.headers['allow'], 'POST,OPTIONS')
        }
      },
    },
    {
      rule: '`HEAD` is answered 404, every other verb 405 with `Allow: OPTIONS, POST`',
      async check(_t, world) {
        const topic = await world.topic()
        assert.equal((await world.send(topic, '', { method: 'HEAD' })).status, 404)
        for (const method of ['GET', 'PUT', 'PATCH', 'DELETE']) {
          const answer = await world.send(topic, '', { method })
          assertRefused(answer, 405, 'MethodNotAllowed', 'MethodNotAllowed')
          assert.equal(answer.headers['allow'], 'OPTIONS, POST')
        }
      },
    },
    {
      rule: 'An unknown endpoint is answered 404 `ResourceNotFound`',
      async check(_t, world) {
        const topic = await world.topic()
        const unknown = { ...topic, endpoint: topic.endpoint.replace(topic.name, 'nowhere') }
        assertRefused(await world.send(unknown, [gridEvent()]), 404, 'NotFound', 'ResourceNotFound')
      },
    },
    {
      rule: 'Both access keys open the topic, in `aeg-sas-key` as header or in the query',
      async check(_t, world) {
        const topic = await world.topic()
        for (const key of [topic.key1, topic.key2]) {
          const headers = { 'aeg-sas-key': key }
          assert.equal((await world.send(topic, [gridEvent()], { anonymous: true, headers })).status, 200)
          const query = `?aeg-sas-key=${encodeURIComponent(key)}`
          assert.equal((await world.send(topic, [gridEvent()], { anonymous: true, query })).status, 200)
        }
      },
    },
    {
      rule: 'A wrong key is refused with 401, an empty one with 400 `InvalidSas`, none with 401',
      async check(_t, world) {
        const topic = await world.topic()
        const ask = (headers: Readonly<Record<string, string>>) =>
          world.send(topic, [gridEvent()], { anonymous: true, headers })
        assertRefused(await ask({ 'aeg-sas-key': 'd3Jvbmc=' }), ...denied)
        assertRefused(await ask({ 'aeg-sas-key': '' }), 400, 'BadRequest', 'InvalidSas')
        assertRefused(await ask({}), ...denied)
        assertRefused(await ask({ authorization: 'Basic eDp5' }), ...denied)
      },
    },
    {
      rule: 'SAS tokens as the JavaScript, .NET, Java and Python clients and the documented samples build them open the topic until they expire',
      provedBy: [
        [
          'src/auth/sas-token.test.ts',
          'a token as ${sdk} makes it is good until the millisecond in which it expires',
        ],
        [
          'src/publish/publish.test.ts',
          'a token from the official client for one topic opens no other, and none after it expires',
        ],
      ],
    },
    {
      rule: 'The credential is judged before the body',
      async check(_t, world) {
        const answer = await world.send(await world.topic(), 'no JSON', { anonymous: true })
        assertRefused(answer, ...denied)
      },
    },
    {
      rule: 'With `publicNetworkAccess: Disabled` a publish is refused with 403',
      async check(_t, world) {
        const topic = await world.topic({ publicNetworkAccess: 'Disabled' })
        assertRefused(await world.send(topic, [gridEvent()]), 403, 'Forbidden', 'Forbidden')
      },
    },
    refused('A body that is no JSON is refused with 400 `InputJsonInvalid`', 'grid', '[{', badJson),
    refused('An empty body is refused with 400 `InputJsonInvalid`', 'grid', '', badJson),
    refused('An empty array is refused with 400 `InputJsonInvalid`', 'grid', [], badJson),
    refused('An Event Grid event outside an array is refused', 'grid', gridEvent(), badJson),
    refused(
      'An array is refused where one structured CloudEvent is expected',
      'cloud',
      [cloudEvent()],
      badJson,
    ),
    refused('One CloudEvent is refused where a batch is expected', 'cloud', cloudEvent(), badJson, batched),
    refused(
      'An unknown member of an Event Grid event is refused with 400, naming it',
      'grid',
      [gridEvent({ source: '/shop' })],
      badJson,
    ),
    ...['subject', 'id', 'eventType', 'eventTime'].map((name) => missing('grid', name)),
    ...['specversion', 'source', 'id'].map((name) => missing('cloud', name)),
    missing('cloud', 'type', 'eventType'),
    refused(
      'A `specversion` other than 1.0 is refused',
      'cloud',
      cloudEvent({ specversion: '0.3' }),
      badJson,
    ),
    refused(
      '`data` and `data_base64` together are refused',
      'cloud',
      cloudEvent({ data_base64: 'AQID' }),
      badJson,
    ),
    refused(
      'A `metadataVersion` other than the string "1" is refused',
      'grid',
      [gridEvent({ metadataVersion: '2' })],
      badJson,
    ),
    refused(
      'An event that names another topic is refused with 401',
      'grid',
      [gridEvent({ topic: '/subscriptions/0/resourceGroups/rg/providers/Microsoft.EventGrid/topics/other' })],
      denied,
    ),
    accepted(
      'Event Grid events come under any content type',
      'grid',
      [gridEvent()],
      'application/x-www-form-urlencoded',
    ),
    accepted('Event Grid events come without a content type', 'grid', [gridEvent()], null),
    accepted(
      'A structured CloudEvent comes as `application/cloudevents+json`',
      'cloud',
      cloudEvent(),
      structured,
    ),
    accepted(
      'CloudEvents come in a batch as `application/cloudevents-batch+json`',
      'cloud',
      [cloudEvent(), cloudEvent({ id: '2' })],
      batched,
    ),
    accepted('`application/json` is one structured CloudEvent', 'cloud', cloudEvent(), 'application/json'),
    accepted(
      'A CloudEvent in binary mode comes with `ce-` headers and JSON data',
      'cloud',
      { n: 1 },
      'application/json',
      binaryHeaders,
    ),
    refused(
      'A CloudEvent in binary mode whose data is no JSON is refused with 415',
      'cloud',
      '<n>1</n>',
      badMedia,
      'application/xml',
      binaryHeaders,
    ),
    refused(
      'A `ce-` header that is empty is refused with 400 `InvalidCloudEventHeader`',
      'cloud',
      { n: 1 },
      [400, 'BadRequest', 'InvalidCloudEventHeader'],
      'application/json',
      { ...binaryHeaders, 'ce-type': '' },
    ),
    refused('A CloudEvent without a content type is refused with 415', 'cloud', cloudEvent(), badMedia, null),
    refused(
      'A CloudEvent of another content type is refused with 415',
      'cloud',
      cloudEvent(),
      badMedia,
      'text/plain',
    ),
    stamped('`topic` is stamped with the ARM id of the topic', gridEvent(), { topic: topicId }),
    stamped(
      'A `dataVersion` that is left out is stamped as an empty string',
      gridEvent({ dataVersion: undefined }),
      {
        dataVersion: '',
      },
    ),
    stamped('`metadataVersion` is stamped as "1"', gridEvent(), { metadataVersion: '1' }),
    stamped('`data` that is left out is delivered as null', gridEvent({ data: undefined }), { data: null }),
    stamped(
      '`eventTime` is delivered as it was published',
      gridEvent({ eventTime: '2026-01-02T03:04:05+0000' }),
      {
        eventTime: '2026-01-02T03:04:05+0000',
      },
    ),
    {
      rule: 'Nothing is stamped on a CloudEvent, and its extension attributes stay',
      async check(t, world) {
        const topic = await clouds(world)
        const hook = await world.subscribe(t, topic)
        const event = cloudEvent({ traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' })
        await world.send(topic, event, { contentType: structured })
        await world.server.settle()
        assert.deepEqual(hook.received[0]?.body, event)
      },
    },
    {
      rule: 'Attributes of a CloudEvent that are null are dropped, since clients refuse to read them',
      async check(t, world) {
        const topic = await clouds(world)
        const hook = await world.subscribe(t, topic)
        await world.send(topic, cloudEvent({ subject: null }), { contentType: structured })
        await world.server.settle()
        assert.deepEqual(hook.received[0]?.body, cloudEvent())
      },
    },
    {
      rule: 'A request is taken whole or not at all',
      async check(t, world) {
        const topic = await world.topic()
        const hook = await world.subscribe(t, topic)
        const answer = await world.send(topic, [gridEvent(), gridEvent({ id: undefined })])
        assertRefused(answer, ...badJson)
        await world.server.settle()
        assert.equal(hook.received.length, 0)
      },
    },
    {
      rule: 'An event of 1 MiB is accepted, one byte more is answered 413',
      async check(_t, world) {
        const topic = await world.topic()
        const largest = 1_048_576
        assert.equal((await world.send(topic, `[${eventOfBytes(largest - 2)}]`)).status, 200)
        assertRefused(
          await world.send(topic, `[${eventOfBytes(largest - 1)}]`),
          413,
          'RequestEntityTooLarge',
          'PayloadTooLarge',
        )
      },
    },
    {
      rule: '5,000 events in one request are accepted, one more is answered 413',
      async check(_t, world) {
        const topic = await world.topic()
        const events = Array.from({ length: 5_001 }, (_, n) => gridEvent({ id: String(n), data: null }))
        assert.equal((await world.send(topic, events.slice(1))).status, 200)
        assertRefused(await world.send(topic, events), 413, 'RequestEntityTooLarge', 'PayloadTooLarge')
      },
    },
    accepted(
      'An event that no event subscription wants is accepted',
      'grid',
      [gridEvent()],
      'application/json',
    ),
    {
      rule: 'There is no de-duplication: an event published twice is delivered twice',
      async check(t, world) {
        const topic = await world.topic()
        const hook = await world.subscribe(t, topic)
        for (let times = 0; times < 2; times++) await world.send(topic, [gridEvent()])
        await world.server.settle()
        assert.equal(hook.received.length, 2)
      },
    },
    {
      rule: 'Too much at a time is answered 429 with `Retry-After`',
      provedBy: [
        [
          'src/publish/publish.test.ts',
          'one request more than may be pending is answered 429 with Retry-After',
        ],
      ],
    },
    {
      rule: 'An event that was answered 200 outlives `kill -9`',
      provedBy: [
        ['test/crash.test.ts', 'every publish that was answered 200 is delivered, wherever kill -9 struck'],
      ],
    },
  ],
}
