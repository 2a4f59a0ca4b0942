import { notSupported } from '../wire/errors.ts'
import { type Fields, readArray, readBoolean, readEnum } from '../wire/shape.ts'
import { decodeTlsVersion } from '../wire/tls-version.ts'

/** The part of a topic's, domain's or partner namespace's stored `properties` that says who may publish, and how. */
export interface PublisherAccessProperties {
  readonly publicNetworkAccess: 'Enabled' | 'Disabled'
  readonly inboundIpRules: null
  readonly disableLocalAuth: boolean
  readonly minimumTlsVersionAllowed: '1.2' | null
}

/** Source: learn.microsoft.com/rest/api/eventgrid/controlplane/topics/create-or-update, "TopicProperties" */
export function decodePublisherAccess(from: Fields): PublisherAccessProperties {
  const rules = readArray(from, 'inboundIpRules', 128)
  if (rules !== undefined && rules.length > 0)
    throw notSupported(from.at('inboundIpRules'), 'Filtering publishers by IP address')
  if (readBoolean(from, 'disableLocalAuth') === true)
    throw notSupported(
      from.at('disableLocalAuth'),
      'Publishing with Microsoft Entra tokens alone (disableLocalAuth: true)',
    )
  return {
    publicNetworkAccess: readEnum(from, 'publicNetworkAccess', ['Enabled', 'Disabled']) ?? 'Enabled',
    inboundIpRules: null,
    disableLocalAuth: false,
    minimumTlsVersionAllowed: decodeTlsVersion(from, 'minimumTlsVersionAllowed'),
  }
}
