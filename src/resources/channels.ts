import { groupType, levelsOf } from '../wire/arm-id.ts'
import { invalidProperty, invalidRequest } from '../wire/errors.ts'
import {
  type Fields,
  fields,
  isObject,
  overlay,
  readEnum,
  readObject,
  readString,
  type WireObject,
} from '../wire/shape.ts'
import { partnerNotAuthorized, propertyChangeNotAllowed, twinTaken } from './errors.ts'
import { decodeEventTypeInfo } from './event-type-info.ts'
import { readFutureTime } from './future-time.ts'
import { isAuthorized } from './partner-configurations.ts'
import { type PartnerDestinationProperties, partnerDestinations } from './partner-destinations.ts'
import { partnerNamespaces } from './partner-namespaces.ts'
import { partnerRegistrations } from './partner-registrations.ts'
import { type PartnerTopicProperties, partnerTextLimits, partnerTopics } from './partner-topics.ts'
import type {
  Action,
  Content,
  DecodeContext,
  ResourceType,
  StoredResource,
  StoredResources,
  Twin,
  TwinRules,
} from './resource-type.ts'

/** A channel's stored `properties`, as `decode` makes them. */
export interface ChannelProperties {
  readonly channelType: 'PartnerTopic' | 'PartnerDestination'
  readonly partnerTopicInfo: PartnerTopicInfo | null
  readonly partnerDestinationInfo: PartnerDestinationInfo | null
  readonly messageForActivation: string | null
  readonly expirationTimeIfNotActivatedUtc: string
  readonly readinessState: 'NeverActivated' | 'Activated'
}

/** Where in a subscriber's subscription the other side is. */
interface Place {
  readonly azureSubscriptionId: string
  readonly resourceGroupName: string
  readonly name: string
}

interface PartnerTopicInfo extends Place {
  readonly source: string
  readonly eventTypeInfo: unknown
}

interface PartnerDestinationInfo extends Place {
  readonly endpointType: 'WebHook'
  readonly endpointServiceContext: string | null
  readonly properties: {
    readonly endpointUrl: null
    readonly endpointBaseUrl: string
    readonly clientAuthentication: {
      readonly clientAuthenticationType: 'AzureAD'
      readonly properties: {
        readonly azureActiveDirectoryTenantId: string
        readonly azureActiveDirectoryApplicationIdOrUri: string
      }
    } | null
  }
}

const urlCharacters = 2048
const idCharacters = 1024
/** How long the subscriber may take to activate. */
const activationMs = 7 * 86_400_000

const propertiesOf = ({ properties }: Pick<Content, 'properties'>) =>
  properties as unknown as ChannelProperties

function decode(wire: WireObject, context: DecodeContext): Content {
  const { before, now } = context
  const from = fields(wire, 'properties')
  const old = before && propertiesOf(before)
  const secrets: Record<string, string> = {}
  const channelType =
    readEnum(from, 'channelType', ['PartnerTopic', 'PartnerDestination']) ??
    old?.channelType ??
    'PartnerTopic'
  const kept = old?.expirationTimeIfNotActivatedUtc
  const properties: ChannelProperties = {
    channelType,
    partnerTopicInfo: channelType === 'PartnerTopic' ? decodeTopicInfo(from, context) : null,
    partnerDestinationInfo:
      channelType === 'PartnerDestination' ? decodeDestinationInfo(from, secrets, context) : null,
    messageForActivation:
      readString(from, 'messageForActivation', partnerTextLimits.messageCharacters) ?? null,
    expirationTimeIfNotActivatedUtc:
      readFutureTime(from, 'expirationTimeIfNotActivatedUtc', now, kept) ??
      kept ??
      new Date(now + activationMs).toISOString(),
    readinessState: old?.readinessState ?? 'NeverActivated',
  }
  if (old) refuseMove(old, properties, from)
  return { properties: { ...properties }, secrets }
}

