import { fields, readBoolean, readEnum, type WireObject } from '../wire/shape.ts'
import { listKeys, newKeys, regenerateKey } from './access-keys.ts'
import { azureHosting, refuseOwnHardware } from './azure-hosting.ts'
import { decodeEventTypeInfo } from './event-type-info.ts'
import { decodeInputSchema, type InputSchemaProperties } from './input-schema.ts'
import { patchProperties } from './patch.ts'
import { connectionsOf } from './private-endpoint-connections.ts'
import { decodePublisherAccess, type PublisherAccessProperties } from './publisher-access.ts'
import type { Content, DecodeContext, ResourceType } from './resource-type.ts'
import { domainEndpointPath, uniqueEndpoint } from './topic-endpoint.ts'

/** A domain's stored `properties`, as `decode` makes them. */
export interface DomainProperties extends InputSchemaProperties, PublisherAccessProperties {
  readonly autoCreateTopicWithFirstSubscription: boolean
  readonly autoDeleteTopicWithLastSubscription: boolean
  readonly dataResidencyBoundary: 'WithinGeopair' | 'WithinRegion' | null
  readonly eventTypeInfo: unknown
}

function decode(wire: WireObject, { before }: DecodeContext): Content {
  const from = fields(wire, 'properties')
  refuseOwnHardware(from)
  const boundary = readEnum(from, 'dataResidencyBoundary', ['WithinGeopair', 'WithinRegion'])
  const properties: DomainProperties = {
    ...decodeInputSchema(from, before),
    ...decodePublisherAccess(from),
    autoCreateTopicWithFirstSubscription: readBoolean(from, 'autoCreateTopicWithFirstSubscription') ?? true,
    autoDeleteTopicWithLastSubscription: readBoolean(from, 'autoDeleteTopicWithLastSubscription') ?? true,
    dataResidencyBoundary: boundary ?? null,
    eventTypeInfo: decodeEventTypeInfo(from),
  }
  return { properties: { ...properties }, secrets: before?.secrets ?? newKeys() }
}

/**
 * Event domains: one endpoint and one pair of keys for as many topics as there are tenants.
 *
 * Source: learn.microsoft.com/rest/api/eventgrid/controlplane/domains
 */
export const domains: ResourceType = {
  type: 'Microsoft.EventGrid/domains',
  childForms: [],
  scope: 'group',
  extension: undefined,
  tracked: true,
  hasIdentity: true,
  envelope: azureHosting('sku'),
  name: { pattern: /^[a-zA-Z0-9-]{3,50}$/, rule: '3 to 50 letters, digits or hyphens' },
  reservedPrefixes: ['Microsoft', 'EventGrid', 'System'],
  longRunning: true,
  statuses: { create: 201, replace: 201, update: 200 },
  unique: uniqueEndpoint,
  quota: undefined,
  companion: undefined,
  decode,
  patch: patchProperties,
  encode: (domain, context) => ({
    provisioningState: domain.provisioningState,
    endpoint: context.publicUrl + domainEndpointPath(domain.location as string, domain.name),
    metricResourceId: domain.uid,
    ...domain.properties,
    privateEndpointConnections: connectionsOf(domain, context),
  }),
  actions: { listKeys, regenerateKey },
  notFound: undefined,
  verification: undefined,
  expiresAt: undefined,
  example: {
    name: 'tenants',
    body: {
      location: 'westus2',
      tags: { team: 'tenants' },
      identity: { type: 'SystemAssigned' },
      properties: { inputSchema: 'EventGridSchema', autoDeleteTopicWithLastSubscription: false },
    },
  },
}
