import { createDomainTopics, domainTopicNameRule, type NamedTopic } from '../domain-topics.ts'
import { foreignTopic, invalidJson } from '../errors.ts'
import type { GridEvent } from '../event.ts'
import { membersOf, skipSpace } from '../members.ts'
import { endOfString, isSpace, ObjectScanner } from '../scan.ts'
import { isLenientIso8601 } from '../times.ts'
import { checkBounds, decodeJson, type Envelope, eventsOf, isObject, notAnObject } from './json.ts'
import type { Schema } from './schema.ts'

const wireName = 'EventGridEvent'

/**
 * Events in the Event Grid schema: always an array, whatever the content type says, and no members but the eight
 * that the schema knows. Names are matched exactly first, then ignoring case.
 *
 * What the publisher left out is stamped on: `topic`, an empty `dataVersion`, `metadataVersion` "1", null `data`.
 * In a domain `topic` must be there: it names the domain topic, by whose ARM id it is replaced.
 *
 * Source: learn.microsoft.com/azure/event-grid/event-schema; event-domains
 */
export const eventGridSchema: Schema = {
  wireName,
  example: {
    body: Buffer.from(
      '[{"id":"1","subject":"/orders/1","eventType":"Orders.Placed","eventTime":"2026-11-21T13:00:00Z","data":{"n":1}}]',
    ),
    contentType: 'application/json',
    rawHeaders: [],
  },
  createDecoder: ({ topicId, domain, limits }) => {
    const own = createOwner(topicId)
    const named = domain ? createDomainTopics(topicId, createOwner) : undefined
    const withoutTopic = new Cutting()
    return ({ body }) => {
      const found = eventsOf(decodeJson(body), wireName, limits)
      const scanner = domain ? new ObjectScanner(body, 0, topicName) : new ObjectScanner(body)
      const events: GridEvent[] = []
      let foreign: string | undefined
      for (let index = 0; index < found.length; index++) {
        const published = found[index]
        if (!isObject(published)) throw notAnObject(wireName, index, published)
        let envelope = published
        let topic = envelope['topic']
        scanner.next()
        let { start, end } = scanner
        checkBounds(end + 1 - start, scanner.nesting, index, limits)
        let source = body
        const mayStay = domain
          ? typeof topic === 'string' && scanner.watched >= 0
          : topic === undefined || topic === topicId
        const plain = mayStay && isPlain(envelope, scanner.members)
        if (!plain) {
          const rebuilt = rebuild(body, start, index)
          topic = rebuilt.topic
          envelope = rebuilt.envelope
          source = rebuilt.source
          start = 0
          end = source.length
        }
        checkMembers(envelope, index)
        let owner = own
        if (named) {
          const whose = readDomainTopic(topic, named, index)
          if (whose.kind === 'topic') owner = whose.topic
          else foreign ??= topic as string
          if (plain && topic !== owner.id) {
            withoutTopic.cut(body, start, end, scanner.watched)
            ;({ source, start, end } = withoutTopic)
            envelope['topic'] = undefined
          }
        } else if (!plain && topic && (topic as string).toLowerCase() !== topicId.toLowerCase())
          foreign ??= topic as string
        const tail = owner.tailOf(envelope)
        stamp(envelope, owner.id)
        events.push({
          schema: 'EventGridSchema',
          topicId: named && owner.id,
          id: envelope['id'] as string,
          type: envelope['eventType'] as string,
          subject: envelope['subject'] as string,
          dataVersion: envelope['dataVersion'] as string,
          envelope,
          source,
          start,
          end,
          tail,
        })
      }
      if (foreign !== undefined)
        throw foreignTopic(
          `The event's topic '${foreign}' is not the topic '${topicId}' that it was sent to.`,
        )
      return events
    }
  },
}

/**
 * Whether the event can stay as it was published, but for its `topic`: each of its members has a known name, none
 * comes twice, and there is nothing to drop. Counting tells the first two apart from the rest without a look at the names.
 */
