import { fields, readString, type WireObject } from '../wire/shape.ts'
import { propertyChangeNotAllowed } from './errors.ts'
import { decodeEventTypeInfo } from './event-type-info.ts'
import { readFutureTime } from './future-time.ts'
import { readGuid } from './partner-registrations.ts'
import { patchProperties } from './patch.ts'
import type {
  Action,
  Content,
  DecodeContext,
  ResourceType,
  StoredContent,
  TwinRules,
} from './resource-type.ts'

export type ActivationState = 'NeverActivated' | 'Activated' | 'Deactivated'

/** A partner topic's stored `properties`, as `decode` makes them. */
export interface PartnerTopicProperties {
  readonly partnerRegistrationImmutableId: string | null
  readonly source: string | null
  readonly eventTypeInfo: unknown
  readonly expirationTimeIfNotActivatedUtc: string | null
  readonly activationState: ActivationState
  readonly partnerTopicFriendlyDescription: string | null
  readonly messageForActivation: string | null
}

export const partnerTextLimits = { sourceCharacters: 1024, messageCharacters: 2048 }

const propertiesOf = ({ properties }: Pick<Content, 'properties'>) =>
  properties as unknown as PartnerTopicProperties

/** What the partner said of it stays as the channel says it; the subscriber's own is the description. */
function decode(wire: WireObject, { before, now }: DecodeContext): Content {
  const from = fields(wire, 'properties')
  const old = before && propertiesOf(before)
  const { sourceCharacters, messageCharacters } = partnerTextLimits
  const given = {
    partnerRegistrationImmutableId: readGuid(from, 'partnerRegistrationImmutableId'),
    source: readString(from, 'source', sourceCharacters),
  }
  for (const name of ['partnerRegistrationImmutableId', 'source'] as const)
    if (old && given[name] !== undefined && given[name] !== old[name])
      throw propertyChangeNotAllowed(from.at(name), old[name], given[name])
  const kept = old?.expirationTimeIfNotActivatedUtc
  const properties: PartnerTopicProperties = {
    partnerRegistrationImmutableId:
      old?.partnerRegistrationImmutableId ?? given.partnerRegistrationImmutableId ?? null,
    source: old?.source ?? given.source ?? null,
    eventTypeInfo: decodeEventTypeInfo(from) ?? old?.eventTypeInfo ?? null,
    expirationTimeIfNotActivatedUtc:
      readFutureTime(from, 'expirationTimeIfNotActivatedUtc', now, kept) ?? kept ?? null,
    activationState: old?.activationState ?? 'NeverActivated',
    partnerTopicFriendlyDescription:
      readString(from, 'partnerTopicFriendlyDescription', messageCharacters) ?? null,
    messageForActivation:
      readString(from, 'messageForActivation', messageCharacters) ?? old?.messageForActivation ?? null,
  }
  return { properties: { ...properties }, secrets: {} }
}

export const setActivation =
  (activationState: ActivationState): Action =>
  (content) => ({ content: { ...content, properties: { ...content.properties, activationState } } })

/** What nobody activated in time goes. */
export function expiresIfNotActivated({ properties }: StoredContent): number | undefined {
  const { activationState, expirationTimeIfNotActivatedUtc } = properties as unknown as PartnerTopicProperties
  return activationState === 'NeverActivated' && expirationTimeIfNotActivatedUtc !== null
    ? Date.parse(expirationTimeIfNotActivatedUtc)
    : undefined
}

/** The twin is the channel: it tells whether anybody has activated, and idles once nobody can. */
export const twinOfChannel: TwinRules = {
  reflect(channel, resource) {
    if (!resource)
      return { ...channel, twinId: undefined, provisioningState: 'IdleDueToMirroredPartnerTopicDeletion' }
    const isNew = resource.properties.activationState === 'NeverActivated'
    const readinessState = isNew ? 'NeverActivated' : 'Activated'
    if (channel.properties.readinessState === readinessState) return undefined
    return { ...channel, properties: { ...channel.properties, readinessState } }
  },
}

/**
 * A partner's events as the subscriber sees them, once activated.
 *
 * Source: learn.microsoft.com/rest/api/eventgrid/controlplane/partner-topics
 */
export const partnerTopics: ResourceType = {
  type: 'Microsoft.EventGrid/partnerTopics',
  childForms: [],
  scope: 'group',
  extension: undefined,
  tracked: true,
  hasIdentity: true,
  name: { pattern: /^[a-zA-Z0-9-]{3,128}$/, rule: '3 to 128 letters, digits or hyphens' },
  reservedPrefixes: [],
  longRunning: false,
  statuses: { create: 201, replace: 201, update: 200 },
  unique: undefined,
  quota: undefined,
  companion: undefined,
  together: 'partners',
  twin: twinOfChannel,
  decode,
  patch: patchProperties,
  encode: ({ provisioningState, properties }) => ({ provisioningState, ...properties }),
  actions: { activate: setActivation('Activated'), deactivate: setActivation('Deactivated') },
  notFound: undefined,
  verification: undefined,
  expiresAt: expiresIfNotActivated,
  example: {
    name: 'contoso-topic',
    body: {
      location: 'westus2',
      identity: { type: 'SystemAssigned' },
      properties: {
        partnerRegistrationImmutableId: '0f14d0ab-9605-4a62-a9e4-5ed26688389b',
        source: '/contoso/accounts/1',
        partnerTopicFriendlyDescription: 'What contoso knows of us.',
      },
    },
  },
}
