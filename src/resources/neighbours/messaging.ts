import { RequestError } from '../../base/errors.ts'
import { decodeConnectionString } from '../../destinations/connection-string.ts'
import { isObject, type WireObject } from '../../wire/shape.ts'
import type { EncodeContext, StoredResource } from '../resource-type.ts'
import { answeredAtOnce, keeping, type Neighbour, timesOf } from './neighbour.ts'

/*
 * Event Hubs and Service Bus, whose namespaces are one kind of thing with one kind of name.
 *
 * Source: learn.microsoft.com/rest/api/eventhub/namespaces, .../event-hubs;
 * learn.microsoft.com/rest/api/servicebus/controlplane-stable/namespaces, .../queues, .../topics
 */

/** @param defaults of `properties` */
export function messagingNamespace(
  type: string,
  defaults: WireObject,
  defaultSku: 'Basic' | 'Standard',
): Neighbour {
  return {
    name: {
      pattern: /^[a-zA-Z][a-zA-Z0-9-]{1,48}[a-zA-Z0-9]$/,
      rule: '3 to 50 letters, digits or hyphens, a letter first and no hyphen last',
    },
    unique: ({ name }) => ({
      key: `servicebus.windows.net ${name.toLowerCase()}`,
      taken: () =>
        new RequestError(409, 'Conflict', `The specified service namespace name '${name}' is already taken.`),
    }),
    brings: [
      {
        type: `${type}/authorizationRules`,
        name: 'RootManageSharedAccessKey',
        properties: { rights: ['Listen', 'Manage', 'Send'] },
      },
    ],
    envelope: {
      check: () => {},
      encode: (_apiVersion, { topLevel = {} }) => {
        const sku = isObject(topLevel.sku) ? topLevel.sku : {}
        const name = typeof sku.name === 'string' ? sku.name : defaultSku
        return { sku: { capacity: 1, tier: name, ...sku, name } }
      },
    },
    ...keeping(type, {
      defaults: {
        publicNetworkAccess: 'Enabled',
        disableLocalAuth: false,
        zoneRedundant: false,
        ...defaults,
      },
      readOnly: ['createdAt', 'updatedAt', 'serviceBusEndpoint', 'status', 'metricId', 'clusterArmId'],
      tell: (resource, context) => ({
        ...timesOf(resource),
        status: 'Active',
        metricId: `${resource.id.split('/')[2]}:${resource.name.toLowerCase()}`,
        ...endpointOf(resource, context),
      }),
    }),
  }
}

/** Where it is reached, as far as the configuration says so. */
function endpointOf({ id }: StoredResource, { connectionOf }: EncodeContext): WireObject {
  const connection = connectionOf?.(id)
  if (connection?.url !== undefined) return { serviceBusEndpoint: withoutUser(connection.url) }
  if (connection?.connectionString === undefined) return {}
  const access = decodeConnectionString(connection.connectionString)
  if (typeof access === 'string') return {}
  return { serviceBusEndpoint: `https://${access.host}:${access.port ?? 443}/` }
}

/** A broker's URL may hold a password. */
function withoutUser(text: string): string {
  const url = new URL(text)
  url.username = ''
  url.password = ''
  return url.href
}

export function messagingEntity(
  type: string,
  defaults: WireObject = {},
  told: (properties: WireObject) => WireObject = () => ({}),
): Neighbour {
  return {
    ...answeredAtOnce,
    hasIdentity: false,
    ...keeping(type, {
      defaults,
      readOnly: [
        ...['createdAt', 'updatedAt', 'accessedAt', 'partitionIds', 'sizeInBytes', 'messageCount'],
        ...['countDetails', 'subscriptionCount'],
      ],
      tell: (resource) => ({ ...timesOf(resource), ...told(resource.properties) }),
    }),
  }
}

/** Who may do what; its keys are told by `listKeys` alone. */
export const authorizationRule = (type: string): Neighbour => ({
  ...answeredAtOnce,
  hasIdentity: false,
  ...keeping(type, { defaults: { rights: ['Listen'] }, readOnly: [] }),
})
