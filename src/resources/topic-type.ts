import { groupType, isSameType, subscriptionType, typeOfId } from '../wire/arm-id.ts'

/**
 * What the events of a resource of that ARM type are called by, where nothing better is known.
 *
 * Source: learn.microsoft.com/azure/event-grid/system-topics
 */
export function topicTypeOfType(type: string): string {
  if (isSameType(type, subscriptionType)) return 'Microsoft.Resources.Subscriptions'
  if (isSameType(type, groupType)) return 'Microsoft.Resources.ResourceGroups'
  return type.replaceAll('/', '.')
}

/**
 * Whether what stands on the source gets events of that topic type. A subscription may have events of several
 * services; those of other services than its own are got by their system topics alone.
 */
export const isTopicTypeOf = (sourceId: string, topicType: string): boolean =>
  isSameType(topicTypeOfType(typeOfId(sourceId) ?? ''), topicType)
