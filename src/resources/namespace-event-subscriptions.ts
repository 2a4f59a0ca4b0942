import { RequestError } from '../base/errors.ts'
import { attributeMappingsOf } from '../destinations/delivery-attributes.ts'
import type { DestinationSettings } from '../destinations/destination.ts'
import { destinationType } from '../destinations/index.ts'
import type { AdvancedFilter } from '../filter/filter.ts'
import { levelsOf } from '../wire/arm-id.ts'
import { readDuration } from '../wire/duration.ts'
import { invalidProperty, invalidRequest } from '../wire/errors.ts'
import {
  checkString,
  type Fields,
  fields,
  isObject,
  overlay,
  readArray,
  readEnum,
  readInteger,
  readObject,
  type WireObject,
} from '../wire/shape.ts'
import { propertyChangeNotAllowed } from './errors.ts'
import { decodeAdvancedFilters, filterLimits } from './event-subscriptions/advanced-filters.ts'
import { type DeadLetterDestination, decodeContainer } from './event-subscriptions/dead-letter.ts'
import {
  type Delivery,
  decodeDelivery,
  destinationIn,
  refuseForeignSchema,
} from './event-subscriptions/delivery.ts'
import { needsConsent } from './event-subscriptions/event-subscriptions.ts'
import { decodeResourceIdentity, type ResourceIdentity } from './event-subscriptions/resource-identity.ts'
import { readFutureTime } from './future-time.ts'
import { type NamespaceTopicProperties, namespaceTopics, retentionDays } from './namespace-topics.ts'
import { namespaces } from './namespaces.ts'
import type { Action, Content, DecodeContext, Identity, ResourceType } from './resource-type.ts'

/** The stored `properties` of an event subscription of a namespace topic, as `decode` makes them. */
export interface NamespaceEventSubscriptionProperties {
  readonly deliveryConfiguration: QueueConfiguration | PushConfiguration
  readonly eventDeliverySchema: 'CloudEventSchemaV1_0'
  readonly filtersConfiguration: {
    readonly includedEventTypes: readonly string[] | null
    readonly filters: readonly AdvancedFilter[] | null
  }
  readonly expirationTimeUtc: string | null
}

/** Its events are received. */
export interface QueueConfiguration {
  readonly deliveryMode: 'Queue'
  readonly queue: Patience & { readonly receiveLockDurationInSeconds: number }
}

/** Its events are delivered. */
export interface PushConfiguration {
  readonly deliveryMode: 'Push'
  readonly push: Patience & Delivery
}

/** For how long an event is kept, and where it goes then. */
interface Patience {
  readonly maxDeliveryCount: number
  /** ISO 8601. */
  readonly eventTimeToLive: string
  readonly deadLetterDestinationWithResourceIdentity: {
    readonly identity: ResourceIdentity
    readonly deadLetterDestination: DeadLetterDestination
    readonly deliveryRetryPeriodInDays: number
  } | null
}

const minute = 60_000
const day = 24 * 60 * minute
/** Source: learn.microsoft.com/azure/event-grid/push-delivery-overview, "Dead-letter" */
const longestDeadLetterRetryDays = 2

function decode(wire: WireObject, context: DecodeContext): Content {
  const from = fields(wire, 'properties')
  const secrets: Record<string, string> = {}
  const deliveryConfiguration = decodeDeliveryConfiguration(from, secrets, context)
  readEnum(from, 'eventDeliverySchema', ['CloudEventSchemaV1_0'])
  const kept = context.before?.properties.expirationTimeUtc as string | null | undefined
  const properties: NamespaceEventSubscriptionProperties = {
    deliveryConfiguration,
    eventDeliverySchema: 'CloudEventSchemaV1_0',
    filtersConfiguration: decodeFilters(from),
    expirationTimeUtc: readFutureTime(from, 'expirationTimeUtc', context.now, kept) ?? null,
  }
  return { properties: { ...properties }, secrets }
}

