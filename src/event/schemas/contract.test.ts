import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { RequestError } from '../../base/errors.ts'
import { decoderOf } from '../../testing/events.ts'
import type { GridEvent } from '../event.ts'
import { schemas } from './index.ts'
import { defaultDecodeLimits, type Schema } from './schema.ts'

const bodyOf = ({ source, start, end, tail }: GridEvent) =>
  Buffer.concat([source.subarray(start, end), tail]).toString()

test('every file of the shelf is in its index', () => {
  const shared = new Set(['index.ts', 'schema.ts', 'json.ts', 'cloud-event-headers.ts'])
  const files = readdirSync(import.meta.dirname).filter(
    (name) => !name.endsWith('.test.ts') && !shared.has(name),
  )
  assert.equal(files.length, Object.keys(schemas).length)
})

for (const [name, schema] of Object.entries(schemas) as [GridEvent['schema'], Schema][]) {
  const { example } = schema
  const decode = decoderOf(name)

  test(`${name}: its example is decoded, and its envelope is what its bytes say`, () => {
    const [event, ...others] = decode(example)
    assert.ok(event)
    assert.equal(others.length, 0)
    assert.equal(event.schema, name)
    assert.equal(event.type, 'Orders.Placed')
    assert.equal(event.subject, '/orders/1')
    assert.deepEqual(JSON.parse(bodyOf(event)), event.envelope)
  })

  test(`${name}: the same request decodes to the same events every time`, () => {
    assert.deepEqual(decode(example), decode(example))
  })

  test(`${name}: white space and escapes around and inside events change nothing`, () => {
    const [event] = JSON.parse(example.body.toString()) as [Record<string, unknown>]
    const odd = {
      ...event,
      data: { 'a"}]': '{[\\"', '\\': '\\\\', deep: [[{}, []], '"', '\\"'] },
      id: '}"\\',
    }
    for (const space of [undefined, 1, '\t', '\r\n'])
      for (const around of ['', ' \r\n\t']) {
        const text = JSON.stringify([odd, event, odd], null, space)
        const body = Buffer.from(`${around}${text.replaceAll('/', '\\/')}${around}`)
        const events = decode({ ...example, body })
        assert.deepEqual(
          events.map(({ id }) => id),
          ['}"\\', '1', '}"\\'],
        )
        for (const decoded of events) assert.deepEqual(JSON.parse(bodyOf(decoded)), decoded.envelope)
      }
  })

  test(`${name}: numbers, escapes and text beyond ASCII keep the bytes that were published`, () => {
    const data =
      '{"big":12345678901234567890,"exact":1.10,"exp":1E+2,"esc":"\\u00e9\\/","raw":"€𝄞","dup":1,"dup":2}'
    const text = example.body.toString().replace('{"n":1}', data)
    const [event] = decode({ ...example, body: Buffer.from(text) })
    assert.ok(bodyOf(event as GridEvent).includes(data))
  })

  test(`${name}: a byte order mark is passed over`, () => {
    const body = Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), example.body])
    const [event] = decode({ ...example, body })
    assert.deepEqual(JSON.parse(bodyOf(event as GridEvent)), event?.envelope)
  })

  test(`${name}: a request cut at any byte is refused as malformed`, () => {
    for (let end = 0; end < example.body.length; end++)
      assert.throws(
        () => decode({ ...example, body: example.body.subarray(0, end) }),
        (error) => error instanceof RequestError && error.detailCode === 'InputJsonInvalid',
      )
  })

  test(`${name}: nesting is allowed to the limit and not one level further`, () => {
    const nested = (levels: number) => {
      const text = example.body.toString().replace('{"n":1}', `${'['.repeat(levels)}${']'.repeat(levels)}`)
      return { ...example, body: Buffer.from(text) }
    }
    assert.equal(decode(nested(defaultDecodeLimits.nesting - 1)).length, 1)
    assert.throws(() => decode(nested(defaultDecodeLimits.nesting)), RequestError)
  })
}
