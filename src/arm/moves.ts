import { type Move, resourceKey, type StoredCatalog } from '../catalog/stored-catalog.ts'
import type { Connection } from '../destinations/connections.ts'
import { domains } from '../resources/domains.ts'
import type { ResourceType, StoredResource } from '../resources/resource-type.ts'
import { roleAssignments } from '../resources/role-assignments.ts'
import { systemTopics } from '../resources/system-topics.ts'
import { topics } from '../resources/topics.ts'
import { groupIdIn, groupType, isSameType, nameInId, typeOfId } from '../wire/arm-id.ts'
import { invalidProperty } from '../wire/errors.ts'
import { checkString, fields, readArray, readString, type WireObject } from '../wire/shape.ts'
import {
  gatewayError,
  groupBeingDeleted,
  groupNotFound,
  moveNotSupported,
  resourceNotFound,
} from './errors.ts'
import { checkUnlocked } from './management-locks.ts'
import type { ResourceRefs } from './resource-ref.ts'

/*
 * Resources that go from one resource group to another: with their names, keys, endpoints, event subscriptions and
 * the events that wait, and with other ids. Whatever names a resource by its id would then name nothing: where that is
 * known, the move is refused.
 *
 * Source: learn.microsoft.com/azure/azure-resource-manager/management/move-resource-group-and-subscription
 */

/** Source: the same, "Frequently asked questions": resources in one move. */
const resourcesPerMove = 800
const idCharacters = 2_048

/** Of Event Grid's own; those of other providers move where nothing is known of them here but that they are there. */
const movable: ReadonlySet<string> = new Set([topics.type, domains.type, systemTopics.type])

export interface MoveOptions {
  readonly catalog: StoredCatalog
  readonly refs: ResourceRefs
  readonly types: readonly ResourceType[]
  readonly connectionOf: (resourceId: string) => Connection | undefined
}

/** What a client asks for: where the resources are to go, and which. */
export interface MoveRequest {
  /** Canonical. */
  readonly source: string
  readonly target: string
  /** As they were given. */
  readonly ids: readonly string[]
}

export function decodeMove(source: string, body: WireObject): MoveRequest {
  const from = fields(body, '')
  const ids = readArray(from, 'resources', resourcesPerMove)?.map(({ value, path }) =>
    checkString(value, path, idCharacters),
  )
  if (!ids || ids.length === 0) throw invalidProperty('resources', 'the ids of resources', undefined)
  const target = readString(from, 'targetResourceGroup', idCharacters)
  if (target === undefined || !isSameType(typeOfId(target), groupType))
    throw invalidProperty('targetResourceGroup', 'the id of a resource group', target)
  if (resourceKey(target) === resourceKey(source))
    throw invalidProperty('targetResourceGroup', 'another resource group than the one they are in', target)
  return { source, target, ids }
}

export interface MovePlan {
  readonly moves: readonly Move[]
  /** What does not go along: who may do what is said anew where they are then, as on Azure. */
  readonly gone: readonly StoredResource[]
}

/** What a move changes. Throws where it cannot be made. To be asked while everything that it concerns is held. */
export function planMove({ source, target, ids }: MoveRequest, options: MoveOptions): MovePlan {
  const { catalog, refs, types } = options
  const group = groupThatStays(target, catalog)
  groupThatStays(source, catalog)
  checkUnlocked(catalog, group.id, 'write')
  const tops = ids.map((id) => movedResource(id, source, options))
  const all = tops.flatMap((top) => [top, ...descendants(top, catalog, refs, types)])
  const gone = all.filter(({ type }) => type === roleAssignments.type)
  const moves = all
    .filter(({ type }) => type !== roleAssignments.type)
    .map((from) => ({ from, to: withinGroup(from, source, group.id) }))
  for (const { from, to } of moves) {
    if (from.verification || from.untold)
      throw conflict(`'${from.id}' waits for its endpoint to agree; move it when that has ended.`)
    if (catalog.find(to.type, to.id)) throw conflict(`There is a resource '${to.id}' already.`)
  }
  checkNotNamed(tops, new Set(all.map(({ uid }) => uid)), options)
  return { moves, gone }
}