function isPlain(envelope: Envelope, members: number): boolean {
  const { topic, dataVersion, metadataVersion } = envelope
  let known = 0
  if (envelope['id'] !== undefined) known++
  if (envelope['subject'] !== undefined) known++
  if (envelope['eventType'] !== undefined) known++
  if (envelope['eventTime'] !== undefined) known++
  if (envelope['data'] !== undefined) known++
  if (dataVersion !== undefined) known++
  if (metadataVersion !== undefined) known++
  if (topic !== undefined) known++
  return known === members && dataVersion !== null && metadataVersion !== null
}

/** The order in which a missing one is reported, as observed on the service. */
const required = ['subject', 'id', 'eventType', 'eventTime'] as const

function checkMembers(envelope: Envelope, index: number): void {
  const { subject, id, eventType, eventTime, dataVersion, metadataVersion } = envelope
  if (
    typeof subject !== 'string' ||
    typeof id !== 'string' ||
    typeof eventType !== 'string' ||
    typeof eventTime !== 'string'
  )
    throw missingOrMistyped(envelope, index)
  if (!isLenientIso8601(eventTime))
    throw invalidJson(
      `Event ${index} of schema ${wireName}: eventTime '${eventTime}' is not an ISO 8601 date and time.`,
      'eventTime',
    )
  if (dataVersion !== undefined && typeof dataVersion !== 'string')
    throw mistyped('dataVersion', 'a string', index)
  if (metadataVersion !== undefined && metadataVersion !== '1')
    throw mistyped('metadataVersion', 'the string "1"', index)
}

function missingOrMistyped(envelope: Envelope, index: number) {
  const missing = required.find((name) => envelope[name] === undefined || envelope[name] === null)
  if (missing !== undefined)
    return invalidJson(
      `Event ${index} of schema ${wireName} lacks the required property '${missing}'.`,
      missing,
    )
  return mistyped(required.find((name) => typeof envelope[name] !== 'string') as string, 'a string', index)
}

const mistyped = (name: string, expected: string, index: number) =>
  invalidJson(`Event ${index} of schema ${wireName}: property '${name}' must be ${expected}.`, name)

function stamp(envelope: Envelope, topicId: string): void {
  if (envelope['topic'] === undefined) envelope['topic'] = topicId
  if (envelope['dataVersion'] === undefined) envelope['dataVersion'] = ''
  if (envelope['metadataVersion'] === undefined) envelope['metadataVersion'] = '1'
  if (envelope['data'] === undefined) envelope['data'] = null
}

/** The topic or domain topic that an event belongs to. */
interface Owner {
  readonly id: string
  /** What follows the published bytes of the event. */
  tailOf(envelope: Envelope): Buffer
}

/** Events have one of sixteen endings, each made once per topic and when it is needed. */
function createOwner(topicId: string): Owner {
  const tails: (Buffer | undefined)[] = Array.from({ length: 16 })
  const create = (missing: number) => {
    let text = ''
    if (missing & 1) text += `,"topic":${JSON.stringify(topicId)}`
    if (missing & 2) text += ',"dataVersion":""'
    if (missing & 4) text += ',"metadataVersion":"1"'
    if (missing & 8) text += ',"data":null'
    return Buffer.from(`${text}}`)
  }
  return {
    id: topicId,
    tailOf(envelope) {
      let missing = 0
      if (envelope['topic'] === undefined) missing |= 1
      if (envelope['dataVersion'] === undefined) missing |= 2
      if (envelope['metadataVersion'] === undefined) missing |= 4
      if (envelope['data'] === undefined) missing |= 8
      return (tails[missing] ??= create(missing))
    },
  }
}

