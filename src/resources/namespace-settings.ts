import { RequestError } from '../base/errors.ts'
import { isResourceId } from '../wire/arm-id.ts'
import { invalidProperty, invalidRequest, notSupported } from '../wire/errors.ts'
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
import { type ResourceIdentity } from './event-subscriptions/resource-identity.ts'
import type { Content, DecodeContext } from './resource-type.ts'

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

export const alternativeNameSources = [
  'ClientCertificateSubject',
  'ClientCertificateDns',
  'ClientCertificateUri',
  'ClientCertificateIp',
  'ClientCertificateEmail',
] as const

export interface ClientAuthentication {
  readonly alternativeAuthenticationNameSources: readonly (typeof alternativeNameSources)[number][] | null
  readonly customJwtAuthentication: {
    readonly tokenIssuer: string
    readonly issuerCertificates:
      | readonly { readonly certificateUrl: string; readonly identity: ResourceIdentity | null }[]
      | null
    readonly encodedIssuerCertificates:
      | readonly { readonly kid: string; readonly encodedCertificate: string }[]
      | null
  } | null
  readonly webhookAuthentication: {
    /** The URL itself is a secret. */
    readonly endpointBaseUrl: string
    readonly identity: WireObject | null
    readonly azureActiveDirectoryApplicationIdOrUri: string
    readonly azureActiveDirectoryTenantId: string
  } | null
}

/** Under which the URL of the webhook is sealed. */
export const webhookUrlSecret = 'webhookAuthenticationUrl'

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
    clientAuthentication: decodeClientAuthentication(from, secrets, context.before),
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

// ---------------------------------------------------------------- who clients are

function decodeClientAuthentication(
  parent: Fields,
  secrets: Record<string, string>,
  before: Content | undefined,
): ClientAuthentication | null {
  const from = readObject(parent, 'clientAuthentication')
  if (!from) return null
  const sources = readArray(from, 'alternativeAuthenticationNameSources', alternativeNameSources.length)
  return {
    alternativeAuthenticationNameSources:
      sources?.map(({ value, path }) => {
        const word = readEnum(fields({ value }, path), 'value', alternativeNameSources)
        if (word === undefined)
          throw invalidProperty(path, `one of ${alternativeNameSources.join(', ')}`, value)
        return word
      }) ?? null,
    customJwtAuthentication: decodeCustomJwt(from),
    webhookAuthentication: decodeWebhook(from, secrets, before),
  }
}

const issuerCertificatesMost = 2

function decodeCustomJwt(parent: Fields): ClientAuthentication['customJwtAuthentication'] {
  const from = readObject(parent, 'customJwtAuthentication')
  if (!from) return null
  const tokenIssuer = readString(from, 'tokenIssuer', urlCharacters)
  if (tokenIssuer === undefined || tokenIssuer === '')
    throw invalidProperty(from.at('tokenIssuer'), 'the issuer that tokens name', tokenIssuer)
  const urls = readArray(from, 'issuerCertificates', issuerCertificatesMost)
  const encoded = readArray(from, 'encodedIssuerCertificates', issuerCertificatesMost)
  if ((urls?.length ?? 0) + (encoded?.length ?? 0) === 0)
    throw invalidProperty(
      from.at('issuerCertificates'),
      'given, or encodedIssuerCertificates: without one no token can be checked',
      undefined,
    )
  return {
    tokenIssuer,
    issuerCertificates:
      urls?.map(({ value, path }) => {
        const item = fields(value, path)
        const url = readString(item, 'certificateUrl', urlCharacters)
        if (url === undefined || !URL.canParse(url) || !/^https?:/i.test(url))
          throw invalidProperty(item.at('certificateUrl'), 'the https:// URL of a certificate', url)
        const identity = readObject(item, 'identity')
        return {
          certificateUrl: url,
          identity: identity
            ? {
                type: readEnum(identity, 'type', ['SystemAssigned', 'UserAssigned']) ?? 'SystemAssigned',
                userAssignedIdentity: readString(identity, 'userAssignedIdentity', idCharacters) ?? null,
              }
            : null,
        }
      }) ?? null,
    encodedIssuerCertificates:
      encoded?.map(({ value, path }) => {
        const item = fields(value, path)
        const certificate = readString(item, 'encodedCertificate', 65_536)
        if (certificate === undefined || certificate === '')
          throw invalidProperty(item.at('encodedCertificate'), 'a certificate in PEM', certificate)
        return { kid: readString(item, 'kid', 256) ?? '', encodedCertificate: certificate }
      }) ?? null,
  }
}

function decodeWebhook(
  parent: Fields,
  secrets: Record<string, string>,
  before: Content | undefined,
): ClientAuthentication['webhookAuthentication'] {
  const from = readObject(parent, 'webhookAuthentication')
  if (!from) return null
  // What clients read has no URL; what they send back means the one that is there.
  const url = readString(from, 'endpointUrl', urlCharacters) ?? before?.secrets[webhookUrlSecret]
  const parsed = url === undefined ? undefined : URL.parse(url)
  if (!parsed || parsed.protocol !== 'https:')
    throw invalidProperty(
      from.at('endpointUrl'),
      'the https:// URL of a webhook',
      url === undefined ? undefined : 'another',
    )
  secrets[webhookUrlSecret] = parsed.href
  const application = readString(from, 'azureActiveDirectoryApplicationIdOrUri', urlCharacters)
  const tenant = readString(from, 'azureActiveDirectoryTenantId', 128)
  if (application === undefined || tenant === undefined)
    throw notSupported(
      from.at('azureActiveDirectoryApplicationIdOrUri'),
      'A webhook without Microsoft Entra ID',
      'Give azureActiveDirectoryApplicationIdOrUri and azureActiveDirectoryTenantId.',
    )
  const identity = readObject(from, 'identity')
  return {
    endpointBaseUrl: `${parsed.origin}${parsed.pathname}`,
    identity: identity
      ? {
          type: readEnum(identity, 'type', ['SystemAssigned', 'UserAssigned']) ?? 'SystemAssigned',
          userAssignedIdentity: readString(identity, 'userAssignedIdentity', idCharacters) ?? null,
        }
      : null,
    azureActiveDirectoryApplicationIdOrUri: application,
    azureActiveDirectoryTenantId: tenant,
  }
}
