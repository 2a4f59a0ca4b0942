import type { Access, Evidence, Permission } from '../auth/access.ts'
import type { Caller } from '../auth/caller.ts'
import { authorizationFailed } from '../auth/errors.ts'
import type { RolePermission } from '../resources/role-definitions.ts'
import { nameInId } from '../wire/arm-id.ts'
import type { RoleGrant, RoleGrants } from './role-grants.ts'

/** Whoever owns everything is said to, in the word of events. */
const asOwner: Permission = { evidence: undefined }
const everything: RolePermission = { actions: ['*'], notActions: [], dataActions: [], notDataActions: [] }

/** What callers may do on the control plane, by the roles that are assigned to them. */
export class RoleAccess implements Access {
  readonly #grants: RoleGrants

  constructor(grants: RoleGrants) {
    this.#grants = grants
  }

  permission(caller: Caller, action: string, scope: string): Permission | undefined {
    if (caller.isOwner) return asOwner
    const grant = this.#grants.find(idsOf(caller), action, scope)
    return grant && { evidence: evidenceOf(grant) }
  }

  check(caller: Caller, action: string, scope: string): void {
    if (!this.permission(caller, action, scope)) throw authorizationFailed(caller, action, scope)
  }

  /** Whether something within that scope may be read by the caller, where not all of it may. */
  permitsBelow(caller: Caller, action: string, scope: string): boolean {
    return caller.isOwner || this.#grants.permitsBelow(idsOf(caller), action, scope)
  }

  /** Whether the caller has any business there: a role on the scope, above it or below it. */
  reaches(caller: Caller, scope: string): boolean {
    return caller.isOwner || this.#grants.reaches(idsOf(caller), scope)
  }

  /** What the caller may do at that scope, as far as it may do anything. */
  permissionsAt(caller: Caller, scope: string): readonly RolePermission[] {
    return caller.isOwner ? [everything] : this.#grants.permissionsAt(idsOf(caller), scope)
  }
}

const idsOf = ({ principalIds, objectId }: Caller): readonly string[] =>
  principalIds ?? (objectId === undefined ? [] : [objectId])

const evidenceOf = (grant: RoleGrant): Evidence => ({
  role: grant.displayName,
  roleAssignmentScope: grant.scope,
  roleAssignmentId: plain(nameInId(grant.assignmentId)),
  roleDefinitionId: plain(grant.roleName),
  principalId: plain(grant.principalId),
  principalType: grant.principalType,
})

const plain = (guid: string) => guid.replaceAll('-', '').toLowerCase()
