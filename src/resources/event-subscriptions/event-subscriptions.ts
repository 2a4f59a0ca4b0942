import { RequestError } from '../../base/errors.ts'
import { attributeMappingsOf } from '../../destinations/delivery-attributes.ts'
import type { DestinationSettings } from '../../destinations/destination.ts'
import { destinationType } from '../../destinations/index.ts'
import { type DeliverySchema, deliverySchemas } from '../../event/event.ts'
import type { AdvancedFilter } from '../../filter/filter.ts'
import { isSameType, type Level } from '../../wire/arm-id.ts'
import { invalidProperty, invalidRequest } from '../../wire/errors.ts'
import {
  checkString,
  type Fields,
  fields,
  isObject,
  overlay,
  readArray,
  readBoolean,
  readEnum,
  readInteger,
  readObject,
  readString,
  type WireObject,
} from '../../wire/shape.ts'
import { raisesNoEvents } from '../errors.ts'
import { readFutureTime } from '../future-time.ts'
import type { Action, Content, DecodeContext, ResourceType } from '../resource-type.ts'
import { decodeAdvancedFilters, filterLimits } from './advanced-filters.ts'
import { companion } from './companions.ts'
import { type DeadLettering, decodeDeadLettering } from './dead-letter.ts'
import { type Delivery, decodeDelivery, destinationIn, refuseForeignSchema } from './delivery.ts'
import { type EventSource, eventSourceOf } from './event-source.ts'

/** An event subscription's stored `properties`, as `decode` makes them. */
export interface EventSubscriptionProperties extends DeadLettering, Delivery {
  readonly filter: {
    readonly subjectBeginsWith: string
    readonly subjectEndsWith: string
    readonly includedEventTypes: readonly string[] | null
    readonly isSubjectCaseSensitive?: true
    readonly advancedFilters: readonly AdvancedFilter[] | null
    readonly enableAdvancedFilteringOnArrays: boolean | null
  }
  readonly labels: readonly string[] | null
  readonly expirationTimeUtc: string | null
  readonly eventDeliverySchema: DeliverySchema
  readonly retryPolicy: { readonly maxDeliveryAttempts: number; readonly eventTimeToLiveInMinutes: number }
}

export const eventSubscriptionLimits = { labels: 100, labelCharacters: 512, idCharacters: 1024 }

function decode(wire: WireObject, context: DecodeContext): Content {
  const from = fields(wire, 'properties')
  const secrets: Record<string, string> = {}
  const source = eventSourceOf(context.parentId, context.stored, context.capabilities)
  const known = context.before && destinationOf(context.before)
  const delivery = decodeDelivery(from, secrets, context, source.identity, known)
  const eventDeliverySchema = decodeDeliverySchema(from, source)
  refuseForeignSchema(from, delivery, eventDeliverySchema)
  const properties: EventSubscriptionProperties = {
    ...delivery,
    filter: decodeFilter(from, source, context),
    labels: decodeLabels(from),
    expirationTimeUtc: readFutureTime(from, 'expirationTimeUtc', context.now) ?? null,
    eventDeliverySchema,
    retryPolicy: decodeRetryPolicy(from),
    ...decodeDeadLettering(from, context, source.identity),
  }
  return { properties: { ...properties }, secrets }
}

/** Source: learn.microsoft.com/azure/event-grid/event-filtering */
function decodeFilter(
  parent: Fields,
  source: EventSource,
  context: DecodeContext,
): EventSubscriptionProperties['filter'] {
  const from = readObject(parent, 'filter') ?? fields({}, parent.at('filter'))
  const types = readArray(from, 'includedEventTypes', filterLimits.includedEventTypes)?.map(
    ({ value, path }) => {
      const type = checkString(value, path, filterLimits.valueCharacters)
      if (type === '') throw invalidProperty(path, 'the name of an event type', type)
      return type
    },
  )
  return {
    subjectBeginsWith: readString(from, 'subjectBeginsWith', filterLimits.subjectCharacters) ?? '',
    subjectEndsWith: readString(from, 'subjectEndsWith', filterLimits.subjectCharacters) ?? '',
    includedEventTypes: includedTypes(types ?? [], from.at('includedEventTypes'), source, context),
    // The service leaves it out while it is false.
    ...(readBoolean(from, 'isSubjectCaseSensitive') === true && { isSubjectCaseSensitive: true }),
    advancedFilters: decodeAdvancedFilters(from),
    enableAdvancedFilteringOnArrays: readBoolean(from, 'enableAdvancedFilteringOnArrays') ?? null,
  }
}

