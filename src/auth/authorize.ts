import type { JWTPayload } from 'jose'
import type { Clock } from '../base/clock.ts'
import { type Administrator, administratorKeys } from './administrators.ts'
import { groupsOfToken, ownPrincipalOf, readUnverified, type TokenTrust } from './bearer-token.ts'
import type { Authorize, Caller } from './caller.ts'
import { encodeClaims } from './claims.ts'
import {
  expiredToken,
  foreignHost,
  foreignPage,
  invalidToken,
  malformedAuthorization,
  missingAuthorization,
} from './errors.ts'
import { clockToleranceSeconds, lazyOidcVerifier, type OidcSettings } from './oidc-settings.ts'
import { type IsOwnHost, ownHosts } from './own-hosts.ts'
import { rememberTokens, type Verified } from './token-memory.ts'
import { TokenRefused } from './token-refused.ts'

/** Who may come in to the control plane. What they may do there, roles say; of those who own everything, this does. */
export interface AuthSettings {
  /** They own everything. */
  readonly administrators: readonly Administrator[]
  readonly oidc: ControlPlaneIssuer | undefined
}

/** An outside issuer whose tokens let their bearers in. */
export interface ControlPlaneIssuer extends OidcSettings {
  /** Object ids and groups, in lower case, that own everything. Undefined: every bearer of such a token does. */
  readonly owners?: readonly string[] | undefined
}

/** What tokens of our own issuer are verified with. */
export interface OwnTokens {
  readonly trust: TokenTrust
  /** Under which this server is the control plane; asked for every new token. */
  readonly audiences: () => readonly string[]
}

const rememberedTokens = 1_000

/**
 * Who comes to the control plane. Without settings it is development mode, where everyone is the owner, whatever
 * token they send or none; the caller answers for being on loopback then.
 *
 * @param isOwnHost names by which this server is known; for development mode
 */
export function createAuthorize(
  settings: AuthSettings | undefined,
  clock: Clock,
  isOwnHost: IsOwnHost = ownHosts([]),
  own?: OwnTokens,
): Authorize {
  if (!settings) return everyone(isOwnHost)
  const byKey = administratorKeys(settings.administrators)
  const byToken = rememberTokens(rememberedTokens, clock, tokenVerifier(settings, clock, own))
  return async ({ headers: { authorization } }) => {
    if (authorization === undefined) throw missingAuthorization()
    const token = /^Bearer +(\S+) *$/i.exec(authorization)?.[1]
    if (token === undefined) throw malformedAuthorization()
    const administrator = byKey(token)
    if (administrator) return administrator
    try {
      const { caller, isPrincipal } = await byToken(token)
      // The token has been remembered for longer than its principal may have been there.
      if (isPrincipal && !own?.trust.principals.byObjectId(caller.objectId as string))
        throw new TokenRefused('The principal of the token has been deleted.')
      return caller
    } catch (error) {
      if (!(error instanceof TokenRefused)) throw error
      throw error.isExpired ? expiredToken(error) : invalidToken(error)
    }
  }
}

interface Known {
  readonly caller: Caller
  /** Of our own issuer. */
  readonly isPrincipal: boolean
}

function tokenVerifier(
  { oidc }: AuthSettings,
  clock: Clock,
  own: OwnTokens | undefined,
): (token: string) => Promise<Verified<Known>> {
  const verifyOutside = oidc && lazyOidcVerifier(oidc, clock)
  return async (token) => {
    if (own) {
      const { trust, audiences } = own
      const { keyId } = await readUnverified(token)
      if (trust.issuer.isOwn(keyId)) {
        const payload = await trust.issuer.verify(token, audiences())
        const { name, clientId, objectId, administrator: isOwner } = ownPrincipalOf(payload, trust)
        const caller = { name, clientId, objectId, isOwner, claims: encodeClaims(payload) }
        return { value: { caller, isPrincipal: true }, expiresAt: expiryOf(payload) }
      }
    }
    if (!verifyOutside) throw new TokenRefused('Tokens are not accepted here.')
    const payload = await verifyOutside(token)
    return {
      value: { caller: outsideCaller(payload, oidc), isPrincipal: false },
      expiresAt: expiryOf(payload) + clockToleranceSeconds * 1000,
    }
  }
}

function outsideCaller(payload: JWTPayload, { owners }: ControlPlaneIssuer): Caller {
  const { oid, sub, groups, appid } = payload
  const objectId = typeof oid === 'string' ? oid : sub
  const named = Array.isArray(groups) ? groups.slice(0, groupsOfToken).map(String) : []
  const principalIds = [...(objectId === undefined ? [] : [objectId]), ...named].map((id) => id.toLowerCase())
  return {
    name: nameOf(payload),
    ...(typeof appid === 'string' && { clientId: appid }),
    objectId,
    principalIds,
    isOwner: owners === undefined || principalIds.some((id) => owners.includes(id)),
    claims: encodeClaims(payload),
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
 * loopback too, and names the page's origin; and a page whose own name was made to lead to this machine names that
 * as the host.
 */
function everyone(isOwnHost: IsOwnHost): Authorize {
  const owner = Promise.resolve({ name: 'development', isOwner: true })
  return ({ headers: { origin, host } }) => {
    if (host !== undefined && !isOwnHost(host)) return Promise.reject(foreignHost(host))
    if (origin === undefined) return owner
    const from = URL.parse(origin)?.host
    return from !== undefined && isOwnHost(from) ? owner : Promise.reject(foreignPage(origin))
  }
}
