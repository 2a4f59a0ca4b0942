import { resourceKey, type StoredCatalog, type VersionedResource } from '../catalog/stored-catalog.ts'
import {
  type CustomRoleProperties,
  customRoleOf,
  customRoles,
  isAssignable,
} from '../resources/custom-roles.ts'
import type { StoredResource } from '../resources/resource-type.ts'
import type { RoleAssignmentProperties } from '../resources/role-assignments.ts'
import { roleAssignments } from '../resources/role-assignments.ts'
import { type RoleDefinition, roleDefinitionOf, roleDefinitions } from '../resources/role-definitions.ts'
import { encodeResource } from './envelope.ts'
import { gatewayError } from './errors.ts'

/*
 * Role definitions, which are the same at every scope, and which role assignments concern a scope.
 *
 * Source: learn.microsoft.com/rest/api/authorization/role-definitions/list, .../role-assignments/list-for-scope
 */

/** @param scope of the id that is shown: a subscription's, or '' at tenant level */
function encodeBuiltIn(
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

/** A role of either kind by its guid, as it is seen from a scope; undefined: there is none. */
export function roleDefinitionAt(catalog: StoredCatalog, name: string, scope: RoleScope): unknown {
  const id = `/providers/${customRoles.type}/${name}`
  const builtIn = roleDefinitionOf(id)
  if (builtIn) return encodeBuiltIn(builtIn, scope.printed)
  const custom = customRoleOf(id, catalog.stored)
  return custom && isSeenFrom(custom, scope) ? encodeCustom(custom, scope.printed) : undefined
}

export interface RoleScope {
  /** Canonical; '' at tenant level. */
  readonly id: string
  /** What ids of definitions begin with there: a subscription's id, or ''. */
  readonly printed: string
  /** Whether the caller may read the definitions on a scope: at tenant level nobody has asked yet. */
  readonly isReadable: (scope: string) => boolean
}

/** @param filter such as `roleName eq 'Owner'` */
export function listRoleDefinitions(
  catalog: StoredCatalog,
  filter: string | undefined,
  scope: RoleScope,
): readonly unknown[] {
  const terms = termsOf(filter, ['atscope', 'atscopeandbelow'], ['rolename', 'type'])
  const isMeant = (roleName: string, kind: string) =>
    terms.every(({ name, value }) => {
      if (name === 'rolename') return roleName.toLowerCase() === value
      return name !== 'type' || value === kind
    })
  const custom = [...catalog.stored.below(customRoles.type, '')].filter(
    (each) => isSeenFrom(each, scope) && isMeant(nameOf(each), 'customrole'),
  )
  return [
    ...roleDefinitions
      .filter(({ roleName }) => isMeant(roleName, 'builtinrole'))
      .map((each) => encodeBuiltIn(each, scope.printed)),
    ...custom.map((each) => encodeCustom(each, scope.printed)),
  ]
}

const nameOf = ({ properties }: StoredResource) => (properties as unknown as CustomRoleProperties).roleName

/** A custom role is seen where it may be assigned, and from above. */
function isSeenFrom(role: StoredResource, { id, isReadable }: RoleScope): boolean {
  const { assignableScopes } = role.properties as unknown as CustomRoleProperties
  if (id === '') return assignableScopes.some(isReadable)
  const within = `${id.toLowerCase()}/`
  return isAssignable(role, id) || assignableScopes.some((each) => each.toLowerCase().startsWith(within))
}

const encodeCustom = (role: StoredResource, printed: string) =>
  encodeResource(
    role,
    customRoles,
    { type: role.type, id: `${printed}/providers/${role.type}/${role.name}` },
    { publicUrl: '' },
  )

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
