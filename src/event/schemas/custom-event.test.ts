import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RequestError } from '../../base/errors.ts'
import { decoderOf, testTopicId as topicId } from '../../testing/events.ts'
import type { GridEvent } from '../event.ts'
import { type FieldMapping, type InputSchemaMapping, type MappedField, mappedFields } from '../mapping.ts'
import type { DecoderOptions } from './schema.ts'

const guid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const publishTime = '2026-01-02T03:04:05.0000000Z'
const domainId = topicId.replace('/topics/orders', '/domains/Shop')

/** A mapping from `'field'`, `{ or: 'default' }`, or both, to each field that is given. */
function mappingOf(given: Partial<Record<MappedField, string | Partial<FieldMapping>>>): InputSchemaMapping {
  const fieldOf = (target: MappedField): FieldMapping => {
    const one = given[target]
    const { sourceField, defaultValue } = typeof one === 'string' ? { sourceField: one } : (one ?? {})
    return { sourceField, defaultValue }
  }
  return Object.fromEntries(mappedFields.map((target) => [target, fieldOf(target)])) as Record<
    MappedField,
    FieldMapping
  >
}

const typed = { subject: { defaultValue: 'none' }, eventType: { defaultValue: 'Any' } }

function decode(
  text: string,
  given: Parameters<typeof mappingOf>[0] | undefined = typed,
  options: Partial<DecoderOptions> = {},
): GridEvent {
  const mapping = given && mappingOf(given)
  const decoder = decoderOf('CustomEventSchema', { mapping, ...options })
  const [event] = decoder({ body: Buffer.from(`[ ${text} ]`), contentType: undefined, rawHeaders: [] })
  return event as GridEvent
}

const bodyOf = ({ source, start, end, tail }: GridEvent) =>
  Buffer.concat([source.subarray(start, end), tail]).toString()

const refused = (status: number, target: string, message: RegExp) => (error: RequestError) => {
  assert.match(error.message, message)
  assert.deepEqual([error.status, error.target], [status, target])
  return true
}

test('an event becomes the data of an Event Grid event, with what the mapping takes from it or has for it', () => {
  const text = '{ "kind":"Created", "p":{"q":1.0} }'
  const event = decode(text, {
    eventType: 'kind',
    subject: { defaultValue: 'none' },
    dataVersion: { defaultValue: '1.0' },
  })
  assert.match(event.id, guid)
  assert.equal(
    bodyOf(event),
    `{"id":"${event.id}","topic":"${topicId}","subject":"none","eventType":"Created","eventTime":"${publishTime}","dataVersion":"1.0","metadataVersion":"1","data":${text}}`,
  )
  assert.deepEqual(JSON.parse(bodyOf(event)), event.envelope)
  const { schema, topicId: domainTopic, type, subject, dataVersion } = event
  assert.deepEqual(
    { schema, domainTopic, type, subject, dataVersion },
    {
      schema: 'CustomEventSchema',
      domainTopic: undefined,
      type: 'Created',
      subject: 'none',
      dataVersion: '1.0',
    },
  )
})

test('every field may be mapped', () => {
  const event = decode(
    `{"i":"1","t":"${topicId.toUpperCase()}","at":"2026-11-21 13:00","k":"K","s":"","v":"2"}`,
    { id: 'i', topic: 't', eventTime: 'at', eventType: 'k', subject: 's', dataVersion: 'v' },
  )
  const { data: _, ...mapped } = event.envelope
  assert.deepEqual(mapped, {
    id: '1',
    topic: topicId,
    subject: '',
    eventType: 'K',
    eventTime: '2026-11-21 13:00',
    dataVersion: '2',
    metadataVersion: '1',
  })
})

test('each event without an id gets one of its own', () => {
  const decoder = decoderOf('CustomEventSchema', { mapping: mappingOf(typed) })
  const events = decoder({ body: Buffer.from('[{},{},{}]'), contentType: undefined, rawHeaders: [] })
  assert.equal(new Set(events.map(({ id }) => id)).size, 3)
})

