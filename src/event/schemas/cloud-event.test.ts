import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decoderOf } from '../../testing/events.ts'
import type { GridEvent } from '../event.ts'

const decoder = decoderOf('CloudEventSchemaV1_0')

const decode = (text: string) =>
  decoder({ body: Buffer.from(text), contentType: 'application/json', rawHeaders: [] })[0] as GridEvent

const bodyOf = ({ source, start, end, tail }: GridEvent) =>
  Buffer.concat([source.subarray(start, end), tail]).toString()

const required = '"specversion":"1.0","id":"1","source":"/s","type":"t"'

test('an event passes through byte for byte, with all its extensions, and nothing is stamped on', () => {
  const text = `{ "ext":"x", ${required}, "flag":true, "n5":1.0, "time":"2026-11-21T13:00:00.1+01:00", "data": 1 }`
  const event = decode(` ${text} `)
  assert.equal(bodyOf(event), text)
  assert.equal(event.subject, '')
})

test('attributes that are null are dropped, null data stays', () => {
  const event = decode(
    `{"subject":null,"data":null, ${required} ,"time":null,"ext":null,"data_base64":null,"last":1.0}`,
  )
  assert.equal(
    bodyOf(event),
    '{"data":null,"specversion":"1.0","id":"1","source":"/s","type":"t","last":1.0}',
  )
  assert.deepEqual(JSON.parse(bodyOf(event)), event.envelope)
})

test('the first missing attribute is named in the order specversion, type, source, id; type as eventType', () => {
  const reported = { specversion: 'specversion', type: 'eventType', source: 'source', id: 'id' }
  const given: string[] = []
  for (const [name, asReported] of Object.entries(reported)) {
    assert.throws(() => decode(`{${given.join(',')}}`), new RegExp(`CloudEventV10 lacks .*'${asReported}'`))
    given.push(`"${name}":"1.0"`)
  }
})

test('in a domain the source names the domain topic, and is delivered as it was published', () => {
  const domainId = '/subscriptions/s/resourceGroups/g/providers/Microsoft.EventGrid/domains/Shop'
  const inDomain = decoderOf('CloudEventSchemaV1_0', { topicId: domainId, domain: true })
  const sources = {
    Toys: `${domainId}/topics/Toys`,
    [`${domainId.toUpperCase()}/topics/toys`]: `${domainId}/topics/toys`,
    // No domain topic can be called so: the event is for those who want all events of the domain.
    '/shop/toys': undefined,
    'https://example.org/toys': undefined,
    [`${domainId}2/topics/toys`]: undefined,
    ab: undefined,
  }
  for (const [source, topicId] of Object.entries(sources)) {
    const text = `{"specversion":"1.0","id":"1","source":"${source}","type":"t"}`
    const [event] = inDomain({
      body: Buffer.from(`[${text}]`),
      contentType: 'application/cloudevents-batch+json',
      rawHeaders: [],
    })
    assert.equal(event?.topicId, topicId)
    assert.equal(bodyOf(event as GridEvent), text)
  }
  assert.equal(decode(`{${required}}`).topicId, undefined)
})
