import { fields, readEnum, readInteger, type WireObject } from '../wire/shape.ts'
import { listKeys, newKeys, regenerateKey } from './access-keys.ts'
import { patchProperties } from './patch.ts'
import type { Content, DecodeContext, ResourceType } from './resource-type.ts'

export interface NamespaceTopicProperties {
  readonly publisherType: 'Custom'
  readonly inputSchema: 'CloudEventSchemaV1_0'
  readonly eventRetentionInDays: number
}

/** Source: learn.microsoft.com/azure/event-grid/quotas-limits, "Event Grid namespace limits" */
const retentionDays = 7

function decode(wire: WireObject, { before }: DecodeContext): Content {
  const from = fields(wire, 'properties')
  const properties: NamespaceTopicProperties = {
    publisherType: readEnum(from, 'publisherType', ['Custom']) ?? 'Custom',
    inputSchema: readEnum(from, 'inputSchema', ['CloudEventSchemaV1_0']) ?? 'CloudEventSchemaV1_0',
    eventRetentionInDays: readInteger(from, 'eventRetentionInDays', 1, retentionDays) ?? retentionDays,
  }
  return { properties: { ...properties }, secrets: before?.secrets ?? newKeys() }
}

/**
 * The topics of a namespace.
 *
 * Source: learn.microsoft.com/rest/api/eventgrid/controlplane/namespace-topics
 */
export const namespaceTopics: ResourceType = {
  type: 'Microsoft.EventGrid/namespaces/topics',
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
  quota: undefined,
  companion: undefined,
  decode,
  patch: patchProperties,
  encode: ({ provisioningState, properties }) => ({ provisioningState, ...properties }),
  actions: { listKeys, regenerateKey },
  notFound: undefined,
  verification: undefined,
  expiresAt: undefined,
  example: {
    name: 'readings',
    body: {
      properties: { publisherType: 'Custom', inputSchema: 'CloudEventSchemaV1_0', eventRetentionInDays: 3 },
    },
  },
}
