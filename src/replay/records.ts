import { RequestError } from '../base/errors.ts'
import type { DeliverySchema, GridEvent } from '../event/event.ts'
import { encodeMapped } from '../event/mapped-event.ts'
import { type Member, membersOf, skipSpace, withoutMembers } from '../event/members.ts'
import { ObjectScanner } from '../event/scan.ts'
import { schemas } from '../event/schemas/index.ts'
import type { Decode } from '../event/schemas/schema.ts'
import { isObject, type WireObject } from '../wire/shape.ts'
import { malformedBlob, malformedRecord, undeliverableSchema } from './errors.ts'

/** One record of a blob. */
export interface DeadLetterRecord {
  /** In the blob, from 0. */
  readonly index: number
  /** The record as it is, one JSON object. */
  readonly bytes: Buffer
  readonly value: WireObject
}

/** Reads a blob of records. Throws a `RequestError` where it is none. */
export function decodeRecords(blob: string, body: Buffer): readonly DeadLetterRecord[] {
  let found: unknown
  try {
    found = JSON.parse(body.toString('utf8'))
  } catch (error) {
    throw malformedBlob(blob, `${(error as Error).message}.`, error)
  }
  if (!Array.isArray(found)) throw malformedBlob(blob, 'it holds something else.')
  const scanner = new ObjectScanner(body)
  return found.map((value: unknown, index) => {
    if (!isObject(value)) throw malformedRecord(blob, index, 'it is no JSON object.')
    scanner.next()
    return { index, value, bytes: body.subarray(scanner.start, scanner.end + 1) }
  })
}

/** Records as one blob again. */
export function encodeRecords(records: readonly DeadLetterRecord[]): Buffer {
  const parts = records.flatMap(({ bytes }, n) => [n === 0 ? open : comma, bytes])
  return Buffer.concat([...parts, close])
}

/** Why its event was given up; '' where the record does not say. */
export function reasonOf({ value }: DeadLetterRecord): string {
  const own = namespacePropertiesOf(value)
  const reason = own ? own.deadletterreason : (value.deadLetterReason ?? value.deadletterreason)
  return typeof reason === 'string' ? reason : ''
}

/** Undefined where it has none, and cannot be replayed. */
export const eventIdOf = ({ value }: DeadLetterRecord): string | undefined => {
  const { id } = eventIn(value)
  return typeof id === 'string' ? id : undefined
}

/** What a record of a namespace's topic says beside the event; undefined for a record of any other. */
const namespacePropertiesOf = ({ deadLetterProperties }: WireObject): WireObject | undefined =>
  isObject(deadLetterProperties) ? deadLetterProperties : undefined

/** The event with what the record may say beside it. */
const eventIn = (value: WireObject): WireObject =>
  namespacePropertiesOf(value) && isObject(value.event) ? value.event : value

export interface ReplayForm {
  readonly deliverySchema: DeliverySchema
  readonly topicId: string
}

/** Makes events of the records of one blob, to be delivered as they would have been at first. */
export function createReplayer(
  blob: string,
  { deliverySchema, topicId }: ReplayForm,
): (record: DeadLetterRecord) => GridEvent {
  const decoders = new Map<string, Decode>()
  const decoderOf = (schema: 'EventGridSchema' | 'CloudEventSchemaV1_0', ownTopic: string) => {
    const key = `${schema} ${ownTopic}`
    let decode = decoders.get(key)
    if (!decode) {
      const { createDecoder } = schemas[schema]
      const now = () => 0
      decode = createDecoder({ topicId: ownTopic, domain: false, mapping: undefined, now, limits: noLimits })
      decoders.set(key, decode)
    }
    return decode
  }
  return (record) => {
    const { index } = record
    const value = eventIn(record.value)
    const schema = value.specversion === undefined ? 'EventGridSchema' : 'CloudEventSchemaV1_0'
    if (schema === 'CloudEventSchemaV1_0' && deliverySchema !== schema)
      throw undeliverableSchema(blob, index, schema, deliverySchema)
    const event = eventBytes(blob, record)
    // The topic that an event names is checked when it is published; a dead letter is believed.
    const decode = decoderOf(schema, typeof value.topic === 'string' ? value.topic : topicId)
    try {
      const body = Buffer.concat([open, event, close])
      const [decoded] = decode({ body, contentType: 'application/cloudevents-batch+json', rawHeaders: [] })
      return deliverySchema === 'CustomInputSchema' ? toCustom(decoded as GridEvent) : (decoded as GridEvent)
    } catch (error) {
      if (error instanceof RequestError) throw malformedRecord(blob, index, error.message, error)
      throw error
    }
  }
}

/** What a record has beside the event, in lower case; `deadletterreason` comes before the others. */
const ownMembers = new Set([
  'deadletterreason',
  'deliveryattempts',
  'lastdeliveryoutcome',
  'lasthttpstatuscode',
  'publishtime',
  'lastdeliveryattempttime',
])

/** The event without the record's own members: byte for byte as it was delivered where those come last. */
function eventBytes(blob: string, { bytes, index, value }: DeadLetterRecord): Buffer {
  const members = membersOf(bytes)
  if (namespacePropertiesOf(value)) return memberBytes(blob, index, bytes, members)
  const first = members.findLastIndex(({ name }) => name.toLowerCase() === 'deadletterreason')
  if (first < 0) throw malformedRecord(blob, index, 'it has no deadLetterReason.')
  const isOwn = ({ name }: Member, at: number) => at >= first && ownMembers.has(name.toLowerCase())
  const before = members[first - 1]
  if (before && members.every((member, at) => at < first || isOwn(member, at))) {
    const commaAt = skipSpace(bytes, before.end)
    return Buffer.concat([bytes.subarray(0, commaAt), brace])
  }
  return withoutMembers(bytes, isOwn)
}

function memberBytes(blob: string, index: number, bytes: Buffer, members: readonly Member[]): Buffer {
  const event = members.findLast(({ name }) => name === 'event')
  if (!event) throw malformedRecord(blob, index, "it has no 'event'.")
  return bytes.subarray(event.start, event.end)
}

/**
 * The custom event that an Event Grid event was made of: its `data`.
 *
 * Source: learn.microsoft.com/azure/event-grid/input-mappings
 */
function toCustom(event: GridEvent): GridEvent {
  const whole = Buffer.concat([event.source.subarray(event.start, event.end), event.tail])
  const text = (name: string) => event.envelope[name] as string
  const mapped = encodeMapped({
    ...{ id: event.id, topic: text('topic'), subject: event.subject, eventType: event.type },
    ...{ eventTime: text('eventTime'), dataVersion: event.dataVersion },
  })
  const data = membersOf(whole).find(({ name }) => name === 'data') as Member
  const source = Buffer.concat([Buffer.from(mapped), whole.subarray(data.start, data.end)])
  return { ...event, schema: 'CustomEventSchema', source, start: 0, end: source.length, tail: brace }
}

/** What was accepted once is within limits; with what was stamped on it may be a little more. */
const noLimits = { events: 1, eventBytes: Number.POSITIVE_INFINITY, nesting: 1_100 }

const open = Buffer.from('[')
const comma = Buffer.from(',')
const close = Buffer.from(']')
const brace = Buffer.from('}')
