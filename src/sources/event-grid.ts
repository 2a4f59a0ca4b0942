import { type EventSource, eventSource, eventTypes } from './event-source.ts'

const provider = 'Microsoft.EventGrid'

const session = {
  namespaceName: 'myns',
  clientAuthenticationName: 'client1',
  clientSessionName: 'session1',
  sequenceNumber: 1,
}

const sessionSubject = ['clients/{client}/sessions/{session}', 'clients/client1/sessions/session1'] as const

/**
 * The life cycle of MQTT clients.
 *
 * Source: learn.microsoft.com/azure/event-grid/event-schema-event-grid-namespace
 */
export const eventGridNamespaces = eventSource({
  service: 'event-grid',
  provider,
  displayName: 'Event Grid Namespaces',
  description: 'Microsoft Event Grid namespace events.',
  resourceType: 'Microsoft.EventGrid/namespaces',
  exampleName: 'myns',
  eventTypes: eventTypes(
    provider,
    { dataVersion: '1', subject: ['clients/{client}', 'clients/client1'] },
    {
      MQTTClientSessionConnected: {
        description: "Published when an MQTT client's session is connected to Event Grid.",
        subject: sessionSubject,
      },
      MQTTClientSessionDisconnected: {
        description: "Published when an MQTT client's session is disconnected from Event Grid.",
        subject: sessionSubject,
      },
      MQTTClientCreatedOrUpdated:
        'Published when an MQTT client is created or updated in the Event Grid Namespace.',
      MQTTClientDeleted: 'Published when an MQTT client is deleted from the Event Grid Namespace.',
    },
  ),
  documented: {
    examples: {
      MQTTClientSessionConnected: session,
      MQTTClientSessionDisconnected: { ...session, disconnectionReason: 'ClientInitiatedDisconnect' },
      MQTTClientCreatedOrUpdated: {
        createdOn: '2023-07-29T01:14:34.2048108Z',
        updatedOn: '2023-07-29T01:14:34.2048108Z',
        namespaceName: 'myns',
        clientName: 'client1',
        clientAuthenticationName: 'client1',
        state: 'Enabled',
        attributes: { attribute1: 'value1' },
      },
      MQTTClientDeleted: {
        clientName: 'client1',
        clientAuthenticationName: 'client1',
        namespaceName: 'myns',
      },
    },
    corrections: {
      // The samples name no client, for a session may belong to one that is not registered.
      EventGridMqttClientSessionConnectedEventData: { optional: ['clientName'] },
      EventGridMqttClientSessionDisconnectedEventData: { optional: ['clientName'] },
      EventGridMqttClientCreatedOrUpdatedEventData: { types: { attributes: ['object', 'null'] } },
    },
  },
})

/** Custom topics and domains are listed as topic types, too; what they carry is up to their publishers. */
const custom = (kind: string, displayName: string): EventSource =>
  eventSource({
    service: 'event-grid',
    provider,
    displayName,
    description: `Microsoft ${displayName} events.`,
    resourceType: `Microsoft.EventGrid/${kind}`,
    eventTypes: [],
  })

export const eventGridTopics = custom('topics', 'Event Grid Topics')
export const eventGridDomains = custom('domains', 'Event Grid Domains')

/**
 * What Event Grid itself sends to a webhook.
 *
 * Source: learn.microsoft.com/azure/event-grid/end-point-validation-event-grid-events-schema
 */
export const eventGridControl = eventSource({
  service: 'event-grid',
  topicType: undefined,
  provider,
  displayName: 'Event Grid',
  description: 'What Event Grid tells a webhook of its own event subscription.',
  resourceType: 'Microsoft.EventGrid/topics',
  eventTypes: eventTypes(
    provider,
    { dataVersion: '2', subject: ['', ''] },
    {
      SubscriptionValidationEvent: 'Sent to a webhook when an event subscription with it is made or changed.',
      SubscriptionDeletedEvent: {
        description: 'Sent to a webhook when its event subscription is deleted.',
        dataVersion: '1',
      },
    },
  ),
  documented: {
    samples: {
      validationCode: '512d38b6-c7b8-40c8-89fe-f46f9e9622b6',
      validationUrl: 'https://contoso.example/eventsubscriptions/estest/validate?id=512d38b6',
      eventSubscriptionId: '{topic}/providers/Microsoft.EventGrid/eventSubscriptions/estest',
    },
    // An endpoint that is reached over an older version of the API gets a code alone.
    corrections: { SubscriptionValidationEventData: { optional: ['validationUrl'] } },
  },
})
