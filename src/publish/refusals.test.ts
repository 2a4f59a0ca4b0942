import assert from 'node:assert/strict'
import type { OutgoingHttpHeaders } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { newAccessKey } from '../base/ids.ts'
import { type PublishServer, sendRaw, startPublishServer } from '../testing/publish-server.ts'
import { defaultPublishLimits } from './limits.ts'

/*
 * What publishing refuses, and how: each case is one request over a real socket, and nothing of it may be accepted.
 */

interface Case {
  readonly name: string
  readonly topic: 'events' | 'clouds'
  readonly status: number
  readonly code: string
  readonly detailCode: string
  readonly method?: string
  readonly path?: string
  readonly headers?: OutgoingHttpHeaders
  /** Sends no credential of its own accord. */
  readonly anonymous?: boolean
  readonly body?: string | Buffer
}

const cases: Case[] = []

const event = {
  id: '1',
  subject: '/orders/1',
  eventType: 'Orders.Placed',
  eventTime: '2026-11-21T13:00:00Z',
  data: { n: 1 },
  dataVersion: '1.0',
}
const cloud = { specversion: '1.0', id: '1', source: '/shop', type: 'Orders.Placed', data: { n: 1 } }

const structured = 'application/cloudevents+json; charset=utf-8'
const batch = 'application/cloudevents-batch+json; charset=utf-8'

const badJson = { status: 400, code: 'BadRequest', detailCode: 'InputJsonInvalid' }
const badHeader = { status: 400, code: 'BadRequest', detailCode: 'InvalidCloudEventHeader' }
const tooLarge = { status: 413, code: 'RequestEntityTooLarge', detailCode: 'PayloadTooLarge' }
const badMedia = { status: 415, code: 'UnsupportedMediaType', detailCode: 'InvalidContentType' }
const denied = { status: 401, code: 'Unauthorized', detailCode: 'Unauthorized' }
const notFound = { status: 404, code: 'NotFound', detailCode: 'ResourceNotFound' }
const badVerb = { status: 405, code: 'MethodNotAllowed', detailCode: 'MethodNotAllowed' }

const addBodies = (
  topic: Case['topic'],
  type: string,
  refusal: Pick<Case, 'status' | 'code' | 'detailCode'>,
  bodies: Readonly<Record<string, string | Buffer>>,
) => {
  for (const [name, body] of Object.entries(bodies))
    cases.push({ name: `${type}: ${name}`, topic, ...refusal, headers: { 'content-type': type }, body })
}

