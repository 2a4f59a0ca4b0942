import { invalidRequest } from '../wire/errors.ts'
import {
  type Fields,
  fields,
  isObject,
  overlay,
  readBoolean,
  readEnum,
  readInteger,
  type WireObject,
} from '../wire/shape.ts'
import { listKeys, newKeys, regenerateKey } from './access-keys.ts'
import {
  decodeTopicSpaces,
  decodeTopicsConfiguration,
  type TopicSpacesConfiguration,
  type TopicsConfiguration,
} from './namespace-settings.ts'
import { patchProperties } from './patch.ts'
import { decodePublisherAccess, type PublisherAccessProperties } from './publisher-access.ts'
import type { Content, DecodeContext, EncodeContext, ResourceType, StoredResource } from './resource-type.ts'
import { namespaceEndpointPath, uniqueEndpoint } from './topic-endpoint.ts'

/** A namespace's stored `properties`, as `decode` makes them. */
export interface NamespaceProperties extends PublisherAccessProperties {
  readonly topicsConfiguration: TopicsConfiguration
  readonly topicSpacesConfiguration: TopicSpacesConfiguration
  readonly isZoneRedundant: boolean
}

/** Source: learn.microsoft.com/azure/event-grid/quotas-limits, "Throughput units" */
const throughputUnits = 40
/** Of a namespace, in place of the 128 of a topic. Source: the same */
const inboundIpRules = 16

function decode(wire: WireObject, context: DecodeContext): Content {
  const from = fields(wire, 'properties')
  const { before } = context
  const secrets: Record<string, string> = {
    ...(before ? { key1: before.secrets.key1 as string, key2: before.secrets.key2 as string } : newKeys()),
  }
  const access = decodePublisherAccess(from)
  if ((access.inboundIpRules?.length ?? 0) > inboundIpRules)
    throw invalidRequest(
      `A namespace has at most ${inboundIpRules} inbound IP rules.`,
      from.at('inboundIpRules'),
    )
  const properties: NamespaceProperties = {
    topicsConfiguration: decodeTopicsConfiguration(from),
    topicSpacesConfiguration: decodeTopicSpaces(from, secrets, context),
    isZoneRedundant: decodeZones(from, before),
    ...access,
  }
  return { properties: { ...properties }, secrets }
}

function decodeZones(from: Fields, before: Content | undefined): boolean {
  const given = readBoolean(from, 'isZoneRedundant')
  const was = before?.properties.isZoneRedundant as boolean | undefined
  if (was !== undefined && given !== undefined && given !== was)
    throw invalidRequest(`'${from.at('isZoneRedundant')}' cannot be changed.`, from.at('isZoneRedundant'))
  return was ?? given ?? true
}

/** Members of the two configurations are laid over those that are there one by one. */
function patch(body: WireObject, before: Content): WireObject {
  const merged = patchProperties(body, before)
  const change = isObject(body.properties) ? body.properties : {}
  const kept = before.properties as unknown as NamespaceProperties
  const over = (name: 'topicsConfiguration' | 'topicSpacesConfiguration') => {
    const given = fields(change, 'properties').raw(name)
    return isObject(given) ? overlay(kept[name] as unknown as WireObject, given) : kept[name]
  }
  return overlay(merged, {
    topicsConfiguration: over('topicsConfiguration'),
    topicSpacesConfiguration: over('topicSpacesConfiguration'),
  })
}

export function skuOf(from: Fields): { readonly name: 'Standard'; readonly capacity: number } {
  const sku = fields(from.raw('sku') ?? {}, 'sku')
  readEnum(sku, 'name', ['Standard'])
  return { name: 'Standard', capacity: readInteger(sku, 'capacity', 1, throughputUnits) ?? 1 }
}

/**
 * Clients put `https://` before the host name of the topics; here a path follows it, so that it needs no DNS. MQTT has no
 * paths: its host is this server's, or one of the names that say which namespace is meant.
 */
function encode(namespace: StoredResource, { publicUrl }: EncodeContext): WireObject {
  const { location = '', name, provisioningState } = namespace
  const { topicsConfiguration, topicSpacesConfiguration, ...properties } =
    namespace.properties as unknown as NamespaceProperties
  const host = URL.canParse(publicUrl) ? new URL(publicUrl) : undefined
  const isEnabled = topicSpacesConfiguration.state === 'Enabled'
  const { clientAuthentication } = topicSpacesConfiguration
  const webhook = clientAuthentication?.webhookAuthentication
  return {
    provisioningState,
    topicsConfiguration: {
      hostname: `${publicUrl.replace(/^https?:\/\//, '')}${namespaceEndpointPath(location, name)}`,
      customDomains: topicsConfiguration.customDomains?.map(approved) ?? null,
    },
    topicSpacesConfiguration: {
      ...topicSpacesConfiguration,
      customDomains: topicSpacesConfiguration.customDomains?.map(approved) ?? null,
      ...(clientAuthentication && {
        clientAuthentication: {
          ...clientAuthentication,
          ...(webhook && { webhookAuthentication: { endpointUrl: null, ...webhook } }),
        },
      }),
      hostname: isEnabled ? (host?.hostname ?? null) : null,
    },
    ...properties,
    privateEndpointConnections: null,
  }
}

/** Whoever configures this server owns its names. */
const approved = (domain: object) => ({ ...domain, validationState: 'Approved' })

/**
 * Namespaces: topics that are received from, and an MQTT broker.
 *
 * Source: learn.microsoft.com/rest/api/eventgrid/controlplane/namespaces
 */
export const namespaces: ResourceType = {
  type: 'Microsoft.EventGrid/namespaces',
  childForms: [],
  scope: 'group',
  extension: undefined,
  tracked: true,
  hasIdentity: true,
  topLevel: ['sku'],
  name: { pattern: /^[a-zA-Z0-9-]{3,50}$/, rule: '3 to 50 letters, digits or hyphens' },
  reservedPrefixes: ['Microsoft', 'EventGrid', 'System'],
  longRunning: true,
  statuses: { create: 201, replace: 201, update: 200 },
  unique: uniqueEndpoint,
  quota: undefined,
  companion: undefined,
  envelope: {
    check: (body) => {
      skuOf(body)
    },
    encode: (_apiVersion, { topLevel = {} }) => ({ sku: skuOf(fields(topLevel, '')) }),
  },
  decode,
  patch,
  encode,
  actions: {
    listKeys,
    regenerateKey,
    validateCustomDomainOwnership: ({ properties }) => {
      const { topicsConfiguration, topicSpacesConfiguration } = properties as unknown as NamespaceProperties
      return {
        answer: {
          customDomainsForTopicsConfiguration: topicsConfiguration.customDomains?.map(approved) ?? [],
          customDomainsForTopicSpacesConfiguration:
            topicSpacesConfiguration.customDomains?.map(approved) ?? [],
        },
      }
    },
  },
  notFound: undefined,
  verification: undefined,
  expiresAt: undefined,
  example: {
    name: 'machines',
    body: {
      location: 'westus2',
      sku: { name: 'Standard', capacity: 1 },
      tags: { team: 'plant' },
      properties: {
        topicsConfiguration: {},
        topicSpacesConfiguration: {
          state: 'Enabled',
          maximumClientSessionsPerAuthenticationName: 3,
          routingEnrichments: {
            static: [{ key: 'plant', valueType: 'String', value: 'oslo' }],
            dynamic: [{ key: 'client', value: '${client.authenticationName}' }],
          },
        },
        inboundIpRules: [{ ipMask: '10.1.0.0/16', action: 'Allow' }],
      },
    },
  },
}
