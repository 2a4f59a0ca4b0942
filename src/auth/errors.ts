import { RequestError } from '../base/errors.ts'
import type { Caller } from './caller.ts'

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

/**
 * No role lets the caller do it. The scope may not be there at all: who may not read it is not told.
 *
 * Source: learn.microsoft.com/azure/role-based-access-control/troubleshooting
 */
export const authorizationFailed = (caller: Caller, action: string, scope: string) =>
  new RequestError(
    403,
    'AuthorizationFailed',
    `The client '${caller.clientId ?? caller.name}' with object id '${caller.objectId ?? ''}' does not have authorization ` +
      `to perform action '${action}' over scope '${scope}' or the scope is invalid. If access was recently granted, ` +
      'please refresh your credentials.',
    { headers: fromGateway },
  )

/** The caller may write the resource, and not have it use another one that it names. */
export const linkedAuthorizationFailed = (
  caller: Caller,
  asked: { readonly action: string; readonly scope: string },
  linked: { readonly action: string; readonly scope: string },
) =>
  new RequestError(
    403,
    'LinkedAuthorizationFailed',
    `The client '${caller.clientId ?? caller.name}' with object id '${caller.objectId ?? ''}' has permission to perform ` +
      `action '${asked.action}' on scope '${asked.scope}'; however, it does not have permission to perform action ` +
      `'${linked.action}' on the linked scope(s) '${linked.scope}' or the linked scope(s) are invalid.`,
    { headers: fromGateway },
  )

const fromGateway = { 'x-ms-failure-cause': 'gateway' }

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

/** A name that somebody made to lead here; a page under it could read what this server answers. */
export const foreignHost = (host: string) =>
  new RequestError(
    403,
    'AuthorizationFailed',
    `'${host.slice(0, 300)}' is not a name of this server, and in development mode it is used under its own names alone: ` +
      "localhost, the public URL's, and those under 'hostAliases' in the configuration file.",
  )

function refusal(code: string, message: string, cause?: unknown): RequestError {
  // No `claims` in the challenge: the SDKs would answer it with another round of signing in.
  const headers = { 'WWW-Authenticate': `Bearer error="invalid_token", error_description="${message}"` }
  return new RequestError(401, code, message, { headers, cause })
}
