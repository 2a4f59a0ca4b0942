import type { GridEvent } from './event.ts'

/** An event that Busbar itself raises; members as in the Event Grid schema. */
export interface SystemEvent {
  /** ARM id of the source, in the letter case in which it is delivered. */
  readonly topic: string
  readonly subject: string
  readonly eventType: string
  /** ISO 8601 in UTC; services write seven digits of a second. */
  readonly eventTime: string
  readonly id: string
  readonly data: unknown
  /** `data` as JSON, where its bytes must stay as they came; `data` is what they mean. */
  readonly dataBytes?: Buffer | undefined
  readonly dataVersion: string
}

/**
 * The event as every room knows it. Services publish in the Event Grid schema; its CloudEvents form is made at
 * delivery.
 *
 * Source: learn.microsoft.com/azure/event-grid/system-topics
 */
export function encodeSystemEvent(event: SystemEvent): GridEvent {
  const { topic, subject, eventType, eventTime, id, data, dataBytes, dataVersion } = event
  const envelope = {
    topic,
    subject,
    eventType,
    eventTime,
    id,
    dataVersion,
    metadataVersion: '1',
    data: data ?? null,
  }
  let source: Buffer
  if (dataBytes) {
    const { data: _apart, ...head } = envelope
    source = Buffer.concat([Buffer.from(`${JSON.stringify(head).slice(0, -1)},"data":`), dataBytes])
  } else source = Buffer.from(JSON.stringify(envelope).slice(0, -1))
  return {
    schema: 'EventGridSchema',
    topicId: undefined,
    id,
    type: eventType,
    subject,
    dataVersion,
    envelope,
    source,
    start: 0,
    end: source.length,
    tail: closing,
  }
}

const closing = Buffer.from('}')
