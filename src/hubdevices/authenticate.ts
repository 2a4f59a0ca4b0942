import type { X509Certificate } from 'node:crypto'
import {
  covers,
  decodeHubSasToken,
  type HubSasToken,
  hubClockSkewMs,
  isSignedBy,
  splitResource,
} from '../auth/hub-sas-token.ts'
import type { EpochMs } from '../base/clock.ts'
import type { IotHub } from '../catalog/iot-hub.ts'
import { commonNamesOf, normalizeThumbprint, readCertificate, thumbprintsOf } from '../client/certificate.ts'
import type { KnownChains } from '../client/known-chains.ts'
import type { StoredIdentity } from '../registry/identity.ts'
import type { IdentityName } from '../registry/registry.ts'
import { clientIdOf, hostWithoutPort } from './user-name.ts'

/*
 * Whether a device is who it says: by a token that its own key has signed, or a policy's that may connect devices; by a
 * certificate whose thumbprint the registry has; or by one that names it, and that an authority of the hub has signed.
 *
 * Source: learn.microsoft.com/azure/iot-hub/authenticate-authorize-sas and authenticate-authorize-x509
 */

export interface Credentials {
  readonly password: Uint8Array | undefined
  /** DER, the client's own first. */
  readonly certificates: readonly Uint8Array[]
}

export interface Proof {
  /** Undefined: for as long as the connection lives. */
  readonly expiresAt: EpochMs | undefined
  /** `iothub-connection-auth-method` of its messages. */
  readonly method: string
  /** SHA-256 of the authority that it came by. */
  readonly anchor?: string | undefined
}

/** What is wrong; `form` where the password is nothing that could be judged. */
export interface Doubt {
  readonly kind: 'form' | 'unauthorized'
  readonly text: string
}

export interface Claim {
  readonly hub: IotHub
  readonly identity: StoredIdentity
  /** Primary and secondary, of the identity. */
  readonly keys: () => readonly [string, string]
  /** Those that end in a verified authority of the hub. */
  readonly chains: Pick<KnownChains, 'verify'>
  /** Whether a token may name the hub so. */
  readonly isHubHost: (host: string) => boolean
}

/** The device's own, and those that it sends along; others are not looked at. */
const certificatesMost = 11

const unauthorized = (text: string): Doubt => ({ kind: 'unauthorized', text })

export function prove(claim: Claim, { password, certificates }: Credentials, now: EpochMs): Proof | Doubt {
  const { authenticationType } = claim.identity
  if (password && password.length > 0) {
    const token = decodeHubSasToken(Buffer.from(password).toString())
    return typeof token === 'string' ? { kind: 'form', text: token } : proveByToken(claim, token, now)
  }
  switch (authenticationType) {
    case 'selfSigned':
      return proveByThumbprint(claim, certificates[0])
    case 'certificateAuthority':
      return proveByAuthority(claim, certificates)
    case 'none':
      return unauthorized('The identity has no authentication of its own.')
    default:
      return { kind: 'form', text: 'The password must be a shared access signature: none came.' }
  }
}

function proveByToken({ hub, identity, keys, isHubHost }: Claim, token: HubSasToken, now: EpochMs) {
  const { host, path } = splitResource(token.resource)
  if (!isHubHost(hostWithoutPort(host)))
    return unauthorized(`The token was made for the host '${host}', and not for this hub.`)
  if (!covers(path, pathOf(identity)))
    return unauthorized(`The token was made for '${path}', which does not cover '${pathOf(identity)}'.`)
  const expiresAt = token.expiresAt + hubClockSkewMs
  if (expiresAt <= now)
    return unauthorized(`The token expired at ${new Date(token.expiresAt).toISOString()}.`)
  const scope = scopeOf(identity)
  if (token.policy !== undefined) return proveByPolicy(hub, token, expiresAt)
  if (identity.authenticationType !== 'sas')
    return unauthorized(`The identity proves itself by ${identity.authenticationType}: a token came.`)
  if (scope === 'device' ? hub.disableDeviceSas : hub.disableModuleSas)
    return unauthorized(`Shared access signatures of ${scope}s are disabled for this hub.`)
  if (!isSignedBy(token, keys())) return unauthorized('The token was not signed with a key of the identity.')
  return { expiresAt, method: methodOf(scope, 'sas') }
}

function proveByPolicy(hub: IotHub, token: HubSasToken, expiresAt: EpochMs): Proof | Doubt {
  const named = token.policy?.toLowerCase()
  if (hub.disableLocalAuth)
    return unauthorized('Shared access policies are disabled for this hub (disableLocalAuth).')
  const policy = hub.policies.find(({ keyName }) => keyName.toLowerCase() === named)
  if (!policy) return unauthorized(`The hub has no shared access policy '${token.policy}'.`)
  if (!isSignedBy(token, [policy.primaryKey, policy.secondaryKey]))
    return unauthorized(`The token was not signed with a key of the policy '${policy.keyName}'.`)
  if (!policy.rights.has('DeviceConnect'))
    return unauthorized(`The policy '${policy.keyName}' does not have the right DeviceConnect.`)
  return { expiresAt, method: methodOf('hub', 'sas') }
}

function proveByThumbprint({ identity }: Claim, bytes: Uint8Array | undefined): Proof | Doubt {
  const certificate = bytes && readCertificate(bytes)
  if (!certificate) return unauthorized('The identity proves itself by a certificate: none came.')
  const thumbprints = thumbprintsOf(certificate)
  // Nothing secret: a certificate is public, and that the client has its key is proved by TLS.
  if (
    identity.thumbprints.some(
      (each) => each !== null && thumbprints.includes(normalizeThumbprint(each) ?? ''),
    )
  )
    return { expiresAt: undefined, method: methodOf(scopeOf(identity), 'x509') }
  return unauthorized('The thumbprint of the certificate is not one of the identity.')
}

/** Source: learn.microsoft.com/azure/iot-hub/authenticate-authorize-x509 */
function proveByAuthority({ identity, chains }: Claim, certificates: readonly Uint8Array[]): Proof | Doubt {
  const [own, ...sent] = certificates
    .slice(0, certificatesMost)
    .flatMap((each) => readCertificate(each) ?? [])
  if (!own) return unauthorized('The identity proves itself by a certificate of an authority: none came.')
  const verdict = chains.verify(own, sent)
  if (verdict.kind === 'bad') return unauthorized(verdict.why)
  const name = clientIdOf(identity)
  if (!names(own, name)) return unauthorized(`The subject of the certificate is not CN=${name}.`)
  const { validUntil, anchor } = verdict
  return { expiresAt: validUntil, method: methodOf(scopeOf(identity), 'x509'), anchor }
}

const names = (certificate: X509Certificate, name: string) => commonNamesOf(certificate).includes(name)

const scopeOf = ({ moduleId }: IdentityName) => (moduleId === undefined ? 'device' : 'module')

const methodOf = (scope: 'device' | 'module' | 'hub', type: 'sas' | 'x509'): string =>
  JSON.stringify({ scope, type, issuer: 'iothub', acceptingIpFilterRule: null })

const pathOf = ({ deviceId, moduleId }: IdentityName): string =>
  moduleId === undefined ? `/devices/${deviceId}` : `/devices/${deviceId}/modules/${moduleId}`
