import { errors } from 'jose'
import { TokenRefused } from './token-refused.ts'

const shownCharacters = 200

/**
 * What a failed verification says of the token. Undefined when it says nothing of it, because the keys of its
 * issuer could not be had.
 */
export function asRefusal(error: unknown, audiences: readonly string[]): TokenRefused | undefined {
  if (error instanceof errors.JWKSTimeout || !(error instanceof errors.JOSEError)) return undefined
  if (error instanceof errors.JWTExpired) {
    const expiredAt = new Date((error.payload.exp as number) * 1000).toISOString()
    return new TokenRefused(`The bearer token expired at ${expiredAt}.`, { isExpired: true, cause: error })
  }
  return new TokenRefused(reasonOf(error, audiences), { cause: error })
}

function reasonOf(error: errors.JOSEError, audiences: readonly string[]): string {
  if (error instanceof errors.JWSSignatureVerificationFailed || error instanceof errors.JWKSNoMatchingKey)
    return 'The bearer token is not signed with a key of its issuer.'
  if (!(error instanceof errors.JWTClaimValidationFailed))
    return 'The bearer token is not a signed JSON Web Token.'
  const { claim, reason, payload } = error
  if (claim === 'aud' && reason === 'check_failed')
    return `The bearer token was made for the audience ${show(payload.aud)}; expected ${audiences.join(' or ')}.`
  if (claim === 'nbf') return 'The bearer token is not valid yet.'
  return reason === 'missing'
    ? `The bearer token has no claim '${claim}'.`
    : `The claim '${claim}' of the bearer token is not the expected one.`
}

function show(value: unknown): string {
  const text = JSON.stringify(value)
  return text.length > shownCharacters ? `${text.slice(0, shownCharacters)}…` : text
}
