import type { Json } from './client.ts'
import { UsageError } from './usage-error.ts'

/*
 * `--endpoint` and `--endpoint-type` as a destination, in the forms that `az eventgrid event-subscription` takes.
 */

/** What a type's endpoint looks like, and the destination that it is. */
interface EndpointForm {
  readonly wire: string
  readonly example: string
  decode(endpoint: string): Readonly<Record<string, unknown>> | undefined
}

const account = '/subscriptions/S/resourceGroups/G/providers/Microsoft.Storage/storageAccounts/ACCOUNT'
const queue = /^(\/.*\/storageAccounts\/[^/]+)\/queueServices\/default\/queues\/([^/]+)$/i
const container = /^(\/.*\/storageAccounts\/[^/]+)\/blobServices\/default\/containers\/([^/]+)$/i

const byId = (wire: string, example: string): EndpointForm => ({
  wire,
  example,
  decode: (endpoint) => (endpoint.startsWith('/') ? { resourceId: endpoint } : undefined),
})

const forms: Readonly<Record<string, EndpointForm>> = {
  webhook: {
    wire: 'WebHook',
    example: 'https://example.org/events',
    decode: (endpoint) => (/^https?:\/\//i.test(endpoint) ? { endpointUrl: endpoint } : undefined),
  },
  storagequeue: {
    wire: 'StorageQueue',
    example: `${account}/queueServices/default/queues/QUEUE`,
    decode: (endpoint) => {
      const [, resourceId, queueName] = queue.exec(endpoint) ?? []
      return resourceId === undefined ? undefined : { resourceId, queueName }
    },
  },
  eventhub: byId('EventHub', 'the ARM id of an event hub'),
  servicebusqueue: byId('ServiceBusQueue', 'the ARM id of a Service Bus queue'),
  servicebustopic: byId('ServiceBusTopic', 'the ARM id of a Service Bus topic'),
  hybridconnection: byId('HybridConnection', 'the ARM id of a hybrid connection'),
  azurefunction: byId('AzureFunction', 'the ARM id of a function'),
  namespacetopic: byId('NamespaceTopic', 'the ARM id of a namespace topic'),
}

export const endpointTypes = Object.keys(forms)

/** @param settings further properties of the destination; undefined ones are left out */
export function decodeEndpoint(
  type: string,
  endpoint: string,
  settings: Readonly<Record<string, unknown>>,
): Json {
  const form = forms[type] as EndpointForm
  const properties = form.decode(endpoint)
  if (properties === undefined)
    throw new UsageError(`--endpoint of type ${type} must be ${form.example}: got '${endpoint}'.`)
  return { endpointType: form.wire, properties: { ...properties, ...settings } }
}

export function decodeDeadLetterEndpoint(endpoint: string): Json {
  const [, resourceId, blobContainerName] = container.exec(endpoint) ?? []
  if (resourceId === undefined)
    throw new UsageError(
      `--deadletter-endpoint must be ${account}/blobServices/default/containers/CONTAINER: got '${endpoint}'.`,
    )
  return { endpointType: 'StorageBlob', properties: { resourceId, blobContainerName } }
}

/** Where a destination is, on one line. */
export function encodeEndpoint(destination: Json): string {
  const { endpointBaseUrl, resourceId, queueName } = destination?.properties ?? {}
  return endpointBaseUrl ?? [resourceId, queueName].filter((part) => part !== undefined).join('/')
}
