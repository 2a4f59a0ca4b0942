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
