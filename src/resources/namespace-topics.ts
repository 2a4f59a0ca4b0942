import { fields, readEnum, readInteger, type WireObject } from '../wire/shape.ts'
import { listKeys, newKeys, regenerateKey } from './access-keys.ts'
import { quotaReached } from './errors.ts'
import { capacityIn, profileIn } from './namespaces.ts'
import { patchProperties } from './patch.ts'
import type { Content, DecodeContext, ResourceType } from './resource-type.ts'

/** A namespace topic's stored `properties`, as `decode` makes them. */
export interface NamespaceTopicProperties {
  readonly publisherType: 'Custom'
  readonly inputSchema: 'CloudEventSchemaV1_0'
  readonly eventRetentionInDays: number
}

/** Source: learn.microsoft.com/azure/event-grid/quotas-limits, "Event Grid namespace limits" */
export const retentionDays = { least: 1, most: 7 }
/** Of a namespace that is held to what Azure does, for each throughput unit. */
const topicsPerUnit = 100

const type = 'Microsoft.EventGrid/namespaces/topics'

function decode(
  wire: WireObject,
  { before, parent, parentId, stored, capabilities }: DecodeContext,
): Content {
  const from = fields(wire, 'properties')
  const { namespaceProfile = 'open' } = capabilities
  if (!before && (profileIn(parent?.tags) ?? namespaceProfile) === 'strict') {
    const quota = capacityIn(parent?.topLevel) * topicsPerUnit
    if (countTopics(parentId, stored) >= quota) throw quotaReached(type, parentId, quota)
  }
  readEnum(from, 'publisherType', ['Custom'])
  readEnum(from, 'inputSchema', ['CloudEventSchemaV1_0'])
  const properties: NamespaceTopicProperties = {
    publisherType: 'Custom',
    inputSchema: 'CloudEventSchemaV1_0',
    eventRetentionInDays:
      readInteger(from, 'eventRetentionInDays', retentionDays.least, retentionDays.most) ??
      retentionDays.most,
  }
  return { properties: { ...properties }, secrets: before?.secrets ?? newKeys() }
}

const countTopics = (namespaceId: string, stored: DecodeContext['stored']) =>
  stored.count(type, `${namespaceId}/topics/`)

/**
 * Topics of a namespace: CloudEvents in, to be received or delivered.
 *
 * Source: learn.microsoft.com/rest/api/eventgrid/controlplane/namespace-topics
 */
export const namespaceTopics: ResourceType = {
  type,
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
  example: { name: 'readings', body: { properties: { eventRetentionInDays: 3 } } },
}
