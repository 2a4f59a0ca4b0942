import type { Destination, OutcomeName, Verification } from './destination.ts'
import { missingMinimumMs, retry } from './outcome.ts'

export const noConnection = 'No connection is configured for it.'

/** @param resource such as `The queue 'orders'` */
export const cannotBeUsed = (
  resource: string,
  why: string,
  code: OutcomeName = 'NotFound',
): Extract<Verification, { kind: 'refused' }> => ({
  kind: 'refused',
  code,
  message: `${resource} cannot be used. ${why}`,
})

/**
 * Stands for a resource that the configuration does not say how to reach any more. Its events wait: the connection
 * may come back with the next start.
 */
export function unreachableDestination(resourceId: string, why = noConnection): Destination {
  const outcome = retry('NotFound', `${resourceId} cannot be reached. ${why}`, missingMinimumMs)
  return {
    maxEvents: 1,
    preferredBytes: Number.POSITIVE_INFINITY,
    origin: resourceId,
    deliver: () => Promise.resolve(outcome),
    announceDeletion: () => Promise.resolve(),
    close: () => Promise.resolve(),
  }
}
