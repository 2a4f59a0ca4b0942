import { enrichmentVariableWords, isEnrichmentVariable } from '../client/enrichments.ts'
import type { InputSchema } from '../event/event.ts'
import { isResourceId } from '../wire/arm-id.ts'
import { invalidProperty, invalidRequest } from '../wire/errors.ts'
import {
  type Fields,
  fields,
  type Item,
  readArray,
  readEnum,
  readInteger,
  readObject,
  readString,
} from '../wire/shape.ts'
import { type ClientAuthentication, decodeClientAuthentication } from './client-authentication.ts'
import { type CustomDomain, decodeCustomDomains } from './custom-domains.ts'
import { propertyChangeNotAllowed } from './errors.ts'
import { readUserAssignedIdentity } from './event-subscriptions/resource-identity.ts'
import type { DecodeContext } from './resource-type.ts'
import { topics } from './topics.ts'

/** What a namespace says of its MQTT broker. */
export interface TopicSpacesConfiguration {
  readonly state: 'Disabled' | 'Enabled'
  readonly routeTopicResourceId: string | null
  readonly routingEnrichments: RoutingEnrichments | null
  readonly routingIdentityInfo: {
    readonly type: 'None' | 'SystemAssigned' | 'UserAssigned'
    readonly userAssignedIdentity: string | null
  } | null
  readonly maximumSessionExpiryInHours: number
  readonly maximumClientSessionsPerAuthenticationName: number
  readonly clientAuthentication: ClientAuthentication | null
  readonly customDomains: readonly CustomDomain[] | null
}

/** Attributes that routed events get; those of the second kind name what of the message they are. */
export interface RoutingEnrichments {
  readonly static: readonly { readonly key: string; readonly valueType: 'String'; readonly value: string }[]
  readonly dynamic: readonly { readonly key: string; readonly value: string }[]
}

/** Source: learn.microsoft.com/azure/event-grid/mqtt-routing-enrichment */
const enrichmentLimits = { count: 20, keyCharacters: 20, valueCharacters: 128 }
const idCharacters = 1024
const namespaceTopic = 'Microsoft.EventGrid/namespaces/topics'

/**
 * Source: learn.microsoft.com/rest/api/eventgrid/controlplane/namespaces/create-or-update, "TopicSpacesConfiguration"
 *
 * @param id of the namespace; @param secrets takes in what GET may not print
 */
export function decodeTopicSpaces(
  parent: Fields,
  id: string,
  secrets: Record<string, string>,
  context: DecodeContext,
): TopicSpacesConfiguration {
  const from =
    readObject(parent, 'topicSpacesConfiguration') ?? fields({}, parent.at('topicSpacesConfiguration'))
  const before = context.before?.properties.topicSpacesConfiguration as TopicSpacesConfiguration | undefined
  const state = readEnum(from, 'state', ['Disabled', 'Enabled']) ?? 'Disabled'
  // Its clients and sessions would be left behind, so the service has no way back.
  if (before?.state === 'Enabled' && state === 'Disabled')
    throw propertyChangeNotAllowed(from.at('state'), before.state, state)
  return {
    state,
    routeTopicResourceId: decodeRoute(from, id, before, context),
    routingEnrichments: decodeEnrichments(from),
    routingIdentityInfo: decodeRoutingIdentity(from),
    maximumSessionExpiryInHours: readInteger(from, 'maximumSessionExpiryInHours', 1, 8) ?? 1,
    maximumClientSessionsPerAuthenticationName:
      readInteger(from, 'maximumClientSessionsPerAuthenticationName', 1, 100) ?? 1,
    clientAuthentication: decodeClientAuthentication(from, secrets, context),
    customDomains: decodeCustomDomains(from),
  }
}

/**
 * A topic of this namespace, or a custom topic of the same region that takes CloudEvents.
 *
 * Source: learn.microsoft.com/azure/event-grid/mqtt-routing
 */
