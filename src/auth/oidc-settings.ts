import type { JWTPayload } from 'jose'
import type { Clock } from '../base/clock.ts'

/** An OpenID Connect issuer whose tokens are good here. */
export interface OidcSettings {
  /** As in the token's `iss`, and where `/.well-known/openid-configuration` is found. */
  readonly issuer: string
  /** The token's `aud` must be one of these. */
  readonly audiences: readonly string[]
}

/** How far the issuer's clock may be off. */
export const clockToleranceSeconds = 60

/** `createOidcVerifier`, loaded when the first token comes: a start does not pay for it. */
export function lazyOidcVerifier(
  settings: OidcSettings,
  clock: Clock,
): (token: string) => Promise<JWTPayload> {
  let verify: Promise<(token: string) => Promise<JWTPayload>> | undefined
  return async (token) => {
    verify ??= import('./oidc.ts').then(({ createOidcVerifier }) => createOidcVerifier(settings, clock))
    return (await verify)(token)
  }
}
