import { isUtf8 } from 'node:buffer'
import type { EpochMs } from '../base/clock.ts'
import { RequestError } from '../base/errors.ts'
import { newGuid } from '../base/ids.ts'
import { encodeMoment } from '../base/moment.ts'
import type { EnrichedMessage, Enrichment, Publisher } from '../client/enrichments.ts'
import type { GridEvent } from '../event/event.ts'
import { withoutMembers } from '../event/members.ts'
import { createNamespaceDecoder } from '../event/schemas/cloud-event.ts'
import { type DecodeLimits, defaultDecodeLimits } from '../event/schemas/schema.ts'

/*
 * The CloudEvent that is made of an MQTT message. A message that already is a CloudEvent, structured or binary, stays
 * the event that it is. Numbers and escapes of JSON stay as they were published.
 *
 * Source: learn.microsoft.com/azure/event-grid/mqtt-routing-event-schema
 */

export interface RoutedMessage extends EnrichedMessage {
  readonly payload: Buffer
  readonly contentType?: string | undefined
  readonly receivedAt: EpochMs
}

export type ToEvent = (message: RoutedMessage, publisher: Publisher) => GridEvent

/** @param namespaceName what the events have as their `source` */
export function createToEvent(
  namespaceName: string,
  enrichments: readonly Enrichment[],
  limits: DecodeLimits = defaultDecodeLimits,
): ToEvent {
  // A payload may be larger than what a publisher may send as one event.
  const decode = createNamespaceDecoder({ ...limits, eventBytes: Infinity }, false)
  const sourceText = JSON.stringify(namespaceName)
  const encoded = enrichments.map((enrichment) => ({
    ...enrichment,
    keyText: `${JSON.stringify(enrichment.key)}:`,
  }))
  const keys = new Set(enrichments.map(({ key }) => key))
  let timeAt: EpochMs = -1
  let time = ''

  const timeOf = (moment: EpochMs): string => {
    if (moment !== timeAt) {
      timeAt = moment
      time = encodeMoment(moment)
    }
    return time
  }

  /** The event in `bytes`, an object in JSON, if it is one; with enrichments that win over what it has. */
  const decodeOwn = (bytes: Buffer, message: RoutedMessage, publisher: Publisher): GridEvent | undefined => {
    let event: GridEvent | undefined
    try {
      event = decode({ body: bytes, contentType: structuredType, rawHeaders: [] })[0]
    } catch (error) {
      // Then it is a message like any other.
      if (!(error instanceof RequestError)) throw error
    }
    if (!event || encoded.length === 0) return event
    let { source, start, end } = event
    if (encoded.some(({ key }) => Object.hasOwn(event.envelope, key))) {
      source = withoutMembers(source, ({ name }) => keys.has(name), start)
      start = 0
      end = source.length
    }
    const envelope: Record<string, unknown> = { ...event.envelope }
    let tail = ''
    for (const { key, keyText, valueOf } of encoded) {
      const value = valueOf(message, publisher)
      envelope[key] = value
      tail += `,${keyText}${JSON.stringify(value)}`
    }
    return { ...event, envelope, source, start, end: end - 1, tail: Buffer.from(`${tail}}`) }
  }

  return (message, publisher) => {
    const { payload, contentType, userProperties = [] } = message
    const mediaType = contentType === undefined ? '' : mediaTypeOf(contentType)
    if (mediaType === 'application/cloudevents+json' && isUtf8(payload)) {
      // The buffer that it lies in is not ours to keep.
      const own = decodeOwn(Buffer.from(payload), message, publisher)
      if (own) return own
    } else if (userProperties.length >= requiredAttributes.length) {
      const attributes = binaryAttributes(userProperties)
      const bytes = attributes && bindBinary(attributes, message, mediaType)
      const own = bytes && decodeOwn(bytes, message, publisher)
      if (own) return own
    }
    const id = newGuid()
    const moment = timeOf(message.receivedAt)
    const envelope: Record<string, unknown> = {
      specversion: '1.0',
      id,
      time: moment,
      type: eventType,
      source: namespaceName,
      subject: message.topicName,
    }
    let head = `{"specversion":"1.0","id":"${id}","time":"${moment}","type":"${eventType}","source":${sourceText},"subject":${JSON.stringify(message.topicName)}`
    const data = dataOf(message, mediaType)
    const dataContentType = contentType ?? (data.isBinary ? 'application/octet-stream' : undefined)
    if (dataContentType !== undefined) {
      envelope['datacontenttype'] = dataContentType
      head += `,"datacontenttype":${JSON.stringify(dataContentType)}`
    }
    for (const { key, keyText, valueOf } of encoded) {
      const value = valueOf(message, publisher)
      envelope[key] = value
      head += `,${keyText}${JSON.stringify(value)}`
    }
    if (data.text === undefined) {
      envelope['data'] = data.value
      return gridEvent(id, message.topicName, envelope, joined(`${head},"data":`, payload))
    }
    if (data.isBinary) envelope['data_base64'] = data.value
    else if (data.value !== undefined) envelope['data'] = data.value
    return gridEvent(id, message.topicName, envelope, Buffer.from(head + data.text))
  }
}

