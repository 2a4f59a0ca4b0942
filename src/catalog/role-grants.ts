import type { StoredResource } from '../resources/resource-type.ts'
import type { RoleAssignmentProperties } from '../resources/role-assignments.ts'
import { roleDefinitionOf } from '../resources/role-definitions.ts'

/** Who may do what where: the role assignments, found by principal and scope. */
export class RoleGrants {
  /** By principal id, then by scope, then by id of the assignment: what it permits. All in lower case. */
  readonly #byPrincipal = new Map<string, Map<string, Map<string, readonly string[]>>>()

  put(assignment: StoredResource): void {
    const { principalId, roleDefinitionId } = assignment.properties as unknown as RoleAssignmentProperties
    const dataActions = roleDefinitionOf(roleDefinitionId)?.dataActions ?? []
    const principal = principalId.toLowerCase()
    let scopes = this.#byPrincipal.get(principal)
    if (!scopes) this.#byPrincipal.set(principal, (scopes = new Map()))
    const scope = assignment.parentId.toLowerCase()
    let grants = scopes.get(scope)
    if (!grants) scopes.set(scope, (grants = new Map()))
    grants.set(
      assignment.id.toLowerCase(),
      dataActions.map((action) => action.toLowerCase()),
    )
  }

  delete(assignment: StoredResource): void {
    const { principalId } = assignment.properties as unknown as RoleAssignmentProperties
    const principal = principalId.toLowerCase()
    const scope = assignment.parentId.toLowerCase()
    const scopes = this.#byPrincipal.get(principal)
    const grants = scopes?.get(scope)
    grants?.delete(assignment.id.toLowerCase())
    if (grants?.size === 0) scopes?.delete(scope)
    if (scopes?.size === 0) this.#byPrincipal.delete(principal)
  }

  /** @param resourceId a role on it, or on anything above it, counts */
  permits(principalId: string, dataAction: string, resourceId: string): boolean {
    const scopes = this.#byPrincipal.get(principalId.toLowerCase())
    if (!scopes) return false
    const action = dataAction.toLowerCase()
    for (let scope = resourceId.toLowerCase(); ; scope = scope.slice(0, scope.lastIndexOf('/'))) {
      for (const actions of scopes.get(scope)?.values() ?? []) if (actions.includes(action)) return true
      if (scope === '') return false
    }
  }
}