function groupThatStays(id: string, catalog: StoredCatalog): StoredResource {
  const group = catalog.find(groupType, id)?.resource
  if (!group) throw groupNotFound(nameInId(id))
  if (group.deletion) throw groupBeingDeleted(group.name)
  return group
}

/** A resource that lies in the group itself and may leave it. */
function movedResource(
  id: string,
  source: string,
  { catalog, refs, connectionOf }: MoveOptions,
): StoredResource {
  const typeName = typeOfId(id)
  const type = typeName === undefined ? undefined : refs.typeNamed(typeName)
  if (resourceKey(groupIdIn(id) ?? '') !== resourceKey(source) || type?.scope !== 'group')
    throw invalidProperty('resources', `the ids of resources in '${nameInId(source)}'`, id)
  const found = catalog.find(type.type, id)?.resource
  if (!found) throw resourceNotFound(type.type, nameInId(id), nameInId(source))
  if (!type.generic && !movable.has(type.type))
    throw moveNotSupported(`Resources of type '${type.type}' do not move.`)
  if (type.generic && connectionOf(found.id))
    throw moveNotSupported(`The configuration has a connection under the id '${found.id}'.`)
  checkUnlocked(catalog, found.id, 'write')
  checkUnlocked(catalog, found.id, 'delete')
  return found
}

/** Everything whose id begins with that of the resource. */
const descendants = (
  { id }: StoredResource,
  catalog: StoredCatalog,
  refs: ResourceRefs,
  types: readonly ResourceType[],
): readonly StoredResource[] =>
  [
    ...new Set([
      ...types.map(({ type }) => type),
      ...[...catalog.types()].filter((name) => refs.typeNamed(name)),
    ]),
  ]
    .flatMap((type) => [...catalog.below(type, `${id}/`)])
    .map(({ resource }) => resource)

function withinGroup(resource: StoredResource, source: string, target: string): StoredResource {
  const moved = (id: string) => target + id.slice(source.length)
  return { ...resource, id: moved(resource.id), parentId: moved(resource.parentId) }
}

/** Refuses to move what anything that stays names by its id. */
function checkNotNamed(
  tops: readonly StoredResource[],
  moving: ReadonlySet<string>,
  { catalog }: MoveOptions,
): void {
  const ids = tops.map(({ id }) => id.toLowerCase())
  const names = (text: string, id: string) => {
    for (let at = text.indexOf(id); at >= 0; at = text.indexOf(id, at + 1)) {
      const next = text[at + id.length]
      if (next === '"' || next === '/') return true
    }
    return false
  }
  for (const type of catalog.types())
    for (const { resource } of catalog.below(type, '')) {
      if (moving.has(resource.uid) && type !== systemTopics.type) continue
      const text =
        `${JSON.stringify(resource.properties)}${JSON.stringify(resource.live?.properties ?? {})}`.toLowerCase()
      const named = ids.find((id) => names(text, id))
      if (named !== undefined)
        throw moveNotSupported(`'${resource.id}' names '${named}', and would name nothing then.`)
    }
}

const conflict = (message: string) => gatewayError(409, 'Conflict', message)

/** What is held while resources move, from the top down: nobody changes them, or what lies in them, meanwhile. */
export function moveHolds({ source, target, ids }: MoveRequest, catalog: StoredCatalog) {
  const sources = ids.flatMap((id) => {
    const found = catalog.find(systemTopics.type, id)?.resource
    return found && systemTopics.speaksFor ? [systemTopics.speaksFor(found)] : []
  })
  const companions = [...sources, ...ids].map((id) => `companion of ${resourceKey(id)}`)
  const groups = [source, target].map(resourceKey)
  const own = ids.flatMap((id) => [id, target + id.slice(source.length)]).map(resourceKey)
  const each = (keys: readonly string[], shared: boolean) =>
    [...new Set(keys)].toSorted().map((key) => ({ key, shared }))
  return [...each(companions, false), ...each(groups, true), ...each(own, false)]
}
