import { regions } from '../base/regions.ts'
import { genericProviders } from '../resources/generic-providers.ts'
import { resourceTypes } from '../resources/index.ts'
import { apiVersions, genericVersions } from './api-versions.ts'
import type { Subscription } from './subscriptions.ts'

/*
 * What Resource Manager says of itself: tenants, subscriptions, locations and providers.
 *
 * Source: learn.microsoft.com/rest/api/resources/subscriptions, .../tenants, .../providers
 */

export const encodeTenant = (tenantId: string) => ({
  id: `/tenants/${tenantId}`,
  tenantId,
  countryCode: 'US',
  displayName: 'Busbar',
  domains: ['busbar.localhost'],
  tenantCategory: 'Home',
  defaultDomain: 'busbar.localhost',
  tenantType: 'AAD',
})

export const encodeSubscription = ({ id, displayName, tags }: Subscription, tenantId: string) => ({
  id: `/subscriptions/${id}`,
  authorizationSource: 'RoleBased',
  managedByTenants: [],
  subscriptionId: id,
  tenantId,
  displayName,
  state: 'Enabled',
  subscriptionPolicies: {
    locationPlacementId: 'Public_2014-09-01',
    quotaId: 'PayAsYouGo_2014-09-01',
    spendingLimit: 'Off',
  },
  tags,
})

/** @param own the locations that the configuration names */
export const encodeLocations = (subscriptionId: string, own: readonly string[]) =>
  [...own.map((name) => ({ name, displayName: name })), ...regions].map(({ name, displayName }) => ({
    id: `/subscriptions/${subscriptionId}/locations/${name}`,
    name,
    type: 'Region',
    displayName,
    regionalDisplayName: displayName,
    metadata: { regionType: 'Physical', regionCategory: 'Recommended', pairedRegion: [] },
  }))

interface ListedProvider {
  readonly namespace: string
  readonly types: readonly string[]
  readonly tracked: readonly string[]
}

const operationTypes = ['operations', 'operationResults', 'operationsStatus', 'locations']
const eventGridTypes = [
  ...operationTypes,
  'locations/eventSubscriptions',
  'locations/topicTypes',
  'locations/operationResults',
  'locations/operationsStatus',
  'topicTypes',
  'topicTypes/eventTypes',
  'topics',
  'topics/eventSubscriptions',
  ...['topics', 'domains', 'partnerNamespaces', 'namespaces'].flatMap((parent) => [
    `${parent}/privateEndpointConnections`,
    `${parent}/privateLinkResources`,
    `${parent}/networkSecurityPerimeterConfigurations`,
  ]),
  'domains',
  'domains/topics',
  'domains/eventSubscriptions',
  'domains/topics/eventSubscriptions',
  'systemTopics',
  'systemTopics/eventSubscriptions',
  'partnerRegistrations',
  'partnerConfigurations',
  'namespaces',
  'namespaces/topics',
  'namespaces/topics/eventSubscriptions',
  'namespaces/clients',
  'namespaces/clientGroups',
  'namespaces/topicSpaces',
  'namespaces/permissionBindings',
  'namespaces/caCertificates',
  'partnerNamespaces',
  'partnerNamespaces/channels',
  'partnerTopics',
  'partnerTopics/eventSubscriptions',
  'partnerDestinations',
  'verifiedPartners',
  'eventSubscriptions',
  'extensionTopics',
]
/** Those with a location, without their namespace. */
const trackedOf = (namespace: string) =>
  resourceTypes
    .filter(({ type, tracked }) => tracked && type.startsWith(`${namespace}/`))
    .map(({ type }) => type.slice(namespace.length + 1))

const providers: readonly ListedProvider[] = [
  { namespace: 'Microsoft.EventGrid', types: eventGridTypes, tracked: trackedOf('Microsoft.EventGrid') },
  {
    namespace: 'Microsoft.Authorization',
    types: ['locks', 'roleAssignments', 'roleDefinitions', 'permissions'],
    tracked: [],
  },
  { namespace: 'Microsoft.Subscription', types: ['aliases'], tracked: [] },
  {
    namespace: 'Microsoft.Resources',
    types: [
      'deployments',
      'deployments/operations',
      'resourceGroups',
      'subscriptions',
      'tenants',
      'resources',
      'locations',
      'providers',
    ],
    tracked: ['resourceGroups'],
  },
]

const generic: readonly ListedProvider[] = genericProviders.map(({ namespace, types }) => ({
  namespace,
  types: [...operationTypes, ...types],
  tracked: types.filter((type) => !type.includes('/')),
}))

export const providerNamespaces = [...providers, ...generic].map(({ namespace }) => namespace)

/** A provider as clients see it. */
export interface Provider {
  readonly id: string
  readonly namespace: string
  readonly registrationPolicy: 'RegistrationFree' | 'RegistrationRequired'
  readonly registrationState: 'Registered' | 'Unregistered'
  readonly resourceTypes: readonly unknown[]
}

/** Every subscription uses these. */
const isFree = (namespace: string) =>
  ['Microsoft.Authorization', 'Microsoft.Resources', 'Microsoft.Subscription'].includes(namespace)

/**
 * @param scope such as `/subscriptions/{id}`; '' at tenant level
 * @param own the locations that the configuration names
 */
export function encodeProvider(
  namespace: string,
  scope: string,
  own: readonly string[] = [],
): Provider | undefined {
  const lower = namespace.toLowerCase()
  const provider = [...providers, ...generic].find((each) => each.namespace.toLowerCase() === lower)
  if (!provider) return undefined
  const versions = apiVersions[lower] ?? genericVersions
  const locations = [...own, ...regions.map(({ displayName }) => displayName)]
  return {
    id: `${scope}/providers/${provider.namespace}`,
    namespace: provider.namespace,
    registrationPolicy: isFree(provider.namespace) ? 'RegistrationFree' : 'RegistrationRequired',
    registrationState: 'Registered',
    resourceTypes: provider.types.map((resourceType) => ({
      resourceType,
      locations: provider.tracked.includes(resourceType) ? locations : [],
      apiVersions: versions,
      defaultApiVersion: versions.find((version) => !version.endsWith('-preview')),
      apiProfiles: [],
      capabilities: provider.tracked.includes(resourceType) ? 'SupportsTags, SupportsLocation' : 'None',
    })),
  }
}
