import { privateLinkGroups } from '../resources/private-endpoint-connections.ts'
import { isSameType } from '../wire/arm-id.ts'
import { gatewayError } from './errors.ts'
import type { ProviderBlock } from './path.ts'

/*
 * What a private endpoint could be made for, for clients that look before they ask; and which network security
 * perimeters a resource is in. Perimeters are a matter of Azure's network, and nothing is in one here.
 *
 * Source: learn.microsoft.com/rest/api/eventgrid/controlplane/private-link-resources,
 * .../controlplane-preview/network-security-perimeter-configurations
 */

/** A path below a resource that is about its private links. */
export interface PrivateLinkPath {
  /** The same path as far as the parent. */
  readonly parent: ProviderBlock
  readonly kind: 'link' | 'perimeter'
  /** Undefined where all are meant. */
  readonly name: string | undefined
}

const kinds = { privatelinkresources: 'link', networksecurityperimeterconfigurations: 'perimeter' } as const

export function privateLinkPathOf({ namespace, types, names }: ProviderBlock): PrivateLinkPath | undefined {
  const [parentType = '', word = ''] = types
  if (types.length < 2 || !groupsOf(`${namespace}/${parentType}`)) return undefined
  const kind = kinds[word.toLowerCase() as keyof typeof kinds] as PrivateLinkPath['kind'] | undefined
  const parent = { namespace, types: types.slice(0, 1), names: names.slice(0, 1) }
  return kind && { parent, kind, name: names[1] }
}

/** @param parentId of a resource that exists; @param type its type */
export function readPrivateLink({ kind, name }: PrivateLinkPath, parentId: string, type: string): unknown {
  const groups = kind === 'link' ? (groupsOf(type) ?? []) : []
  const all = groups.map((groupId) => encodeLinkResource(parentId, type, groupId))
  if (name === undefined) return { value: all }
  const found = all.find((each) => each.name === name.toLowerCase())
  if (found) return found
  const what = kind === 'link' ? 'private link resource' : 'network security perimeter'
  throw gatewayError(404, 'ResourceNotFound', `'${parentId}' has no ${what} '${name}'.`)
}

const groupsOf = (type: string) =>
  Object.entries(privateLinkGroups).find(([known]) => isSameType(known, type))?.[1]

function encodeLinkResource(parentId: string, type: string, groupId: string) {
  return {
    properties: {
      groupId,
      displayName: `Event Grid ${groupId}`,
      requiredMembers: [groupId],
      requiredZoneNames: [`privatelink.${groupId === 'topicspace' ? 'ts.' : ''}eventgrid.azure.net`],
    },
    id: `${parentId}/privateLinkResources/${groupId}`,
    name: groupId,
    type: `${type}/privateLinkResources`,
  }
}
