import { eventSubscriptions } from './event-subscriptions/event-subscriptions.ts'
import { resourceGroups } from './resource-groups.ts'
import type { ResourceType } from './resource-type.ts'
import { roleAssignments } from './role-assignments.ts'
import { topics } from './topics.ts'

/** Every resource type. To add one: write the file, add the line. A parent comes before what may be put on it. */
export const resourceTypes: readonly ResourceType[] = [
  resourceGroups,
  topics,
  eventSubscriptions,
  roleAssignments,
]
