import { invalidProperty } from '../wire/errors.ts'
import { type Fields, fields, isObject, overlay, readEnum, readObject, readString } from '../wire/shape.ts'
import { listKeys, newKeys, regenerateKey } from './access-keys.ts'
import { decodeInputSchema, type InputSchemaProperties } from './input-schema.ts'
import { decodePublisherAccess, type PublisherAccessProperties } from './publisher-access.ts'
import type { Content, DecodeContext, ResourceType } from './resource-type.ts'
import { topicEndpointPath } from './topic-endpoint.ts'

/** A topic's stored `properties`, as `decode` makes them. */
export interface TopicProperties extends InputSchemaProperties, PublisherAccessProperties {
  readonly dataResidencyBoundary: 'WithinGeopair' | 'WithinRegion' | null
  readonly eventTypeInfo: unknown
}

const inlineTypes = 1000
const inlineTextCharacters = 2048

function decode(wire: Readonly<Record<string, unknown>>, { before }: DecodeContext): Content {
  const from = fields(wire, 'properties')
  const boundary = readEnum(from, 'dataResidencyBoundary', ['WithinGeopair', 'WithinRegion'])
  const properties: TopicProperties = {
    ...decodeInputSchema(from, before),
    ...decodePublisherAccess(from),
    dataResidencyBoundary: boundary ?? null,
    eventTypeInfo: decodeEventTypeInfo(from),
  }
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
