import assert from 'node:assert/strict'
import type { GridEvent } from '../event/event.ts'
import { encodeSystemEvent } from '../event/system-event.ts'
import type { EventSource } from './event-source.ts'
import { topicOf } from './example.ts'

export interface EventFields {
  /** ARM id of the source. */
  readonly sourceId: string
  readonly subject: string
  readonly data: unknown
  /** `data` as JSON, where its bytes must stay as they came. */
  readonly dataBytes?: Buffer | undefined
  readonly id: string
  /** ISO 8601 in UTC, with seven digits of a second where it is ours to write. */
  readonly eventTime: string
  /** Default: the event type's own. */
  readonly dataVersion?: string | undefined
}

/**
 * An event of that source, ready to be accepted. The data is the caller's to have made right: nothing is checked
 * here, for devices and clients raise events by the thousand.
 *
 * @param name one of the source's event types
 */
export function buildEvent(source: EventSource, name: string, fields: EventFields): GridEvent {
  const eventType = source.eventTypes.find((each) => each.name === name)
  assert(eventType, `${source.topicType} has no event type ${name}`)
  const { sourceId, subject, data, dataBytes, id, eventTime, dataVersion = eventType.dataVersion } = fields
  const topic = topicOf(source, sourceId)
  return encodeSystemEvent({
    topic,
    subject,
    eventType: name,
    eventTime,
    id,
    data,
    dataBytes,
    dataVersion,
  })
}
