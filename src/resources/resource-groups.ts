import { groupType } from '../wire/arm-id.ts'
import type { ResourceType } from './resource-type.ts'

/**
 * Resource groups. Deleting one deletes everything in it.
 *
 * Source: learn.microsoft.com/rest/api/resources/resource-groups
 */
export const resourceGroups: ResourceType = {
  type: groupType,
  childForms: [],
  scope: 'subscription',
  extension: undefined,
  tracked: true,
  hasIdentity: false,
  name: {
    pattern: /^[\p{L}\p{N}_\-.()]{0,89}[\p{L}\p{N}_\-()]$/u,
    rule: '1 to 90 letters, digits, underscores, hyphens, periods or parentheses, not ending with a period',
  },
  reservedPrefixes: [],
  longRunning: false,
  statuses: { create: 201, replace: 200, update: 200 },
  unique: undefined,
  quota: undefined,
  companion: undefined,
  decode: () => ({ properties: {}, secrets: {} }),
  patch: (_body, before) => before.properties,
  encode: (group) => ({ provisioningState: group.provisioningState }),
  actions: {},
  notFound: undefined,
  verification: undefined,
  expiresAt: undefined,
  example: { name: 'rg-orders', body: { location: 'westus2', tags: { team: 'orders' } } },
}
