import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type CloudEvent, HTTP } from 'cloudevents'
import { decoderOf, testTopicId as topicId } from '../testing/events.ts'
import { dataMember, encodeDelivery, encodeSingle, fieldOf } from './delivery.ts'
import {
  type DeliverySchema,
  deliverySchemas,
  type GridEvent,
  type InputSchema,
  type StoredEvent,
} from './event.ts'

function store(schema: InputSchema, text: string): StoredEvent {
  const decode = decoderOf(schema)
  const contentType = 'application/cloudevents-batch+json'
  const event = decode({ body: Buffer.from(`[${text}]`), contentType, rawHeaders: [] })[0] as GridEvent
  const { id, dataVersion, source, start, end, tail } = event
  const body = Buffer.concat([source.subarray(start, end), tail])
  return { schema, id, dataVersion, publishedAt: 0, internalId: Buffer.alloc(16), body }
}

const eventGrid = (more = '"dataVersion":"1.0"') =>
  store(
    'EventGridSchema',
    `{"id":"1","subject":"/s","data":{"big":12345678901234567890,"a":{"B":true,"q":"\\"x\\""},"n":1.50},"eventType":"t","eventTime":"2026-11-21T13:00:00Z",${more}}`,
  )

const cloud = () =>
  store(
    'CloudEventSchemaV1_0',
    '{"specversion":"1.0","id":"1","source":"/shop","type":"t","traceparent":"00-ab","data":[1.0]}',
  )

test('Event Grid events are delivered as an array of what is stored', () => {
  const events = [eventGrid(), eventGrid()]
  for (const batched of [true, false]) {
    const { body, contentType } = encodeDelivery(events, { schema: 'EventGridSchema', batched, topicId })
    assert.equal(contentType, 'application/json; charset=utf-8')
    assert.equal(body.toString(), `[${events.map((event) => event.body.toString()).join(',')}]`)
  }
})

test('a CloudEvent is delivered as it is without batching, and in an array with it', () => {
  const event = cloud()
  const form = { schema: 'CloudEventSchemaV1_0', topicId } as const
  const alone = encodeDelivery([event], { ...form, batched: false })
  assert.equal(alone.contentType, 'application/cloudevents+json; charset=utf-8')
  assert.equal(alone.body.toString(), event.body.toString())
  const batch = encodeDelivery([event, event], { ...form, batched: true })
  assert.equal(batch.contentType, 'application/cloudevents-batch+json; charset=utf-8')
  assert.equal(batch.body.toString(), `[${event.body.toString()},${event.body.toString()}]`)
})

test('an Event Grid event becomes a CloudEvent field by field, its data untouched', () => {
  const form = { schema: 'CloudEventSchemaV1_0', topicId, batched: false } as const
  const { body } = encodeDelivery([eventGrid()], form)
  assert.equal(
    body.toString(),
    `{"id":"1","source":"${topicId}","specversion":"1.0","type":"t","dataschema":"#1.0","subject":"/s","time":"2026-11-21T13:00:00Z","data":{"big":12345678901234567890,"a":{"B":true,"q":"\\"x\\""},"n":1.50}}`,
  )
  const plain = encodeDelivery([eventGrid('"metadataVersion":"1"')], form)
  assert.equal('dataschema' in (JSON.parse(plain.body.toString()) as object), false)
})

test('the cloudevents package reads both forms of a delivery', () => {
  const form = { schema: 'CloudEventSchemaV1_0', topicId } as const
  for (const batched of [true, false]) {
    const { body, contentType } = encodeDelivery([eventGrid('"metadataVersion":"1"')], { ...form, batched })
    const message = { headers: { 'content-type': contentType }, body: body.toString() }
    const read = HTTP.toEvent(message) as CloudEvent<unknown> | CloudEvent<unknown>[]
    for (const event of Array.isArray(read) ? read : [read]) {
      assert.equal(event.source, topicId)
      assert.equal(event.validate(), true)
    }
  }
})

