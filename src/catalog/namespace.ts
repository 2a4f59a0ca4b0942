import type { AuthenticationNameSource } from '../resources/client-authentication.ts'
import { webhookUrlSecret } from '../resources/client-authentication.ts'
import type { DeadLetterDestination } from '../resources/event-subscriptions/dead-letter.ts'
import { mqttHosts, namespaceHosts, namespacePath } from '../resources/namespace-endpoint.ts'
import {
  destinationOf,
  type NamespaceEventSubscriptionProperties,
} from '../resources/namespace-event-subscriptions.ts'
import type { NamespaceTopicProperties } from '../resources/namespace-topics.ts'
import {
  capacityIn,
  type NamespaceProfile,
  type NamespaceProperties,
  profileIn,
} from '../resources/namespaces.ts'
import type { Content, StoredResource } from '../resources/resource-type.ts'
import type { RoutingEnrichments } from '../resources/topic-spaces-configuration.ts'
import { durationMs } from '../wire/duration.ts'
import type { EventSubscription, PublisherAccess } from './catalog.ts'
import { createPublisherAccess } from './publisher-access.ts'

/** An Event Grid namespace: topics that are published to and received from, and an MQTT broker. */
export interface Namespace extends PublisherAccess {
  /** Canonical ARM id, with the user's casing of names. */
  readonly id: string
  /** Stable for the life of the namespace and never used again. */
  readonly uid: string
  readonly name: string
  /** Normalised, such as `westus2`. */
  readonly location: string
  /** key1 and key2, base64 as shown by `listKeys`: good for all of its topics. */
  readonly keys: readonly [string, string]
  /** Throughput units. */
  readonly capacity: number
  /** Undefined: as the server's `--profile` says. */
  readonly profile: NamespaceProfile | undefined
  /** Of its managed identity; undefined where it has none. */
  readonly principalId: string | undefined
  /** Host names of its topics, custom domains too, in lower case. */
  readonly hosts: readonly string[]
  /** The path below the public URL that leads to its topics, in lower case: `/namespaces/westus2/name`. */
  readonly path: string
  /** Its MQTT broker; undefined where topic spaces are disabled. */
  readonly mqtt: NamespaceMqtt | undefined
}

export interface NamespaceMqtt {
  /** Host names of the broker, custom domains too, in lower case: TLS clients name one by SNI. */
  readonly hosts: readonly string[]
  readonly maximumSessionExpiryMs: number
  readonly maximumSessionsPerAuthenticationName: number
  /** Where its messages go as events; undefined: nowhere. */
  readonly routing: NamespaceRouting | undefined
  readonly clientAuthentication: ClientAuthenticationSettings
}

export interface NamespaceRouting {
  /** ARM id of a topic of this namespace or of a custom topic. It may be gone. */
  readonly targetId: string
  readonly enrichments: RoutingEnrichments
  /** As whom events are sent to a custom topic; undefined: as nobody. */
  readonly principalId: string | undefined
}

export interface ClientAuthenticationSettings {
  /** Where the name of a client is looked for that sends no user name, the first one first. */
  readonly alternativeAuthenticationNameSources: readonly AuthenticationNameSource[]
  readonly customJwt: CustomJwtSettings | undefined
  readonly webhook: WebhookAuthenticationSettings | undefined
}

export interface CustomJwtSettings {
  readonly tokenIssuer: string
  /** Where certificates of the issuer are found. */
  readonly certificateUrls: readonly string[]
  readonly certificates: readonly {
    readonly kid: string
    /** PEM. */
    readonly encodedCertificate: string
  }[]
}

export interface WebhookAuthenticationSettings {
  readonly endpointUrl: string
  readonly tenantId: string
  readonly applicationIdOrUri: string
}

/** What publishers send CloudEvents to, and others receive them from. */
export interface NamespaceTopic {
  readonly kind: 'namespaceTopic'
  readonly id: string
  readonly uid: string
  readonly name: string
  /** ARM id. */
  readonly namespaceId: string
  readonly inputSchema: 'CloudEventSchemaV1_0'
  /** Its own, which are good for this topic and its event subscriptions alone. */
  readonly keys: readonly [string, string]
  readonly retentionMs: number
}

export function decodeNamespace(stored: StoredResource, { properties, secrets }: Content): Namespace {
  const decoded = properties as unknown as NamespaceProperties
  const { id, uid, name, location = '', tags, topLevel, identity } = stored
  const domains = (decoded.topicsConfiguration.customDomains ?? []).map(domainOf)
  return {
    ...{ id, uid, name, location },
    keys: [secrets.key1 as string, secrets.key2 as string],
    capacity: capacityIn(topLevel),
    profile: profileIn(tags),
    principalId: identity?.principalId ?? undefined,
    hosts: [...namespaceHosts(location, name), ...domains],
    path: namespacePath(location, name).toLowerCase(),
    mqtt: decodeMqtt(stored, decoded, secrets),
    ...createPublisherAccess(decoded),
  }
}

