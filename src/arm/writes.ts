import { isDeepStrictEqual } from 'node:util'
import { type Origin, withoutRequest } from '../auth/origin.ts'
import type { Clock } from '../base/clock.ts'
import { RequestError } from '../base/errors.ts'
import { newGuid } from '../base/ids.ts'
import type { Log } from '../base/log.ts'
import { within } from '../base/within.ts'
import { resourceKey, type StoredCatalog, type VersionedResource } from '../catalog/stored-catalog.ts'
import type { Connection } from '../destinations/connections.ts'
import { bodyEtagOf } from '../resources/body-etag.ts'
import { isBuiltIn, quotaReached } from '../resources/errors.ts'
import { managementLocks } from '../resources/management-locks.ts'
import type {
  Capabilities,
  Content,
  Identity,
  NewResource,
  ProvisioningState,
  ResourceType,
  StoredResource,
  Twin,
} from '../resources/resource-type.ts'
import { groupIdIn, groupType, isSameType, levelsOf, nameInId } from '../wire/arm-id.ts'
import { invalidRequest } from '../wire/errors.ts'
import { fields, isObject, type WireObject } from '../wire/shape.ts'
import {
  checkLocation,
  decodeIdentity,
  decodeLocation,
  decodeTags,
  etagOf,
  identityType,
} from './envelope.ts'
import {
  gatewayError,
  groupBeingDeleted,
  groupNotFound,
  invalidContent,
  parentNotFound,
  preconditionFailed,
  resourceNotFound,
} from './errors.ts'
import { Expirations } from './expirations.ts'
import { companionHold, type Hold, holdsFor, type Locks } from './locks.ts'
import { checkUnlocked } from './management-locks.ts'
import { decodeMove, type MovePlan, moveHolds, planMove } from './moves.ts'
import type { Operations } from './operations.ts'
import {
  type EndedOperation,
  eventGridsOwn,
  operationNameOf,
  type ResourceEvents,
  telling,
} from './resource-events.ts'
import { idOf, prefixOf, type ResourceRef, type ResourceRefs } from './resource-ref.ts'
import { type Tags, tagsId } from './tags.ts'
import type { Verifications } from './verifications.ts'

/*
 * PUT, PATCH, DELETE and actions, once for every resource type. A write is durable, and the data plane knows of
 * it, before its promise resolves. Writes of one resource follow each other.
 */

/** How long an answer waits for the long-running part, so that the first poll usually finds it ended. */
const answerWithinMs = 20_000
/** How many removed resources are told of at the same time. */
const toldTogether = 64

type Deletion = NonNullable<StoredResource['deletion']>

export interface Preconditions {
  readonly ifMatch: string | undefined
  readonly ifNoneMatch: string | undefined
}

export interface WritesOptions {
  readonly catalog: StoredCatalog
  readonly types: readonly ResourceType[]
  readonly refs: ResourceRefs
  readonly operations: Operations
  readonly verifications: Verifications
  readonly resourceEvents: ResourceEvents
  readonly locks: Locks
  readonly capabilities: Capabilities
  readonly tenantId: string
  /** How a resource of a provider that is not run here is reached; undefined: it is not. */
  readonly connectionOf: (resourceId: string) => Connection | undefined
  /** A group is about to go, and everything in it is gone. */
  readonly onGroupGone: (groupId: string) => Promise<void>
  readonly clock: Clock
  readonly log: Log
}

export interface Written {
  readonly created: boolean
  readonly stored: VersionedResource
  readonly operationId: string
}

/** A resource as it is and as a write would leave it. */
export interface Preview {
  readonly before: StoredResource | undefined
  readonly after: StoredResource
  /** Something changes that is not shown. */
  readonly changesSecrets: boolean
}

/** The parts of a body that are not the type's own. */
interface Envelope {
  readonly location: string | undefined
  readonly tags: Readonly<Record<string, string>> | undefined
  readonly identity: Identity | undefined
  readonly topLevel?: WireObject | undefined
}

/** Enough of a resource to know its locks. */
interface TypedResource {
  readonly type: ResourceType
  readonly id: string
  readonly parentId: string
}

/** What a body asks for, whether it came by PUT or laid over what is there by PATCH. */
interface Wanted extends Envelope {
  /** In the caller's casing; the last PUT's is shown. */
  readonly name: string
  readonly properties: WireObject
  readonly patching: boolean
  /** The server's own doing. */
  readonly automatic?: true
}

/** What is to be stored, and whether a handshake must come before it is in force. */
interface Next {
  readonly resource: StoredResource
  /** The resource's own, secrets in the clear. */
  readonly content: Content
  readonly waits: boolean
}

export class Writes {
  readonly #options: WritesOptions
  readonly #expirations: Expirations
  /** Which resource has taken a name that must be unique over all groups. */
  readonly #uniqueNames = new Map<string, string>()
  readonly #deleting = new Map<string, Promise<void>>()

  constructor(options: WritesOptions) {
    this.#options = options
    this.#expirations = new Expirations(options.clock, (type, id, uid) => this.#expire(type, id, uid))
  }

