import type { Caller } from './caller.ts'

/**
 * The role that let a caller do something, as resource events tell of it.
 *
 * Source: learn.microsoft.com/azure/event-grid/event-schema-subscriptions, `authorization.evidence`
 */
export interface Evidence {
  readonly role: string
  readonly roleAssignmentScope: string
  /** As are the other ids: a guid without dashes. */
  readonly roleAssignmentId: string
  readonly roleDefinitionId: string
  readonly principalId: string
  readonly principalType: string
}

/** What lets a caller do something: a role, or that it owns everything (then there is no evidence). */
export interface Permission {
  readonly evidence: Evidence | undefined
}

/** What callers may do. An action is one of Azure's, such as `Microsoft.EventGrid/topics/read`, in any letter case. */
export interface Access {
  /** Undefined: the caller may not do that there. A scope is an ARM id; a role on it or on what is above it counts. */
  permission(caller: Caller, action: string, scope: string): Permission | undefined
  /** Throws the `RequestError` 403 AuthorizationFailed where the caller may not. */
  check(caller: Caller, action: string, scope: string): void
}
