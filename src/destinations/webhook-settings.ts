import { invalidProperty, invalidRequest } from '../wire/errors.ts'
import { type Fields, fields, readInteger, readString } from '../wire/shape.ts'
import { decodeTlsVersion } from '../wire/tls-version.ts'
import { attributesOf, decodeAttributes } from './delivery-attributes.ts'
import type { DeliveryAttribute, DestinationDecoding, DestinationSettings } from './destination.ts'

/** Source: learn.microsoft.com/azure/event-grid/delivery-and-retry, "Output batching" */
export const webhookLimits = {
  urlCharacters: 2048,
  eventsPerBatch: 5000,
  batchKilobytes: 1024,
  entraCharacters: 512,
}

/** Where a webhook is and how it takes events, secrets included. */
export interface WebhookSettings {
  readonly endpointUrl: string
  readonly maxEventsPerBatch: number
  readonly preferredBatchSizeInKilobytes: number
  readonly attributes: readonly DeliveryAttribute[]
  /** Whose token each request carries; undefined where the webhook is not protected. */
  readonly entra: EntraApplication | undefined
}

/** Source: learn.microsoft.com/azure/event-grid/secure-webhook-delivery */
export interface EntraApplication {
  readonly tenantId: string
  readonly applicationIdOrUri: string
}

export function webhookSettings({ properties, secrets }: DestinationSettings): WebhookSettings {
  const {
    maxEventsPerBatch,
    preferredBatchSizeInKilobytes,
    deliveryAttributeMappings,
    azureActiveDirectoryTenantId: tenantId,
    azureActiveDirectoryApplicationIdOrUri: applicationIdOrUri,
  } = properties as unknown as WebhookProperties
  return {
    endpointUrl: secrets.endpointUrl as string,
    maxEventsPerBatch,
    preferredBatchSizeInKilobytes,
    attributes: attributesOf(deliveryAttributeMappings, secrets),
    entra: tenantId && applicationIdOrUri ? { tenantId, applicationIdOrUri } : undefined,
  }
}

/** A stored WebHook destination's `properties`: the URL with its query is a secret, its base is shown. */
export interface WebhookProperties {
  readonly maxEventsPerBatch: number
  readonly preferredBatchSizeInKilobytes: number
  readonly azureActiveDirectoryTenantId: string | null
  readonly azureActiveDirectoryApplicationIdOrUri: string | null
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
  const entra = decodeEntra(from)
  // Clients read an event subscription, where the URL is hidden, and send it back as an update.
  const keptUrl = patching ? before?.secrets.endpointUrl : undefined
  const keptBase = keptUrl === undefined ? undefined : baseOf(keptUrl)
  const isKept =
    from.raw('endpointUrl') === undefined && (from.raw('endpointBaseUrl') ?? keptBase) === keptBase
  const endpointUrl =
    isKept && keptUrl !== undefined ? keptUrl : checkUrl(from, capabilities.allowHttpWebhooks)
  secrets.endpointUrl = endpointUrl
  return {
    ...decodeBatching(from),
    azureActiveDirectoryTenantId: entra?.tenantId ?? null,
    azureActiveDirectoryApplicationIdOrUri: entra?.applicationIdOrUri ?? null,
    minimumTlsVersionAllowed: decodeTlsVersion(from, 'minimumTlsVersionAllowed'),
    deliveryAttributeMappings: decodeAttributes(
      from,
      secrets,
      before?.secrets ?? {},
      entra && 'a webhook protected by Microsoft Entra ID, which gets a token there',
    ),
    endpointUrl: null,
    endpointBaseUrl: baseOf(endpointUrl),
  }
}

/** Source: learn.microsoft.com/azure/event-grid/delivery-and-retry, "Output batching" */
export const decodeBatching = (from: Fields) => ({
  maxEventsPerBatch: readInteger(from, 'maxEventsPerBatch', 1, webhookLimits.eventsPerBatch) ?? 1,
  preferredBatchSizeInKilobytes:
    readInteger(from, 'preferredBatchSizeInKilobytes', 1, webhookLimits.batchKilobytes) ?? 64,
})

function decodeEntra(from: Fields): EntraApplication | undefined {
  const names = ['azureActiveDirectoryTenantId', 'azureActiveDirectoryApplicationIdOrUri'] as const
  const [tenantId = '', applicationIdOrUri = ''] = names.map((name) =>
    readString(from, name, webhookLimits.entraCharacters)?.trim(),
  )
  if (tenantId === '' && applicationIdOrUri === '') return undefined
  const [missing, given] = tenantId === '' ? names : names.toReversed()
  if (tenantId === '' || applicationIdOrUri === '')
    throw invalidProperty(from.at(missing), `given together with ${given}`, undefined)
  return { tenantId, applicationIdOrUri }
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
