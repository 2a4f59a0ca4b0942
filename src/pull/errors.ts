import { RequestError } from '../base/errors.ts'

/*
 * The refusals of the data plane of namespace topics.
 *
 * Source: learn.microsoft.com/rest/api/eventgrid, "Dataplane"; the published API description of Event Grid namespaces
 */

export const badRequest = (message: string, cause?: unknown) =>
  new RequestError(400, 'BadRequest', message, { cause })

export const apiVersionMissing = (supported: readonly string[]) =>
  new RequestError(
    400,
    'MissingApiVersionParameter',
    `The query parameter 'api-version' is missing; it must be one of ${supported.join(', ')}.`,
  )

export const unsupportedApiVersion = (given: string, supported: readonly string[]) =>
  new RequestError(
    400,
    'UnsupportedApiVersion',
    `The api-version '${given.slice(0, 100)}' is not supported; it must be one of ${supported.join(', ')}.`,
  )

export const operationNotInVersion = (operation: string, version: string, since: string) =>
  new RequestError(
    404,
    'NotFound',
    `The operation '${operation}' is not part of api-version ${version}; it came with ${since}.`,
  )

export const namespaceNotFound = (host: string) =>
  new RequestError(404, 'NotFound', `No namespace was found at '${host}'.`)

export const topicNotFound = (topic: string, namespace: string) =>
  new RequestError(404, 'NotFound', `The namespace '${namespace}' has no topic '${topic}'.`)

export const eventSubscriptionNotFound = (name: string, topic: string) =>
  new RequestError(404, 'NotFound', `The topic '${topic}' has no event subscription '${name}'.`)

export const notAQueue = (name: string) =>
  badRequest(
    `The event subscription '${name}' delivers its events itself (deliveryMode Push); only one with the deliveryMode Queue can be received from.`,
  )

export const methodNotAllowed = (method: string) =>
  new RequestError(405, 'MethodNotAllowed', `The method ${method} is not allowed here; use POST.`, {
    headers: { Allow: 'POST' },
  })

export const unauthorized = (host: string, reason: string) =>
  new RequestError(401, 'Unauthorized', `The request to '${host}' is not authorized. ${reason}`, {
    headers: { 'WWW-Authenticate': 'Bearer' },
  })

export const forbidden = (message: string) => new RequestError(403, 'Forbidden', message)

export const tooManyRequests = (message: string, retryAfterSeconds: number) =>
  new RequestError(429, 'TooManyRequests', message, {
    headers: { 'Retry-After': String(retryAfterSeconds) },
  })

export const tooManyEvents = (given: number, most: number) =>
  new RequestError(
    413,
    'RequestEntityTooLarge',
    `The request holds ${given} events, which is more than the maximum of ${most}.`,
  )

export const cannotStore = (cause: Error, retryAfterSeconds: number) =>
  new RequestError(503, 'ServiceUnavailable', 'This cannot be stored at this moment; try again.', {
    headers: { 'Retry-After': String(retryAfterSeconds) },
    cause,
  })
