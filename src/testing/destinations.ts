import type { DeliveryAttribute, DestinationSettings } from '../destinations/destination.ts'

export interface WebhookOptions {
  readonly maxEventsPerBatch?: number
  readonly preferredBatchSizeInKilobytes?: number
  readonly attributes?: readonly DeliveryAttribute[]
}

/** A WebHook destination as a resource's decoding leaves it. */
export function webhookTo(endpointUrl: string, options: WebhookOptions = {}): DestinationSettings {
  const { maxEventsPerBatch = 1, preferredBatchSizeInKilobytes = 64, attributes = [] } = options
  const secrets: Record<string, string> = { endpointUrl }
  for (const attribute of attributes)
    if (attribute.type === 'Static' && attribute.isSecret)
      secrets[`attribute:${attribute.name.toLowerCase()}`] = attribute.value
  return {
    endpointType: 'WebHook',
    properties: {
      maxEventsPerBatch,
      preferredBatchSizeInKilobytes,
      deliveryAttributeMappings: attributes.map(({ name, type, ...properties }) => ({
        name,
        type,
        properties,
      })),
    },
    secrets,
  }
}
