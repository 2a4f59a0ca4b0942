import { assert } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import { guidOf } from '../base/ids.ts'
import type { Log } from '../base/log.ts'
import type { Sealer } from '../base/sealer.ts'
import { channels } from '../resources/channels.ts'
import { customRoles } from '../resources/custom-roles.ts'
import { eventSubscriptions } from '../resources/event-subscriptions/event-subscriptions.ts'
import { isGenericExtension } from '../resources/generic-providers.ts'
import { hubCertificates } from '../resources/hub-certificates.ts'
import { hubConsumerGroups } from '../resources/hub-consumer-groups.ts'
import { resourceTypes } from '../resources/index.ts'
import { iotHubs } from '../resources/iot-hubs.ts'
import { namespaceEventSubscriptions } from '../resources/namespace-event-subscriptions.ts'
import { namespaceTopics } from '../resources/namespace-topics.ts'
import { namespaces } from '../resources/namespaces.ts'
import { partnerDestinations } from '../resources/partner-destinations.ts'
import { partnerTopics } from '../resources/partner-topics.ts'
import type {
  Content,
  ResourceType,
  StoredContent,
  StoredResource,
  StoredResources,
} from '../resources/resource-type.ts'
import { roleAssignments } from '../resources/role-assignments.ts'
import { type SystemTopicProperties, systemTopics } from '../resources/system-topics.ts'
import { topicEndpointHosts } from '../resources/topic-endpoint.ts'
import { topicTypeOfType } from '../resources/topic-type.ts'
import type { Records } from '../store/store.ts'
import { levelsOf, typeOfId } from '../wire/arm-id.ts'
import { RoleAccess } from './access.ts'
import type {
  Catalog,
  CatalogChange,
  CatalogListener,
  EventSubscription,
  SystemTopic,
  Topic,
} from './catalog.ts'
import { decodeEventSubscription } from './event-subscription.ts'
import { Identities, identityType } from './identities.ts'
import { decodeIotHub, IotHubs } from './iot-hub.ts'
import { MqttAccess, mqttTypes } from './mqtt-access.ts'
import {
  decodeNamespace,
  decodeNamespaceEventSubscription,
  decodeNamespaceTopic,
  Namespaces,
} from './namespace.ts'
import { Partners } from './partners.ts'
import { RoleGrants } from './role-grants.ts'
import { SortedMap } from './sorted-map.ts'
import { decodeTopic, endpoints } from './topic.ts'

/*
 * Every stored resource, in memory and in the records. `put` and `remove` resolve when the change is durable and
 * every listener has taken it in. Callers see to it that writes of one resource follow each other.
 */

/** A resource with the version of its record. */
export interface VersionedResource {
  readonly resource: StoredResource
  readonly version: number
}

/** A resource as it is and as it is to be, with another id and the same uid. */
export interface Move {
  readonly from: StoredResource
  readonly to: StoredResource
}

export interface StoredCatalogOptions {
  readonly records: Records
  readonly sealer: Sealer
  readonly clock: Clock
  readonly log: Log
}

/** Everything about resources is kept under this key prefix; the rest of a key is the id in lower case. */
const recordPrefix = 'resource'

/** How many records are deleted at the same time; the engine commits them together. */
const deletesTogether = 64

/** Topics of which it is remembered that they moved: events on their way know them by the id that they had. */
const rememberedMoves = 1_000

/** A resource's place in every map: its id, whose letter case means nothing. */
export const resourceKey = (id: string): string => id.toLowerCase()

/** Loads every resource; rejects when a record cannot be read with this key file. */
export async function openCatalog(options: StoredCatalogOptions): Promise<StoredCatalog> {
  const catalog = new StoredCatalog(options)
  await catalog.load()
  return catalog
}

