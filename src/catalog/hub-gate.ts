import { addressRanges } from '../base/ip-mask.ts'
import type { HubAccess } from '../resources/hub-access.ts'

/** Who is at the other end of a connection. */
export interface HubPeer {
  readonly address: string
  readonly isTls: boolean
}

/** `events`: the built-in endpoint, from which messages of devices are read; `hub`: all else. */
export type HubEndpoint = 'hub' | 'events'

/**
 * Why whoever is there may not come to the hub, whoever he is; undefined: he may. To be asked before any credential is
 * looked at, by every door.
 */
export type HubGate = (peer: HubPeer, endpoint?: HubEndpoint) => string | undefined

/**
 * The rules compiled. Of `ipFilterRules` the first that matches decides, and whom none matches may come; they do not
 * speak of the built-in endpoint, and `networkRuleSets` only where they say so. Both must let an address in.
 *
 * Source: learn.microsoft.com/azure/iot-hub/iot-hub-ip-filtering and iot-hub-public-network-access
 */
export function createHubGate({ isPublic, requiresTls, ipFilterRules, networkRules }: HubAccess): HubGate {
  const filters = ipFilterRules.map(({ action, ipMask }) => ({ action, matches: addressRanges([ipMask]) }))
  const isAllowed = addressRanges(networkRules?.ipMasks ?? [])
  const isDenied = networkRules?.defaultAction === 'Deny'
  const isFiltered = (address: string) => filters.find(({ matches }) => matches(address))?.action === 'Reject'
  return ({ address, isTls }, endpoint = 'hub') => {
    if (!isPublic) return `public network access is disabled (publicNetworkAccess): ${address} may not come.`
    if (requiresTls && !isTls) return 'the hub asks for TLS (minTlsVersion), and the connection is plain.'
    if (endpoint === 'hub' && isFiltered(address)) return `${address} may not come (ipFilterRules).`
    if (isDenied && (endpoint === 'hub' || networkRules.isOfEvents) && !isAllowed(address))
      return `${address} may not come (networkRuleSets).`
    return undefined
  }
}
