import { newGuid } from '../base/ids.ts'
import { invalidProperty } from '../wire/errors.ts'
import { type Fields, fields, readString, type WireObject } from '../wire/shape.ts'
import { propertyChangeNotAllowed } from './errors.ts'
import { patchProperties } from './patch.ts'
import type { Content, DecodeContext, ResourceType } from './resource-type.ts'

/** A partner registration's stored `properties`, as `decode` makes them. */
export interface PartnerRegistrationProperties {
  readonly partnerRegistrationImmutableId: string
}

const guid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

export function readGuid(from: Fields, name: string): string | undefined {
  const text = readString(from, name, 36)
  if (text === undefined || guid.test(text)) return text?.toLowerCase()
  throw invalidProperty(from.at(name), 'a guid', text)
}

function decode(wire: WireObject, { before }: DecodeContext): Content {
  const from = fields(wire, 'properties')
  const given = readGuid(from, 'partnerRegistrationImmutableId')
  const old = before?.properties.partnerRegistrationImmutableId as string | undefined
  if (given !== undefined && old !== undefined && given !== old)
    throw propertyChangeNotAllowed(from.at('partnerRegistrationImmutableId'), old, given)
  return { properties: { partnerRegistrationImmutableId: old ?? given ?? newGuid() }, secrets: {} }
}

/**
 * Who a partner is. Its immutable id is what subscribers authorize.
 *
 * Source: learn.microsoft.com/rest/api/eventgrid/controlplane/partner-registrations
 */
export const partnerRegistrations: ResourceType = {
  type: 'Microsoft.EventGrid/partnerRegistrations',
  childForms: [],
  scope: 'group',
  extension: undefined,
  tracked: true,
  defaultLocation: 'global',
  mayBeGlobal: true,
  hasIdentity: false,
  name: { pattern: /^[a-zA-Z0-9-]{3,50}$/, rule: '3 to 50 letters, digits or hyphens' },
  reservedPrefixes: ['Microsoft', 'EventGrid', 'System'],
  longRunning: false,
  statuses: { create: 200, replace: 200, update: 200 },
  unique: undefined,
  quota: undefined,
  companion: undefined,
  decode,
  patch: patchProperties,
  encode: ({ provisioningState, properties }) => ({ provisioningState, ...properties }),
  actions: {},
  notFound: undefined,
  verification: undefined,
  expiresAt: undefined,
  example: { name: 'contoso', body: { location: 'global', tags: { team: 'events' } } },
}