function decodeDeliveryConfiguration(
  parent: Fields,
  secrets: Record<string, string>,
  context: DecodeContext,
): QueueConfiguration | PushConfiguration {
  const from = readObject(parent, 'deliveryConfiguration') ?? fields({}, parent.at('deliveryConfiguration'))
  const queue = readObject(from, 'queue')
  const push = readObject(from, 'push')
  const deliveryMode = readEnum(from, 'deliveryMode', ['Queue', 'Push']) ?? (push ? 'Push' : 'Queue')
  const before = context.before && propertiesOf(context.before).deliveryConfiguration
  if (before && before.deliveryMode !== deliveryMode)
    throw propertyChangeNotAllowed(from.at('deliveryMode'), before.deliveryMode, deliveryMode)
  const other = deliveryMode === 'Queue' ? push : queue
  if (other) {
    const path = from.at(deliveryMode === 'Queue' ? 'push' : 'queue')
    throw invalidRequest(`With the delivery mode ${deliveryMode}, '${path}' must be left out.`, path)
  }
  const owned = identityOf(context)
  if (deliveryMode === 'Queue') {
    const settings = queue ?? fields({}, from.at('queue'))
    const lock = readInteger(settings, 'receiveLockDurationInSeconds', 60, 300) ?? 60
    return {
      deliveryMode,
      queue: { receiveLockDurationInSeconds: lock, ...decodePatience(settings, context, owned) },
    }
  }
  const settings = push ?? fields({}, from.at('push'))
  const known = before && context.before && destinationOf(context.before)
  const delivery = decodeDelivery(settings, secrets, context, owned, known)
  refuseForeignSchema(settings, delivery, 'CloudEventSchemaV1_0')
  refuseItself(settings, delivery, context)
  return { deliveryMode, push: { ...decodePatience(settings, context, owned), ...delivery } }
}

/** What it delivers would come back to it. */
function refuseItself(from: Fields, delivery: Delivery, { parentId }: DecodeContext): void {
  const { endpointType, properties } = destinationIn(delivery)
  const { resourceId } = properties
  const isItself = typeof resourceId === 'string' && resourceId.toLowerCase() === parentId.toLowerCase()
  if (endpointType === 'NamespaceTopic' && isItself)
    throw invalidRequest(
      `The events of '${parentId}' cannot be delivered to the same topic: they would come back without end.`,
      from.at('destination'),
    )
}

/** What the namespace around the topic has. */
function identityOf({ parentId, stored }: DecodeContext): Identity | undefined {
  return stored.find(namespaces.type, levelsOf(parentId).at(-2)?.id ?? '')?.identity
}

function decodePatience(from: Fields, context: DecodeContext, owned: Identity | undefined): Patience {
  const topic = context.stored.find(namespaceTopics.type, context.parentId)?.properties
  const { eventRetentionInDays: days = retentionDays.most } = (topic ??
    {}) as unknown as Partial<NamespaceTopicProperties>
  const bounds = {
    ...{ least: minute, most: days * day },
    text: `of ISO 8601 from PT1M to P${days}D, for which its topic keeps events`,
  }
  return {
    maxDeliveryCount: readInteger(from, 'maxDeliveryCount', 1, 10) ?? 10,
    eventTimeToLive: readDuration(from, 'eventTimeToLive', bounds) ?? `P${days}D`,
    deadLetterDestinationWithResourceIdentity: decodeDeadLettering(from, context, owned),
  }
}

/**
 * Nested as the API description has it; one article flattens it.
 *
 * Source: learn.microsoft.com/azure/event-grid/dead-letter-event-subscriptions-namespace-topics
 */
function decodeDeadLettering(
  parent: Fields,
  context: DecodeContext,
  owned: Identity | undefined,
): Patience['deadLetterDestinationWithResourceIdentity'] {
  const from = readObject(parent, 'deadLetterDestinationWithResourceIdentity')
  if (!from) return null
  const nested = readObject(from, 'deadLetterDestination')
  const destination = nested ?? from
  const properties = readObject(destination, 'properties')
  const days = (at: Fields | undefined) =>
    at && readInteger(at, 'deliveryRetryPeriodInDays', 1, longestDeadLetterRetryDays)
  return {
    identity: decodeResourceIdentity(from, owned),
    deadLetterDestination: decodeContainer(destination, context),
    deliveryRetryPeriodInDays: days(from) ?? days(nested) ?? days(properties) ?? longestDeadLetterRetryDays,
  }
}

/** Source: learn.microsoft.com/azure/event-grid/namespace-topics-event-filtering */
function decodeFilters(parent: Fields): NamespaceEventSubscriptionProperties['filtersConfiguration'] {
  const from = readObject(parent, 'filtersConfiguration') ?? fields({}, parent.at('filtersConfiguration'))
  const types = readArray(from, 'includedEventTypes', filterLimits.includedEventTypes)?.map(
    ({ value, path }) => {
      const type = checkString(value, path, filterLimits.valueCharacters)
      if (type === '') throw invalidProperty(path, 'the name of an event type', type)
      return type
    },
  )
  return {
    includedEventTypes: types && types.length > 0 ? types : null,
    filters: decodeAdvancedFilters(from, 'filters'),
  }
}

const propertiesOf = (content: { readonly properties: WireObject }) =>
  content.properties as unknown as NamespaceEventSubscriptionProperties

