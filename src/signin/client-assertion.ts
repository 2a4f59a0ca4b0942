import type { ClientCertificate } from '../auth/principals.ts'
import type { EpochMs } from '../base/clock.ts'
import { assertionNotTimely, certificateNotTimely, malformedAssertion, unknownCertificate } from './errors.ts'

/** How far the client's clock may be off. */
const clockToleranceSeconds = 300

/**
 * Throws a `SignInError` unless the client itself has signed the assertion, for one of these audiences.
 *
 * Source: RFC 7523, section 3; learn.microsoft.com/entra/identity-platform/certificate-credentials
 */
export async function verifyAssertion(
  assertion: string,
  options: {
    readonly clientId: string
    readonly certificate: ClientCertificate | undefined
    readonly audiences: readonly string[]
    readonly now: EpochMs
  },
): Promise<void> {
  const { clientId, certificate, audiences, now } = options
  if (!certificate) throw unknownCertificate(clientId)
  if (now < certificate.validFrom || now > certificate.validUntil) throw certificateNotTimely(clientId)
  const { errors, jwtVerify } = await import('jose')
  try {
    await jwtVerify(assertion, certificate.publicKey, {
      issuer: clientId,
      subject: clientId,
      audience: [...audiences],
      algorithms: ['RS256', 'PS256'],
      requiredClaims: ['exp'],
      clockTolerance: clockToleranceSeconds,
      currentDate: new Date(now),
    })
  } catch (error) {
    if (error instanceof errors.JWSSignatureVerificationFailed) throw unknownCertificate(clientId)
    if (error instanceof errors.JWTExpired) throw assertionNotTimely()
    if (error instanceof errors.JWTClaimValidationFailed)
      throw error.claim === 'nbf'
        ? assertionNotTimely()
        : malformedAssertion(
            `'iss' and 'sub' must be '${clientId}', and 'aud' one of ${audiences.join(', ')}; the claim at fault is '${error.claim}'.`,
          )
    if (error instanceof errors.JOSEError) throw malformedAssertion('it must be signed with RS256 or PS256.')
    throw error
  }
}
