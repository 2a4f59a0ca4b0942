import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileEnrichments, type Publisher, type RoutingEnrichments } from '../client/enrichments.ts'
import type { GridEvent } from '../event/event.ts'
import { createToEvent, type RoutedMessage } from './message-event.ts'

const receivedAt = Date.UTC(2026, 0, 2, 3, 4, 5, 678)
const publisher: Publisher = {
  authenticationName: 'Machine1',
  attributes: { site: 'north', floor: 5, sensors: ['motion', 'humidity'] },
}
const message = (payload: string | Buffer, more: Partial<RoutedMessage> = {}): RoutedMessage => ({
  topicName: 'machines/1/temp',
  payload: Buffer.from(payload),
  receivedAt,
  ...more,
})
const bytesOf = ({ source, start, end, tail }: GridEvent) =>
  Buffer.concat([source.subarray(start, end), tail]).toString()

/** The event as it is stored; what filters see must be the same. */
function eventOf(
  given: RoutedMessage,
  enrichments: RoutingEnrichments = { static: [], dynamic: [] },
): Record<string, unknown> {
  const event = createToEvent('myns', compileEnrichments(enrichments))(given, publisher)
  const decoded = JSON.parse(bytesOf(event)) as Record<string, unknown>
  assert.deepEqual(event.envelope, decoded)
  assert.equal(event.id, decoded['id'])
  assert.equal(event.type, decoded['type'])
  assert.equal(event.subject, decoded['subject'] ?? '')
  return decoded
}

/** All but what is the same for every message. */
function partsOf(given: RoutedMessage, enrichments?: RoutingEnrichments): Record<string, unknown> {
  const { specversion, id, time, type, source, subject, ...rest } = eventOf(given, enrichments)
  assert.match(id as string, /^[0-9a-f-]{36}$/)
  assert.deepEqual(
    { specversion, time, type, source, subject },
    {
      specversion: '1.0',
      time: '2026-01-02T03:04:05.6780000Z',
      type: 'MQTT.EventPublished',
      source: 'myns',
      subject: 'machines/1/temp',
    },
  )
  return rest
}

test('a message without content type or format is base64 of unknown type', () => {
  assert.deepEqual(partsOf(message('plain')), {
    datacontenttype: 'application/octet-stream',
    data_base64: 'cGxhaW4=',
  })
  assert.deepEqual(partsOf(message('', { payloadFormatIndicator: 0 })), {
    datacontenttype: 'application/octet-stream',
    data_base64: '',
  })
  assert.deepEqual(partsOf(message('a', { contentType: 'text/plain' })), {
    datacontenttype: 'text/plain',
    data_base64: 'YQ==',
  })
})

test('a message that says that it is JSON has its value as data, byte for byte', () => {
  for (const contentType of [
    'application/json',
    'application/json; charset=utf-8',
    'Application/JSON;charset=UTF-8',
  ])
    assert.deepEqual(partsOf(message('{"n": 1}', { contentType })), {
      datacontenttype: contentType,
      data: { n: 1 },
    })
  const event = createToEvent('myns', [])(
    message('[12345678901234567890, "\\u0041"]', { contentType: 'application/json' }),
    publisher,
  )
  assert(bytesOf(event).endsWith(',"data":[12345678901234567890, "\\u0041"]}'))
})

test('a message that says that it is text has its JSON value as data, or its text', () => {
  const payloadFormatIndicator = 1
  assert.deepEqual(partsOf(message('21.5', { payloadFormatIndicator })), { data: 21.5 })
  assert.deepEqual(partsOf(message('wärme "x"', { payloadFormatIndicator })), { data: 'wärme "x"' })
  assert.deepEqual(partsOf(message('', { payloadFormatIndicator })), {})
  assert.deepEqual(partsOf(message('{broken', { contentType: 'application/json' })), {
    datacontenttype: 'application/json',
    data: '{broken',
  })
  // What is no UTF-8 is no text, whatever it says.
  assert.deepEqual(partsOf(message(Buffer.from([0xff, 0x00]), { payloadFormatIndicator })), {
    datacontenttype: 'application/octet-stream',
    data_base64: '/wA=',
  })
})

test('user properties are not copied', () => {
  assert.deepEqual(partsOf(message('1', { payloadFormatIndicator: 1, userProperties: [['a', 'b']] })), {
    data: 1,
  })
})

const all: RoutingEnrichments = {
  static: [{ key: 'region', value: 'north "1"' }],
  dynamic: [
    { key: 'name', value: '${client.authenticationName}' },
    { key: 'site', value: '${client.attributes.site}' },
    { key: 'floor', value: '${client.attributes.floor}' },
    { key: 'sensors', value: '${client.attributes.sensors}' },
    { key: 'noattribute', value: '${client.attributes.toString}' },
    { key: 'plain', value: '${mqtt.message.userProperties.plain}' },
    { key: 'quoted', value: "${mqtt.message.userProperties['it\\'s a \\\\ b']}" },
    { key: 'noproperty', value: '${mqtt.message.userProperties.none}' },
    { key: 'topicname', value: '${mqtt.message.topicName}' },
    { key: 'response', value: '${mqtt.message.responseTopic}' },
    { key: 'correlation', value: '${mqtt.message.correlationData}' },
    { key: 'pfi', value: '${mqtt.message.pfi}' },
  ],
}

