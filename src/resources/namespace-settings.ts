import { RequestError } from '../base/errors.ts'
import { isResourceId } from '../wire/arm-id.ts'
import { invalidProperty, invalidRequest } from '../wire/errors.ts'
import {
  type Fields,
  fields,
  readArray,
  readEnum,
  readInteger,
  readObject,
  readString,
  type WireObject,
} from '../wire/shape.ts'
import { type ClientAuthentication, decodeClientAuthentication } from './client-authentication.ts'
import type { DecodeContext } from './resource-type.ts'

/*
 * The two halves of a namespace: how events reach its topics, and how MQTT clients reach its broker.
 *
 * Source: learn.microsoft.com/rest/api/eventgrid/controlplane/namespaces
 */

export interface CustomDomain {
  readonly fullyQualifiedDomainName: string
  readonly certificateUrl: string | null
  readonly identity: WireObject | null
}

export interface TopicsConfiguration {
  readonly customDomains: readonly CustomDomain[] | null
}

export interface TopicSpacesConfiguration {
  readonly state: 'Enabled' | 'Disabled'
  readonly routeTopicResourceId: string | null
  readonly routingEnrichments: {
    readonly static: readonly { readonly key: string; readonly valueType: 'String'; readonly value: string }[]
    readonly dynamic: readonly { readonly key: string; readonly value: string }[]
  } | null
  readonly routingIdentityInfo: {
    readonly type: 'None' | 'SystemAssigned' | 'UserAssigned'
    readonly userAssignedIdentity: string | null
  } | null
  readonly clientAuthentication: ClientAuthentication | null
  readonly maximumSessionExpiryInHours: number
  readonly maximumClientSessionsPerAuthenticationName: number
  readonly customDomains: readonly CustomDomain[] | null
}

const customDomainsMost = 5
const idCharacters = 1024
const urlCharacters = 2048

export function decodeTopicsConfiguration(from: Fields): TopicsConfiguration {
  const configuration = readObject(from, 'topicsConfiguration')
  return { customDomains: configuration ? decodeCustomDomains(configuration) : null }
}

/** @param secrets gets what is not to be shown */
export function decodeTopicSpaces(
  parent: Fields,
  secrets: Record<string, string>,
  context: DecodeContext,
): TopicSpacesConfiguration {
  const from =
    readObject(parent, 'topicSpacesConfiguration') ?? fields({}, parent.at('topicSpacesConfiguration'))
  const before = context.before?.properties.topicSpacesConfiguration as TopicSpacesConfiguration | undefined
  const state = readEnum(from, 'state', ['Enabled', 'Disabled']) ?? 'Disabled'
  if (before?.state === 'Enabled' && state === 'Disabled')
    throw invalidRequest(
      `'${from.at('state')}' cannot go back to Disabled once it is Enabled.`,
      from.at('state'),
    )
  return {
    state,
    routeTopicResourceId: decodeRoute(from, context),
    routingEnrichments: decodeEnrichments(from),
    routingIdentityInfo: decodeRoutingIdentity(from),
    clientAuthentication: decodeClientAuthentication(from, secrets, context),
    maximumSessionExpiryInHours: readInteger(from, 'maximumSessionExpiryInHours', 1, 8) ?? 1,
    maximumClientSessionsPerAuthenticationName:
      readInteger(from, 'maximumClientSessionsPerAuthenticationName', 1, 100) ?? 1,
    customDomains: decodeCustomDomains(from),
  }
}

