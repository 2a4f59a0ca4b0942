import type { Message } from 'rhea'
import type { EpochMs } from '../base/clock.ts'
import type { Rhea } from './rhea.ts'

/*
 * Messages as the house sees them, and as rhea does.
 *
 * Source: OASIS AMQP 1.0, part 3, 3.2
 */

/** As rhea has decoded it: text, number, UUID of 16 bytes, or bytes. */
export type MessageId = string | number | Buffer

export interface IncomingMessage {
  readonly messageId: MessageId | undefined
  readonly correlationId: MessageId | undefined
  readonly userId: string | undefined
  readonly to: string | undefined
  readonly replyTo: string | undefined
  readonly contentType: string | undefined
  readonly contentEncoding: string | undefined
  readonly expiresAt: EpochMs | undefined
  readonly annotations: ReadonlyMap<string, unknown>
  readonly applicationProperties: ReadonlyMap<string, unknown>
  /** Data sections one behind the other, or a value that is text or bytes; undefined: another value, or none. */
  readonly body: Buffer | undefined
  /** What it is where it is no data section. */
  readonly value: unknown
}

/** Text, an int, a long, a boolean, a timestamp, bytes. */
export type AmqpValue = string | number | bigint | boolean | Date | Uint8Array | null

export interface OutgoingMessage {
  readonly messageId?: MessageId | undefined
  readonly correlationId?: MessageId | undefined
  readonly userId?: string | undefined
  readonly to?: string | undefined
  readonly contentType?: string | undefined
  readonly contentEncoding?: string | undefined
  readonly expiresAt?: EpochMs | undefined
  readonly deliveryCount?: number | undefined
  readonly annotations?: Readonly<Record<string, AmqpValue>> | undefined
  readonly applicationProperties?: Readonly<Record<string, AmqpValue>> | undefined
  /** One data section; or a value, where it is said to be one. */
  readonly body: Buffer | { readonly value: unknown }
}

/** A UUID is text as everywhere; bytes are UTF-8. */
export function textOfId(id: MessageId | undefined): string | undefined {
  if (id === undefined || typeof id === 'string') return id
  if (typeof id === 'number') return String(id)
  return id.length === 16
    ? id.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
    : id.toString()
}

const dataSection = 0x75

export function decodeMessage(message: Partial<Message>): IncomingMessage {
  const { body }: { body?: unknown } = message
  const section = sectionOf(body)
  return {
    messageId: idOf(message.message_id),
    correlationId: idOf(message.correlation_id),
    userId: Buffer.isBuffer(message.user_id) ? message.user_id.toString() : textOf(message.user_id),
    to: textOf(message.to),
    replyTo: textOf(message.reply_to),
    contentType: textOf(message.content_type),
    contentEncoding: textOf(message.content_encoding),
    expiresAt: momentOf(message.absolute_expiry_time),
    annotations: membersOf(message.message_annotations),
    applicationProperties: membersOf(message.application_properties),
    body: section ? Buffer.concat(section) : bytesOf(body),
    value: section ? undefined : body,
  }
}

/** The data sections of a body. */
function sectionOf(body: unknown): readonly Buffer[] | undefined {
  if (typeof body !== 'object' || body === null) return undefined
  const { typecode, content, multiple } = body as {
    readonly typecode?: unknown
    readonly content?: unknown
    readonly multiple?: unknown
  }
  if (typecode !== dataSection) return undefined
  const parts: readonly unknown[] = multiple === true && Array.isArray(content) ? content : [content]
  return parts.every((part) => Buffer.isBuffer(part)) ? parts : undefined
}

/** Messages that have been sent as one, each in a data section. */
export function decodeBatch(rhea: Rhea, bytes: Buffer): readonly IncomingMessage[] {
  const { body } = rhea.message.decode(bytes) as { body?: unknown }
  return (sectionOf(body) ?? []).map((part) => decodeMessage(rhea.message.decode(part) as Partial<Message>))
}

const bytesOf = (value: unknown): Buffer | undefined =>
  Buffer.isBuffer(value) ? value : typeof value === 'string' ? Buffer.from(value) : undefined

const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)

const idOf = (value: unknown): MessageId | undefined =>
  typeof value === 'string' || typeof value === 'number' || Buffer.isBuffer(value) ? value : undefined

/** No date is later than this, or earlier than its negative. Source: ECMA-262, "Time Values and Time Range" */
const latestMoment = 8.64e15

/** A timestamp comes as a Date or as a number; one that no date can tell as the end of time. */
const momentOf = (value: unknown): EpochMs | undefined => {
  const moment = value instanceof Date ? value.getTime() : value
  if (typeof moment !== 'number') return undefined
  return Number.isNaN(moment) ? latestMoment : Math.min(Math.max(moment, -latestMoment), latestMoment)
}

/** Own members alone: their names are the peer's. */
function membersOf(map: unknown): ReadonlyMap<string, unknown> {
  return new Map(typeof map === 'object' && map !== null ? Object.entries(map) : [])
}

export function encodeMessage({ types, message }: Rhea, outgoing: OutgoingMessage): Message {
  const { body, annotations, applicationProperties, deliveryCount, expiresAt, userId, ...rest } = outgoing
  const wrapped = (values: Readonly<Record<string, AmqpValue>>) =>
    Object.fromEntries(Object.entries(values).map(([name, value]) => [name, wrap(types, value)]))
  const { messageId, correlationId, to, contentType, contentEncoding } = rest
  const properties = {
    ...(messageId !== undefined && { message_id: encodeId(types, messageId) }),
    ...(correlationId !== undefined && { correlation_id: encodeId(types, correlationId) }),
    ...(userId !== undefined && { user_id: Buffer.from(userId) }),
    ...(to !== undefined && { to }),
    ...(contentType !== undefined && { content_type: contentType }),
    ...(contentEncoding !== undefined && { content_encoding: contentEncoding }),
    ...(expiresAt !== undefined && { absolute_expiry_time: expiresAt }),
    ...(deliveryCount !== undefined && { delivery_count: deliveryCount }),
  }
  return {
    ...properties,
    ...(annotations && { message_annotations: wrapped(annotations) }),
    ...(applicationProperties && { application_properties: wrapped(applicationProperties) }),
    body: Buffer.isBuffer(body) ? message.data_section(body) : body.value,
  } as unknown as Message
}

/** Of bytes, rhea knows UUIDs alone. */
const encodeId = (types: Rhea['types'], id: MessageId): unknown =>
  Buffer.isBuffer(id) && id.length !== 16 ? types.wrap_binary(id) : id

function wrap(types: Rhea['types'], value: AmqpValue): unknown {
  switch (typeof value) {
    case 'number':
      return Number.isInteger(value) && Math.abs(value) < 2 ** 31 ? types.wrap_int(value) : value
    case 'bigint':
      return types.wrap_long(Number(value))
    default:
      return value instanceof Date ? types.wrap_timestamp(value.getTime()) : value
  }
}
