import { RequestError } from '../base/errors.ts'
import { show } from '../wire/errors.ts'

/*
 * Refusals that the resource provider itself makes. Codes and texts are the service's where they are known.
 * Source: learn.microsoft.com/azure/event-grid/troubleshoot-errors
 */

export const propertyChangeNotAllowed = (path: string, from: unknown, to: unknown) =>
  new RequestError(
    400,
    'PropertyChangeNotAllowed',
    `Changing property '${path}' is not allowed: it is ${show(from)} and was given as ${show(to)}.`,
    { target: path },
  )

export const nameTaken = (name: string) =>
  new RequestError(409, 'Conflict', `The specified resource name '${name}' is already in use.`)

/** Source: learn.microsoft.com/azure/event-grid/quotas-limits; the limit is the operator's to set. */
export const quotaReached = (type: string, parentId: string, quota: number) =>
  new RequestError(
    409,
    'Conflict',
    `The limit of ${quota} resources of type '${type}' on '${parentId}' is reached: delete one, or raise the limit.`,
  )

/** Source: learn.microsoft.com/azure/event-grid/event-domains, "Domain topic management" */
export const domainTopicNotFound = (id: string) =>
  new RequestError(
    404,
    'ParentResourceNotFound',
    `The domain topic '${id}' does not exist, and its domain makes none with the first event subscription (autoCreateTopicWithFirstSubscription: false).`,
  )

/** Source: learn.microsoft.com/azure/event-grid/system-topics: "one system topic per source" */
export const sourceTaken = (source: string) =>
  new RequestError(
    409,
    'Conflict',
    `Only one system topic is allowed per source, and there is one of '${source}' already.`,
  )
