import type { Clock } from '../base/clock.ts'
import { type Administrator, administratorKeys } from './administrators.ts'
import type { Authorize } from './caller.ts'
import { invalidToken, malformedAuthorization, missingAuthorization } from './errors.ts'
import type { OidcSettings } from './oidc.ts'

/** The configuration's `auth` section: at least one of the two lets someone in. */
export interface AuthSettings {
  readonly administrators: readonly Administrator[]
  readonly oidc: OidcSettings | undefined
}

/**
 * Who may use the control plane. Without settings it is development mode, where everyone is the owner, whatever
 * token they send or none; the caller answers for being on loopback then.
 */
export async function createAuthorize(settings: AuthSettings | undefined, clock: Clock): Promise<Authorize> {
  if (!settings) {
    const owner = Promise.resolve({ name: 'development' })
    return () => owner
  }
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
