import type { X509Certificate } from 'node:crypto'
import type { JWTHeaderParameters, JWTPayload } from 'jose'
import type { Clock } from '../base/clock.ts'
import type { CustomJwtSettings } from '../catalog/namespace.ts'
import { attributesOf } from '../client/attributes.ts'
import { readCertificate } from '../client/certificate.ts'
import { reasonCodes } from './admission.ts'
import type { Attempt } from './attempt.ts'
import { refused, tokenOf } from './refusals.ts'

/** Source: learn.microsoft.com/azure/event-grid/authenticate-with-custom-json-web-token */
export const customJwtMethod = 'CUSTOM-JWT'

/** How far the issuer's clock may be ahead. */
const clockToleranceSeconds = 300

const standardClaims = new Set(['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti'])

const authenticationNameCharacters = 128

/** Certificates of an issuer that a URL leads to. Rejects with an `Error` that says why there are none. */
export type FetchCertificates = (url: string) => Promise<readonly X509Certificate[]>

export interface CustomJwtNeeds {
  /** Undefined where the namespace takes no such tokens. */
  readonly settings: () => CustomJwtSettings | undefined
  /** The namespace's host names, in lower case. */
  readonly hosts: () => readonly string[]
  readonly fetchCertificates: FetchCertificates
  readonly clock: Clock
}

/** Clients with a token of an issuer that the namespace names. Groups say what they may do, by its other claims. */
export async function authenticateCustomJwt(
  data: Uint8Array | undefined,
  { settings: currentSettings, hosts, fetchCertificates, clock }: CustomJwtNeeds,
): Promise<Attempt> {
  const settings = currentSettings()
  if (!settings)
    return refused(
      'The namespace has no customJwtAuthentication: the method CUSTOM-JWT is not supported',
      reasonCodes.badAuthenticationMethod,
    )
  const token = tokenOf(data)
  if (token === undefined) return refused('The authentication data is no JSON Web Token')
  const { decodeProtectedHeader, errors, jwtVerify } = await import('jose')
  let header: JWTHeaderParameters
  try {
    header = decodeProtectedHeader(token) as JWTHeaderParameters
  } catch {
    // Its header is no JSON: nothing signed it that we could ask.
    return refused('The authentication data is no JSON Web Token')
  }
  const flaw = headerFlaw(header)
  if (flaw !== undefined) return refused(flaw)
  const keys = await issuerCertificates(settings, header.kid, fetchCertificates)
  const now = clock.now()
  let failure: Attempt = refused(
    keys.failure ?? `No issuer certificate has the key id '${header.kid}'`,
    keys.code,
  )
  for (const certificate of keys.certificates) {
    if (now < certificate.validFromDate.getTime() || now >= certificate.validToDate.getTime()) {
      failure = refused('The certificate of the issuer is not valid now')
      continue
    }
    try {
      const { payload } = await jwtVerify(token, certificate.publicKey, {
        algorithms: ['RS256'],
        issuer: settings.tokenIssuer,
        requiredClaims: ['iss', 'sub', 'aud', 'exp', 'nbf'],
        clockTolerance: clockToleranceSeconds,
        currentDate: new Date(now),
      })
      return judge(payload, certificate)
    } catch (error) {
      if (!(error instanceof errors.JOSEError)) throw error
      failure = refused(reasonOf(error))
      // Signed with this key, and wrong in another way: no other key makes it right.
      if (!(error instanceof errors.JWSSignatureVerificationFailed)) return failure
    }
  }
  return failure

  function reasonOf(error: InstanceType<typeof errors.JOSEError>): string {
    if (error instanceof errors.JWTExpired) return 'The token has expired'
    if (error instanceof errors.JWSSignatureVerificationFailed)
      return 'The token is not signed with the key of an issuer certificate'
    if (!(error instanceof errors.JWTClaimValidationFailed)) return 'The token is not a signed JSON Web Token'
    const { claim, reason, payload } = error
    if (reason === 'missing') return `The token has no claim '${claim}'`
    if (claim === 'iss')
      return `The issuer of the token is '${String(payload.iss).slice(0, 200)}'; expected '${settings?.tokenIssuer}'`
    if (claim === 'nbf') return 'The token is not valid yet'
    return `The claim '${claim}' of the token is not the expected one`
  }

  function judge(payload: JWTPayload, certificate: X509Certificate): Attempt {
    const { sub, aud, exp = 0 } = payload
    const expiresAt = exp * 1000
    if (expiresAt <= now) return refused('The token has expired')
    if (typeof sub !== 'string' || sub === '' || sub.length > authenticationNameCharacters)
      return refused(
        `The claim 'sub' of the token must be 1 to ${authenticationNameCharacters} characters long`,
      )
    const audiences = [aud ?? []].flat().map(normalizeAudience)
    if (!hosts().some((host) => audiences.includes(host)))
      return refused(
        `The token was made for the audience '${audiences.join(', ').slice(0, 200)}'; expected ${hosts().join(' or ')}`,
      )
    const attributes = attributesOf(payload, standardClaims)
    return {
      kind: 'proved',
      proof: {
        record: { kind: 'customJwt', authenticationName: sub, attributes, expiresAt },
        attributes,
        expiresAt,
        log: {
          authenticationType: 'AccessToken',
          clientIdentitySource: 'JWT',
          authenticationAuthority: 'Local',
          clientIdentity: sub,
        },
        flaw: () => trustFlaw(certificate),
      },
    }
  }

  /** What was found at a URL is trusted as long as the URL is configured. */
  function trustFlaw(certificate: X509Certificate): string | undefined {
    const current = currentSettings()
    if (current?.tokenIssuer !== settings?.tokenIssuer)
      return 'The issuer of the token is not trusted any more'
    const given = current?.certificates.some(
      ({ encodedCertificate }) =>
        readCertificate(encodedCertificate)?.fingerprint256 === certificate.fingerprint256,
    )
    const urls = settings?.certificateUrls.filter((url) => current?.certificateUrls.includes(url)) ?? []
    return given || urls.length > 0 ? undefined : 'The certificate of the issuer is not trusted any more'
  }
}

