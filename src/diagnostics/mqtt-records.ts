import type { EpochMs } from '../base/clock.ts'
import { encodeMoment } from '../base/moment.ts'

/** What happened between an MQTT client and the broker of a namespace, for one record. */
export interface MqttRecord {
  /** ARM id of the namespace. */
  readonly resourceId: string
  /** Azure region. */
  readonly location: string
  readonly operation: 'connect' | 'disconnect' | 'publish' | 'subscribe' | 'unsubscribe'
  /** Undefined: it succeeded. */
  readonly failure: { readonly signature: string; readonly description: string } | undefined
  /** Such as `authenticationType` and `clientIdentity`; empty where the client is not known. */
  readonly identity: Readonly<Record<string, string>>
  readonly sessionName: string
  /** Such as `MQTT5-WS`. */
  readonly protocol: string
  /** What else the category has: `qos`, `topicName`, `topicFilters`. */
  readonly properties?: Readonly<Record<string, unknown>>
}

/** Categories of MQTT, and the operations that they tell of, by whether those succeeded. */
export const mqttCategories = [
  'SuccessfulMqttConnections',
  'FailedMqttConnections',
  'MqttDisconnections',
  'FailedMqttPublishedMessages',
  'FailedMqttSubscriptionOperations',
] as const
export type MqttCategory = (typeof mqttCategories)[number]

export function mqttCategoryOf({ operation, failure }: MqttRecord): MqttCategory {
  switch (operation) {
    case 'connect':
      return failure ? 'FailedMqttConnections' : 'SuccessfulMqttConnections'
    case 'disconnect':
      return 'MqttDisconnections'
    case 'publish':
      return 'FailedMqttPublishedMessages'
    default:
      return 'FailedMqttSubscriptionOperations'
  }
}

/**
 * Source: learn.microsoft.com/azure/azure-monitor/reference/tables/egnfailedmqttconnections, and its neighbours
 */
export function encodeMqttRecord(record: MqttRecord, at: EpochMs): object {
  const { resourceId, location, operation, failure, identity, sessionName, protocol, properties } = record
  const { clientIdentity } = identity
  return {
    time: encodeMoment(at),
    resourceId: resourceId.toUpperCase(),
    location,
    operationName: `Microsoft.EventGrid/topicspaces/${operation}`,
    category: mqttCategoryOf(record),
    resultType: failure ? 'Failed' : 'Succeeded',
    ...(failure && { resultSignature: failure.signature, resultDescription: failure.description }),
    identity: operation !== 'disconnect' ? identity : clientIdentity === undefined ? {} : { clientIdentity },
    properties: { sessionName, protocol, ...properties },
  }
}