for (const [value, text] of [
  ['"text"', 'text'],
  ['true', 'true'],
  ['7', '7'],
  ['-1.50', '-1.5'],
  ['12345678901234567890', '12345678901234567890'],
  ['-9007199254740993', '-9007199254740993'],
  ['1e400', '1e400'],
] as const)
  test(`the field ${value} is mapped as '${text}'`, () => {
    assert.equal(decode(`{"a":{"f":${value}}}`, { ...typed, id: 'a.f' }).id, text)
    assert.equal(decode(`{"f":${value}}`, { ...typed, subject: 'f' }).subject, text)
  })

for (const value of ['null', '{}', '[]', '["x"]'])
  test(`the field ${value} is as good as missing`, () => {
    const event = decode(`{"f":${value}}`, {
      id: 'f',
      eventTime: 'f',
      eventType: { sourceField: 'f', defaultValue: 'T' },
      subject: { sourceField: 'f', defaultValue: 'S' },
      dataVersion: 'f',
    })
    assert.match(event.id, guid)
    assert.deepEqual(
      [event.type, event.subject, event.dataVersion, event.envelope['eventTime']],
      ['T', 'S', '', publishTime],
    )
  })

test('a field is found by its whole name, or else by a dotted path, in its own letter case', () => {
  const subjectOf = (text: string, sourceField: string) =>
    decode(text, { ...typed, subject: { sourceField, defaultValue: 'none' } }).subject
  assert.equal(subjectOf('{"a":{"b":"path"}}', 'a.b'), 'path')
  assert.equal(subjectOf('{"a":{"b":"path"},"a.b":"whole"}', 'a.b'), 'whole')
  assert.equal(subjectOf('{"a":{"b":{"c":"deep"}}}', 'a.b.c'), 'deep')
  assert.equal(subjectOf('{"a":"x"}', 'a.b'), 'none')
  assert.equal(subjectOf('{"a":["x"]}', 'a.0'), 'none')
  assert.equal(subjectOf('{"A":"x"}', 'a'), 'none')
  for (const inherited of ['constructor', '__proto__', 'toString.name'])
    assert.equal(subjectOf('{}', inherited), 'none')
  assert.equal(subjectOf('{"__proto__":"own"}', '__proto__'), 'own')
})

test('without a mapping fields are taken from those of the same name', () => {
  const text = '{"id":"1","topic":"weather","subject":"s","eventType":"t","eventTime":"2026-11-21","more":1}'
  const event = decode(text, undefined, { mapping: undefined })
  assert.deepEqual(event.envelope, {
    id: '1',
    topic: topicId,
    subject: 's',
    eventType: 't',
    eventTime: '2026-11-21',
    dataVersion: '',
    metadataVersion: '1',
    data: JSON.parse(text) as unknown,
  })
  assert.throws(
    () => decode('{"subject":"s"}', undefined, { mapping: undefined }),
    refused(400, 'eventType', /Event 0 of schema CustomInputEvent has no eventType: the field 'eventType'/),
  )
})

test('an event without a type or subject is refused by its index, the field that is mapped, and what it is for', () => {
  const decoder = decoderOf('CustomEventSchema', { mapping: mappingOf({ subject: 'p.s', eventType: 'k' }) })
  const events = (...texts: string[]) =>
    decoder({ body: Buffer.from(`[${texts.join(',')}]`), contentType: undefined, rawHeaders: [] })
  const good = '{"p":{"s":"s"},"k":"k"}'
  assert.equal(events(good).length, 1)
  assert.throws(
    () => events(good, '{"k":"k","p":{}}'),
    refused(400, 'subject', /Event 1 .*has no subject: the field 'p\.s'/),
  )
  assert.throws(
    () => events(good, good, '{"p":{"s":"s"},"k":{}}'),
    refused(400, 'eventType', /Event 2 .*has no eventType: the field 'k'.* string, number or boolean/),
  )
  assert.throws(
    () => decode('{"subject":"s"}', {}),
    refused(400, 'subject', /Event 0 .*mapping names neither a field nor a default/),
  )
})

