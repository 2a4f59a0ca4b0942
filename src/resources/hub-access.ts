import { decodeIpMask } from '../base/ip-mask.ts'
import { invalidProperty } from '../wire/errors.ts'
import {
  type Fields,
  fields,
  readArray,
  readBoolean,
  readEnum,
  readObject,
  readString,
  type WireObject,
} from '../wire/shape.ts'
import { decodeTlsVersion } from '../wire/tls-version.ts'

/** One of a list of which the first that matches an address decides. */
export interface IpFilterRule {
  readonly action: 'Accept' | 'Reject'
  readonly ipMask: string
}

/** Addresses that are let in, where all others are not. */
export interface NetworkRuleSet {
  readonly defaultAction: 'Allow' | 'Deny'
  readonly ipMasks: readonly string[]
  readonly isOfEvents: boolean
}

/** What an IoT hub says of who may come, before anybody asks who he is. */
export interface HubAccess {
  readonly isPublic: boolean
  readonly requiresTls: boolean
  readonly ipFilterRules: readonly IpFilterRule[]
  readonly networkRules: NetworkRuleSet | undefined
}

/** Of each kind. Source: learn.microsoft.com/azure/iot-hub/iot-hub-ip-filtering */
const rulesMost = 100
const filterNameMost = 128
const maskMost = 64

/**
 * Checks and decodes; what is left out is at its default.
 *
 * Source: learn.microsoft.com/rest/api/iothub/iot-hub-resource/create-or-update, and
 * learn.microsoft.com/azure/iot-hub/iot-hub-ip-filtering
 */
export function decodeHubAccess(properties: WireObject): HubAccess {
  const from = fields(properties, 'properties')
  return {
    isPublic: readEnum(from, 'publicNetworkAccess', ['Enabled', 'Disabled']) !== 'Disabled',
    requiresTls: decodeTlsVersion(from, 'minTlsVersion') !== null,
    ipFilterRules: rulesOf(from, 'ipFilterRules').map((rule) => {
      const action = readEnum(rule, 'action', ['Accept', 'Reject'])
      if (!action) throw invalidProperty(rule.at('action'), 'Accept or Reject', action)
      return { action, ipMask: decodeMask(rule) }
    }),
    networkRules: decodeNetworkRules(readObject(from, 'networkRuleSets')),
  }
}

function decodeNetworkRules(from: Fields | undefined): NetworkRuleSet | undefined {
  if (!from) return undefined
  return {
    defaultAction: readEnum(from, 'defaultAction', ['Allow', 'Deny']) ?? 'Deny',
    ipMasks: rulesOf(from, 'ipRules').map((rule) => {
      readEnum(rule, 'action', ['Allow'])
      return decodeMask(rule)
    }),
    isOfEvents: readBoolean(from, 'applyToBuiltInEventHubEndpoint') ?? false,
  }
}

function rulesOf(from: Fields, name: string): readonly Fields[] {
  return (readArray(from, name, rulesMost) ?? []).map(({ value, path }) => {
    const rule = fields(value, path)
    readString(rule, 'filterName', filterNameMost)
    return rule
  })
}

function decodeMask(rule: Fields): string {
  const mask = readString(rule, 'ipMask', maskMost)?.trim()
  if (mask !== undefined && decodeIpMask(mask)) return mask
  throw invalidProperty(
    rule.at('ipMask'),
    'an IPv4 or IPv6 address, or a range of them such as 10.1.0.0/16',
    rule.raw('ipMask'),
  )
}
