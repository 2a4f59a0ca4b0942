import { fieldOf } from '../event/encode.ts'
import type { AmqpMessage } from './amqp-sender.ts'
import { attributeLimits } from './delivery-attributes.ts'
import type { Delivery, DeliveryAttribute, DeliveryContext } from './destination.ts'

type MessageProperty = Exclude<
  keyof AmqpMessage,
  'body' | 'content_type' | 'content_encoding' | 'user_id' | 'message_annotations' | 'application_properties'
>

/** What the attribute of a name sets, where that is not an application property. */
export type BrokerProperty =
  | { readonly property: MessageProperty }
  | { readonly annotation: 'x-opt-partition-key' | 'x-opt-via-partition-key' }

/** By attribute name in lower case. */
export type BrokerProperties = Readonly<Record<string, BrokerProperty>>

/** What an attribute sets; undefined: an application property. @param name in any letter case */
export function brokerPropertyOf(name: string, properties: BrokerProperties): BrokerProperty | undefined {
  const key = name.toLowerCase()
  return Object.hasOwn(properties, key) ? properties[key] : undefined
}

/**
 * Source: learn.microsoft.com/azure/event-grid/delivery-properties, "Event Hubs";
 * learn.microsoft.com/azure/event-hubs/event-hubs-amqp-protocol-guide, "Message annotations"
 */
export const eventHubProperties: BrokerProperties = {
  partitionkey: { annotation: 'x-opt-partition-key' },
}

/**
 * Source: learn.microsoft.com/azure/event-grid/delivery-properties, "Service Bus";
 * learn.microsoft.com/azure/service-bus-messaging/service-bus-amqp-protocol-guide, "properties" and "message annotations"
 */
export const serviceBusProperties: BrokerProperties = {
  messageid: { property: 'message_id' },
  partitionkey: { annotation: 'x-opt-partition-key' },
  sessionid: { property: 'group_id' },
  correlationid: { property: 'correlation_id' },
  label: { property: 'subject' },
  replyto: { property: 'reply_to' },
  replytosessionid: { property: 'reply_to_group_id' },
  to: { property: 'to' },
  viapartitionkey: { annotation: 'x-opt-via-partition-key' },
}

/** A message before its body is known; the parts that an attribute can set can still be written. */
type Draft = { -readonly [Name in MessageProperty]?: string } & {
  message_annotations?: Record<string, string>
  application_properties: Record<string, string>
}

/**
 * Makes the messages of one event subscription: the values that are headers over HTTP are application properties,
 * attributes as well, unless the broker has a property of that name.
 *
 * Source: learn.microsoft.com/azure/event-grid/handler-event-hubs and handler-service-bus, "Message headers"
 */
export function createMessages(
  { eventSubscriptionName, ofNamespaceTopic, topicId }: DeliveryContext,
  attributes: readonly DeliveryAttribute[],
  properties: BrokerProperties,
): (delivery: Delivery, body: Buffer, contentType: string) => AmqpMessage {
  const fixed: Draft = {
    application_properties: {
      'aeg-subscription-name': eventSubscriptionName.toUpperCase(),
      'aeg-event-type': 'Notification',
      ...(ofNamespaceTopic && { 'aeg-compatibility-mode-enabled': 'false' }),
    },
  }
  for (const attribute of attributes)
    if (attribute.type === 'Static') set(fixed, attribute.name, attribute.value, properties)
  const dynamic = attributes.filter((attribute) => attribute.type === 'Dynamic')
  return ({ event, attempts, outputEventId }, body, contentType) => {
    const draft: Draft = {
      // The same each time it is sent, so that a broker that looks for duplicates finds them.
      message_id: outputEventId,
      ...fixed,
      ...(fixed.message_annotations && { message_annotations: { ...fixed.message_annotations } }),
      application_properties: {
        ...fixed.application_properties,
        'aeg-delivery-count': String(attempts),
        'aeg-metadata-version': event.schema === 'CloudEventSchemaV1_0' ? '1.0' : '1',
        'aeg-data-version': event.dataVersion,
        'aeg-output-event-id': outputEventId,
      },
    }
    for (const { name, sourceField } of dynamic) {
      const value = fieldOf(event, sourceField, topicId)
      if (value !== undefined && Buffer.byteLength(value) <= attributeLimits.valueBytes)
        set(draft, name, value, properties)
    }
    return { ...draft, content_type: contentType, body }
  }
}

function set(draft: Draft, name: string, value: string, properties: BrokerProperties): void {
  const known = brokerPropertyOf(name, properties)
  if (!known) draft.application_properties[name] = value
  else if ('property' in known) draft[known.property] = value
  else (draft.message_annotations ??= {})[known.annotation] = value
}
