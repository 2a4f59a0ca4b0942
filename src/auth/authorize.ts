import type { JWTPayload } from 'jose'
import type { Clock } from '../base/clock.ts'
import { type Administrator, administratorKeys } from './administrators.ts'
import { ownPrincipalOf, readUnverified, type TokenTrust } from './bearer-token.ts'
import type { Authorize, Caller } from './caller.ts'
import { encodeClaims } from './claims.ts'
import {
  expiredToken,
  foreignPage,
  invalidToken,
  malformedAuthorization,
  missingAuthorization,
  notPermitted,
} from './errors.ts'
import { clockToleranceSeconds, lazyOidcVerifier, type OidcSettings } from './oidc-settings.ts'
import { rememberTokens, type Verified } from './token-memory.ts'
import { TokenRefused } from './token-refused.ts'

/** Who may use the control plane: at least one of the three lets someone in. */
export interface AuthSettings {
  readonly administrators: readonly Administrator[]
  readonly oidc: OidcSettings | undefined
  /** Whether some principal that signs in here is an administrator. */
  readonly byPrincipals: boolean
}

/** What tokens of our own issuer are verified with. */
export interface OwnTokens {
  readonly trust: TokenTrust
  /** Under which this server is the control plane; asked for every new token. */
  readonly audiences: () => readonly string[]
}

const rememberedTokens = 1_000

/**
 * Who may use the control plane. Without settings it is development mode, where everyone is the owner, whatever
 * token they send or none; the caller answers for being on loopback then.
 *
 * @param hosts names by which this server is known, besides those of loopback; for development mode
 */
export function createAuthorize(
  settings: AuthSettings | undefined,
  clock: Clock,
  hosts: readonly string[] = [],
  own?: OwnTokens,
): Authorize {
  if (!settings) return everyone(hosts)
  const byKey = administratorKeys(settings.administrators)
  const byToken = rememberTokens(rememberedTokens, clock, tokenVerifier(settings, clock, own))
  return async ({ headers: { authorization } }) => {
    if (authorization === undefined) throw missingAuthorization()
    const token = /^Bearer +(\S+) *$/i.exec(authorization)?.[1]
    if (token === undefined) throw malformedAuthorization()
    const administrator = byKey(token)
    if (administrator) return administrator
    try {
      return await byToken(token)
    } catch (error) {
      if (!(error instanceof TokenRefused)) throw error
      throw error.isExpired ? expiredToken(error) : invalidToken(error)
    }
  }
}

function tokenVerifier(
  { oidc, byPrincipals }: AuthSettings,
  clock: Clock,
  own: OwnTokens | undefined,
): (token: string) => Promise<Verified<Caller>> {
  const verifyOutside = oidc && lazyOidcVerifier(oidc, clock)
  return async (token) => {
    if (own && byPrincipals) {
      const { trust, audiences } = own
      const { keyId } = await readUnverified(token)
      if (trust.issuer.isOwn(keyId)) {
        const payload = await trust.issuer.verify(token, audiences())
        const { name, clientId, objectId, administrator } = ownPrincipalOf(payload, trust)
        if (!administrator) throw notPermitted(clientId, objectId)
        const caller = { name, objectId, claims: encodeClaims(payload) }
        return { value: caller, expiresAt: expiryOf(payload) }
      }
    }
    if (!verifyOutside) throw new TokenRefused('Tokens are not accepted here.')
    const payload = await verifyOutside(token)
    const { oid, sub } = payload
    const objectId = typeof oid === 'string' ? oid : sub
    const caller = { name: nameOf(payload), objectId, claims: encodeClaims(payload) }
    return { value: caller, expiresAt: expiryOf(payload) + clockToleranceSeconds * 1000 }
  }
}

const expiryOf = ({ exp }: JWTPayload) => (exp as number) * 1000

/** The first of the claims that name a person or an application. */
function nameOf(payload: JWTPayload): string {
  for (const claim of ['preferred_username', 'upn', 'unique_name', 'email', 'appid', 'azp', 'sub']) {
    const value = payload[claim]
    if (typeof value === 'string' && value !== '') return value
  }
  return 'unnamed'
}

/**
 * Everyone on this machine, but not the web pages that they happen to visit: a browser sends a page's writes to
 * loopback too, and names the page's origin.
 */
function everyone(hosts: readonly string[]): Authorize {
  const owner = Promise.resolve({ name: 'development' })
  return ({ headers: { origin } }) => {
    if (origin === undefined) return owner
    const host = URL.parse(origin)?.hostname
    const own =
      host !== undefined && (/(^|\.)localhost$|^127(\.\d+){3}$|^\[::1\]$/.test(host) || hosts.includes(host))
    return own ? owner : Promise.reject(foreignPage(origin))
  }
}
