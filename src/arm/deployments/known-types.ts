import { RequestError } from '../../base/errors.ts'
import type { Plan } from '../../templates/templates.ts'
import { nothingBehind } from '../generic-resources.ts'
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

/** What a deployment says of its resources besides; one of each type that is stored and no more. */
export interface Diagnostic {
  readonly level: 'Warning'
  readonly code: string
  readonly message: string
  readonly target: string
}

export function diagnosticsOf(plan: Plan, refs: ResourceRefs): readonly Diagnostic[] {
  const found = new Map<string, Diagnostic>()
  for (const { id, apiVersion, nested } of plan.resources) {
    const inner = nested?.preview ? diagnosticsOf(nested.preview, refs) : []
    for (const each of inner) if (!found.has(each.message)) found.set(each.message, each)
    const type = nested || !isHere(id, apiVersion, refs) ? undefined : refs.typeOf(id)
    if (!type?.generic || type.warning === null) continue
    const message = type.warning ?? nothingBehind(type.type)
    if (!found.has(message))
      found.set(message, { level: 'Warning', code: 'NothingRunsBehind', message, target: id })
  }
  return [...found.values()]
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
