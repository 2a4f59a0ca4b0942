import type { CustomRoleProperties } from '../resources/custom-roles.ts'
import { customRoles } from '../resources/custom-roles.ts'
import { eventSubscriptions } from '../resources/event-subscriptions/event-subscriptions.ts'
import type { StoredResource } from '../resources/resource-type.ts'
import { systemTopics } from '../resources/system-topics.ts'
import { typeOfId } from '../wire/arm-id.ts'
import { isObject, type WireObject } from '../wire/shape.ts'
import { actionOf, type NeededAccess } from './needed-access.ts'
import type { ResourceRef } from './resource-ref.ts'

/*
 * What else a write must be permitted: to use the resources that its body names. Without it, whoever may make event
 * subscriptions could have events sent to any queue that this server reaches, and the events of any source.
 *
 * Source: learn.microsoft.com/azure/event-grid/security-authorization, "Permission requirements"
 */

type Linked = Pick<NeededAccess, 'action' | 'scope'>

/** @param before the resource as it is, where it is there */
export function linkedAccess(
  { type }: ResourceRef,
  body: WireObject,
  before: StoredResource | undefined,
): readonly Linked[] {
  const linked = identitiesIn(body)
  if (type === eventSubscriptions) return [...linked, ...destinationsIn(body)]
  if (type === systemTopics && !before) return [...linked, ...sourceIn(body)]
  if (type === customRoles) return scopesOf(body, before)
  return linked
}

/** Where an event subscription delivers to, and where it dead-letters to. */
function destinationsIn(body: WireObject): readonly Linked[] {
  // A PUT has them among the properties; a PATCH may have them outside.
  return [body, objectIn(body, 'properties')].flatMap((from) => {
    const places = [
      objectIn(from, 'destination'),
      objectIn(objectIn(from, 'deliveryWithResourceIdentity'), 'destination'),
      objectIn(from, 'deadLetterDestination'),
      objectIn(objectIn(from, 'deadLetterWithResourceIdentity'), 'deadLetterDestination'),
    ]
    return places
      .map((place) => objectIn(place, 'properties'))
      .flatMap(({ resourceId, actionGroups }) => [
        resourceId,
        ...(Array.isArray(actionGroups) ? (actionGroups as readonly unknown[]) : []),
      ])
      .flatMap((id) => writeOf(id))
  })
}

function writeOf(id: unknown): readonly Linked[] {
  const type = typeof id === 'string' ? typeOfId(id) : undefined
  return type === undefined ? [] : [{ action: actionOf(type, 'write'), scope: id as string }]
}

/** Who makes a system topic says whose events it carries. */
function sourceIn(body: WireObject): readonly Linked[] {
  const { source } = objectIn(body, 'properties')
  if (typeof source !== 'string' || typeOfId(source) === undefined) return []
  return [{ action: actionOf(eventSubscriptions.type, 'write'), scope: source }]
}

const identityType = 'Microsoft.ManagedIdentity/userAssignedIdentities'

function identitiesIn(body: WireObject): readonly Linked[] {
  const given = objectIn(objectIn(body, 'identity'), 'userAssignedIdentities')
  return Object.entries(given)
    .filter(([id, value]) => value !== null && typeOfId(id) !== undefined)
    .map(([scope]) => ({ action: actionOf(identityType, 'assign'), scope }))
}

/** A role is changed by those who may change it wherever it may be assigned. */
function scopesOf(body: WireObject, before: StoredResource | undefined): readonly Linked[] {
  const { assignableScopes: given } = objectIn(body, 'properties')
  const asked: readonly unknown[] = Array.isArray(given) ? given : []
  const known = (before?.properties as unknown as CustomRoleProperties | undefined)?.assignableScopes ?? []
  const scopes = new Set([...asked.filter((each) => typeof each === 'string'), ...known])
  return [...scopes].map((scope) => ({ action: actionOf(customRoles.type, 'write'), scope }))
}

function objectIn(from: WireObject, name: string): WireObject {
  const value = from[name]
  return isObject(value) ? value : {}
}
