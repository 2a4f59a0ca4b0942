import { invalidProperty, invalidRequest } from '../../wire/errors.ts'
import {
  checkString,
  type Fields,
  isObject,
  readEnum,
  readObject,
  readString,
  type WireObject,
} from '../../wire/shape.ts'
import type { Identity } from '../resource-type.ts'

const idCharacters = 1024

/** Whose right to send it is: an identity of the resource that the event subscription is on. */
export interface ResourceIdentity {
  readonly type: 'SystemAssigned' | 'UserAssigned'
  readonly userAssignedIdentity: string | null
}

/**
 * `identity` of a delivery or dead-letter destination. Here the configured connection of that resource is what
 * proves who sends; the identity says whether the resource may.
 *
 * Source: learn.microsoft.com/azure/event-grid/managed-service-identity
 *
 * @param from such as `deliveryWithResourceIdentity`
 * @param owned what the resource around the event subscription has
 */
export function decodeResourceIdentity(from: Fields, owned: Identity | undefined): ResourceIdentity {
  const identity = readObject(from, 'identity')
  const type = identity && readEnum(identity, 'type', ['SystemAssigned', 'UserAssigned'])
  if (!identity || type === undefined)
    throw invalidProperty(from.at('identity.type'), 'one of SystemAssigned, UserAssigned', undefined)
  const given = readUserAssignedIdentity(identity)
  const at = identity.at('userAssignedIdentity')
  if (type === 'UserAssigned') {
    if (given === undefined) throw invalidProperty(at, 'the ARM id of a user-assigned identity', given)
    const assigned = Object.keys(owned?.userAssignedIdentities ?? {})
    if (!assigned.some((id) => id.toLowerCase() === given.toLowerCase()))
      throw invalidRequest(
        `The identity '${given}' is not assigned to the event subscription's topic; assigned: ${assigned.join(', ') || 'none'}.`,
        at,
      )
    return { type, userAssignedIdentity: given }
  }
  if (given !== undefined) throw invalidProperty(at, 'left out where the type is SystemAssigned', given)
  if (owned?.type.startsWith('SystemAssigned') !== true)
    throw invalidRequest(
      "The event subscription's topic has no system-assigned identity: give it one first, with identity.type SystemAssigned.",
      identity.at('type'),
    )
  return { type, userAssignedIdentity: null }
}

/** The identity by its ARM id. Some clients write the plural, with one id alone, in an array, or as a member's name. */
export function readUserAssignedIdentity(identity: Fields): string | undefined {
  const singular = readString(identity, 'userAssignedIdentity', idCharacters)
  if (singular) return singular
  const plural = identity.raw('userAssignedIdentities')
  if (plural === undefined) return undefined
  const path = identity.at('userAssignedIdentities')
  if (typeof plural === 'string') return checkString(plural, path, idCharacters) || undefined
  const ids: readonly unknown[] = Array.isArray(plural) ? plural : Object.keys(fieldsOf(plural, path))
  if (ids.length > 1) throw invalidProperty(path, 'one identity', plural)
  return ids.length === 0 ? undefined : checkString(ids[0], path, idCharacters)
}

function fieldsOf(value: unknown, path: string): WireObject {
  if (!isObject(value)) throw invalidProperty(path, 'the ARM id of a user-assigned identity', value)
  return value
}
