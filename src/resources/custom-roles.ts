import type { RequestError } from '../base/errors.ts'
import { type Level, levelsOf, nameInId, subscriptionType } from '../wire/arm-id.ts'
import { invalidProperty, invalidRequest, notSupported } from '../wire/errors.ts'
import { checkString, type Fields, fields, readArray, readString } from '../wire/shape.ts'
import { customRoleNotFound, roleHasAssignments, roleNameTaken } from './errors.ts'
import type {
  Content,
  DecodeContext,
  ResourceType,
  StoredResource,
  StoredResources,
} from './resource-type.ts'
import { type RolePermission, roleDefinitionOf, roleDefinitions, roleNameIn } from './role-definitions.ts'

/** A custom role's stored `properties`. */
export interface CustomRoleProperties {
  readonly roleName: string
  readonly description: string
  /** ARM ids of subscriptions, groups and resources on which, and below which, it may be assigned. */
  readonly assignableScopes: readonly string[]
  readonly permissions: readonly RolePermission[]
}

const type = 'Microsoft.Authorization/roleDefinitions'
/** Source: learn.microsoft.com/azure/role-based-access-control/custom-roles, "Custom role limits" */
const limits = {
  roles: 5_000,
  permissions: 10,
  actions: 1_000,
  actionCharacters: 512,
  assignableScopes: 2_000,
  scopeCharacters: 2_048,
  nameCharacters: 512,
  descriptionCharacters: 2_048,
}
const guid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
/** A provider, its types and a verb; `*` stands for any text. */
const actionPattern = /^[\w.*-]+(\/[\w.*-]+)*$/

function decode(
  wire: Readonly<Record<string, unknown>>,
  { before, parentId, stored }: DecodeContext,
): Content {
  const from = fields(wire, 'properties')
  const kind = readString(from, 'type', 64) ?? readString(from, 'roleType', 64)
  if (kind !== undefined && kind.toLowerCase() !== 'customrole')
    throw invalidProperty(from.at('type'), "'CustomRole'", kind)
  const roleName = readString(from, 'roleName', limits.nameCharacters)
  if (roleName === undefined || roleName.trim() === '')
    throw invalidProperty(from.at('roleName'), 'the name of the role', from.raw('roleName'))
  const old = before?.properties as unknown as CustomRoleProperties | undefined
  if (old?.roleName.toLowerCase() !== roleName.toLowerCase()) checkName(roleName, stored)
  const properties: CustomRoleProperties = {
    roleName,
    description: readString(from, 'description', limits.descriptionCharacters) ?? '',
    assignableScopes: decodeScopes(from) ?? old?.assignableScopes ?? [parentId],
    permissions: decodePermissions(from),
  }
  return { properties: { ...properties }, secrets: {} }
}

function checkName(roleName: string, stored: StoredResources): void {
  const lower = roleName.toLowerCase()
  const isTaken =
    roleDefinitions.some((each) => each.roleName.toLowerCase() === lower) ||
    [...stored.below(type, '')].some((each) => propertiesOf(each).roleName.toLowerCase() === lower)
  if (isTaken) throw roleNameTaken(roleName)
}

function decodeScopes(from: Fields): readonly string[] | undefined {
  const scopes = readArray(from, 'assignableScopes', limits.assignableScopes)?.map(({ value, path }) => {
    const scope = checkString(value, path, limits.scopeCharacters).replace(/(?<=.)\/+$/, '')
    if (levelsOf(scope).length === 0)
      throw invalidProperty(path, 'the id of a subscription, a resource group or a resource', scope)
    return scope
  })
  if (scopes?.length === 0)
    throw invalidProperty(from.at('assignableScopes'), 'a list with a scope at least', [])
  return scopes
}

function decodePermissions(from: Fields): readonly RolePermission[] {
  const items = readArray(from, 'permissions', limits.permissions)
  if (!items || items.length === 0)
    throw invalidProperty(
      from.at('permissions'),
      'a list with a permission at least',
      from.raw('permissions'),
    )
  return items.map(({ value, path }) => {
    const permission = fields(value, path)
    for (const name of ['condition', 'conditionVersion']) {
      const given = permission.raw(name)
      if (given !== undefined && given !== null)
        throw notSupported(permission.at(name), `'${name}' of a permission`)
    }
    const list = (name: string) =>
      readArray(permission, name, limits.actions)?.map((each) => decodeAction(each.value, each.path)) ?? []
    return {
      actions: list('actions'),
      notActions: list('notActions'),
      dataActions: list('dataActions'),
      notDataActions: list('notDataActions'),
    }
  })
}

