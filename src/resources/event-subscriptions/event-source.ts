import type { InputSchema } from '../../event/event.ts'
import { groupType, isSameType, levelsOf, subscriptionType } from '../../wire/arm-id.ts'
import type { Capabilities, Identity, StoredResource, StoredResources } from '../resource-type.ts'
import { topicTypeOfType } from '../topic-type.ts'

/** What an event subscription stands on, as far as its rules depend on it. */
export interface EventSource {
  /** `azure`: a subscription, a group, or a resource of any other provider, whose events the service raises. */
  readonly kind: 'topic' | 'domain' | 'domainTopic' | 'systemTopic' | 'partnerTopic' | 'azure'
  readonly inputSchema: InputSchema
  /** Such as `Microsoft.EventGrid.Topics`; of a system topic or an Azure source, what its events are called by. */
  readonly topicType: string
  /** Normalised, or `global`. */
  readonly location: string
  /** With which events are delivered where the event subscription says so; undefined: there is none. */
  readonly identity: Identity | undefined
}

const topic = 'Microsoft.EventGrid/topics'
const domain = 'Microsoft.EventGrid/domains'
const domainTopic = 'Microsoft.EventGrid/domains/topics'
const systemTopic = 'Microsoft.EventGrid/systemTopics'
const partnerTopic = 'Microsoft.EventGrid/partnerTopics'

/** @param id of what the event subscription stands on, which need not be stored here */
export function eventSourceOf(id: string, stored: StoredResources, capabilities: Capabilities): EventSource {
  const levels = levelsOf(id)
  const { type } = levels.at(-1) ?? { type: '' }
  const from = (
    kind: EventSource['kind'],
    topicType: string,
    inputSchema: InputSchema,
    found: StoredResource | undefined,
  ): EventSource => ({
    kind,
    inputSchema,
    topicType,
    location: found?.location ?? 'global',
    identity: found?.identity,
  })
  const schemaOf = (found: StoredResource | undefined) =>
    (found?.properties.inputSchema ?? 'EventGridSchema') as InputSchema
  if (isSameType(type, topic)) {
    const found = stored.find(topic, id)
    return from('topic', 'Microsoft.EventGrid.Topics', schemaOf(found), found)
  }
  if (isSameType(type, domain) || isSameType(type, domainTopic)) {
    const kind = isSameType(type, domain) ? 'domain' : 'domainTopic'
    const found = stored.find(domain, levels.at(kind === 'domain' ? -1 : -2)?.id ?? '')
    return from(kind, 'Microsoft.EventGrid.Domains', schemaOf(found), found)
  }
  if (isSameType(type, systemTopic)) {
    const found = stored.find(systemTopic, id)
    return from('systemTopic', found?.properties.topicType as string, 'EventGridSchema', found)
  }
  if (isSameType(type, partnerTopic))
    return from(
      'partnerTopic',
      'Microsoft.EventGrid.PartnerTopics',
      'CloudEventSchemaV1_0',
      stored.find(partnerTopic, id),
    )
  const known = stored.systemTopicOf(id)
  const { name, isGlobal } = topicTypeOf(type, capabilities)
  const place =
    known ?? (isGlobal ? undefined : (stored.find(type, id) ?? stored.find(groupType, levels[1]?.id ?? '')))
  return {
    ...from('azure', (known?.properties.topicType as string | undefined) ?? name, 'EventGridSchema', place),
    identity: known?.identity,
  }
}

/** What the events of a source of that ARM type are called by. */
export function topicTypeOf(
  type: string,
  capabilities: Capabilities,
): { readonly name: string; readonly isGlobal: boolean } {
  const name = topicTypeOfType(type)
  const isGlobal = [subscriptionType, groupType].some((place) => isSameType(type, place))
  return capabilities.topicType?.(name) ?? { name, isGlobal }
}
