import { createDomainTopics } from '../domain-topics.ts'
import { invalidJson, unsupportedContentType } from '../errors.ts'
import type { GridEvent } from '../event.ts'
import { membersOf, withoutMembers } from '../members.ts'
import { ObjectScanner } from '../scan.ts'
import { isRfc3339 } from '../times.ts'
import { bindHeaders, hasCloudEventHeaders } from './cloud-event-headers.ts'
import { checkBounds, decodeJson, type Envelope, eventsOf, isObject, notAnObject, wrongRoot } from './json.ts'
import type { DecodeLimits, Received, Schema } from './schema.ts'

const wireName = 'CloudEventV10'

/**
 * CloudEvents 1.0 in structured, batched and binary mode. Nothing is stamped on, and extension attributes stay.
 * Plain `application/json` is one structured event, or with `ce-` headers the data of a binary one.
 *
 * In a domain `source` names the domain topic, and stays as it is; a `source` that no domain topic can be called is
 * as good as one of a topic that nobody has made.
 *
 * Source: learn.microsoft.com/azure/event-grid/cloud-event-schema; event-domains; CloudEvents HTTP protocol binding 1.0.2
 */
export const cloudEventSchema: Schema = {
  wireName,
  example: {
    body: Buffer.from(
      '[{"specversion":"1.0","id":"1","source":"/shop","type":"Orders.Placed","subject":"/orders/1","data":{"n":1}}]',
    ),
    contentType: 'application/cloudevents-batch+json; charset=utf-8',
    rawHeaders: [],
  },
  createDecoder: ({ topicId, domain, limits }) => {
    const named = domain ? createDomainTopics(topicId, (id) => id) : undefined
    const topicIdOf = (envelope: Envelope): string | undefined => {
      const found = named?.(envelope['source'] as string)
      return found?.kind === 'topic' ? found.topic : undefined
    }
    return (received) => {
      const { body } = received
      const mode = modeOf(received)
      if (mode === 'batch') {
        const found = eventsOf(decodeJson(body), wireName, limits)
        const scanner = new ObjectScanner(body)
        return found.map((event, index) => decodeEvent(event, scanner, body, index, limits, topicIdOf))
      }
      const source = mode === 'binary' ? bindHeaders(received) : body
      const root = decodeJson(source)
      if (!isObject(root)) throw wrongRoot(wireName, 'StartObject', root)
      return [decodeEvent(root, new ObjectScanner(source), source, 0, limits, topicIdOf)]
    }
  },
}

const structuredType = 'application/cloudevents+json'
const batchType = 'application/cloudevents-batch+json'

function modeOf({ contentType = '', rawHeaders }: Received): 'binary' | 'structured' | 'batch' {
  const [mediaType = '', ...parameters] = contentType.toLowerCase().split(';')
  const charset = parameters.map((text) => text.trim()).find((text) => text.startsWith('charset='))
  if (charset === undefined || /^charset="?(utf-?8|us-ascii)"?$/.test(charset))
    switch (mediaType.trim()) {
      case batchType:
        return 'batch'
      case structuredType:
        return 'structured'
      case 'application/json':
        return hasCloudEventHeaders(rawHeaders) ? 'binary' : 'structured'
    }
  throw unsupportedContentType(
    `The content type '${contentType}' is not supported. Use '${structuredType}; charset=utf-8' or '${batchType}; charset=utf-8'.`,
  )
}

const nothing = Buffer.alloc(0)

function decodeEvent(
  found: unknown,
  scanner: ObjectScanner,
  body: Buffer,
  index: number,
  limits: DecodeLimits,
  topicIdOf: (envelope: Envelope) => string | undefined,
): GridEvent {
  if (!isObject(found)) throw notAnObject(wireName, index, found)
  scanner.next()
  checkBounds(scanner.end + 1 - scanner.start, scanner.nesting, index, limits)
  checkRequired(found, index)
  let envelope = found
  let source = body
  let { start } = scanner
  let end = scanner.end + 1
  const { members, nulls } = checkAttributes(found, index)
  if (members !== scanner.members) throw repeated(body, start, index)
  if (nulls) {
    source = withoutNulls(body, start)
    envelope = JSON.parse(source.toString('utf8')) as Envelope
    start = 0
    end = source.length
  }
  return {
    schema: 'CloudEventSchemaV1_0',
    topicId: topicIdOf(envelope),
    id: envelope['id'] as string,
    type: envelope['type'] as string,
    subject: (envelope['subject'] as string | undefined) ?? '',
    dataVersion: '',
    envelope,
    source,
    start,
    end,
    tail: nothing,
  }
}

