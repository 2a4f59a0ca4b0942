import type { EpochMs } from '../base/clock.ts'

/*
 * An application message as sessions keep it. Its members are those of a PUBLISH packet, so that a packet is one.
 *
 *   | flags u8 | number u56 | expires at u48 | received at u48 | topic length u16 | topic
 *   | [ count u16 | subscription identifier u32 ... ] | [ properties length u32 | properties as JSON ] | payload |
 *
 *   flags: 0-1 QoS, 2 retain, 3 has subscription identifiers, 4 has properties
 */

export interface Message {
  readonly topicName: string
  readonly payload: Buffer
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
  readonly payloadFormatIndicator?: number | undefined
  /** Seconds; 0 and undefined: never, as Event Grid has it. */
  readonly messageExpiryInterval?: number | undefined
  readonly contentType?: string | undefined
  readonly responseTopic?: string | undefined
  readonly correlationData?: Buffer | undefined
  readonly userProperties?: readonly (readonly [string, string])[] | undefined
  readonly receivedAt: EpochMs
}

/** A message that was kept. Its expiry interval is the one that it came with: `expiresAt` says what is left. */
export interface KeptMessage extends Message {
  /** 0: never. */
  readonly expiresAt: EpochMs
}

/** How one audience gets a message. */
export interface Delivery {
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
  readonly subscriptionIds?: readonly number[] | undefined
}

const fixedBytes = 22

/** A copy of a message to retain. */
export function keepMessage(message: Message, receivedAt: EpochMs): KeptMessage {
  const { topicName, payload, qos, payloadFormatIndicator, messageExpiryInterval, contentType } = message
  const { responseTopic, correlationData, userProperties } = message
  return {
    ...{ topicName, payload: Buffer.from(payload), qos, retain: true },
    ...{ payloadFormatIndicator, messageExpiryInterval, contentType, responseTopic },
    correlationData: correlationData && Buffer.from(correlationData),
    userProperties,
    receivedAt,
    expiresAt: expiresAt(message, receivedAt),
  }
}

/** When a message may no longer be handed out; 0: never. */
export const expiresAt = ({ messageExpiryInterval }: Message, receivedAt: EpochMs): EpochMs =>
  messageExpiryInterval ? receivedAt + messageExpiryInterval * 1000 : 0

/** All of a message but its payload. */
export function encodeMessageHead(
  message: Message,
  { qos, retain, subscriptionIds = [] }: Delivery,
  number: number,
  receivedAt: EpochMs,
): Buffer {
  const { topicName } = message
  const properties = encodeProperties(message)
  const topicBytes = Buffer.byteLength(topicName)
  const idBytes = subscriptionIds.length > 0 ? 2 + 4 * subscriptionIds.length : 0
  const bytes = fixedBytes + topicBytes + idBytes + (properties ? 4 + Buffer.byteLength(properties) : 0)
  const head = Buffer.allocUnsafe(bytes)
  head[0] = qos | (retain ? 4 : 0) | (idBytes > 0 ? 8 : 0) | (properties ? 16 : 0)
  head.writeUIntLE(number % 0x1_0000_0000, 1, 4)
  head.writeUIntLE(Math.floor(number / 0x1_0000_0000), 5, 3)
  head.writeUIntLE(expiresAt(message, receivedAt), 8, 6)
  head.writeUIntLE(receivedAt, 14, 6)
  head.writeUInt16LE(topicBytes, 20)
  let at = fixedBytes + head.write(topicName, fixedBytes)
  if (idBytes > 0) {
    at = head.writeUInt16LE(subscriptionIds.length, at)
    for (const id of subscriptionIds) at = head.writeUInt32LE(id, at)
  }
  if (properties) {
    at = head.writeUInt32LE(bytes - at - 4, at)
    head.write(properties, at)
  }
  return head
}

export interface DecodedMessage {
  readonly message: KeptMessage
  readonly number: number
  readonly subscriptionIds: readonly number[]
}

/** The payload is a view of the bytes. */
export function decodeMessage(bytes: Buffer): DecodedMessage {
  const flags = bytes[0] as number
  const number = bytes.readUInt32LE(1) + bytes.readUIntLE(5, 3) * 0x1_0000_0000
  const topicEnd = fixedBytes + bytes.readUInt16LE(20)
  let at = topicEnd
  let subscriptionIds = noIds
  if (flags & 8) {
    const count = bytes.readUInt16LE(at)
    at += 2
    subscriptionIds = Array.from({ length: count }, (_, n) => bytes.readUInt32LE(topicEnd + 2 + 4 * n))
    at += 4 * count
  }
  let properties: MessageProperties | undefined
  if (flags & 16) {
    const end = at + 4 + bytes.readUInt32LE(at)
    properties = decodeProperties(bytes.toString('utf8', at + 4, end))
    at = end
  }
  const message: KeptMessage = {
    topicName: bytes.toString('utf8', fixedBytes, topicEnd),
    payload: bytes.subarray(at),
    qos: (flags & 3) as 0 | 1 | 2,
    retain: (flags & 4) > 0,
    receivedAt: bytes.readUIntLE(14, 6),
    expiresAt: bytes.readUIntLE(8, 6),
    ...properties,
  }
  return { message, number, subscriptionIds }
}

const noIds: readonly number[] = []

type MessageProperties = Pick<
  Message,
  | 'payloadFormatIndicator'
  | 'messageExpiryInterval'
  | 'contentType'
  | 'responseTopic'
  | 'correlationData'
  | 'userProperties'
>

function encodeProperties(message: Message): string | undefined {
  const { payloadFormatIndicator, messageExpiryInterval, contentType, responseTopic } = message
  const { correlationData, userProperties } = message
  if (
    payloadFormatIndicator === undefined &&
    messageExpiryInterval === undefined &&
    contentType === undefined &&
    responseTopic === undefined &&
    correlationData === undefined &&
    (userProperties === undefined || userProperties.length === 0)
  )
    return undefined
  return JSON.stringify({
    payloadFormatIndicator,
    messageExpiryInterval,
    contentType,
    responseTopic,
    correlationData: correlationData?.toString('base64'),
    userProperties,
  })
}

function decodeProperties(text: string): MessageProperties {
  const { correlationData, ...properties } = JSON.parse(text) as Omit<
    MessageProperties,
    'correlationData'
  > & { readonly correlationData?: string }
  return correlationData === undefined
    ? properties
    : { ...properties, correlationData: Buffer.from(correlationData, 'base64') }
}