export class StoredCatalog implements Catalog {
  readonly #records: Records
  readonly #sealer: Sealer
  readonly #clock: Clock
  readonly #log: Log
  readonly #listeners: CatalogListener[] = []
  readonly #byType = new Map<string, SortedMap<VersionedResource>>()
  /** By the type in lower case. */
  readonly #typeCasing = new Map<string, string>()
  readonly #topics = new Map<string, Topic>()
  /** By lower-case path of the path-based endpoint, without a trailing slash. */
  readonly #topicsByPath = new Map<string, Topic>()
  /** By lower-case host name of the host-based endpoints. */
  readonly #topicsByHost = new Map<string, Topic>()
  readonly #systemTopics = new Map<string, SystemTopic>()
  /** By their source and topic type; see `sourceKey`. */
  readonly #systemTopicsBySource = new Map<string, SystemTopic>()
  readonly partners = new Partners()
  readonly mqtt = new MqttAccess()
  readonly iotHubs = new IotHubs()
  readonly namespaces = new Namespaces()
  readonly identities = new Identities()
  readonly #eventSubscriptions = new Map<string, EventSubscription>()
  readonly #ofTopic = new Map<string, TopicSubscriptions>()
  readonly #grants = new RoleGrants()
  /** What callers of the control plane may do. */
  readonly access = new RoleAccess(this.#grants)
  /** Of topics that have moved: where they are by now, by the id that they had. */
  readonly #moved = new Map<string, string>()

  constructor({ records, sealer, clock, log }: StoredCatalogOptions) {
    this.#records = records
    this.#sealer = sealer
    this.#clock = clock
    this.#log = log
  }

  async load(): Promise<void> {
    for (const { value, version } of await this.#records.list(`${recordPrefix}/`))
      this.#place({ resource: value as StoredResource, version })
    await this.#removeOrphans()
  }

  // ------------------------------------------------------------ what the data plane reads

  topic(id: string): Topic | undefined {
    return this.#topics.get(resourceKey(id))
  }

  topics(): Iterable<Topic> {
    return this.#topics.values()
  }

  topicByEndpoint(host: string, path: string): Topic | undefined {
    const lower = path.toLowerCase()
    const end = lower.endsWith('/') ? lower.length - 1 : lower.length
    const exact = end === lower.length ? lower : lower.slice(0, end)
    const byPath = this.#topicsByPath.get(exact)
    if (byPath !== undefined || exact !== '/api/events') return byPath
    const colon = host.indexOf(':')
    return this.#topicsByHost.get((colon < 0 ? host : host.slice(0, colon)).toLowerCase())
  }

  movedTo(id: string): string | undefined {
    return this.#moved.size === 0 ? undefined : this.#moved.get(resourceKey(id))
  }

  systemTopic(id: string): SystemTopic | undefined {
    return this.#systemTopics.get(resourceKey(id))
  }

  systemTopicOf(sourceId: string, topicType: string): SystemTopic | undefined {
    return this.#systemTopicsBySource.get(sourceKey(sourceId, topicType))
  }

  eventSubscriptions(): Iterable<EventSubscription> {
    return this.#eventSubscriptions.values()
  }

  eventSubscriptionsOf(topicId: string): readonly EventSubscription[] {
    return this.#ofTopic.get(resourceKey(topicId))?.list() ?? []
  }

  permits(principalIds: readonly string[], dataAction: string, resourceId: string): boolean {
    return principalIds.some((principalId) => this.#grants.permits(principalId, dataAction, resourceId))
  }

  onChange(listener: CatalogListener): void {
    this.#listeners.push(listener)
  }

  // ------------------------------------------------------------ what the control plane reads and writes

  /** By id in any letter case; of a type that is not on the shelf, by the type in any letter case too. */
  find(type: string, id: string): VersionedResource | undefined {
    return (this.#byType.get(type) ?? this.#byType.get(this.typeLike(type) ?? ''))?.get(resourceKey(id))
  }

  /** The casing under which resources of a type are stored; undefined when there are none. */
  typeLike(type: string): string | undefined {
    return this.#typeCasing.get(type.toLowerCase())
  }

  /** The types of which resources are stored, in any order. */
  types(): Iterable<string> {
    return this.#byType.keys()
  }

  /** Resources of a type whose id begins with `scope`, in the order of their keys, after the key `after`. */
  below(type: string, scope: string, after?: string): Iterable<VersionedResource> {
    return this.#byType.get(type)?.below(resourceKey(scope), after) ?? []
  }

  /** How many resources of a type have an id that begins with `prefix`. */
  count(type: string, prefix: string): number {
    return this.#byType.get(type)?.count(resourceKey(prefix)) ?? 0
  }

  /** The same for the shelf's rules. */
  readonly stored: StoredResources = {
    find: (type, id) => this.find(type, id)?.resource,
    below: (type, prefix) => resourcesOf(this.below(type, prefix)),
    count: (type, prefix) => this.count(type, prefix),
    systemTopicOf: (sourceId) => {
      const id = this.systemTopicOf(sourceId, topicTypeOfType(typeOfId(sourceId) ?? ''))?.id
      return id === undefined ? undefined : this.find(systemTopics.type, id)?.resource
    },
  }

  /** The content with its secrets in the clear. */
  unseal({ id, uid }: StoredResource, { properties, sealed }: StoredContent): Content {
    if (sealed === undefined) return { properties, secrets: {} }
    try {
      const secrets = JSON.parse(this.#sealer.unseal(sealed, uid)) as Content['secrets']
      return { properties, secrets }
    } catch (cause) {
      throw new Error(`The secrets of ${id} cannot be read with the key file that was given.`, { cause })
    }
  }

  /** @param uid of the resource that the content belongs to */
  seal(uid: string, { properties, secrets }: Content): StoredContent {
    if (Object.keys(secrets).length === 0) return { properties }
    return { properties, sealed: this.#sealer.seal(JSON.stringify(secrets), uid) }
  }

  async put(resource: StoredResource): Promise<VersionedResource> {
    const key = resourceKey(resource.id)
    const known = this.#byType.get(resource.type)?.get(key)?.version ?? 0
    const version = await this.#records.put(recordPrefix + key, resource, known)
    const versioned = { resource, version }
    await this.#announce([this.#place(versioned)])
    return versioned
  }

  /** Deletes all of them, children first in the caller's order; listeners are told once. */
  async remove(resources: readonly StoredResource[]): Promise<void> {
    for (let at = 0; at < resources.length; at += deletesTogether)
      await Promise.all(
        resources
          .slice(at, at + deletesTogether)
          .filter(({ builtIn }) => !builtIn)
          .map((resource) => this.#records.delete(recordPrefix + resourceKey(resource.id))),
      )
    await this.#announce(resources.map((resource) => this.#forget(resource)))
  }

  /**
   * Gives resources other ids, all of them or none, in one turn of the event loop: an event finds all as they were
   * before, or all as they are now.
   *
   * @param gone what does not move with them
   */
  async move(moves: readonly Move[], gone: readonly StoredResource[]): Promise<void> {
    const keyOf = ({ id }: StoredResource) => recordPrefix + resourceKey(id)
    const deleted = [...moves.map(({ from }) => from), ...gone]
    const versions = await this.#records.write([
      ...moves.map(({ to }) => ({ key: keyOf(to), value: to, expected: 0 })),
      ...deleted.map((resource) => ({ key: keyOf(resource), value: undefined })),
    ])
    const left = deleted.map((resource) => this.#forget(resource))
    const arrived = moves.map(({ to }, n) => this.#place({ resource: to, version: versions[n] as number }))
    for (const { from, to } of moves) if (endpoints[from.type]) this.#remember(from.id, to.id)
    const before = new Map(
      left.flatMap(({ eventSubscriptions: each }) => each.map((one) => [one.uid, one.before] as const)),
    )
    await this.#tell({
      topics: [...left, ...arrived].flatMap((each) => each.topics),
      eventSubscriptions: arrived.flatMap(({ eventSubscriptions: each }) =>
        each.map(({ uid, after }) => ({ uid, before: before.get(uid), after })),
      ),
    })
  }

  #remember(from: string, to: string): void {
    const key = resourceKey(from)
    this.#moved.delete(resourceKey(to))
    for (const [known, id] of this.#moved) if (resourceKey(id) === key) this.#moved.set(known, to)
    this.#moved.set(key, to)
    if (this.#moved.size > rememberedMoves) {
      const [oldest = ''] = this.#moved.keys()
      this.#moved.delete(oldest)
    }
  }

  // ------------------------------------------------------------ keeping the typed values

  #place(versioned: VersionedResource): CatalogChange {
    const { resource } = versioned
    let resources = this.#byType.get(resource.type)
    if (!resources) {
      this.#byType.set(resource.type, (resources = new SortedMap()))
      this.#typeCasing.set(resource.type.toLowerCase(), resource.type)
    }
    resources.set(resourceKey(resource.id), versioned)
    for (const builtIn of builtInsOf(resource)) this.#place({ resource: builtIn, version: 0 })
    if (endpoints[resource.type]) return this.#placeTopic(resource)
    if (resource.type === systemTopics.type) return this.#placeSystemTopic(resource)
    if (partnerTypes.has(resource.type)) this.partners.place(resource, this.unseal(resource, resource))
    if (mqttTypes.has(resource.type)) return { ...nothing, mqtt: [this.mqtt.place(resource)] }
    if (resource.type === eventSubscriptions.type)
      return this.#placeEventSubscription(resource, this.#inForce(resource))
    if (resource.type === iotHubs.type)
      this.iotHubs.place(decodeIotHub(resource, this.unseal(resource, resource)))
    if (resource.type === hubCertificates.type) this.iotHubs.placeCertificate(resource)
    if (resource.type === hubConsumerGroups.type) this.iotHubs.placeGroup(resource)
    if (resource.type === namespaces.type) return this.#placeNamespace(resource)
    if (resource.type === namespaceTopics.type) return this.#placeNamespaceTopic(resource)
    if (resource.type === namespaceEventSubscriptions.type)
      return this.#placeEventSubscription(resource, this.#inForce(resource))
    if (resource.type === roleAssignments.type) this.#grants.put(resource)
    else if (resource.type === customRoles.type) this.#grants.putRole(resource)
    else if (resource.type === identityType) this.identities.put(resource)
    else return nothing
    return { ...nothing, grants: true }
  }

  /** What is to receive events: verified, and not past its time, as it may be at a start. */
  #inForce(resource: StoredResource): EventSubscription | undefined {
    if (!resource.live) return undefined
    const decoded = this.#decodeEventSubscription(resource, this.unseal(resource, resource.live))
    return decoded.expiresAt === undefined || decoded.expiresAt > this.#clock.now() ? decoded : undefined
  }

  #decodeEventSubscription(resource: StoredResource, live: Content): EventSubscription {
    if (resource.type === eventSubscriptions.type) return decodeEventSubscription(resource, live)
    const topic = this.namespaces.topic(resource.parentId)
    return decodeNamespaceEventSubscription(resource, live, topic?.retentionMs ?? Number.POSITIVE_INFINITY)
  }

  #forget(resource: StoredResource): CatalogChange {
    const resources = this.#byType.get(resource.type)
    resources?.delete(resourceKey(resource.id))
    if (resources?.size === 0) {
      this.#byType.delete(resource.type)
      this.#typeCasing.delete(resource.type.toLowerCase())
    }
    if (endpoints[resource.type]) return this.#forgetTopic(resource)
    if (resource.type === systemTopics.type) return this.#forgetSystemTopic(resource)
    if (resource.type === partnerTopics.type) return this.#forgetPartnerTopic(resource)
    if (partnerTypes.has(resource.type)) this.partners.forget(resource)
    if (mqttTypes.has(resource.type)) return { ...nothing, mqtt: [this.mqtt.forget(resource)] }
    if (resource.type === eventSubscriptions.type) return this.#placeEventSubscription(resource, undefined)
    if (resource.type === iotHubs.type) this.iotHubs.forget(resource.uid)
    if (resource.type === hubCertificates.type) this.iotHubs.forgetCertificate(resource)
    if (resource.type === hubConsumerGroups.type) this.iotHubs.forgetGroup(resource)
    if (resource.type === namespaces.type) return this.#forgetNamespace(resource)
    if (resource.type === namespaceTopics.type) return this.#forgetNamespaceTopic(resource)
    if (resource.type === namespaceEventSubscriptions.type)
      return this.#placeEventSubscription(resource, undefined)
    if (resource.type === roleAssignments.type) this.#grants.delete(resource)
    else if (resource.type === customRoles.type) this.#grants.deleteRole(resource)
    else if (resource.type === identityType) this.identities.delete(resource)
    else return nothing
    return { ...nothing, grants: true }
  }

  #placeTopic(resource: StoredResource): CatalogChange {
    const { kind, path } = endpointOf(resource)
    const topic = decodeTopic(resource, this.unseal(resource, resource), kind)
    this.#topics.set(resourceKey(topic.id), topic)
    this.#topicsByPath.set(path, topic)
    this.#moved.delete(resourceKey(topic.id))
    const { location, name } = topic
    for (const host of topicEndpointHosts(location, name)) this.#topicsByHost.set(host.toLowerCase(), topic)
    return { topics: [{ id: topic.id, topic }], eventSubscriptions: [] }
  }

