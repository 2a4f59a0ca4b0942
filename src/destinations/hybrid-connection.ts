import type { Clock } from '../base/clock.ts'
import { fields, type WireObject } from '../wire/shape.ts'
import { namesIn, readResourceId } from './azure-resource.ts'
import { decodeConnectionString, type SharedAccess } from './connection-string.ts'
import { type Connections, connectionOf } from './connections.ts'
import { attributesOf, decodeAttributes } from './delivery-attributes.ts'
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
import { type Credential, createHttpDestination } from './http-delivery.ts'
import { resourceOutcomeOf } from './outcome.ts'
import { sharedAccessSignature } from './shared-access-signature.ts'
import { cannotBeUsed, noConnection, unreachableDestination } from './unreachable.ts'

const type = 'Microsoft.Relay/namespaces/hybridConnections'

interface HybridConnectionProperties {
  readonly resourceId: string
  readonly deliveryAttributeMappings: unknown
}

/**
 * Hybrid connections of Azure Relay: an HTTP request that the relay hands to whoever listens behind it, whose status
 * is the answer.
 *
 * Source: learn.microsoft.com/azure/event-grid/handler-relay-hybrid-connections;
 * learn.microsoft.com/azure/azure-relay/relay-hybrid-connections-protocol, "HTTP request protocol"
 */
export const hybridConnection: DestinationType = {
  decode,
  deliverySchemas: undefined,
  fullUrl: () => null,
  needsConsent: (live, next) =>
    propertiesOf(live).resourceId.toLowerCase() !== propertiesOf(next).resourceId.toLowerCase(),
  create,
  verify,
  example: {
    resourceId:
      '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/demo/providers/Microsoft.Relay/namespaces/relay/hybridConnections/orders',
    deliveryAttributeMappings: [{ name: 'x-tenant', type: 'Static', properties: { value: 'contoso' } }],
  },
}

function decode(
  wire: unknown,
  path: string,
  { secrets, before, capabilities }: DestinationDecoding,
): WireObject {
  const from = fields(wire, path)
  return {
    resourceId: readResourceId(from, type, capabilities),
    deliveryAttributeMappings: decodeAttributes(
      from,
      secrets,
      before?.secrets ?? {},
      'a hybrid connection, whose connection authorizes',
    ),
  }
}

const propertiesOf = ({ properties }: DestinationSettings) =>
  properties as unknown as HybridConnectionProperties

function create(
  settings: DestinationSettings,
  context: DeliveryContext,
  { clock, trustedSender, connections }: DestinationEnvironment,
): Destination {
  const { resourceId, deliveryAttributeMappings } = propertiesOf(settings)
  const relay = relayOf(resourceId, connections)
  if (typeof relay === 'string') return unreachableDestination(resourceId, relay)
  return createHttpDestination(
    {
      url: relay.url,
      sender: trustedSender,
      attributes: attributesOf(deliveryAttributeMappings, settings.secrets),
      ...{ maxEventsPerBatch: 1, preferredBatchSizeInKilobytes: 64 },
      credential: createCredential(relay, clock),
      outcomeOf: resourceOutcomeOf,
      farewell: undefined,
    },
    context,
    clock,
  )
}

/** A request to the relay itself would reach the listener: whether one is there shows with the first event. */
function verify(
  { settings }: VerificationRequest,
  { connections }: DestinationEnvironment,
): Promise<Verification> {
  const { resourceId } = propertiesOf(settings)
  const relay = relayOf(resourceId, connections)
  return Promise.resolve(
    typeof relay === 'string'
      ? cannotBeUsed(`The hybrid connection '${resourceId}'`, relay)
      : { kind: 'verified' },
  )
}

interface Relay {
  readonly url: string
  /** What signatures are for: the address without port, as every client of the service writes it. */
  readonly resource: string
  readonly access: SharedAccess
}

/** Text says why there is none. */
function relayOf(resourceId: string, connections: Connections): Relay | string {
  const text = connectionOf(connections, resourceId)?.connectionString
  if (text === undefined) return noConnection
  const access = decodeConnectionString(text)
  if (typeof access === 'string') return `Its connectionString ${access}.`
  const [, name = ''] = namesIn(resourceId)
  if (access.entityPath !== undefined && access.entityPath.toLowerCase() !== name.toLowerCase())
    return `Its connectionString is for the hybrid connection '${access.entityPath}'.`
  const host = access.host.includes(':') ? `[${access.host}]` : access.host
  const port = access.port === undefined ? '' : `:${access.port}`
  const path = encodeURIComponent(name)
  return {
    url: `${access.emulator ? 'http' : 'https'}://${host}${port}/${path}`,
    resource: `http://${host}/${path}`,
    access,
  }
}

const validMs = 60 * 60_000
/** Time that a signature still has at least when it is sent. */
const leastValidMs = 5 * 60_000

/** One signature serves the requests of most of an hour. */
function createCredential({ resource, access }: Relay, clock: Clock): Credential {
  let value = ''
  let expiresAt = 0
  return {
    header: 'ServiceBusAuthorization',
    value() {
      const now = clock.now()
      if (now + leastValidMs >= expiresAt) {
        expiresAt = now + validMs
        value = sharedAccessSignature(resource, access, expiresAt)
      }
      return value
    },
  }
}
