import { decodeHubSasToken, hubClockSkewMs, isSignedBy, splitResource } from '../auth/hub-sas-token.ts'
import type { Clock } from '../base/clock.ts'
import type { IotHub } from '../catalog/iot-hub.ts'
import type { HttpRequest } from '../http/http.ts'
import { HubError } from '../registry/errors.ts'
import type { HubRight } from '../resources/iot-hubs.ts'

/** What RegistryWrite lets do is more than RegistryRead. */
const implies: Readonly<Record<HubRight, readonly HubRight[]>> = {
  RegistryRead: ['RegistryRead', 'RegistryWrite'],
  RegistryWrite: ['RegistryWrite'],
  ServiceConnect: ['ServiceConnect'],
  DeviceConnect: ['DeviceConnect'],
}

const rememberedTokens = 1_000

/** Refuses a request whose token does not give the right to what it asks for. */
export type AuthenticateService = (request: HttpRequest, hub: IotHub, right: HubRight) => void

/**
 * Service clients sign with the key of a shared access policy. A token found good is remembered with the key that has
 * signed it, so that its signature is computed once.
 *
 * Source: learn.microsoft.com/azure/iot-hub/authenticate-authorize-sas
 */
export function createAuthenticateService(
  clock: Clock,
  isOwnHost: (host: string) => boolean,
): AuthenticateService {
  const remembered = new Map<string, { readonly policy: string; readonly key: string }>()
  return (request, hub, right) => {
    const { authorization } = request.headers
    if (authorization === undefined) throw refused('The request has no Authorization header.')
    if (!/^SharedAccessSignature\s/i.test(authorization))
      throw refused('The scheme of the Authorization header must be SharedAccessSignature.')
    if (hub.disableLocalAuth)
      throw refused('Shared access signatures are disabled for this hub (disableLocalAuth).')
    const token = decodeHubSasToken(authorization)
    if (typeof token === 'string') throw refused(token)
    const { host, path } = splitResource(token.resource)
    if (
      path !== '' ||
      !(host.replace(/:\d+$/, '') === hub.hostName.toLowerCase() || isOwnHost(host.replace(/:\d+$/, '')))
    )
      throw refused(`The token was made for '${token.resource}', and not for this hub.`)
    if (token.expiresAt + hubClockSkewMs <= clock.now())
      throw refused(`The token expired at ${new Date(token.expiresAt).toISOString()}.`)
    const policy = hub.policies.find(({ keyName }) => keyName.toLowerCase() === token.policy?.toLowerCase())
    if (!policy) throw refused('The token names no shared access policy of this hub (skn).')
    const keys = [policy.primaryKey, policy.secondaryKey]
    const known = remembered.get(authorization)
    if (!known || known.policy !== policy.keyName || !keys.includes(known.key)) {
      const key = keys.find((each) => isSignedBy(token, [each]))
      if (key === undefined) throw refused(`The signature was not made with a key of '${policy.keyName}'.`)
      if (remembered.size >= rememberedTokens) remembered.clear()
      remembered.set(authorization, { policy: policy.keyName, key })
    }
    if (!implies[right].some((each) => policy.rights.has(each)))
      throw refused(`The policy '${policy.keyName}' does not have the right ${right}.`)
  }
}

const refused = (why: string) => new HubError('IotHubUnauthorizedAccess', `Unauthorized: ${why}`)
