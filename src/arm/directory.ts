import { regions } from '../base/regions.ts'
import { genericProviders } from '../resources/generic-providers.ts'
import { resourceTypes } from '../resources/index.ts'
import type { Subscription } from './subscriptions.ts'

/*
 * What Resource Manager says of itself: tenants, subscriptions, locations and providers.
 *
 * Source: learn.microsoft.com/rest/api/resources/subscriptions, .../tenants, .../providers
 */

/** Newest first; every well-formed version is accepted, these are shown. */
export const apiVersions = {
  'microsoft.eventgrid': [
    '2025-02-15',
    '2022-06-15',
    '2021-12-01',
    '2020-06-01',
    '2020-04-01-preview',
    '2019-06-01',
  ],
  'microsoft.authorization': ['2022-04-01', '2020-10-01-preview', '2018-01-01-preview', '2015-07-01'],
  'microsoft.resources': [
    '2025-04-01',
    '2024-03-01',
    '2022-12-01',
    '2022-09-01',
    '2021-04-01',
    '2020-06-01',
    '2019-11-01',
  ],
} as const

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

export const encodeLocations = (subscriptionId: string) =>
  regions.map(({ name, displayName }) => ({
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
  'domains',
  'domains/topics',
  'domains/eventSubscriptions',
  'domains/topics/eventSubscriptions',
  'systemTopics',
  'systemTopics/eventSubscriptions',
  'partnerRegistrations',
  'partnerConfigurations',
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
  {
    namespace: 'Microsoft.Resources',
    types: ['resourceGroups', 'subscriptions', 'tenants', 'resources', 'locations', 'providers'],
    tracked: ['resourceGroups'],
  },
]

/** Of providers that are not run here any version will do; clients that look for the newest take the first. */
const genericVersions = ['2025-01-01', '2024-01-01', '2023-01-01', '2022-01-01', '2021-01-01', '2020-01-01']

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
const isFree = (namespace: string) => ['Microsoft.Authorization', 'Microsoft.Resources'].includes(namespace)

/** @param scope such as `/subscriptions/{id}`; '' at tenant level */
export function encodeProvider(namespace: string, scope: string): Provider | undefined {
  const lower = namespace.toLowerCase()
  const provider = [...providers, ...generic].find((each) => each.namespace.toLowerCase() === lower)
  if (!provider) return undefined
  const versions = apiVersions[lower as keyof typeof apiVersions] ?? genericVersions
  return {
    id: `${scope}/providers/${provider.namespace}`,
    namespace: provider.namespace,
    registrationPolicy: isFree(provider.namespace) ? 'RegistrationFree' : 'RegistrationRequired',
    registrationState: 'Registered',
    resourceTypes: provider.types.map((resourceType) => ({
      resourceType,
      locations: provider.tracked.includes(resourceType) ? regions.map(({ displayName }) => displayName) : [],
      apiVersions: versions,
      defaultApiVersion: versions[0],
      apiProfiles: [],
      capabilities: provider.tracked.includes(resourceType) ? 'SupportsTags, SupportsLocation' : 'None',
    })),
  }
}
