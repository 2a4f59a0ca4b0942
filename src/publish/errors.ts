import { RequestError } from '../base/errors.ts'

/*
 * The publish API's refusals that do not concern the events themselves.
 *
 * Source: learn.microsoft.com/azure/event-grid/post-to-custom-topic, "Response"; troubleshoot-errors
 */

export const topicNotFound = (uri: string) =>
  new RequestError(404, 'NotFound', `No resource that takes events was found at '${uri}'.`, {
    detailCode: 'ResourceNotFound',
  })

export const methodNotAllowed = (method: string) =>
  new RequestError(
    405,
    'MethodNotAllowed',
    `The method ${method} is not allowed here; use POST or OPTIONS.`,
    {
      detailCode: 'MethodNotAllowed',
      headers: { Allow: 'OPTIONS, POST' },
    },
  )

export const missingChannelName = () =>
  new RequestError(
    400,
    'BadRequest',
    "This partner namespace routes by channel: the header 'aeg-channel-name' must name one.",
    { detailCode: 'InvalidChannelName' },
  )

export const channelNotFound = (name: string, namespace: string) =>
  new RequestError(404, 'NotFound', `The partner namespace '${namespace}' has no channel '${name}'.`, {
    detailCode: 'ResourceNotFound',
  })

export const unsupportedApiVersion = (given: string) =>
  new RequestError(400, 'BadRequest', `The api-version '${given}' is not supported; use 2018-01-01.`, {
    detailCode: 'UnsupportedApiVersion',
  })

export const networkAccessDenied = (host: string, remoteAddress: string) =>
  new RequestError(
    403,
    'Forbidden',
    `Publishing to ${host.toUpperCase()} from ${remoteAddress} is denied: public network access is disabled.`,
    { detailCode: 'Forbidden' },
  )

/** Source: learn.microsoft.com/azure/event-grid/troubleshoot-network-connectivity */
export const clientIpRejected = (host: string, remoteAddress: string) =>
  new RequestError(
    403,
    'Forbidden',
    `Publishing to ${host.toUpperCase()} by client ${remoteAddress} is rejected due to IP filtering (inboundIpRules).`,
    { detailCode: 'Forbidden', errorType: 'ClientIPRejected' },
  )

export const tlsRequired = (host: string) =>
  new RequestError(
    403,
    'Forbidden',
    `Publishing to ${host.toUpperCase()} takes TLS 1.2 or newer (minimumTlsVersionAllowed); this connection is not encrypted.`,
    { detailCode: 'Forbidden' },
  )

export const emptyKey = () =>
  new RequestError(400, 'BadRequest', "A value is required for 'aeg-sas-key'.", { detailCode: 'InvalidSas' })

export const unauthorized = (host: string, reason: string) =>
  new RequestError(401, 'Unauthorized', `Request to ${host.toUpperCase()} is not authorized. ${reason}`, {
    detailCode: 'Unauthorized',
  })

export const tooManyRequests = () =>
  new RequestError(429, 'TooManyRequests', 'Too much is being published at this moment; try again.', {
    detailCode: 'TooManyRequests',
    headers: { 'Retry-After': '1' },
  })

/** The store cannot take events now: the disk is full, or failed. */
export const cannotAccept = (cause: Error, retryAfterSeconds: number) =>
  new RequestError(503, 'ServiceUnavailable', 'The events cannot be stored at this moment; try again.', {
    detailCode: 'ServiceUnavailable',
    headers: { 'Retry-After': String(retryAfterSeconds) },
    cause,
  })
