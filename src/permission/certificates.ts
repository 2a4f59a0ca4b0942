import type { X509Certificate } from 'node:crypto'
import type { Clock, EpochMs } from '../base/clock.ts'
import type { NamespaceAccess, RegisteredClient } from '../catalog/mqtt-access.ts'
import type { ClientAuthenticationSettings } from '../catalog/namespace.ts'
import { bearsName, namesIn, readCertificate, thumbprintsOf } from '../client/certificate.ts'
import { type ChainVerdict, verifyValidity } from '../client/certificate-chain.ts'
import { KnownChains } from '../client/known-chains.ts'
import { type ConnectRequest, reasonCodes } from './admission.ts'
import type { Attempt, Proof } from './attempt.ts'

/*
 * Registered clients that show a certificate. A client is found by its name: the user name, or a field of the
 * certificate where the namespace says so. Then the certificate must be one that the client's scheme accepts.
 *
 * Source: learn.microsoft.com/azure/event-grid/mqtt-client-certificate-authentication
 */

export interface CertificateAuthentication {
  attempt(request: ConnectRequest): Attempt
  /** The registered authorities have changed: chains that end in one that is gone are looked at again. */
  authoritiesChanged(): void
}

const notFound = 'Client could not be found'

export function createCertificateAuthentication({
  access,
  settings,
  clock,
}: {
  readonly access: () => NamespaceAccess
  readonly settings: () => Pick<ClientAuthenticationSettings, 'alternativeAuthenticationNameSources'>
  readonly clock: Clock
}): CertificateAuthentication {
  const chains = new KnownChains(() => access().caCertificates, clock)

  const judge = (
    { validationScheme, thumbprints, authenticationName }: RegisteredClient,
    own: X509Certificate,
    sent: readonly X509Certificate[],
  ): ChainVerdict => {
    if (validationScheme === 'ThumbprintMatch') {
      if (!thumbprintsOf(own).some((each) => thumbprints.includes(each)))
        return bad('The thumbprint of the certificate is none of those that the client may show.')
      return verifyValidity(own, clock.now())
    }
    const verdict = chains.verify(own, sent)
    if (verdict.kind === 'bad' || bearsName(own, validationScheme, authenticationName)) return verdict
    return bad(`The certificate does not bear the authentication name as ${validationScheme} demands.`)
  }

  /** The first name that is a registered client's. */
  const find = ({ userName }: ConnectRequest, own: X509Certificate | undefined) => {
    if (userName !== undefined && userName !== '')
      return { client: access().client(userName), source: 'UserName', named: true }
    const sources = own ? settings().alternativeAuthenticationNameSources : []
    const names = sources.flatMap((source) =>
      namesIn(own as X509Certificate, source).map((name) => ({ source, name })),
    )
    for (const { source, name } of names) {
      const client = access().client(name)
      if (client) return { client, source, named: true }
    }
    return { client: undefined, source: '', named: names.length > 0 }
  }

  return {
    attempt(request) {
      const [own, ...sent] = request.certificates.slice(0, 11).flatMap((each) => readCertificate(each) ?? [])
      const { client, source, named } = find(request, own)
      if (!named)
        return unknown(
          'There is no user name, and no alternative authentication name source names the client',
        )
      if (!client) return unknown(notFound)
      if (!own) return unknown('No client certificate was presented')
      const verdict = judge(client, own, sent)
      if (verdict.kind === 'bad') return unknown(verdict.why)
      if (!client.enabled)
        return { kind: 'refused', reasonCode: reasonCodes.notAuthorized, text: 'Client is disabled' }
      return { kind: 'proved', proof: proofOf(client, source, verdict.validUntil) }

      function proofOf({ authenticationName, uid }: RegisteredClient, from: string, until: EpochMs): Proof {
        return {
          record: { kind: 'certificate', authenticationName },
          attributes: undefined,
          expiresAt: until,
          log: {
            authenticationType:
              client?.validationScheme === 'ThumbprintMatch' ? 'CertificateThumbprintMatch' : 'CACertificate',
            clientIdentitySource: from,
            authenticationAuthority: 'Local',
            clientIdentity: authenticationName,
          },
          flaw() {
            const now = access().client(authenticationName)
            // Another resource of the same name is another client.
            if (now?.uid !== uid) return 'Client was deleted'
            if (!now.enabled) return 'Client is disabled'
            const again = judge(now, own as X509Certificate, sent)
            return again.kind === 'bad' ? again.why : undefined
          },
        }
      }
    },
    authoritiesChanged: () => chains.anchorsChanged(),
  }
}

const bad = (why: string): ChainVerdict => ({ kind: 'bad', why })
const unknown = (text: string): Attempt => ({ kind: 'unknown', text })
