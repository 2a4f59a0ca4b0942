import { groupType, isSameType, levelsOf, subscriptionType } from '../wire/arm-id.ts'
import { invalidProperty, invalidRequest } from '../wire/errors.ts'
import { type Fields, fields, readString, type WireObject } from '../wire/shape.ts'
import { refuseOwnHardware } from './azure-hosting.ts'
import { notRaisedBy, propertyChangeNotAllowed, sourceTaken } from './errors.ts'
import { eventSubscriptionLimits } from './event-subscriptions/event-subscriptions.ts'
import { patchProperties } from './patch.ts'
import type { Content, DecodeContext, ResourceType } from './resource-type.ts'
import { topicTypeOfType } from './topic-type.ts'

/** A system topic's stored `properties`, as `decode` makes them. */
export interface SystemTopicProperties {
  readonly source: string
  readonly topicType: string
}

function decode(wire: WireObject, { before, location, capabilities }: DecodeContext): Content {
  const from = fields(wire, 'properties')
  refuseOwnHardware(from)
  const source = readString(from, 'source', eventSubscriptionLimits.idCharacters)
  const level = levelsOf(source ?? '').at(-1)
  if (source === undefined || level === undefined)
    throw invalidProperty(from.at('source'), 'the ARM id of the source', source)
  const given = readString(from, 'topicType', 128) ?? ''
  const facts = capabilities.topicType?.(given)
  if (capabilities.topicType && !facts?.isSource(source)) throw notRaisedBy(source, given, facts)
  const topicType = facts?.name ?? given
  checkTopicType(from, topicType, level.type)
  if (facts && facts.isGlobal !== (location === 'global'))
    throw invalidProperty(
      'location',
      facts.isGlobal ? `'global', for what raises '${facts.name}' has no region` : 'the region of the source',
      location,
    )
  const properties: SystemTopicProperties = { source, topicType }
  for (const name of ['source', 'topicType'] as const) {
    const old = before?.properties[name] as string | undefined
    if (old !== undefined && old.toLowerCase() !== properties[name].toLowerCase())
      throw propertyChangeNotAllowed(from.at(name), old, properties[name])
  }
  return { properties: { ...properties }, secrets: {} }
}

/** A resource raises the events of its own type; a subscription or group may raise those of several services. */
function checkTopicType(from: Fields, topicType: string, sourceType: string): void {
  const path = from.at('topicType')
  const isPlace = isSameType(sourceType, subscriptionType) || isSameType(sourceType, groupType)
  if (isPlace ? /^[\w]+(\.[\w]+)+$/.test(topicType) : isSameType(topicType, topicTypeOfType(sourceType)))
    return
  throw invalidRequest(
    `The property '${path}' must be ${isPlace ? 'the name of a topic type' : `'${topicTypeOfType(sourceType)}', the topic type of the source`}; got '${topicType}'.`,
    path,
  )
}

/**
 * The events that an Azure service raises of one of its resources, of a subscription or of a resource group.
 *
 * Source: learn.microsoft.com/azure/event-grid/system-topics; rest/api/eventgrid/controlplane/system-topics
 */
export const systemTopics: ResourceType = {
  type: 'Microsoft.EventGrid/systemTopics',
  childForms: [],
  scope: 'group',
  extension: undefined,
  tracked: true,
  mayBeGlobal: true,
  hasIdentity: true,
  name: { pattern: /^[a-zA-Z0-9-]{3,128}$/, rule: '3 to 128 letters, digits or hyphens' },
  reservedPrefixes: [],
  longRunning: true,
  statuses: { create: 201, replace: 201, update: 200 },
  unique: ({ properties: { source, topicType } }) => ({
    key: `system topic ${String(topicType)} of ${String(source)}`.toLowerCase(),
    taken: () => sourceTaken(String(source)),
  }),
  quota: undefined,
  companion: undefined,
  speaksFor: ({ properties }) => (properties as unknown as SystemTopicProperties).source,
  decode,
  patch: patchProperties,
  encode: (topic) => ({
    provisioningState: topic.provisioningState,
    ...topic.properties,
    metricResourceId: topic.uid,
  }),
  actions: {},
  notFound: undefined,
  verification: undefined,
  expiresAt: undefined,
  example: {
    name: 'uploads',
    body: {
      location: 'westus2',
      properties: {
        source:
          '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-orders/providers/Microsoft.Storage/storageAccounts/uploads',
        topicType: 'Microsoft.Storage.StorageAccounts',
      },
    },
  },
}
