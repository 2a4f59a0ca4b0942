import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RequestError } from '../../base/errors.ts'
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

const domainId = topicId.replace('/topics/orders', '/domains/Shop')
const domainDecoder = decoderOf('EventGridSchema', { topicId: domainId, domain: true })
const decodeInDomain = (text: string) =>
  domainDecoder({ body: Buffer.from(text), contentType: undefined, rawHeaders: [] })

test('in a domain the name of the domain topic is replaced by its ARM id, wherever it stands', () => {
  const members = required.split(/,(?=")/)
  for (const topic of ['Toys', `${domainId}/topics/Toys`, `${domainId.toUpperCase()}/TOPICS/Toys`])
    for (const [colon, comma] of [
      [':', ','],
      [' : ', ' ,\n '],
      [':\t', '\r\n,'],
    ] as const)
      for (let at = 0; at <= members.length; at++) {
        const all = members.toSpliced(at, 0, `"topic"${colon}"${topic}"`, '"data":{"topic":"x","n":1.50}')
        const event = `{ ${all.join(comma)} }`
        const body = Buffer.from(`[${event},${event}]`)
        const published = Buffer.from(body)
        const events = domainDecoder({ body, contentType: undefined, rawHeaders: [] })
        assert.deepEqual(body, published)
        for (const one of events) {
          const text = bodyOf(one)
          assert.equal(one.topicId, `${domainId}/topics/Toys`)
          assert.equal(one.envelope['topic'], `${domainId}/topics/Toys`)
          assert.deepEqual(JSON.parse(text), one.envelope)
          assert.equal(text.split('"topic"').length, 3, text)
          assert.ok(text.includes('"data":{"topic":"x","n":1.50}'))
        }
      }
})

test('in a domain a topic whose name needs to be looked for is found', () => {
  for (const member of ['"\\u0074opic":"toys"', '"TOPIC":"toys"', '"to\\u0070ic":"to\\u0079s"']) {
    const [event] = decodeInDomain(`[{${member},${required}}]`)
    assert.equal(event?.topicId, `${domainId}/topics/toys`)
    assert.deepEqual(JSON.parse(bodyOf(event)), event?.envelope)
  }
})

test('events of one request may be for many domain topics, and those of one have the same id and endings', () => {
  const [a, b, c] = decodeInDomain(
    `[{${required},"topic":"toys"},{${required},"topic":"Books"},{"topic":"toys",${required}}]`,
  )
  assert.equal(a?.topicId, c?.topicId)
  assert.equal(a?.tail, c?.tail)
  assert.equal(b?.topicId, `${domainId}/topics/Books`)
})

test('a domain topic may be called anything that its resource can be', () => {
  for (const name of ['abc', 'x'.repeat(128), '---', 'Micro-soft', '007'])
    assert.equal(
      decodeInDomain(`[{${required},"topic":"${name}"}]`)[0]?.topicId,
      `${domainId}/topics/${name}`,
    )
})

test('an event of a custom topic belongs to no domain topic', () => {
  assert.equal(decode(`{${required}}`).topicId, undefined)
})

for (const [why, topic, message] of [
  ['no topic', undefined, /Event 1 .*lacks the required property 'topic'/],
  ['an empty topic', '""', /Event 1 .*lacks the required property 'topic'/],
  ['a topic that is null', 'null', /Event 1 .*lacks the required property 'topic'/],
  ['a topic that is no string', '7', /Event 1 .*'topic' must be a string/],
  ['a topic with a name that is too short', '"ab"', /Event 1 .*3 to 128 letters, digits or hyphens/],
  ['a topic with a name that is too long', `"${'x'.repeat(129)}"`, /3 to 128/],
  ['a topic with a character that no name has', '"toys/1"', /3 to 128/],
  ['a topic with a reserved name', '"MicrosoftToys"', /'Microsoft', 'EventGrid', 'System'/],
  ['an ARM id without a name', `"${domainId}/topics/"`, /3 to 128/],
] as const)
  test(`in a domain ${why} is refused`, () => {
    const event = topic === undefined ? `{${required}}` : `{${required},"topic":${topic}}`
    assert.throws(
      () => decodeInDomain(`[{${required},"topic":"toys"},${event}]`),
      (error: RequestError) =>
        error.status === 400 &&
        error.detailCode === 'InputJsonInvalid' &&
        error.target === 'topic' &&
        message.test(error.message),
    )
  })

test('in a domain the ARM id of another one is refused once the other events are known to be well formed', () => {
  const foreign = `{${required},"topic":"${domainId}2/topics/toys"}`
  assert.throws(
    () => decodeInDomain(`[${foreign}]`),
    (error: RequestError) =>
      error.status === 401 && /'.*\/domains\/Shop2\/topics\/toys' is not .*'/.test(error.message),
  )
  assert.throws(
    () => decodeInDomain(`[${foreign},{"topic":"toys"}]`),
    /lacks the required property 'subject'/,
  )
})
