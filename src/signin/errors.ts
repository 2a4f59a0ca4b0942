/** A refusal of the token endpoint, in the words of Microsoft Entra ID. */
export class SignInError extends Error {
  readonly status: number
  /** OAuth's word, such as `invalid_client`. */
  readonly error: string
  /** The number after `AADSTS`. */
  readonly number: number

  constructor(status: number, error: string, number: number, message: string) {
    super(message)
    this.name = 'SignInError'
    this.status = status
    this.error = error
    this.number = number
  }
}

/*
 * Source: RFC 6749, section 5.2; learn.microsoft.com/entra/identity-platform/reference-error-codes
 */

export const tenantNotFound = (tenant: string) =>
  new SignInError(
    400,
    'invalid_request',
    90002,
    `Tenant '${tenant.slice(0, 100)}' not found. Check to make sure you have the correct tenant ID and are signing ` +
      'into the correct cloud.',
  )

export const missingParameter = (name: string) =>
  new SignInError(
    400,
    'invalid_request',
    900144,
    `The request body must contain the following parameter: '${name}'.`,
  )

export const malformedBody = (why: string) =>
  new SignInError(400, 'invalid_request', 9002313, `Invalid request. ${why}`)

export const unsupportedGrant = (grant: string) =>
  new SignInError(
    400,
    'unsupported_grant_type',
    70003,
    `The app requested an unsupported grant type '${grant.slice(0, 100)}'; this version of Busbar issues tokens for ` +
      "'client_credentials'.",
  )

export const unknownClient = (clientId: string, tenant: string) =>
  new SignInError(
    400,
    'unauthorized_client',
    700016,
    `Application with identifier '${clientId.slice(0, 100)}' was not found in the directory '${tenant}'. ` +
      "Principals are named in the configuration, under 'auth.principals'.",
  )

export const invalidSecret = (clientId: string) =>
  new SignInError(
    401,
    'invalid_client',
    7000215,
    'Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the ' +
      `client secret ID, for a secret added to app '${clientId}'.`,
  )

export const missingSecret = () =>
  new SignInError(
    401,
    'invalid_client',
    7000216,
    "'client_assertion' or 'client_secret' is required for the 'client_credentials' grant type.",
  )

export const unknownCertificate = (clientId: string) =>
  new SignInError(
    401,
    'invalid_client',
    700027,
    `Client assertion failed signature validation: it is not signed with the certificate of app '${clientId}'.`,
  )

export const certificateNotTimely = (clientId: string) =>
  new SignInError(
    401,
    'invalid_client',
    700027,
    `The certificate of app '${clientId}' that client assertions are verified with is not valid at this time.`,
  )

export const assertionNotTimely = () =>
  new SignInError(401, 'invalid_client', 700024, 'Client assertion is not within its valid time range.')

export const malformedAssertion = (why: string) =>
  new SignInError(401, 'invalid_client', 50027, `JWT token is invalid or malformed: ${why}`)

export const invalidScope = (scope: string) =>
  new SignInError(
    400,
    'invalid_scope',
    1002012,
    `The provided value for scope ${scope.slice(0, 200)} is not valid. Client credential flows must have one scope value ` +
      'with /.default suffixed to the resource identifier (application ID URI).',
  )

export const interactiveNotSupported = (what: string) =>
  new SignInError(
    400,
    'unsupported_response_type',
    70007,
    `${what} is not supported by this version of Busbar: sign in as a principal, with its client secret.`,
  )
