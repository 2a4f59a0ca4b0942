import type { DeadLetterDestination } from '../resources/event-subscriptions/dead-letter.ts'
import {
  type NamespaceEventSubscriptionProperties,
  pushDestinationOf,
} from '../resources/namespace-event-subscriptions.ts'
import {
  type alternativeNameSources,
  type TopicSpacesConfiguration,
  webhookUrlSecret,
} from '../resources/namespace-settings.ts'
import type { NamespaceTopicProperties } from '../resources/namespace-topics.ts'
import type { NamespaceProperties } from '../resources/namespaces.ts'
import type { Content, StoredResource } from '../resources/resource-type.ts'
import { namespaceEndpointPath, namespaceHosts } from '../resources/topic-endpoint.ts'
import { decodeDuration } from '../wire/duration.ts'
import type { EventSubscription, PublisherAccess } from './catalog.ts'
import { createPublisherAccess } from './publisher-access.ts'

/** A namespace as the data plane knows it. */
export interface Namespace extends PublisherAccess {
  /** Canonical ARM id. */
  readonly id: string
  /** Stable for the life of the namespace and never used again. */
  readonly uid: string
  readonly name: string
  /** Normalised, such as `westus2`. */
  readonly location: string
  readonly keys: readonly [string, string]
  /** Throughput units. */
  readonly capacity: number
  /** As the tag `busbar-profile` says: what Azure refuses is refused, or not; undefined: as everywhere. */
  readonly profile: 'open' | 'strict' | undefined
  /** What the paths of its topics begin with, in lower case: `/namespaces/westus2/contoso`. */
  readonly path: string
  /** Host names that the topics have to themselves, in lower case. */
  readonly topicHosts: readonly string[]
  /** Of its MQTT broker; undefined where that is disabled. */
  readonly mqtt: MqttSettings | undefined
}

export interface MqttSettings {
  /** Host names that the broker has to itself, in lower case. */
  readonly hosts: readonly string[]
  /** ARM id of a custom topic, or of a topic of this namespace; undefined: messages are routed nowhere. */
  readonly routeTopicId: string | undefined
  readonly enrichments: {
    readonly static: readonly { readonly key: string; readonly value: string }[]
    readonly dynamic: readonly { readonly key: string; readonly value: string }[]
  }
  readonly maximumSessionExpiryMs: number
  readonly maximumSessionsPerAuthenticationName: number
  readonly alternativeAuthenticationNameSources: readonly (typeof alternativeNameSources)[number][]
  readonly customJwt:
    | {
        readonly tokenIssuer: string
        readonly certificateUrls: readonly string[]
        readonly certificates: readonly { readonly kid: string; readonly encodedCertificate: string }[]
      }
    | undefined
  readonly webhook:
    | { readonly endpointUrl: string; readonly tenantId: string; readonly applicationIdOrUri: string }
    | undefined
}

/** A topic of a namespace. */
export interface NamespaceTopic {
  readonly kind: 'namespaceTopic'
  readonly id: string
  readonly uid: string
  readonly name: string
  readonly namespaceId: string
  readonly inputSchema: 'CloudEventSchemaV1_0'
  /** Its own, which are good for this topic alone. */
  readonly keys: readonly [string, string]
  readonly retentionMs: number
}

const profiles = ['open', 'strict'] as const
const hourMs = 3_600_000
const dayMs = 86_400_000

export function decodeNamespace(stored: StoredResource, { properties, secrets }: Content): Namespace {
  const { id, uid, name, location = '', tags = {}, topLevel } = stored
  const { topicsConfiguration, topicSpacesConfiguration, ...access } =
    properties as unknown as NamespaceProperties
  const tag = Object.entries(tags).find(([key]) => key.toLowerCase() === 'busbar-profile')?.[1]
  const hosts = namespaceHosts(location, name)
  const lower = (names: readonly string[]) => names.map((host) => host.toLowerCase())
  const domains = (list: readonly { readonly fullyQualifiedDomainName: string }[] | null) =>
    lower((list ?? []).map(({ fullyQualifiedDomainName }) => fullyQualifiedDomainName))
  const { capacity = 1 } = (topLevel?.sku ?? {}) as { readonly capacity?: number }
  return {
    ...{ id, uid, name, location, capacity },
    keys: [secrets.key1 as string, secrets.key2 as string],
    profile: profiles.find((each) => each === tag?.toLowerCase()),
    path: namespaceEndpointPath(location, name).toLowerCase(),
    topicHosts: [...lower(hosts.topics), ...domains(topicsConfiguration.customDomains)],
    mqtt:
      topicSpacesConfiguration.state === 'Enabled'
        ? decodeMqtt(topicSpacesConfiguration, secrets, [
            ...lower(hosts.topicSpaces),
            ...domains(topicSpacesConfiguration.customDomains),
          ])
        : undefined,
    ...createPublisherAccess(access),
  }
}

