import { newGuid } from '../../base/ids.ts'
import { encodeMoment } from '../../base/moment.ts'
import { createDomainTopics, domainTopicNameRule, type NamedTopic } from '../domain-topics.ts'
import { foreignTopic, invalidJson, payloadTooLarge } from '../errors.ts'
import type { GridEvent } from '../event.ts'
import { encodeMapped, type MappedFields } from '../mapped-event.ts'
import { type FieldMapping, type InputSchemaMapping, type MappedField, mappedFields } from '../mapping.ts'
import { ObjectScanner } from '../scan.ts'
import { textAt } from '../text-at.ts'
import { isLenientIso8601 } from '../times.ts'
import { checkBounds, decodeJson, type Envelope, eventsOf, isObject, notAnObject } from './json.ts'
import type { DecoderOptions, Schema } from './schema.ts'

const wireName = 'CustomInputEvent'

/**
 * Events that are any JSON objects: always an array, whatever the content type says. The topic's mapping tells
 * which of their fields stand for the fields of an Event Grid event, of which the published event is the `data`.
 *
 * Where the mapping has no value for a field: `id` is a new guid, `eventTime` the time of publishing, `topic` the
 * custom topic's ARM id, `dataVersion` empty; the event is refused for want of a `subject`, an `eventType`, or, in
 * a domain, a `topic`. A topic without a mapping takes each field from the one of the same name, except that
 * `topic` means something in a domain only. Strings, numbers and booleans are values; an `eventTime` must be an ISO 8601
 * date and time and stays as it is, as in the Event Grid schema; so must a `topic` that is mapped name this one.
 *
 * Source: learn.microsoft.com/azure/event-grid/input-mappings
 */
export const customEventSchema: Schema = {
  wireName,
  example: {
    body: Buffer.from(
      '[{"id":"1","subject":"/orders/1","eventType":"Orders.Placed","eventTime":"2026-11-21T13:00:00Z","data":{"n":1}}]',
    ),
    contentType: 'application/json',
    rawHeaders: [],
  },
  createDecoder: (options) => {
    const { limits, now } = options
    const readFields = createReader(options)
    return ({ body }) => {
      const found = eventsOf(decodeJson(body), wireName, limits)
      const scanner = new ObjectScanner(body)
      const publishTime = encodeMoment(now())
      let foreign: string | undefined
      const events = found.map((published, index): GridEvent => {
        if (!isObject(published)) throw notAnObject(wireName, index, published)
        scanner.next()
        const { start, end } = scanner
        checkBounds(end + 1 - start, scanner.nesting, index, limits)
        const read = readFields({ published, body, start, index }, publishTime)
        foreign ??= read.foreignTopic
        const { fields } = read
        return {
          schema: 'CustomEventSchema',
          topicId: read.topicId,
          id: fields.id,
          type: fields.eventType,
          subject: fields.subject,
          dataVersion: fields.dataVersion,
          envelope: { ...fields, metadataVersion: '1', data: published },
          ...place(encodeMapped(fields), body, start, end + 1, index),
        }
      })
      if (foreign !== undefined)
        throw foreignTopic(
          `The event's topic '${foreign}' is not the ${options.domain ? 'domain' : 'topic'} '${options.topicId}' that it was sent to.`,
        )
      return events
    }
  },
}

/**
 * How large the mapped fields of one event may be, as JSON in UTF-8. Several may be mapped from the same field, so
 * that they could make an event many times larger than it was published.
 */
const mappedBytes = 65_536

const closing = Buffer.from('}')

function place(mapped: string, body: Buffer, start: number, end: number, index: number) {
  const length = Buffer.byteLength(mapped)
  if (length > mappedBytes)
    throw payloadTooLarge(
      `The fields that are mapped from event ${index} have ${length} bytes, which is more than the maximum of ${mappedBytes} bytes.`,
    )
  const source = Buffer.allocUnsafe(length + end - start)
  source.write(mapped, 'utf8')
  body.copy(source, length, start, end)
  return { source, start: 0, end: source.length, tail: closing }
}

/** One event as it came. */
interface Published {
  readonly published: Envelope
  readonly body: Buffer
  readonly start: number
  readonly index: number
}

interface ReadFields {
  readonly fields: MappedFields
  readonly topicId: string | undefined
  /** A `topic` that is not ours; refused once every event has been found well formed. */
  readonly foreignTopic: string | undefined
}

