import { encodeSingle } from '../event/encode.ts'
import { serviceBusProperties } from './amqp-message.ts'
import { messagingType } from './messaging.ts'

/**
 * A queue of Service Bus: one message with one event, as one JSON object.
 *
 * Source: learn.microsoft.com/azure/event-grid/handler-service-bus
 */
export const serviceBusQueue = messagingType({
  resourceType: 'Microsoft.ServiceBus/namespaces/queues',
  article: 'a',
  noun: 'queue',
  properties: serviceBusProperties,
  encode: (event, { deliverySchema, topicId }) => encodeSingle(event, { schema: deliverySchema, topicId }),
  example: {
    resourceId:
      '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg/providers/Microsoft.ServiceBus/namespaces/bus/queues/orders',
    deliveryAttributeMappings: [
      { name: 'CorrelationId', type: 'Dynamic', properties: { sourceField: 'subject' } },
      { name: 'Label', type: 'Static', properties: { value: 'order', isSecret: false } },
    ],
  },
})
