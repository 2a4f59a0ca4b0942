import { endOfString } from './scan.ts'

/*
 * A custom event inside the house: the Event Grid event that its topic's mapping makes of it, whole, with the
 * event as it was published for its `data`. Written and taken apart here alone:
 *
 *   {"id":"…","topic":"…","subject":"…","eventType":"…","eventTime":"…","dataVersion":"…","metadataVersion":"1","data":{…}}
 *
 * There is no white space between the members, and they stand in this order.
 *
 * Source: learn.microsoft.com/azure/event-grid/input-mappings, "Subscribe to event grid topic"
 */

export interface MappedFields {
  readonly id: string
  readonly topic: string
  readonly subject: string
  readonly eventType: string
  readonly eventTime: string
  readonly dataVersion: string
}

/** What comes before the published event; a closing brace comes after it. */
export const encodeMapped = (fields: MappedFields): string =>
  `{"id":${JSON.stringify(fields.id)},"topic":${JSON.stringify(fields.topic)},"subject":${JSON.stringify(
    fields.subject,
  )},"eventType":${JSON.stringify(fields.eventType)},"eventTime":${JSON.stringify(
    fields.eventTime,
  )},"dataVersion":${JSON.stringify(fields.dataVersion)}${beforeData}`

const beforeData = ',"metadataVersion":"1","data":'

/** The event as it was published. Its bytes are not looked at. */
export function publishedEvent(mapped: Buffer): Buffer {
  let at = 0
  // Six members with values of strings: after the brace or comma a name, a colon, the value.
  for (let member = 0; member < 6; member++) at = endOfString(mapped, endOfString(mapped, at + 2) + 2)
  return mapped.subarray(at + beforeData.length, -1)
}
