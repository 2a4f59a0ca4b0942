import { isResourceId } from '../../wire/arm-id.ts'
import { invalidProperty, invalidRequest } from '../../wire/errors.ts'
import { type Fields, fields, readEnum, readObject, readString } from '../../wire/shape.ts'
import type { DecodeContext, Identity } from '../resource-type.ts'
import { decodeResourceIdentity, type ResourceIdentity } from './resource-identity.ts'

/** A container for the events that are given up. */
export interface DeadLetterDestination {
  readonly endpointType: 'StorageBlob'
  readonly properties: { readonly resourceId: string; readonly blobContainerName: string }
}

/** Where events go that are given up: nowhere, where both are null; with an identity, the container is in there. */
export interface DeadLettering {
  readonly deadLetterDestination: DeadLetterDestination | null
  readonly deadLetterWithResourceIdentity: {
    readonly identity: ResourceIdentity
    readonly deadLetterDestination: DeadLetterDestination
  } | null
}

const idCharacters = 1024

/**
 * At most one of two members says where the events go that are given up. The configured connection of the storage
 * account is what proves who writes there; an identity says whether the topic may.
 *
 * Source: learn.microsoft.com/azure/event-grid/manage-event-delivery; managed-service-identity
 *
 * @param owned what the event subscription stands on has
 */
export function decodeDeadLettering(
  from: Fields,
  context: DecodeContext,
  owned: Identity | undefined,
): DeadLettering {
  const withIdentity = readObject(from, 'deadLetterWithResourceIdentity')
  const destination = readObject(from, 'deadLetterDestination')
  if (!withIdentity)
    return {
      deadLetterDestination: destination ? decodeContainer(destination, context) : null,
      deadLetterWithResourceIdentity: null,
    }
  if (destination)
    throw invalidRequest(
      `Only one of '${from.at('deadLetterDestination')}' and '${from.at('deadLetterWithResourceIdentity')}' may be given.`,
      from.at('deadLetterDestination'),
    )
  const within = readObject(withIdentity, 'deadLetterDestination')
  if (!within)
    throw invalidProperty(
      withIdentity.at('deadLetterDestination'),
      'an object with endpointType and properties',
      undefined,
    )
  const deadLetterDestination = decodeContainer(within, context)
  const identity = decodeResourceIdentity(withIdentity, owned)
  return { deadLetterDestination: null, deadLetterWithResourceIdentity: { identity, deadLetterDestination } }
}

/** The container, whichever way it is reached; undefined where there is none. */
export const deadLetterDestinationIn = (
  // What was stored by an earlier version lacks the second.
  { deadLetterDestination, deadLetterWithResourceIdentity }: Partial<DeadLettering>,
): DeadLetterDestination | undefined =>
  deadLetterWithResourceIdentity?.deadLetterDestination ?? deadLetterDestination ?? undefined

export function decodeContainer(from: Fields, { capabilities }: DecodeContext): DeadLetterDestination {
  const endpointType = readEnum(from, 'endpointType', ['StorageBlob'])
  if (endpointType === undefined) throw invalidProperty(from.at('endpointType'), 'StorageBlob', undefined)
  const properties = fields(from.raw('properties') ?? {}, from.at('properties'))
  const resourceId = readString(properties, 'resourceId', idCharacters) ?? ''
  const at = properties.at('resourceId')
  if (!isResourceId(resourceId, 'Microsoft.Storage/storageAccounts'))
    throw invalidProperty(at, 'the ARM id of a storage account', resourceId)
  const blobContainerName = readString(properties, 'blobContainerName', 63) ?? ''
  if (!/^(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/.test(blobContainerName))
    throw invalidProperty(
      properties.at('blobContainerName'),
      'a container name: 3 to 63 lower-case letters, digits and single hyphens',
      blobContainerName,
    )
  if (!capabilities.hasConnection(resourceId))
    throw invalidRequest(
      `The storage account '${resourceId}' is not known. Give its connection string under the configuration key 'connections', with this id as its name.`,
      at,
    )
  return { endpointType, properties: { resourceId, blobContainerName } }
}
