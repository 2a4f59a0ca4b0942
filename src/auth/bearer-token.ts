import type { JWTPayload } from 'jose'
import type { Clock, EpochMs } from '../base/clock.ts'
import type { Issuer } from './issuer.ts'
import { clockToleranceSeconds, lazyOidcVerifier, type OidcSettings } from './oidc-settings.ts'
import type { Principals } from './principals.ts'
import { rememberTokens, type Verified } from './token-memory.ts'
import { TokenRefused } from './token-refused.ts'

/** Whom a verified token speaks for. */
export interface Bearer {
  /** For logs. */
  readonly objectId: string
  /** Those that a role assignment may name: the object id, and the ids of groups that the token carries. */
  readonly principalIds: readonly string[]
  /** From then on the token is refused. */
  readonly expiresAt: EpochMs
  /** The token speaks for a person, by way of an application. */
  readonly isUser: boolean
  /** It is one that signs in here. */
  readonly isPrincipal?: true
}

/** Who may issue tokens. */
export interface TokenTrust {
  readonly issuer: Issuer
  readonly principals: Principals
  /** Of our own tokens; a principal lives in it. */
  readonly tenantId: string
  /** Outside issuers, each with the audiences that its tokens must be made for. */
  readonly issuers: readonly OidcSettings[]
}

/**
 * Entra's name for the data plane of topics, domains and partner namespaces; clients differ in the slash.
 *
 * Source: learn.microsoft.com/azure/event-grid/authenticate-with-microsoft-entra-id
 */
export const dataPlaneAudiences = ['https://eventgrid.azure.net', 'https://eventgrid.azure.net/'] as const

/**
 * Entra's name for the service APIs of IoT hubs.
 *
 * Source: learn.microsoft.com/azure/iot-hub/authenticate-authorize-azure-ad
 */
export const hubAudiences = ['https://iothubs.azure.net', 'https://iothubs.azure.net/'] as const

const rememberedTokens = 10_000
/** Entra writes at most 200 groups into a token. */
export const groupsOfToken = 200

/**
 * Microsoft Entra tokens for a data plane: of our own issuer's principals, and of outside issuers, whose audiences are
 * these too where the operator has named no others. A token is
 * verified once and remembered until it expires; then the function answers without a promise. What its bearer may
 * do is asked elsewhere and every time.
 *
 * Rejects with `TokenRefused`, or with a `RequestError` 503 when an issuer's keys cannot be had.
 */
export function createBearerTokens({
  clock,
  trust,
  audiences = dataPlaneAudiences,
}: {
  readonly clock: Clock
  readonly trust: TokenTrust
  /** What a token must be made for. */
  readonly audiences?: readonly string[]
}): (token: string) => Bearer | Promise<Bearer> {
  const outside = new Map(
    trust.issuers.map((one) => {
      const isDefault = one.audiences === dataPlaneAudiences
      return [one.issuer, lazyOidcVerifier(isDefault ? { ...one, audiences } : one, clock)]
    }),
  )
  const verify = async (token: string): Promise<Verified<Bearer>> => {
    const { keyId, issuer } = await readUnverified(token)
    if (trust.issuer.isOwn(keyId)) {
      const payload = await trust.issuer.verify(token, audiences)
      const expiresAt = expiryOf(payload)
      return { value: { ...ownBearer(payload, trust), expiresAt, isUser: false }, expiresAt }
    }
    const verifyOutside = outside.get(issuer)
    if (!verifyOutside)
      throw new TokenRefused(
        `The bearer token is of the issuer '${issuer.slice(0, 200)}', which is not trusted here.`,
      )
    const payload = await verifyOutside(token)
    const expiresAt = expiryOf(payload) + clockToleranceSeconds * 1000
    return { value: { ...bearerOf(payload), expiresAt, isUser: isUser(payload) }, expiresAt }
  }
  const remembered = rememberTokens(rememberedTokens, clock, verify)
  return (token) => {
    const bearer = remembered(token)
    if (bearer instanceof Promise || !bearer.isPrincipal || trust.principals.byObjectId(bearer.objectId))
      return bearer
    return Promise.reject(principalGone())
  }
}

/** What the token says of itself, to find who must verify it. */
export async function readUnverified(token: string): Promise<{ keyId: string | undefined; issuer: string }> {
  const { decodeJwt, decodeProtectedHeader } = await import('jose')
  try {
    const { iss } = decodeJwt(token)
    return { keyId: decodeProtectedHeader(token).kid, issuer: String(iss) }
  } catch (cause) {
    throw new TokenRefused('The bearer token is not a signed JSON Web Token.', { cause })
  }
}

/** Only a principal that is still there counts; what we send to webhooks is in the name of none. */
export function ownPrincipalOf({ oid, tid, appid }: JWTPayload, { principals, tenantId }: TokenTrust) {
  const principal = principals.byObjectId(String(oid))
  if (tid !== tenantId || !principal || principal.clientId !== appid) throw principalGone()
  return principal
}

type Principal = Omit<Bearer, 'expiresAt' | 'isUser'>

const principalGone = () =>
  new TokenRefused('The bearer token is of a principal that is not known here, or no longer.')

function ownBearer(payload: JWTPayload, trust: TokenTrust): Principal {
  const { objectId } = ownPrincipalOf(payload, trust)
  return { objectId, principalIds: [objectId], isPrincipal: true }
}

/**
 * Scopes are what a person has agreed to; an application by itself has roles at most.
 *
 * Source: learn.microsoft.com/entra/identity-platform/access-token-claims-reference, "scp"
 */
const isUser = ({ scp, idtyp }: JWTPayload) => typeof scp === 'string' || idtyp === 'user'

function bearerOf({ oid, sub, groups }: JWTPayload): Principal {
  const objectId = typeof oid === 'string' ? oid : sub
  if (objectId === undefined) throw new TokenRefused("The bearer token has neither a claim 'oid' nor 'sub'.")
  const named = Array.isArray(groups) ? groups.slice(0, groupsOfToken).map(String) : []
  return {
    objectId,
    principalIds: [objectId, ...named].map((id) => id.toLowerCase()),
  }
}

const expiryOf = ({ exp }: JWTPayload) => (exp as number) * 1000
