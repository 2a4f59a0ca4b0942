import type { EpochMs } from '../base/clock.ts'
import { invalidProperty, invalidRequest } from '../wire/errors.ts'
import {
  type Fields,
  fields,
  isObject,
  overlay,
  readArray,
  readInteger,
  readObject,
  readString,
  type WireObject,
} from '../wire/shape.ts'
import { readFutureTime } from './future-time.ts'
import { readGuid } from './partner-registrations.ts'
import type { Action, Content, DecodeContext, ResourceType, StoredResources } from './resource-type.ts'

/** A partner configuration's stored `properties`, as `decode` makes them. */
export interface PartnerConfigurationProperties {
  readonly partnerAuthorization: {
    readonly defaultMaximumExpirationTimeInDays: number
    readonly authorizedPartnersList: readonly AuthorizedPartner[]
  }
}

export interface AuthorizedPartner {
  readonly partnerRegistrationImmutableId: string | null
  readonly partnerName: string | null
  readonly authorizationExpirationTimeInUtc: string
}

const partnerLimits = { partners: 1000, nameCharacters: 128 }
const dayMs = 86_400_000

function decode(wire: WireObject, { now, before }: DecodeContext): Content {
  const from = fields(wire, 'properties')
  const authorization =
    readObject(from, 'partnerAuthorization') ?? fields({}, from.at('partnerAuthorization'))
  const days = readInteger(authorization, 'defaultMaximumExpirationTimeInDays', 1, 365) ?? 7
  const known = before ? listOf(before) : []
  const partners = readArray(authorization, 'authorizedPartnersList', partnerLimits.partners) ?? []
  const properties: PartnerConfigurationProperties = {
    partnerAuthorization: {
      defaultMaximumExpirationTimeInDays: days,
      authorizedPartnersList: partners.map(({ value, path }) =>
        decodePartner(fields(value, path), { now, days, known }),
      ),
    },
  }
  return { properties: { ...properties }, secrets: {} }
}

interface PartnerDefaults {
  readonly now: EpochMs
  readonly days: number
  readonly known: readonly AuthorizedPartner[]
}

function decodePartner(from: Fields, { now, days, known }: PartnerDefaults): AuthorizedPartner {
  const id = readGuid(from, 'partnerRegistrationImmutableId') ?? null
  const name = readString(from, 'partnerName', partnerLimits.nameCharacters) || null
  if (id === null && name === null)
    throw invalidProperty(from.at('partnerName'), 'given, or partnerRegistrationImmutableId', undefined)
  const kept = known.find((each) => isSame(each, id, name))?.authorizationExpirationTimeInUtc
  const until = readFutureTime(from, 'authorizationExpirationTimeInUtc', now, kept)
  return {
    partnerRegistrationImmutableId: id,
    partnerName: name,
    authorizationExpirationTimeInUtc: until ?? new Date(now + days * dayMs).toISOString(),
  }
}

/** By the immutable id where both sides have one, by name otherwise. */
function isSame(partner: AuthorizedPartner, id: string | null, name: string | null): boolean {
  const { partnerRegistrationImmutableId: knownId, partnerName: knownName } = partner
  if (id !== null && knownId !== null) return id === knownId
  return name !== null && knownName?.toLowerCase() === name.toLowerCase()
}

const listOf = ({ properties }: Pick<Content, 'properties'>) =>
  (properties as unknown as PartnerConfigurationProperties).partnerAuthorization.authorizedPartnersList

function withPartners(content: Content, partners: readonly AuthorizedPartner[]): Content {
  const { partnerAuthorization } = content.properties as unknown as PartnerConfigurationProperties
  return {
    ...content,
    properties: { partnerAuthorization: { ...partnerAuthorization, authorizedPartnersList: partners } },
  }
}

/** A partner that is listed already is authorized anew. */
const authorizePartner: Action = (content, body, { now }) => {
  const { partnerAuthorization } = content.properties as unknown as PartnerConfigurationProperties
  const days = partnerAuthorization.defaultMaximumExpirationTimeInDays
  const partner = decodePartner(fields(body, ''), { now, days, known: [] })
  const { partnerRegistrationImmutableId: id, partnerName: name } = partner
  const others = listOf(content).filter((each) => !isSame(each, id, name))
  if (others.length >= partnerLimits.partners)
    throw invalidRequest(`At most ${partnerLimits.partners} partners can be authorized.`)
  return { content: withPartners(content, [...others, partner]) }
}

const unauthorizePartner: Action = (content, body) => {
  const from = fields(body, '')
  const id = readGuid(from, 'partnerRegistrationImmutableId') ?? null
  const name = readString(from, 'partnerName', partnerLimits.nameCharacters) || null
  if (id === null && name === null)
    throw invalidProperty('partnerName', 'given, or partnerRegistrationImmutableId', undefined)
  return {
    content: withPartners(
      content,
      listOf(content).filter((each) => !isSame(each, id, name)),
    ),
  }
}

/** Whether the partner configuration of a group lets a partner make resources there. */
export function isAuthorized(
  partner: { readonly immutableId: string; readonly name: string },
  groupId: string,
  stored: StoredResources,
  now: EpochMs,
): boolean {
  const found = stored.find(
    partnerConfigurations.type,
    `${groupId}/providers/${partnerConfigurations.type}/default`,
  )
  return (found ? listOf(found) : []).some(
    (each) =>
      (each.partnerRegistrationImmutableId === null
        ? each.partnerName?.toLowerCase() === partner.name.toLowerCase()
        : each.partnerRegistrationImmutableId === partner.immutableId) &&
      Date.parse(each.authorizationExpirationTimeInUtc) > now,
  )
}

/** An update names the number of days alone; the list is left to its actions. */
function patch({ properties }: WireObject, before: Content): WireObject {
  if (!isObject(properties)) return before.properties
  const authorization = before.properties.partnerAuthorization as WireObject
  const given = isObject(properties.partnerAuthorization) ? properties.partnerAuthorization : {}
  const days = fields(properties, 'properties').raw('defaultMaximumExpirationTimeInDays')
  return {
    partnerAuthorization: overlay(overlay(authorization, given), {
      ...(days !== undefined && { defaultMaximumExpirationTimeInDays: days }),
    }),
  }
}

/**
 * Which partners may make resources in a group. There is one for each group, and its name is `default`.
 *
 * Source: learn.microsoft.com/rest/api/eventgrid/controlplane/partner-configurations
 */
export const partnerConfigurations: ResourceType = {
  type: 'Microsoft.EventGrid/partnerConfigurations',
  childForms: [],
  scope: 'group',
  extension: undefined,
  tracked: true,
  defaultLocation: 'global',
  mayBeGlobal: true,
  hasIdentity: false,
  name: { pattern: /^default$/i, rule: "'default'" },
  reservedPrefixes: [],
  longRunning: true,
  statuses: { create: 201, replace: 201, update: 200 },
  unique: undefined,
  quota: undefined,
  companion: undefined,
  decode,
  patch,
  encode: ({ provisioningState, properties }) => ({ provisioningState, ...properties }),
  actions: { authorizePartner, unauthorizePartner },
  notFound: undefined,
  verification: undefined,
  expiresAt: undefined,
  example: {
    name: 'default',
    body: {
      location: 'global',
      properties: {
        partnerAuthorization: {
          defaultMaximumExpirationTimeInDays: 30,
          authorizedPartnersList: [{ partnerName: 'contoso' }],
        },
      },
    },
  },
}
