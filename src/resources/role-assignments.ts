import type { RequestError } from '../base/errors.ts'
import type { Level } from '../wire/arm-id.ts'
import { invalidProperty, invalidRequest, notSupported } from '../wire/errors.ts'
import { fields, readEnum, readString } from '../wire/shape.ts'
import { customRoleOf, isAssignable } from './custom-roles.ts'
import {
  roleAssignmentExists,
  roleAssignmentNotFound,
  roleAssignmentUpdateNotPermitted,
  roleDefinitionDoesNotExist,
  scopeNotAssignable,
} from './errors.ts'
import type { Content, DecodeContext, ResourceType } from './resource-type.ts'
import { roleDefinitionOf, roleNameIn } from './role-definitions.ts'

/** A role assignment's stored `properties`. */
export interface RoleAssignmentProperties {
  /** Of a built-in role, or of a custom one; as it was given. */
  readonly roleDefinitionId: string
  /** A guid in lower case. */
  readonly principalId: string
  readonly principalType: 'User' | 'Group' | 'ServicePrincipal' | 'ForeignGroup' | 'Device'
  readonly description: string | null
}

const type = 'Microsoft.Authorization/roleAssignments'
/** Source: learn.microsoft.com/azure/azure-resource-manager/management/azure-subscription-service-limits */
const assignmentsPerScope = 4_000
const guid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
const idCharacters = 2048
const descriptionCharacters = 1024

function decode(
  wire: Readonly<Record<string, unknown>>,
  { before, parentId, stored }: DecodeContext,
): Content {
  const from = fields(wire, 'properties')
  const roleDefinitionId = readString(from, 'roleDefinitionId', idCharacters)
  if (roleDefinitionId === undefined)
    throw invalidProperty(from.at('roleDefinitionId'), 'the id of a role definition', undefined)
  const role = roleNameIn(roleDefinitionId)
  const custom = customRoleOf(roleDefinitionId, stored)
  if (!custom && !roleDefinitionOf(roleDefinitionId)) throw roleDefinitionDoesNotExist(roleDefinitionId)
  if (custom && !isAssignable(custom, parentId))
    throw scopeNotAssignable(parentId, String(custom.properties.roleName))
  const principalId = readString(from, 'principalId', idCharacters)?.toLowerCase()
  if (principalId === undefined || !guid.test(principalId))
    throw invalidProperty(
      from.at('principalId'),
      'a guid: the object id of the principal',
      from.raw('principalId'),
    )
  for (const name of ['condition', 'conditionVersion', 'delegatedManagedIdentityResourceId'])
    if (from.raw(name) !== undefined) throw notSupported(from.at(name), `'${name}' of a role assignment`)
  const old = before?.properties as unknown as RoleAssignmentProperties | undefined
  if (old && (old.principalId !== principalId || roleNameIn(old.roleDefinitionId) !== role))
    throw roleAssignmentUpdateNotPermitted()
  if (!old)
    for (const { properties } of stored.below(type, `${parentId}/providers/${type}/`)) {
      const other = properties as unknown as RoleAssignmentProperties
      if (other.principalId === principalId && roleNameIn(other.roleDefinitionId) === role)
        throw roleAssignmentExists()
    }
  const properties: RoleAssignmentProperties = {
    roleDefinitionId,
    principalId,
    principalType:
      readEnum(from, 'principalType', ['User', 'Group', 'ServicePrincipal', 'ForeignGroup', 'Device']) ??
      'User',
    description: readString(from, 'description', descriptionCharacters) ?? null,
  }
  return { properties: { ...properties }, secrets: {} }
}

/** What says who may do what is itself no place for a role. */
function refusalOf(scope: Level): RequestError | undefined {
  if (!scope.type.toLowerCase().startsWith('microsoft.authorization/')) return undefined
  return invalidRequest(
    `A role is assigned on a subscription, a resource group or a resource; got '${scope.type}'.`,
  )
}

/**
 * Who may do what where: on the control plane, and on the data plane with a bearer token.
 *
 * Source: learn.microsoft.com/rest/api/authorization/role-assignments
 */
export const roleAssignments: ResourceType = {
  type,
  childForms: [],
  scope: 'extension',
  extension: { refuses: refusalOf, childOnlyOf: [], onUnlisted: true },
  tracked: false,
  hasIdentity: false,
  name: { pattern: guid, rule: 'a guid' },
  reservedPrefixes: [],
  longRunning: false,
  statuses: { create: 201, replace: 200, update: 200, delete: 200 },
  unique: undefined,
  quota: () => assignmentsPerScope,
  companion: undefined,
  decode,
  patch: undefined,
  encode: ({ properties, parentId, createdAt, createdBy, changedAt, changedBy }) => ({
    ...properties,
    scope: parentId,
    condition: null,
    conditionVersion: null,
    createdOn: new Date(createdAt).toISOString(),
    updatedOn: new Date(changedAt).toISOString(),
    createdBy,
    updatedBy: changedBy,
    delegatedManagedIdentityResourceId: null,
  }),
  actions: {},
  notFound: roleAssignmentNotFound,
  verification: undefined,
  expiresAt: undefined,
  example: {
    name: '6f1c2a53-4d3e-4c5b-9a87-0b1c2d3e4f50',
    body: {
      properties: {
        roleDefinitionId:
          '/subscriptions/00000000-0000-0000-0000-000000000000/providers/Microsoft.Authorization/roleDefinitions/d5a91429-5739-47e2-a06b-3470a27159e7',
        principalId: '2c1d7a90-8f4e-4b6a-a5d3-1e2f3a4b5c6d',
        principalType: 'ServicePrincipal',
      },
    },
  },
}
