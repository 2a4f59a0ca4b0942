import { createDomainTopics } from '../domain-topics.ts'
import { invalidJson, unsupportedContentType } from '../errors.ts'
import type { GridEvent } from '../event.ts'
import { membersOf, withoutMembers } from '../members.ts'
import { ObjectScanner } from '../scan.ts'
import { isRfc3339 } from '../times.ts'
import { bindHeaders, bindHeadersToAnyData, hasCloudEventHeaders } from './cloud-event-headers.ts'
import { checkBounds, decodeJson, type Envelope, eventsOf, isObject, notAnObject, wrongRoot } from './json.ts'
import type { Decode, DecodeLimits, Received, Schema } from './schema.ts'

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
    return createDecode({ limits, topicIdOf, modeOf, bind: bindHeaders, check: undefined })
  },
}

/**
 * CloudEvents as they are published to a topic of a namespace: the data of a binary one may be of any type, and plain
 * `application/json` without `ce-` headers is no event. Where publishers are held to what Azure takes, an event must
 * have data, and extension attributes are what CloudEvents 1.0 allows, with names of at most twenty characters.
 *
 * Source: learn.microsoft.com/azure/event-grid/concepts-event-grid-namespaces, "CloudEvents support"; CloudEvents HTTP
 * protocol binding 1.0.2; the live tests of the official Go client, for the words on missing data
 */
export const createNamespaceDecoder = (limits: DecodeLimits, isStrict: boolean): Decode =>
  createDecode({
    limits,
    topicIdOf: () => undefined,
    modeOf: namespaceModeOf,
    bind: (received) => bindHeadersToAnyData(received, isStrict),
    check: isStrict ? checkStrictly : undefined,
  })

interface Binding {
  readonly limits: DecodeLimits
  readonly topicIdOf: (envelope: Envelope) => string | undefined
  readonly modeOf: (received: Received) => Mode
  /** A binary event as it would be in structured mode. */
  readonly bind: (received: Received) => Buffer
  /** What else is asked of an event. */
  readonly check: ((envelope: Envelope, index: number) => void) | undefined
}

const createDecode =
  (binding: Binding): Decode =>
  (received) => {
    const { body } = received
    const mode = binding.modeOf(received)
    if (mode === 'batch') {
      const found = eventsOf(decodeJson(body), wireName, binding.limits)
      const scanner = new ObjectScanner(body)
      return found.map((event, index) => decodeEvent(event, scanner, body, index, binding))
    }
    const source = mode === 'binary' ? binding.bind(received) : body
    const root = decodeJson(source)
    if (!isObject(root)) throw wrongRoot(wireName, 'StartObject', root)
    return [decodeEvent(root, new ObjectScanner(source), source, 0, binding)]
  }

const structuredType = 'application/cloudevents+json'
const batchType = 'application/cloudevents-batch+json'

type Mode = 'binary' | 'structured' | 'batch'

function modeOf({ contentType = '', rawHeaders }: Received): Mode {
  const mediaType = utf8MediaType(contentType)
  if (mediaType === batchType) return 'batch'
  if (mediaType === structuredType) return 'structured'
  if (mediaType === 'application/json') return hasCloudEventHeaders(rawHeaders) ? 'binary' : 'structured'
  throw unsupportedContentType(
    `The content type '${contentType}' is not supported. Use '${structuredType}; charset=utf-8' or '${batchType}; charset=utf-8'.`,
  )
}

function namespaceModeOf({ contentType = '', rawHeaders }: Received): Mode {
  const mediaType = utf8MediaType(contentType)
  if (mediaType === batchType) return 'batch'
  if (mediaType === structuredType) return 'structured'
  if (!contentType.toLowerCase().startsWith('application/cloudevents') && hasCloudEventHeaders(rawHeaders))
    return 'binary'
  throw unsupportedContentType(
    `The content type '${contentType}' is not supported. Use '${structuredType}; charset=utf-8' or ` +
      `'${batchType}; charset=utf-8', or the content type of the data together with 'ce-' headers.`,
  )
}

/** The media type, in lower case; undefined where its text is not UTF-8. */
function utf8MediaType(contentType: string): string | undefined {
  const [mediaType = '', ...parameters] = contentType.toLowerCase().split(';')
  const charset = parameters.map((text) => text.trim()).find((text) => text.startsWith('charset='))
  return charset === undefined || /^charset="?(utf-?8|us-ascii)"?$/.test(charset)
    ? mediaType.trim()
    : undefined
}

const nothing = Buffer.alloc(0)

function decodeEvent(
  found: unknown,
  scanner: ObjectScanner,
  body: Buffer,
  index: number,
  { limits, topicIdOf, check }: Binding,
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
  check?.(found, index)
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

/** What the service refuses and nothing else does. */
function checkStrictly(envelope: Envelope, index: number): void {
  const { data, data_base64: base64 } = envelope
  if ((data === undefined || data === null) && (base64 === undefined || base64 === null))
    throw invalidJson(`Event ${index} of schema ${wireName}: the 'data' attribute is required.`, 'data')
  for (const name in envelope) {
    const value = envelope[name]
    if (name.length > extensionCharacters)
      throw invalidJson(
        `Event ${index} of schema ${wireName}: the name '${name}' has more than ${extensionCharacters} characters.`,
        name,
      )
    if (typeof value === 'number' && value !== (value | 0) && name !== 'data')
      throw mistyped(name, 'a whole number of at most 32 bits', index)
  }
}

/** Source: learn.microsoft.com/azure/event-grid/concepts-event-grid-namespaces, "Naming restrictions" */
const extensionCharacters = 20

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
