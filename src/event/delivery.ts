import assert from 'node:assert/strict'
import type { DeliverySchema, StoredEvent } from './event.ts'
import { publishedEvent } from './mapped-event.ts'
import { membersOf } from './members.ts'
import { textAt } from './text-at.ts'

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

const json = 'application/json; charset=utf-8'
const oneCloudEvent = 'application/cloudevents+json; charset=utf-8'
const manyCloudEvents = 'application/cloudevents-batch+json; charset=utf-8'

/**
 * The body of one delivery. Events that stay in their schema are copied byte for byte. Without batching there is
 * exactly one event; it goes alone as a CloudEvent, in an array in the other schemas.
 *
 * Source: learn.microsoft.com/azure/event-grid/event-schema; cloud-event-schema; input-mappings
 */
export function encodeDelivery(events: readonly StoredEvent[], form: DeliveryForm): EncodedDelivery {
  const bodies = events.map((event) => encodeEvent(event, form))
  if (form.schema !== 'CloudEventSchemaV1_0') return { body: encodeArray(bodies), contentType: json }
  if (form.batched) return { body: encodeArray(bodies), contentType: manyCloudEvents }
  const [body] = bodies
  assert(body !== undefined && bodies.length === 1, 'without batching one event is delivered at a time')
  return { body, contentType: oneCloudEvent }
}

/** One event as one JSON object, for a destination that has a message for each. */
export function encodeSingle(event: StoredEvent, form: Omit<DeliveryForm, 'batched'>): EncodedDelivery {
  return {
    body: encodeEvent(event, form),
    contentType: form.schema === 'CloudEventSchemaV1_0' ? oneCloudEvent : json,
  }
}

function encodeEvent({ schema, body }: StoredEvent, form: Omit<DeliveryForm, 'batched'>): Buffer {
  switch (form.schema) {
    case 'EventGridSchema':
      assert(schema !== 'CloudEventSchemaV1_0', 'a CloudEvent has no Event Grid form')
      return body
    case 'CustomInputSchema':
      assert(schema === 'CustomEventSchema', 'only custom events have a form of their own')
      return publishedEvent(body)
    case 'CloudEventSchemaV1_0':
      return schema === 'CloudEventSchemaV1_0' ? body : toCloudEvent(body, form.topicId)
  }
}

/**
 * The schema in which the dead-letter record of an event is written, by the one in which it would have been
 * delivered: one that has an envelope to put the record's own members in.
 *
 * Source: learn.microsoft.com/azure/event-grid/delivery-and-retry, "Dead-letter events"
 */
export const deadLetterForm = (schema: DeliverySchema): 'EventGridSchema' | 'CloudEventSchemaV1_0' =>
  schema === 'CloudEventSchemaV1_0' ? schema : 'EventGridSchema'

function encodeArray(bodies: readonly Buffer[]): Buffer {
  const parts: Buffer[] = []
  for (const body of bodies) parts.push(parts.length === 0 ? open : comma, body)
  parts.push(close)
  return Buffer.concat(parts)
}

/**
 * An Event Grid event as a CloudEvent 1.0, in the service's order of attributes. `dataschema` is left out where
 * `dataVersion` is empty: a bare "#" is no absolute URI, and strict readers refuse it. The documented CloudEvents of a
 * namespace's MQTT clients have none either.
 *
 * Source: learn.microsoft.com/azure/event-grid/cloud-event-schema and event-schema-event-grid-namespace
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
  if (dataVersion && dataVersion.length > 2 && !raw('eventType')?.includes(withoutDataSchema))
    add(',"dataschema":"#', dataVersion.subarray(1))
  add(',"subject":', raw('subject'))
  add(',"time":', raw('eventTime'))
  add(',"data":', raw('data'))
  parts.push(Buffer.from('}'))
  return Buffer.concat(parts)
}

const withoutDataSchema = Buffer.from('"Microsoft.EventGrid.MQTTClient')

/** The value of `data` as it was published, in JSON; undefined where there is none. Of a custom event, all of it. */
export function dataMember({ body }: Pick<StoredEvent, 'body'>): Buffer | undefined {
  const member = membersOf(body).find(({ name }) => name === 'data')
  return member && body.subarray(member.start, member.end)
}

/**
 * The text of a string, number or boolean at a dotted path such as `data.device.key1` or `subject`; undefined for
 * anything else and where nothing is. Names are matched exactly first, then ignoring case. A number keeps the
 * digits that were published. `source` of an Event Grid event is its topic, as in its CloudEvents form. A custom
 * event has the fields that are mapped, and its own below `data`.
 *
 * Source: learn.microsoft.com/azure/event-grid/delivery-properties
 */
export function fieldOf(
  { schema, body }: Pick<StoredEvent, 'schema' | 'body'>,
  path: string,
  topicId?: string,
): string | undefined {
  if (schema !== 'CloudEventSchemaV1_0' && path.toLowerCase() === 'source')
    return textAt(body, ['topic']) ?? topicId
  return textAt(body, path.split('.'))
}
