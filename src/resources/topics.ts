import { newAccessKey } from '../base/ids.ts'
import type { InputSchema } from '../event/event.ts'
import { invalidProperty, notSupported } from '../wire/errors.ts'
import {
  type Fields,
  fields,
  isObject,
  overlay,
  readArray,
  readBoolean,
  readEnum,
  readObject,
  readString,
} from '../wire/shape.ts'
import { decodeTlsVersion } from '../wire/tls-version.ts'
import { propertyChangeNotAllowed } from './errors.ts'
import type { Action, Content, DecodeContext, ResourceType } from './resource-type.ts'
import { topicEndpointPath } from './topic-endpoint.ts'

/** A topic's stored `properties`, as `decode` makes them. */
export interface TopicProperties {
  readonly inputSchema: InputSchema
  readonly publicNetworkAccess: 'Enabled' | 'Disabled'
  readonly disableLocalAuth: boolean
  readonly minimumTlsVersionAllowed: '1.2' | null
  readonly dataResidencyBoundary: 'WithinGeopair' | 'WithinRegion' | null
  readonly eventTypeInfo: unknown
}

const inlineTypes = 1000
const inlineTextCharacters = 2048

/** Both access keys: 32 random bytes each, as base64. */
const newKeys = (): Content['secrets'] => ({ key1: newAccessKey(), key2: newAccessKey() })

function decode(wire: Readonly<Record<string, unknown>>, { before }: DecodeContext): Content {
  const from = fields(wire, 'properties')
  const inputSchema = readEnum(from, 'inputSchema', [
    'EventGridSchema',
    'CloudEventSchemaV1_0',
    'CustomEventSchema',
  ])
  if (inputSchema === 'CustomEventSchema')
    throw notSupported('properties.inputSchema', "The input schema 'CustomEventSchema'")
  if (readObject(from, 'inputSchemaMapping'))
    throw notSupported('properties.inputSchemaMapping', 'Mapping of a custom input schema')
  const rules = readArray(from, 'inboundIpRules', 128)
  if (rules !== undefined && rules.length > 0)
    throw notSupported('properties.inboundIpRules', 'Filtering publishers by IP address')
  if (readBoolean(from, 'disableLocalAuth') === true)
    throw notSupported(
      'properties.disableLocalAuth',
      'Publishing with Microsoft Entra tokens alone (disableLocalAuth: true)',
    )
  const boundary = readEnum(from, 'dataResidencyBoundary', ['WithinGeopair', 'WithinRegion'])
  const properties: TopicProperties = {
    inputSchema: inputSchema ?? 'EventGridSchema',
    publicNetworkAccess: readEnum(from, 'publicNetworkAccess', ['Enabled', 'Disabled']) ?? 'Enabled',
    disableLocalAuth: false,
    minimumTlsVersionAllowed: decodeTlsVersion(from, 'minimumTlsVersionAllowed'),
    dataResidencyBoundary: boundary ?? null,
    eventTypeInfo: decodeEventTypeInfo(from),
  }
  const old = before?.properties.inputSchema
  if (old !== undefined && old !== properties.inputSchema)
    throw propertyChangeNotAllowed('properties.inputSchema', old, properties.inputSchema)
  return { properties: { ...properties }, secrets: before?.secrets ?? newKeys() }
}

/** Documentation for people and portals: kept and given back, nothing acts on it. */
function decodeEventTypeInfo(from: Fields): unknown {
  const info = readObject(from, 'eventTypeInfo')
  if (!info) return null
  const kind = readEnum(info, 'kind', ['Inline']) ?? 'Inline'
  const path = info.at('inlineEventTypes')
  const types = info.raw('inlineEventTypes') ?? {}
  if (!isObject(types)) throw invalidProperty(path, 'an object', types)
  const names = Object.entries(types)
  if (names.length > inlineTypes)
    throw invalidProperty(path, `an object of at most ${inlineTypes} members`, `${names.length} members`)
  const members = ['displayName', 'description', 'documentationUrl', 'dataSchemaUrl']
  const decoded = names.map(([name, value]) => {
    const one = fields(value, `${path}.${name}`)
    return [
      name,
      Object.fromEntries(
        members.map((member) => [member, readString(one, member, inlineTextCharacters) ?? null]),
      ),
    ]
  })
  return { kind, inlineEventTypes: Object.fromEntries(decoded) as unknown }
}

const listKeys: Action = ({ secrets }) => ({ answer: { key1: secrets.key1, key2: secrets.key2 } })

const regenerateKey: Action = (content, body) => {
  const keyName = readEnum(fields(body, ''), 'keyName', ['key1', 'key2'])
  if (keyName === undefined) throw invalidProperty('keyName', 'one of key1, key2', undefined)
  const secrets = { ...content.secrets, [keyName]: newAccessKey() }
  return { answer: { key1: secrets.key1, key2: secrets.key2 }, content: { ...content, secrets } }
}

/**
 * Custom topics.
 *
 * Source: learn.microsoft.com/rest/api/eventgrid/controlplane/topics
 */
export const topics: ResourceType = {
  type: 'Microsoft.EventGrid/topics',
  childForms: [],
  scope: 'group',
  parentTypes: [],
  tracked: true,
  hasIdentity: true,
  name: { pattern: /^[a-zA-Z0-9-]{3,50}$/, rule: '3 to 50 letters, digits or hyphens' },
  reservedPrefixes: ['Microsoft', 'EventGrid', 'System'],
  longRunning: true,
  statuses: { create: 201, replace: 201, update: 200 },
  uniqueName: (name, location) => topicEndpointPath(location, name).toLowerCase(),
  quota: undefined,
  decode,
  patch: (body, before) =>
    body.properties === undefined || body.properties === null
      ? before.properties
      : overlay(before.properties, asObject(body.properties)),
  encode: (topic, { publicUrl }) => ({
    provisioningState: topic.provisioningState,
    endpoint: publicUrl + topicEndpointPath(topic.location as string, topic.name),
    metricResourceId: topic.uid,
    ...topic.properties,
    inputSchemaMapping: null,
    inboundIpRules: null,
    privateEndpointConnections: null,
  }),
  actions: { listKeys, regenerateKey },
  notFound: undefined,
  verification: undefined,
  expiresAt: undefined,
  example: {
    name: 'orders',
    body: {
      location: 'westus2',
      tags: { team: 'orders' },
      identity: { type: 'SystemAssigned' },
      properties: { inputSchema: 'CloudEventSchemaV1_0', publicNetworkAccess: 'Enabled' },
    },
  },
}

function asObject(value: unknown): Readonly<Record<string, unknown>> {
  if (isObject(value)) return value
  throw invalidProperty('properties', 'an object', value)
}