function decodeAction(value: unknown, path: string): string {
  const action = checkString(value, path, limits.actionCharacters)
  if (actionPattern.test(action)) return action
  throw invalidProperty(
    path,
    "an action such as 'Microsoft.EventGrid/topics/read', in which * stands for any text",
    action,
  )
}

const propertiesOf = ({ properties }: Pick<StoredResource, 'properties'>) =>
  properties as unknown as CustomRoleProperties

/** By the id of its definition at any scope; undefined when no custom role has it. */
export function customRoleOf(definitionId: string, stored: StoredResources): StoredResource | undefined {
  const name = roleNameIn(definitionId)
  if (name === undefined || roleDefinitionOf(definitionId)) return undefined
  for (const each of stored.below(type, '')) if (each.name.toLowerCase() === name) return each
  return undefined
}

/** Whether a role may be assigned on that scope: on one of its own, or below it. */
export function isAssignable({ properties }: StoredResource, scope: string): boolean {
  const { assignableScopes } = properties as unknown as CustomRoleProperties
  const lower = `${scope.toLowerCase()}/`
  return assignableScopes.some((each) => lower.startsWith(`${each.toLowerCase()}/`))
}

const refuses = ({ type: on }: Level): RequestError | undefined =>
  on === subscriptionType
    ? undefined
    : invalidRequest(`A role definition is made in a subscription; got one on '${on}'.`)

/**
 * Roles that users make of their own. Kept with the subscription in which they were made, and the same at every
 * scope.
 *
 * Source: learn.microsoft.com/rest/api/authorization/role-definitions; learn.microsoft.com/azure/
 * role-based-access-control/custom-roles
 */
export const customRoles: ResourceType = {
  type,
  childForms: [],
  scope: 'extension',
  extension: { refuses, childOnlyOf: [] },
  tracked: false,
  hasIdentity: false,
  name: { pattern: guid, rule: 'a guid' },
  reservedPrefixes: [],
  longRunning: false,
  statuses: { create: 201, replace: 201, update: 201, delete: 200 },
  unique: ({ name }) => ({
    key: `role definition ${name.toLowerCase()}`,
    taken: () => invalidRequest(`The role definition '${name}' belongs to another subscription.`),
  }),
  quota: () => limits.roles,
  // Names of roles are compared with one another.
  together: 'role definitions',
  companion: undefined,
  decode,
  patch: undefined,
  encode: ({ properties, createdAt, createdBy, changedAt, changedBy }) => ({
    ...properties,
    type: 'CustomRole',
    createdOn: new Date(createdAt).toISOString(),
    updatedOn: new Date(changedAt).toISOString(),
    createdBy,
    updatedBy: changedBy,
  }),
  actions: {},
  notFound: customRoleNotFound,
  refusesDelete(resource, stored) {
    const isMeant = ({ properties }: StoredResource) =>
      roleNameIn(String(properties.roleDefinitionId)) === nameInId(resource.id).toLowerCase()
    for (const each of stored.below('Microsoft.Authorization/roleAssignments', ''))
      if (isMeant(each)) return roleHasAssignments(propertiesOf(resource).roleName)
    return undefined
  },
  verification: undefined,
  expiresAt: undefined,
  example: {
    name: '4b1c8e2f-7d35-4a60-9c1e-5f2a3b4c5d6e',
    body: {
      properties: {
        roleName: 'Topic key reader',
        description: 'Reads topics and their keys.',
        type: 'CustomRole',
        assignableScopes: ['/subscriptions/00000000-0000-0000-0000-000000000000'],
        permissions: [
          {
            actions: ['Microsoft.EventGrid/topics/read', 'Microsoft.EventGrid/topics/listKeys/action'],
            notActions: [],
            dataActions: [],
            notDataActions: [],
          },
        ],
      },
    },
  },
}