const domainOf = ({ fullyQualifiedDomainName }: { readonly fullyQualifiedDomainName: string }) =>
  fullyQualifiedDomainName

const hour = 60 * 60_000

function decodeMqtt(
  stored: StoredResource,
  { topicSpacesConfiguration: spaces }: NamespaceProperties,
  secrets: Content['secrets'],
): NamespaceMqtt | undefined {
  if (spaces.state === 'Disabled') return undefined
  const { location = '', name } = stored
  const { customJwtAuthentication: jwt, webhookAuthentication: webhook } = spaces.clientAuthentication ?? {}
  return {
    hosts: [...mqttHosts(location, name), ...(spaces.customDomains ?? []).map(domainOf)],
    maximumSessionExpiryMs: spaces.maximumSessionExpiryInHours * hour,
    maximumSessionsPerAuthenticationName: spaces.maximumClientSessionsPerAuthenticationName,
    routing:
      spaces.routeTopicResourceId === null
        ? undefined
        : {
            targetId: spaces.routeTopicResourceId,
            enrichments: spaces.routingEnrichments ?? { static: [], dynamic: [] },
            principalId: principalOf(stored, spaces.routingIdentityInfo),
          },
    clientAuthentication: {
      alternativeAuthenticationNameSources:
        spaces.clientAuthentication?.alternativeAuthenticationNameSources ?? [],
      customJwt: jwt
        ? {
            tokenIssuer: jwt.tokenIssuer,
            certificateUrls: (jwt.issuerCertificates ?? []).map(({ certificateUrl }) => certificateUrl),
            certificates: jwt.encodedIssuerCertificates ?? [],
          }
        : undefined,
      webhook: webhook
        ? {
            endpointUrl: secrets[webhookUrlSecret] as string,
            tenantId: webhook.azureActiveDirectoryTenantId,
            applicationIdOrUri: webhook.azureActiveDirectoryApplicationIdOrUri,
          }
        : undefined,
    },
  }
}

function principalOf(
  { identity }: StoredResource,
  chosen: NamespaceProperties['topicSpacesConfiguration']['routingIdentityInfo'],
): string | undefined {
  if (!identity || !chosen || chosen.type === 'None') return undefined
  if (chosen.type === 'SystemAssigned') return identity.principalId ?? undefined
  const wanted = chosen.userAssignedIdentity?.toLowerCase()
  const assigned = Object.entries(identity.userAssignedIdentities ?? {})
  return assigned.find(([id]) => id.toLowerCase() === wanted)?.[1].principalId
}

const day = 24 * hour

export function decodeNamespaceTopic(
  stored: StoredResource,
  { properties, secrets }: Content,
): NamespaceTopic {
  const { eventRetentionInDays } = properties as unknown as NamespaceTopicProperties
  return {
    kind: 'namespaceTopic',
    ...{ id: stored.id, uid: stored.uid, name: stored.name, namespaceId: stored.parentId },
    inputSchema: 'CloudEventSchemaV1_0',
    keys: [secrets.key1 as string, secrets.key2 as string],
    retentionMs: eventRetentionInDays * day,
  }
}

/**
 * @param live what is in force, which a change that waits to be verified has not replaced yet
 * @param retentionMs of its topic, beyond which nothing is kept
 */
export function decodeNamespaceEventSubscription(
  { id, name, uid, parentId }: StoredResource,
  live: Content,
  retentionMs: number,
): EventSubscription {
  const { deliveryConfiguration, filtersConfiguration, expirationTimeUtc } =
    live.properties as unknown as NamespaceEventSubscriptionProperties
  const patience =
    deliveryConfiguration.deliveryMode === 'Queue' ? deliveryConfiguration.queue : deliveryConfiguration.push
  const dead = patience.deadLetterDestinationWithResourceIdentity
  return {
    ...{ id, name, uid, topicId: parentId },
    destination: destinationOf(live),
    queue:
      deliveryConfiguration.deliveryMode === 'Queue'
        ? { lockMs: deliveryConfiguration.queue.receiveLockDurationInSeconds * 1000 }
        : undefined,
    ofNamespaceTopic: true,
    deliverySchema: 'CloudEventSchemaV1_0',
    filter: {
      ...{ subjectBeginsWith: '', subjectEndsWith: '', isSubjectCaseSensitive: false },
      includedEventTypes: filtersConfiguration.includedEventTypes ?? undefined,
      enableAdvancedFilteringOnArrays: true,
      isMissingOutOfRange: true,
      advancedFilters: filtersConfiguration.filters ?? [],
    },
    maxDeliveryAttempts: patience.maxDeliveryCount,
    eventTimeToLiveMs: Math.min(durationMs(patience.eventTimeToLive) ?? retentionMs, retentionMs),
    deadLetter: dead
      ? { ...containerOf(dead.deadLetterDestination), retryMs: dead.deliveryRetryPeriodInDays * day }
      : undefined,
    expiresAt: expirationTimeUtc === null ? undefined : Date.parse(expirationTimeUtc),
  }
}

