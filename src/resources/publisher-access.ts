import { decodeIpMask } from '../base/ip-mask.ts'
import { invalidProperty, notSupported } from '../wire/errors.ts'
import { type Fields, fields, readArray, readBoolean, readEnum, readString } from '../wire/shape.ts'
import { decodeTlsVersion } from '../wire/tls-version.ts'

/** Addresses from which events may come. */
export interface InboundIpRule {
  /** As it was given, letters in lower case. */
  readonly ipMask: string
  readonly action: 'Allow'
}

/** The part of a topic's, domain's or partner namespace's stored `properties` that says who may publish, and how. */
export interface PublisherAccessProperties {
  readonly publicNetworkAccess: 'Enabled' | 'Disabled'
  readonly inboundIpRules: readonly InboundIpRule[] | null
  readonly disableLocalAuth: boolean
  readonly minimumTlsVersionAllowed: '1.2' | null
}

/** Source: learn.microsoft.com/azure/event-grid/quotas-limits, "IP firewall rules per topic or domain" */
const inboundIpRules = 128
const maskCharacters = 64

/** Source: learn.microsoft.com/rest/api/eventgrid/controlplane/topics/create-or-update, "TopicProperties" */
export function decodePublisherAccess(from: Fields): PublisherAccessProperties {
  return {
    publicNetworkAccess: decodePublicNetworkAccess(from),
    inboundIpRules: decodeInboundIpRules(from),
    disableLocalAuth: readBoolean(from, 'disableLocalAuth') ?? false,
    minimumTlsVersionAllowed: decodeTlsVersion(from, 'minimumTlsVersionAllowed'),
  }
}

function decodePublicNetworkAccess(from: Fields): 'Enabled' | 'Disabled' {
  const access = readEnum(from, 'publicNetworkAccess', ['Enabled', 'Disabled', 'SecuredByPerimeter'])
  if (access === 'SecuredByPerimeter')
    throw notSupported(
      from.at('publicNetworkAccess'),
      "'SecuredByPerimeter', a network security perimeter,",
      "Use 'Enabled' with inboundIpRules, or 'Disabled'.",
    )
  return access ?? 'Enabled'
}

/** Source: learn.microsoft.com/azure/event-grid/configure-firewall */
function decodeInboundIpRules(from: Fields): readonly InboundIpRule[] | null {
  const rules = readArray(from, 'inboundIpRules', inboundIpRules)
  if (rules === undefined) return null
  return rules.map(({ value, path }) => {
    const rule = fields(value, path)
    const ipMask = readString(rule, 'ipMask', maskCharacters)?.trim().toLowerCase()
    if (ipMask === undefined || decodeIpMask(ipMask) === undefined)
      throw invalidProperty(
        rule.at('ipMask'),
        'an IPv4 or IPv6 address, or a range of them such as 10.1.0.0/16',
        rule.raw('ipMask'),
      )
    return { ipMask, action: readEnum(rule, 'action', ['Allow']) ?? 'Allow' }
  })
}
