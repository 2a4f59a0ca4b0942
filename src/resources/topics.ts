import { fields, readEnum } from '../wire/shape.ts'
import { listKeys, newKeys, regenerateKey } from './access-keys.ts'
import { azureHosting, refuseOwnHardware } from './azure-hosting.ts'
import { decodeEventTypeInfo } from './event-type-info.ts'
import { decodeInputSchema, type InputSchemaProperties } from './input-schema.ts'
import { patchProperties } from './patch.ts'
import { connectionsOf } from './private-endpoint-connections.ts'
import { decodePublisherAccess, type PublisherAccessProperties } from './publisher-access.ts'
import type { Content, DecodeContext, ResourceType } from './resource-type.ts'
import { topicEndpointPath, uniqueEndpoint } from './topic-endpoint.ts'

/** A topic's stored `properties`, as `decode` makes them. */
export interface TopicProperties extends InputSchemaProperties, PublisherAccessProperties {
  readonly dataResidencyBoundary: 'WithinGeopair' | 'WithinRegion' | null
  readonly eventTypeInfo: unknown
}

function decode(wire: Readonly<Record<string, unknown>>, { before }: DecodeContext): Content {
  const from = fields(wire, 'properties')
  refuseOwnHardware(from)
  const boundary = readEnum(from, 'dataResidencyBoundary', ['WithinGeopair', 'WithinRegion'])
  const properties: TopicProperties = {
    ...decodeInputSchema(from, before),
    ...decodePublisherAccess(from),
    dataResidencyBoundary: boundary ?? null,
    eventTypeInfo: decodeEventTypeInfo(from),
  }
  return { properties: { ...properties }, secrets: before?.secrets ?? newKeys() }
}

/**
 * Custom topics.
 *
 * Source: learn.microsoft.com/rest/api/eventgrid/controlplane/topics
 */
export const topics: ResourceType = {
  type: 'Microsoft.EventGrid/topics',
  childForms: [],
  scope: 'group',
  extension: undefined,
  tracked: true,
  hasIdentity: true,
  envelope: azureHosting('sku', 'kind', 'extendedLocation'),
  name: { pattern: /^[a-zA-Z0-9-]{3,50}$/, rule: '3 to 50 letters, digits or hyphens' },
  reservedPrefixes: ['Microsoft', 'EventGrid', 'System'],
  longRunning: true,
  statuses: { create: 201, replace: 201, update: 200 },
  unique: uniqueEndpoint,
  quota: undefined,
  companion: undefined,
  decode,
  patch: patchProperties,
  encode: (topic, context) => ({
    provisioningState: topic.provisioningState,
    endpoint: context.publicUrl + topicEndpointPath(topic.location as string, topic.name),
    metricResourceId: topic.uid,
    ...topic.properties,
    privateEndpointConnections: connectionsOf(topic, context),
  }),
  actions: { listKeys, regenerateKey },
  notFound: undefined,
  verification: undefined,
  expiresAt: undefined,
  example: {
    name: 'orders',
    body: {
      location: 'westus2',
      tags: { team: 'orders' },
      identity: { type: 'SystemAssigned' },
      properties: { inputSchema: 'CloudEventSchemaV1_0', publicNetworkAccess: 'Enabled' },
    },
  },
}
