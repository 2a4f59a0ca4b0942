import type { EpochMs } from '../base/clock.ts'

/** How the events of a topic are written by publishers. Azure's own words, byte for byte. */
export type InputSchema = 'EventGridSchema' | 'CloudEventSchemaV1_0' | 'CustomEventSchema'

/** How an event subscription wants its events written. */
export type DeliverySchema = 'EventGridSchema' | 'CloudEventSchemaV1_0' | 'CustomInputSchema'

/**
 * How events of each input schema may be delivered, what an event subscription gets that does not say first. A
 * CloudEvent has extension attributes, for which the other schemas have no place.
 *
 * Source: learn.microsoft.com/azure/event-grid/cloud-event-schema; input-mappings
 */
export const deliverySchemas: Readonly<Record<InputSchema, readonly [DeliverySchema, ...DeliverySchema[]]>> =
  {
    EventGridSchema: ['EventGridSchema', 'CloudEventSchemaV1_0'],
    CloudEventSchemaV1_0: ['CloudEventSchemaV1_0'],
    CustomEventSchema: ['EventGridSchema', 'CloudEventSchemaV1_0', 'CustomInputSchema'],
  }

/**
 * The one shape that an event has inside the house, from `decode` until it is durable.
 *
 * The event as delivered in its own input schema, or a custom event in Event Grid's, is `source[start, end)` followed by `tail`: the bytes as they
 * were published, less the closing brace, and what was stamped on. So numbers beyond 2^53, escapes and the order
 * of members stay exactly as published.
 */
export interface GridEvent {
  readonly schema: InputSchema
  /**
   * ARM id of the domain topic that the event names; undefined where the event belongs to the topic it was
   * published to, or names what no domain topic can be called. The casing is the publisher's.
   */
  readonly topicId: string | undefined
  readonly id: string
  /** `eventType`, or CloudEvents' `type`. */
  readonly type: string
  /** '' where a CloudEvent has none. */
  readonly subject: string
  /** Event Grid's `dataVersion`; '' for a CloudEvent or where absent. */
  readonly dataVersion: string
  /**
   * The envelope as decoded JSON, with what was stamped on; filter keys are looked up here. Members keep the
   * names of the wire: `data`, `eventType`, `source`, extension attributes.
   */
  readonly envelope: Readonly<Record<string, unknown>>
  readonly source: Buffer
  readonly start: number
  readonly end: number
  readonly tail: Buffer
}

/** What delivery reads back from the store. */
export interface StoredEvent {
  readonly schema: InputSchema
  readonly id: string
  readonly dataVersion: string
  readonly publishedAt: EpochMs
  /** 16 random bytes given at accept; `outputEventId` is made from them. */
  readonly internalId: Buffer
  /** The event in its input schema, one JSON object in UTF-8; of a custom event, the Event Grid event made of it. */
  readonly body: Buffer
}
