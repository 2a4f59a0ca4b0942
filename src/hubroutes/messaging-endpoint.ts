import { amqpOutcomeOf } from '../destinations/amqp-outcome.ts'
import type { AmqpMessage } from '../destinations/amqp-sender.ts'
import { connectionOf } from '../destinations/connections.ts'
import { brokerOrigin, readBrokerAccess } from '../destinations/messaging.ts'
import { noConnection } from '../destinations/unreachable.ts'
import type { HubMessage } from '../hubmessage/message.ts'
import { hubAnnotations } from '../hubmessage/system-properties.ts'
import type { MessagingEndpoint } from '../resources/hub-routing.ts'
import type { EndpointContext, OpenEndpoint } from './endpoint.ts'
import { unreachable } from './unreachable.ts'

/** Handed over at once; the broker answers each. */
const batchBytes = 4 * 1024 * 1024
const batchMessages = 1_000

/** Event Hubs, and queues and topics of Service Bus: one message of AMQP for each. */
export function messagingEndpoint(
  { name, kind, access, entity }: MessagingEndpoint,
  { transports }: EndpointContext,
): OpenEndpoint {
  const connection = access.kind === 'key' ? access : connectionOf(transports.connections, access.resourceId)
  if (!connection) return unreachable(name, noConnection)
  const broker = readBrokerAccess(connection)
  if (typeof broker === 'string') return unreachable(name, `Its connectionString ${broker}.`)
  const { amqp } = access.kind === 'key' ? transports.guarded : transports.trusted
  const channel = amqp.open(broker.endpoint, entity)
  const encode = kind === 'eventHub' ? encodeForEventHubs : encodeForServiceBus
  return {
    origin: `${brokerOrigin(broker.endpoint)}/${entity}`,
    gatherMs: 0,
    ...{ batchBytes, batchMessages },
    deliver: (messages, signal) =>
      Promise.all(
        messages.map(async (message) => amqpOutcomeOf(await channel.send(encode(message), signal))),
      ),
    close: () => channel.close(),
  }
}

/** Source: learn.microsoft.com/azure/iot-hub/iot-hub-devguide-messages-read-builtin */
const encodeForEventHubs = (message: HubMessage): AmqpMessage => ({
  ...encodeMessage(message),
  message_annotations: {
    'x-opt-partition-key': message.deviceId,
    ...hubAnnotations(message),
    'iothub-enqueuedtime': new Date(message.enqueuedAt),
  },
  application_properties: message.properties,
})

/** There the hub's own words are properties of the application. */
const encodeForServiceBus = (message: HubMessage): AmqpMessage => ({
  ...encodeMessage(message),
  application_properties: { ...message.properties, ...hubAnnotations(message) },
})

function encodeMessage({ system, payload }: HubMessage) {
  const { messageId, correlationId, userId, to, contentType, contentEncoding } = system
  return {
    ...(messageId !== undefined && { message_id: messageId }),
    ...(correlationId !== undefined && { correlation_id: correlationId }),
    ...(userId !== undefined && { user_id: Buffer.from(userId) }),
    ...(to !== undefined && { to }),
    ...(contentType !== undefined && { content_type: contentType }),
    ...(contentEncoding !== undefined && { content_encoding: contentEncoding }),
    body: payload,
  }
}