/** In the order in which a missing one is reported; `type` by the name that the service gives it. */
const required = [
  ['specversion', 'specversion'],
  ['type', 'eventType'],
  ['source', 'source'],
  ['id', 'id'],
] as const

function checkRequired(envelope: Envelope, index: number): void {
  for (const [name, reportedName] of required) {
    const value = envelope[name]
    if (typeof value === 'string' && value !== '') continue
    throw value === undefined || value === null
      ? invalidJson(
          `Event ${index} of schema ${wireName} lacks the required property '${reportedName}'.`,
          reportedName,
        )
      : mistyped(name, 'a string that is not empty', index)
  }
  if (envelope['specversion'] !== '1.0') throw mistyped('specversion', 'the string "1.0"', index)
}

const mistyped = (name: string, expected: string, index: number) =>
  invalidJson(`Event ${index} of schema ${wireName}: property '${name}' must be ${expected}.`, name)

/** Checks every member; says how many there are, and whether one is null that has to go. */
function checkAttributes(envelope: Envelope, index: number): { members: number; nulls: boolean } {
  let members = 0
  let nulls = false
  for (const name in envelope) {
    members++
    const value = envelope[name]
    switch (name) {
      case 'specversion':
      case 'id':
      case 'source':
      case 'type':
      case 'data':
        break
      case 'data_base64':
        if (value === null) nulls = true
        else checkBase64(envelope, index)
        break
      case 'time':
        if (value === null) nulls = true
        else if (typeof value !== 'string' || !isRfc3339(value))
          throw mistyped(name, 'a date and time as in RFC 3339', index)
        break
      case 'subject':
      case 'dataschema':
      case 'datacontenttype':
        if (value === null) nulls = true
        else if (typeof value !== 'string') throw mistyped(name, 'a string', index)
        break
      default:
        if (!isAttributeName(name))
          throw invalidJson(
            `Event ${index} of schema ${wireName}: '${name}' is no attribute name; only lower-case letters and digits may be used.`,
            name,
          )
        if (value === null) nulls = true
        else if (typeof value === 'object') throw mistyped(name, 'a string, number or boolean', index)
    }
  }
  return { members, nulls }
}

function checkBase64({ data, data_base64: text }: Envelope, index: number): void {
  if (data !== undefined)
    throw invalidJson(`Event ${index} of schema ${wireName} has both data and data_base64.`, 'data_base64')
  if (typeof text !== 'string' || text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text))
    throw mistyped('data_base64', 'a base64 string', index)
}

/** Source: CloudEvents 1.0, "Naming conventions" */
function isAttributeName(name: string): boolean {
  for (let at = 0; at < name.length; at++) {
    const code = name.charCodeAt(at)
    if (!((code >= 0x61 && code <= 0x7a) || (code >= 0x30 && code <= 0x39))) return false
  }
  return name !== ''
}

function repeated(body: Buffer, start: number, index: number) {
  const seen = new Set<string>()
  const twice = membersOf(body, start).find(({ name }) => seen.size === seen.add(name).size)
  return invalidJson(
    `Event ${index} of schema ${wireName}: property '${twice?.name}' is given more than once.`,
    twice?.name,
  )
}

/** The event without attributes that are null, which official clients refuse to read. */
const withoutNulls = (body: Buffer, start: number): Buffer =>
  withoutMembers(
    body,
    (member) => member.name !== 'data' && body.toString('latin1', member.start, member.end) === 'null',
    start,
  )
