import type { CustomRoleProperties } from '../resources/custom-roles.ts'
import { customRoles } from '../resources/custom-roles.ts'
import { eventSubscriptions } from '../resources/event-subscriptions/event-subscriptions.ts'
import { namespaceEventSubscriptions } from '../resources/namespace-event-subscriptions.ts'
import { namespaces } from '../resources/namespaces.ts'
import type { StoredResource } from '../resources/resource-type.ts'
import { systemTopics } from '../resources/system-topics.ts'
import { typeOfId } from '../wire/arm-id.ts'
import { fields, isObject, type WireObject } from '../wire/shape.ts'
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
  if (type === namespaceEventSubscriptions) return [...linked, ...deliveryIn(body)]
  if (type === namespaces) return [...linked, ...routeIn(body)]
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
      .flatMap((properties) => [valueIn(properties, 'resourceId'), ...listIn(properties, 'actionGroups')])
      .flatMap((id) => writeOf(id))
  })
}

/** The same on a topic of a namespace, where it is further down. */
function deliveryIn(body: WireObject): readonly Linked[] {
  const configuration = objectIn(objectIn(body, 'properties'), 'deliveryConfiguration')
  return ['push', 'queue'].flatMap((word) => {
    const way = objectIn(configuration, word)
    const deadLetter = objectIn(way, 'deadLetterDestinationWithResourceIdentity')
    return [
      ...destinationsIn(way),
      ...destinationsIn({ deadLetterDestination: deadLetter }),
      ...destinationsIn(deadLetter),
    ]
  })
}

/** The topic that a namespace sends the messages of its MQTT clients to. */
function routeIn(body: WireObject): readonly Linked[] {
  const configuration = objectIn(objectIn(body, 'properties'), 'topicSpacesConfiguration')
  return writeOf(valueIn(configuration, 'routeTopicResourceId'))
}

function writeOf(id: unknown): readonly Linked[] {
  const type = typeof id === 'string' ? typeOfId(id) : undefined
  return type === undefined ? [] : [{ action: actionOf(type, 'write'), scope: id as string }]
}

/** Who makes a system topic says whose events it carries. */
function sourceIn(body: WireObject): readonly Linked[] {
  const source = valueIn(objectIn(body, 'properties'), 'source')
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
  const asked = listIn(objectIn(body, 'properties'), 'assignableScopes')
  const known = (before?.properties as unknown as CustomRoleProperties | undefined)?.assignableScopes ?? []
  const scopes = new Set([...asked.filter((each) => typeof each === 'string'), ...known])
  return [...scopes].map((scope) => ({ action: actionOf(customRoles.type, 'write'), scope }))
}

/** In any letter case, as the body is decoded: else another spelling would go unseen here. */
const valueIn = (from: WireObject, name: string): unknown => fields(from, '').raw(name)

function objectIn(from: WireObject, name: string): WireObject {
  const value = valueIn(from, name)
  return isObject(value) ? value : {}
}

function listIn(from: WireObject, name: string): readonly unknown[] {
  const value = valueIn(from, name)
  return Array.isArray(value) ? (value as readonly unknown[]) : []
}
