import type { EpochMs } from '../../base/clock.ts'
import type { GridEvent } from '../event.ts'
import type { InputSchemaMapping } from '../mapping.ts'

/** What a publish request brought. */
export interface Received {
  readonly body: Buffer
  readonly contentType: string | undefined
  /** Names and values by turns, as they came. */
  readonly rawHeaders: readonly string[]
}

/** Bounds of one publish request; its size in bytes is the door's to bound. */
export interface DecodeLimits {
  readonly events: number
  /** Of one event, as published. */
  readonly eventBytes: number
  /** How deep objects and arrays of one event may be nested; the event itself is the first level. */
  readonly nesting: number
}

/**
 * Source: learn.microsoft.com/azure/event-grid/quotas-limits; the nesting limit is our own.
 */
export const defaultDecodeLimits: DecodeLimits = { events: 5_000, eventBytes: 1_048_576, nesting: 64 }

export interface DecoderOptions {
  /** ARM id of the topic or domain that is published to. */
  readonly topicId: string
  /** It is a domain: each event names the domain topic that it is for. */
  readonly domain: boolean
  /** Of `CustomEventSchema`; undefined where the resource gives none, and for the other schemas. */
  readonly mapping: InputSchemaMapping | undefined
  /** The time of publishing, for events that say none. */
  readonly now: () => EpochMs
  readonly limits: DecodeLimits
}

/** Throws a `RequestError` for the whole request when any of its events is not as it must be. */
export type Decode = (received: Received) => GridEvent[]

/** How publishers write events to a topic. */
export interface Schema {
  /** What the service calls the schema in headers and messages. */
  readonly wireName: 'EventGridEvent' | 'CloudEventV10' | 'CustomInputEvent'
  /** A request that is accepted by every custom topic of this schema that maps no fields. */
  readonly example: Received
  /** Made once per topic, used for every request. */
  readonly createDecoder: (options: DecoderOptions) => Decode
}
