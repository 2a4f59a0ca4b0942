import { parsePath } from '../path.ts'
import type { ResourceRef, ResourceRefs } from '../resource-ref.ts'

/** The resource that an id of a plan names; undefined when it names none. Throws as a request for it would. */
export function refOf(id: string, apiVersion: string, refs: ResourceRefs): ResourceRef | undefined {
  const path = parsePath(id.split('/').filter((segment) => segment !== ''))
  if (path.blocks.length === 0) {
    if (path.group === undefined || path.rest.length > 0) return undefined
    return refs.group(path.subscriptionId as string, path.group)
  }
  const target = refs.target(path, apiVersion)
  return target.kind === 'resource' ? target.ref : undefined
}