function decodePlace(from: Fields, { parentId }: DecodeContext): Place {
  const own = levelsOf(parentId)[0]?.id.split('/')[2] ?? ''
  const azureSubscriptionId = readString(from, 'azureSubscriptionId', 36) ?? own
  if (azureSubscriptionId.toLowerCase() !== own.toLowerCase())
    throw invalidProperty(from.at('azureSubscriptionId'), `'${own}', the one there is`, azureSubscriptionId)
  const resourceGroupName = readString(from, 'resourceGroupName', 90) ?? ''
  if (resourceGroupName === '')
    throw invalidProperty(from.at('resourceGroupName'), 'the name of a resource group', undefined)
  const name = readString(from, 'name', 128) ?? ''
  const { pattern, rule } = partnerTopics.name
  if (!pattern.test(name)) throw invalidProperty(from.at('name'), rule, name)
  return { azureSubscriptionId, resourceGroupName, name }
}

function decodeTopicInfo(parent: Fields, context: DecodeContext): PartnerTopicInfo {
  const from = readObject(parent, 'partnerTopicInfo') ?? fields({}, parent.at('partnerTopicInfo'))
  const source = readString(from, 'source', partnerTextLimits.sourceCharacters) ?? ''
  if (source === '') throw invalidProperty(from.at('source'), 'the source of the events', source)
  return { ...decodePlace(from, context), source, eventTypeInfo: decodeEventTypeInfo(from) }
}

