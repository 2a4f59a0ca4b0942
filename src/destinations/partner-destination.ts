import { isResourceId } from '../wire/arm-id.ts'
import { invalidProperty } from '../wire/errors.ts'
import { fields, readString, type WireObject } from '../wire/shape.ts'
import { resourceIdCharacters } from './azure-resource.ts'
import { refuseAttributes } from './delivery-attributes.ts'
import type {
  DeliveryContext,
  Destination,
  DestinationDecoding,
  DestinationEnvironment,
  DestinationSettings,
  DestinationType,
  PartnerDestinationFacts,
  Verification,
  VerificationRequest,
} from './destination.ts'
import { createHttpDestination } from './http-delivery.ts'
import { missingMinimumMs, outcomeOf, retry } from './outcome.ts'
import { cannotBeUsed } from './unreachable.ts'
import { webhookCredential } from './webhook.ts'

const type = 'Microsoft.EventGrid/partnerDestinations'

const resourceIdOf = ({ properties }: DestinationSettings) => properties.resourceId as string

/**
 * The endpoint of a partner, as its partner destination names it. Whoever owns that activates it first.
 *
 * Source: learn.microsoft.com/azure/event-grid/deliver-events-to-partner-destinations
 */
export const partnerDestination: DestinationType = {
  decode,
  deliverySchemas: ['CloudEventSchemaV1_0'],
  fullUrl: () => null,
  needsConsent: (live, next) => resourceIdOf(live).toLowerCase() !== resourceIdOf(next).toLowerCase(),
  create,
  verify,
  example: {
    resourceId:
      '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/demo/providers/Microsoft.EventGrid/partnerDestinations/contoso',
  },
}

function decode(wire: unknown, path: string, _decoding: DestinationDecoding): WireObject {
  const from = fields(wire, path)
  refuseAttributes(from, 'PartnerDestination')
  const resourceId = readString(from, 'resourceId', resourceIdCharacters)
  if (resourceId === undefined || !isResourceId(resourceId, type))
    throw invalidProperty(from.at('resourceId'), `the ARM id of a resource of type ${type}`, resourceId)
  return { resourceId }
}

/** Looks the partner destination up with each attempt, as it may be changed, deactivated or deleted at any time. */
function create(
  settings: DestinationSettings,
  context: DeliveryContext,
  environment: DestinationEnvironment,
): Destination {
  const resourceId = resourceIdOf(settings)
  let facts: PartnerDestinationFacts | undefined
  let endpoint: Destination | undefined
  /** Ends as soon as what is under way there has ended. */
  const leaving = new Set<Promise<void>>()
  const leave = (last: Destination) => {
    const left = last.close().finally(() => leaving.delete(left))
    leaving.add(left)
  }
  const endpointOf = (next: PartnerDestinationFacts): Destination => {
    if (endpoint && facts && isSame(facts, next)) return endpoint
    if (endpoint) leave(endpoint)
    facts = next
    endpoint = createEndpoint(next, context, environment)
    return endpoint
  }
  return {
    maxEvents: 1,
    preferredBytes: Number.POSITIVE_INFINITY,
    origin: resourceId,
    deliver(deliveries, signal) {
      const found = environment.partnerDestination(resourceId)
      if (!found) return Promise.resolve(retry('NotFound', `There is no ${resourceId}.`, missingMinimumMs))
      if (!found.activated)
        return Promise.resolve(retry('Disabled', `${resourceId} is not activated.`, missingMinimumMs))
      return endpointOf(found).deliver(deliveries, signal)
    },
    announceDeletion: () => Promise.resolve(),
    async close() {
      await Promise.all([...leaving, endpoint?.close()])
    },
  }
}

function createEndpoint(
  facts: PartnerDestinationFacts,
  context: DeliveryContext,
  environment: DestinationEnvironment,
): Destination {
  const { azureActiveDirectoryTenantId: tenantId, azureActiveDirectoryApplicationIdOrUri: application } =
    facts
  const entra = tenantId && application ? { tenantId, applicationIdOrUri: application } : undefined
  return createHttpDestination(
    {
      ...{ url: facts.endpointUrl, sender: environment.sender, attributes: [] },
      ...{ maxEventsPerBatch: 1, preferredBatchSizeInKilobytes: 64 },
      credential: webhookCredential({ entra }, environment),
      outcomeOf,
      farewell: undefined,
    },
    context,
    environment.clock,
  )
}

const isSame = (a: PartnerDestinationFacts, b: PartnerDestinationFacts) =>
  a.endpointUrl === b.endpointUrl &&
  a.azureActiveDirectoryTenantId === b.azureActiveDirectoryTenantId &&
  a.azureActiveDirectoryApplicationIdOrUri === b.azureActiveDirectoryApplicationIdOrUri

function verify(
  { settings }: VerificationRequest,
  { partnerDestination: find }: DestinationEnvironment,
): Promise<Verification> {
  const resourceId = resourceIdOf(settings)
  const found = find(resourceId)
  if (found?.activated) return Promise.resolve({ kind: 'verified' })
  const name = `The partner destination '${resourceId}'`
  return Promise.resolve(
    found
      ? cannotBeUsed(name, 'It is not activated.', 'Disabled')
      : cannotBeUsed(name, 'There is no such resource.'),
  )
}
