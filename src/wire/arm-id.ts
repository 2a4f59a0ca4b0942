/** True for the ARM id of a resource of that type in a resource group, in any letter case. */
export function isResourceId(value: string, type: string): boolean {
  const [namespace, ...kinds] = type.split('/')
  const names = kinds.map((kind) => `/${kind}/[^/]+`).join('')
  const pattern = `^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/${namespace}${names}$`
  return new RegExp(pattern, 'i').test(value)
}
