import type { EpochMs } from '../base/clock.ts'
import { encodeMoment } from '../base/moment.ts'
import { fieldOf } from '../event/delivery.ts'
import type { DeliverySchema, StoredEvent } from '../event/event.ts'
import { encodeMessage, encodeTime, schemaNames } from './message.ts'

/** One event in an attempt that failed. */
export interface DeliveryFailure {
  /** ARM id of what the event subscription is on. */
  readonly resourceId: string
  readonly eventSubscriptionName: string
  readonly deliverySchema: DeliverySchema
  readonly event: StoredEvent
  /** `aeg-output-event-id`. */
  readonly outputEventId: string
  /** Such as `NotFound`. */
  readonly outcome: string
  /** What the endpoint said, or why it could not be reached. */
  readonly response: string
  readonly startedAt: EpochMs
  readonly durationMs: number
  /** Attempts made before this one. */
  readonly attempts: number
  /** Probations of the endpoint in a row until then. */
  readonly probations: number
  /** When the event's time to live is over. */
  readonly expiresAt: EpochMs
  /** Where the attempt went, without path and query: secrets may stand there. */
  readonly url: string
}

export function encodeDeliveryFailure(failure: DeliveryFailure, at: EpochMs) {
  const { resourceId, event, deliverySchema } = failure
  const { schema, body, publishedAt } = event
  const schemaName = schemaNames[deliverySchema]
  const isCloudEvent = schema === 'CloudEventSchemaV1_0'
  const eventTime = Date.parse(fieldOf(event, isCloudEvent ? 'time' : 'eventTime') ?? '')
  return {
    time: encodeMoment(at),
    resourceId: resourceId.toUpperCase(),
    eventSubscriptionName: failure.eventSubscriptionName.toUpperCase(),
    category: 'DeliveryFailures',
    operationName: 'Deliver',
    message: encodeMessage({
      outcome: failure.outcome,
      latencyInMs: failure.durationMs,
      id: event.id,
      systemId: failure.outputEventId,
      state: 'FilteredFailingDelivery',
      deliveryTime: encodeTime(failure.startedAt),
      deliveryCount: failure.attempts,
      probationCount: failure.probations,
      deliverySchema: schemaName,
      eventSubscriptionDeliverySchema: schemaName,
      requestExpiration: encodeTime(failure.expiresAt),
      delivered: false,
      publishTime: encodeTime(publishedAt),
      eventTime: Number.isNaN(eventTime) ? undefined : encodeTime(eventTime),
      eventType: fieldOf(event, isCloudEvent ? 'type' : 'eventType'),
      filteringState: 'Filtered',
      inputSchema: schemaNames[schema],
      publisher: resourceId.slice(resourceId.lastIndexOf('/') + 1).toUpperCase(),
      size: body.length,
      url: failure.url,
      deliveryResponse: failure.response,
    }),
  }
}
