import type { ResourceType } from './resource-type.ts'

/**
 * The topics of a domain: a name and nothing else. Events need none; event subscriptions do.
 *
 * Source: learn.microsoft.com/rest/api/eventgrid/controlplane/domain-topics
 */
export const domainTopics: ResourceType = {
  type: 'Microsoft.EventGrid/domains/topics',
  childForms: [],
  scope: 'child',
  extension: undefined,
  tracked: false,
  hasIdentity: false,
  name: { pattern: /^[a-zA-Z0-9-]{3,128}$/, rule: '3 to 128 letters, digits or hyphens' },
  reservedPrefixes: ['Microsoft', 'EventGrid', 'System'],
  longRunning: true,
  statuses: { create: 201, replace: 201, update: 200 },
  unique: undefined,
  quota: ({ domainTopicsPerDomain }) => domainTopicsPerDomain,
  companion: undefined,
  decode: () => ({ properties: {}, secrets: {} }),
  patch: undefined,
  encode: ({ provisioningState }) => ({ provisioningState }),
  actions: {},
  notFound: undefined,
  verification: undefined,
  expiresAt: undefined,
  example: { name: 'tenant-1', body: {} },
}
