import type { DeliveryContext, Destination, DestinationEnvironment } from './destination.ts'
import { type Credential, createHttpDestination } from './http-delivery.ts'
import { namespaceOutcomeOf, outcomeOf } from './outcome.ts'
import type { WebhookSettings } from './webhook-settings.ts'

/**
 * Webhooks get every header and their query, and are told when their event subscription is deleted.
 *
 * Source: learn.microsoft.com/azure/event-grid/handler-webhooks
 */
export function createWebhook(
  settings: WebhookSettings,
  context: DeliveryContext,
  environment: DestinationEnvironment,
): Destination {
  const { endpointUrl: url, attributes, maxEventsPerBatch, preferredBatchSizeInKilobytes } = settings
  const { clock, sender } = environment
  const credential = webhookCredential(settings, environment)
  // A notice of deletion has Event Grid's own schema, which is unknown to namespaces.
  const farewell = context.ofNamespaceTopic ? undefined : ('SubscriptionDeletion' as const)
  return createHttpDestination(
    {
      ...{ url, sender, attributes, maxEventsPerBatch, preferredBatchSizeInKilobytes },
      ...{ credential, farewell },
      outcomeOf: context.ofNamespaceTopic ? namespaceOutcomeOf : outcomeOf,
    },
    context,
    clock,
  )
}

/**
 * The bearer token of a webhook that is protected by Microsoft Entra ID; undefined for any other.
 *
 * Source: learn.microsoft.com/azure/event-grid/secure-webhook-delivery
 */
export function webhookCredential(
  { entra }: Pick<WebhookSettings, 'entra'>,
  { tokenFor }: DestinationEnvironment,
): Credential | undefined {
  if (!entra) return undefined
  const { tenantId, applicationIdOrUri } = entra
  return {
    header: 'Authorization',
    value: async () => `Bearer ${await tokenFor(tenantId, applicationIdOrUri)}`,
  }
}