test('enrichments have the types of what they read', () => {
  const given = message('{}', {
    payloadFormatIndicator: 1,
    responseTopic: 'answers/1',
    correlationData: Buffer.from([1, 2, 3]),
    userProperties: [
      ['plain', 'x'],
      ["it's a \\ b", 'y'],
      ['plain', 'z'],
    ],
  })
  assert.deepEqual(partsOf(given, all), {
    region: 'north "1"',
    name: 'Machine1',
    site: 'north',
    floor: 5,
    sensors: 'motion,humidity',
    noattribute: '',
    plain: 'x,z',
    quoted: 'y',
    noproperty: '',
    topicname: 'machines/1/temp',
    response: 'answers/1',
    correlation: 'AQID',
    pfi: 1,
    data: {},
  })
})

test('enrichments of what is not there are empty strings, and 0 for the format', () => {
  const { site, response, correlation, pfi, plain } = partsOf(message('x'), all)
  assert.deepEqual(
    { site, response, correlation, pfi, plain },
    {
      site: 'north',
      response: '',
      correlation: '',
      pfi: 0,
      plain: '',
    },
  )
})

test('a dynamic value that is no variable is refused', () => {
  for (const value of [
    'text',
    '${client.unknown}',
    'a ${client.authenticationName}',
    '${client.attributes.}',
    '${mqtt.message.userProperties}',
    "${mqtt.message.userProperties['a}",
    "${mqtt.message.userProperties['a'b']}",
    '${toString}',
  ])
    assert.throws(
      () => compileEnrichments({ static: [], dynamic: [{ key: 'a', value }] }),
      SyntaxError,
      value,
    )
})

const structured = { contentType: 'application/cloudevents+json; charset=utf-8' }
const own =
  '{"specversion":"1.0","id":"7","source":"/s","type":"T","region":"old","data":{"n":12345678901234567890}}'

test('a message that is a structured CloudEvent stays that event, with enrichments added', () => {
  const enrichments = { static: [{ key: 'added', value: 'yes' }], dynamic: [] }
  const event = createToEvent('myns', compileEnrichments(enrichments))(message(own, structured), publisher)
  assert.equal(bytesOf(event), `${own.slice(0, -1)},"added":"yes"}`)
  assert.deepEqual([event.id, event.type, event.subject], ['7', 'T', ''])
  assert.equal(bytesOf(createToEvent('myns', [])(message(own, structured), publisher)), own)
})

test('an enrichment wins over an extension attribute of the same name', () => {
  const enrichments = { static: [{ key: 'region', value: 'new' }], dynamic: [] }
  const event = createToEvent('myns', compileEnrichments(enrichments))(message(own, structured), publisher)
  assert.equal(
    bytesOf(event),
    '{"specversion":"1.0","id":"7","source":"/s","type":"T","data":{"n":12345678901234567890},"region":"new"}',
  )
  assert.equal(event.envelope['region'], 'new')
})

const binary = [
  ['specversion', '1.0'],
  ['id', '8'],
  ['source', '/s'],
  ['type', 'T'],
] as const

test('a message with the attributes of a CloudEvent as user properties is that event', () => {
  const given = message('{"n":1}', {
    contentType: 'application/json',
    userProperties: [
      ...binary,
      ['time', '2026-01-01T00:00:00Z'],
      ['myext', 'kept'],
      ['Not-One', 'x'],
      ['data', 'x'],
    ],
  })
  assert.deepEqual(eventOf(given, { static: [{ key: 'added', value: '1' }], dynamic: [] }), {
    specversion: '1.0',
    id: '8',
    source: '/s',
    type: 'T',
    time: '2026-01-01T00:00:00Z',
    myext: 'kept',
    datacontenttype: 'application/json',
    added: '1',
    data: { n: 1 },
  })
  assert.deepEqual(
    eventOf(message(Buffer.from([255]), { contentType: 'image/png', userProperties: [...binary] })),
    {
      specversion: '1.0',
      id: '8',
      source: '/s',
      type: 'T',
      datacontenttype: 'image/png',
      data_base64: '/w==',
    },
  )
})

test('a malformed CloudEvent is a message like any other', () => {
  for (const text of [
    '{"specversion":"1.0","id":"7","source":"/s"}',
    '{broken',
    '[]',
    own.replace('1.0', '0.3'),
  ]) {
    const { datacontenttype, data_base64: base64 } = partsOf(message(text, structured))
    assert.equal(datacontenttype, structured.contentType)
    assert.equal(Buffer.from(base64 as string, 'base64').toString(), text)
  }
  for (const userProperties of [
    binary.filter(([name]) => name !== 'id'),
    [...binary, ['time', 'yesterday'] as const],
    [['specversion', '2.0'] as const, ...binary.slice(1)],
  ])
    assert.equal(eventOf(message('x', { userProperties }))['type'], 'MQTT.EventPublished')
})
