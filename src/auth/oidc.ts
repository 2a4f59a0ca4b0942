import { createRemoteJWKSet, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose'
import type { Clock } from '../base/clock.ts'
import { readBoundedJson } from './bounded-json.ts'
import { issuerUnavailable } from './errors.ts'
import { asRefusal } from './jose-errors.ts'
import { clockToleranceSeconds, type OidcSettings } from './oidc-settings.ts'

const issuerTimeoutMs = 5_000
/** A discovery document is a few kilobytes. */
const discoveryBytes = 262_144
/** Signatures by a key pair only: with a shared secret, whoever can check could also sign. */
const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA']

/**
 * Verifies tokens of one OpenID Connect issuer. The issuer's keys are found through its discovery document when
 * the first token comes, and read again when a token names a key that is not among them.
 *
 * The function resolves to the token's claims, `exp` among them. It rejects with `TokenRefused` for a token that is
 * not good, and with a `RequestError` 503 when the issuer does not answer.
 *
 * Source: openid.net/specs/openid-connect-discovery-1_0, section 4; learn.microsoft.com/entra/identity-platform/
 * access-tokens, "Validate tokens"
 */
export function createOidcVerifier(
  { issuer, audiences }: OidcSettings,
  clock: Clock,
): (token: string) => Promise<JWTPayload> {
  let keys: Promise<JWTVerifyGetKey> | undefined
  return async (token) => {
    keys ??= discover(issuer).catch((error: unknown) => {
      keys = undefined
      throw issuerUnavailable(issuer, error)
    })
    const getKey = await keys
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
      throw asRefusal(error, audiences) ?? issuerUnavailable(issuer, error)
    }
  }
}

async function discover(issuer: string): Promise<JWTVerifyGetKey> {
  const response = await fetch(`${issuer.replace(/\/+$/, '')}/.well-known/openid-configuration`, {
    signal: AbortSignal.timeout(issuerTimeoutMs),
    redirect: 'error',
  })
  if (!response.ok) throw new Error(`the discovery document was answered with ${response.status}`)
  const document = await readBoundedJson(response, discoveryBytes)
  if (document.issuer !== issuer)
    throw new Error(`the discovery document is that of ${String(document.issuer)}`)
  const url = URL.parse(String(document.jwks_uri))
  if (!url || (url.protocol !== 'https:' && !issuer.startsWith('http:')))
    throw new Error('the discovery document has no https:// jwks_uri')
  return createRemoteJWKSet(url, { timeoutDuration: issuerTimeoutMs })
}
