import type { DestinationSettings } from '../../destinations/destination.ts'
import { destinationType, destinationTypes } from '../../destinations/index.ts'
import type { DeliverySchema } from '../../event/event.ts'
import { invalidProperty, invalidRequest, notSupported } from '../../wire/errors.ts'
import { type Fields, readEnum, readObject, type WireObject } from '../../wire/shape.ts'
import type { DecodeContext, Identity } from '../resource-type.ts'
import { decodeResourceIdentity, type ResourceIdentity } from './resource-identity.ts'

/** Where events are delivered to. One of the two is null: with an identity, the destination is in there. */
export interface Delivery {
  readonly destination: StoredDestination | null
  readonly deliveryWithResourceIdentity: {
    readonly identity: ResourceIdentity
    readonly destination: StoredDestination
  } | null
}

export interface StoredDestination {
  readonly endpointType: string
  readonly properties: WireObject
}

const endpointTypes = [
  'WebHook',
  'EventHub',
  'StorageQueue',
  'HybridConnection',
  'ServiceBusQueue',
  'ServiceBusTopic',
  'AzureFunction',
  'MonitorAlert',
  'NamespaceTopic',
  'PartnerDestination',
] as const

/**
 * Exactly one of two members says where to deliver to.
 *
 * @param owned what the event subscription stands on has; @param known the destination as it is
 */
export function decodeDelivery(
  from: Fields,
  secrets: Record<string, string>,
  context: DecodeContext,
  owned: Identity | undefined,
  known: DestinationSettings | undefined,
): Delivery {
  const withIdentity = readObject(from, 'deliveryWithResourceIdentity')
  if (!withIdentity)
    return {
      destination: decodeDestination(from, secrets, context, known),
      deliveryWithResourceIdentity: null,
    }
  if (from.raw('destination') !== undefined)
    throw invalidRequest(
      `Only one of '${from.at('destination')}' and '${from.at('deliveryWithResourceIdentity')}' may be given.`,
      from.at('destination'),
    )
  const destination = decodeDestination(withIdentity, secrets, context, known)
  const { endpointType } = destination
  if (destinationType(destination).takesIdentity !== true)
    throw invalidRequest(
      `A destination of type ${endpointType} takes no managed identity; these do: ` +
        `${Object.keys(destinationTypes)
          .filter((name) => destinationTypes[name]?.takesIdentity)
          .join(', ')}.`,
      withIdentity.at('destination.endpointType'),
    )
  const identity = decodeResourceIdentity(withIdentity, owned)
  return { destination: null, deliveryWithResourceIdentity: { identity, destination } }
}

/** Not every destination type carries every delivery schema. */
export function refuseForeignSchema(from: Fields, delivery: Delivery, schema: DeliverySchema): void {
  const destination = destinationIn(delivery)
  const carried = destinationType(destination).deliverySchemas
  if (!carried || carried.includes(schema)) return
  throw invalidRequest(
    `Invalid event subscription request: a destination of type ${destination.endpointType} takes events in ` +
      `${carried.join(', ')}, not in the event delivery schema '${schema}'.`,
    from.at('eventDeliverySchema'),
  )
}

function decodeDestination(
  from: Fields,
  secrets: Record<string, string>,
  { patching, capabilities }: DecodeContext,
  known: DestinationSettings | undefined,
): StoredDestination {
  const destination = readObject(from, 'destination')
  if (!destination)
    throw invalidProperty(from.at('destination'), 'an object with endpointType and properties', undefined)
  const endpointType = readEnum(destination, 'endpointType', endpointTypes)
  if (endpointType === undefined)
    throw invalidProperty(destination.at('endpointType'), `one of ${endpointTypes.join(', ')}`, undefined)
  const type = destinationTypes[endpointType]
  if (!type)
    throw notSupported(
      destination.at('endpointType'),
      `The destination type '${endpointType}'`,
      `Supported: '${Object.keys(destinationTypes).join("', '")}'.`,
    )
  const properties = type.decode(destination.raw('properties') ?? {}, destination.at('properties'), {
    secrets,
    before: known?.endpointType === endpointType ? known : undefined,
    patching,
    capabilities,
  })
  return { endpointType, properties }
}

/** Stored before there was delivery with an identity, an event subscription has no such member. */
export const destinationIn = ({ destination, deliveryWithResourceIdentity }: Delivery) =>
  destination ??
  (deliveryWithResourceIdentity as NonNullable<typeof deliveryWithResourceIdentity>).destination
