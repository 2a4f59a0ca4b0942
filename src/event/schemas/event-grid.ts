import { foreignTopic, invalidJson } from '../errors.ts'
import type { GridEvent } from '../event.ts'
import { membersOf } from '../members.ts'
import { ObjectScanner } from '../scan.ts'
import { isLenientIso8601 } from '../times.ts'
import { checkBounds, decodeJson, type Envelope, eventsOf, isObject, notAnObject } from './json.ts'
import type { DecoderOptions, Schema } from './schema.ts'

const wireName = 'EventGridEvent'

/**
 * Events in the Event Grid schema: always an array, whatever the content type says, and no members but the eight
 * that the schema knows. Names are matched exactly first, then ignoring case.
 *
 * What the publisher left out is stamped on: `topic`, an empty `dataVersion`, `metadataVersion` "1", null `data`.
 *
 * Source: learn.microsoft.com/azure/event-grid/event-schema
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
  createDecoder: (options) => {
    const { topicId, limits } = options
    const tails = createTails(topicId)
    return ({ body }) => {
      const found = eventsOf(decodeJson(body), wireName, limits)
      const scanner = new ObjectScanner(body)
      const events: GridEvent[] = []
      let foreign: string | undefined
      for (let index = 0; index < found.length; index++) {
        const published = found[index]
        if (!isObject(published)) throw notAnObject(wireName, index, published)
        let envelope = published
        scanner.next()
        let { start, end } = scanner
        checkBounds(end + 1 - start, scanner.nesting, index, limits)
        let source = body
        if (!isPlain(envelope, scanner.members, topicId)) {
          const rebuilt = rebuild(body, start, index, options)
          foreign ??= rebuilt.foreignTopic
          envelope = rebuilt.envelope
          source = rebuilt.source
          start = 0
          end = source.length
        }
        checkMembers(envelope, index)
        const tail = tails(envelope)
        stamp(envelope, topicId)
        events.push({
          schema: 'EventGridSchema',
          topicId: undefined,
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
 * Whether the event can stay as it was published: each of its members has a known name, none comes twice, and
 * there is nothing to drop. Counting tells the first two apart from the rest without a look at the names.
 */
function isPlain(envelope: Envelope, members: number, topicId: string): boolean {
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
  return (
    known === members &&
    dataVersion !== null &&
    metadataVersion !== null &&
    (topic === undefined || topic === topicId)
  )
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

/** What follows the published bytes: one of sixteen endings, each made once per topic. */
function createTails(topicId: string): (envelope: Envelope) => Buffer {
  const tails = Array.from({ length: 16 }, (_, missing) => {
    let text = ''
    if (missing & 1) text += `,"topic":${JSON.stringify(topicId)}`
    if (missing & 2) text += ',"dataVersion":""'
    if (missing & 4) text += ',"metadataVersion":"1"'
    if (missing & 8) text += ',"data":null'
    return Buffer.from(`${text}}`)
  })
  return (envelope) => {
    let missing = 0
    if (envelope['topic'] === undefined) missing |= 1
    if (envelope['dataVersion'] === undefined) missing |= 2
    if (envelope['metadataVersion'] === undefined) missing |= 4
    if (envelope['data'] === undefined) missing |= 8
    return tails[missing] as Buffer
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
  /** A `topic` that is not ours; refused once every event has been found well formed. */
  readonly foreignTopic: string | undefined
}

/**
 * The event with the schema's own names, without `topic` and without what is null and may be left out. Values are
 * copied as bytes. Throws for a name that is unknown or comes twice.
 */
function rebuild(bytes: Buffer, start: number, index: number, { topicId }: DecoderOptions): Rebuilt {
  const envelope: Envelope = {}
  const parts: Buffer[] = []
  const seen = new Set<string>()
  let foreign: string | undefined
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
      if (value && value.toLowerCase() !== topicId.toLowerCase()) foreign = value
    } else if (value !== null || name === 'data') {
      envelope[name] = value
      parts.push(Buffer.from(`${parts.length === 0 ? '{' : ','}"${name}":`), raw)
    }
  }
  return { envelope, source: Buffer.concat(parts), foreignTopic: foreign }
}
