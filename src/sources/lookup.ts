import { suggestion } from '../base/nearest.ts'
import { isResourceId } from '../wire/arm-id.ts'
import type { EventSource, EventType } from './event-source.ts'
import { sources } from './index.ts'

/*
 * Finds event types, topic types and sources by name or id, in any letter case.
 */

/** An event type, and every topic type that carries it: the nine of Resource Manager have two. */
export interface FoundEventType {
  readonly eventType: EventType
  /** At least one. */
  readonly sources: readonly EventSource[]
}

const eventTypesByName = new Map<string, FoundEventType>()
for (const source of sources)
  for (const eventType of source.eventTypes) {
    const key = eventType.name.toLowerCase()
    const carriers = [...(eventTypesByName.get(key)?.sources ?? []), source]
    eventTypesByName.set(key, { eventType, sources: carriers })
  }

/** Those that ARM lists, in its order. */
export const topicTypes: readonly (EventSource & { readonly topicType: string })[] = sources.filter(
  (source): source is EventSource & { readonly topicType: string } => source.topicType !== undefined,
)

const sourcesByTopicType = new Map(topicTypes.map((source) => [source.topicType.toLowerCase(), source]))

export const findEventType = (name: string): FoundEventType | undefined =>
  eventTypesByName.get(name.toLowerCase())

export const findTopicType = (name: string): (EventSource & { readonly topicType: string }) | undefined =>
  sourcesByTopicType.get(name.toLowerCase())

/** Every event type, once. */
export const allEventTypes = (): readonly EventType[] =>
  [...eventTypesByName.values()].map(({ eventType }) => eventType)

/** Nobody means a name much longer than any that there is, and to look for a near one takes time by its length. */
const nameCharacters = 100

/** ` Did you mean 'x'?` for the name of no event type; nothing where none is near. */
export const nearEventType = (name: string): string =>
  name.length > nameCharacters
    ? ''
    : suggestion(
        name,
        allEventTypes().map((eventType) => eventType.name),
      )

/** Whether an ARM id is one of a source of that kind; whether it exists is not asked. */
export function isSource({ scope, resourceType }: EventSource, id: string): boolean {
  if (scope === 'AzureSubscription') return /^\/subscriptions\/[^/]+$/i.test(id)
  if (scope === 'ResourceGroup') return /^\/subscriptions\/[^/]+\/resourceGroups\/[^/]+$/i.test(id)
  return resourceType !== undefined && isResourceId(id, resourceType)
}

/** What an ARM id of such a source looks like, for messages. */
export function sourceFormat({ scope, resourceType = '' }: EventSource): string {
  if (scope === 'AzureSubscription') return '/subscriptions/{id}'
  const group = '/subscriptions/{id}/resourceGroups/{name}'
  return scope === 'ResourceGroup' ? group : `${group}/providers/${resourceType}/{name}`
}

/** What the rules of resources ask of a topic type; undefined: it is not known. */
export function topicTypeFacts(name: string) {
  const found = findTopicType(name)
  if (!found) return undefined
  const { topicType, regionType, eventTypes } = found
  return {
    name: topicType,
    isGlobal: regionType === 'GlobalResource',
    eventTypes,
    isSource: (id: string) => eventTypes.length > 0 && isSource(found, id),
    sourceFormat: sourceFormat(found),
  }
}
