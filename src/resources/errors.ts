import { RequestError } from '../base/errors.ts'

/*
 * Refusals that the resource provider itself makes. Codes and texts are the service's where they are known.
 * Source: learn.microsoft.com/azure/event-grid/troubleshoot-errors
 */

/** @param target path of the property at fault, such as `properties.retryPolicy.maxDeliveryAttempts` */
export const invalidRequest = (message: string, target?: string) =>
  new RequestError(400, 'InvalidRequest', message, target === undefined ? {} : { target })

export const invalidProperty = (path: string, expected: string, got: unknown) =>
  invalidRequest(`The property '${path}' must be ${expected}; got ${show(got)}.`, path)

/** The wire knows it, this server does not do it: said at once instead of stored and ignored. */
export const notSupported = (path: string, what: string) =>
  invalidRequest(`${what} is not supported by this version of Busbar. Leave out '${path}'.`, path)

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

const shownCharacters = 120

/** A value as a person wants to read it in an error: JSON, cut short. */
export function show(value: unknown): string {
  if (value === undefined) return 'nothing'
  const text = JSON.stringify(value)
  return text.length > shownCharacters ? `${text.slice(0, shownCharacters)}…` : text
}
