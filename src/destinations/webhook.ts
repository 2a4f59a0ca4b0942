import type { Clock } from '../base/clock.ts'
import { newGuid } from '../base/ids.ts'
import { encodeDelivery } from '../event/encode.ts'
import type {
  Delivery,
  DeliveryContext,
  Destination,
  DestinationEnvironment,
  Outcome,
} from './destination.ts'
import { createFailureText } from './failure-text.ts'
import { outcomeOf } from './outcome.ts'
import type { Keep } from './sender.ts'
import { fixedHeaders, pushDynamicAttributes, pushEventHeaders } from './webhook-headers.ts'
import type { WebhookSettings } from './webhook-settings.ts'

const nothing: Keep = { bytes: 0, onlyFailures: true }

/**
 * Posts events to a URL, in structured mode. Success is 200 to 204; redirects are not followed.
 *
 * Source: learn.microsoft.com/azure/event-grid/delivery-and-retry; cloud-event-schema; webhook-event-delivery
 */
export function createWebhook(
  settings: WebhookSettings,
  context: DeliveryContext,
  { clock, sender }: DestinationEnvironment,
): Destination {
  const { attributes, maxEventsPerBatch, preferredBatchSizeInKilobytes } = settings
  const { deliverySchema: schema, topicId } = context
  const { origin, pathname, search } = new URL(settings.endpointUrl)
  const path = pathname + search
  const batched = maxEventsPerBatch > 1
  const encoding = { schema, batched, topicId }
  const dynamic = attributes.filter(({ type }) => type === 'Dynamic')
  const failureText = createFailureText(settings)
  const channel = sender.open(origin)
  let fixed: string[] | undefined

  return {
    maxEvents: maxEventsPerBatch,
    preferredBytes: batched ? preferredBatchSizeInKilobytes * 1024 : Number.POSITIVE_INFINITY,
    origin,
    async deliver(deliveries: readonly Delivery[], signal: AbortSignal): Promise<Outcome> {
      const first = deliveries[0] as Delivery
      const events = deliveries.length === 1 ? [first.event] : deliveries.map(({ event }) => event)
      const { body, contentType } = encodeDelivery(events, encoding)
      fixed ??= fixedHeaders(context, attributes, 'Notification', contentType)
      const headers = fixed.slice()
      pushEventHeaders(headers, first)
      if (dynamic.length > 0) pushDynamicAttributes(headers, dynamic, first.event, topicId)
      const answer = await channel.send({ method: 'POST', path, headers, body }, failureText.keep, signal)
      return outcomeOf(failureText.shown(answer), clock.now())
    },
    async announceDeletion(signal) {
      const { body, headers } = encodeNotice(settings, context, clock, {
        aegEventType: 'SubscriptionDeletion',
        eventType: 'Microsoft.EventGrid.SubscriptionDeletedEvent',
        data: { eventSubscriptionId: context.eventSubscriptionId },
      })
      await channel.send({ method: 'POST', path, headers, body }, nothing, signal)
    },
    close: () => channel.close(),
  }
}

interface Notice {
  readonly aegEventType: 'SubscriptionValidation' | 'SubscriptionDeletion'
  readonly eventType: string
  readonly data: Readonly<Record<string, unknown>>
}

/**
 * An event of the service itself, for one endpoint alone: an array with one event in Event Grid's schema.
 *
 * Source: learn.microsoft.com/azure/event-grid/end-point-validation-event-grid-events-schema
 */
export function encodeNotice(
  settings: WebhookSettings,
  context: DeliveryContext,
  clock: Clock,
  { aegEventType, eventType, data }: Notice,
): { body: Buffer; headers: string[] } {
  const id = newGuid()
  const event = {
    id,
    topic: context.topicId,
    subject: '',
    data,
    eventType,
    // Seven fractional digits, as the service writes times.
    eventTime: new Date(clock.now()).toISOString().replace('Z', '0000Z'),
    metadataVersion: '1',
    dataVersion: '1',
  }
  const headers = fixedHeaders(context, settings.attributes, aegEventType, 'application/json; charset=utf-8')
  headers.push('aeg-delivery-count', '0', 'aeg-metadata-version', '1', 'aeg-data-version', '1')
  headers.push('aeg-output-event-id', id)
  return { body: Buffer.from(JSON.stringify([event])), headers }
}
