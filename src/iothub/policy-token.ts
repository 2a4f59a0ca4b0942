import {
  covers,
  decodeHubSasToken,
  hubClockSkewMs,
  isSignedBy,
  splitResource,
} from '../auth/hub-sas-token.ts'
import type { EpochMs } from '../base/clock.ts'
import { withoutTrailingSlashes } from '../base/trailing-slashes.ts'
import type { HubPolicy, IotHub } from '../catalog/iot-hub.ts'

/** What a token of a shared access policy proves. */
export interface PolicyProof {
  readonly policy: HubPolicy
  /** Without its host: the token is good for what is at and below it. */
  readonly scope: string
  readonly expiresAt: EpochMs
}

export interface PolicyClaim {
  readonly hub: IotHub
  readonly token: string
  /** What is to be done with it, without its host. */
  readonly path: string
  readonly isHubHost: (host: string) => boolean
}

/**
 * The proof, or what is wrong. Resources may begin with a scheme, as clients of Event Hubs sign them.
 *
 * Source: learn.microsoft.com/azure/iot-hub/authenticate-authorize-sas
 */
export function provePolicy(
  { hub, token, path, isHubHost }: PolicyClaim,
  now: EpochMs,
): PolicyProof | string {
  if (hub.disableLocalAuth) return 'Shared access signatures are disabled for this hub (disableLocalAuth).'
  const decoded = decodeHubSasToken(token)
  if (typeof decoded === 'string') return decoded
  const { host, path: scope } = splitAudience(decoded.resource)
  if (!isHubHost(host)) return `The token was made for '${decoded.resource}', and not for this hub.`
  if (!covers(scope.toLowerCase(), path.toLowerCase()))
    return `The token was made for '${scope}', which does not cover '${path}'.`
  const expiresAt = decoded.expiresAt + hubClockSkewMs
  if (expiresAt <= now) return `The token expired at ${new Date(decoded.expiresAt).toISOString()}.`
  const policy = hub.policies.find(({ keyName }) => keyName.toLowerCase() === decoded.policy?.toLowerCase())
  if (!policy) return 'The token names no shared access policy of this hub (skn).'
  const keys = [policy.primaryKey, policy.secondaryKey]
  const isOfEventHubs = scheme.test(decoded.resource)
  if (!isSignedBy(decoded, keys) && !(isOfEventHubs && isSignedBy(decoded, keys, 'utf8')))
    return `The signature was not made with a key of '${policy.keyName}'.`
  return { policy, scope, expiresAt }
}

const scheme = /^[a-z]+:\/\//i

/** `sb://host:5671/path/` is the host in lower case without its port, and `/path`. */
export function splitAudience(audience: string): { readonly host: string; readonly path: string } {
  const { host, path } = splitResource(audience.replace(scheme, ''))
  return { host: host.replace(/:\d+$/, ''), path: withoutTrailingSlashes(path) }
}