function readDomainTopic(
  topic: unknown,
  named: (text: string) => NamedTopic<Owner>,
  index: number,
): Exclude<NamedTopic<Owner>, { kind: 'unnamable' }> {
  if (typeof topic !== 'string' || topic === '')
    throw invalidJson(
      `Event ${index} of schema ${wireName} lacks the required property 'topic', which names the domain topic that the event is for.`,
      'topic',
    )
  const found = named(topic)
  if (found.kind === 'unnamable')
    throw mistyped('topic', `the name of a domain topic, ${domainTopicNameRule}, or its ARM id`, index)
  return found
}

const topicName = Buffer.from('"topic"')

/** Of a buffer that the events of many requests share, one after the other. */
const cuttingBytes = 65_536
/** A larger event has a buffer of its own. */
const sharedBytes = cuttingBytes / 8

/** Takes the `topic` out of events. The request's own bytes are left alone. */
class Cutting {
  #shared = Buffer.alloc(0)
  #sharedEnd = 0
  /** What was taken last. */
  source = Buffer.alloc(0)
  start = 0
  end = 0

  /**
   * Takes the event whose opening brace is at `start`, without the member whose value is a string and whose colon
   * is at `colon`, the quotes of its name before it. Its closing brace, at `end`, is not taken.
   */
  cut(body: Buffer, start: number, end: number, colon: number): void {
    let from = colon - topicName.length
    let to = endOfString(body, skipSpace(body, colon + 1) + 1)
    const next = skipSpace(body, to)
    if (body[next] === 0x2c) to = next + 1
    else {
      // It is the last member: the comma before it goes too.
      while (isSpace(body[from - 1])) from--
      if (body[from - 1] === 0x2c) from--
    }
    this.#makeRoom(from - start + end - to)
    const middle = this.start + body.copy(this.source, this.start, start, from)
    body.copy(this.source, middle, to, end)
  }

  #makeRoom(bytes: number): void {
    if (bytes > sharedBytes) {
      this.source = Buffer.allocUnsafeSlow(bytes)
      this.start = 0
    } else {
      if (this.#sharedEnd + bytes > this.#shared.length) {
        this.#shared = Buffer.allocUnsafeSlow(cuttingBytes)
        this.#sharedEnd = 0
      }
      this.source = this.#shared
      this.start = this.#sharedEnd
      this.#sharedEnd += bytes
    }
    this.end = this.start + bytes
  }
}

/** The eight names of the schema under their lower-case forms. */
const knownNames = new Map(
  ['id', 'subject', 'eventType', 'eventTime', 'data', 'dataVersion', 'metadataVersion', 'topic'].map(
    (name) => [name.toLowerCase(), name],
  ),
)

interface Rebuilt {
  readonly envelope: Envelope
  /** The event less its closing brace. */
  readonly source: Buffer
  readonly topic: string | undefined
}

/**
 * The event with the schema's own names, without `topic` and without what is null and may be left out. Values are
 * copied as bytes. Throws for a name that is unknown or comes twice.
 */
function rebuild(bytes: Buffer, start: number, index: number): Rebuilt {
  const envelope: Envelope = {}
  const parts: Buffer[] = []
  const seen = new Set<string>()
  let topic: string | undefined
  for (const member of membersOf(bytes, start)) {
    const name = knownNames.get(member.name.toLowerCase())
    if (name === undefined)
      throw invalidJson(
        `Event ${index}: property '${member.name}' is not known to schema ${wireName}.`,
        member.name,
      )
    if (seen.has(name)) throw invalidJson(`Event ${index}: property '${name}' is given more than once.`, name)
    seen.add(name)
    const raw = bytes.subarray(member.start, member.end)
    const value: unknown = JSON.parse(raw.toString('utf8'))
    if (name === 'topic') {
      if (value !== null && typeof value !== 'string') throw mistyped('topic', 'a string', index)
      topic = value ?? undefined
    } else if (value !== null || name === 'data') {
      envelope[name] = value
      parts.push(Buffer.from(`${parts.length === 0 ? '{' : ','}"${name}":`), raw)
    }
  }
  return { envelope, source: Buffer.concat(parts), topic }
}
