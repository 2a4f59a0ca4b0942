import { createHash } from 'node:crypto'
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
import type { StoredIdentity } from '../registry/identity.ts'
import type { IdentityName } from '../registry/registry.ts'
import { hostWithoutPort } from './user-name.ts'

/*
 * Whether a device is who it says: by a token that its own key has signed, or a policy's that may connect devices; or by
 * a certificate whose thumbprint the registry has.
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
  /** Whether a token may name the hub so. */
  readonly isHubHost: (host: string) => boolean
}

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
      return unauthorized('Certificates of an authority are not taken here: use selfSigned or sas.')
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
  const scope = identity.moduleId === undefined ? 'device' : 'module'
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

function proveByThumbprint({ identity }: Claim, certificate: Uint8Array | undefined): Proof | Doubt {
  if (!certificate) return unauthorized('The identity proves itself by a certificate: none came.')
  const thumbprints = ['sha1', 'sha256'].map((hash) =>
    createHash(hash).update(certificate).digest('hex').toUpperCase(),
  )
  // Nothing secret: a certificate is public, and that the client has its key is proved by TLS.
  if (identity.thumbprints.some((known) => known !== null && thumbprints.includes(known)))
    return {
      expiresAt: undefined,
      method: methodOf(identity.moduleId === undefined ? 'device' : 'module', 'x509'),
    }
  return unauthorized('The thumbprint of the certificate is not one of the identity.')
}

const methodOf = (scope: 'device' | 'module' | 'hub', type: 'sas' | 'x509'): string =>
  JSON.stringify({ scope, type, issuer: 'iothub', acceptingIpFilterRule: null })

const pathOf = ({ deviceId, moduleId }: IdentityName): string =>
  moduleId === undefined ? `/devices/${deviceId}` : `/devices/${deviceId}/modules/${moduleId}`
