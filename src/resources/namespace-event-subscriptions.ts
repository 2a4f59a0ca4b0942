import { attributeMappingsOf } from '../destinations/delivery-attributes.ts'
import type { DestinationSettings } from '../destinations/destination.ts'
import { destinationType } from '../destinations/index.ts'
import type { AdvancedFilter } from '../filter/filter.ts'
import { decodeDuration } from '../wire/duration.ts'
import { invalidProperty, invalidRequest } from '../wire/errors.ts'
import {
  checkString,
  type Fields,
  fields,
  readArray,
  readEnum,
  readInteger,
  readObject,
  readString,
  type WireObject,
} from '../wire/shape.ts'
import { decodeAdvancedFilters, filterLimits } from './event-subscriptions/advanced-filters.ts'
import { type DeadLetterDestination, decodeContainer } from './event-subscriptions/dead-letter.ts'
import {
  type Delivery,
  decodeDelivery,
  destinationOf,
  needsConsent,
} from './event-subscriptions/event-subscriptions.ts'
import { decodeResourceIdentity, type ResourceIdentity } from './event-subscriptions/resource-identity.ts'
import { readFutureTime } from './future-time.ts'
import type { NamespaceTopicProperties } from './namespace-topics.ts'
import { patchProperties } from './patch.ts'
import type { Content, DecodeContext, Identity, ResourceType } from './resource-type.ts'

/** What is the same whether events are received or delivered. */
interface Handling {
  readonly maxDeliveryCount: number
  /** ISO 8601. */
  readonly eventTimeToLive: string
  readonly deadLetterDestinationWithResourceIdentity: {
    readonly identity: ResourceIdentity | null
    readonly deadLetterDestination: DeadLetterDestination
  } | null
}

export interface QueueInfo extends Handling {
  readonly receiveLockDurationInSeconds: number
}

export interface PushInfo extends Handling, Delivery {}

/** A stored event subscription's `properties`, as `decode` makes them. */
export interface NamespaceEventSubscriptionProperties {
  readonly deliveryConfiguration:
    | { readonly deliveryMode: 'Queue'; readonly queue: QueueInfo }
    | { readonly deliveryMode: 'Push'; readonly push: PushInfo }
  readonly eventDeliverySchema: 'CloudEventSchemaV1_0'
  readonly filtersConfiguration: {
    readonly includedEventTypes: readonly string[] | null
    readonly filters: readonly AdvancedFilter[] | null
  }
  readonly expirationTimeUtc: string | null
}

const topicType = 'Microsoft.EventGrid/namespaces/topics'
const dayMs = 86_400_000
const leastTimeToLiveMs = 60_000

const propertiesOf = ({ properties }: { readonly properties: WireObject }) =>
  properties as unknown as NamespaceEventSubscriptionProperties

/** As the event subscriptions of other topics keep it: the way to deliver, with its secrets. */
const deliveryIn = (content: Content): Content => {
  const { deliveryConfiguration } = propertiesOf(content)
  const push = deliveryConfiguration.deliveryMode === 'Push' ? { ...deliveryConfiguration.push } : {}
  return { properties: push, secrets: content.secrets }
}

/** Where events are pushed to, secrets included; undefined where they are received. */
export const pushDestinationOf = (content: Content): DestinationSettings | undefined =>
  propertiesOf(content).deliveryConfiguration.deliveryMode === 'Push'
    ? destinationOf(deliveryIn(content))
    : undefined

function decode(wire: WireObject, context: DecodeContext): Content {
  const from = fields(wire, 'properties')
  const secrets: Record<string, string> = {}
  readEnum(from, 'eventDeliverySchema', ['CloudEventSchemaV1_0'])
  const properties: NamespaceEventSubscriptionProperties = {
    deliveryConfiguration: decodeConfiguration(from, secrets, context),
    eventDeliverySchema: 'CloudEventSchemaV1_0',
    filtersConfiguration: decodeFilters(from),
    expirationTimeUtc:
      readFutureTime(
        from,
        'expirationTimeUtc',
        context.now,
        context.before && propertiesOf(context.before).expirationTimeUtc,
      ) ?? null,
  }
  return { properties: { ...properties }, secrets }
}