type ReadField = (event: Published) => string | undefined

function createReader(options: DecoderOptions): (event: Published, publishTime: string) => ReadFields {
  const { topicId, domain, mapping = ownNames(domain) } = options
  const read = Object.fromEntries(
    mappedFields.map((target) => [target, createReadField(mapping[target])]),
  ) as Record<MappedField, ReadField>
  const named = domain ? createDomainTopics(topicId, (id) => id) : undefined
  const missing = (target: MappedField, { index }: Published) => {
    const { sourceField } = mapping[target]
    return invalidJson(
      `Event ${index} of schema ${wireName} has no ${target}: ${
        sourceField === undefined
          ? "the topic's mapping names neither a field nor a default for it"
          : `the field '${sourceField}' that is mapped to it is missing or no string, number or boolean`
      }.`,
      target,
    )
  }
  const required = (target: MappedField, event: Published) => {
    const text = read[target](event)
    if (text === undefined) throw missing(target, event)
    return text
  }
  const domainTopic = (event: Published, namedTopic: (text: string) => NamedTopic<string>) => {
    const text = read.topic(event)
    if (text === undefined || text === '') throw missing('topic', event)
    const found = namedTopic(text)
    if (found.kind === 'unnamable') throw unnamable(text, event.index, mapping.topic.sourceField)
    return found.kind === 'topic'
      ? { topic: found.topic, topicId: found.topic, foreignTopic: undefined }
      : { topic: text, topicId: undefined, foreignTopic: text }
  }
  const ownTopic = (event: Published) => {
    const text = read.topic(event)
    const isOurs = text === undefined || text === '' || text.toLowerCase() === topicId.toLowerCase()
    return { topic: topicId, topicId: undefined, foreignTopic: isOurs ? undefined : text }
  }
  return (event, publishTime) => {
    const { topic, ...whose } = named ? domainTopic(event, named) : ownTopic(event)
    const fields = {
      id: read.id(event) ?? newGuid(),
      topic,
      subject: required('subject', event),
      eventType: required('eventType', event),
      eventTime: read.eventTime(event) ?? publishTime,
      dataVersion: read.dataVersion(event) ?? '',
    }
    if (!isLenientIso8601(fields.eventTime))
      throw invalidJson(
        `Event ${event.index} of schema ${wireName}: eventTime '${fields.eventTime}' of the field '${mapping.eventTime.sourceField}' is not an ISO 8601 date and time.`,
        'eventTime',
      )
    return { fields, ...whose }
  }
}

const unnamable = (text: string, index: number, field: string | undefined) =>
  invalidJson(
    `Event ${index} of schema ${wireName}: topic '${text}' of the field '${field}' is neither the name of a domain topic, ${domainTopicNameRule}, nor the ARM id of one.`,
    'topic',
  )

/** For a topic that was made without a mapping. */
function ownNames(domain: boolean): InputSchemaMapping {
  const from = (sourceField: string | undefined): FieldMapping => ({ sourceField, defaultValue: undefined })
  return {
    id: from('id'),
    topic: from(domain ? 'topic' : undefined),
    eventTime: from('eventTime'),
    eventType: from('eventType'),
    subject: from('subject'),
    dataVersion: from('dataVersion'),
  }
}

function createReadField({ sourceField, defaultValue }: FieldMapping): ReadField {
  if (sourceField === undefined) return () => defaultValue
  const whole = [sourceField]
  const dotted = sourceField.split('.')
  return (event) => {
    const path = Object.hasOwn(event.published, sourceField) ? whole : dotted
    return textOf(valueAt(event.published, path), event, path) ?? defaultValue
  }
}

function valueAt(from: unknown, path: readonly string[]): unknown {
  let value = from
  for (const name of path) {
    if (!isObject(value) || !Object.hasOwn(value, name)) return undefined
    value = value[name]
  }
  return value
}

/** The invariant form of a scalar. A number that JavaScript cannot hold keeps the digits that were published. */
function textOf(value: unknown, { body, start }: Published, path: readonly string[]): string | undefined {
  switch (typeof value) {
    case 'string':
      return value
    case 'boolean':
      return String(value)
    case 'number':
      return Math.abs(value) <= Number.MAX_SAFE_INTEGER ? String(value) : textAt(body, path, start)
    default:
      return undefined
  }
}
