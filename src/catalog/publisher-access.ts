import { addressRanges } from '../base/ip-mask.ts'
import type { PublisherAccessProperties } from '../resources/publisher-access.ts'
import type { PublisherAccess } from './catalog.ts'

/** Those members of a topic, domain or partner namespace as the data plane asks for them; the rules compiled. */
export function createPublisherAccess({
  publicNetworkAccess,
  inboundIpRules,
  disableLocalAuth,
  minimumTlsVersionAllowed,
}: PublisherAccessProperties): PublisherAccess {
  const masks = (inboundIpRules ?? []).map(({ ipMask }) => ipMask)
  return {
    disableLocalAuth,
    publicNetworkAccess: publicNetworkAccess === 'Enabled',
    allowsAddress: masks.length === 0 ? undefined : addressRanges(masks),
    requiresTls: minimumTlsVersionAllowed !== null,
  }
}
