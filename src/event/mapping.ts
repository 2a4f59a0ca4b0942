/** The fields of an Event Grid event that a field of a custom event may stand for. */
export const mappedFields = ['id', 'topic', 'eventTime', 'eventType', 'subject', 'dataVersion'] as const

export type MappedField = (typeof mappedFields)[number]

/** Where the value of a field comes from. With neither member it is as if the event did not have it. */
export interface FieldMapping {
  /** A field of the published event by its name, or else a dotted path to one. */
  readonly sourceField: string | undefined
  /** For an event that lacks the source field; `eventType`, `subject` and `dataVersion` may have one. */
  readonly defaultValue: string | undefined
}

/**
 * What a topic or domain of `CustomEventSchema` makes of the events that are published to it.
 *
 * Source: learn.microsoft.com/azure/event-grid/input-mappings
 */
export type InputSchemaMapping = Readonly<Record<MappedField, FieldMapping>>
