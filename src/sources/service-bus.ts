import { eventSource, eventTypes } from './event-source.ts'

const data = (path: string) => ({
  namespaceName: 'contoso',
  requestUri: `https://contoso.servicebus.windows.net/mytopic/subscriptions/mysubscription${path}/messages/head`,
  entityType: 'subscriber',
  queueName: null,
  topicName: 'mytopic',
  subscriptionName: 'mysubscription',
})

const deadletter = data('/$deadletterqueue')
const optional = ['queueName', 'topicName', 'subscriptionName']

/** Source: learn.microsoft.com/azure/event-grid/event-schema-service-bus */
export const serviceBus = eventSource({
  service: 'service-bus',
  provider: 'Microsoft.ServiceBus',
  displayName: 'Service Bus Namespaces',
  description: 'Service Bus events.',
  resourceType: 'Microsoft.ServiceBus/namespaces',
  eventTypes: eventTypes(
    'Microsoft.ServiceBus',
    {
      dataVersion: '1',
      subject: ['topics/{topic}/subscriptions/{subscription}', 'topics/mytopic/subscriptions/mysubscription'],
    },
    {
      ActiveMessagesAvailableWithNoListeners:
        'Raised when there are active messages in a queue or subscription and no receivers listening.',
      DeadletterMessagesAvailableWithNoListeners:
        'Raised when there are messages in a dead-letter queue and no active listeners.',
      ActiveMessagesAvailablePeriodicNotifications:
        'Raised periodically while there are active messages, even if there are receivers listening.',
      DeadletterMessagesAvailablePeriodicNotifications:
        'Raised periodically while there are messages in a dead-letter queue, even if there are receivers.',
    },
  ),
  documented: {
    examples: {
      ActiveMessagesAvailableWithNoListeners: data(''),
      DeadletterMessagesAvailableWithNoListeners: deadletter,
      ActiveMessagesAvailablePeriodicNotifications: data(''),
      DeadletterMessagesAvailablePeriodicNotifications: deadletter,
    },
    // A queue has no topic, and a topic's subscription no queue.
    corrections: Object.fromEntries(
      ['Active', 'Deadletter'].flatMap((kind) =>
        ['WithNoListeners', 'PeriodicNotifications'].map((when) => [
          `ServiceBus${kind}MessagesAvailable${when}EventData`,
          { optional },
        ]),
      ),
    ),
  },
})
