import type { CustomRoleProperties } from '../resources/custom-roles.ts'
import type { StoredResource } from '../resources/resource-type.ts'
import type { RoleAssignmentProperties } from '../resources/role-assignments.ts'
import { type RolePermission, roleDefinitions, roleNameIn } from '../resources/role-definitions.ts'
import { nameInId } from '../wire/arm-id.ts'
import { type CompiledRole, compileRole } from './role-permissions.ts'

/** One role assignment, and the role as it is now. */
export interface RoleGrant {
  readonly assignmentId: string
  readonly scope: string
  /** The guid of the role's definition, in lower case. */
  readonly roleName: string
  /** As people call it, such as `Contributor`. */
  readonly displayName: string
  readonly principalId: string
  readonly principalType: string
}

interface Role {
  readonly displayName: string
  readonly permissions: readonly RolePermission[]
  readonly compiled: CompiledRole
}

type Grant = Omit<RoleGrant, 'displayName'>

const builtIn: readonly (readonly [string, Role])[] = roleDefinitions.map(
  ({ name, roleName: displayName, actions, notActions, dataActions }) => {
    const permissions = [{ actions, notActions, dataActions, notDataActions: [] }]
    return [name, { displayName, permissions, compiled: compileRole(permissions) }]
  },
)

/** Decisions that are remembered; beyond it all are forgotten. */
const rememberedDecisions = 20_000
/** A longer question is answered anew each time: scopes are as long as callers make them. */
const rememberedCharacters = 1_000

/**
 * Who may do what where: the role assignments, found by principal and scope, and the roles that they assign. A
 * decision is remembered until an assignment or a role changes.
 */
export class RoleGrants {
  /** By principal id, then by scope, then by id of the assignment. All in lower case. */
  readonly #byPrincipal = new Map<string, Map<string, Map<string, Grant>>>()
  readonly #roles = new Map<string, Role>(builtIn)
  /** By principal, action and scope as they are asked for. */
  readonly #decided = new Map<string, RoleGrant | undefined>()

  put(assignment: StoredResource): void {
    const { principalId, roleDefinitionId, principalType } = propertiesOf(assignment)
    const principal = principalId.toLowerCase()
    let scopes = this.#byPrincipal.get(principal)
    if (!scopes) this.#byPrincipal.set(principal, (scopes = new Map()))
    const scope = assignment.parentId.toLowerCase()
    let grants = scopes.get(scope)
    if (!grants) scopes.set(scope, (grants = new Map()))
    grants.set(assignment.id.toLowerCase(), {
      assignmentId: assignment.id,
      scope: assignment.parentId,
      roleName: roleNameIn(roleDefinitionId) ?? '',
      principalId: principal,
      principalType,
    })
    this.#decided.clear()
  }

  delete(assignment: StoredResource): void {
    const principal = propertiesOf(assignment).principalId.toLowerCase()
    const scope = assignment.parentId.toLowerCase()
    const scopes = this.#byPrincipal.get(principal)
    const grants = scopes?.get(scope)
    grants?.delete(assignment.id.toLowerCase())
    if (grants?.size === 0) scopes?.delete(scope)
    if (scopes?.size === 0) this.#byPrincipal.delete(principal)
    this.#decided.clear()
  }

  putRole({ name, properties }: StoredResource): void {
    const { roleName: displayName, permissions } = properties as unknown as CustomRoleProperties
    this.#roles.set(name.toLowerCase(), { displayName, permissions, compiled: compileRole(permissions) })
    this.#decided.clear()
  }

  deleteRole({ id }: StoredResource): void {
    this.#roles.delete(nameInId(id).toLowerCase())
    this.#decided.clear()
  }

  /** @param resourceId a role on it, or on anything above it, counts */
  permits(principalId: string, dataAction: string, resourceId: string): boolean {
    return this.#decide(principalId, dataAction, resourceId, 'allowsData') !== undefined
  }

  /** The assignment that lets one of the principals do that there; undefined: none does. */
  find(principalIds: readonly string[], action: string, resourceId: string): RoleGrant | undefined {
    for (const principalId of principalIds) {
      const found = this.#decide(principalId, action, resourceId, 'allows')
      if (found) return found
    }
    return undefined
  }

  #decide(
    principalId: string,
    action: string,
    resourceId: string,
    permits: keyof CompiledRole,
  ): RoleGrant | undefined {
    const key = `${permits} ${principalId} ${action} ${resourceId}`
    const known = this.#decided.get(key)
    if (known !== undefined || this.#decided.has(key)) return known
    const found = this.#search(principalId, action.toLowerCase(), resourceId, permits)
    if (key.length > rememberedCharacters) return found
    if (this.#decided.size >= rememberedDecisions) this.#decided.clear()
    this.#decided.set(key, found)
    return found
  }

  #search(
    principalId: string,
    action: string,
    resourceId: string,
    permits: keyof CompiledRole,
  ): RoleGrant | undefined {
    for (const grant of this.#above(principalId, resourceId)) {
      const role = this.#roles.get(grant.roleName)
      if (role?.compiled[permits](action)) return { ...grant, displayName: role.displayName }
    }
    return undefined
  }

  /** Whether a role of one of the principals on something below that scope permits the action there. */
  permitsBelow(principalIds: readonly string[], action: string, scope: string): boolean {
    const lower = action.toLowerCase()
    return this.#below(principalIds, scope).some(({ roleName }) =>
      this.#roles.get(roleName)?.compiled.allows(lower),
    )
  }

  /** Whether one of the principals has a role there, above it or below it; whatever it permits. */
  reaches(principalIds: readonly string[], scope: string): boolean {
    const isThere = (principalId: string) => [...this.#above(principalId, scope)].length > 0
    return principalIds.some(isThere) || this.#below(principalIds, scope).length > 0
  }

  /** What the roles of the principals permit at that scope, one item for each permission of each role. */
  permissionsAt(principalIds: readonly string[], scope: string): readonly RolePermission[] {
    const names = new Set(
      principalIds.flatMap((principalId) =>
        [...this.#above(principalId, scope)].map(({ roleName }) => roleName),
      ),
    )
    return [...names].flatMap((name) => this.#roles.get(name)?.permissions ?? [])
  }

  /** The assignments on a scope and on everything above it, the innermost first. */
  *#above(principalId: string, resourceId: string): Iterable<Grant> {
    const scopes = this.#byPrincipal.get(principalId.toLowerCase())
    if (!scopes) return
    for (let scope = resourceId.toLowerCase(); ; scope = scope.slice(0, scope.lastIndexOf('/'))) {
      yield* scopes.get(scope)?.values() ?? []
      if (scope === '') return
    }
  }

  #below(principalIds: readonly string[], scope: string): readonly Grant[] {
    const prefix = `${scope.toLowerCase()}/`
    return principalIds.flatMap((principalId) =>
      [...(this.#byPrincipal.get(principalId.toLowerCase()) ?? [])].flatMap(([at, grants]) =>
        at.startsWith(prefix) ? [...grants.values()] : [],
      ),
    )
  }
}

const propertiesOf = ({ properties }: StoredResource) => properties as unknown as RoleAssignmentProperties
