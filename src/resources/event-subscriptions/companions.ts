import { newGuid } from '../../base/ids.ts'
import { groupType, isSameType, levelsOf, nameInId, typeOfId } from '../../wire/arm-id.ts'
import { domainTopicNotFound } from '../errors.ts'
import type {
  Capabilities,
  CompanionRules,
  NewResource,
  StoredResource,
  StoredResources,
} from '../resource-type.ts'
import { eventSourceOf, topicTypeOf } from './event-source.ts'

const eventSubscriptions = 'Microsoft.EventGrid/eventSubscriptions'
const domains = 'Microsoft.EventGrid/domains'
const domainTopics = 'Microsoft.EventGrid/domains/topics'
const systemTopics = 'Microsoft.EventGrid/systemTopics'

/** The group of system topics whose source lies in no group. */
const defaultGroup = 'Default-EventGrid'

/**
 * What comes with the first event subscription and goes with the last: of a domain topic the domain topic itself, as
 * its domain says; of an Azure source, its system topic.
 *
 * Source: learn.microsoft.com/azure/event-grid/event-domains, "Domain topic management"; system-topics, "Lifecycle"
 */
export const companion: CompanionRules = {
  on: (parentType) =>
    !/^Microsoft\.EventGrid\//i.test(parentType) ||
    [domainTopics, 'Microsoft.EventGrid/namespaces'].some((type) => isSameType(parentType, type)),
  missing: (parentId, stored, capabilities) =>
    isSameType(typeOfId(parentId), domainTopics)
      ? missingDomainTopic(parentId, stored)
      : missingSystemTopic(parentId, stored, capabilities),
  outlived: (parentId, stored) =>
    isSameType(typeOfId(parentId), domainTopics)
      ? outlivedDomainTopic(parentId, stored)
      : outlivedSystemTopic(parentId, stored),
}

function missingDomainTopic(id: string, stored: StoredResources): readonly NewResource[] {
  if (stored.find(domainTopics, id)) return []
  const domain = domainOf(id, stored)
  if (domain?.properties.autoCreateTopicWithFirstSubscription === false) throw domainTopicNotFound(id)
  const named = { name: nameInId(id), isNameGenerated: false }
  return [{ type: domainTopics, parentId: domain?.id ?? '', ...named, properties: {} }]
}

function outlivedDomainTopic(id: string, stored: StoredResources): StoredResource | undefined {
  const domain = domainOf(id, stored)
  if (domain?.properties.autoDeleteTopicWithLastSubscription !== true) return undefined
  return hasEventSubscriptions(id, stored) ? undefined : stored.find(domainTopics, id)
}

const domainOf = (domainTopicId: string, stored: StoredResources) =>
  stored.find(domains, levelsOf(domainTopicId).at(-2)?.id ?? '')

function missingSystemTopic(
  sourceId: string,
  stored: StoredResources,
  capabilities: Capabilities,
): readonly NewResource[] {
  if (stored.systemTopicOf(sourceId)) return []
  const levels = levelsOf(sourceId)
  const { location } = eventSourceOf(sourceId, stored, capabilities)
  const { name: topicType } = topicTypeOf(levels.at(-1)?.type ?? '', capabilities)
  const subscriptionId = levels[0]?.id ?? ''
  const group = levels.find(({ type }) => type === groupType)?.id
  const parentId = group ?? `${subscriptionId}/resourceGroups/${defaultGroup}`
  const systemTopic: NewResource = {
    type: systemTopics,
    parentId,
    name: automaticName(nameInId(sourceId)),
    isNameGenerated: true,
    location,
    properties: { source: sourceId, topicType },
  }
  if (group !== undefined || stored.find(groupType, parentId)) return [systemTopic]
  return [
    {
      type: groupType,
      parentId: subscriptionId,
      name: defaultGroup,
      isNameGenerated: true,
      location: 'westus2',
      properties: {},
    },
    systemTopic,
  ]
}

/** The source's name as far as it may stand in a system topic's, and a guid. */
const automaticName = (sourceName: string) =>
  `${sourceName.replace(/[^a-zA-Z0-9-]/g, '-').slice(0, 128 - 37)}-${newGuid()}`

function outlivedSystemTopic(sourceId: string, stored: StoredResources): StoredResource | undefined {
  const systemTopic = stored.systemTopicOf(sourceId)
  if (systemTopic?.automatic !== true || hasEventSubscriptions(sourceId, stored)) return undefined
  return stored.count(eventSubscriptions, `${systemTopic.id}/`) > 0 ? undefined : systemTopic
}

const hasEventSubscriptions = (id: string, stored: StoredResources) =>
  stored.count(eventSubscriptions, `${id}/providers/${eventSubscriptions}/`) > 0
