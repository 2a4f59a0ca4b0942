import type { RequestError } from '../base/errors.ts'
import { invalidProperty, invalidRequest } from '../wire/errors.ts'
import { type Fields, fields, readEnum, readString } from '../wire/shape.ts'
import { inUse } from './errors.ts'
import { namespaceChild, readDescription } from './namespace-parts.ts'
import type {
  Content,
  DecodeContext,
  ResourceType,
  StoredResource,
  StoredResources,
} from './resource-type.ts'

/** A permission binding's stored `properties`. Names are as they were given, and have no letter case. */
export interface PermissionBindingProperties {
  readonly description: string | null
  readonly topicSpaceName: string
  readonly clientGroupName: string
  readonly permission: 'Publisher' | 'Subscriber'
}

const type = 'Microsoft.EventGrid/namespaces/permissionBindings'
const nameCharacters = 50

function decode(wire: Readonly<Record<string, unknown>>, context: DecodeContext): Content {
  const from = fields(wire, 'properties')
  const permission = readEnum(from, 'permission', ['Publisher', 'Subscriber'])
  if (permission === undefined)
    throw invalidProperty(from.at('permission'), 'one of Publisher, Subscriber', from.raw('permission'))
  const properties: PermissionBindingProperties = {
    description: readDescription(from),
    topicSpaceName: readName(from, 'topicSpaceName', 'topicSpaces', context),
    clientGroupName: readName(from, 'clientGroupName', 'clientGroups', context),
    permission,
  }
  return { properties: { ...properties }, secrets: {} }
}

/** Both sides have to be there. */
function readName(
  from: Fields,
  member: string,
  collection: 'topicSpaces' | 'clientGroups',
  { parentId, stored }: DecodeContext,
): string {
  const name = readString(from, member, nameCharacters) ?? ''
  const what = collection === 'topicSpaces' ? 'topic space' : 'client group'
  if (name === '') throw invalidProperty(from.at(member), `the name of a ${what}`, undefined)
  if (!stored.find(`Microsoft.EventGrid/namespaces/${collection}`, `${parentId}/${collection}/${name}`))
    throw invalidRequest(`The ${what} '${name}' does not exist in '${parentId}'.`, from.at(member))
  return name
}

/** Why a client group or topic space must stay: the first permission binding that names it. */
export function usedByBinding(
  member: 'clientGroupName' | 'topicSpaceName',
  { id, name, parentId }: StoredResource,
  stored: StoredResources,
): RequestError | undefined {
  for (const binding of stored.below(type, `${parentId}/permissionBindings/`)) {
    const properties = binding.properties as unknown as PermissionBindingProperties
    if (properties[member].toLowerCase() === name.toLowerCase()) return inUse(id, binding.id)
  }
  return undefined
}

/**
 * Lets the clients of a group publish or subscribe to the topics of a topic space.
 *
 * Source: learn.microsoft.com/azure/event-grid/mqtt-access-control
 */
export const permissionBindings: ResourceType = {
  ...namespaceChild,
  type,
  quota: ({ mqttQuotas }) => mqttQuotas.permissionBindings,
  together: 'mqttRules',
  decode,
  example: {
    name: 'machines-tell',
    body: {
      properties: { clientGroupName: '$all', topicSpaceName: 'telemetry', permission: 'Publisher' },
    },
  },
}