const containerOf = ({ properties: { resourceId, blobContainerName } }: DeadLetterDestination) => ({
  storageAccountId: resourceId,
  containerName: blobContainerName,
})

/** Namespaces and their topics as the data plane looks them up. Ids and names are in any letter case. */
export class Namespaces {
  readonly #byId = new Map<string, Namespace>()
  /** By path, and by the name alone where one namespace has it; without a trailing slash. */
  readonly #byPath = new Map<string, Namespace>()
  readonly #byHost = new Map<string, Namespace>()
  readonly #byMqttHost = new Map<string, Namespace>()
  readonly #topics = new Map<string, NamespaceTopic>()
  readonly #eventSubscriptions = new Map<string, EventSubscription>()

  all(): Iterable<Namespace> {
    return this.#byId.values()
  }

  find(id: string): Namespace | undefined {
    return this.#byId.get(id.toLowerCase())
  }

  /** The one that is meant where an address names none; undefined where there are several. */
  get only(): Namespace | undefined {
    return this.#byId.size === 1 ? this.#byId.values().next().value : undefined
  }

  /** The one that has an MQTT broker; undefined where there are several. */
  get onlyMqtt(): Namespace | undefined {
    const enabled = [...this.#byId.values()].filter(({ mqtt }) => mqtt !== undefined)
    return enabled.length === 1 ? enabled[0] : undefined
  }

  /** @param path such as `/namespaces/westus2/name`, or `/namespaces/name` where only one region has that name */
  byPath(path: string): Namespace | undefined {
    return this.#byPath.get(path.toLowerCase())
  }

  /** @param host of its topics, in any letter case, without a port */
  byHost(host: string): Namespace | undefined {
    return this.#byHost.get(host.toLowerCase())
  }

  /** @param host of its MQTT broker, in any letter case, without a port */
  byMqttHost(host: string): Namespace | undefined {
    return this.#byMqttHost.get(host.toLowerCase())
  }

  topic(id: string): NamespaceTopic | undefined {
    return this.#topics.get(id.toLowerCase())
  }

  topicNamed(namespace: Pick<Namespace, 'id'>, name: string): NamespaceTopic | undefined {
    return this.topic(`${namespace.id}/topics/${name}`)
  }

  topics(): Iterable<NamespaceTopic> {
    return this.#topics.values()
  }

  /** Provisioned, validated and not expired; received from or delivered. */
  eventSubscriptionNamed(topic: Pick<NamespaceTopic, 'id'>, name: string): EventSubscription | undefined {
    return this.#eventSubscriptions.get(`${topic.id}/eventSubscriptions/${name}`.toLowerCase())
  }

  // ------------------------------------------------------------ what the stored catalog keeps here

  put(namespace: Namespace): Namespace | undefined {
    const before = this.delete(namespace.id)
    this.#byId.set(namespace.id.toLowerCase(), namespace)
    this.#byPath.set(namespace.path, namespace)
    for (const host of namespace.hosts) this.#byHost.set(host, namespace)
    for (const host of namespace.mqtt?.hosts ?? []) this.#byMqttHost.set(host, namespace)
    this.#placeName(namespace.name)
    return before
  }

  delete(id: string): Namespace | undefined {
    const before = this.find(id)
    if (!before) return undefined
    this.#byId.delete(id.toLowerCase())
    this.#byPath.delete(before.path)
    for (const host of before.hosts) this.#byHost.delete(host)
    for (const host of before.mqtt?.hosts ?? []) this.#byMqttHost.delete(host)
    this.#placeName(before.name)
    return before
  }

  #placeName(name: string): void {
    const lower = name.toLowerCase()
    const named = [...this.#byId.values()].filter((each) => each.name.toLowerCase() === lower)
    const [first] = named
    if (first && named.length === 1) this.#byPath.set(`/namespaces/${lower}`, first)
    else this.#byPath.delete(`/namespaces/${lower}`)
  }

  putTopic(topic: NamespaceTopic): NamespaceTopic | undefined {
    const before = this.topic(topic.id)
    this.#topics.set(topic.id.toLowerCase(), topic)
    return before
  }

  deleteTopic(id: string): void {
    this.#topics.delete(id.toLowerCase())
  }

  /** @param id of the event subscription; @param eventSubscription undefined: it is gone, or not in force */
  placeEventSubscription(id: string, eventSubscription: EventSubscription | undefined): void {
    if (eventSubscription) this.#eventSubscriptions.set(id.toLowerCase(), eventSubscription)
    else this.#eventSubscriptions.delete(id.toLowerCase())
  }
}
