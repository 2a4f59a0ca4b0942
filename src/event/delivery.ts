import assert from 'node:assert/strict'
import type { DeliverySchema, StoredEvent } from './event.ts'
import { type Member, membersOf } from './members.ts'

export interface DeliveryForm {
  readonly schema: DeliverySchema
  /** Output batching is on: CloudEvents go as an array, however many there are. */
  readonly batched: boolean
  /** `source` of an Event Grid event delivered as a CloudEvent, should the event not name its topic. */
  readonly topicId: string
}

export interface EncodedDelivery {
  readonly body: Buffer
  readonly contentType: string
}

const open = Buffer.from('[')
const comma = Buffer.from(',')
const close = Buffer.from(']')

/**
 * The body of one delivery. Events that stay in their schema are copied byte for byte.
 * Without batching there is exactly one event.
 *
 * Source: learn.microsoft.com/azure/event-grid/event-schema and cloud-event-schema
 */
export function encodeDelivery(events: readonly StoredEvent[], form: DeliveryForm): EncodedDelivery {
  if (form.schema === 'EventGridSchema') {
    assert(
      events.every((event) => event.schema === 'EventGridSchema'),
      'a CloudEvent has no Event Grid form',
    )
    return {
      body: encodeArray(events.map(({ body }) => body)),
      contentType: 'application/json; charset=utf-8',
    }
  }
  const bodies = events.map((event) =>
    event.schema === 'CloudEventSchemaV1_0' ? event.body : toCloudEvent(event.body, form.topicId),
  )
  if (form.batched)
    return { body: encodeArray(bodies), contentType: 'application/cloudevents-batch+json; charset=utf-8' }
  const [body] = bodies
  assert(body !== undefined && bodies.length === 1, 'without batching one event is delivered at a time')
  return { body, contentType: 'application/cloudevents+json; charset=utf-8' }
}

function encodeArray(bodies: readonly Buffer[]): Buffer {
  const parts: Buffer[] = []
  for (const body of bodies) parts.push(parts.length === 0 ? open : comma, body)
  parts.push(close)
  return Buffer.concat(parts)
}

/**
 * An Event Grid event as a CloudEvent 1.0, in the service's order of attributes. `dataschema` is left out where
 * `dataVersion` is empty: a bare "#" is no absolute URI, and strict readers refuse it.
 *
 * Source: learn.microsoft.com/azure/event-grid/cloud-event-schema
 */
function toCloudEvent(body: Buffer, topicId: string): Buffer {
  const members = new Map(membersOf(body).map((member) => [member.name, member]))
  const raw = (name: string) => {
    const member = members.get(name)
    return member && body.subarray(member.start, member.end)
  }
  const dataVersion = raw('dataVersion')
  const parts: Buffer[] = []
  const add = (text: string, value: Buffer | undefined) => {
    if (value) parts.push(Buffer.from(text), value)
  }
  add('{"id":', raw('id'))
  add(',"source":', raw('topic') ?? Buffer.from(JSON.stringify(topicId)))
  add(',"specversion":"1.0","type":', raw('eventType'))
  // Two bytes are the quotes of an empty string; otherwise the first of them is replaced.
  if (dataVersion && dataVersion.length > 2) add(',"dataschema":"#', dataVersion.subarray(1))
  add(',"subject":', raw('subject'))
  add(',"time":', raw('eventTime'))
  add(',"data":', raw('data'))
  parts.push(Buffer.from('}'))
  return Buffer.concat(parts)
}

/** The value of `data` as it was published, in JSON; undefined where there is none. */
export function dataMember({ body }: Pick<StoredEvent, 'body'>): Buffer | undefined {
  const member = membersOf(body).find(({ name }) => name === 'data')
  return member && body.subarray(member.start, member.end)
}

/**
 * The text of a string, number or boolean at a dotted path such as `data.device.key1` or `subject`; undefined for
 * anything else and where nothing is. Names are matched exactly first, then ignoring case. A number keeps the
 * digits that were published. `source` of an Event Grid event is its topic, as in its CloudEvents form.
 *
 * Source: learn.microsoft.com/azure/event-grid/delivery-properties
 */
export function fieldOf(
  { schema, body }: Pick<StoredEvent, 'schema' | 'body'>,
  path: string,
  topicId?: string,
): string | undefined {
  if (schema === 'EventGridSchema' && path.toLowerCase() === 'source')
    return textAt(body, ['topic']) ?? topicId
  return textAt(body, path.split('.'))
}

function textAt(body: Buffer, path: readonly string[]): string | undefined {
  let at = 0
  let end = body.length
  for (const name of path) {
    if (body[at] !== 0x7b) return undefined
    const member = namedMember(membersOf(body, at), name)
    if (!member) return undefined
    at = member.start
    end = member.end
  }
  const raw = body.toString('utf8', at, end)
  if (raw.startsWith('"')) return JSON.parse(raw) as string
  return raw === 'null' || raw.startsWith('{') || raw.startsWith('[') ? undefined : raw
}

/** A name given twice inside `data` means its last value, as it does to every JSON parser. */
const namedMember = (members: readonly Member[], name: string): Member | undefined =>
  members.findLast((member) => member.name === name) ??
  members.findLast((member) => member.name.toLowerCase() === name.toLowerCase())
