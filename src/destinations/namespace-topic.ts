import { fields, type WireObject } from '../wire/shape.ts'
import { namesIn, readResourceId } from './azure-resource.ts'
import { connectionOf } from './connections.ts'
import { refuseAttributes } from './delivery-attributes.ts'
import type {
  DeliveryContext,
  Destination,
  DestinationDecoding,
  DestinationEnvironment,
  DestinationSettings,
  DestinationType,
  Verification,
  VerificationRequest,
} from './destination.ts'
import { createHttpDestination } from './http-delivery.ts'
import { resourceOutcomeOf } from './outcome.ts'
import { cannotBeUsed, noConnection, unreachableDestination } from './unreachable.ts'

const type = 'Microsoft.EventGrid/namespaces/topics'
const apiVersion = '2024-06-01'

const resourceIdOf = ({ properties }: DestinationSettings) => properties.resourceId as string

/**
 * Topics of an Event Grid namespace, to which events are published as anyone would.
 *
 * Source: learn.microsoft.com/azure/event-grid/handler-event-grid-namespace-topic;
 * learn.microsoft.com/rest/api/eventgrid/dataplane/publish-cloud-event
 */
export const namespaceTopic: DestinationType = {
  decode,
  deliverySchemas: ['CloudEventSchemaV1_0'],
  takesIdentity: true,
  fullUrl: () => null,
  needsConsent: (live, next) => resourceIdOf(live).toLowerCase() !== resourceIdOf(next).toLowerCase(),
  create,
  verify,
  example: {
    resourceId:
      '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/demo/providers/Microsoft.EventGrid/namespaces/events/topics/orders',
  },
}

function decode(wire: unknown, path: string, { capabilities }: DestinationDecoding): WireObject {
  const from = fields(wire, path)
  refuseAttributes(from, 'NamespaceTopic')
  return { resourceId: readResourceId(from, type, capabilities) }
}

function create(
  settings: DestinationSettings,
  context: DeliveryContext,
  { clock, trustedSender, connections }: DestinationEnvironment,
): Destination {
  const resourceId = resourceIdOf(settings)
  const { url, key } = connectionOf(connections, resourceId) ?? {}
  if (url === undefined) return unreachableDestination(resourceId)
  const [, name = ''] = namesIn(resourceId)
  return createHttpDestination(
    {
      plainParameters: ['api-version'],
      url: `${url}/topics/${encodeURIComponent(name)}:publish?api-version=${apiVersion}`,
      ...{ sender: trustedSender, attributes: [], maxEventsPerBatch: 1, preferredBatchSizeInKilobytes: 64 },
      credential:
        key === undefined ? undefined : { header: 'Authorization', value: () => `SharedAccessKey ${key}` },
      outcomeOf: resourceOutcomeOf,
      farewell: undefined,
    },
    context,
    clock,
  )
}

/** Only publishing is open to a sender's key: whether the topic is there shows with the first event. */
function verify(
  { settings }: VerificationRequest,
  { connections }: DestinationEnvironment,
): Promise<Verification> {
  const resourceId = resourceIdOf(settings)
  const isKnown = connectionOf(connections, resourceId)?.url !== undefined
  return Promise.resolve(
    isKnown ? { kind: 'verified' } : cannotBeUsed(`The topic '${resourceId}'`, noConnection),
  )
}