test('a field is found by its path, in any case, with the digits that were published', () => {
  const event = eventGrid()
  assert.equal(fieldOf(event, 'data.big'), '12345678901234567890')
  assert.equal(fieldOf(event, 'data.n'), '1.50')
  assert.equal(fieldOf(event, 'Data.A.b'), 'true')
  assert.equal(fieldOf(event, 'data.a.q'), '"x"')
  assert.equal(fieldOf(event, 'subject'), '/s')
  assert.equal(fieldOf(event, 'source'), topicId)
  assert.equal(fieldOf(event, 'data.a'), undefined)
  assert.equal(fieldOf(event, 'data.a.q.x'), undefined)
  assert.equal(fieldOf(event, 'data.missing'), undefined)
  assert.equal(fieldOf(event, ''), undefined)
  assert.equal(fieldOf(cloud(), 'traceparent'), '00-ab')
  assert.equal(fieldOf(cloud(), 'data'), undefined)
  assert.equal(dataMember(cloud())?.toString(), '[1.0]')
})

const customText =
  '{ "id":"1", "subject":"/s", "eventType":"t", "eventTime":"2026-11-21T13:00:00Z", "dataVersion":"2", "p": {"big":12345678901234567890,"a":{"B":true},"esc":"\\u00e9\\/"} }'
const custom = (text = customText) => store('CustomEventSchema', text)

/** What a custom event becomes, but for its `data`. */
const mappedText = `"id":"1","topic":"${topicId}","subject":"/s","eventType":"t","eventTime":"2026-11-21T13:00:00Z","dataVersion":"2","metadataVersion":"1"`

test('a custom event is delivered as it was published, as an Event Grid event, or as a CloudEvent', () => {
  const forms = [
    ['CustomInputSchema', false, `[${customText}]`],
    ['CustomInputSchema', true, `[${customText},${customText}]`],
    ['EventGridSchema', false, `[{${mappedText},"data":${customText}}]`],
    ['EventGridSchema', true, `[{${mappedText},"data":${customText}},{${mappedText},"data":${customText}}]`],
    [
      'CloudEventSchemaV1_0',
      false,
      `{"id":"1","source":"${topicId}","specversion":"1.0","type":"t","dataschema":"#2","subject":"/s","time":"2026-11-21T13:00:00Z","data":${customText}}`,
    ],
  ] as const
  for (const [schema, batched, expected] of forms) {
    const events = batched ? [custom(), custom()] : [custom()]
    const { body, contentType } = encodeDelivery(events, { schema, batched, topicId })
    assert.equal(body.toString(), expected)
    const type = schema === 'CloudEventSchemaV1_0' ? 'cloudevents+json' : 'json'
    assert.equal(contentType, `application/${type}; charset=utf-8`)
  }
})

test('the published custom event is found whatever its mapped fields hold', () => {
  for (const odd of ['', '"', '\\', '\\"', '","data":{', '€𝄞', '\n', 'x'.repeat(100)]) {
    const text = JSON.stringify({ id: odd, subject: odd, eventType: odd, dataVersion: odd, data: { odd } })
    const form = { schema: 'CustomInputSchema', topicId } as const
    assert.equal(encodeSingle(custom(text), form).body.toString(), text)
  }
})

test('a single event is one JSON object in each schema that its input schema can be delivered in', () => {
  const published: Readonly<Record<InputSchema, StoredEvent>> = {
    EventGridSchema: eventGrid(),
    CloudEventSchemaV1_0: cloud(),
    CustomEventSchema: custom(),
  }
  for (const [input, event] of Object.entries(published) as [InputSchema, StoredEvent][])
    for (const schema of [
      'EventGridSchema',
      'CloudEventSchemaV1_0',
      'CustomInputSchema',
    ] as DeliverySchema[]) {
      const single = () => encodeSingle(event, { schema, topicId })
      if (!deliverySchemas[input].includes(schema)) {
        assert.throws(single, /no Event Grid form|only custom events/)
        continue
      }
      const { body, contentType } = single()
      const array = encodeDelivery([event], { schema, batched: true, topicId }).body.toString()
      assert.equal(`[${body.toString()}]`, array)
      const type = schema === 'CloudEventSchemaV1_0' ? 'cloudevents+json' : 'json'
      assert.equal(contentType, `application/${type}; charset=utf-8`)
    }
})

test('a field of a custom event is one that is mapped, or one of its own below data', () => {
  const event = custom()
  assert.equal(fieldOf(event, 'subject'), '/s')
  assert.equal(fieldOf(event, 'EventType'), 't')
  assert.equal(fieldOf(event, 'source'), topicId)
  assert.equal(fieldOf(event, 'data.p.big'), '12345678901234567890')
  assert.equal(fieldOf(event, 'data.p.A.b'), 'true')
  assert.equal(fieldOf(event, 'p.big'), undefined)
  assert.equal(dataMember(event)?.toString(), customText)
})
