import { authorizationFailed, linkedAuthorizationFailed } from '../auth/errors.ts'
import type { StoredCatalog } from '../catalog/stored-catalog.ts'
import type { StoredResource } from '../resources/resource-type.ts'
import type { WireObject } from '../wire/shape.ts'
import type { Call } from './call.ts'
import { linkedAccess } from './linked-access.ts'
import { actionOf, type NeededAccess, neededAccess } from './needed-access.ts'
import type { ResourceEvents } from './resource-events.ts'
import type { ResourceRef, ResourceRefs } from './resource-ref.ts'

export interface CallPermissionOptions {
  readonly catalog: StoredCatalog
  readonly refs: ResourceRefs
  readonly resourceEvents: ResourceEvents
}

/** Whether a resource may be shown to the caller; undefined: all of them may. */
export type Readable = ((resource: StoredResource) => boolean) | undefined

/**
 * Whether the caller of a request may do what it asks for. Asked for every request, also for those that a deployment
 * makes in its caller's name.
 */
export class CallPermission {
  readonly #options: CallPermissionOptions

  constructor(options: CallPermissionOptions) {
    this.#options = options
  }

  /** The call, with the role that permits it; rejects with the 403 of Resource Manager, of which is told, where none does. */
  async permitted(call: Call): Promise<Call> {
    if (call.caller.isOwner) return call
    const { access } = this.#options.catalog
    const { caller, path } = call
    const needed = this.#needed(call)
    if (needed === 'member') {
      const scope = `/subscriptions/${path.subscriptionId}`
      if (access.reaches(caller, scope)) return call
      throw authorizationFailed(caller, 'Microsoft.Resources/subscriptions/read', scope)
    }
    const { action, scope, isList } = needed
    const permission = access.permission(caller, action, scope)
    if (permission) return { ...call, origin: { ...call.origin, evidence: permission.evidence } }
    if (isList && this.#mayListSome(call, needed)) return call
    await this.#tell(call, needed)
    throw authorizationFailed(caller, action, scope)
  }

  /** What of a list the caller is shown. Throws nothing: the list has been permitted. */
  readable(call: Call): Readable {
    const { access } = this.#options.catalog
    const { caller } = call
    if (caller.isOwner) return undefined
    const needed = this.#needed(call)
    // A right to list resources of all kinds is none to read each of them.
    const isOfOneType = needed !== 'member' && !needed.action.endsWith('/resources/read')
    if (isOfOneType && access.permission(caller, needed.action, needed.scope)) return undefined
    return ({ type, id }) => access.permission(caller, actionOf(type, 'read'), id) !== undefined
  }

  /** Hands the body on; throws where it names resources that the caller may not use. */
  linked(call: Call, ref: ResourceRef, body: WireObject): WireObject {
    const { caller } = call
    if (caller.isOwner) return body
    const { access, find } = this.#catalog()
    for (const linked of linkedAccess(ref, body, find(ref)))
      if (!access.permission(caller, linked.action, linked.scope))
        throw linkedAuthorizationFailed(
          caller,
          { action: actionOf(ref.form, 'write'), scope: ref.id },
          linked,
        )
    return body
  }

  /** The same of a delete, of which is told where it is refused. */
  async linkedDelete(call: Call, ref: ResourceRef): Promise<void> {
    try {
      this.linked(call, ref, {})
    } catch (error) {
      await this.#tell(call, { action: actionOf(ref.type.type, 'delete'), scope: ref.id, isList: false })
      throw error
    }
  }

  #catalog() {
    const { catalog } = this.#options
    return {
      access: catalog.access,
      find: ({ type, id }: ResourceRef) => catalog.find(type.type, id)?.resource,
    }
  }

  #needed({ path, request, apiVersion }: Call) {
    return neededAccess(path, request.method, apiVersion, this.#options.refs)
  }

  #mayListSome({ caller }: Call, { action, scope }: NeededAccess): boolean {
    const { access } = this.#options.catalog
    if (action.endsWith('/resources/read')) return access.reaches(caller, scope)
    return access.permitsBelow(caller, listed(action), scope)
  }

  /** Who may not is told of as of any other operation that failed. */
  async #tell({ request, origin }: Call, { action, scope }: NeededAccess): Promise<void> {
    const { catalog, refs, resourceEvents } = this.#options
    const isTold =
      /\/(write|delete|action)$/.test(action) && refs.isKnownNamespace(action.split('/')[0] as string)
    if (!isTold || !resourceEvents.isHeard(scope)) return
    const type = refs.typeOf(scope)
    const found = type && catalog.find(type.type, scope)?.resource
    await resourceEvents.ended({
      origin,
      resourceId: found?.id ?? scope,
      operationName: action,
      status: 'Failed',
      created: request.method === 'PUT' && !found,
      denied: true,
    })
  }
}

/** What must be permitted of each item: lists of event subscriptions by place have names of their own. */
const listed = (action: string): string =>
  /\/eventSubscriptions\/read$/i.test(action) ? 'Microsoft.EventGrid/eventSubscriptions/read' : action
