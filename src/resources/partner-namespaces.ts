import { isResourceId } from '../wire/arm-id.ts'
import { invalidProperty, invalidRequest } from '../wire/errors.ts'
import { fields, readEnum, readString, type WireObject } from '../wire/shape.ts'
import { listKeys, newKeys, regenerateKey } from './access-keys.ts'
import { propertyChangeNotAllowed } from './errors.ts'
import { eventSubscriptionLimits } from './event-subscriptions/event-subscriptions.ts'
import { partnerRegistrations } from './partner-registrations.ts'
import { patchProperties } from './patch.ts'
import { connectionsOf } from './private-endpoint-connections.ts'
import { decodePublisherAccess, type PublisherAccessProperties } from './publisher-access.ts'
import type { Content, DecodeContext, ResourceType } from './resource-type.ts'
import { partnerNamespaceEndpointPath, uniqueEndpoint } from './topic-endpoint.ts'

/** A partner namespace's stored `properties`, as `decode` makes them. */
export interface PartnerNamespaceProperties extends PublisherAccessProperties {
  readonly partnerRegistrationFullyQualifiedId: string
  readonly partnerTopicRoutingMode: 'SourceEventAttribute' | 'ChannelNameHeader'
}

function decode(wire: WireObject, { before, stored }: DecodeContext): Content {
  const from = fields(wire, 'properties')
  const registrationId =
    readString(from, 'partnerRegistrationFullyQualifiedId', eventSubscriptionLimits.idCharacters) ?? ''
  const at = from.at('partnerRegistrationFullyQualifiedId')
  if (!isResourceId(registrationId, partnerRegistrations.type))
    throw invalidProperty(at, 'the ARM id of a partner registration', registrationId)
  if (!before && !stored.find(partnerRegistrations.type, registrationId))
    throw invalidRequest(`The partner registration '${registrationId}' does not exist.`, at)
  const mode =
    readEnum(from, 'partnerTopicRoutingMode', ['SourceEventAttribute', 'ChannelNameHeader']) ??
    'SourceEventAttribute'
  const old = before?.properties as PartnerNamespaceProperties | undefined
  if (old && old.partnerRegistrationFullyQualifiedId.toLowerCase() !== registrationId.toLowerCase())
    throw propertyChangeNotAllowed(at, old.partnerRegistrationFullyQualifiedId, registrationId)
  if (old && old.partnerTopicRoutingMode !== mode)
    throw propertyChangeNotAllowed(from.at('partnerTopicRoutingMode'), old.partnerTopicRoutingMode, mode)
  const properties: PartnerNamespaceProperties = {
    ...decodePublisherAccess(from),
    partnerRegistrationFullyQualifiedId: registrationId,
    partnerTopicRoutingMode: mode,
  }
  return { properties: { ...properties }, secrets: before?.secrets ?? newKeys() }
}

/**
 * Where a partner publishes to: CloudEvents, each for one of its channels.
 *
 * Source: learn.microsoft.com/rest/api/eventgrid/controlplane/partner-namespaces
 */
export const partnerNamespaces: ResourceType = {
  type: 'Microsoft.EventGrid/partnerNamespaces',
  childForms: [],
  scope: 'group',
  extension: undefined,
  tracked: true,
  hasIdentity: false,
  name: { pattern: /^[a-zA-Z0-9-]{3,50}$/, rule: '3 to 50 letters, digits or hyphens' },
  reservedPrefixes: ['Microsoft', 'EventGrid', 'System'],
  longRunning: true,
  statuses: { create: 201, replace: 201, update: 200 },
  unique: uniqueEndpoint,
  quota: undefined,
  companion: undefined,
  together: 'partners',
  decode,
  patch: patchProperties,
  encode: (namespace, context) => ({
    provisioningState: namespace.provisioningState,
    endpoint: context.publicUrl + partnerNamespaceEndpointPath(namespace.location as string, namespace.name),
    ...namespace.properties,
    privateEndpointConnections: connectionsOf(namespace, context),
  }),
  actions: { listKeys, regenerateKey },
  notFound: undefined,
  verification: undefined,
  expiresAt: undefined,
  example: {
    name: 'contoso-events',
    body: {
      location: 'westus2',
      properties: {
        partnerRegistrationFullyQualifiedId:
          '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-orders/providers/Microsoft.EventGrid/partnerRegistrations/contoso',
        partnerTopicRoutingMode: 'ChannelNameHeader',
      },
    },
  },
}
