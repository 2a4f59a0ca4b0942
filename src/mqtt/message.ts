import type { EpochMs } from '../base/clock.ts'
import type { Message } from './realm.ts'

/** Topic, payload and properties, as quotas count them. */
export function bytesOf(message: Message): number {
  let bytes = message.topicName.length + message.payload.length
  if (message.userProperties)
    for (const [name, value] of message.userProperties) bytes += name.length + value.length
  return (
    bytes +
    (message.correlationData?.length ?? 0) +
    (message.contentType?.length ?? 0) +
    (message.responseTopic?.length ?? 0)
  )
}

/** With what is left of its time, as it goes to a client. [MQTT-3.3.2-6] */
export function aged(message: Message, now: EpochMs): Message {
  const { messageExpiryInterval, receivedAt } = message
  if (messageExpiryInterval === undefined) return message
  const waited = Math.floor((now - receivedAt) / 1000)
  return { ...message, messageExpiryInterval: Math.max(0, messageExpiryInterval - waited) }
}

/** A copy that owns its bytes. */
export function ownedCopy(message: Message): Message {
  const { correlationData } = message
  return {
    topicName: message.topicName,
    payload: Buffer.from(message.payload),
    qos: message.qos,
    retain: message.retain,
    payloadFormatIndicator: message.payloadFormatIndicator,
    messageExpiryInterval: message.messageExpiryInterval,
    contentType: message.contentType,
    responseTopic: message.responseTopic,
    correlationData: correlationData && Buffer.from(correlationData),
    userProperties: message.userProperties,
    receivedAt: message.receivedAt,
  }
}