  #forgetTopic(resource: StoredResource): CatalogChange {
    const { id, name, location = '' } = resource
    this.#topics.delete(resourceKey(id))
    this.#topicsByPath.delete(endpointOf(resource).path)
    for (const host of topicEndpointHosts(location, name)) this.#topicsByHost.delete(host.toLowerCase())
    return { topics: [{ id, topic: undefined }], eventSubscriptions: [] }
  }

  #placeSystemTopic({ id, properties }: StoredResource): CatalogChange {
    const { source, topicType } = properties as unknown as SystemTopicProperties
    const systemTopic = { id, source, topicType }
    this.#systemTopics.set(resourceKey(id), systemTopic)
    this.#systemTopicsBySource.set(sourceKey(source, topicType), systemTopic)
    return nothing
  }

  #forgetSystemTopic({ id, properties }: StoredResource): CatalogChange {
    const { source, topicType } = properties as unknown as SystemTopicProperties
    this.#systemTopics.delete(resourceKey(id))
    this.#systemTopicsBySource.delete(sourceKey(source, topicType))
    return { topics: [{ id, topic: undefined }], eventSubscriptions: [] }
  }

  #forgetPartnerTopic(resource: StoredResource): CatalogChange {
    this.partners.forget(resource)
    return { topics: [{ id: resource.id, topic: undefined }], eventSubscriptions: [] }
  }

  #placeNamespace(resource: StoredResource): CatalogChange {
    const after = decodeNamespace(resource, this.unseal(resource, resource))
    const before = this.namespaces.put(after)
    return { ...nothing, namespaces: [{ id: after.id, before, after }] }
  }

  #forgetNamespace({ id }: StoredResource): CatalogChange {
    const before = this.namespaces.delete(id)
    return { ...nothing, namespaces: [{ id, before, after: undefined }] }
  }

  /** With those of its event subscriptions whose patience ends with its retention. */
  #placeNamespaceTopic(resource: StoredResource): CatalogChange {
    const after = decodeNamespaceTopic(resource, this.unseal(resource, resource))
    const before = this.namespaces.putTopic(after)
    const { type } = namespaceEventSubscriptions
    const isOther = before?.retentionMs !== after.retentionMs
    const on = isOther ? resourcesOf(this.below(type, `${after.id}/eventSubscriptions/`)) : []
    const placed = [...on].map((each) => this.#placeEventSubscription(each, this.#inForce(each)))
    return {
      topics: [],
      namespaceTopics: [{ id: after.id, before, after }],
      eventSubscriptions: placed.flatMap((each) => each.eventSubscriptions),
    }
  }

  #forgetNamespaceTopic({ id }: StoredResource): CatalogChange {
    const before = this.namespaces.topic(id)
    this.namespaces.deleteTopic(id)
    return {
      topics: [{ id, topic: undefined }],
      namespaceTopics: [{ id, before, after: undefined }],
      eventSubscriptions: [],
    }
  }

  #placeEventSubscription(resource: StoredResource, after: EventSubscription | undefined): CatalogChange {
    const { uid } = resource
    const before = this.#eventSubscriptions.get(uid)
    if (before === undefined && after === undefined) return nothing
    if (resource.type === namespaceEventSubscriptions.type)
      this.namespaces.placeEventSubscription(resource.id, after)
    const topicKey = resourceKey(resource.parentId)
    let ofTopic = this.#ofTopic.get(topicKey)
    if (!ofTopic) this.#ofTopic.set(topicKey, (ofTopic = new TopicSubscriptions()))
    if (after) {
      this.#eventSubscriptions.set(uid, after)
      ofTopic.set(after)
    } else {
      this.#eventSubscriptions.delete(uid)
      if (ofTopic.delete(uid)) this.#ofTopic.delete(topicKey)
    }
    return { topics: [], eventSubscriptions: [{ uid, before, after }] }
  }

  #announce(changes: readonly CatalogChange[]): Promise<void> {
    return this.#tell({
      topics: changes.flatMap((each) => each.topics),
      eventSubscriptions: changes.flatMap((each) => each.eventSubscriptions),
      mqtt: changes.flatMap((each) => each.mqtt ?? []),
      namespaces: changes.flatMap((each) => each.namespaces ?? []),
      namespaceTopics: changes.flatMap((each) => each.namespaceTopics ?? []),
      grants: changes.some((each) => each.grants),
    })
  }

  async #tell(change: CatalogChange): Promise<void> {
    const { grants, ...lists } = change
    if (Object.values(lists).every((changed) => changed.length === 0) && !grants) return
    for (const listener of this.#listeners) await listener(change)
  }

  /** A system topic that came with an event subscription which a crash kept from being written, or that is gone. */
  #isOutlived({ automatic, properties, id }: StoredResource): boolean {
    if (automatic !== true) return false
    const { source } = properties as unknown as SystemTopicProperties
    return eventSubscriptions.companion?.outlived(source, this.stored)?.id === id
  }

  /** A crash between the deletes of a resource and of what was on it leaves records without a parent. */
  async #removeOrphans(): Promise<void> {
    const shelf = new Map(resourceTypes.map(({ type }) => [type.toLowerCase(), type]))
    const isOrphan = ({ parentId }: StoredResource) => {
      const type = shelf.get(typeOfId(parentId)?.toLowerCase() ?? '')
      return type !== undefined && !this.find(type, parentId)
    }
    // Of a generic child, the outermost resource has to be there.
    const isGenericOrphan = ({ id, type }: StoredResource) => {
      if (shelf.has(type.toLowerCase())) return false
      const [, , top] = levelsOf(id)
      // What stands on a resource of another provider need not have it stored.
      if (top === undefined || (isGenericExtension(type) && !shelf.has(top.type.toLowerCase()))) return false
      return !this.find(top.type, top.id)
    }
    let count = 0
    // A parent comes before what may be put on it, on the shelf and so here.
    for (const { type, scope } of resourceTypes) {
      if (scope !== 'child' && scope !== 'extension') continue
      const orphans = [...resourcesOf(this.below(type, ''))].filter(isOrphan)
      await this.remove(orphans)
      count += orphans.length
    }
    const generic = [...this.types()].flatMap((type) =>
      [...resourcesOf(this.below(type, ''))].filter(isGenericOrphan),
    )
    await this.remove(generic)
    count += generic.length
    const left = [...resourcesOf(this.below(systemTopics.type, ''))].filter((each) => this.#isOutlived(each))
    await this.remove(left)
    count += left.length
    if (count > 0) this.#log.warn({ count }, 'Resources whose parent, or reason to be, is gone were removed.')
  }
}

