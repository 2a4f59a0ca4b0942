import { resourceKey, type StoredCatalog, type VersionedResource } from '../catalog/stored-catalog.ts'
import type { RoleAssignmentProperties } from '../resources/role-assignments.ts'
import { roleAssignments } from '../resources/role-assignments.ts'
import { type RoleDefinition, roleDefinitions } from '../resources/role-definitions.ts'
import { gatewayError } from './errors.ts'

/*
 * Role definitions, which are the same everywhere, and which role assignments concern a scope.
 *
 * Source: learn.microsoft.com/rest/api/authorization/role-definitions/list, .../role-assignments/list-for-scope
 */

/** @param scope of the id that is shown: a subscription's, or '' at tenant level */
export function encodeRoleDefinition(
  { name, roleName, description, actions, notActions, dataActions }: RoleDefinition,
  scope: string,
): Record<string, unknown> {
  return {
    properties: {
      roleName,
      type: 'BuiltInRole',
      description,
      assignableScopes: ['/'],
      permissions: [{ actions, notActions, dataActions, notDataActions: [] }],
    },
    id: `${scope}/providers/Microsoft.Authorization/roleDefinitions/${name}`,
    type: 'Microsoft.Authorization/roleDefinitions',
    name,
  }
}

/** @param filter such as `roleName eq 'Owner'` */
export function listRoleDefinitions(filter: string | undefined): readonly RoleDefinition[] {
  const terms = termsOf(filter, ['atscope', 'atscopeandbelow'], ['rolename', 'type'])
  return roleDefinitions.filter((definition) =>
    terms.every(({ name, value }) => {
      if (name === 'rolename') return definition.roleName.toLowerCase() === value
      return name !== 'type' || value === 'builtinrole'
    }),
  )
}

/** Which role assignments a list over a scope holds, in the order of their keys, after the key `after`. */
export function roleAssignmentsFor(
  catalog: StoredCatalog,
  scope: string,
  filter: string | undefined,
): (after: string | undefined) => Iterable<VersionedResource> {
  const terms = termsOf(filter, ['atscope'], ['principalid', 'assignedto'])
  const isAtScope = terms.some(({ name }) => name === 'atscope')
  const principals = terms.filter(({ name }) => name !== 'atscope')
  const { type } = roleAssignments
  const isMeant = ({ resource }: VersionedResource) => {
    const { principalId } = resource.properties as unknown as RoleAssignmentProperties
    return principals.every(({ value }) => value === principalId)
  }
  // Keys of what stands above come before keys of what stands on the scope, and those before keys below it.
  const prefixes = [
    ...scopesAbove(scope).map((above) => `${above}/providers/${type}/`),
    isAtScope ? `${scope}/providers/${type}/` : `${scope}/`,
  ]
  return function* (after) {
    for (const prefix of prefixes)
      for (const found of catalog.below(type, resourceKey(prefix), after)) if (isMeant(found)) yield found
  }
}

/** The outermost first. */
function scopesAbove(scope: string): readonly string[] {
  const above: string[] = []
  for (let at = scope.indexOf('/', 1); at > 0; at = scope.indexOf('/', at + 1)) above.push(scope.slice(0, at))
  return above
}

interface Term {
  readonly name: string
  /** In lower case. */
  readonly value: string | undefined
}

const filterCharacters = 4096

/** Reads `name()`, `name('value')` and `name eq 'value'`, joined by `and`. */
function termsOf(
  filter: string | undefined,
  bare: readonly string[],
  valued: readonly string[],
): readonly Term[] {
  if (filter === undefined || filter.trim() === '') return []
  if (filter.length > filterCharacters) throw invalidFilter('it is too long')
  return filter.split(/\s+and\s+/i).map((part) => {
    const [, name = '', call, equal] =
      /^\s*(\w+)(?:\(\s*(?:'([^']*)')?\s*\)|\s+eq\s+'([^']*)')\s*$/.exec(part) ?? []
    const lower = name.toLowerCase()
    const value = (call ?? equal)?.toLowerCase()
    if (!(value === undefined ? bare : valued).includes(lower))
      throw invalidFilter(
        `'${part.trim().slice(0, 80)}' is not one of ${[...bare.map((word) => `${word}()`), ...valued].join(', ')}`,
      )
    return { name: lower, value }
  })
}

const invalidFilter = (why: string) =>
  gatewayError(400, 'InvalidFilterInQueryString', `Invalid $filter in the query string: ${why}.`)
