import { RequestError } from '../base/errors.ts'
import { encodeDelivery } from '../event/encode.ts'
import type { GridEvent } from '../event/event.ts'
import { createNamespaceDecoder } from '../event/schemas/cloud-event.ts'
import { fields, type WireObject } from '../wire/shape.ts'
import { namesIn, readResourceId } from './azure-resource.ts'
import { type Connections, connectionOf } from './connections.ts'
import { refuseAttributes } from './delivery-attributes.ts'
import type {
  Delivery,
  DeliveryContext,
  Destination,
  DestinationDecoding,
  DestinationEnvironment,
  DestinationSettings,
  DestinationType,
  Outcome,
  Verification,
  VerificationRequest,
} from './destination.ts'
import { createHttpDestination } from './http-delivery.ts'
import { hopeless, resourceOutcomeOf, retry } from './outcome.ts'
import { cannotBeUsed, noConnection, unreachableDestination } from './unreachable.ts'

const type = 'Microsoft.EventGrid/namespaces/topics'
const apiVersion = '2024-06-01'

const resourceIdOf = ({ properties }: DestinationSettings) => properties.resourceId as string

/**
 * Topics of an Event Grid namespace. Those of this server get their events at once; to any other they are published as
 * anyone would.
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
  // One that is here needs no connection.
  const hasConnection = (id: string) =>
    capabilities.isNamespaceTopic?.(id) === true || capabilities.hasConnection(id)
  return { resourceId: readResourceId(from, type, { ...capabilities, hasConnection }) }
}

function create(
  settings: DestinationSettings,
  context: DeliveryContext,
  environment: DestinationEnvironment,
): Destination {
  const resourceId = resourceIdOf(settings)
  const elsewhere = createElsewhere(resourceId, context, environment)
  return {
    ...elsewhere,
    deliver: (deliveries, signal) => {
      const accept = environment.namespaceTopic(resourceId)
      return accept ? deliverHere(accept, deliveries, context) : elsewhere.deliver(deliveries, signal)
    },
  }
}

/** What was accepted once is within the limits of its own topic, or was; with what was stamped on it may be more. */
const noLimits = { events: Number.POSITIVE_INFINITY, eventBytes: Number.POSITIVE_INFINITY, nesting: 1_100 }
const decodeBatch = createNamespaceDecoder(noLimits, false)

/** What was accepted once is accepted again, whatever was stamped on it. */
async function deliverHere(
  accept: (events: readonly GridEvent[]) => Promise<void>,
  deliveries: readonly Delivery[],
  { deliverySchema: schema, topicId }: DeliveryContext,
): Promise<Outcome> {
  const stored = deliveries.map(({ event }) => event)
  const { body } = encodeDelivery(stored, { schema, batched: true, topicId })
  try {
    await accept(decodeBatch({ body, contentType: batchType, rawHeaders: [] }))
    return { kind: 'delivered', status: undefined }
  } catch (error) {
    if (error instanceof RequestError) return hopeless('BadRequest', error.message)
    return retry('Busy', (error as Error).message)
  }
}

const batchType = 'application/cloudevents-batch+json'

function createElsewhere(
  resourceId: string,
  context: DeliveryContext,
  { clock, trustedSender, connections }: DestinationEnvironment,
): Destination {
  const topic = topicOf(resourceId, connections)
  if (!topic) return unreachableDestination(resourceId)
  return createHttpDestination(
    {
      plainParameters: ['api-version'],
      url: topic.url,
      ...{ sender: trustedSender, attributes: [], maxEventsPerBatch: 1, preferredBatchSizeInKilobytes: 64 },
      credential:
        topic.key === undefined ? undefined : { header: 'Authorization', value: () => proofOf(topic) },
      outcomeOf: resourceOutcomeOf,
      farewell: undefined,
    },
    context,
    clock,
  )
}

/** A request without an event publishes none, and still finds out whether the topic is there and the key is good. */
async function verify(
  { settings }: VerificationRequest,
  { clock, trustedSender, connections, namespaceTopic: find }: DestinationEnvironment,
  signal: AbortSignal,
): Promise<Verification> {
  const resourceId = resourceIdOf(settings)
  if (find(resourceId)) return { kind: 'verified' }
  const name = `The topic '${resourceId}'`
  const topic = topicOf(resourceId, connections)
  if (!topic) return cannotBeUsed(name, noConnection)
  const { origin, pathname, search } = new URL(topic.url)
  const headers = ['User-Agent', 'Busbar', 'Content-Type', contentType]
  if (topic.key !== undefined) headers.push('Authorization', proofOf(topic))
  const channel = trustedSender.open(origin)
  try {
    const answer = await channel.send(
      { method: 'POST', path: pathname + search, headers, body: Buffer.alloc(0) },
      { bytes: 0, onlyFailures: true },
      signal,
    )
    const outcome = resourceOutcomeOf(answer, clock.now())
    return outcome.kind !== 'delivered' && (answer.kind !== 'response' || telling.has(answer.status))
      ? cannotBeUsed(name, `${outcome.error}.`, outcome.name)
      : { kind: 'verified' }
  } finally {
    await channel.close()
  }
}

const contentType = 'application/cloudevents+json; charset=utf-8'

/** Statuses that speak of the topic or the key; any other is about the empty request. */
const telling = new Set([401, 403, 404])

interface Topic {
  readonly url: string
  readonly key: string | undefined
}

function topicOf(resourceId: string, connections: Connections): Topic | undefined {
  const { url, key } = connectionOf(connections, resourceId) ?? {}
  if (url === undefined) return undefined
  const [, name = ''] = namesIn(resourceId)
  return { url: `${url}/topics/${encodeURIComponent(name)}:publish?api-version=${apiVersion}`, key }
}

const proofOf = ({ key }: Topic) => `SharedAccessKey ${key}`
