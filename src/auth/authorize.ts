import type { Clock } from '../base/clock.ts'
import { type Administrator, administratorKeys } from './administrators.ts'
import type { Authorize } from './caller.ts'
import { foreignPage, invalidToken, malformedAuthorization, missingAuthorization } from './errors.ts'
import type { OidcSettings } from './oidc.ts'

/** The configuration's `auth` section: at least one of the two lets someone in. */
export interface AuthSettings {
  readonly administrators: readonly Administrator[]
  readonly oidc: OidcSettings | undefined
}

/**
 * Who may use the control plane. Without settings it is development mode, where everyone is the owner, whatever
 * token they send or none; the caller answers for being on loopback then.
 *
 * @param hosts names by which this server is known, besides those of loopback; for development mode
 */
export async function createAuthorize(
  settings: AuthSettings | undefined,
  clock: Clock,
  hosts: readonly string[] = [],
): Promise<Authorize> {
  if (!settings) return everyone(hosts)
  const byKey = administratorKeys(settings.administrators)
  // Loaded where an issuer is configured: a start without one does not pay for it.
  const byToken = settings.oidc && (await import('./oidc.ts')).oidcTokens(settings.oidc, clock)
  return async ({ headers: { authorization } }) => {
    if (authorization === undefined) throw missingAuthorization()
    const token = /^Bearer +(\S+) *$/i.exec(authorization)?.[1]
    if (token === undefined) throw malformedAuthorization()
    const administrator = byKey(token)
    if (administrator) return administrator
    if (byToken) return byToken(token)
    throw invalidToken()
  }
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
