import { deadLetterDestinationIn } from '../resources/event-subscriptions/dead-letter.ts'
import {
  destinationOf,
  type EventSubscriptionProperties,
} from '../resources/event-subscriptions/event-subscriptions.ts'
import type { Content, StoredResource } from '../resources/resource-type.ts'
import type { EventSubscription } from './catalog.ts'

/** @param live what is in force, which a change that waits to be verified has not replaced yet */
export function decodeEventSubscription(stored: StoredResource, live: Content): EventSubscription {
  const properties = live.properties as unknown as EventSubscriptionProperties
  const { filter, retryPolicy, eventDeliverySchema, expirationTimeUtc } = properties
  const deadLetter = deadLetterDestinationIn(properties)
  // `All` is the word of the oldest api-version for "every type".
  const types = filter.includedEventTypes
  const everyType = types === null || types.some((type) => type.toLowerCase() === 'all')
  return {
    id: stored.id,
    name: stored.name,
    uid: stored.uid,
    topicId: stored.parentId,
    destination: destinationOf(live),
    deliverySchema: eventDeliverySchema,
    filter: {
      subjectBeginsWith: filter.subjectBeginsWith,
      subjectEndsWith: filter.subjectEndsWith,
      isSubjectCaseSensitive: filter.isSubjectCaseSensitive ?? false,
      includedEventTypes: everyType ? undefined : types,
      enableAdvancedFilteringOnArrays: filter.enableAdvancedFilteringOnArrays ?? false,
      advancedFilters: filter.advancedFilters ?? [],
    },
    maxDeliveryAttempts: retryPolicy.maxDeliveryAttempts,
    eventTimeToLiveMs: retryPolicy.eventTimeToLiveInMinutes * 60_000,
    deadLetter: deadLetter && {
      storageAccountId: deadLetter.properties.resourceId,
      containerName: deadLetter.properties.blobContainerName,
    },
    expiresAt: expirationTimeUtc === null ? undefined : Date.parse(expirationTimeUtc),
  }
}
