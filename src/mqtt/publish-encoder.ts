import type { Arena } from './arena.ts'
import type { Message } from './realm.ts'

/*
 * PUBLISH from the broker to a client, written straight into the arena: it is most of what a broker writes.
 *
 *   | 0011 DUP QoS RETAIN | remaining length, 1-4 bytes | topic length, 2 | topic name |
 *   | packet id, 2, only QoS 1 and 2 | property length, 1-4, and properties, only 5.0 | payload |
 */

/** What of a message an MQTT 5 client gets as properties. */
export type MessageProperties = Pick<
  Message,
  'payloadFormatIndicator' | 'messageExpiryInterval' | 'contentType' | 'responseTopic' | 'userProperties'
> & { readonly correlationData?: Uint8Array | undefined }

export interface PublishForm {
  readonly version: 4 | 5
  readonly qos: number
  readonly retain: boolean
  readonly dup: boolean
  /** Ignored at QoS 0. */
  readonly packetId: number
  readonly subscriptionIds: readonly number[] | undefined
  /** 0: none. */
  readonly topicAlias: number
}

/** The properties as they go to every MQTT 5 client, without the subscription identifiers; undefined for none. */
export function encodeProperties(properties: MessageProperties): Buffer | undefined {
  const { contentType, responseTopic, correlationData, userProperties } = properties
  const parts: Buffer[] = []
  if (properties.payloadFormatIndicator !== undefined)
    parts.push(Buffer.of(0x01, properties.payloadFormatIndicator))
  const expiry = properties.messageExpiryInterval
  if (expiry !== undefined) parts.push(Buffer.of(0x02, expiry >>> 24, expiry >>> 16, expiry >>> 8, expiry))
  if (contentType !== undefined) parts.push(Buffer.of(0x03), encodeText(contentType))
  if (responseTopic !== undefined) parts.push(Buffer.of(0x08), encodeText(responseTopic))
  if (correlationData !== undefined)
    parts.push(
      Buffer.of(0x09, correlationData.length >>> 8, correlationData.length),
      Buffer.from(correlationData),
    )
  if (userProperties !== undefined)
    for (const [name, value] of userProperties)
      parts.push(Buffer.of(0x26), encodeText(name), encodeText(value))
  return parts.length === 0 ? undefined : Buffer.concat(parts)
}

function encodeText(text: string): Buffer {
  const bytes = Buffer.byteLength(text)
  const encoded = Buffer.allocUnsafe(2 + bytes)
  encoded.writeUInt16BE(bytes)
  encoded.write(text, 2, 'utf8')
  return encoded
}

export const lengthBytes = (value: number): number =>
  value < 0x80 ? 1 : value < 0x40_00 ? 2 : value < 0x20_00_00 ? 3 : 4

/** Bytes of the whole packet. */
export function publishBytes(
  topic: Uint8Array,
  payload: Uint8Array,
  properties: Uint8Array | undefined,
  form: PublishForm,
): number {
  const remaining = remainingBytes(topic, payload, propertyBytes(properties, form), form)
  return 1 + lengthBytes(remaining) + remaining
}

function propertyBytes(properties: Uint8Array | undefined, form: PublishForm): number {
  let bytes = properties === undefined ? 0 : properties.length
  if (form.topicAlias !== 0) bytes += 3
  if (form.subscriptionIds !== undefined) for (const id of form.subscriptionIds) bytes += 1 + lengthBytes(id)
  return bytes
}

function remainingBytes(
  topic: Uint8Array,
  payload: Uint8Array,
  properties: number,
  form: PublishForm,
): number {
  let bytes = 2 + topic.length + payload.length
  if (form.qos > 0) bytes += 2
  if (form.version === 5) bytes += lengthBytes(properties) + properties
  return bytes
}

/** Writes the packet at `at`, where `publishBytes` have room; returns where it ends. */
export function writePublish(
  buffer: Buffer,
  at: number,
  topic: Uint8Array,
  payload: Uint8Array,
  properties: Uint8Array | undefined,
  form: PublishForm,
): number {
  const propertiesLength = form.version === 5 ? propertyBytes(properties, form) : 0
  let offset = at
  buffer[offset++] = 0x30 | (form.dup ? 8 : 0) | (form.qos << 1) | (form.retain ? 1 : 0)
  offset = writeLength(buffer, offset, remainingBytes(topic, payload, propertiesLength, form))
  const topicLength = topic.length
  buffer[offset++] = topicLength >>> 8
  buffer[offset++] = topicLength
  if (topicLength <= byteLoop)
    for (let index = 0; index < topicLength; index++) buffer[offset + index] = topic[index] as number
  else buffer.set(topic, offset)
  offset += topicLength
  if (form.qos > 0) {
    buffer[offset++] = form.packetId >>> 8
    buffer[offset++] = form.packetId
  }
  if (form.version === 5) {
    offset = writeLength(buffer, offset, propertiesLength)
    if (propertiesLength !== 0) offset = writeProperties(buffer, offset, properties, form)
  }
  const payloadLength = payload.length
  if (payloadLength <= byteLoop)
    for (let index = 0; index < payloadLength; index++) buffer[offset + index] = payload[index] as number
  else buffer.set(payload, offset)
  return offset + payloadLength
}

/** Up to here a loop is faster than a call that leaves JavaScript. */
const byteLoop = 32

function writeProperties(
  buffer: Buffer,
  at: number,
  properties: Uint8Array | undefined,
  { topicAlias, subscriptionIds }: PublishForm,
): number {
  let offset = at
  if (properties !== undefined) {
    buffer.set(properties, offset)
    offset += properties.length
  }
  if (topicAlias !== 0) {
    buffer[offset++] = 0x23
    buffer[offset++] = topicAlias >>> 8
    buffer[offset++] = topicAlias
  }
  if (subscriptionIds !== undefined)
    for (const id of subscriptionIds) {
      buffer[offset++] = 0x0b
      offset = writeLength(buffer, offset, id)
    }
  return offset
}

function writeLength(buffer: Buffer, at: number, value: number): number {
  let offset = at
  let left = value
  while (left > 0x7f) {
    buffer[offset++] = (left & 0x7f) | 0x80
    left >>>= 7
  }
  buffer[offset++] = left
  return offset
}

/** PUBACK, PUBREC, PUBREL or PUBCOMP. Without a reason it is the same in both versions. */
export function writeAcknowledgement(
  arena: Arena,
  header: number,
  packetId: number,
  reasonCode: number,
): void {
  const { buffer } = arena
  let { offset } = arena
  buffer[offset++] = header
  buffer[offset++] = reasonCode === 0 ? 2 : 3
  buffer[offset++] = packetId >>> 8
  buffer[offset++] = packetId
  if (reasonCode !== 0) buffer[offset++] = reasonCode
  arena.offset = offset
}
