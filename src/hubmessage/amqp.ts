import { type AmqpValue, type IncomingMessage, type OutgoingMessage, textOfId } from '../amqp/message.ts'
import type { MessageProperties } from './message.ts'

/*
 * Properties of messages over AMQP: the message's own are where the protocol has them, two are annotations, and the rest
 * are application properties.
 *
 * Source: learn.microsoft.com/azure/iot-hub/iot-hub-amqp-support and iot-hub-devguide-messages-construct
 */

/** Application properties that are the hub's own business. */
const ownNames = new Set(['iothub-outputname', 'iothub-ack'])

export function decodeAmqpProperties(message: IncomingMessage): MessageProperties {
  const {
    annotations,
    applicationProperties: said,
    userId,
    to,
    contentType,
    contentEncoding,
    expiresAt,
  } = message
  const properties: [string, string | null][] = []
  for (const [name, value] of said) if (!ownNames.has(name)) properties.push([name, textOf(value)])
  const text = (value: unknown) => (typeof value === 'string' ? value : undefined)
  return {
    system: {
      messageId: textOfId(message.messageId),
      correlationId: textOfId(message.correlationId),
      ...{ userId, to, contentType, contentEncoding },
      ...(expiresAt !== undefined && { expiry: new Date(expiresAt).toISOString() }),
      interfaceId: text(annotations.get('iothub-interface-id')),
      component: text(annotations.get('dt-subject')),
      outputName: text(said.get('iothub-outputname')),
    },
    properties: Object.fromEntries(properties),
  }
}

/** As `decodeAmqpProperties` would have it. */
export function encodeAmqpProperties({
  system,
  properties,
}: MessageProperties): Omit<OutgoingMessage, 'body'> {
  const { messageId, correlationId, userId, to, contentType, contentEncoding, expiry } = system
  const expiresAt = expiry === undefined ? Number.NaN : Date.parse(expiry)
  return {
    ...{ messageId, correlationId, userId, to, contentType, contentEncoding },
    ...(Number.isFinite(expiresAt) && { expiresAt }),
    applicationProperties: properties satisfies Readonly<Record<string, AmqpValue>>,
  }
}

function textOf(value: unknown): string | null {
  if (value === null || value === undefined) return null
  switch (typeof value) {
    case 'string':
      return value
    case 'number':
    case 'boolean':
    case 'bigint':
      return String(value)
    default:
      return value instanceof Date ? value.toISOString() : JSON.stringify(value)
  }
}
