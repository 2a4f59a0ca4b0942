import { randomBytes } from 'node:crypto'
import type { EpochMs } from '../base/clock.ts'
import type {
  Delivery,
  DeliveryAttribute,
  DeliveryContext,
  DestinationSettings,
} from '../destinations/destination.ts'
import { destinationType } from '../destinations/index.ts'
import { decodeStored, encodeHead, outputEventId } from '../event/encode.ts'
import type { DeliverySchema, GridEvent } from '../event/event.ts'
import type { WireObject } from '../wire/shape.ts'
import { testTopicId } from './events.ts'

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

/** What the event subscription `ThermostatAlert` says to a destination. */
export const deliveryContext = (deliverySchema: DeliverySchema): DeliveryContext => ({
  eventSubscriptionName: 'ThermostatAlert',
  eventSubscriptionId: `${testTopicId}/providers/Microsoft.EventGrid/eventSubscriptions/ThermostatAlert`,
  topicId: testTopicId,
  deliverySchema,
})

/** An accepted event on its way out. */
export function deliveryOf(event: GridEvent, attempts = 0, publishedAt: EpochMs = 0): Delivery {
  const internalId = randomBytes(16)
  const head = encodeHead(event, publishedAt, internalId)
  const stored = decodeStored(
    Buffer.concat([head, event.source.subarray(event.start, event.end), event.tail]),
  )
  return { event: stored, attempts, outputEventId: outputEventId(internalId, 'uid') }
}

/** Settings as the control plane would have decoded them, every resource having a connection. */
export function settingsOf(endpointType: string, wire: WireObject): DestinationSettings {
  const secrets: Record<string, string> = {}
  const capabilities = { allowHttpWebhooks: true, hasConnection: () => true, takesAlerts: true }
  const type = destinationType({ endpointType })
  const decoding = { secrets, before: undefined, patching: false, capabilities }
  return { endpointType, properties: type.decode(wire, 'properties', decoding), secrets }
}
