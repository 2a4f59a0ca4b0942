import { invalidRequest } from '../wire/errors.ts'
import { gatewayError } from './errors.ts'
import type { ProviderBlock } from './path.ts'

/*
 * Private endpoints are a matter of Azure's network, and there are none here: lists of connections are empty. What a
 * private endpoint could be made for is told as on Azure, for clients that look before they ask.
 *
 * Source: learn.microsoft.com/rest/api/eventgrid/controlplane/private-endpoint-connections, .../private-link-resources
 */

/** By the parent's type in lower case. */
const groupIds: Readonly<Record<string, string>> = {
  topics: 'topic',
  domains: 'domain',
  partnernamespaces: 'partnernamespace',
}

/** A path below a resource that is about its private links. */
export interface PrivateLinkPath {
  /** The same path as far as the parent. */
  readonly parent: ProviderBlock
  readonly kind: 'connection' | 'resource'
  /** Undefined where all are meant. */
  readonly name: string | undefined
}

export function privateLinkPathOf(block: ProviderBlock): PrivateLinkPath | undefined {
  const { namespace, types, names } = block
  const [parentType = '', word = ''] = types
  if (namespace.toLowerCase() !== 'microsoft.eventgrid' || types.length !== 2) return undefined
  if (!groupIds[parentType.toLowerCase()]) return undefined
  const kinds = { privateendpointconnections: 'connection', privatelinkresources: 'resource' } as const
  const kind = kinds[word.toLowerCase() as keyof typeof kinds]
  const parent = { namespace, types: types.slice(0, 1), names: names.slice(0, 1) }
  return kind && { parent, kind, name: names[1] }
}

/** @param parentId of a resource that exists; @param type its type */
export function readPrivateLink({ kind, name }: PrivateLinkPath, parentId: string, type: string): unknown {
  const all = kind === 'resource' ? [encodeLinkResource(parentId, type)] : []
  if (name === undefined) return { value: all }
  const found = all.find((each) => each.name === name.toLowerCase())
  if (!found)
    throw gatewayError(404, 'ResourceNotFound', `'${parentId}' has no private endpoint or link '${name}'.`)
  return found
}

function encodeLinkResource(parentId: string, type: string) {
  const groupId = groupIds[type.slice(type.indexOf('/') + 1).toLowerCase()] ?? ''
  return {
    properties: {
      groupId,
      displayName: `Event Grid ${groupId}`,
      requiredMembers: [groupId],
      requiredZoneNames: ['privatelink.eventgrid.azure.net'],
    },
    id: `${parentId}/privateLinkResources/${groupId}`,
    name: groupId,
    type: `${type}/privateLinkResources`,
  }
}

export const noPrivateEndpoint = (name: string) =>
  invalidRequest(
    `The private endpoint connection '${name}' does not exist, and no private endpoint can be made: they belong to Azure's network. Restrict who may publish with 'inboundIpRules' and 'publicNetworkAccess'.`,
  )
