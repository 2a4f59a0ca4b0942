import type { WireObject } from '../../wire/shape.ts'
import { authorizationRule, messagingEntity, messagingNamespace } from './messaging.ts'
import type { Neighbour } from './neighbour.ts'

const provider = 'Microsoft.EventHub'

/** Source: learn.microsoft.com/rest/api/eventhub */
export const eventHubs: Readonly<Record<string, Neighbour>> = {
  [`${provider}/namespaces`]: messagingNamespace(
    `${provider}/namespaces`,
    {
      minimumTlsVersion: '1.2',
      isAutoInflateEnabled: false,
      maximumThroughputUnits: 0,
      kafkaEnabled: true,
    },
    'Standard',
  ),
  [`${provider}/namespaces/eventhubs`]: {
    ...messagingEntity(
      `${provider}/namespaces/eventhubs`,
      { messageRetentionInDays: 7, partitionCount: 4, status: 'Active' },
      partitions,
    ),
    brings: [{ type: `${provider}/namespaces/eventhubs/consumergroups`, name: '$Default', properties: {} }],
  },
  [`${provider}/namespaces/eventhubs/consumergroups`]: messagingEntity(
    `${provider}/namespaces/eventhubs/consumergroups`,
  ),
  [`${provider}/namespaces/authorizationRules`]: authorizationRule(
    `${provider}/namespaces/authorizationRules`,
  ),
  [`${provider}/namespaces/eventhubs/authorizationRules`]: authorizationRule(
    `${provider}/namespaces/eventhubs/authorizationRules`,
  ),
}

/** Source: learn.microsoft.com/azure/event-hubs/event-hubs-quotas, "partitions per event hub" */
const mostPartitions = 1024

function partitions({ partitionCount }: WireObject): WireObject {
  const count = typeof partitionCount === 'number' ? Math.min(Math.max(partitionCount, 0), mostPartitions) : 0
  return { partitionIds: Array.from({ length: count }, (_, index) => String(index)) }
}
