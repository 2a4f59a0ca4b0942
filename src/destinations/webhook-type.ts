import type { DestinationSettings, DestinationType } from './destination.ts'
import { createWebhook } from './webhook.ts'
import { verifyWebhook } from './webhook-handshake.ts'
import { decodeWebhook, webhookSettings } from './webhook-settings.ts'

/** Whose tokens it gets: another application must agree too. */
const protection = ({ properties }: DestinationSettings) =>
  JSON.stringify([
    properties.azureActiveDirectoryTenantId ?? null,
    properties.azureActiveDirectoryApplicationIdOrUri ?? null,
  ])

/**
 * Webhooks: any HTTP endpoint that agreed to receive events.
 *
 * Source: learn.microsoft.com/azure/event-grid/handler-webhooks
 */
export const webhookType: DestinationType = {
  decode: (wire, path, decoding) => ({ ...decodeWebhook(wire, path, decoding) }),
  deliverySchemas: undefined,
  fullUrl: ({ secrets }) => secrets.endpointUrl ?? null,
  needsConsent: (live, next) =>
    live.secrets.endpointUrl !== next.secrets.endpointUrl || protection(live) !== protection(next),
  create: (settings, context, environment) => createWebhook(webhookSettings(settings), context, environment),
  verify: verifyWebhook,
  example: {
    endpointUrl: 'https://example.org/events?code=secret',
    deliveryAttributeMappings: [
      { name: 'x-tenant', type: 'Static', properties: { value: 'contoso', isSecret: true } },
      { name: 'x-color', type: 'Dynamic', properties: { sourceField: 'data.color' } },
    ],
  },
}
