import { levelsOf } from '../wire/arm-id.ts'
import { groupScope, type Scope, subscriptionScope } from './surroundings.ts'

/*
 * Ids of what a template names by type and name.
 *
 *   type   Microsoft.EventGrid/domains/topics
 *   name   orders/eu
 *   id     {scope}/providers/Microsoft.EventGrid/domains/orders/topics/eu
 *
 * In the older form of an extension resource the word `providers` in the type goes with a namespace in the name:
 *
 *   type   Microsoft.Storage/storageAccounts/providers/eventSubscriptions
 *   name   account/Microsoft.EventGrid/uploads
 *   id     {scope}/providers/Microsoft.Storage/storageAccounts/account/providers/Microsoft.EventGrid/eventSubscriptions/uploads
 */

const groupsType = 'microsoft.resources/resourcegroups'
const subscriptionsType = 'microsoft.resources/subscriptions'

/** How many names a type goes with; 0 when it is no type. */
export function namesOf(type: string): number {
  const segments = typeSegments(type)
  return segments.length < 2 || segments.includes('') ? 0 : segments.length - 1
}

/** A slash at the end, which `resourceId('Microsoft.Resources/resourceGroups/', name)` has, means nothing. */
const typeSegments = (type: string) => type.replace(/\/$/, '').split('/')

/** @param names as many as the type goes with */
export function idUnder(scopeId: string, type: string, names: readonly string[]): string {
  const lower = type.replace(/\/$/, '').toLowerCase()
  if (lower === groupsType && /^\/subscriptions\/[^/]+$/i.test(scopeId))
    return `${scopeId}/resourceGroups/${names[0]}`
  if (lower === subscriptionsType && scopeId === '') return `/subscriptions/${names[0]}`
  const [namespace, ...words] = typeSegments(type)
  return `${scopeId}/providers/${namespace}${words.map((word, index) => `/${word}/${names[index]}`).join('')}`
}

/** One spelling for ids that mean the same: lower case, groups without their namespace. */
export function comparable(id: string): string {
  const lower = id.toLowerCase().replace(/\/$/, '')
  return lower.replace(
    /^(\/subscriptions\/[^/]+)\/providers\/microsoft\.resources\/resourcegroups\//,
    '$1/resourcegroups/',
  )
}

/**
 * The id of what contains a resource: of a child its parent, of an extension resource what it stands on, of a
 * resource in a group the group. Undefined at the outermost.
 */
export function containerOf(id: string): string | undefined {
  const levels = levelsOf(id)
  if (levels.length > 0) return levels.at(-2)?.id
  // Ids of management groups and of the tenant lead through no subscription.
  const at = id.lastIndexOf('/providers/')
  if (at < 0) return undefined
  const pairs = id.slice(at).split('/').length - '/providers/namespace'.split('/').length
  if (pairs > 2) return id.split('/').slice(0, -2).join('/')
  return at === 0 ? undefined : id.slice(0, at)
}

/** The scope in which a deployment of a group or a subscription lands that names others. */
export function targetScope(
  scope: Scope,
  subscriptionId: string | undefined,
  group: string | undefined,
): Scope | undefined {
  const subscription = subscriptionId ?? ('subscriptionId' in scope ? scope.subscriptionId : undefined)
  if (subscriptionId === undefined && group === undefined) return scope
  if (subscription === undefined) return undefined
  return group === undefined ? subscriptionScope(subscription) : groupScope(subscription, group)
}

/**
 * The id that a resource's `scope` means: an id, `/` for the tenant, or type and name of a resource beside it,
 * such as `Microsoft.EventGrid/topics/orders`. Undefined when it is none of these.
 */
export function scopeIdOf(scope: string, beside: Scope): string | undefined {
  if (scope === '/') return ''
  if (scope.startsWith('/')) return scope.replace(/\/$/, '')
  const segments = scope.split('/')
  if (segments.length < 3 || segments.length % 2 === 0 || segments.includes('')) return undefined
  if (/^Microsoft\.Management\/managementGroups\//i.test(scope)) return `/providers/${scope}`
  return `${beside.id}/providers/${scope}`
}