test('a mapped time that is no time, and a mapped topic that is another one, are refused', () => {
  for (const at of ['"yesterday"', '1700000000', 'true'])
    assert.throws(
      () => decode(`{"at":${at}}`, { ...typed, eventTime: 'at' }),
      refused(400, 'eventTime', /Event 0 .*'(yesterday|1700000000|true)' of the field 'at'/),
    )
  assert.throws(
    () => decode('{"t":"/other"}', { ...typed, topic: 't' }),
    refused(401, 'topic', /'\/other' is not the topic '.*orders'/),
  )
  assert.equal(decode('{"t":""}', { ...typed, topic: 't' }).envelope['topic'], topicId)
})

test('what is no array of objects is refused', () => {
  const decoder = decoderOf('CustomEventSchema', { mapping: mappingOf(typed) })
  for (const [body, message] of [
    ['{}', /CustomInputEvent beginning with token StartArray.*StartObject/],
    ['[]', /empty/],
    ['[{},7]', /Event 1 .*CustomInputEvent object.*Number/],
    ['[{},[]]', /Event 1 .*StartArray/],
    ['[', /not valid JSON/],
  ] as const)
    assert.throws(() => decoder({ body: Buffer.from(body), contentType: undefined, rawHeaders: [] }), message)
})

test('an event is as large as it was published, and the fields mapped from it have a bound of their own', () => {
  const limits = { events: 10, eventBytes: 200_000, nesting: 3 }
  const filled = (bytes: number) => `{"f":"${'x'.repeat(bytes - '{"f":""}'.length)}"}`
  assert.equal(decode(filled(200_000), typed, { limits }).envelope['subject'], 'none')
  assert.throws(() => decode(filled(200_001), typed, { limits }), /200001 bytes/)
  const withSubject = (characters: number) =>
    decode(`{"f":"${'x'.repeat(characters)}"}`, { ...typed, subject: 'f' })
  // What stands before the published event, less the one character.
  const without = bodyOf(withSubject(1)).indexOf('{"f"') - 1
  assert.equal(withSubject(65_536 - without).subject.length, 65_536 - without)
  assert.throws(
    () => withSubject(65_537 - without),
    (error: RequestError) => error.status === 413 && /65537 bytes.*65536/.test(error.message),
  )
  assert.throws(() => decode('{"a":{"b":{"c":{}}}}', typed, { limits }), /nested 4 levels/)
})

test('a name that comes twice in an event means its last value, and both stay', () => {
  const text = '{"k":"first","k":"last","k2":1}'
  const event = decode(text, { ...typed, eventType: 'k' })
  assert.equal(event.type, 'last')
  assert.ok(bodyOf(event).endsWith(`"data":${text}}`))
})

test('in a domain the mapped topic names the domain topic', () => {
  const inDomain = (text: string, given: Parameters<typeof mappingOf>[0] | undefined) =>
    decode(text, given, { topicId: domainId, domain: true, ...(!given && { mapping: undefined }) })
  const mapped = { ...typed, topic: 'category' }
  for (const topic of ['Toys', `${domainId.toUpperCase()}/topics/Toys`]) {
    const event = inDomain(`{"category":"${topic}"}`, mapped)
    assert.equal(event.topicId, `${domainId}/topics/Toys`)
    assert.equal(event.envelope['topic'], `${domainId}/topics/Toys`)
    assert.ok(bodyOf(event).includes(`"topic":"${domainId}/topics/Toys"`))
  }
  const own = inDomain('{"topic":"toys","subject":"s","eventType":"t"}', undefined)
  assert.equal(own.topicId, `${domainId}/topics/toys`)
  for (const text of ['{}', '{"category":""}', '{"category":{}}'])
    assert.throws(
      () => inDomain(text, mapped),
      refused(400, 'topic', /Event 0 .*has no topic: the field 'category'/),
    )
  assert.throws(
    () => inDomain('{"topic":"toys"}', typed),
    refused(400, 'topic', /names neither a field nor a default/),
  )
  assert.throws(
    () => inDomain('{"category":"a b c"}', mapped),
    refused(400, 'topic', /'a b c' of the field 'category'.*3 to 128/),
  )
  assert.throws(
    () => inDomain(`{"category":"${domainId}2/topics/toys"}`, mapped),
    refused(401, 'topic', /is not the domain '.*Shop'/),
  )
})
