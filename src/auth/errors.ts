import { RequestError } from '../base/errors.ts'

/*
 * The refusals of Azure Resource Manager's own front door.
 *
 * Source: learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors
 */

export const missingAuthorization = () =>
  refusal('AuthenticationFailed', "Authentication failed. The 'Authorization' header is missing.")

export const malformedAuthorization = () =>
  refusal(
    'AuthenticationFailedInvalidHeader',
    "Authentication failed. The 'Authorization' header is provided in an invalid format.",
  )

export const invalidToken = (cause?: unknown) =>
  refusal('InvalidAuthenticationToken', 'The access token is invalid.', cause)

export const expiredToken = (cause?: unknown) =>
  refusal(
    'ExpiredAuthenticationToken',
    'The access token expiry UTC time is earlier than the current UTC time.',
    cause,
  )

/** The token is good, and its principal no administrator. */
export const notPermitted = (clientId: string, objectId: string) =>
  new RequestError(
    403,
    'AuthorizationFailed',
    `The client '${clientId}' with object id '${objectId}' is not an administrator of this server.`,
  )

/** The issuer's keys cannot be had, so that nobody can tell whether the token is good. */
export const issuerUnavailable = (issuer: string, cause: unknown) =>
  new RequestError(503, 'ServiceUnavailable', `The keys of the issuer ${issuer} cannot be read.`, {
    headers: { 'Retry-After': '5' },
    cause,
  })

/** A page of another site wrote to the server through its visitor's browser. */
export const foreignPage = (origin: string) =>
  new RequestError(
    403,
    'AuthorizationFailed',
    `Pages of ${origin} may not use this server in development mode.`,
  )

function refusal(code: string, message: string, cause?: unknown): RequestError {
  // No `claims` in the challenge: the SDKs would answer it with another round of signing in.
  const headers = { 'WWW-Authenticate': `Bearer error="invalid_token", error_description="${message}"` }
  return new RequestError(401, code, message, { headers, cause })
}
