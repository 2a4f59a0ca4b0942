import { type Fields, readString } from '../wire/shape.ts'
import type { ResourceType } from './resource-type.ts'

/*
 * What the resources of a namespace's MQTT broker have in common.
 *
 * Source: learn.microsoft.com/rest/api/eventgrid/controlplane
 */

export const namespaceType = 'Microsoft.EventGrid/namespaces'

/** Not documented; long enough for a page of text. */
const descriptionCharacters = 4_096

export const readDescription = (from: Fields): string | null =>
  readString(from, 'description', descriptionCharacters) ?? null

/** Of every type that lives in a namespace. There is no PATCH. */
export const namespaceChild = {
  childForms: [],
  scope: 'child',
  extension: undefined,
  tracked: false,
  hasIdentity: false,
  name: { pattern: /^[a-zA-Z0-9-]{3,50}$/, rule: '3 to 50 letters, digits or hyphens' },
  reservedPrefixes: [],
  longRunning: true,
  statuses: { create: 201, replace: 201, update: 200 },
  unique: undefined,
  companion: undefined,
  patch: undefined,
  encode: ({ provisioningState, properties }) => ({ provisioningState, ...properties }),
  actions: {},
  notFound: undefined,
  verification: undefined,
  expiresAt: undefined,
} as const satisfies Partial<ResourceType>
