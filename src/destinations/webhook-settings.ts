import { invalidRequest, notSupported } from '../wire/errors.ts'
import { type Fields, fields, readInteger, readString } from '../wire/shape.ts'
import { decodeTlsVersion } from '../wire/tls-version.ts'
import { attributesOf, decodeAttributes } from './delivery-attributes.ts'
import type { DeliveryAttribute, DestinationDecoding, DestinationSettings } from './destination.ts'

/** Source: learn.microsoft.com/azure/event-grid/delivery-and-retry, "Output batching" */
export const webhookLimits = { urlCharacters: 2048, eventsPerBatch: 5000, batchKilobytes: 1024 }

/** Where a webhook is and how it takes events, secrets included. */
export interface WebhookSettings {
  readonly endpointUrl: string
  readonly maxEventsPerBatch: number
  readonly preferredBatchSizeInKilobytes: number
  readonly attributes: readonly DeliveryAttribute[]
}

export function webhookSettings({ properties, secrets }: DestinationSettings): WebhookSettings {
  const { maxEventsPerBatch, preferredBatchSizeInKilobytes, deliveryAttributeMappings } =
    properties as unknown as WebhookProperties
  return {
    endpointUrl: secrets.endpointUrl as string,
    maxEventsPerBatch,
    preferredBatchSizeInKilobytes,
    attributes: attributesOf(deliveryAttributeMappings, secrets),
  }
}

/** A stored WebHook destination's `properties`: the URL with its query is a secret, its base is shown. */
export interface WebhookProperties {
  readonly maxEventsPerBatch: number
  readonly preferredBatchSizeInKilobytes: number
  readonly azureActiveDirectoryTenantId: null
  readonly azureActiveDirectoryApplicationIdOrUri: null
  readonly minimumTlsVersionAllowed: '1.2' | null
  readonly deliveryAttributeMappings: unknown
  readonly endpointUrl: null
  readonly endpointBaseUrl: string
}

export function decodeWebhook(
  wire: unknown,
  path: string,
  { secrets, before, patching, capabilities }: DestinationDecoding,
): WebhookProperties {
  const from = fields(wire, path)
  for (const name of ['azureActiveDirectoryTenantId', 'azureActiveDirectoryApplicationIdOrUri'])
    if (from.raw(name) !== undefined)
      throw notSupported(from.at(name), 'A webhook protected by Microsoft Entra ID')
  // Clients read an event subscription, where the URL is hidden, and send it back as an update.
  const keptUrl = patching ? before?.secrets.endpointUrl : undefined
  const keptBase = keptUrl === undefined ? undefined : baseOf(keptUrl)
  const isKept =
    from.raw('endpointUrl') === undefined && (from.raw('endpointBaseUrl') ?? keptBase) === keptBase
  const endpointUrl =
    isKept && keptUrl !== undefined ? keptUrl : checkUrl(from, capabilities.allowHttpWebhooks)
  secrets.endpointUrl = endpointUrl
  return {
    maxEventsPerBatch: readInteger(from, 'maxEventsPerBatch', 1, webhookLimits.eventsPerBatch) ?? 1,
    preferredBatchSizeInKilobytes:
      readInteger(from, 'preferredBatchSizeInKilobytes', 1, webhookLimits.batchKilobytes) ?? 64,
    azureActiveDirectoryTenantId: null,
    azureActiveDirectoryApplicationIdOrUri: null,
    minimumTlsVersionAllowed: decodeTlsVersion(from, 'minimumTlsVersionAllowed'),
    deliveryAttributeMappings: decodeAttributes(from, secrets, before?.secrets ?? {}),
    endpointUrl: null,
    endpointBaseUrl: baseOf(endpointUrl),
  }
}

const baseOf = (url: string) => url.replace(/[?#].*$/s, '')

/** The service's own text; the URL is not repeated, for its query may hold a secret. */
function checkUrl(from: Fields, allowHttp: boolean): string {
  const path = from.at('endpointUrl')
  const text = readString(from, 'endpointUrl', webhookLimits.urlCharacters)
  const url = text !== undefined && /^https?:\/\/[^\s/?#]+[^\s]*$/i.test(text) ? URL.parse(text) : null
  if (text === undefined || url === null || (url.protocol !== 'https:' && !allowHttp))
    throw invalidRequest(
      'Invalid event subscription request: Supplied URL is invalid. It cannot be null or empty and should be a proper HTTPS URL like https://www.example.com.',
      path,
    )
  if (url.username !== '' || url.password !== '')
    throw invalidRequest(`The property '${path}' must be a URL without user name and password.`, path)
  return text
}