function decodeConfiguration(
  parent: Fields,
  secrets: Record<string, string>,
  context: DecodeContext,
): NamespaceEventSubscriptionProperties['deliveryConfiguration'] {
  const from = readObject(parent, 'deliveryConfiguration') ?? fields({}, parent.at('deliveryConfiguration'))
  const before = context.before && propertiesOf(context.before).deliveryConfiguration
  const push = readObject(from, 'push')
  const queue = readObject(from, 'queue')
  const deliveryMode =
    readEnum(from, 'deliveryMode', ['Queue', 'Push']) ??
    before?.deliveryMode ??
    (push && !queue ? 'Push' : 'Queue')
  if (before && before.deliveryMode !== deliveryMode)
    throw invalidRequest(
      `'${from.at('deliveryMode')}' cannot be changed: it is ${before.deliveryMode}.`,
      from.at('deliveryMode'),
    )
  const [own, other] = deliveryMode === 'Push' ? (['push', queue] as const) : (['queue', push] as const)
  if (other)
    throw invalidRequest(
      `With delivery mode ${deliveryMode} only '${from.at(own)}' may be given.`,
      from.at(own === 'push' ? 'queue' : 'push'),
    )
  if (deliveryMode === 'Queue') {
    const settings = queue ?? fields({}, from.at('queue'))
    return {
      deliveryMode,
      queue: {
        receiveLockDurationInSeconds: readInteger(settings, 'receiveLockDurationInSeconds', 60, 300) ?? 60,
        ...decodeHandling(settings, context),
      },
    }
  }
  if (!push) throw invalidProperty(from.at('push'), 'an object with the destination', undefined)
  const known = context.before && deliveryIn(context.before)
  const delivery = decodeDelivery(push, secrets, { ...context, before: known }, identityOf(context))
  return { deliveryMode, push: { ...delivery, ...decodeHandling(push, context) } }
}

/** Of the namespace. */
function identityOf({ parent, stored }: DecodeContext): Identity | undefined {
  return parent && stored.find('Microsoft.EventGrid/namespaces', parent.parentId)?.identity
}

function decodeHandling(from: Fields, context: DecodeContext): Handling {
  return {
    maxDeliveryCount: readInteger(from, 'maxDeliveryCount', 1, 10) ?? 10,
    eventTimeToLive: decodeTimeToLive(from, context),
    deadLetterDestinationWithResourceIdentity: decodeDeadLetter(from, context),
  }
}

function decodeTimeToLive(from: Fields, { parent }: DecodeContext): string {
  const { eventRetentionInDays = 7 } = (parent?.properties ?? {}) as Partial<NamespaceTopicProperties>
  const given = readString(from, 'eventTimeToLive', 40)
  if (given === undefined) return `P${eventRetentionInDays}D`
  const ms = decodeDuration(given)
  if (ms === undefined || ms < leastTimeToLiveMs || ms > eventRetentionInDays * dayMs)
    throw invalidProperty(
      from.at('eventTimeToLive'),
      `an ISO 8601 duration from PT1M to P${eventRetentionInDays}D, the topic's retention`,
      given,
    )
  return given
}

/** Documents write it in two ways; the identity may be left out, for the connection proves who writes. */
function decodeDeadLetter(
  parent: Fields,
  context: DecodeContext,
): Handling['deadLetterDestinationWithResourceIdentity'] {
  const from = readObject(parent, 'deadLetterDestinationWithResourceIdentity')
  if (!from) return null
  const nested = readObject(from, 'deadLetterDestination')
  const deadLetterDestination = decodeContainer(nested ?? from, context)
  const identity =
    from.raw('identity') === undefined ? null : decodeResourceIdentity(from, identityOf(context))
  return { identity, deadLetterDestination }
}

/** Source: learn.microsoft.com/azure/event-grid/namespace-event-filtering */
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

/** Where events are pushed to; asked only of those that are. */
const pushed = (content: Content): DestinationSettings => {
  const destination = pushDestinationOf(content)
  if (!destination)
    throw invalidRequest('The event subscription is received from, and delivers to no endpoint.')
  return destination
}

/**
 * Event subscriptions on the topics of a namespace: received from, or delivered.
 *
 * Source: learn.microsoft.com/rest/api/eventgrid/controlplane/namespace-topic-event-subscriptions
 */
export const namespaceEventSubscriptions: ResourceType = {
  type: `${topicType}/eventSubscriptions`,
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
  patch: patchProperties,
  encode: ({ provisioningState, properties }) => ({ provisioningState, ...properties }),
  actions: {
    getFullUrl: (content) => {
      const settings = pushed(content)
      return { answer: { endpointUrl: destinationType(settings).fullUrl(settings) } }
    },
    getDeliveryAttributes: (content) => {
      const { properties, secrets } = pushed(content)
      return { answer: { value: attributeMappingsOf(properties.deliveryAttributeMappings, secrets) } }
    },
  },
  notFound: undefined,
  verification: {
    excused: (content) => pushDestinationOf(content) === undefined,
    needed: (live, next) => needsConsent(pushed(live), pushed(next)),
    settings: (content) => ({ settings: pushed(content), deliverySchema: 'CloudEventSchemaV1_0' }),
  },
  expiresAt: (content) => {
    const { expirationTimeUtc } = propertiesOf(content)
    return expirationTimeUtc === null ? undefined : Date.parse(expirationTimeUtc)
  },
  example: {
    name: 'to-receive',
    body: {
      properties: {
        deliveryConfiguration: {
          deliveryMode: 'Queue',
          queue: { receiveLockDurationInSeconds: 120, maxDeliveryCount: 4, eventTimeToLive: 'PT12H' },
        },
        eventDeliverySchema: 'CloudEventSchemaV1_0',
        filtersConfiguration: {
          includedEventTypes: ['reading'],
          filters: [{ operatorType: 'NumberGreaterThan', key: 'data.temperature', value: 30 }],
        },
      },
    },
  },
}
