import { resourceKey, type StoredCatalog } from '../../catalog/stored-catalog.ts'
import type { ObjectValue } from '../../templates/language/value.ts'
import type { Plan } from '../../templates/templates.ts'
import { typeOfId } from '../../wire/arm-id.ts'
import { type CallContext, managerVersion, type ResourceCalls } from './resource-calls.ts'

/**
 * The resources of a group that a template omits, those of the templates within it counted as its own. What Busbar
 * makes and deletes by itself, such as the system topic of an event subscription, is nobody's to omit.
 *
 * Source: learn.microsoft.com/azure/azure-resource-manager/templates/deployment-modes, "Complete mode"
 */
export async function omittedResources(
  groupId: string,
  plan: Plan,
  {
    calls,
    catalog,
    context,
  }: { readonly calls: ResourceCalls; readonly catalog: StoredCatalog; readonly context: CallContext },
): Promise<readonly ObjectValue[]> {
  const named = new Set(idsOf(plan).map(resourceKey))
  const there = await calls.list(`${groupId}/resources`, managerVersion, context)
  return there.filter(({ id, type }) => {
    if (typeof id !== 'string' || typeof type !== 'string') return false
    const isAutomatic = catalog.find(type, id)?.resource.automatic === true
    return !isAutomatic && typeOfId(id) !== undefined && !named.has(resourceKey(id))
  })
}

/** Ids of all resources of a plan and of the plans within it, as far as these are known beforehand. */
export const idsOf = (plan: Plan): readonly string[] =>
  plan.resources.flatMap(({ id, nested }) => [id, ...(nested?.preview ? idsOf(nested.preview) : [])])