function decodeRoute(
  from: Fields,
  id: string,
  before: TopicSpacesConfiguration | undefined,
  { stored, location }: DecodeContext,
): string | null {
  const given = readString(from, 'routeTopicResourceId', idCharacters)
  if (!given) return null
  const at = from.at('routeTopicResourceId')
  // It may be gone meanwhile, which is no reason to refuse another change.
  if (before?.routeTopicResourceId?.toLowerCase() === given.toLowerCase()) return given
  if (isResourceId(given, namespaceTopic)) {
    if (!given.toLowerCase().startsWith(`${id.toLowerCase()}/topics/`))
      throw invalidRequest(`The topic '${given}' is of another namespace than '${id}'.`, at)
    if (!stored.find(namespaceTopic, given)) throw invalidRequest(`The topic '${given}' does not exist.`, at)
    return given
  }
  if (!isResourceId(given, topics.type))
    throw invalidProperty(at, 'the ARM id of a topic of this namespace, or of a custom topic', given)
  const topic = stored.find(topics.type, given)
  if (!topic) throw invalidRequest(`The topic '${given}' does not exist.`, at)
  const input = topic.properties.inputSchema as InputSchema
  if (input !== 'CloudEventSchemaV1_0')
    throw invalidRequest(
      `The topic '${given}' must have the input schema CloudEventSchemaV1_0; it has ${input}.`,
      at,
    )
  if (topic.location !== location)
    throw invalidRequest(
      `The topic '${given}' must be in the region of the namespace, ${location}; it is in ${topic.location}.`,
      at,
    )
  return given
}

function decodeRoutingIdentity(parent: Fields): TopicSpacesConfiguration['routingIdentityInfo'] {
  const from = readObject(parent, 'routingIdentityInfo')
  if (!from) return null
  return {
    type: readEnum(from, 'type', ['None', 'SystemAssigned', 'UserAssigned']) ?? 'None',
    userAssignedIdentity: readUserAssignedIdentity(from) ?? null,
  }
}

function decodeEnrichments(parent: Fields): RoutingEnrichments | null {
  const from = readObject(parent, 'routingEnrichments')
  if (!from) return null
  const keys = new Set<string>()
  const constant = readArray(from, 'static', enrichmentLimits.count) ?? []
  const dynamic = readArray(from, 'dynamic', enrichmentLimits.count) ?? []
  if (constant.length + dynamic.length > enrichmentLimits.count)
    throw invalidProperty(
      parent.at('routingEnrichments'),
      `at most ${enrichmentLimits.count} enrichments in all`,
      constant.length + dynamic.length,
    )
  return {
    static: constant.map((item) => {
      const { key, value } = decodeEnrichment(item, keys)
      const entry = fields(item.value, item.path)
      return { key, valueType: readEnum(entry, 'valueType', ['String']) ?? 'String', value }
    }),
    dynamic: dynamic.map((item) => {
      const decoded = decodeEnrichment(item, keys)
      if (isEnrichmentVariable(decoded.value)) return decoded
      throw invalidProperty(fields(item.value, item.path).at('value'), enrichmentVariableWords, decoded.value)
    }),
  }
}

const reserved = new Set([
  ...['specversion', 'id', 'time', 'type', 'source', 'subject'],
  ...['datacontenttype', 'dataschema', 'data', 'data_base64'],
])

function decodeEnrichment({ value: wire, path }: Item, keys: Set<string>) {
  const from = fields(wire, path)
  const key = readString(from, 'key', enrichmentLimits.keyCharacters) ?? ''
  if (!/^[a-z0-9]+$/.test(key) || reserved.has(key) || key.startsWith('azsp') || keys.has(key))
    throw invalidProperty(
      from.at('key'),
      "1 to 20 lower-case letters and digits, no attribute that every event has, not beginning with 'azsp', and given once",
      key,
    )
  keys.add(key)
  const value = readString(from, 'value', enrichmentLimits.valueCharacters) ?? ''
  if (value === '') throw invalidProperty(from.at('value'), '1 to 128 characters', value)
  return { key, value }
}
