import type { Principal, Principals } from '../auth/principals.ts'
import type { EpochMs } from '../base/clock.ts'
import { verifyAssertion } from './client-assertion.ts'
import {
  invalidScope,
  invalidSecret,
  malformedAssertion,
  malformedBody,
  missingParameter,
  missingSecret,
  unknownClient,
  unsupportedGrant,
} from './errors.ts'

/** What a token request asks for, its secret verified. */
export interface GrantRequest {
  readonly principal: Principal
  readonly audience: string
}

const audienceCharacters = 500
const jwtBearer = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/**
 * Reads a token request. Rejects with a `SignInError` for one that is not to be granted.
 *
 * @param audiences of assertions: where the request came to, and the issuer
 *
 * Source: RFC 6749, sections 2.3.1 and 4.4.2; learn.microsoft.com/entra/identity-platform/
 * v2-oauth2-client-creds-grant-flow
 */
export async function grantOf(
  form: URLSearchParams,
  authorization: string | undefined,
  context: {
    readonly principals: Principals
    readonly tenantId: string
    readonly audiences: readonly string[]
    readonly now: EpochMs
  },
): Promise<GrantRequest> {
  const { principals, tenantId, audiences, now } = context
  const grant = form.get('grant_type')
  if (!grant) throw missingParameter('grant_type')
  if (grant !== 'client_credentials') throw unsupportedGrant(grant)
  const basic = basicCredentials(authorization)
  const clientId = form.get('client_id') ?? basic?.clientId
  if (!clientId) throw missingParameter('client_id')
  const principal = principals.byClientId(clientId)
  if (!principal) throw unknownClient(clientId, tenantId)
  const assertion = form.get('client_assertion')
  if (assertion) {
    const type = form.get('client_assertion_type')
    if (type !== jwtBearer) throw malformedAssertion(`the client_assertion_type must be '${jwtBearer}'.`)
    const certificate = principals.certificateOf(principal)
    await verifyAssertion(assertion, { clientId: principal.clientId, certificate, audiences, now })
    return { principal, audience: audienceOf(form) }
  }
  const secret = form.get('client_secret') ?? (basic?.clientId === clientId ? basic.secret : undefined)
  if (!secret) throw missingSecret()
  if (!principals.isSecretOf(principal, secret)) throw invalidSecret(principal.clientId)
  return { principal, audience: audienceOf(form) }
}

/** The resource that the token is for: `scope` of the second version less its ending, or `resource` of the first. */
function audienceOf(form: URLSearchParams): string {
  const scope = form.get('scope')?.trim()
  const resource = form.get('resource')?.trim()
  if (scope) {
    const asked = scope.split(/\s+/).filter((word) => !['openid', 'profile', 'offline_access'].includes(word))
    const [only = ''] = asked
    const audience = only.replace(/\/\.default$/, '')
    if (asked.length !== 1 || audience === only || !isAudience(audience)) throw invalidScope(scope)
    return audience
  }
  if (!resource) throw missingParameter('scope')
  if (!isAudience(resource)) throw invalidScope(resource)
  return resource
}

export const isAudience = (text: string) => text.length <= audienceCharacters && /^[\x21-\x7e]+$/.test(text)

function basicCredentials(
  authorization: string | undefined,
): { readonly clientId: string; readonly secret: string } | undefined {
  const [, encoded] = /^Basic +([A-Za-z0-9+/=]+)$/i.exec(authorization ?? '') ?? []
  if (encoded === undefined) return undefined
  const [, clientId = '', secret = ''] =
    /^([^:]*):(.*)$/s.exec(Buffer.from(encoded, 'base64').toString('utf8')) ?? []
  try {
    return { clientId: decodeForm(clientId), secret: decodeForm(secret) }
  } catch {
    throw malformedBody('The Authorization header is not form encoded.')
  }
}

const decodeForm = (text: string) => decodeURIComponent(text.replaceAll('+', ' '))