/** Null where every event is meant; of an Azure service, the events that it raises unless told otherwise. */
function includedTypes(
  given: readonly string[],
  path: string,
  { kind, topicType }: EventSource,
  { capabilities }: DecodeContext,
): readonly string[] | null {
  const isAzures = kind === 'azure' || kind === 'systemTopic'
  const known = isAzures ? capabilities.topicType?.(topicType)?.eventTypes : undefined
  if (isAzures && !known && capabilities.topicType) throw raisesNoEvents(topicType)
  if (!known) return given.length > 0 ? given : null
  if (given.length === 0) return known.filter(({ isInDefaultSet }) => isInDefaultSet).map(({ name }) => name)
  const names = new Set(['all', ...known.map(({ name }) => name.toLowerCase())])
  const unknown = given.find((name) => !names.has(name.toLowerCase()))
  if (unknown !== undefined)
    throw invalidProperty(
      path,
      `event types of '${topicType}': ${known.map(({ name }) => name).join(', ')}`,
      unknown,
    )
  return given
}

function decodeLabels(from: Fields): readonly string[] | null {
  const items = readArray(from, 'labels', eventSubscriptionLimits.labels)
  if (!items) return null
  return items.map(({ value, path }) => checkString(value, path, eventSubscriptionLimits.labelCharacters))
}

/**
 * Source: learn.microsoft.com/azure/event-grid/cloud-event-schema: an event published as a CloudEvent is delivered
 * as one; learn.microsoft.com/azure/event-grid/input-mappings: the custom schema belongs to custom input.
 */
function decodeDeliverySchema(from: Fields, { inputSchema: input }: EventSource): DeliverySchema {
  const given = readEnum(from, 'eventDeliverySchema', [
    'EventGridSchema',
    'CloudEventSchemaV1_0',
    'CustomInputSchema',
    'InputEventSchema',
    'CloudEventV01Schema',
  ])
  const allowed = deliverySchemas[input]
  const schema = given === undefined ? allowed[0] : (olderWords[given] ?? given)
  if (!isOneOf(allowed, schema))
    throw invalidRequest(
      `Invalid event subscription request: the event delivery schema '${schema}' is not available for a topic whose input schema is '${input}'; available: ${allowed.join(', ')}.`,
      from.at('eventDeliverySchema'),
    )
  return schema
}

/** Delivery schemas by the words of api-versions before 2019. */
const olderWords: Readonly<Record<string, string>> = {
  InputEventSchema: 'CustomInputSchema',
  CloudEventV01Schema: 'CloudEventSchemaV1_0',
}

const isOneOf = <Word extends string>(words: readonly Word[], word: string): word is Word =>
  words.some((each) => each === word)

function decodeRetryPolicy(parent: Fields): EventSubscriptionProperties['retryPolicy'] {
  const from = readObject(parent, 'retryPolicy') ?? fields({}, parent.at('retryPolicy'))
  return {
    maxDeliveryAttempts: readInteger(from, 'maxDeliveryAttempts', 1, 30) ?? 30,
    eventTimeToLiveInMinutes: readInteger(from, 'eventTimeToLiveInMinutes', 1, 1440) ?? 1440,
  }
}

const getFullUrl: Action = (content) => {
  const settings = destinationOf(content)
  return { answer: { endpointUrl: destinationType(settings).fullUrl(settings) } }
}

const getDeliveryAttributes: Action = (content) => {
  const { properties, secrets } = destinationOf(content)
  return { answer: { value: attributeMappingsOf(properties.deliveryAttributeMappings, secrets) } }
}

/** What `decode` returned. */
const propertiesOf = (content: { readonly properties: WireObject }) =>
  content.properties as unknown as EventSubscriptionProperties

/** Where to deliver to, secrets included. */
export const destinationOf = (content: Content): DestinationSettings => ({
  ...destinationIn(propertiesOf(content)),
  secrets: content.secrets,
})

/** Members of which one is given at a time. */
const ways = [
  ['destination', 'deliveryWithResourceIdentity'],
  ['deadLetterDestination', 'deadLetterWithResourceIdentity'],
] as const

/** An update that names the one way to deliver, or to dead-letter, takes the place of the other. */
function patch(body: WireObject, before: Content): WireObject {
  // The body of an update is flat; that of a generic client is wrapped, and says the same.
  const change = overlay(isObject(body.properties) ? body.properties : {}, body)
  const from = fields(change, '')
  const replaced: Record<string, null> = {}
  for (const [one, other] of ways) {
    const given = [one, other].map((way) => from.raw(way) !== undefined)
    if (given[0] !== given[1]) replaced[given[0] ? other : one] = null
  }
  return { ...overlay(before.properties, change), ...replaced }
}

