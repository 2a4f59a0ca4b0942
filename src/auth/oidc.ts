import { createHash } from 'node:crypto'
import { createRemoteJWKSet, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose'
import type { Clock, EpochMs } from '../base/clock.ts'
import type { Caller } from './caller.ts'
import { expiredToken, invalidToken, issuerUnavailable } from './errors.ts'

export interface OidcSettings {
  /** As in the token's `iss`, and where `/.well-known/openid-configuration` is found. */
  readonly issuer: string
  /** The token's `aud` must be one of these. */
  readonly audiences: readonly string[]
}

/** A verified token is not verified again until it expires; so many are remembered. */
const rememberedTokens = 1_000
const issuerTimeoutMs = 5_000
/** How far the issuer's clock may be off. */
const clockToleranceSeconds = 60
/** Signatures by a key pair only: with a shared secret, whoever can check could also sign. */
const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA']

/**
 * Verifies tokens of one OpenID Connect issuer. The issuer's keys are found through its discovery document when
 * the first token comes, and read again when a token names a key that is not among them.
 *
 * The function rejects with a `RequestError`: 401 for a token that is not good, 503 when the issuer does not answer.
 *
 * Source: openid.net/specs/openid-connect-discovery-1_0, section 4; learn.microsoft.com/entra/identity-platform/
 * access-tokens, "Validate tokens"
 */
export function oidcTokens(
  { issuer, audiences }: OidcSettings,
  clock: Clock,
): (token: string) => Promise<Caller> {
  const remembered = new Map<string, { readonly caller: Caller; readonly expiresAt: EpochMs }>()
  let keys: Promise<JWTVerifyGetKey> | undefined

  return async (token) => {
    const hash = createHash('sha256').update(token).digest('base64')
    const known = remembered.get(hash)
    if (known && known.expiresAt > clock.now()) return known.caller
    keys ??= discover(issuer).catch((error: unknown) => {
      keys = undefined
      throw issuerUnavailable(issuer, error)
    })
    const payload = await verify(token, await keys)
    const caller = { name: nameOf(payload) }
    if (remembered.size >= rememberedTokens) remembered.delete(remembered.keys().next().value as string)
    remembered.set(hash, { caller, expiresAt: (payload.exp as number) * 1000 })
    return caller
  }

  async function verify(token: string, getKey: JWTVerifyGetKey): Promise<JWTPayload> {
    try {
      const { payload } = await jwtVerify(token, getKey, {
        issuer,
        audience: [...audiences],
        algorithms,
        requiredClaims: ['exp'],
        clockTolerance: clockToleranceSeconds,
        currentDate: new Date(clock.now()),
      })
      return payload
    } catch (error) {
      if (error instanceof errors.JWTExpired) throw expiredToken(error)
      if (error instanceof errors.JWKSTimeout || !(error instanceof errors.JOSEError))
        throw issuerUnavailable(issuer, error)
      throw invalidToken(error)
    }
  }
}

async function discover(issuer: string): Promise<JWTVerifyGetKey> {
  const response = await fetch(`${issuer.replace(/\/+$/, '')}/.well-known/openid-configuration`, {
    signal: AbortSignal.timeout(issuerTimeoutMs),
    redirect: 'error',
  })
  if (!response.ok) throw new Error(`the discovery document was answered with ${response.status}`)
  const document = (await response.json()) as { readonly issuer?: unknown; readonly jwks_uri?: unknown }
  if (document.issuer !== issuer)
    throw new Error(`the discovery document is that of ${String(document.issuer)}`)
  const url = URL.parse(String(document.jwks_uri))
  if (!url || (url.protocol !== 'https:' && !issuer.startsWith('http:')))
    throw new Error('the discovery document has no https:// jwks_uri')
  return createRemoteJWKSet(url, { timeoutDuration: issuerTimeoutMs })
}

/** The first of the claims that name a person or an application. */
function nameOf(payload: JWTPayload): string {
  for (const claim of ['preferred_username', 'upn', 'unique_name', 'email', 'appid', 'azp', 'sub']) {
    const value = payload[claim]
    if (typeof value === 'string' && value !== '') return value
  }
  return 'unnamed'
}
