import { resourceTypes } from '../resources/index.ts'
import type { ResourceType } from '../resources/resource-type.ts'

/**
 * Where the shelf's examples live, below the default subscription: one path for each type, its parents made of their own
 * examples.
 */
export function examplePath(type: ResourceType): string {
  const [groups] = resourceTypes.filter(({ scope }) => scope === 'subscription')
  const { name } = type.example
  if (type === groups) return `/resourceGroups/${name}`
  if (type.scope === 'child') {
    const end = type.type.lastIndexOf('/')
    const { within } = type
    const above = type.type.slice(0, end).replace(within ? `/${within.word}` : '', '')
    const parent = resourceTypes.find((each) => each.type === above) as ResourceType
    const between = within ? `/${within.word}/${within.name}` : ''
    return `${examplePath(parent)}${between}${type.type.slice(end)}/${name}`
  }
  // What stands on nothing but a subscription.
  if (type.extension?.refuses({ type: 'Microsoft.Resources/resourceGroups', id: '' }))
    return `/providers/${type.type}/${name}`
  const parent = type.extension ? (type.childForms[0] ?? '').replace(/\/\w+$/, '') : groups?.type
  const found = resourceTypes.find((each) => each.type === parent) ?? groups
  return `${examplePath(found as ResourceType)}/providers/${type.type}/${name}`
}
