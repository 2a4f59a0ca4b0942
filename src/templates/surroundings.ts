import type { EpochMs } from '../base/clock.ts'
import type { ObjectValue, Value } from './language/value.ts'

/** What a template may learn of the server that it is deployed on. Everything is known without waiting. */
export interface Surroundings {
  readonly now: EpochMs
  newGuid(): string
  /** What `environment()` is: endpoints and suffixes of the cloud. */
  readonly environment: ObjectValue
  /** What `tenant()` is. */
  readonly tenant: ObjectValue
  /** What `subscription()` is; undefined when there is no such subscription. */
  subscription(subscriptionId: string): ObjectValue | undefined
  /** What `resourceGroup()` is; undefined when there is no such group, or not yet. */
  resourceGroup(subscriptionId: string, name: string): ObjectValue | undefined
  /** What `managementGroup()` is; undefined when there is no such management group. */
  managementGroup(name: string): ObjectValue | undefined
  /** What `providers()` is; undefined when there is no such namespace or type. */
  providers(namespace: string, type: string | undefined): Value | undefined
}

/** Where a deployment writes. */
export type Scope =
  | { readonly kind: 'group'; readonly id: string; readonly subscriptionId: string; readonly group: string }
  | { readonly kind: 'subscription'; readonly id: string; readonly subscriptionId: string }
  | { readonly kind: 'managementGroup'; readonly id: string; readonly name: string }
  /** Its id is the empty text, so that `/providers/…` follows. */
  | { readonly kind: 'tenant'; readonly id: '' }

export const tenantScope: Scope = { kind: 'tenant', id: '' }

export const subscriptionScope = (subscriptionId: string): Scope => ({
  kind: 'subscription',
  id: `/subscriptions/${subscriptionId}`,
  subscriptionId,
})

export const groupScope = (subscriptionId: string, group: string): Scope => ({
  kind: 'group',
  id: `/subscriptions/${subscriptionId}/resourceGroups/${group}`,
  subscriptionId,
  group,
})

export const managementGroupScope = (name: string): Scope => ({
  kind: 'managementGroup',
  id: `/providers/Microsoft.Management/managementGroups/${name}`,
  name,
})

/** The scope that an id names; undefined when it names something else. */
export function scopeOf(id: string): Scope | undefined {
  if (id === '' || id === '/') return tenantScope
  const group = /^\/subscriptions\/([^/]+)\/resourceGroups\/([^/]+)$/i.exec(id)
  if (group) return groupScope(group[1] as string, group[2] as string)
  const subscription = /^\/subscriptions\/([^/]+)$/i.exec(id)
  if (subscription) return subscriptionScope(subscription[1] as string)
  const managementGroup = /^\/providers\/Microsoft\.Management\/managementGroups\/([^/]+)$/i.exec(id)
  return managementGroup ? managementGroupScope(managementGroup[1] as string) : undefined
}

/** The deployment that evaluates a template, as its expressions see it. */
export interface Deployment {
  readonly name: string
  readonly scope: Scope
  /** What `deployment()` is. */
  describe(): ObjectValue
}
