import { RequestError } from '../../base/errors.ts'
import type { Plan } from '../../templates/templates.ts'
import type { ResourceRefs } from '../resource-ref.ts'
import { typesNotHere } from './errors.ts'
import { refOf } from './ref-of.ts'

/** Throws when the plan has resources of types that are not here, with the names of these types. */
export function checkTypes(deployment: string, plan: Plan, refs: ResourceRefs): void {
  const missing = new Set<string>()
  for (const { id, type, apiVersion, nested } of plan.resources)
    if (!nested && !isHere(id, apiVersion, refs)) missing.add(type)
  if (missing.size > 0) throw typesNotHere(deployment, [...missing])
}

/** Whether there is such a resource, a group included; what else is wrong with the id, its write will say. */
function isHere(id: string, apiVersion: string, refs: ResourceRefs): boolean {
  try {
    return refOf(id, apiVersion, refs) !== undefined
  } catch (error) {
    if (error instanceof RequestError) return !/^InvalidResource(Type|Namespace)$/.test(error.code)
    throw error
  }
}
