import { invalidProperty } from '../wire/errors.ts'
import {
  type Fields,
  fields,
  isObject,
  overlay,
  readBoolean,
  readEnum,
  readInteger,
  readObject,
  type WireObject,
} from '../wire/shape.ts'
import { listKeys, newKeys, regenerateKey } from './access-keys.ts'
import {
  type CustomDomain,
  decodeCustomDomains,
  encodeCustomDomains,
  refuseTakenDomains,
} from './custom-domains.ts'
import { propertyChangeNotAllowed } from './errors.ts'
import { mqttHostname, topicsHostname } from './namespace-endpoint.ts'
import { connectionsOf } from './private-endpoint-connections.ts'
import { decodePublisherAccess, type PublisherAccessProperties } from './publisher-access.ts'
import type { Action, Content, DecodeContext, EnvelopeRules, ResourceType } from './resource-type.ts'
import { uniqueEndpoint } from './topic-endpoint.ts'
import { decodeTopicSpaces, type TopicSpacesConfiguration } from './topic-spaces-configuration.ts'

/** A namespace's stored `properties`, as `decode` makes them. */
export interface NamespaceProperties extends PublisherAccessProperties {
  readonly topicsConfiguration: { readonly customDomains: readonly CustomDomain[] | null }
  readonly topicSpacesConfiguration: TopicSpacesConfiguration
  readonly isZoneRedundant: boolean
}

const type = 'Microsoft.EventGrid/namespaces'

/** Throughput units. Source: learn.microsoft.com/azure/event-grid/quotas-limits, "Event Grid namespace limits" */
export const namespaceCapacity = { least: 1, most: 40 }

/**
 * The tag by which one namespace is held to what Azure does, or not. It overrides the server's `--profile`.
 */
export const profileTag = 'busbar-profile'
export const namespaceProfiles = ['open', 'strict'] as const
export type NamespaceProfile = (typeof namespaceProfiles)[number]

/** Undefined where the namespace does not say, or says what is no profile. */
export function profileIn(tags: Readonly<Record<string, string>> | undefined): NamespaceProfile | undefined {
  const name = Object.keys(tags ?? {}).find((each) => each.toLowerCase() === profileTag)
  const value = name === undefined ? undefined : tags?.[name]?.toLowerCase()
  return namespaceProfiles.find((each) => each === value)
}

/** Throughput units of a namespace. */
export const capacityIn = (topLevel: WireObject | undefined): number => {
  const sku = topLevel?.sku
  return isObject(sku) ? (readInteger(fields(sku, 'sku'), 'capacity', 1, namespaceCapacity.most) ?? 1) : 1
}

const envelope: EnvelopeRules = {
  check(body) {
    const sku = readObject(body, 'sku')
    if (sku) {
      readEnum(sku, 'name', ['Standard'])
      readInteger(sku, 'capacity', namespaceCapacity.least, namespaceCapacity.most)
    }
    const tags = body.raw('tags')
    const profile = isObject(tags)
      ? Object.entries(tags).find(([name]) => name.toLowerCase() === profileTag)
      : undefined
    if (profile && profileIn({ [profileTag]: String(profile[1]) }) === undefined)
      throw invalidProperty(`tags.${profileTag}`, `one of ${namespaceProfiles.join(', ')}`, profile[1])
  },
  encode: (_, { topLevel }) => ({ sku: { name: 'Standard', capacity: capacityIn(topLevel) } }),
}

function decode(wire: WireObject, context: DecodeContext): Content {
  const from = fields(wire, 'properties')
  const { before, parentId, name, stored } = context
  const id = `${parentId}/providers/${type}/${name}`
  const { key1, key2 } = (before?.secrets ?? newKeys()) as { key1: string; key2: string }
  const secrets: Record<string, string> = { key1, key2 }
  const topics = readObject(from, 'topicsConfiguration')
  const topicSpacesConfiguration = decodeTopicSpaces(from, id, secrets, context)
  const customDomains = topics ? decodeCustomDomains(topics) : null
  refuseTakenDomains(
    [
      { domains: customDomains, path: from.at('topicsConfiguration.customDomains') },
      {
        domains: topicSpacesConfiguration.customDomains,
        path: from.at('topicSpacesConfiguration.customDomains'),
      },
    ],
    others(stored.below(type, '/'), id),
  )
  const properties: NamespaceProperties = {
    topicsConfiguration: { customDomains },
    topicSpacesConfiguration,
    isZoneRedundant: decodeZones(from, before),
    ...decodePublisherAccess(from),
  }
  return { properties: { ...properties }, secrets }
}

