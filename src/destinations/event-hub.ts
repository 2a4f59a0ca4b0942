import { encodeDelivery } from '../event/encode.ts'
import { eventHubProperties } from './amqp-message.ts'
import { messagingType } from './messaging.ts'

/**
 * An event hub. Without batching an event has the body that a webhook gets: an array with it alone, or one CloudEvent.
 *
 * Source: learn.microsoft.com/azure/event-grid/handler-event-hubs
 */
export const eventHub = messagingType({
  resourceType: 'Microsoft.EventHub/namespaces/eventhubs',
  article: 'an',
  noun: 'event hub',
  properties: eventHubProperties,
  encode: (event, { deliverySchema, topicId }) =>
    encodeDelivery([event], { schema: deliverySchema, batched: false, topicId }),
  example: {
    resourceId:
      '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg/providers/Microsoft.EventHub/namespaces/telemetry/eventhubs/orders',
    deliveryAttributeMappings: [
      { name: 'PartitionKey', type: 'Dynamic', properties: { sourceField: 'data.customer' } },
      { name: 'tenant', type: 'Static', properties: { value: 'contoso', isSecret: true } },
    ],
  },
})
