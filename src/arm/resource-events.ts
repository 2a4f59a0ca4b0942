import { type Claims, claimsWithoutToken } from '../auth/claims.ts'
import type { Origin, RequestFacts } from '../auth/origin.ts'
import type { Clock } from '../base/clock.ts'
import { guidOf, newGuid } from '../base/ids.ts'
import type { Log } from '../base/log.ts'
import type { Metrics } from '../base/metrics.ts'
import { encodeMoment } from '../base/moment.ts'
import type { Fanout } from '../fanout/fanout.ts'
import { buildEvent } from '../sources/build-event.ts'
import type { EventSource } from '../sources/event-source.ts'
import { resourceGroups, subscriptions } from '../sources/resources.ts'
import { groupType, isSameType, typeOfId } from '../wire/arm-id.ts'

/*
 * Tells the world what the control plane did: one event for each operation that has ended, on the subscription and on
 * the resource group that it concerns. In comes an operation; out goes an event for each of the two that anybody
 * listens to. Where nobody does, nothing is built.
 *
 * Source: learn.microsoft.com/azure/event-grid/event-schema-subscriptions and event-schema-resource-groups
 */

/** A write, delete or action that has ended, however it ended. */
export interface EndedOperation {
  readonly origin: Origin
  /** ARM id of what it was done to: of an action, that of the resource without the action. */
  readonly resourceId: string
  /** Such as `Microsoft.EventGrid/topics/write`; see `operationNameOf`. Its last word says which kind of event it is. */
  readonly operationName: string
  readonly status: 'Succeeded' | 'Failed' | 'Canceled'
  /** The resource was not there before. Then the event does not tell of the request. */
  readonly created?: boolean
  /** The caller was not permitted to; then no role is told of. */
  readonly denied?: boolean
  /**
   * For an operation that a restart may end a second time: the event's id is then the same again.
   * Undefined: a new id.
   */
  readonly repeatKey?: string | undefined
}

export interface ResourceEvents {
  /** Whether anybody would get an event of that resource. */
  isHeard(resourceId: string): boolean
  /**
   * Resolves when the event is durable for everyone who is to get it. Never rejects: an operation that has succeeded
   * does not fail because it cannot be told of. Such a loss is logged and counted.
   */
  ended(operation: EndedOperation): Promise<void>
}

export interface ResourceEventsOptions {
  readonly fanout: Pick<Fanout, 'raise' | 'isHeard'>
  readonly tenantId: string
  readonly clock: Clock
  readonly metrics: Metrics
  readonly log: Log
}

type Source = EventSource & { readonly topicType: string }

const ends = { Succeeded: 'Success', Failed: 'Failure', Canceled: 'Cancel' } as const
const verbs = { write: 'Write', delete: 'Delete', action: 'Action' } as const

export function createResourceEvents(options: ResourceEventsOptions): ResourceEvents {
  const { fanout, tenantId, clock, metrics, log } = options
  const lost = metrics.counter(
    'busbar_resource_events_lost_total',
    'Events of control-plane operations that could not be made durable.',
  )
  const raise = async (source: Source, sourceId: string, operation: EndedOperation): Promise<void> => {
    if (!fanout.isHeard(sourceId, source.topicType)) return
    const { repeatKey, resourceId, operationName, status } = operation
    const verb = operationName.slice(operationName.lastIndexOf('/') + 1) as keyof typeof verbs
    const event = buildEvent(source, `Microsoft.Resources.Resource${verbs[verb]}${ends[status]}`, {
      sourceId,
      subject: resourceId,
      data: dataOf(operation, tenantId),
      id:
        repeatKey === undefined ? newGuid() : guidOf(`${repeatKey} ${resourceId} ${sourceId}`.toLowerCase()),
      eventTime: encodeMoment(clock.now()),
    })
    try {
      await fanout.raise(sourceId, source.topicType, [event])
    } catch (error) {
      lost.add()
      log.error(
        { error, id: resourceId, operation: operationName, topic: sourceId },
        'An operation has ended, but its event could not be stored.',
      )
    }
  }
  return {
    isHeard: (resourceId) =>
      scopesOf(resourceId).some(({ source, id }) => fanout.isHeard(id, source.topicType)),
    async ended(operation) {
      await Promise.all(scopesOf(operation.resourceId).map(({ source, id }) => raise(source, id, operation)))
    },
  }
}

/** Runs an operation and tells how it ended. For what is no write of `Writes`, which tells of themselves. */
export async function telling<Result>(
  events: ResourceEvents,
  operation: Omit<EndedOperation, 'status'>,
  work: () => Promise<Result> | Result,
): Promise<Result> {
  try {
    const result = await work()
    await events.ended({ ...operation, status: 'Succeeded' })
    return result
  } catch (error) {
    await events.ended({ ...operation, status: 'Failed' })
    throw error
  }
}

/** The subscription, and the group where there is one, that an id lies in; of what has no id, what it begins with. */
function scopesOf(resourceId: string): readonly { readonly source: Source; readonly id: string }[] {
  const [subscription, group] =
    /^(\/subscriptions\/[^/]+)(?:\/resourceGroups\/[^/]+)?/i.exec(resourceId) ?? []
  const within = (source: EventSource, id: string) => ({ source: source as Source, id })
  if (subscription === undefined || group === undefined) return []
  return subscription === group
    ? [within(subscriptions, group)]
    : [within(subscriptions, group), within(resourceGroups, subscription)]
}

/**
 * Where it comes from what Event Grid does of its own accord, such as to remove what has expired.
 *
 * Source: learn.microsoft.com/azure/event-grid/secure-webhook-delivery, the application id of Microsoft.EventGrid
 */
export function eventGridsOwn(tenantId: string): Origin {
  const name = 'Microsoft.EventGrid'
  const claims = claimsWithoutToken({ name, appId: '4962773b-9cdb-44cf-a8bf-237846a00ab7', tenantId })
  return { caller: { name, claims }, correlationId: newGuid() }
}

/**
 * What doing something to a resource of that type is called.
 *
 * @param type with the registered casing
 * @param verb `write`, `delete`, or the name of an action
 */
export function operationOf(type: string, verb: string): string {
  // Groups alone are called by their place here.
  const named = isSameType(type, groupType) ? 'Microsoft.Resources/subscriptions/resourceGroups' : type
  return `${named}/${verb === 'write' || verb === 'delete' ? verb : `${verb}/action`}`
}

/** The same by the id of a resource whose literals have the registered casing. */
export const operationNameOf = (resourceId: string, verb: string): string =>
  operationOf(typeOfId(resourceId) ?? '', verb)

/** Nobody's role: the caller owns everything. */
const byOwner = { role: 'Subscription Admin' }

function dataOf(
  { origin, resourceId, operationName, status, created, denied }: EndedOperation,
  tenantId: string,
): Record<string, unknown> {
  const { caller, correlationId } = origin
  const httpRequest: RequestFacts | undefined = created ? undefined : origin.httpRequest
  const { name, objectId } = caller
  const claims: Claims = caller.claims ?? claimsWithoutToken({ name, objectId, tenantId })
  return {
    authorization: {
      scope: resourceId,
      action: operationName,
      ...(!denied && { evidence: origin.evidence ?? byOwner }),
    },
    claims,
    correlationId,
    ...(httpRequest && { httpRequest }),
    resourceProvider: operationName.slice(0, operationName.indexOf('/')),
    resourceUri: resourceId,
    operationName,
    status,
    subscriptionId: resourceId.split('/')[2] ?? '',
    tenantId,
  }
}