/** A namespace is in one process here; what was asked for is told, and cannot be changed later. */
function decodeZones(from: Fields, before: Content | undefined): boolean {
  const given = readBoolean(from, 'isZoneRedundant')
  const known = before?.properties.isZoneRedundant as boolean | undefined
  if (known !== undefined && given !== undefined && given !== known)
    throw propertyChangeNotAllowed(from.at('isZoneRedundant'), known, given)
  return known ?? given ?? false
}

function* others<Resource extends { readonly id: string }>(all: Iterable<Resource>, id: string) {
  for (const each of all) if (each.id.toLowerCase() !== id.toLowerCase()) yield each
}

/** An update may name some members of a configuration and leave the others as they are. */
function patch(body: WireObject, { properties: before }: Content): WireObject {
  const { properties } = body
  if (properties === undefined || properties === null) return before
  if (!isObject(properties)) throw invalidProperty('properties', 'an object', properties)
  const next = overlay(before, properties)
  const within = (name: 'topicsConfiguration' | 'topicSpacesConfiguration') => {
    const [known, given] = [before[name], next[name]]
    return isObject(known) && isObject(given) ? overlay(known, given) : (given ?? known)
  }
  return {
    ...next,
    topicsConfiguration: within('topicsConfiguration'),
    topicSpacesConfiguration: within('topicSpacesConfiguration'),
  }
}

/** The names are taken as they are; see `encodeCustomDomains`. */
const validateCustomDomainOwnership: Action = ({ properties }) => {
  const { topicsConfiguration, topicSpacesConfiguration } = properties as unknown as NamespaceProperties
  return {
    answer: {
      customDomainsForTopicsConfiguration: encodeCustomDomains(topicsConfiguration.customDomains) ?? [],
      customDomainsForTopicSpacesConfiguration:
        encodeCustomDomains(topicSpacesConfiguration.customDomains) ?? [],
    },
  }
}

/**
 * Namespaces: topics for publish, pull and push, and an MQTT broker.
 *
 * Source: learn.microsoft.com/rest/api/eventgrid/controlplane/namespaces
 */
export const namespaces: ResourceType = {
  type,
  childForms: [],
  scope: 'group',
  extension: undefined,
  topLevel: ['sku'],
  envelope,
  tracked: true,
  hasIdentity: true,
  name: { pattern: /^[a-zA-Z0-9-]{3,50}$/, rule: '3 to 50 letters, digits or hyphens' },
  reservedPrefixes: ['Microsoft', 'EventGrid', 'System'],
  longRunning: true,
  statuses: { create: 201, replace: 201, update: 200 },
  unique: uniqueEndpoint,
  quota: undefined,
  companion: undefined,
  // A custom domain may lead to one namespace only.
  together: 'namespaces',
  decode,
  patch,
  encode: (namespace, context) => {
    const { location = '', name } = namespace
    const { topicsConfiguration, topicSpacesConfiguration, ...rest } =
      namespace.properties as unknown as NamespaceProperties
    const { state, ...spaces } = topicSpacesConfiguration
    return {
      provisioningState: namespace.provisioningState,
      topicsConfiguration: {
        hostname: topicsHostname(context.publicUrl, location, name),
        customDomains: encodeCustomDomains(topicsConfiguration.customDomains),
      },
      topicSpacesConfiguration: {
        state,
        ...(state === 'Enabled' && { hostname: mqttHostname(context.publicUrl) }),
        ...spaces,
        customDomains: encodeCustomDomains(spaces.customDomains),
      },
      ...rest,
      privateEndpointConnections: connectionsOf(namespace, context),
    }
  },
  actions: { listKeys, regenerateKey, validateCustomDomainOwnership },
  notFound: undefined,
  verification: undefined,
  expiresAt: undefined,
  example: {
    name: 'machines',
    body: {
      location: 'westus2',
      tags: { team: 'machines' },
      identity: { type: 'SystemAssigned' },
      sku: { name: 'Standard', capacity: 2 },
      properties: {
        topicsConfiguration: { customDomains: [{ fullyQualifiedDomainName: 'events.example.org' }] },
        topicSpacesConfiguration: {
          state: 'Enabled',
          routingEnrichments: {
            static: [{ key: 'site', valueType: 'String', value: 'north' }],
            dynamic: [{ key: 'client', value: '${client.authenticationName}' }],
          },
          clientAuthentication: {
            alternativeAuthenticationNameSources: ['ClientCertificateSubject'],
            webhookAuthentication: {
              endpointUrl: 'https://example.org/clients?code=secret',
              azureActiveDirectoryTenantId: '00000000-0000-0000-0000-000000000000',
              azureActiveDirectoryApplicationIdOrUri: 'api://clients',
            },
          },
          maximumClientSessionsPerAuthenticationName: 2,
        },
        publicNetworkAccess: 'Enabled',
      },
    },
  },
}