function decodeMqtt(
  configuration: TopicSpacesConfiguration,
  secrets: Content['secrets'],
  hosts: readonly string[],
): MqttSettings {
  const { clientAuthentication, routingEnrichments } = configuration
  const { customJwtAuthentication: jwt, webhookAuthentication: webhook } = clientAuthentication ?? {}
  return {
    hosts,
    routeTopicId: configuration.routeTopicResourceId ?? undefined,
    enrichments: routingEnrichments ?? { static: [], dynamic: [] },
    maximumSessionExpiryMs: configuration.maximumSessionExpiryInHours * hourMs,
    maximumSessionsPerAuthenticationName: configuration.maximumClientSessionsPerAuthenticationName,
    alternativeAuthenticationNameSources: clientAuthentication?.alternativeAuthenticationNameSources ?? [],
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
  }
}

export function decodeNamespaceTopic(
  { id, uid, name, parentId }: StoredResource,
  { properties, secrets }: Content,
): NamespaceTopic {
  const { eventRetentionInDays } = properties as unknown as NamespaceTopicProperties
  return {
    kind: 'namespaceTopic',
    ...{ id, uid, name, namespaceId: parentId, inputSchema: 'CloudEventSchemaV1_0' },
    keys: [secrets.key1 as string, secrets.key2 as string],
    retentionMs: eventRetentionInDays * dayMs,
  }
}

/**
 * @param live what is in force, which a change that waits to be verified has not replaced yet
 * @param retentionMs of the topic: no event is kept for longer
 */
export function decodeNamespaceEventSubscription(
  stored: StoredResource,
  live: Content,
  retentionMs: number,
): EventSubscription {
  const properties = live.properties as unknown as NamespaceEventSubscriptionProperties
  const { deliveryConfiguration, filtersConfiguration, expirationTimeUtc } = properties
  const handling =
    deliveryConfiguration.deliveryMode === 'Queue' ? deliveryConfiguration.queue : deliveryConfiguration.push
  const deadLetter: DeadLetterDestination | undefined =
    handling.deadLetterDestinationWithResourceIdentity?.deadLetterDestination
  return {
    id: stored.id,
    name: stored.name,
    uid: stored.uid,
    topicId: stored.parentId,
    ofNamespace: true,
    queue:
      deliveryConfiguration.deliveryMode === 'Queue'
        ? { lockMs: deliveryConfiguration.queue.receiveLockDurationInSeconds * 1000 }
        : undefined,
    destination: pushDestinationOf(live) ?? received,
    deliverySchema: 'CloudEventSchemaV1_0',
    filter: {
      subjectBeginsWith: '',
      subjectEndsWith: '',
      isSubjectCaseSensitive: false,
      includedEventTypes: filtersConfiguration.includedEventTypes ?? undefined,
      enableAdvancedFilteringOnArrays: true,
      advancedFilters: filtersConfiguration.filters ?? [],
    },
    maxDeliveryAttempts: handling.maxDeliveryCount,
    eventTimeToLiveMs: Math.min(decodeDuration(handling.eventTimeToLive) ?? retentionMs, retentionMs),
    deadLetter: deadLetter && {
      storageAccountId: deadLetter.properties.resourceId,
      containerName: deadLetter.properties.blobContainerName,
    },
    expiresAt: expirationTimeUtc === null ? undefined : Date.parse(expirationTimeUtc),
  }
}

/** Nothing is delivered there. */
const received = { endpointType: 'Queue', properties: {}, secrets: {} } as const