const eventType = 'MQTT.EventPublished'
const structuredType = 'application/cloudevents+json; charset=utf-8'
const closing = Buffer.from('}')

const gridEvent = (
  id: string,
  subject: string,
  envelope: Readonly<Record<string, unknown>>,
  source: Buffer,
): GridEvent => ({
  schema: 'CloudEventSchemaV1_0',
  topicId: undefined,
  ...{ id, subject, envelope, source },
  type: eventType,
  dataVersion: '',
  start: 0,
  end: source.length,
  tail: closing,
})

interface EventData {
  readonly value: unknown
  /** The member with its comma; undefined: `data` is the payload, as it came. */
  readonly text: string | undefined
  readonly isBinary: boolean
}

const noData: EventData = { value: undefined, text: '', isBinary: false }

/** The data member of a message: JSON and text as they are, all else in base64. */
function dataOf({ payload, payloadFormatIndicator }: RoutedMessage, mediaType: string): EventData {
  const isText = payloadFormatIndicator === 1 || mediaType === 'application/json'
  if (isText && isUtf8(payload)) {
    if (payload.length === 0) return noData
    const text = payload.toString('utf8')
    const value = jsonValue(text)
    if (value !== undefined) return { value, text: undefined, isBinary: false }
    return { value: text, text: `,"data":${JSON.stringify(text)}`, isBinary: false }
  }
  const value = payload.toString('base64')
  return { value, text: `,"data_base64":"${value}"`, isBinary: true }
}

/** Undefined where the text is no JSON. */
function jsonValue(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

/** In lower case, without parameters. */
const mediaTypeOf = (contentType: string): string =>
  (contentType.split(';', 1)[0] as string).trim().toLowerCase()

const requiredAttributes = ['specversion', 'id', 'source', 'type'] as const

/**
 * The attributes of a CloudEvent in binary mode, which are user properties; undefined where the message is none. What
 * cannot be the name of an attribute is left out.
 *
 * Source: CloudEvents MQTT protocol binding 1.0.2, "Binary content mode"
 */
function binaryAttributes(
  userProperties: readonly (readonly [string, string])[],
): Map<string, string> | undefined {
  const attributes = new Map<string, string>()
  for (const [name, value] of userProperties)
    if (/^[a-z0-9]+$/.test(name) && name !== 'data' && !attributes.has(name)) attributes.set(name, value)
  return requiredAttributes.every((name) => attributes.get(name)) ? attributes : undefined
}

/** A binary event as it would be in structured mode. */
function bindBinary(attributes: Map<string, string>, message: RoutedMessage, mediaType: string): Buffer {
  const { contentType, payload } = message
  if (contentType !== undefined) attributes.set('datacontenttype', contentType)
  const head = JSON.stringify(Object.fromEntries(attributes)).slice(0, -1)
  const { text } = dataOf(message, mediaType)
  return text === undefined
    ? Buffer.concat([joined(`${head},"data":`, payload), closing])
    : Buffer.from(`${head}${text}}`)
}

function joined(text: string, payload: Buffer): Buffer {
  const textBytes = Buffer.byteLength(text)
  const bytes = Buffer.allocUnsafe(textBytes + payload.length)
  bytes.write(text, 'utf8')
  payload.copy(bytes, textBytes)
  return bytes
}
