import { RequestError } from '../base/errors.ts'

/*
 * What is wrong with a request body, in Resource Manager's words. Codes and texts are the service's where they are
 * known.
 *
 * Source: learn.microsoft.com/azure/event-grid/troubleshoot-errors
 */

/** @param target path of the property at fault, such as `properties.retryPolicy.maxDeliveryAttempts` */
export const invalidRequest = (message: string, target?: string) =>
  new RequestError(400, 'InvalidRequest', message, target === undefined ? {} : { target })

export const invalidProperty = (path: string, expected: string, got: unknown) =>
  invalidRequest(`The property '${path}' must be ${expected}; got ${show(got)}.`, path)

/** The wire knows it, this server does not do it: said at once instead of stored and ignored. */
export const notSupported = (path: string, what: string, advice = `Leave out '${path}'.`) =>
  invalidRequest(`${what} is not supported by this version of Busbar. ${advice}`, path)

const shownCharacters = 120

/** A value as a person wants to read it in an error: JSON, cut short. */
export function show(value: unknown): string {
  if (value === undefined) return 'nothing'
  const text = JSON.stringify(value)
  return text.length > shownCharacters ? `${text.slice(0, shownCharacters)}…` : text
}
