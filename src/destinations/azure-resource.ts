import { isResourceId } from '../wire/arm-id.ts'
import { invalidProperty, invalidRequest } from '../wire/errors.ts'
import { type Fields, readString } from '../wire/shape.ts'
import { connectionAdvice } from './connections.ts'
import type { DestinationCapabilities } from './destination.ts'

export const resourceIdCharacters = 1024

/**
 * `resourceId` of a destination: the ARM id of a resource of that type, which the configuration says how to reach.
 *
 * @param type such as `Microsoft.ServiceBus/namespaces/queues`
 * @param connectionType of the resource that has the connection, where the destination's own cannot have one
 */
export function readResourceId(
  from: Fields,
  type: string,
  capabilities: DestinationCapabilities,
  connectionType = type,
): string {
  const at = from.at('resourceId')
  const resourceId = readString(from, 'resourceId', resourceIdCharacters)
  if (resourceId === undefined || !isResourceId(resourceId, type))
    throw invalidProperty(at, `the ARM id of a resource of type ${type}`, resourceId)
  if (!capabilities.hasConnection(resourceId))
    throw invalidRequest(
      `How '${resourceId}' is reached is not known. ${connectionAdvice(connectionType)} or that of the ` +
        `resource that it lives in.`,
      at,
    )
  return resourceId
}

/** The names in an ARM id after its provider, outermost first: `['namespace', 'queue']`. */
export function namesIn(resourceId: string): readonly string[] {
  const [, names = ''] = /\/providers\/[^/]+\/(.*)$/i.exec(resourceId) ?? []
  return names.split('/').filter((_, index) => index % 2 === 1)
}
