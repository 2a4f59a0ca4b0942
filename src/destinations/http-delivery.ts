import type { Clock } from '../base/clock.ts'
import { newGuid } from '../base/ids.ts'
import { encodeMoment } from '../base/moment.ts'
import { encodeDelivery } from '../event/encode.ts'
import type { Delivery, DeliveryAttribute, DeliveryContext, Destination, Outcome } from './destination.ts'
import { createFailureText } from './failure-text.ts'
import type { Answer, Keep, Sender } from './sender.ts'
import {
  type AegEventType,
  fixedHeaders,
  pushDynamicAttributes,
  pushEventHeaders,
} from './webhook-headers.ts'

const nothing: Keep = { bytes: 0, onlyFailures: true }

/** Where a destination takes events over HTTP, and in which way. */
export interface HttpEndpoint {
  /** Its query may hold a secret. */
  readonly url: string
  /** Names in its query whose values are no secrets. */
  readonly plainParameters?: readonly string[]
  readonly sender: Sender
  readonly attributes: readonly DeliveryAttribute[]
  readonly maxEventsPerBatch: number
  readonly preferredBatchSizeInKilobytes: number
  readonly credential: Credential | undefined
  /** What an answer means; @param now for waits that the answer names as a date */
  outcomeOf(answer: Answer, now: number): Outcome
  /** `aeg-event-type` under which it is told that the event subscription was deleted; undefined: it is not. */
  readonly farewell: AegEventType | undefined
}

/** A header that proves who sends; its value changes over time. */
export interface Credential {
  readonly header: string
  /** At once where it is at hand, as it is for nearly every request. Rejects when it cannot be had. */
  value(): string | Promise<string>
}

/**
 * Posts events to a URL, in structured mode, with the headers that every HTTP endpoint gets. Redirects are not
 * followed.
 *
 * Source: learn.microsoft.com/azure/event-grid/delivery-and-retry; cloud-event-schema; webhook-event-delivery
 */
export function createHttpDestination(
  endpoint: HttpEndpoint,
  context: DeliveryContext,
  clock: Clock,
): Destination {
  const { attributes, maxEventsPerBatch, preferredBatchSizeInKilobytes, credential, farewell } = endpoint
  const { deliverySchema: schema, topicId } = context
  const { origin, pathname, search } = new URL(endpoint.url)
  const path = pathname + search
  const batched = maxEventsPerBatch > 1
  const encoding = { schema, batched, topicId }
  const dynamic = attributes.filter(({ type }) => type === 'Dynamic')
  const failureText = createFailureText(endpoint)
  const channel = endpoint.sender.open(origin)
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
      let proof = ''
      if (credential) {
        try {
          proof = await credential.value()
        } catch (error) {
          return withoutCredential(error)
        }
        headers.push(credential.header, proof)
      }
      const request = { method: 'POST', path, headers, body, mayBeLate: true } as const
      const answer = await channel.send(request, failureText.keep, signal)
      return endpoint.outcomeOf(failureText.shown(answer, proof), clock.now())
    },
    async announceDeletion(signal) {
      if (farewell === undefined) return
      const { body, headers } = encodeNotice(endpoint, context, clock, {
        aegEventType: farewell,
        eventType: 'Microsoft.EventGrid.SubscriptionDeletedEvent',
        data: { eventSubscriptionId: context.eventSubscriptionId },
      })
      if (credential) {
        try {
          headers.push(credential.header, await credential.value())
        } catch {
          // Announced once and without retry: an endpoint that would not believe it is not told.
          return
        }
      }
      await channel.send({ method: 'POST', path, headers, body }, nothing, signal)
    },
    close: () => channel.close(),
  }
}

/** The least wait before a token is asked for again. */
const credentialDelayMs = 10_000

const withoutCredential = (error: unknown): Outcome => ({
  kind: 'retry',
  name: 'Unauthorized',
  status: undefined,
  error: `No token could be had: ${(error as Error).message}`,
  minimumDelayMs: credentialDelayMs,
})

export interface Notice {
  readonly aegEventType: AegEventType
  readonly eventType: string
  readonly data: Readonly<Record<string, unknown>>
}

/**
 * An event of the service itself, for one endpoint alone: an array with one event in Event Grid's schema.
 *
 * Source: learn.microsoft.com/azure/event-grid/end-point-validation-event-grid-events-schema
 */
export function encodeNotice(
  { attributes }: Pick<HttpEndpoint, 'attributes'>,
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
    eventTime: encodeMoment(clock.now()),
    metadataVersion: '1',
    dataVersion: '1',
  }
  const headers = fixedHeaders(context, attributes, aegEventType, 'application/json; charset=utf-8')
  headers.push('aeg-delivery-count', '0', 'aeg-metadata-version', '1', 'aeg-data-version', '1')
  headers.push('aeg-output-event-id', id)
  return { body: Buffer.from(JSON.stringify([event])), headers }
}
