import { createHash } from 'node:crypto'
import type { EpochMs } from '../base/clock.ts'
import type { DeliverySchema, GridEvent, StoredEvent } from './event.ts'

/*
 * From inside to the wire: what is stored of an event, and what a destination is sent.
 *
 * The stored head: schema (1 byte: 0 Event Grid, 1 CloudEvents), published at (8, double), internal id (16),
 * id length (4), data version length (4), id, data version. The event itself follows.
 */

const fixedHeadBytes = 33

export function encodeHead(event: GridEvent, publishedAt: EpochMs, internalId: Buffer): Buffer {
  const id = Buffer.from(event.id)
  const dataVersion = Buffer.from(event.dataVersion)
  const head = Buffer.allocUnsafe(fixedHeadBytes)
  head[0] = event.schema === 'CloudEventSchemaV1_0' ? 1 : 0
  head.writeDoubleBE(publishedAt, 1)
  internalId.copy(head, 9)
  head.writeUInt32BE(id.length, 25)
  head.writeUInt32BE(dataVersion.length, 29)
  return Buffer.concat([head, id, dataVersion])
}

export function decodeStored(bytes: Buffer): StoredEvent {
  const idEnd = fixedHeadBytes + bytes.readUInt32BE(25)
  const headEnd = idEnd + bytes.readUInt32BE(29)
  return {
    schema: bytes[0] === 1 ? 'CloudEventSchemaV1_0' : 'EventGridSchema',
    publishedAt: bytes.readDoubleBE(1),
    internalId: bytes.subarray(9, 25),
    id: bytes.toString('utf8', fixedHeadBytes, idEnd),
    dataVersion: bytes.toString('utf8', idEnd, headEnd),
    body: bytes.subarray(headEnd),
  }
}

/** `aeg-output-event-id`: the same over all retries of an event to the event subscription of that uid. */
export function outputEventId(internalId: Buffer, uid: string): string {
  const hex = createHash('sha256').update(internalId).update(uid).digest('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`
}

export interface EncodeOptions {
  readonly schema: DeliverySchema
  readonly batched: boolean
  readonly topicId: string
}

/** The body of one delivery, and its media type. Source: reference article cloud-event-schema. */
export function encodeDelivery(
  events: readonly StoredEvent[],
  { schema, batched, topicId }: EncodeOptions,
): { body: Buffer; contentType: string } {
  const bodies = events.map((event) => bodyAs(event, schema, topicId))
  if (schema === 'CloudEventSchemaV1_0' && !batched)
    return { body: bodies[0] as Buffer, contentType: 'application/cloudevents+json; charset=utf-8' }
  const parts: Buffer[] = []
  for (const body of bodies) parts.push(parts.length === 0 ? open : comma, body)
  parts.push(close)
  const contentType =
    schema === 'CloudEventSchemaV1_0'
      ? 'application/cloudevents-batch+json; charset=utf-8'
      : 'application/json; charset=utf-8'
  return { body: Buffer.concat(parts), contentType }
}

/** The value at a dotted path of the event as delivered, such as `data.key1`; undefined where there is none. */
export function fieldOf(event: StoredEvent, path: string, topicId: string): unknown {
  let value: unknown = { source: topicId, ...(JSON.parse(event.body.toString('utf8')) as object) }
  for (const name of path.split('.')) {
    if (typeof value !== 'object' || value === null) return undefined
    value = (value as Record<string, unknown>)[name]
  }
  return value
}

const open = Buffer.from('[')
const comma = Buffer.from(',')
const close = Buffer.from(']')

function bodyAs(event: StoredEvent, schema: DeliverySchema, topicId: string): Buffer {
  if (event.schema === schema || schema === 'EventGridSchema') return event.body
  const { id, eventType, subject, eventTime, data } = JSON.parse(event.body.toString('utf8')) as Record<
    string,
    unknown
  >
  const dataschema = event.dataVersion === '' ? undefined : `#${event.dataVersion}`
  const cloudEvent = { id, source: topicId, specversion: '1.0', type: eventType, dataschema, subject }
  return Buffer.from(JSON.stringify({ ...cloudEvent, time: eventTime, data }))
}