  /** Learns what the last process left, before the first request: names that are taken, operations under way. */
  load(): void {
    const { catalog, types, operations } = this.#options
    for (const type of [...types, ...this.#genericTypes()])
      for (const { resource } of catalog.below(type.type, '')) {
        const unique = type.unique?.(resource)
        if (unique) this.#uniqueNames.set(unique.key, resourceKey(resource.id))
        const operationId = resource.deletion?.operationId ?? resource.verification?.operationId
        if (operationId !== undefined) operations.run(operationId)
      }
  }

  /** Takes up timers, handshakes and deletes that the last process left. */
  async resume(): Promise<void> {
    const { catalog, types, verifications } = this.#options
    for (const type of types)
      for (const { resource } of [...catalog.below(type.type, '')]) {
        this.#expirations.watch(type, resource)
        if (resource.verification || resource.untold) await verifications.resume(type, resource)
        if (resource.deletion && !this.#deleting.has(resourceKey(resource.id)))
          void this.#emptyGroup(type, resource, resource.deletion)
      }
    await this.#mendTwins()
  }

  async close(): Promise<void> {
    this.#expirations.close()
    await this.#options.verifications.close()
    await Promise.all(this.#deleting.values())
  }

  /** @param readBody may reject: a body that cannot be read is a write that failed */
  put(
    ref: ResourceRef,
    readBody: () => Promise<WireObject>,
    conditions: Preconditions,
    origin: Origin,
  ): Promise<Written> {
    return this.#write(ref, origin, readBody, (body, found) => {
      checkPreconditions(conditions, found)
      return this.#replacement(ref, body, found?.resource, origin)
    })
  }

  /** Gives up a write that waits for an endpoint: its operation ends, and the resource stays as it was before. */
  cancel(ref: ResourceRef): Promise<void> {
    return this.#options.verifications.cancel(ref.id)
  }

  /** What a PUT would make of the resource as it is now; nothing is written. */
  preview(ref: ResourceRef, body: WireObject, origin: Origin): Preview {
    const { catalog } = this.#options
    const before = catalog.find(ref.type.type, ref.id)?.resource
    const { resource: after, content } = this.#replacement(ref, body, before, origin)
    const changesSecrets =
      before !== undefined && !isDeepStrictEqual(catalog.unseal(before, before).secrets, content.secrets)
    return { before, after, changesSecrets }
  }

  #replacement(ref: ResourceRef, body: WireObject, before: StoredResource | undefined, origin: Origin): Next {
    const { type, name } = ref
    const from = fields(body, '')
    type.envelope?.check(from)
    const envelope = {
      location: type.tracked ? decodeLocation(from, type) : undefined,
      tags: type.tracked ? decodeTags(from) : undefined,
      identity: type.hasIdentity ? this.#identity(from, before, false) : undefined,
      topLevel: membersOf(type, from),
    }
    const { location } = envelope
    // What is there stays where it is, whatever the configuration says by now.
    if (location !== undefined && !before) checkLocation(location, type, this.#options.capabilities.locations)
    const properties = from.raw('properties') ?? {}
    if (!isObject(properties)) throw invalidContent("'properties' must be an object")
    return this.#next(ref, before, { ...envelope, name, properties, patching: false }, origin)
  }

  /** @param readBody as for `put` */
  patch(
    ref: ResourceRef,
    readBody: () => Promise<WireObject>,
    conditions: Preconditions,
    origin: Origin,
  ): Promise<Written> {
    return this.#write(ref, origin, readBody, (body, found) => {
      if (!found) throw this.notFound(ref)
      checkPreconditions(conditions, found)
      const { type } = ref
      const before = found.resource
      const from = fields(body, '')
      type.envelope?.check(from)
      const envelope = {
        location: before.location,
        tags: (type.tracked && decodeTags(from)) || before.tags,
        identity:
          type.hasIdentity && from.raw('identity') !== undefined
            ? this.#identity(from, before, true)
            : before.identity,
        topLevel: type.topLevel && { ...before.topLevel, ...membersOf(type, from) },
      }
      const properties = type.patch?.(body, this.#options.catalog.unseal(before, before)) ?? {}
      return this.#next(ref, before, { ...envelope, name: before.name, properties, patching: true }, origin)
    })
  }

  /** @returns the operation's id, or undefined when there was nothing to delete */
  delete(ref: ResourceRef, conditions: Preconditions, origin: Origin): Promise<string | undefined> {
    return this.#tellingFailure(ref, 'delete', origin, () => this.#delete(ref, conditions, origin))
  }

  async #delete(ref: ResourceRef, { ifMatch }: Preconditions, origin: Origin): Promise<string | undefined> {
    const { locks, catalog, operations, clock } = this.#options
    if (ref.type.scope === 'subscription') this.find(ref)
    this.#checkGroup(ref)
    const known = catalog.find(ref.type.type, ref.id)?.resource.deletion
    if (known && this.#deleting.has(resourceKey(ref.id))) return known.operationId
    const begun = await locks.hold(this.#holds(ref), async () => {
      this.#checkUnlocked(ref, 'delete')
      const found = catalog.find(ref.type.type, ref.id)
      if (!found) {
        await this.#tell(this.#canonicalId(ref), 'delete', origin)
        return undefined
      }
      if (ifMatch !== undefined && !matches(ifMatch, found)) throw preconditionFailed()
      const { resource } = found
      if (resource.builtIn) throw isBuiltIn(resource.id)
      const refusal = ref.type.refusesDelete?.(resource, catalog.stored)
      if (refusal) throw refusal
      const operationId = resource.deletion?.operationId ?? operations.newId()
      if (ref.type.scope !== 'subscription') {
        await this.#removeWithChildren(resource, origin)
        await this.#removeOutlived(ref.type, resource, origin)
        if (this.#mayHaveSystemTopic(ref.type)) await this.#removeOutlivedOf(resource.id, origin)
        return { operationId, ended: Promise.resolve() }
      }
      operations.run(operationId)
      const deleting = {
        ...resource,
        provisioningState: 'Deleting',
        deletion: { operationId, origin },
      } as const
      await catalog.put(deleting)
      return { operationId, ended: this.#emptyGroup(ref.type, deleting, deleting.deletion) }
    })
    if (begun) await within(clock, answerWithinMs, begun.ended)
    return begun?.operationId
  }

  /** Runs an action of the type; resolves to its answer, undefined where that is the resource itself. */
  async act(
    ref: ResourceRef,
    action: string,
    readBody: () => Promise<unknown>,
    origin: Origin,
    { ifMatch }: Pick<Preconditions, 'ifMatch'> = { ifMatch: undefined },
  ): Promise<unknown> {
    const { catalog, locks, clock } = this.#options
    const known = Object.entries(ref.type.actions).find(
      ([name]) => name.toLowerCase() === action.toLowerCase(),
    )
    if (!known) throw gatewayError(404, 'NotFound', `The type '${ref.form}' has no action '${action}'.`)
    const [name, run] = known
    return this.#tellingFailure(ref, name, origin, async () => {
      const body = await readBody()
      return locks.hold(this.#holds(ref), async () => {
        const found = this.find(ref)
        const { resource } = found
        if (ifMatch !== undefined && !matches(ifMatch, found)) throw preconditionFailed()
        this.#checkUnlocked(ref, 'write')
        const { answer, content } = run(catalog.unseal(resource, resource), body, { now: clock.now() })
        if (content) {
          const stored = await catalog.put({ ...resource, ...catalog.seal(resource.uid, content) })
          this.#expirations.watch(ref.type, stored.resource)
          await this.#reflect(ref.type, stored.resource)
        }
        await this.#tell(resource.id, name, origin)
        return answer
      })
    })
  }

  /** An action that its type knows nothing of, and that changes nothing of the resource. */
  answer<Result>(
    ref: ResourceRef,
    action: string,
    origin: Origin,
    work: () => Promise<Result>,
    needs: 'read' | 'write' = 'write',
  ): Promise<Result> {
    return this.#tellingFailure(ref, action, origin, async () => {
      if (needs === 'write') this.#checkUnlocked(ref, 'write')
      const answer = await work()
      await this.#tell(this.#canonicalId(ref), action, origin)
      return answer
    })
  }

  /** Changes nothing but the tags of a resource that has some. */
  retag(
    ref: ResourceRef,
    operation: 'write' | 'delete',
    decide: (before: Tags) => Tags,
    origin: Origin,
  ): Promise<{ readonly id: string; readonly tags: Tags }> {
    const { catalog, locks, clock, resourceEvents } = this.#options
    const resourceId = tagsId(this.#canonicalId(ref))
    const operationName = operationNameOf(resourceId, operation)
    return telling(resourceEvents, { origin, resourceId, operationName }, async () => {
      this.#checkNotDeleting(ref)
      return locks.hold(this.#holds(ref), async () => {
        this.#checkNotDeleting(ref)
        const { resource } = this.find(ref)
        this.#checkUnlocked(ref, 'write')
        const tags = decide(resource.tags ?? {})
        ref.type.envelope?.check(fields({ tags }, ''))
        await catalog.put({ ...resource, tags, changedAt: clock.now(), changedBy: origin.caller.name })
        return { id: resource.id, tags }
      })
    })
  }

  /**
   * Moves resources to another group, or says whether they could be.
   *
   * @param source the group that they are in
   * @param checkMake throws where the caller may not make such a resource there
   */
  move(
    source: ResourceRef,
    action: 'moveResources' | 'validateMoveResources',
    readBody: () => Promise<WireObject>,
    origin: Origin,
    checkMake: (resource: StoredResource) => void,
  ): Promise<void> {
    const { catalog, locks } = this.#options
    return this.answer(source, action, origin, async () => {
      const request = decodeMove(this.find(source).resource.id, await readBody())
      await locks.hold(moveHolds(request, catalog), async () => {
        const plan = planMove(request, this.#options)
        // A move makes resources where they go.
        for (const { to } of plan.moves) checkMake(to)
        if (action === 'moveResources') await this.#carryOut(plan, origin)
      })
    })
  }

  async #carryOut({ moves, gone }: MovePlan, origin: Origin): Promise<void> {
    const { catalog, refs } = this.#options
    for (const { from } of moves) this.#expirations.forget(from.id)
    try {
      await catalog.move(moves, gone)
    } finally {
      // Those that are where they are now, or still were.
      for (const { from, to } of moves) {
        const type = refs.typeNamed(to.type) as ResourceType
        const there = catalog.find(to.type, to.id) ? to : from
        this.#expirations.watch(type, there)
        const unique = type.unique?.(there)
        if (unique) this.#uniqueNames.set(unique.key, resourceKey(there.id))
      }
    }
    const along = withoutRequest(origin)
    const told = [
      ...moves.map(
        ({ to }) =>
          () =>
            this.#tell(to.id, 'write', along, { created: true }),
      ),
      ...[...moves.map(({ from }) => from), ...gone].map(
        ({ id }) =>
          () =>
            this.#tell(id, 'delete', along),
      ),
    ]
    for (let at = 0; at < told.length; at += toldTogether)
      await Promise.all(told.slice(at, at + toldTogether).map((tell) => tell()))
  }

  /** The resource, or the type's own 404. */
  find(ref: ResourceRef): VersionedResource {
    this.#checkGroup(ref)
    const found = this.#options.catalog.find(ref.type.type, ref.id)
    if (!found) throw this.notFound(ref)
    return found
  }

  notFound(ref: ResourceRef): Error {
    if (ref.type.notFound) return ref.type.notFound(ref.id)
    if (ref.group === undefined) return groupNotFound(ref.name)
    return resourceNotFound(ref.form, ref.name, ref.group)
  }

  // ------------------------------------------------------------ what is told of it

  /** Runs what was asked for; when it is refused, that is what became of it. Success is told of where it comes about. */
  async #tellingFailure<Result>(
    ref: ResourceRef,
    verb: string,
    origin: Origin,
    work: () => Promise<Result>,
  ): Promise<Result> {
    const created = this.#options.catalog.find(ref.type.type, ref.id) === undefined
    try {
      return await work()
    } catch (error) {
      const isNew = created && verb === 'write'
      await this.#tell(this.#canonicalId(ref), verb, origin, { status: 'Failed', created: isNew })
      throw error
    }
  }

  /** @param verb `write`, `delete`, or the registered name of an action */
  #tell(
    resourceId: string,
    verb: string,
    origin: Origin,
    more: Partial<Pick<EndedOperation, 'status' | 'created' | 'repeatKey'>> = {},
  ): Promise<void> {
    return this.#options.resourceEvents.ended({
      origin,
      resourceId,
      operationName: operationNameOf(resourceId, verb),
      status: 'Succeeded',
      ...more,
    })
  }

  /** The one spelling of a resource's id in events, whether it is there or not. */
  #canonicalId(ref: ResourceRef): string {
    const found = this.#options.catalog.find(ref.type.type, ref.id)
    return found?.resource.id ?? idOf(ref.type, this.#canonicalParentId(ref), ref.name)
  }

  // ------------------------------------------------------------ one write

  #write(
    ref: ResourceRef,
    origin: Origin,
    readBody: () => Promise<WireObject>,
    decide: (body: WireObject, found: VersionedResource | undefined) => Next,
  ): Promise<Written> {
    return this.#tellingFailure(ref, 'write', origin, async () => {
      const body = await readBody()
      return this.#store(ref, origin, (found) => decide(body, found))
    })
  }

  async #store(
    ref: ResourceRef,
    origin: Origin,
    decide: (found: VersionedResource | undefined) => Next,
  ): Promise<Written> {
    const { catalog, locks, operations, verifications, clock } = this.#options
    const { type } = ref
    const operationId = operations.newId()
    let handshake: Promise<void> | undefined
    // Asked before the locks too: a deletion holds them until it has ended.
    this.#checkNotDeleting(ref)
    const written = await locks.hold(this.#holds(ref), async () => {
      this.#checkNotDeleting(ref)
      this.#checkParents(ref)
      this.#checkUnlocked(ref, 'write')
      const found = catalog.find(type.type, ref.id)
      const missing = found ? [] : this.#missingCompanions(ref)
      const { resource, content, waits } = decide(found)
      const unique = type.unique?.(resource)
      const twin = type.twin?.make?.(resource, content, this.#twinContext())
      const put = async () => {
        for (const each of missing) await this.#make(each, ref, origin)
        if (found) await verifications.supersede(found.resource)
        const pending = waits ? verifications.prepare(operationId, origin, !found) : undefined
        if (waits) operations.run(operationId)
        const twinId = twin ? this.#twinId(twin) : resource.twinId
        const stored = await catalog.put({ ...resource, twinId, verification: pending })
        if (twin) await this.#putTwin(stored.resource, twin, origin)
        else await this.#reflect(type, stored.resource)
        if (!found) await this.#bring(type, stored.resource, origin)
        if (unique) this.#uniqueNames.set(unique.key, resourceKey(resource.id))
        this.#expirations.watch(type, stored.resource)
        if (waits) handshake = verifications.start(type, stored.resource)
        else await this.#tell(stored.resource.id, 'write', origin, { created: !found })
        return { created: !found, stored, operationId }
      }
      if (twin) return this.#besideTwin(ref, twin, put)
      if (!unique || found) return put()
      return locks.hold([{ key: unique.key, shared: false }], () => {
        if (this.#uniqueNames.has(unique.key)) throw unique.taken()
        return put()
      })
    })
    if (!handshake) return written
    await within(clock, answerWithinMs, handshake)
    const now = catalog.find(type.type, ref.id) ?? written.stored
    this.#expirations.watch(type, now.resource)
    return { ...written, stored: now }
  }

  #next(ref: ResourceRef, before: StoredResource | undefined, wanted: Wanted, { caller }: Origin): Next {
    const { catalog, clock, capabilities, tenantId } = this.#options
    const { type } = ref
    const { name, location, tags, identity, topLevel, properties, patching, automatic } = wanted
    if (!before) {
      if (!automatic) checkName(type, name)
    } else if (location !== before.location) throw elsewhere(ref, before, location)
    const parent = this.#parentOf(ref)
    const parentId = this.#canonicalParentId(ref)
    if (type.builtIns?.some((each) => each.name.toLowerCase() === name.toLowerCase()))
      throw isBuiltIn(idOf(type, parentId, name))
    const quota = before ? undefined : type.quota?.(capabilities, parent)
    if (
      quota !== undefined &&
      catalog.count(type.type, prefixOf(type, parentId)) - (type.builtIns?.length ?? 0) >= quota
    )
      throw quotaReached(type.type, parentId, quota)
    const now = clock.now()
    const known = before && catalog.unseal(before, before)
    const { stored: view } = catalog
    const context = {
      ...{ now, capabilities, name, tenantId, parentId, parent, stored: view },
      ...{ location, before: known, patching },
    }
    const content = type.decode(properties, context)
    const uid = before?.uid ?? newGuid()
    const stored = catalog.seal(uid, content)
    const waits = this.#mustVerify(type, before, content)
    const resource = {
      id: idOf(type, parentId, name),
      type: type.type,
      name,
      parentId,
      uid,
      location,
      tags,
      identity,
      topLevel,
      ...stored,
      provisioningState: stateOf(type, waits, before),
      twinId: before?.twinId,
      // What somebody has written is no longer the provider's own.
      automatic: automatic ?? (type.generic ? undefined : before?.automatic),
      createdAt: before?.createdAt ?? now,
      createdBy: before?.createdBy ?? caller.name,
      changedAt: now,
      changedBy: caller.name,
      live: type.verification && (waits ? before?.live : stored),
    }
    return { resource, content, waits }
  }

  #mustVerify(type: ResourceType, before: StoredResource | undefined, next: Content): boolean {
    if (!type.verification || type.verification.applies?.(next) === false) return false
    if (!before?.live) return true
    return type.verification.needed(this.#options.catalog.unseal(before, before.live), next)
  }

  #identity(
    from: ReturnType<typeof fields>,
    before: StoredResource | undefined,
    patching: boolean,
  ): Identity | undefined {
    const { catalog, tenantId } = this.#options
    const known = (id: string) => catalog.find(identityType, id)?.resource.properties
    return decodeIdentity(from, before?.identity, { tenantId, patching, known })
  }

  // ------------------------------------------------------------ what must be there

  #holds({ type, id, parentId }: ResourceRef | TypedResource): readonly Hold[] {
    if (type.scope === 'subscription') return [{ key: resourceKey(id), shared: false }]
    const together = type.together === undefined ? [] : [{ key: type.together, shared: false }]
    const known = type.speaksFor && this.#options.catalog.find(type.type, id)?.resource
    const spokenFor = known ? [companionHold(type.speaksFor(known))] : []
    return [...together, ...spokenFor, ...holdsFor(id, parentId, hasCompanion(type, parentId))]
  }

  #groupOf({ group, parentId }: ResourceRef): StoredResource | undefined {
    if (group === undefined) return undefined
    const id = /^\/subscriptions\/[^/]+\/resourceGroups\/[^/]+/i.exec(parentId)?.[0] as string
    return this.#options.catalog.find(groupType, id)?.resource
  }

  #checkGroup(ref: ResourceRef): void {
    if (ref.group !== undefined && !this.#groupOf(ref)) throw groupNotFound(ref.group)
  }

  #checkNotDeleting(ref: ResourceRef): void {
    const { type, id } = ref
    for (const each of [this.#options.catalog.find(type.type, id)?.resource, this.#groupOf(ref)])
      if (each?.deletion) throw groupBeingDeleted(each.name)
  }

  /** A lock does not keep itself, or another, from being taken away. */
  #checkUnlocked(ref: ResourceRef, operation: 'write' | 'delete'): void {
    if (ref.type !== managementLocks) checkUnlocked(this.#options.catalog, this.#canonicalId(ref), operation)
  }

  /** What a resource lives in must be there, as far as its types are on the shelf. */
  #checkParents(ref: ResourceRef): void {
    this.#checkGroup(ref)
    const { catalog, refs } = this.#options
    const levels = levelsOf(ref.parentId)
    const needed = hasCompanion(ref.type, ref.parentId) ? levels.slice(0, -1) : levels
    for (const { id } of needed) {
      const type = refs.typeOf(id)
      if (!type || catalog.find(type.type, id)) continue
      // What providers make of their own accord, such as a storage account's blob service, is not stored here.
      const { within: between } = ref.type
      const isNamed = isSameType(between?.name, nameInId(id)) && id === ref.parentId
      const isMadeByItself = type.generic && type.scope === 'child' && (ref.type.generic || isNamed)
      if (isMadeByItself || (type.generic && ref.type.extension?.onUnlisted)) continue
      throw parentNotFound(ref.form, id)
    }
  }

  #parentOf({ parentId }: ResourceRef): StoredResource | undefined {
    const type = this.#options.refs.typeOf(parentId)
    return type && this.#options.catalog.find(type.type, parentId)?.resource
  }

  /** With the casing of names that whatever is stored of it was given. */
  #canonicalParentId({ parentId }: ResourceRef): string {
    const { catalog, refs } = this.#options
    for (const { id } of levelsOf(parentId).toReversed()) {
      const type = refs.typeOf(id)
      const found = type && catalog.find(type.type, id)
      if (found) return found.resource.id + parentId.slice(id.length)
    }
    return parentId
  }

  // ------------------------------------------------------------ companions

  #missingCompanions({ type, parentId }: ResourceRef): readonly NewResource[] {
    const { catalog, capabilities } = this.#options
    if (!type.companion || !hasCompanion(type, parentId)) return []
    const missing = type.companion.missing(parentId, catalog.stored, capabilities)
    for (const each of missing) if (!each.isNameGenerated) checkName(this.#typeNamed(each.type), each.name)
    return missing
  }

  /** @param beside the resource that it comes with, whose locks are held */
  #make(fresh: NewResource, beside: ResourceRef, origin: Origin): Promise<void> {
    const { catalog, locks, refs, types } = this.#options
    const type = types.find((each) => each.type === fresh.type) as ResourceType
    const ref = refs.of(type, fresh.parentId, fresh.name)
    const make = async () => {
      if (catalog.find(type.type, ref.id)) return
      if (type.scope === 'group') this.#checkHome(fresh.parentId)
      const { name, location, properties } = fresh
      const envelope = { location, tags: undefined, identity: undefined }
      const wanted = { ...envelope, name, properties, patching: false, automatic: true } as const
      const { resource } = this.#next(ref, undefined, wanted, origin)
      const unique = type.unique?.(resource)
      if (unique && this.#uniqueNames.has(unique.key)) return
      await catalog.put(resource)
      if (unique) this.#uniqueNames.set(unique.key, resourceKey(resource.id))
      await this.#tell(resource.id, 'write', withoutRequest(origin), { created: true })
    }
    const hold = (key: string, shared: boolean, work: () => Promise<void>) =>
      locks.hold([{ key, shared }], work)
    if (type.scope === 'subscription') return hold(resourceKey(ref.id), false, make)
    if (type.scope !== 'group') return make()
    const key = type.unique?.({ ...fresh, location: fresh.location }).key ?? resourceKey(ref.id)
    const alone = () => hold(key, false, make)
    return ref.group === beside.group ? alone() : hold(resourceKey(fresh.parentId), true, alone)
  }

  /** What the provider makes in a new resource of its own accord. The locks of the resource are held. */
  async #bring({ brings = [] }: ResourceType, { id }: StoredResource, origin: Origin): Promise<void> {
    const { catalog, refs } = this.#options
    for (const { type: name, name: childName, properties } of brings) {
      const ref = refs.of(this.#typeNamed(name), id, childName)
      if (catalog.find(ref.type.type, ref.id)) continue
      const envelope = { location: undefined, tags: undefined, identity: undefined }
      const wanted = { ...envelope, name: childName, properties, patching: false, automatic: true } as const
      await catalog.put(this.#next(ref, undefined, wanted, origin).resource)
    }
  }

  /** The group that a resource is put into by the server; what was there a moment ago may be on its way out. */
  #checkHome(groupId: string): void {
    const group = this.#options.catalog.find(groupType, groupId)?.resource
    if (!group || group.deletion) throw groupBeingDeleted(nameInId(groupId))
  }

  #mayHaveSystemTopic({ generic, type }: ResourceType): boolean {
    return generic === true || this.#options.types.some(({ companion }) => companion?.on(type) === true)
  }

  /** The system topic that came with the event subscriptions on a resource which is gone, and they with it. */
  async #removeOutlivedOf(sourceId: string, origin: Origin): Promise<void> {
    for (const type of this.#options.types)
      if (type.companion) await this.#removeOutlived(type, { parentId: sourceId }, origin)
  }

  /** Called with the locks of a resource that has just been removed. */
  async #removeOutlived(
    { companion }: ResourceType,
    { parentId }: Pick<StoredResource, 'parentId'>,
    from: Origin,
  ): Promise<void> {
    const { catalog, locks } = this.#options
    const origin = withoutRequest(from)
    const outlived = companion?.outlived(parentId, catalog.stored)
    if (!outlived) return
    const key = resourceKey(outlived.id)
    // What it stood on is held already.
    if (levelsOf(resourceKey(parentId)).some(({ id }) => id === key)) {
      await this.#removeWithChildren(outlived, origin)
      return
    }
    const group = groupIdIn(outlived.parentId) ?? ''
    const isInSameGroup = resourceKey(group) === resourceKey(groupIdIn(parentId) ?? '')
    const above = isInSameGroup ? [] : [{ key: resourceKey(group), shared: true }]
    await locks.hold([...above, { key, shared: false }], async () => {
      const again = companion?.outlived(parentId, catalog.stored)
      if (again?.uid === outlived.uid) await this.#removeWithChildren(again, origin)
    })
  }

  // ------------------------------------------------------------ twins

  #twinContext() {
    const { catalog, clock } = this.#options
    return {
      stored: catalog.stored,
      now: clock.now(),
      unseal: (resource: StoredResource) => catalog.unseal(resource, resource),
    }
  }

  #typeNamed(name: string): ResourceType {
    return this.#options.refs.typeNamed(name) as ResourceType
  }

  #twinId({ type, parentId, name }: Twin): string {
    return idOf(this.#typeNamed(type), parentId, name)
  }

  /** The twin's group has to be there, and to stay while the twin is put. */
  #besideTwin<Result>(ref: ResourceRef, { parentId }: Twin, work: () => Promise<Result>): Promise<Result> {
    const { catalog, locks, types } = this.#options
    const groups = types.find(({ scope }) => scope === 'subscription') as ResourceType
    const check = () => {
      const group = catalog.find(groups.type, parentId)?.resource
      if (!group) throw groupNotFound(nameInId(parentId))
      if (group.deletion) throw groupBeingDeleted(group.name)
      return work()
    }
    if (resourceKey(parentId) === resourceKey(groupIdIn(ref.parentId) ?? '')) return check()
    return locks.hold([{ key: resourceKey(parentId), shared: true }], async () => check())
  }

  async #putTwin(maker: StoredResource, twin: Twin, origin: Origin): Promise<void> {
    const { catalog } = this.#options
    const type = this.#typeNamed(twin.type)
    const before = catalog.find(type.type, this.#twinId(twin))?.resource
    const uid = before?.uid ?? newGuid()
    const stored = await catalog.put({
      id: before?.id ?? this.#twinId(twin),
      type: type.type,
      name: before?.name ?? twin.name,
      parentId: before?.parentId ?? twin.parentId,
      uid,
      location: before?.location ?? twin.location,
      tags: before?.tags,
      identity: before?.identity,
      ...catalog.seal(uid, twin.content),
      provisioningState: 'Succeeded',
      twinId: maker.id,
      createdAt: before?.createdAt ?? maker.changedAt,
      createdBy: before?.createdBy ?? maker.changedBy,
      changedAt: maker.changedAt,
      changedBy: maker.changedBy,
    })
    this.#expirations.watch(type, stored.resource)
    await this.#tell(stored.resource.id, 'write', withoutRequest(origin), { created: !before })
  }

  /** Tells the twin of a resource what became of it. The locks of the resource are held, and so are its twin's. */
  async #reflect(type: ResourceType, resource: StoredResource, isGone = false): Promise<void> {
    const { catalog, refs } = this.#options
    const twinType = resource.twinId === undefined ? undefined : refs.typeOf(resource.twinId)
    const twin = twinType && catalog.find(twinType.type, resource.twinId as string)?.resource
    const next = twin && type.twin?.reflect(twin, isGone ? undefined : resource)
    if (!next || !twinType) return
    await catalog.put(next)
    this.#expirations.watch(twinType, next)
  }

  /** Takes up what a crash left between the writes of a resource and of its twin: one of the two knows of the other. */
  async #mendTwins(): Promise<void> {
    const { catalog, locks, types } = this.#options
    for (const type of types)
      if (type.twin)
        for (const { resource } of [...catalog.below(type.type, '')])
          if (resource.twinId !== undefined)
            await locks.hold(this.#holds({ ...resource, type }), () => this.#mendTwin(type, resource.id))
  }

  async #mendTwin(type: ResourceType, id: string): Promise<void> {
    const { catalog, refs, tenantId } = this.#options
    const resource = catalog.find(type.type, id)?.resource
    const twinType = resource?.twinId === undefined ? undefined : refs.typeOf(resource.twinId)
    if (!resource || !twinType) return
    const other = catalog.find(twinType.type, resource.twinId as string)?.resource
    if (other && resourceKey(other.twinId ?? '') === resourceKey(resource.id)) return
    if (other && other.twinId === undefined) {
      // It was about to be let go of, and was not.
      await catalog.put({ ...other, twinId: resource.id, provisioningState: 'Succeeded' })
      return
    }
    const missing = other ? undefined : this.#twinToMake(type, resource)
    if (missing) return this.#putTwin(resource, missing, eventGridsOwn(tenantId))
    const alone = twinType.twin?.reflect(resource, undefined)
    if (alone) await catalog.put(alone)
  }

  /** What a write was about to make; undefined where it may be made no more. */
  #twinToMake(type: ResourceType, resource: StoredResource): Twin | undefined {
    const { catalog } = this.#options
    try {
      const twin = type.twin?.make?.(resource, catalog.unseal(resource, resource), this.#twinContext())
      return twin && catalog.find(groupType, twin.parentId) ? twin : undefined
    } catch (error) {
      if (error instanceof RequestError) return undefined
      throw error
    }
  }

  // ------------------------------------------------------------ deletes

  /** Those of which there are resources, children before what they are part of. */
  #genericTypes(): readonly ResourceType[] {
    const { catalog, refs } = this.#options
    return [...catalog.types()]
      .flatMap((name) => refs.typeNamed(name) ?? [])
      .filter((type) => type.generic)
      .toSorted((one, other) => other.type.split('/').length - one.type.split('/').length)
  }

  /**
   * Removes a resource and everything whose id begins with its own, the innermost first; each is told of.
   *
   * @param repeatKey where a restart goes on with it: what it has told of then is told of before it is gone, and
   * again after a crash in between, with the same id
   */
  async #removeWithChildren(resource: StoredResource, origin: Origin, repeatKey?: string): Promise<void> {
    const { catalog, locks, types } = this.#options
    const children = [...types.toReversed(), ...this.#genericTypes()]
      .flatMap((type) => [...catalog.below(type.type, `${resource.id}/`)])
      .map((child) => child.resource)
    const spokenFor = this.#spokenFor(resource)
    const holds = spokenFor.map(({ id }) => ({ key: resourceKey(id), shared: false }))
    const all = [...spokenFor, ...children, resource]
    await locks.hold(holds, () => this.#removeAll(all, origin, repeatKey))
  }

  /** What stands on that which the resource speaks for, and has it as its companion. */
  #spokenFor(resource: StoredResource): readonly StoredResource[] {
    const { catalog, types } = this.#options
    const source = this.#typeNamed(resource.type).speaksFor?.(resource)
    if (source === undefined || catalog.stored.systemTopicOf(source)?.id !== resource.id) return []
    return types
      .filter((type) => hasCompanion(type, source))
      .flatMap((type) => [...catalog.below(type.type, prefixOf(type, source))])
      .map((each) => each.resource)
  }

  /** @param all the innermost first */
  async #removeAll(all: readonly StoredResource[], origin: Origin, repeatKey?: string): Promise<void> {
    const { catalog, refs, verifications } = this.#options
    for (const each of all) {
      if (each.verification || each.untold) await verifications.supersede(each)
      this.#expirations.forget(each.id)
    }
    const made = all.filter(({ builtIn }) => !builtIn)
    if (repeatKey !== undefined) await this.#tellRemoved(made, origin, repeatKey)
    const typeOf = ({ type }: StoredResource) => refs.typeNamed(type)
    for (const each of all) {
      const type = typeOf(each)
      // First, so that one whose twin is missing is known to be one whose twin was never made.
      if (type?.twin) await this.#reflect(type, each, true)
    }
    await catalog.remove(all)
    for (const each of all) {
      const type = typeOf(each)
      const unique = type?.unique?.(each)
      if (unique && this.#uniqueNames.get(unique.key) === resourceKey(each.id))
        this.#uniqueNames.delete(unique.key)
    }
    if (repeatKey === undefined) await this.#tellRemoved(made, origin)
  }

  /** @param all the one that was asked for comes last */
  async #tellRemoved(removed: readonly StoredResource[], origin: Origin, repeatKey?: string): Promise<void> {
    // Nobody was told that they came.
    const all = removed.filter(
      ({ type, automatic }) => !automatic || !this.#options.refs.typeNamed(type)?.generic,
    )
    const along = withoutRequest(origin)
    for (let at = 0; at < all.length; at += toldTogether)
      await Promise.all(
        all.slice(at, at + toldTogether).map(({ id, uid }, n) =>
          this.#tell(id, 'delete', at + n === all.length - 1 ? origin : along, {
            repeatKey: repeatKey && `${repeatKey} ${uid}`,
          }),
        ),
      )
  }

  /** Deletes everything in a group and then the group; its operation ends with it. */
  #emptyGroup(type: ResourceType, group: StoredResource, { operationId, origin }: Deletion): Promise<void> {
    const { catalog, locks, operations, types, onGroupGone, log, tenantId } = this.#options
    const from = origin ?? eventGridsOwn(tenantId)
    const empty = async () => {
      // Its own resources first, which take what stands on them along; then what stands on the group, and on
      // resources of other providers.
      const all = [...types, ...this.#genericTypes()]
      const members = ['group', 'extension'].flatMap((scope) => all.filter((each) => each.scope === scope))
      for (const member of members)
        for (const { resource } of [...catalog.below(member.type, `${group.id}/`)])
          await locks.hold(this.#holds({ ...resource, type: member }), () =>
            this.#removeWithChildren(resource, withoutRequest(from), operationId),
          )
      await onGroupGone(group.id)
      await locks.hold([{ key: resourceKey(group.id), shared: false }], () =>
        this.#removeWithChildren(group, from, operationId),
      )
      operations.succeed(operationId)
    }
    const key = resourceKey(group.id)
    const ended = empty()
      .catch((error: unknown) => {
        // The group stays `Deleting`, and the next start goes on with it.
        log.error(
          { error, id: group.id, type: type.type },
          'A resource group could not be deleted to its end.',
        )
      })
      .finally(() => this.#deleting.delete(key))
    this.#deleting.set(key, ended)
    return ended
  }

  #expire(type: ResourceType, id: string, uid: string): void {
    const { catalog, locks, log, tenantId } = this.#options
    const parentId = catalog.find(type.type, id)?.resource.parentId
    if (parentId === undefined) return
    locks
      .hold(this.#holds({ type, id, parentId }), async () => {
        const resource = catalog.find(type.type, id)?.resource
        if (resource?.uid !== uid) return
        const origin = eventGridsOwn(tenantId)
        await this.#removeWithChildren(resource, origin, 'expired')
        await this.#removeOutlived(type, resource, origin)
      })
      .catch((error: unknown) => log.error({ error, id }, 'An expired resource could not be removed.'))
  }
}

