import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decoderOf } from '../../testing/events.ts'
import type { GridEvent } from '../event.ts'

const topicId = '/subscriptions/s/resourceGroups/Group/providers/Microsoft.EventGrid/topics/orders'
const decoder = decoderOf('EventGridSchema', { topicId })

const decode = (text: string) =>
  decoder({ body: Buffer.from(`[${text}]`), contentType: undefined, rawHeaders: [] })[0] as GridEvent

const bodyOf = ({ source, start, end, tail }: GridEvent) =>
  Buffer.concat([source.subarray(start, end), tail]).toString()

const required = '"id":"1","subject":"s","eventType":"t","eventTime":"2026-11-21T13:00:00Z"'

test('what the publisher left out is stamped on after the published bytes', () => {
  const event = decode(`{ ${required} }`)
  assert.equal(
    bodyOf(event),
    `{ ${required} ,"topic":"${topicId}","dataVersion":"","metadataVersion":"1","data":null}`,
  )
  assert.equal(event.dataVersion, '')
})

test('what the publisher gave is not stamped again', () => {
  const full = `{${required},"data":1,"dataVersion":"2","metadataVersion":"1","topic":"${topicId}"}`
  const event = decode(full)
  assert.equal(bodyOf(event), full)
  assert.equal(event.dataVersion, '2')
})

test('every combination of optional members comes out complete, each member once', () => {
  const optional = [`"data":1`, `"dataVersion":"2"`, `"metadataVersion":"1"`, `"topic":"${topicId}"`]
  for (let mask = 0; mask < 16; mask++) {
    const given = optional.filter((_, index) => mask & (1 << index))
    const event = decode(`{${[...given, required].join(',')}}`)
    const text = bodyOf(event)
    assert.deepEqual(JSON.parse(text), event.envelope)
    for (const name of ['data', 'dataVersion', 'metadataVersion', 'topic'])
      assert.equal(text.split(`"${name}":`).length, 2, text)
  }
})

test('events of one request share the buffer they came in, and their endings', () => {
  const [first, second] = decoder({
    body: Buffer.from(`[{${required}},{${required}}]`),
    contentType: undefined,
    rawHeaders: [],
  })
  assert.equal(first?.source, second?.source)
  assert.equal(first?.tail, second?.tail)
})

test('names in another case are given the case of the schema, and values keep their bytes', () => {
  const event = decode(
    '{"ID":"1","Subject":"s","EVENTTYPE":"t","eventtime":"2026-11-21T13:00:00Z","Data":{"X":1.0,"x":12345678901234567890}}',
  )
  assert.equal(
    bodyOf(event),
    `{"id":"1","subject":"s","eventType":"t","eventTime":"2026-11-21T13:00:00Z","data":{"X":1.0,"x":12345678901234567890},"topic":"${topicId}","dataVersion":"","metadataVersion":"1"}`,
  )
  assert.deepEqual(JSON.parse(bodyOf(event)), event.envelope)
})

test('a topic that is empty, null or ours in another case is replaced by ours', () => {
  for (const topic of ['""', 'null', `"${topicId.toUpperCase()}"`]) {
    const event = decode(`{"topic": ${topic} ,${required},"data":[1.0]}`)
    assert.equal(event.envelope['topic'], topicId)
    assert.deepEqual(JSON.parse(bodyOf(event)), event.envelope)
    assert.ok(bodyOf(event).includes('"data":[1.0]'))
  }
})

test('versions that are null are as if they were left out', () => {
  const event = decode(`{${required},"dataVersion":null,"metadataVersion":null,"data":null}`)
  assert.equal(event.dataVersion, '')
  assert.equal(event.envelope['metadataVersion'], '1')
  assert.equal(event.envelope['data'], null)
  assert.deepEqual(JSON.parse(bodyOf(event)), event.envelope)
})

const times = [
  '2017-08-10T21:03:07+00:00',
  '2017-08-10T21:03:07+0000',
  '2017-08-10T21:03:07+02',
  '2017-08-10T21:03:07.1234567Z',
  '2017-08-10T21:03:07',
  '2017-08-10 21:03:07Z',
  '2017-08-10T21:03',
  '2017-08-10',
  '2016-12-31T23:59:60Z',
  '2000-02-29T00:00:00z',
]
for (const time of times)
  test(`the eventTime '${time}' is accepted and stays as it is`, () => {
    const event = decode(`{"id":"1","subject":"","eventType":"","eventTime":"${time}"}`)
    assert.equal(event.envelope['eventTime'], time)
  })

test('the first missing property is named in the order subject, id, eventType, eventTime', () => {
  const names = ['subject', 'id', 'eventType', 'eventTime']
  for (const [index, name] of names.entries()) {
    const given = names.slice(0, index).map((other) => `"${other}":"2026-11-21"`)
    assert.throws(() => decode(`{${given.join(',')}}`), new RegExp(`EventGridEvent lacks .*'${name}'`))
  }
})

test('an event of another schema is refused by the name of the property that gives it away', () => {
  assert.throws(() => decode(`{${required},"source":"/s"}`), /'source' is not known to schema EventGridEvent/)
})