/** Whether `next` may not replace `live` before its endpoint agreed. */
export const needsConsent = (live: DestinationSettings, next: DestinationSettings) =>
  live.endpointType !== next.endpointType || destinationType(next).needsConsent(live, next)

/** The source's id as the service prints it: provider and type in lower case. */
const topicOf = (id: string) =>
  id.replace(/\/providers\/([^/]+)\/([^/]+)\//g, (segments: string) => segments.toLowerCase())

const nestedUnder = ['topics', 'domains', 'domains/topics', 'systemTopics', 'partnerTopics'].map(
  (type) => `Microsoft.EventGrid/${type}`,
)
const childOnlyOf = ['Microsoft.EventGrid/systemTopics', 'Microsoft.EventGrid/partnerTopics']
/** Its event subscriptions are a type of their own. */
const namespaceTopics = 'Microsoft.EventGrid/namespaces/topics'
/** Of Event Grid's own types, those that have events; any type of another provider may have some. */
const ownSources = [
  'Microsoft.EventGrid/topics',
  'Microsoft.EventGrid/domains',
  'Microsoft.EventGrid/domains/topics',
  'Microsoft.EventGrid/namespaces',
]

function refuses({ type }: Level): RequestError | undefined {
  if ([...childOnlyOf, namespaceTopics].some((each) => isSameType(type, each)))
    return invalidRequest(
      'This event subscription operation is not supported using this API call. Please use the proper API and try again.',
    )
  if (!/^Microsoft\.EventGrid\//i.test(type) || ownSources.some((each) => isSameType(type, each)))
    return undefined
  return invalidRequest(
    `A resource of type '${type}' has no events of its own; of this provider these have: ${ownSources.join(', ')}.`,
  )
}

/**
 * Event subscriptions on whatever has events. One record per source and name, reached as an extension resource and,
 * on Event Grid's own resources, as a child.
 *
 * Source: learn.microsoft.com/rest/api/eventgrid/controlplane/event-subscriptions
 */
export const eventSubscriptions: ResourceType = {
  type: 'Microsoft.EventGrid/eventSubscriptions',
  childForms: nestedUnder.map((type) => `${type}/eventSubscriptions`),
  scope: 'extension',
  extension: { refuses, childOnlyOf, onUnlisted: true },
  tracked: false,
  hasIdentity: false,
  name: { pattern: /^[a-zA-Z0-9-]{3,64}$/, rule: '3 to 64 letters, digits or hyphens' },
  reservedPrefixes: [],
  longRunning: true,
  statuses: { create: 201, replace: 201, update: 201 },
  unique: undefined,
  quota: ({ eventSubscriptionsPerTopic }) => eventSubscriptionsPerTopic,
  companion,
  decode,
  patch,
  encode: (resource) => ({
    topic: topicOf(resource.parentId),
    provisioningState: resource.provisioningState,
    deliveryWithResourceIdentity: null,
    deadLetterWithResourceIdentity: null,
    ...resource.properties,
  }),
  actions: { getFullUrl, getDeliveryAttributes },
  notFound: () => new RequestError(404, 'ResourceNotFound', "Event subscription doesn't exist."),
  verification: {
    needed: (live, next) =>
      needsConsent(destinationOf(live), destinationOf(next)) ||
      propertiesOf(live).eventDeliverySchema !== propertiesOf(next).eventDeliverySchema,
    settings: (content) => ({
      settings: destinationOf(content),
      deliverySchema: propertiesOf(content).eventDeliverySchema,
    }),
  },
  expiresAt: (content) => {
    const { expirationTimeUtc } = propertiesOf(content)
    return expirationTimeUtc === null ? undefined : Date.parse(expirationTimeUtc)
  },
  example: {
    name: 'to-warehouse',
    body: {
      properties: {
        destination: {
          endpointType: 'WebHook',
          properties: {
            endpointUrl: 'https://example.org/events?code=secret',
            deliveryAttributeMappings: [
              { name: 'x-tenant', type: 'Static', properties: { value: 'contoso', isSecret: true } },
              { name: 'x-color', type: 'Dynamic', properties: { sourceField: 'data.color' } },
            ],
          },
        },
        filter: {
          subjectBeginsWith: '/orders/',
          advancedFilters: [{ operatorType: 'NumberInRange', key: 'data.total', values: [[10, 20]] }],
        },
        labels: ['warehouse'],
        retryPolicy: { maxDeliveryAttempts: 5, eventTimeToLiveInMinutes: 60 },
      },
    },
  },
}