function headerFlaw({ alg, typ }: JWTHeaderParameters): string | undefined {
  if (alg !== 'RS256') return `The token is signed with '${String(alg).slice(0, 20)}'; expected RS256`
  // The documentation says JWT in one place and JWS in another.
  if (typ !== undefined && !/^jw[st]$/i.test(typ))
    return `The type of the token is '${typ.slice(0, 20)}'; expected JWT`
  return undefined
}

/** Those that the key id names; all of them where it names none. */
async function issuerCertificates(
  { certificates, certificateUrls }: CustomJwtSettings,
  kid: string | undefined,
  fetchCertificates: FetchCertificates,
): Promise<{ certificates: readonly X509Certificate[]; failure?: string; code?: number }> {
  const given = certificates
    .filter((each) => kid === undefined || each.kid === kid)
    .flatMap(({ encodedCertificate }) => readCertificate(encodedCertificate) ?? [])
  if (certificateUrls.length === 0 || (given.length > 0 && kid !== undefined)) return { certificates: given }
  const fetched: X509Certificate[] = []
  let failure: string | undefined
  for (const url of certificateUrls)
    try {
      fetched.push(...(await fetchCertificates(url)))
    } catch (error) {
      failure = (error as Error).message
    }
  const found = [...given, ...fetched]
  if (failure === undefined) return { certificates: found }
  return { certificates: found, failure, code: reasonCodes.serverUnavailable }
}

/** Articles write the host name with and without a scheme and a slash. */
const normalizeAudience = (text: unknown) =>
  String(text)
    .toLowerCase()
    .replace(/^https:\/\//, '')
    .replace(/\/$/, '')
