import { fieldOf } from '../event/encode.ts'
import type { StoredEvent } from '../event/event.ts'
import type { Delivery, DeliveryAttribute, DeliveryContext } from './destination.ts'

/** Whom deliveries say they come from; what an endpoint allows in the CloudEvents handshake. */
export const webhookOrigin = 'eventgrid.azure.net'

/** `Unsubscribe` is what the extension of Azure Functions calls a deletion. */
export type AegEventType = 'Notification' | 'SubscriptionValidation' | 'SubscriptionDeletion' | 'Unsubscribe'

/**
 * Of a header's value that the event's publisher or an attribute's author chose: a longer one would have servers
 * refuse the request, and with it every other event of its batch.
 *
 * Source: learn.microsoft.com/azure/event-grid/delivery-properties
 */
const valueBytes = 4096

/** Headers that frame the request itself: an attribute of that name is left out. */
const framing = new Set([
  'connection',
  'content-length',
  'content-type',
  'expect',
  'host',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/**
 * The headers that are the same for every request of a destination, as names and values by turns.
 *
 * Source: learn.microsoft.com/azure/event-grid/delivery-properties; message-headers; webhook-event-delivery
 */
export function fixedHeaders(
  context: DeliveryContext,
  attributes: readonly DeliveryAttribute[],
  aegEventType: AegEventType,
  contentType: string,
): string[] {
  const headers = [
    'Accept',
    '*/*',
    'User-Agent',
    'Busbar',
    'Content-Type',
    contentType,
    'aeg-subscription-name',
    context.eventSubscriptionName.toUpperCase(),
    'aeg-event-type',
    aegEventType,
  ]
  if (context.deliverySchema === 'CloudEventSchemaV1_0')
    headers.push('Origin', webhookOrigin, 'WebHook-Request-Origin', webhookOrigin)
  if (context.ofNamespaceTopic) headers.push('aeg-compatibility-mode-enabled', 'false')
  for (const attribute of attributes)
    if (attribute.type === 'Static') pushAttribute(headers, attribute.name, attribute.value)
  return headers
}

/** The headers that differ from event to event; those of a batch speak of its first event. */
export function pushEventHeaders(headers: string[], { event, attempts, outputEventId }: Delivery): void {
  headers.push(
    'aeg-delivery-count',
    String(attempts),
    'aeg-metadata-version',
    event.schema === 'CloudEventSchemaV1_0' ? '1.0' : '1',
    'aeg-data-version',
    headerWithin(event.dataVersion) ?? '',
    'aeg-output-event-id',
    outputEventId,
  )
}

/** Headers read from the event; only strings, numbers and booleans can be one. */
export function pushDynamicAttributes(
  headers: string[],
  attributes: readonly DeliveryAttribute[],
  event: StoredEvent,
  topicId: string,
): void {
  for (const attribute of attributes) {
    if (attribute.type !== 'Dynamic') continue
    const value = fieldOf(event, attribute.sourceField, topicId)
    if (value !== undefined) pushAttribute(headers, attribute.name, value)
  }
}

function pushAttribute(headers: string[], name: string, value: string): void {
  const encoded = headerWithin(value)
  if (encoded === undefined || framing.has(name.toLowerCase())) return
  if (headerName.test(name)) headers.push(name, encoded)
}

const headerName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const plainValue = /^[\t\x20-\x7e]*$/
// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const controlCharacters = /[\x00-\x08\x0a-\x1f\x7f]/

/** UTF-8 in the one byte per character that HTTP has; undefined for what no header can carry. */
function headerWithin(value: string): string | undefined {
  if (value.length > valueBytes) return undefined
  if (plainValue.test(value)) return value
  if (controlCharacters.test(value)) return undefined
  const encoded = Buffer.from(value, 'utf8').toString('latin1')
  return encoded.length > valueBytes ? undefined : encoded
}