function decodeDestinationInfo(
  parent: Fields,
  secrets: Record<string, string>,
  context: DecodeContext,
): PartnerDestinationInfo {
  const from = readObject(parent, 'partnerDestinationInfo') ?? fields({}, parent.at('partnerDestinationInfo'))
  readEnum(from, 'endpointType', ['WebHook'])
  const properties = readObject(from, 'properties') ?? fields({}, from.at('properties'))
  const endpointUrl = decodeUrl(properties, context)
  secrets.endpointUrl = endpointUrl
  return {
    ...decodePlace(from, context),
    endpointType: 'WebHook',
    endpointServiceContext:
      readString(from, 'endpointServiceContext', partnerTextLimits.messageCharacters) ?? null,
    properties: {
      endpointUrl: null,
      endpointBaseUrl: endpointUrl.replace(/[?#].*$/s, ''),
      clientAuthentication: decodeAuthentication(properties),
    },
  }
}

/** Clients read a channel, where the URL is hidden, and send it back. */
function decodeUrl(from: Fields, { before, capabilities }: DecodeContext): string {
  const kept = before?.secrets.endpointUrl
  if (kept !== undefined && from.raw('endpointUrl') === undefined) return kept
  const text = readString(from, 'endpointUrl', urlCharacters) ?? ''
  const url = URL.parse(text)
  const protocols = capabilities.allowHttpWebhooks ? ['https:', 'http:'] : ['https:']
  if (!url || !protocols.includes(url.protocol) || url.username !== '' || url.password !== '')
    // The URL is not repeated, for its query may hold a secret.
    throw invalidRequest(
      `The property '${from.at('endpointUrl')}' must be an HTTPS URL without user name and password.`,
      from.at('endpointUrl'),
    )
  return text
}

function decodeAuthentication(parent: Fields): PartnerDestinationInfo['properties']['clientAuthentication'] {
  const from = readObject(parent, 'clientAuthentication')
  if (!from) return null
  readEnum(from, 'clientAuthenticationType', ['AzureAD'])
  const properties = readObject(from, 'properties') ?? fields({}, from.at('properties'))
  const read = (name: string) => {
    const value = readString(properties, name, idCharacters) ?? ''
    if (value === '') throw invalidProperty(properties.at(name), 'given', undefined)
    return value
  }
  return {
    clientAuthenticationType: 'AzureAD',
    properties: {
      azureActiveDirectoryTenantId: read('azureActiveDirectoryTenantId'),
      azureActiveDirectoryApplicationIdOrUri: read('azureActiveDirectoryApplicationIdOrUri'),
    },
  }
}

/** What a channel leads to stays what it is. */
function refuseMove(old: ChannelProperties, next: ChannelProperties, from: Fields): void {
  if (old.channelType !== next.channelType)
    throw propertyChangeNotAllowed(from.at('channelType'), old.channelType, next.channelType)
  const info = old.partnerTopicInfo ? 'partnerTopicInfo' : 'partnerDestinationInfo'
  for (const name of ['azureSubscriptionId', 'resourceGroupName', 'name', 'source'] as const) {
    const [before, after] = [old[info], next[info]].map((each) => (each as WireObject | null)?.[name])
    if (String(before).toLowerCase() !== String(after).toLowerCase())
      throw propertyChangeNotAllowed(`${from.at(info)}.${name}`, before, after)
  }
}

/** An update names the time and the event types; what else is inside of `partnerTopicInfo` stays. */
function patch({ properties }: WireObject, before: Content): WireObject {
  if (properties === undefined || properties === null) return before.properties
  if (!isObject(properties)) throw invalidProperty('properties', 'an object', properties)
  const merged = overlay(before.properties, properties)
  const inner = (name: string) => {
    const [old, given] = [before.properties[name], merged[name]]
    return { [name]: isObject(old) ? overlay(old, isObject(given) ? given : {}) : given }
  }
  return { ...merged, ...inner('partnerTopicInfo'), ...inner('partnerDestinationInfo') }
}

// ------------------------------------------------------------ the other side

const placeOf = ({ partnerTopicInfo, partnerDestinationInfo }: ChannelProperties): Place =>
  (partnerTopicInfo ?? partnerDestinationInfo) as Place

const twin: TwinRules = {
  make(channel, content, context) {
    const properties = propertiesOf(content)
    const { azureSubscriptionId, resourceGroupName, name } = placeOf(properties)
    const groupId = `/subscriptions/${azureSubscriptionId}/resourceGroups/${resourceGroupName}`
    const namespace = context.stored.find(partnerNamespaces.type, channel.parentId) as StoredResource
    const { immutableId, name: partner } = partnerOf(namespace, context.stored)
    const type = properties.partnerTopicInfo ? partnerTopics.type : partnerDestinations.type
    const parentId = context.stored.find(groupType, groupId)?.id ?? groupId
    const existing = context.stored.find(type, `${groupId}/providers/${type}/${name}`)
    if (existing?.twinId?.toLowerCase() !== channel.id.toLowerCase()) {
      if (!isAuthorized({ immutableId, name: partner }, groupId, context.stored, context.now))
        throw partnerNotAuthorized(partner, groupId)
      if (existing && !isFree(existing, immutableId, properties)) throw twinTaken(existing.id)
    }
    const old = existing && context.unseal(existing)
    const made = properties.partnerTopicInfo
      ? topicContent(properties, immutableId, old)
      : destinationContent(properties, immutableId, content, old)
    return { type, parentId, name, location: namespace.location as string, content: made } satisfies Twin
  },
  reflect(other, channel) {
    if (channel) return undefined
    return { ...other, twinId: undefined, provisioningState: 'IdleDueToMirroredChannelResourceDeletion' }
  },
}

function partnerOf(namespace: StoredResource, stored: StoredResources) {
  const id = namespace.properties.partnerRegistrationFullyQualifiedId as string
  const registration = stored.find(partnerRegistrations.type, id)
  if (!registration) throw invalidRequest(`The partner registration '${id}' does not exist any more.`)
  const immutableId = registration.properties.partnerRegistrationImmutableId as string
  return { immutableId, name: registration.name }
}

/** Of the same partner, with the same source, and no other channel's. */
function isFree(
  existing: StoredResource,
  immutableId: string,
  { partnerTopicInfo }: ChannelProperties,
): boolean {
  const { partnerRegistrationImmutableId, source = null } = existing.properties
  return (
    existing.twinId === undefined &&
    partnerRegistrationImmutableId === immutableId &&
    (partnerTopicInfo === null || source === partnerTopicInfo.source)
  )
}

function topicContent(channel: ChannelProperties, immutableId: string, old: Content | undefined): Content {
  const before = old?.properties as unknown as PartnerTopicProperties | undefined
  const { source, eventTypeInfo } = channel.partnerTopicInfo as PartnerTopicInfo
  const properties: PartnerTopicProperties = {
    partnerRegistrationImmutableId: immutableId,
    source,
    eventTypeInfo,
    expirationTimeIfNotActivatedUtc: channel.expirationTimeIfNotActivatedUtc,
    activationState: before?.activationState ?? 'NeverActivated',
    partnerTopicFriendlyDescription: before?.partnerTopicFriendlyDescription ?? null,
    messageForActivation: channel.messageForActivation,
  }
  return { properties: { ...properties }, secrets: {} }
}

function destinationContent(
  channel: ChannelProperties,
  immutableId: string,
  { secrets }: Content,
  old: Content | undefined,
): Content {
  const before = old?.properties as unknown as PartnerDestinationProperties | undefined
  const { endpointServiceContext, properties } = channel.partnerDestinationInfo as PartnerDestinationInfo
  const made: PartnerDestinationProperties = {
    partnerRegistrationImmutableId: immutableId,
    endpointServiceContext,
    endpointBaseUrl: properties.endpointBaseUrl,
    expirationTimeIfNotActivatedUtc: channel.expirationTimeIfNotActivatedUtc,
    activationState: before?.activationState ?? 'NeverActivated',
    messageForActivation: channel.messageForActivation,
    clientAuthentication: properties.clientAuthentication?.properties ?? null,
  }
  return { properties: { ...made }, secrets: { endpointUrl: secrets.endpointUrl as string } }
}

const getFullUrl: Action = ({ secrets }) => ({ answer: { endpointUrl: secrets.endpointUrl ?? null } })

/**
 * What a partner has with one subscriber: a partner topic that gets the events of the channel, or a partner
 * destination that the subscriber delivers to.
 *
 * Source: learn.microsoft.com/rest/api/eventgrid/controlplane/channels; learn.microsoft.com/azure/event-grid/onboard-partner
 */
export const channels: ResourceType = {
  type: 'Microsoft.EventGrid/partnerNamespaces/channels',
  childForms: [],
  scope: 'child',
  extension: undefined,
  tracked: false,
  hasIdentity: false,
  name: { pattern: /^[a-zA-Z0-9-]{3,64}$/, rule: '3 to 64 letters, digits or hyphens' },
  reservedPrefixes: [],
  longRunning: false,
  statuses: { create: 201, replace: 201, update: 200 },
  updatesSilently: true,
  unique: undefined,
  quota: undefined,
  companion: undefined,
  together: 'partners',
  twin,
  decode,
  patch,
  encode: ({ provisioningState, properties: { partnerDestinationInfo, ...properties } }) => ({
    provisioningState,
    ...properties,
    // Unknown to the newest stable api-version.
    ...(partnerDestinationInfo !== null && { partnerDestinationInfo }),
  }),
  actions: { getFullUrl },
  notFound: undefined,
  verification: undefined,
  expiresAt: ({ properties }) => {
    const { readinessState, expirationTimeIfNotActivatedUtc } = properties as unknown as ChannelProperties
    return readinessState === 'NeverActivated' ? Date.parse(expirationTimeIfNotActivatedUtc) : undefined
  },
  example: {
    name: 'orders-of-1',
    body: {
      properties: {
        channelType: 'PartnerTopic',
        partnerTopicInfo: {
          azureSubscriptionId: '00000000-0000-0000-0000-000000000000',
          resourceGroupName: 'rg-orders',
          name: 'contoso-orders',
          source: '/contoso/accounts/1/orders',
        },
        messageForActivation: 'Activate to get your orders.',
      },
    },
  },
}