function decodeCustomDomains(from: Fields): readonly CustomDomain[] | null {
  const items = readArray(from, 'customDomains', customDomainsMost)
  if (!items) return null
  return items.map(({ value, path }) => {
    const domain = fields(value, path)
    const name = readString(domain, 'fullyQualifiedDomainName', 253)
    if (name === undefined || !/^(?=.*\.)[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i.test(name))
      throw invalidProperty(
        domain.at('fullyQualifiedDomainName'),
        'a host name such as events.contoso.com',
        domain.raw('fullyQualifiedDomainName'),
      )
    const identity = readObject(domain, 'identity')
    return {
      fullyQualifiedDomainName: name,
      certificateUrl: readString(domain, 'certificateUrl', urlCharacters) ?? null,
      identity: identity
        ? {
            type: readEnum(identity, 'type', ['SystemAssigned', 'UserAssigned']) ?? 'SystemAssigned',
            userAssignedIdentity: readString(identity, 'userAssignedIdentity', idCharacters) ?? null,
          }
        : null,
    }
  })
}

/** Source: learn.microsoft.com/azure/event-grid/mqtt-routing, "How can I configure routing" */
function decodeRoute(from: Fields, { stored, name, parentId, location }: DecodeContext): string | null {
  const id = readString(from, 'routeTopicResourceId', idCharacters) || undefined
  if (id === undefined) return null
  const at = from.at('routeTopicResourceId')
  if (isResourceId(id, 'Microsoft.EventGrid/namespaces/topics')) {
    const own = `${parentId}/providers/Microsoft.EventGrid/namespaces/${name}/topics/`.toLowerCase()
    if (!id.toLowerCase().startsWith(own))
      throw invalidRequest(`'${at}' names a topic of another namespace: '${id}'.`, at)
    if (!stored.find('Microsoft.EventGrid/namespaces/topics', id)) throw routeNotFound(id, at)
    return id
  }
  if (!isResourceId(id, 'Microsoft.EventGrid/topics'))
    throw invalidProperty(at, 'the ARM id of a custom topic, or of a topic of this namespace', id)
  const topic = stored.find('Microsoft.EventGrid/topics', id)
  if (!topic) throw routeNotFound(id, at)
  if (topic.properties.inputSchema !== 'CloudEventSchemaV1_0')
    throw invalidRequest(
      `The topic '${id}' takes events in the schema '${String(topic.properties.inputSchema)}'; messages are routed ` +
        `to topics whose input schema is CloudEventSchemaV1_0.`,
      at,
    )
  if (topic.location !== location)
    throw invalidRequest(
      `The topic '${id}' is in '${topic.location}', and the namespace in '${location}'; they must be in one region.`,
      at,
    )
  return id
}

const routeNotFound = (id: string, at: string) =>
  new RequestError(404, 'ResourceNotFound', `The topic '${id}', to which '${at}' routes, was not found.`, {
    target: at,
  })

/** Source: learn.microsoft.com/azure/event-grid/mqtt-routing-enrichment */
const enrichmentsMost = 20
const reservedKeys = new Set([
  'specversion',
  'id',
  'time',
  'type',
  'source',
  'subject',
  'datacontenttype',
  'dataschema',
  'data',
  'data_base64',
])
const variable =
  /^\$\{(client\.authenticationName|client\.attributes\.[A-Za-z0-9_]+|mqtt\.message\.(topicName|responseTopic|correlationData|pfi|userProperties(\.[A-Za-z0-9_]+|\['(\\.|[^'\\])+'\])))\}$/

function decodeEnrichments(parent: Fields): TopicSpacesConfiguration['routingEnrichments'] {
  const from = readObject(parent, 'routingEnrichments')
  if (!from) return null
  const seen = new Set<string>()
  const decodeKey = (item: Fields): string => {
    const key = readString(item, 'key', 20)
    if (key === undefined || !/^[a-z0-9]{1,20}$/.test(key) || reservedKeys.has(key) || key.startsWith('azsp'))
      throw invalidProperty(
        item.at('key'),
        '1 to 20 lower-case letters and digits, not an attribute of every event, and not beginning with azsp',
        key,
      )
    if (seen.has(key)) throw invalidProperty(item.at('key'), 'given once', key)
    seen.add(key)
    if (seen.size > enrichmentsMost)
      throw invalidProperty(
        from.at('static'),
        `of at most ${enrichmentsMost} enrichments in all`,
        `${seen.size}`,
      )
    return key
  }
  const decodeValue = (item: Fields): string => {
    const value = readString(item, 'value', 128)
    if (value === undefined || value === '')
      throw invalidProperty(item.at('value'), '1 to 128 characters', value)
    return value
  }
  return {
    static: (readArray(from, 'static', enrichmentsMost) ?? []).map(({ value, path }) => {
      const item = fields(value, path)
      readEnum(item, 'valueType', ['String'])
      return { key: decodeKey(item), valueType: 'String', value: decodeValue(item) }
    }),
    dynamic: (readArray(from, 'dynamic', enrichmentsMost) ?? []).map(({ value, path }) => {
      const item = fields(value, path)
      const key = decodeKey(item)
      const text = decodeValue(item)
      if (!variable.test(text))
        throw invalidProperty(
          item.at('value'),
          'one variable such as ${client.authenticationName} or ${mqtt.message.topicName}',
          text,
        )
      return { key, value: text }
    }),
  }
}

function decodeRoutingIdentity(parent: Fields): TopicSpacesConfiguration['routingIdentityInfo'] {
  const from = readObject(parent, 'routingIdentityInfo')
  if (!from) return null
  const type = readEnum(from, 'type', ['None', 'SystemAssigned', 'UserAssigned']) ?? 'None'
  return { type, userAssignedIdentity: readString(from, 'userAssignedIdentity', idCharacters) ?? null }
}