/** What a body has of the members that its type keeps as they come. */
function membersOf({ topLevel }: ResourceType, from: ReturnType<typeof fields>): WireObject | undefined {
  if (!topLevel) return undefined
  const given = topLevel.map((name) => [name, from.raw(name)] as const)
  return Object.fromEntries(given.filter(([, value]) => value !== undefined))
}

function hasCompanion({ companion }: ResourceType, parentId: string): boolean {
  const parentType = companion && levelsOf(parentId).at(-1)?.type
  return parentType !== undefined && companion?.on(parentType) === true
}

function stateOf(
  { twin }: ResourceType,
  waits: boolean,
  before: StoredResource | undefined,
): ProvisioningState {
  // Only whoever makes the twin wakes it up.
  if (twin && !twin.make && before?.provisioningState.startsWith('Idle')) return before.provisioningState
  if (!waits) return 'Succeeded'
  return before ? 'Updating' : 'Creating'
}

function elsewhere(ref: ResourceRef, before: StoredResource, location: string | undefined): Error {
  if (ref.type.scope === 'subscription')
    return gatewayError(
      409,
      'InvalidResourceGroupLocation',
      `Invalid resource group location '${location}'. The Resource group already exists in location '${before.location}'.`,
    )
  return gatewayError(
    409,
    'InvalidResourceLocation',
    `The resource '${before.name}' already exists in location '${before.location}' in resource group '${ref.group}'. A resource with the same name cannot be created in location '${location}'. Please select a new resource name.`,
  )
}

