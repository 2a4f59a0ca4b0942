import { guidOf } from '../../base/ids.ts'
import type { Neighbour } from './neighbour.ts'

/** The guids that an identity of that id gets when it is made, and has wherever it is assigned. */
export const guidsOfIdentity = (id: string) => ({
  principalId: guidOf(`principal ${id.toLowerCase()}`),
  clientId: guidOf(`client ${id.toLowerCase()}`),
})

/**
 * User-assigned identities: role assignments name their principal id.
 *
 * Source: learn.microsoft.com/rest/api/managedidentity/user-assigned-identities
 */
export const userAssignedIdentities: Neighbour = {
  name: {
    pattern: /^[a-zA-Z0-9][\w-]{2,127}$/,
    rule: '3 to 128 letters, digits, hyphens or underscores, the first a letter or digit',
  },
  longRunning: false,
  statuses: { create: 201, replace: 200, update: 200, delete: 200 },
  hasIdentity: false,
  warning: null,
  decode: (_wire, { before, parentId, name, tenantId }) => ({
    properties: before?.properties ?? {
      tenantId,
      ...guidsOfIdentity(`${parentId}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/${name}`),
    },
    secrets: {},
  }),
  encode: ({ properties }) => ({ isolationScope: 'None', ...properties }),
}
