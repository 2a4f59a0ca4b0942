import type { Bearer } from '../auth/bearer-token.ts'
import { decodeHubSasToken, hubClockSkewMs, isSignedBy, splitResource } from '../auth/hub-sas-token.ts'
import { TokenRefused } from '../auth/token-refused.ts'
import type { Clock, EpochMs } from '../base/clock.ts'
import type { IotHub } from '../catalog/iot-hub.ts'
import { HubError } from '../registry/errors.ts'
import type { HubRight } from '../resources/iot-hubs.ts'
import type { DataActions } from './data-action.ts'

/** What RegistryWrite lets do is more than RegistryRead. */
const implies: Readonly<Record<HubRight, readonly HubRight[]>> = {
  RegistryRead: ['RegistryRead', 'RegistryWrite'],
  RegistryWrite: ['RegistryWrite'],
  ServiceConnect: ['ServiceConnect'],
  DeviceConnect: ['DeviceConnect'],
}

const rememberedTokens = 1_000

/** What a service client asks for: the right that a policy must have, and the actions that roles must permit. */
export interface HubNeed {
  readonly right: HubRight
  readonly actions: DataActions
}

/** Until when the token is good. */
export interface ServiceGrant {
  readonly expiresAt: EpochMs
}

/**
 * Refuses a token that does not give what is asked for: throws, or rejects, a `HubError`. The text is that of an
 * Authorization header, or what a client puts as its token over AMQP: `SharedAccessSignature ...` or `Bearer ...`. A
 * promise is made only for a bearer token that has not been seen before.
 */
export type AuthorizeService = (
  text: string | undefined,
  hub: IotHub,
  need: HubNeed,
) => ServiceGrant | Promise<ServiceGrant>

export interface AuthorizeServiceOptions {
  readonly clock: Clock
  /** Whether clients may call this server by that host name, without its port, in lower case. */
  readonly isOwnHost: (host: string) => boolean
  /** Of Microsoft Entra tokens for `hubAudiences`. */
  readonly readBearer: (token: string) => Bearer | Promise<Bearer>
  /** Whether a role of one of the principals permits the action on the resource. */
  readonly permits: (principalIds: readonly string[], dataAction: string, resourceId: string) => boolean
}

/**
 * Service clients sign with the key of a shared access policy, or bring a token of Microsoft Entra ID. A signature found
 * good is remembered with the key that has made it, so that it is computed once.
 *
 * Source: learn.microsoft.com/azure/iot-hub/authenticate-authorize-sas and authenticate-authorize-azure-ad
 */
export function createAuthorizeService({
  clock,
  isOwnHost,
  readBearer,
  permits,
}: AuthorizeServiceOptions): AuthorizeService {
  const remembered = new Map<string, { readonly policy: string; readonly key: string }>()

  const bySignature = (text: string, hub: IotHub, right: HubRight): ServiceGrant => {
    if (hub.disableLocalAuth)
      throw refused('Shared access signatures are disabled for this hub (disableLocalAuth).')
    const token = decodeHubSasToken(text)
    if (typeof token === 'string') throw refused(token)
    const { host, path } = splitResource(token.resource)
    if (
      path !== '' ||
      !(host.replace(/:\d+$/, '') === hub.hostName.toLowerCase() || isOwnHost(host.replace(/:\d+$/, '')))
    )
      throw refused(`The token was made for '${token.resource}', and not for this hub.`)
    const expiresAt = token.expiresAt + hubClockSkewMs
    if (expiresAt <= clock.now())
      throw refused(`The token expired at ${new Date(token.expiresAt).toISOString()}.`)
    const policy = hub.policies.find(({ keyName }) => keyName.toLowerCase() === token.policy?.toLowerCase())
    if (!policy) throw refused('The token names no shared access policy of this hub (skn).')
    const keys = [policy.primaryKey, policy.secondaryKey]
    const known = remembered.get(text)
    if (!known || known.policy !== policy.keyName || !keys.includes(known.key)) {
      const key = keys.find((each) => isSignedBy(token, [each]))
      if (key === undefined) throw refused(`The signature was not made with a key of '${policy.keyName}'.`)
      if (remembered.size >= rememberedTokens) remembered.clear()
      remembered.set(text, { policy: policy.keyName, key })
    }
    if (!implies[right].some((each) => policy.rights.has(each)))
      throw refused(`The policy '${policy.keyName}' does not have the right ${right}.`)
    return { expiresAt }
  }

  const byBearer = (token: string, hub: IotHub, actions: DataActions) => {
    const permit = ({ objectId, principalIds, expiresAt }: Bearer): ServiceGrant => {
      const missing = actions.find((action) => !permits(principalIds, action, hub.id))
      if (missing === undefined) return { expiresAt }
      throw refused(
        `The principal with object id '${objectId}' does not have authorization to perform action '${missing}' ` +
          `over '${hub.id}': assign it a role such as 'IoT Hub Data Contributor'.`,
      )
    }
    const bearer = readBearer(token)
    if (!(bearer instanceof Promise)) return permit(bearer)
    return bearer.then(permit, (error: unknown) => {
      if (error instanceof TokenRefused) throw refused(error.message)
      throw error
    })
  }

  return (text, hub, { right, actions }) => {
    if (text === undefined) throw refused('The request has no Authorization header.')
    if (/^SharedAccessSignature\s/i.test(text)) return bySignature(text, hub, right)
    const [, token] = /^Bearer\s+(\S+)\s*$/i.exec(text) ?? []
    if (token !== undefined) return byBearer(token, hub, actions)
    throw refused('The scheme of the Authorization header must be SharedAccessSignature or Bearer.')
  }
}

const refused = (why: string) => new HubError('IotHubUnauthorizedAccess', `Unauthorized: ${why}`)
