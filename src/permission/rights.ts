import type { NamespaceAccess, RegisteredClient } from '../catalog/mqtt-access.ts'
import type { ClientFacts } from '../client/attributes.ts'
import { type ClientTemplate, levelsOfTopic } from '../client/topic-template.ts'

/*
 * What one client may do. Made when it is first asked for; a topic that was found allowed is remembered, so that a
 * publisher's second message costs one look-up.
 *
 * Source: learn.microsoft.com/azure/event-grid/mqtt-access-control
 */

export interface Rights {
  /** What was in force when they were made; see `Permission`. */
  readonly revision: number
  readonly client: RegisteredClient | undefined
  readonly publish: readonly ClientTemplate[]
  readonly subscribe: readonly ClientTemplate[]
  /** Topic names that were found allowed. */
  readonly published: Set<string>
}

/** Topics remembered for each client; the oldest goes. */
export const rememberedTopics = 256

/** Whether a principal holds a role that has the data action, on the topic space or above it. */
export type Permits = (dataAction: string, topicSpaceId: string) => boolean

/** Source: learn.microsoft.com/azure/event-grid/mqtt-client-microsoft-entra-token-and-rbac */
const dataActions = {
  publish: 'Microsoft.EventGrid/topicSpaces/publish/action',
  subscribe: 'Microsoft.EventGrid/topicSpaces/subscribe/action',
} as const

/** One template must cover the whole of a filter; several together do not. */
export function isCovered(topic: string, templates: readonly ClientTemplate[]): boolean {
  const levels = levelsOfTopic(topic)
  return levels !== undefined && templates.some((template) => template.covers(levels))
}

type Templates = Pick<Rights, 'publish' | 'subscribe'>

/** Of a client that groups and bindings speak of. One grant is enough; there is no denial. */
export function grantedByGroups(client: ClientFacts, access: NamespaceAccess): Templates {
  const isIn = new Map<string, boolean>()
  const includes = (name: string) => {
    const key = name.toLowerCase()
    let included = isIn.get(key)
    if (included === undefined)
      isIn.set(key, (included = access.clientGroup(name)?.includes(client) ?? false))
    return included
  }
  const spaces = { Publisher: new Set<string>(), Subscriber: new Set<string>() }
  for (const { clientGroupName, topicSpaceName, permission } of access.permissionBindings)
    if (includes(clientGroupName)) spaces[permission].add(topicSpaceName.toLowerCase())
  const templates = (names: Iterable<string>) =>
    [...names]
      .flatMap((name) => access.topicSpace(name)?.templates ?? [])
      .flatMap((template) => template.forClient(client) ?? [])
  return { publish: templates(spaces.Publisher), subscribe: templates(spaces.Subscriber) }
}

/** Of a principal whose roles say on which topic spaces it may do what. */
export function grantedByRoles(client: ClientFacts, access: NamespaceAccess, permits: Permits): Templates {
  const templates = (dataAction: string) =>
    [...access.topicSpaces]
      .filter(({ id }) => permits(dataAction, id))
      .flatMap((space) => space.templates)
      .flatMap((template) => template.forClient(client) ?? [])
  return { publish: templates(dataActions.publish), subscribe: templates(dataActions.subscribe) }
}
