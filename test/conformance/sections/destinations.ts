import { proved, type Section } from '../rule.ts'

const file = (name: string) => `src/destinations/${name}.test.ts`
const messaging = file('messaging')

export const destinations: Section = {
  title: 'Destinations',
  source: 'learn.microsoft.com/azure/event-grid/event-handlers and its articles on each handler',
  rules: [
    proved(
      'Every kind of topic, input schema, delivery schema and destination that Azure allows delivers; every pair that it refuses is refused (360 combinations)',
      ['test/matrix.test.ts', 'is delivered'],
      ['test/matrix.test.ts', 'is refused'],
    ),
    proved(
      'AzureFunction: posted to the Event Grid extension of the host, with every header of a webhook, also in batches',
      [
        file('azure-function'),
        'a function gets events at the path of its host, with its name, the key, and every header',
      ],
      [file('azure-function'), 'a function may take its events in batches'],
    ),
    proved('AzureFunction: a function without an Event Grid trigger is `InvalidAzureFunctionDestination`', [
      file('azure-function'),
      'a function without Event Grid trigger is refused, and events for it wait under a name of their own',
    ]),
    proved(
      'StorageQueue: one event in base64 to a message, seven days or `queueMessageTimeToLiveInSeconds`',
      [
        file('storage-queue'),
        'a message is one event in base64, in the delivery schema, and stays seven days',
      ],
      [file('storage-queue'), 'a message may never expire'],
    ),
    proved(
      'EventHub: the event in an array, a CloudEvent as one object; the `aeg-` values as application properties',
      [messaging, 'a message for ${type} has the event as body and Event Grid'],
    ),
    proved('EventHub, ServiceBusQueue, ServiceBusTopic: a CloudEvent is a single object', [
      messaging,
      'a CloudEvent for ${type} is one object',
    ]),
    proved('EventHub: the attribute `PartitionKey` sets the partition key, static or dynamic', [
      messaging,
      'attributes of an event hub are application properties, and PartitionKey is the partition key',
    ]),
    proved('ServiceBusQueue, ServiceBusTopic: `MessageId` stays over redelivery', [
      'test/amqp-destinations.test.ts',
      'every attempt at an event has the same MessageId',
    ]),
    proved('ServiceBusQueue, ServiceBusTopic: attributes named as broker properties set these', [
      messaging,
      'attributes named as properties of Service Bus set these',
    ]),
    proved('ServiceBusQueue: a queue with sessions is `SessionQueueNotSupported`', [
      'test/amqp-destinations.test.ts',
      'a queue with sessions dead-letters what has none without another attempt',
    ]),
    proved('HybridConnection: relayed with a shared access signature; the listener’s status is the result', [
      file('hybrid-connection'),
      'an event goes through the relay to the listener, with every header, and its status comes back',
    ]),
    {
      rule: 'NamespaceTopic: published to the topic as a CloudEvent',
      status: 'differs',
      note: 'to a topic of this server, or to a namespace that the configuration names by URL and key',
      provedBy: [
        [
          file('namespace-topic'),
          'an event is published to the topic of a namespace as a CloudEvent, with the key of the connection',
        ],
      ],
    },
    {
      rule: 'MonitorAlert: an alert with severity, description and action groups',
      status: 'differs',
      note: 'posted in the common alert schema to the endpoint that the configuration names for the action group, or for all',
      provedBy: [
        [file('monitor-alert'), 'an alert is fired in the common schema, with the event as its context'],
      ],
    },
    proved(
      'PartnerDestination: posted to the endpoint of the activated partner destination, with a token where it names one',
      [
        file('partner-destination'),
        'an event goes to the endpoint of an activated partner destination, with a token where it names one',
      ],
    ),
    {
      rule: 'Delivery with a managed identity: `deliveryWithResourceIdentity`, system- and user-assigned',
      status: 'differs',
      note: 'the resource must have the identity; how the destination is reached is the configured connection',
      provedBy: [
        [
          'test/destinations.test.ts',
          'a queue that is reached with the identity of its topic gets events like any other',
        ],
      ],
    },
    {
      rule: 'A `resourceId` is reached with the credentials of Azure',
      status: 'differs',
      note: 'a connection in the configuration says how; a resource without one is refused with the key that is missing',
      provedBy: [[file('contract'), 'a resource without connection is refused with the key that is missing']],
    },
    proved('Azure resources have retry rules of their own: 401 is tried again after five minutes', [
      file('storage-queue'),
      'statuses of a resource follow their own column: 401 is tried again after five minutes',
    ]),
    proved(
      'A destination that cannot be reached is retried with its own error, and dead-lettered with its own reason',
      [
        'test/destinations.test.ts',
        'an event for ${endpointType} is dead-lettered as ${outcome} when ${why}',
      ],
    ),
    proved('The destination is checked when the event subscription is made', [
      'test/destinations.test.ts',
      'a queue that is not there fails the creation of its event subscription, by its name',
    ]),
  ],
}
