import { authorizationRule, messagingEntity, messagingNamespace } from './messaging.ts'
import type { Neighbour } from './neighbour.ts'

const provider = 'Microsoft.ServiceBus'

const never = 'P10675199DT2H48M5.4775807S'
const entity = {
  maxSizeInMegabytes: 1024,
  requiresDuplicateDetection: false,
  defaultMessageTimeToLive: never,
  duplicateDetectionHistoryTimeWindow: 'PT10M',
  enableBatchedOperations: true,
  autoDeleteOnIdle: never,
  enablePartitioning: false,
  enableExpress: false,
  status: 'Active',
}
const receiving = {
  lockDuration: 'PT1M',
  requiresSession: false,
  deadLetteringOnMessageExpiration: false,
  maxDeliveryCount: 10,
}

const of = (words: string, neighbour: (type: string) => Neighbour) => {
  const type = `${provider}/${words}`
  return { [type]: neighbour(type) }
}

/** Source: learn.microsoft.com/rest/api/servicebus */
export const serviceBus: Readonly<Record<string, Neighbour>> = {
  ...of('namespaces', (type) =>
    messagingNamespace(type, { minimumTlsVersion: '1.2', premiumMessagingPartitions: 0 }, 'Basic'),
  ),
  ...of('namespaces/queues', (type) => messagingEntity(type, { ...entity, ...receiving })),
  ...of('namespaces/topics', (type) => messagingEntity(type, { ...entity, supportOrdering: true })),
  ...of('namespaces/topics/subscriptions', (type) => ({
    ...messagingEntity(type, {
      ...receiving,
      defaultMessageTimeToLive: never,
      autoDeleteOnIdle: never,
      deadLetteringOnFilterEvaluationExceptions: true,
      enableBatchedOperations: true,
      status: 'Active',
    }),
    brings: [
      {
        type: `${type}/rules`,
        name: '$Default',
        properties: { filterType: 'SqlFilter', sqlFilter: { sqlExpression: '1=1', compatibilityLevel: 20 } },
      },
    ],
  })),
  ...of('namespaces/topics/subscriptions/rules', (type) => messagingEntity(type)),
  ...of('namespaces/authorizationRules', authorizationRule),
  ...of('namespaces/queues/authorizationRules', authorizationRule),
  ...of('namespaces/topics/authorizationRules', authorizationRule),
}