const nested = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`

const withRaw = (fields: object, raw: string) => `${JSON.stringify(fields).slice(0, -1)},${raw}}`

// Bodies that are no JSON, whatever the schema.
const notJson: Record<string, string | Buffer> = {
  'an empty body': '',
  'white space alone': ' \r\n\t',
  'a word': 'hello',
  'a form': 'a=1&b=2',
  XML: '<events/>',
  'an array left open': `[${JSON.stringify(event)}`,
  'an object left open': JSON.stringify(event).slice(0, -1),
  'a trailing comma': `[${JSON.stringify(event)},]`,
  'two roots': `[${JSON.stringify(event)}][]`,
  'single quotes': "[{'id':'1'}]",
  'a comment': `/* */[${JSON.stringify(event)}]`,
  NaN: '[NaN]',
  'a control character in a string': `[{"id":"a\u0001b"}]`,
  'an unknown escape': '["\\x41"]',
  'a lone continuation byte': Buffer.from([0x5b, 0x22, 0x80, 0x22, 0x5d]),
  'a UTF-8 sequence cut short': Buffer.concat([
    Buffer.from('["'),
    Buffer.from([0xe2, 0x82]),
    Buffer.from('"]'),
  ]),
  'an overlong UTF-8 sequence': Buffer.concat([
    Buffer.from('["'),
    Buffer.from([0xc0, 0xaf]),
    Buffer.from('"]'),
  ]),
  'a surrogate in UTF-8': Buffer.concat([
    Buffer.from('["'),
    Buffer.from([0xed, 0xa0, 0x80]),
    Buffer.from('"]'),
  ]),
  'UTF-16': Buffer.from(`[${JSON.stringify(event)}]`, 'utf16le'),
}
for (const [topic, type] of [
  ['events', 'application/json'],
  ['clouds', structured],
  ['clouds', batch],
] as const)
  addBodies(topic, type, badJson, notJson)

// Roots and elements of the wrong kind.
const scalars = { 'a string': '"x"', 'a number': '1', null: 'null', true: 'true' }
addBodies('events', 'application/json', badJson, {
  ...scalars,
  'an object': JSON.stringify(event),
  'an empty array': '[]',
})
addBodies('clouds', structured, badJson, {
  ...scalars,
  'an array': JSON.stringify([cloud]),
  'an empty array': '[]',
})
addBodies('clouds', 'application/json', badJson, { 'an array': JSON.stringify([cloud]) })
addBodies('clouds', batch, badJson, {
  ...scalars,
  'an object': JSON.stringify(cloud),
  'an empty array': '[]',
})
for (const element of ['1', '"x"', 'null', 'true', '[]', `[${JSON.stringify(event)}]`]) {
  addBodies('events', 'application/json', badJson, { [`the element ${element}`]: `[${element}]` })
  addBodies('events', 'text/plain', badJson, {
    [`the second element ${element}`]: `[${JSON.stringify(event)},${element}]`,
  })
  addBodies('clouds', batch, badJson, { [`the element ${element}`]: `[${JSON.stringify(cloud)},${element}]` })
}

/** Each way in which one event can be wrong, alone and as the last of several. */
const addEvents = (events: Readonly<Record<string, string>>) => {
  addBodies(
    'events',
    'application/json',
    badJson,
    Object.fromEntries(
      Object.entries(events).flatMap(([name, text]) => [
        [name, `[${text}]`],
        [`${name}, after a good event`, `[${JSON.stringify(event)}, ${text}]`],
      ]),
    ),
  )
}
const addClouds = (events: Readonly<Record<string, string>>) => {
  for (const [name, text] of Object.entries(events)) {
    addBodies('clouds', structured, badJson, { [name]: text })
    addBodies('clouds', batch, badJson, {
      [`${name}, after a good event`]: `[${JSON.stringify(cloud)}, ${text}]`,
    })
  }
}

// The Event Grid schema.
addEvents({ 'an empty event': '{}' })
for (const name of ['id', 'subject', 'eventType', 'eventTime'] as const) {
  addEvents({ [`no ${name}`]: JSON.stringify({ ...event, [name]: undefined }) })
  for (const wrong of [null, 1, true, {}, ['x']])
    addEvents({ [`${name} ${JSON.stringify(wrong)}`]: JSON.stringify({ ...event, [name]: wrong }) })
}
for (const eventTime of [
  '',
  'now',
  '2026',
  '2026-13-01T00:00:00Z',
  '2026-02-29T00:00:00Z',
  '2026-11-21T24:00:00Z',
  '2026-11-21T13:60:00Z',
  '2026-11-21T13:00:61Z',
  '2026-11-21T13:00:00.Z',
  '2026-11-21T13:00:00+25:00',
  '2026-11-21T13:00:00ZZ',
  '21/11/2026',
  '1700000000',
])
  addEvents({ [`eventTime '${eventTime}'`]: JSON.stringify({ ...event, eventTime }) })
for (const dataVersion of [1, true, {}, []])
  addEvents({ [`dataVersion ${JSON.stringify(dataVersion)}`]: JSON.stringify({ ...event, dataVersion }) })
for (const metadataVersion of ['', '2', '1.0', 1, true, {}])
  addEvents({
    [`metadataVersion ${JSON.stringify(metadataVersion)}`]: JSON.stringify({ ...event, metadataVersion }),
  })
for (const topic of [1, true, {}, []])
  addEvents({ [`topic ${JSON.stringify(topic)}`]: JSON.stringify({ ...event, topic }) })
for (const name of ['source', 'specversion', 'extra', '', '__proto__', 'constructor', 'data.x', 'ids'])
  addEvents({ [`the unknown property '${name}'`]: withRaw(event, `${JSON.stringify(name)}:"x"`) })
for (const name of ['id', 'ID', 'subject', 'eventType', 'EventTYPE', 'data', 'dataVersion', '\\u0069d'])
  addEvents({ [`'${name}' given twice`]: withRaw(event, `"${name}":"x"`) })
addEvents({
  'a CloudEvent': JSON.stringify(cloud),
  'data nested one level too deep': withRaw({ ...event, data: undefined }, `"data":${nested(64)}`),
})
addBodies('events', 'application/json', badJson, {
  'data nested ten thousand levels deep': `[${withRaw({ ...event, data: undefined }, `"data":${nested(10_000)}`)}]`,
})
for (const topic of [
  'x',
  '/subscriptions/other',
  '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg/providers/Microsoft.EventGrid/topics/clouds',
])
  addBodies('events', 'application/json', denied, {
    [`the topic '${topic}'`]: JSON.stringify([event, { ...event, topic }]),
  })
addBodies('events', 'application/json', badJson, {
  'a foreign topic and then a malformed event': JSON.stringify([
    { ...event, topic: 'x' },
    { ...event, id: 1 },
  ]),
})

// CloudEvents.
addClouds({ 'an empty event': '{}', 'an Event Grid event': JSON.stringify(event) })
for (const name of ['specversion', 'type', 'source', 'id'] as const) {
  addClouds({ [`no ${name}`]: JSON.stringify({ ...cloud, [name]: undefined }) })
  for (const wrong of [null, 1, true, {}, [], ''])
    addClouds({ [`${name} ${JSON.stringify(wrong)}`]: JSON.stringify({ ...cloud, [name]: wrong }) })
}
for (const specversion of ['0.3', '1', '1.0.0', '2.0', ' 1.0'])
  addClouds({ [`specversion '${specversion}'`]: JSON.stringify({ ...cloud, specversion }) })
for (const time of [
  '',
  'now',
  '2026-11-21',
  '2026-11-21 13:00:00Z',
  '2026-11-21T13:00Z',
  '2026-11-21T13:00:00',
  '2026-11-21T13:00:00+0100',
  '2026-02-30T13:00:00Z',
  1,
  {},
])
  addClouds({ [`time ${JSON.stringify(time)}`]: JSON.stringify({ ...cloud, time }) })
for (const name of ['subject', 'dataschema', 'datacontenttype'])
  for (const wrong of [1, true, {}])
    addClouds({ [`${name} ${JSON.stringify(wrong)}`]: JSON.stringify({ ...cloud, [name]: wrong }) })
for (const name of ['Extension', 'my_ext', 'my-ext', 'my.ext', '', 'ä', '__proto__'])
  addClouds({ [`the attribute name '${name}'`]: withRaw(cloud, `${JSON.stringify(name)}:"x"`) })
for (const wrong of [{}, [], ['x']])
  addClouds({ [`an extension ${JSON.stringify(wrong)}`]: JSON.stringify({ ...cloud, ext: wrong }) })
for (const name of ['id', 'data', 'subject', 'ext'])
  addClouds({ [`'${name}' given twice`]: withRaw({ ...cloud, subject: 's', ext: 1 }, `"${name}":"x"`) })
addClouds({
  'data and data_base64': JSON.stringify({ ...cloud, data_base64: 'AQID' }),
  'data_base64 that is no string': JSON.stringify({ ...cloud, data: undefined, data_base64: 1 }),
  'data_base64 that is no base64': JSON.stringify({ ...cloud, data: undefined, data_base64: 'AQI' }),
  'data nested one level too deep': withRaw({ ...cloud, data: undefined }, `"data":${nested(64)}`),
})
for (const type of [
  '',
  'text/plain',
  'application/xml',
  'application/cloudevents',
  'application/cloudevents+xml',
  'application/cloudevents+json; charset=utf-16',
  'application/x-www-form-urlencoded',
  'application/jsonx',
])
  addBodies('clouds', type, badMedia, { 'not a content type of CloudEvents': JSON.stringify(cloud) })
cases.push({
  name: 'a CloudEvent without content type',
  topic: 'clouds',
  ...badMedia,
  body: JSON.stringify(cloud),
})

// CloudEvents in binary mode.
const ceHeaders = { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': '/shop', 'ce-type': 'Orders.Placed' }
const addBinary = (
  name: string,
  refusal: Pick<Case, 'status' | 'code' | 'detailCode'>,
  headers: Case['headers'],
  body: string | Buffer = '{}',
) =>
  cases.push({
    name: `binary mode: ${name}`,
    topic: 'clouds',
    ...refusal,
    headers: { 'content-type': 'application/json', ...headers },
    body,
  })
for (const name of Object.keys(ceHeaders)) {
  addBinary(
    `${name} missing`,
    badHeader,
    Object.fromEntries(Object.entries(ceHeaders).filter(([other]) => other !== name)),
  )
  addBinary(`${name} empty`, badHeader, { ...ceHeaders, [name]: '' })
  addBinary(`${name} of two quotes`, badHeader, { ...ceHeaders, [name]: '""' })
}
addBinary('specversion 0.3', badHeader, { ...ceHeaders, 'ce-specversion': '0.3' })
addBinary('a value that decodes to invalid UTF-8', badHeader, { ...ceHeaders, 'ce-subject': 'a%C3%28' })
addBinary('an attribute given twice', badHeader, { ...ceHeaders, 'ce-ext': ['a', 'b'] })
addBinary('an attribute name with a dash', badHeader, { ...ceHeaders, 'ce-my-ext': 'a' })
addBinary('an attribute name with an underscore', badHeader, { ...ceHeaders, 'ce-my_ext': 'a' })
addBinary('data as a header', badHeader, { ...ceHeaders, 'ce-data': '1' })
addBinary('a bad time', badJson, { ...ceHeaders, 'ce-time': 'yesterday' })
addBinary('data that is no JSON', badJson, ceHeaders, 'hello')
addBinary('data of two roots', badJson, ceHeaders, '1,"id":2')
addBinary('data that closes the event', badJson, ceHeaders, '1}')
addBinary('data of invalid UTF-8', badJson, ceHeaders, Buffer.from([0x22, 0xff, 0x22]))
addBinary('data nested too deep', badJson, ceHeaders, nested(64))
addBinary(
  'data that is no JSON by its type',
  badMedia,
  { ...ceHeaders, 'content-type': 'text/plain' },
  'hello',
)

// Limits, one byte or one event over.
const sized = (bytes: number) => {
  const empty = JSON.stringify([{ ...event, data: '' }])
  return JSON.stringify([{ ...event, data: 'x'.repeat(bytes - empty.length) }])
}
const { requestBytes } = defaultPublishLimits
addBodies('events', 'application/json', tooLarge, {
  'a request one byte too large': sized(requestBytes + 1),
  'a request much too large': Buffer.alloc(3 * requestBytes, 0x20),
  'one event too many': `[${Array.from({ length: 5_001 }, () => '{}').join(',')}]`,
})
addBodies('clouds', batch, tooLarge, {
  'one event too many': `[${Array.from({ length: 5_001 }, () => '{}').join(',')}]`,
})
cases.push({
  name: 'a request of unknown length one byte too large',
  topic: 'events',
  ...tooLarge,
  headers: { 'transfer-encoding': 'chunked' },
  body: sized(requestBytes + 1),
})

// Credentials. The body is good, or bad where that must not be seen before the credential.
const addCredential = (
  name: string,
  refusal: Pick<Case, 'status' | 'code' | 'detailCode'>,
  more: Partial<Case>,
) => {
  cases.push({ name, topic: 'events', ...refusal, anonymous: true, body: JSON.stringify([event]), ...more })
  cases.push({
    name: `${name}, before its body is looked at`,
    topic: 'clouds',
    ...refusal,
    anonymous: true,
    body: 'no JSON',
    ...more,
  })
}
const badKey = { status: 400, code: 'BadRequest', detailCode: 'InvalidSas' }
addCredential('no credential', denied, {})
addCredential('an empty key', badKey, { headers: { 'aeg-sas-key': '' } })
addCredential('an empty key in the query', badKey, { path: '?aeg-sas-key=' })
addCredential('a key that was never given out', denied, { headers: { 'aeg-sas-key': newAccessKey() } })
addCredential('a key in the query that was never given out', denied, { path: '?aeg-sas-key=abc' })
addCredential('an empty token', denied, { headers: { 'aeg-sas-token': '' } })
addCredential('a token without parts', denied, { headers: { 'aeg-sas-token': 'hello' } })
addCredential('a token with a wrong signature', denied, {
  headers: { 'aeg-sas-token': 'r=http%3A%2F%2F127.0.0.1%2F&e=2030-01-02T03%3A04%3A05&s=AAAA' },
})
addCredential('a token that has expired', denied, {
  headers: { 'aeg-sas-token': 'r=http%3A%2F%2F127.0.0.1%2F&e=2020-01-02T03%3A04%3A05&s=AAAA' },
})
addCredential('a bearer token', denied, { headers: { authorization: 'Bearer abc' } })
addCredential('an empty bearer token', denied, { headers: { authorization: 'Bearer' } })
addCredential('basic authorization', denied, { headers: { authorization: 'Basic YTpi' } })
addCredential('an empty authorization', denied, { headers: { authorization: '' } })
addCredential('a bad SharedAccessSignature', denied, {
  headers: { authorization: 'SharedAccessSignature r=a&e=b&s=c' },
})

// Routes, verbs and versions.
for (const method of ['GET', 'PUT', 'PATCH', 'DELETE', 'TRACE'])
  for (const topic of ['events', 'clouds'] as const)
    cases.push({ name: `${method} to ${topic}`, topic, method, ...badVerb })
for (const path of [
  '/topics/unknown/api/events',
  '/api/events',
  '/topics/unknown/API/events/',
  '//api/events',
  '/topics/events%2Fapi/events',
  '/topics/events/api/events//',
])
  cases.push({
    name: `POST to ${path}`,
    topic: 'events',
    path,
    ...notFound,
    // Those that end otherwise belong to no topic, and are answered by the listener.
    ...(/\/\/$|%2F/.test(path) ? { detailCode: '' } : {}),
  })
for (const method of ['GET', 'OPTIONS', 'DELETE'])
  cases.push({
    name: `${method} to a topic that is not there`,
    topic: 'events',
    method,
    path: '/topics/unknown/api/events',
    ...notFound,
  })
for (const version of ['2017-01-01', '2018-01-02', '', 'latest'])
  for (const method of ['POST', 'OPTIONS'])
    cases.push({
      name: `${method} with api-version '${version}'`,
      topic: 'events',
      method,
      path: `?api-version=${version}`,
      status: 400,
      code: 'BadRequest',
      detailCode: 'UnsupportedApiVersion',
      ...(method === 'POST' ? { body: JSON.stringify([event]) } : {}),
    })

describe('publishing refuses', () => {
  let server: PublishServer
  const closers: (() => unknown)[] = []
  before(async () => {
    server = await startPublishServer({ after: (close) => closers.push(close as () => unknown) })
  })
  after(async () => {
    for (const close of closers) await close()
  })

  for (const { name, topic, status, code, detailCode, ...request } of cases)
    test(name, async () => {
      const { method = 'POST', path = '', headers = {}, anonymous = false, body } = request
      const key = server.topic(topic).keys[0]
      const url = path.startsWith('/')
        ? `${server.url}${path}`
        : `${server.url}/topics/${topic}/api/events${path}`
      const answer = await sendRaw(
        url,
        method,
        anonymous ? headers : { 'aeg-sas-key': key, ...headers },
        body,
      )
      assert.deepEqual(
        { status: answer.status, code: answer.code, detailCode: answer.detailCode ?? '' },
        { status, code, detailCode },
        answer.text,
      )
      assert.equal(server.accepted.length, 0)
    })

  test('at least two hundred of them', () => assert.ok(cases.length >= 200, String(cases.length)))
})
