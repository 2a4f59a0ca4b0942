import { encodeMoment } from '../base/moment.ts'
import { normalizeLocation } from '../base/regions.ts'
import { resourceKey, type StoredCatalog, type VersionedResource } from '../catalog/stored-catalog.ts'
import type { Connection } from '../destinations/connections.ts'
import type { HttpRequest } from '../http/http.ts'
import { type EventSource, eventSourceOf } from '../resources/event-subscriptions/event-source.ts'
import { eventSubscriptions } from '../resources/event-subscriptions/event-subscriptions.ts'
import { managementLocks } from '../resources/management-locks.ts'
import type { Capabilities, ResourceType, StoredResource } from '../resources/resource-type.ts'
import { roleAssignments } from '../resources/role-assignments.ts'
import type { Readable } from './call-permission.ts'
import { encodeResource } from './envelope.ts'
import { groupNotFound, parentNotFound } from './errors.ts'
import type { FieldReader } from './filter-expression.ts'
import { parameterOf } from './headers.ts'
import { locksFor } from './management-locks.ts'
import { eventGridPages, type Page, pageOf } from './pages.ts'
import {
  type CollectionRef,
  groupIdOf,
  prefixOf,
  printedForm,
  type ResourceRefs,
  subscriptionIdOf,
} from './resource-ref.ts'
import { roleAssignmentsFor } from './role-lists.ts'

export interface ListsOptions {
  readonly catalog: StoredCatalog
  readonly types: readonly ResourceType[]
  readonly refs: ResourceRefs
  readonly capabilities: Capabilities
  readonly publicUrl: () => string
  readonly amqpsPort: () => number | undefined
  readonly connectionOf: (resourceId: string) => Connection | undefined
}

/** Which event subscriptions a list over a subscription or group is about. */
export interface EventSubscriptionScope {
  readonly subscriptionId: string
  readonly group: string | undefined
  /** Undefined: those whose topic has no region. */
  readonly location: string | undefined
  /** Such as `Microsoft.EventGrid.Topics`; undefined: any. */
  readonly topicType: string | undefined
}

/** Source: learn.microsoft.com/rest/api/resources/resources/list, "URI Parameters" */
const resourcePages = {
  defaultTop: 1000,
  maxTop: 1000,
  filterFields: ['name', 'location', 'resourcetype', 'resourcegroup', 'tagname', 'tagvalue'],
}

/** Every list, a page at a time, in the order of ids; of each, what the caller may read. */
export class Lists {
  readonly #options: ListsOptions

  constructor(options: ListsOptions) {
    this.#options = options
  }

  /** The resources of one type in a group, a subscription, or on a parent. */
  collection(request: HttpRequest, subscriptionId: string, ref: CollectionRef, isReadable: Readable): Page {
    const { type, parentId, group, form } = ref
    const { catalog } = this.#options
    this.#checkScope(subscriptionId, ref)
    if (type === roleAssignments) return this.#roleAssignments(request, parentId, isReadable)
    if (type === managementLocks) return this.#locks(request, parentId, isReadable)
    const rules = type.generic ? resourcePages : eventGridPages
    const isOfSubscription = type.scope === 'group' && group === undefined
    const scope = isOfSubscription ? `${parentId}/` : prefixOf(type, parentId)
    const itemsAfter = (after: string | undefined) => catalog.below(type.type, scope, after)
    return this.#typed(request, type, form, onlyReadable(itemsAfter, isReadable), rules)
  }

  /** Source: reference of EventSubscriptions_ListRegionalBySubscription and its seven sisters. */
  eventSubscriptions(request: HttpRequest, scope: EventSubscriptionScope, isReadable: Readable): Page {
    const { catalog, capabilities } = this.#options
    const { subscriptionId, group, topicType } = scope
    const location = normalizeLocation(scope.location ?? 'global')
    const prefix = group === undefined ? subscriptionIdOf(subscriptionId) : groupIdOf(subscriptionId, group)
    const type = eventSubscriptions
    const sources = new Map<string, EventSource>()
    const isMeant = ({ resource: { parentId } }: VersionedResource) => {
      let source = sources.get(parentId)
      if (!source) sources.set(parentId, (source = eventSourceOf(parentId, catalog.stored, capabilities)))
      const isOfType = topicType === undefined || source.topicType.toLowerCase() === topicType.toLowerCase()
      return source.location === location && isOfType
    }
    const itemsAfter = function* (after: string | undefined) {
      for (const found of catalog.below(type.type, `${prefix}/`, after)) if (isMeant(found)) yield found
    }
    return this.#typed(request, type, type.type, onlyReadable(itemsAfter, isReadable))
  }

  /** Those on the scope, above it and below it, as far as the filter asks for them. */
  #roleAssignments(request: HttpRequest, scope: string, isReadable: Readable): Page {
    const itemsAfter = roleAssignmentsFor(this.#options.catalog, scope, parameterOf(request, '$filter'))
    return this.#unfiltered(request, roleAssignments, onlyReadable(itemsAfter, isReadable))
  }

  #locks(request: HttpRequest, scope: string, isReadable: Readable): Page {
    const itemsAfter = locksFor(this.#options.catalog, scope, parameterOf(request, '$filter'))
    return this.#unfiltered(request, managementLocks, onlyReadable(itemsAfter, isReadable))
  }