function* resourcesOf(found: Iterable<VersionedResource>): Generator<StoredResource> {
  for (const { resource } of found) yield resource
}

function endpointOf({ type, location = '', name }: StoredResource): { kind: Topic['kind']; path: string } {
  const endpoint = endpoints[type]
  assert(endpoint !== undefined, `events are not published to a resource of type ${type}`)
  return { kind: endpoint.kind, path: endpoint.path(location, name).toLowerCase() }
}

/** What is there because its parent is. */
function builtInsOf(parent: StoredResource): readonly StoredResource[] {
  return resourceTypes
    .filter(({ builtIns, ...type }) => builtIns && parentTypeOf(type) === parent.type)
    .flatMap(({ type, builtIns = [], within }) =>
      builtIns.map(({ name, properties }) => {
        const parentId = within ? `${parent.id}/${within.word}/${within.name}` : parent.id
        const id = `${parentId}${type.slice(type.lastIndexOf('/'))}/${name}`
        const { createdAt, createdBy } = parent
        return {
          ...{ id, type, name, parentId, uid: guidOf(`${parent.uid} ${name}`), properties },
          ...{ createdAt, createdBy, changedAt: createdAt, changedBy: createdBy },
          ...{ provisioningState: 'Succeeded', builtIn: true },
        } as const
      }),
    )
}

function parentTypeOf({ type, within }: Pick<ResourceType, 'type' | 'within'>): string {
  const above = type.slice(0, type.lastIndexOf('/'))
  return within ? above.slice(0, above.lastIndexOf('/')) : above
}

const partnerTypes = new Set([channels.type, partnerTopics.type, partnerDestinations.type])

const sourceKey = (sourceId: string, topicType: string): string => `${topicType} ${sourceId}`.toLowerCase()

const nothing: CatalogChange = { topics: [], eventSubscriptions: [] }

/** The event subscriptions of one topic; the list is made when it is asked for, not on each write. */
class TopicSubscriptions {
  readonly #byUid = new Map<string, EventSubscription>()
  #list: readonly EventSubscription[] | undefined

  set(eventSubscription: EventSubscription): void {
    this.#byUid.set(eventSubscription.uid, eventSubscription)
    this.#list = undefined
  }

  /** True when it was the last. */
  delete(uid: string): boolean {
    this.#byUid.delete(uid)
    this.#list = undefined
    return this.#byUid.size === 0
  }

  list(): readonly EventSubscription[] {
    this.#list ??= [...this.#byUid.values()]
    return this.#list
  }
}