function checkName(type: ResourceType, name: string): void {
  if (!type.name.pattern.test(name))
    throw type.scope === 'subscription'
      ? gatewayError(
          400,
          'InvalidResourceName',
          `The resource group name '${name}' must be ${type.name.rule}.`,
        )
      : invalidRequest(
          `The name '${name}' of a resource of type '${type.type}' must be ${type.name.rule}.`,
          'name',
        )
  const reserved = type.reservedPrefixes.find((prefix) => name.toLowerCase().startsWith(prefix.toLowerCase()))
  if (reserved !== undefined)
    throw invalidRequest(`The name '${name}' begins with the reserved word '${reserved}'.`, 'name')
}

/** Source: RFC 9110, section 13.1. Some clients wrap the tag in other text, so that it is looked for within. */
const matches = (condition: string, { resource, version }: VersionedResource) =>
  condition.trim() === '*' ||
  condition.includes(etagOf(version).slice(1, -1)) ||
  condition.includes(bodyEtagOf(resource))

function checkPreconditions(
  { ifMatch, ifNoneMatch }: Preconditions,
  found: VersionedResource | undefined,
): void {
  if (ifMatch !== undefined && (!found || !matches(ifMatch, found))) throw preconditionFailed()
  if (ifNoneMatch !== undefined && found && matches(ifNoneMatch, found)) throw preconditionFailed()
}