/** Where to deliver to, secrets included; undefined where events are received. */
export function destinationOf(content: Content): DestinationSettings | undefined {
  const { deliveryConfiguration } = propertiesOf(content)
  if (deliveryConfiguration.deliveryMode === 'Queue') return undefined
  return { ...destinationIn(deliveryConfiguration.push), secrets: content.secrets }
}

const getFullUrl: Action = (content) => {
  const settings = destinationOf(content)
  return { answer: { endpointUrl: settings ? destinationType(settings).fullUrl(settings) : null } }
}

const getDeliveryAttributes: Action = (content) => {
  const settings = destinationOf(content)
  const mappings = settings?.properties.deliveryAttributeMappings
  return { answer: { value: attributeMappingsOf(mappings, content.secrets) } }
}

/** An update may name some members of a configuration, and of what is within it, and leave the others as they are. */
function patch(body: WireObject, { properties: before }: Content): WireObject {
  const { properties } = body
  if (properties === undefined || properties === null) return before
  if (!isObject(properties)) throw invalidProperty('properties', 'an object', properties)
  const next = overlay(before, properties)
  const merge = (known: unknown, given: unknown) =>
    isObject(known) && isObject(given) ? overlay(known, given) : (given ?? known)
  const [known, given] = [before.deliveryConfiguration, next.deliveryConfiguration]
  if (!isObject(known) || !isObject(given)) return { ...next, deliveryConfiguration: given ?? known }
  const merged = overlay(known, given)
  const mode = known.deliveryMode === 'Queue' ? 'queue' : 'push'
  return {
    ...next,
    deliveryConfiguration: { ...merged, [mode]: mergeWays(known[mode], merged[mode], merge) },
  }
}

/** An update that names the one way to deliver takes the place of the other. */
function mergeWays(
  known: unknown,
  given: unknown,
  merge: (known: unknown, given: unknown) => unknown,
): unknown {
  const merged = merge(known, given)
  if (!isObject(given) || given === known || !isObject(merged)) return merged
  const from = fields(given, '')
  const [direct, withIdentity] = [from.raw('destination'), from.raw('deliveryWithResourceIdentity')]
  if ((direct === undefined) === (withIdentity === undefined)) return merged
  return { ...merged, [direct === undefined ? 'destination' : 'deliveryWithResourceIdentity']: null }
}

/**
 * Event subscriptions of namespace topics: a queue that is received from, or push delivery.
 *
 * Source: learn.microsoft.com/rest/api/eventgrid/controlplane/namespace-topic-event-subscriptions
 */
export const namespaceEventSubscriptions: ResourceType = {
  type: 'Microsoft.EventGrid/namespaces/topics/eventSubscriptions',
  childForms: [],
  scope: 'child',
  extension: undefined,
  tracked: false,
  hasIdentity: false,
  name: { pattern: /^[a-zA-Z0-9-]{3,50}$/, rule: '3 to 50 letters, digits or hyphens' },
  reservedPrefixes: [],
  longRunning: true,
  statuses: { create: 201, replace: 201, update: 200 },
  unique: undefined,
  quota: ({ eventSubscriptionsPerTopic }) => eventSubscriptionsPerTopic,
  companion: undefined,
  decode,
  patch,
  encode: ({ provisioningState, properties }) => ({ provisioningState, ...properties }),
  actions: { getFullUrl, getDeliveryAttributes },
  notFound: () => new RequestError(404, 'ResourceNotFound', "Event subscription doesn't exist."),
  verification: {
    applies: (content) => destinationOf(content) !== undefined,
    needed: (live, next) => {
      const [before, after] = [destinationOf(live), destinationOf(next)]
      return after !== undefined && (before === undefined || needsConsent(before, after))
    },
    settings: (content) => ({
      settings: destinationOf(content) as DestinationSettings,
      deliverySchema: 'CloudEventSchemaV1_0',
      ofNamespaceTopic: true,
    }),
  },
  expiresAt: (content) => {
    const { expirationTimeUtc } = propertiesOf(content)
    return expirationTimeUtc === null ? undefined : Date.parse(expirationTimeUtc)
  },
  example: {
    name: 'to-control-room',
    body: {
      properties: {
        deliveryConfiguration: {
          deliveryMode: 'Push',
          push: {
            maxDeliveryCount: 5,
            eventTimeToLive: 'P1DT12H',
            destination: {
              endpointType: 'WebHook',
              properties: {
                endpointUrl: 'https://example.org/readings?code=secret',
                deliveryAttributeMappings: [
                  { name: 'x-tenant', type: 'Static', properties: { value: 'contoso', isSecret: true } },
                ],
              },
            },
          },
        },
        filtersConfiguration: {
          includedEventTypes: ['reading'],
          filters: [{ operatorType: 'StringBeginsWith', key: 'subject', values: ['/plant-1/'] }],
        },
      },
    },
  },
}
