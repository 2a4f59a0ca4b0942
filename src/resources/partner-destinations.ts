import { fields, readString, type WireObject } from '../wire/shape.ts'
import { readFutureTime } from './future-time.ts'
import { readGuid } from './partner-registrations.ts'
import {
  type ActivationState,
  expiresIfNotActivated,
  partnerTextLimits,
  setActivation,
  twinOfChannel,
} from './partner-topics.ts'
import type { Content, DecodeContext, ResourceType } from './resource-type.ts'

/** A partner destination's stored `properties`, as `decode` makes them. The endpoint is the partner's secret. */
export interface PartnerDestinationProperties {
  readonly partnerRegistrationImmutableId: string | null
  readonly endpointServiceContext: string | null
  readonly endpointBaseUrl: string | null
  readonly expirationTimeIfNotActivatedUtc: string | null
  readonly activationState: ActivationState
  readonly messageForActivation: string | null
  /** Of the partner's protected endpoint; not shown. */
  readonly clientAuthentication: {
    readonly azureActiveDirectoryTenantId: string
    readonly azureActiveDirectoryApplicationIdOrUri: string
  } | null
}

function decode(wire: WireObject, { before, now }: DecodeContext): Content {
  const from = fields(wire, 'properties')
  const old = before?.properties as unknown as PartnerDestinationProperties | undefined
  const { messageCharacters } = partnerTextLimits
  const kept = old?.expirationTimeIfNotActivatedUtc
  const properties: PartnerDestinationProperties = {
    partnerRegistrationImmutableId:
      old?.partnerRegistrationImmutableId ?? readGuid(from, 'partnerRegistrationImmutableId') ?? null,
    endpointServiceContext:
      old?.endpointServiceContext ?? readString(from, 'endpointServiceContext', messageCharacters) ?? null,
    // The channel alone says where it is.
    endpointBaseUrl: old?.endpointBaseUrl ?? null,
    expirationTimeIfNotActivatedUtc:
      readFutureTime(from, 'expirationTimeIfNotActivatedUtc', now, kept) ?? kept ?? null,
    activationState: old?.activationState ?? 'NeverActivated',
    messageForActivation:
      old?.messageForActivation ?? readString(from, 'messageForActivation', messageCharacters) ?? null,
    clientAuthentication: old?.clientAuthentication ?? null,
  }
  return { properties: { ...properties }, secrets: before?.secrets ?? {} }
}

/**
 * A partner's endpoint as the subscriber sees it: what its own event subscriptions may deliver to, once activated.
 *
 * Source: the partnerDestinations of api-version 2023-06-01-preview
 */
export const partnerDestinations: ResourceType = {
  type: 'Microsoft.EventGrid/partnerDestinations',
  childForms: [],
  scope: 'group',
  extension: undefined,
  tracked: true,
  hasIdentity: false,
  name: { pattern: /^[a-zA-Z0-9-]{3,128}$/, rule: '3 to 128 letters, digits or hyphens' },
  reservedPrefixes: [],
  longRunning: true,
  statuses: { create: 201, replace: 201, update: 200 },
  unique: undefined,
  quota: undefined,
  companion: undefined,
  together: 'partners',
  twin: twinOfChannel,
  decode,
  // An update changes tags alone.
  patch: (_body, before) => before.properties,
  encode: ({ provisioningState, properties: { clientAuthentication: _hidden, ...shown } }) => ({
    provisioningState,
    ...shown,
  }),
  actions: { activate: setActivation('Activated') },
  notFound: undefined,
  verification: undefined,
  expiresAt: expiresIfNotActivated,
  example: {
    name: 'contoso-inbox',
    body: {
      location: 'westus2',
      properties: { partnerRegistrationImmutableId: '0f14d0ab-9605-4a62-a9e4-5ed26688389b' },
    },
  },
}
