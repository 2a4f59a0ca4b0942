import { RequestError } from '../base/errors.ts'

/*
 * The refusals of MQTT messages over HTTP.
 *
 * Source: learn.microsoft.com/azure/event-grid/mqtt-http-publish, "Response codes"
 */

export const badRequest = (message: string, target?: string) =>
  new RequestError(400, 'BadRequest', message, target === undefined ? {} : { target })

export const unauthorized = (host: string, reason: string) =>
  new RequestError(401, 'Unauthorized', `The request to '${host}' is not authorized. ${reason}`, {
    headers: { 'WWW-Authenticate': 'Bearer' },
  })

export const forbidden = (message: string) => new RequestError(403, 'Forbidden', message)

export const namespaceNotFound = (host: string) =>
  new RequestError(404, 'NotFound', `No namespace with an MQTT broker was found at '${host}'.`)

export const notRetained = (topicName: string) =>
  new RequestError(404, 'NotFound', `No message is retained for the topic '${topicName}'.`)

export const methodNotAllowed = (method: string, allowed: string) =>
  new RequestError(405, 'MethodNotAllowed', `The method ${method} is not allowed here; use ${allowed}.`, {
    headers: { Allow: allowed },
  })

export const tooManyRequests = (message: string) =>
  new RequestError(429, 'TooManyRequests', message, { headers: { 'Retry-After': '1' } })

export const unavailable = (message: string) =>
  new RequestError(503, 'ServiceUnavailable', message, { headers: { 'Retry-After': '1' } })
