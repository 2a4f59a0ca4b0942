import type { Access } from '../auth/access.ts'
import type { Caller } from '../auth/caller.ts'
import type { TraceAnswer } from '../trace/trace.ts'

const ofTopic = 'Microsoft.EventGrid/events/trace/read'
const ofEventSubscription = 'Microsoft.EventGrid/eventSubscriptions/trace/read'

/**
 * What of a trace the caller may see: all of it who may on the event's topic, and others what became of the event on
 * those event subscriptions where they may. Throws the 403 of Resource Manager where that is nothing.
 */
export function visibleTrace(trace: TraceAnswer, caller: Caller, access: Access): TraceAnswer {
  if (access.permission(caller, ofTopic, trace.topicId)) return trace
  const eventSubscriptions = trace.eventSubscriptions.filter(({ id }) =>
    access.permission(caller, ofEventSubscription, id),
  )
  if (eventSubscriptions.length === 0) access.check(caller, ofTopic, trace.topicId)
  return { ...trace, eventSubscriptions }
}
