import type { Instance } from './instances.ts'
import { isObject, memberOf, type ObjectValue } from './language/value.ts'
import { isDeployment } from './template.ts'

/** What the template says to Resource Manager, as opposed to the resource's own body. */
const notInBody = new Set([
  'type',
  'apiversion',
  'name',
  'scope',
  'existing',
  'condition',
  'copy',
  'dependson',
  'comments',
  'metadata',
  'resources',
  'subscriptionid',
  'resourcegroup',
])

/** The unevaluated body of a resource; of a nested deployment without its template, which is evaluated apart. */
export function bodyOf({ declaration: { body }, type }: Instance): ObjectValue {
  const without = (object: ObjectValue, names: ReadonlySet<string>) =>
    Object.fromEntries(Object.entries(object).filter(([name]) => !names.has(name.toLowerCase())))
  const own = without(body, notInBody)
  const properties = memberOf(own, 'properties')
  if (!isDeployment(type) || !isObject(properties)) return own
  return { ...without(own, new Set(['properties'])), properties: without(properties, new Set(['template'])) }
}