  /** A page of what has read the filter itself. */
  #unfiltered(
    request: HttpRequest,
    type: ResourceType,
    itemsAfter: (after: string | undefined) => Iterable<VersionedResource>,
  ): Page {
    const publicUrl = this.#options.publicUrl()
    return pageOf(request, itemsAfter, {
      ...resourcePages,
      filterFields: undefined,
      fields: fieldsOf,
      position,
      encode: ({ resource }) => encodeResource(resource, type, resource, { publicUrl }),
    })
  }

  groups(request: HttpRequest, subscriptionId: string, isReadable: Readable): Page {
    const { catalog, types, publicUrl } = this.#options
    const type = types.find(({ scope }) => scope === 'subscription') as ResourceType
    const prefix = `${subscriptionIdOf(subscriptionId)}/resourcegroups/`
    const itemsAfter = (after: string | undefined) => catalog.below(type.type, prefix, after)
    return pageOf(request, onlyReadable(itemsAfter, isReadable), {
      ...resourcePages,
      fields: fieldsOf,
      position,
      encode: ({ resource }) => encodeResource(resource, type, resource, { publicUrl: publicUrl() }),
    })
  }

  /** Every tracked resource but groups, whatever its type. */
  resources(
    request: HttpRequest,
    subscriptionId: string,
    group: string | undefined,
    isReadable: Readable,
  ): Page {
    const { catalog, refs } = this.#options
    const scope = group === undefined ? subscriptionIdOf(subscriptionId) : groupIdOf(subscriptionId, group)
    const expand = (parameterOf(request, '$expand') ?? '').split(',').map((word) => word.trim().toLowerCase())
    const tracked = [...catalog.types()]
      .filter((name) => {
        const type = refs.typeNamed(name)
        return type?.tracked && type.scope === 'group'
      })
      .toSorted()
    const itemsAfter = function* (after: string | undefined = '') {
      const from = after.indexOf(' ')
      const lastType = after.slice(0, Math.max(from, 0))
      // By the order of their names: of the last one there may be none left.
      for (const type of tracked.filter((name) => name >= lastType))
        yield* catalog.below(type, `${scope}/`, type === lastType ? after.slice(from + 1) : undefined)
    }
    return pageOf(request, onlyReadable(itemsAfter, isReadable), {
      ...resourcePages,
      fields: fieldsOf,
      position: (item) => `${item.resource.type} ${position(item)}`,
      encode: ({ resource }) => encodeGeneric(resource, expand),
    })
  }

  #typed(
    request: HttpRequest,
    type: ResourceType,
    form: string,
    itemsAfter: (after: string | undefined) => Iterable<VersionedResource>,
    rules: typeof resourcePages = eventGridPages,
  ): Page {
    const publicUrl = this.#options.publicUrl()
    const amqpsPort = this.#options.amqpsPort()
    const apiVersion = parameterOf(request, 'api-version')
    const { connectionOf, catalog } = this.#options
    return pageOf(request, itemsAfter, {
      ...rules,
      fields: fieldsOf,
      position,
      encode: ({ resource }) =>
        encodeResource(resource, type, printedForm(form, type, resource), {
          publicUrl,
          amqpsPort,
          apiVersion,
          connectionOf,
          stored: catalog.stored,
        }),
    })
  }

  #checkScope(subscriptionId: string, { parentId, group, form }: CollectionRef): void {
    const { catalog, refs } = this.#options
    if (group !== undefined) this.#checkGroup(subscriptionId, group)
    const parentType = refs.typeOf(parentId)
    if (parentType && !parentType.generic && !catalog.find(parentType.type, parentId))
      throw parentNotFound(form, parentId)
  }

  #checkGroup(subscriptionId: string, group: string): void {
    const { catalog, types } = this.#options
    const type = types.find(({ scope }) => scope === 'subscription') as ResourceType
    if (!catalog.find(type.type, groupIdOf(subscriptionId, group))) throw groupNotFound(group)
  }
}

type ItemsAfter = (after: string | undefined) => Iterable<VersionedResource>

function onlyReadable(itemsAfter: ItemsAfter, isReadable: Readable): ItemsAfter {
  if (!isReadable) return itemsAfter
  return function* (after) {
    for (const found of itemsAfter(after)) if (isReadable(found.resource)) yield found
  }
}

const position = ({ resource }: VersionedResource) => resourceKey(resource.id)

/** Each is read only where the filter names it: a filter may have to look at every resource there is. */
function fieldsOf({ resource }: VersionedResource): readonly FieldReader[] {
  const reader =
    (tag?: readonly [string, string]): FieldReader =>
    (field) => {
      const value = fieldOf(resource, field, tag)
      return value === undefined ? [] : [value]
    }
  const entries = resource.tags === undefined ? [] : Object.entries(resource.tags)
  return entries.length === 0 ? [reader()] : entries.map(reader)
}

function fieldOf(
  { name, location, type, id }: StoredResource,
  field: string,
  tag: readonly [string, string] | undefined,
): string | undefined {
  switch (field) {
    case 'name':
      return name
    case 'location':
      return location
    case 'resourcetype':
      return type
    case 'resourcegroup':
      return id.split('/', 5)[4]
    case 'tagname':
      return tag?.[0]
    case 'tagvalue':
      return tag?.[1]
    default:
      return undefined
  }
}

function encodeGeneric(resource: StoredResource, expand: readonly string[]): Record<string, unknown> {
  const { id, name, type, location, tags, identity, createdAt, changedAt, provisioningState } = resource
  return {
    id,
    name,
    type,
    location,
    tags,
    identity,
    ...resource.topLevel,
    ...(expand.includes('createdtime') && { createdTime: encodeMoment(createdAt) }),
    ...(expand.includes('changedtime') && { changedTime: encodeMoment(changedAt) }),
    ...(expand.includes('provisioningstate') && { provisioningState }),
  }
}
